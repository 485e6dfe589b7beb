"""The places of the kernel's image beside a second telling of the kernel's code, which lists them one by one.

The oracle knows no rows: it walks over the map as the C code does, in its order and with its variables, and keeps
every single address.
"""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.behaviour.kaslr import KaslrRules, kaslr_rules
from kexeckit.kernel.boot.kaslr import ImageRoom, image_slots
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, MIB

ALIGN = 2 * MIB
NEW = kaslr_rules("x86_64", parse_kernel_version("6.12.1"))
OLD = kaslr_rules("x86_64", parse_kernel_version("4.19.1"))


def up(value: int, to: int) -> int:
    """Round up."""
    return (value + to - 1) // to * to


class Oracle:
    """find_random_phys_addr() of the decompressor, without the dice."""

    def __init__(self, avoid: list[tuple[int, int]], pages: int, rules: KaslrRules) -> None:
        self.avoid, self.pages, self.rules = avoid, pages, rules
        self.places: list[int] = []
        self.areas = 0

    def store(self, start: int, size: int, image: int) -> None:
        """store_slot_info()."""
        if self.areas == 100:
            return
        self.areas += 1
        self.places += [start + n * ALIGN for n in range(1 + (size - image) // ALIGN)]

    def pages_out(self, start: int, size: int, image: int) -> None:
        """process_gb_huge_pages(), in both of its forms."""
        first = up(start, GIB)
        if not self.pages or first >= (start + size) // GIB * GIB:
            return self.store(start, size, image)
        taken, left = 0, start + size - first
        while (left >= GIB if self.rules.last_gib_counts else left > GIB) and self.pages:
            left, self.pages, taken = left - GIB, self.pages - 1, taken + 1
        if not taken:
            return self.store(start, size, image)
        if first >= start + image:
            self.store(start, first - start, image)
        if left >= image:
            self.store(first + taken * GIB, left, image)
        return None

    def entry(self, begin: int, end: int, lowest: int, image: int) -> None:
        """__process_mem_region()."""
        start = max(begin, lowest)
        while self.areas < 100:
            start = up(start, ALIGN)
            if start > end or end - start < image:
                return
            size = end - start
            found = None
            for one, stop in self.avoid:
                if not (start + size <= one or start >= stop) and (found is None or one < found[0]):
                    found = (one, stop)
            if found is None:
                self.pages_out(start, size, image)
                return
            if found[0] >= start + image:
                self.pages_out(start, found[0] - start, image)
            start = found[1]


def listed(room: ImageRoom, rules: KaslrRules, image: int, pages: int, limit: int) -> list[int]:
    """All places, one by one."""
    oracle = Oracle([(r.start, r.end) for r in room.avoid], pages, rules)
    lowest = up(min(room.load, 512 * MIB), ALIGN)
    if lowest + image > limit:
        return []
    for entry in room.memory:
        parts = [(entry.start, entry.end)]
        if room.immovable and rules.immovable_only:
            bounds = [(max(entry.start, r.start), min(entry.end, r.end)) for r in room.immovable]
            parts = [(a, b) for a, b in bounds if a < b]
        for begin, end in parts:
            oracle.entry(begin, min(end, limit), lowest, image)
    return oracle.places


QUARTER = MIB // 4
SPANS = st.builds(lambda a, n: MemRange(a * QUARTER, (a + n) * QUARTER), st.integers(0, 400), st.integers(1, 200))
GIBS = st.builds(
    lambda a, n: MemRange(a * 64 * MIB, (a + n) * 64 * MIB + QUARTER), st.integers(0, 80), st.integers(1, 80)
)
ROOMS = st.builds(
    ImageRoom,
    memory=st.lists(st.one_of(SPANS, GIBS), min_size=1, max_size=4).map(tuple),
    avoid=st.lists(SPANS, max_size=3).map(tuple),
    immovable=st.lists(GIBS, max_size=2).map(tuple),
    load=st.sampled_from((16 * MIB, 40 * MIB + QUARTER, GIB)),
)


@given(
    ROOMS,
    st.sampled_from((NEW, OLD)),
    st.integers(1, 20),
    st.integers(0, 3),
    st.sampled_from((None, 64 * MIB, 3 * GIB)),
)
def test_places_as_the_decompressor_lists_them(
    room: ImageRoom, rules: KaslrRules, steps: int, pages: int, limit: int | None
) -> None:
    """Any map, any ranges to avoid, 1 GiB pages and a limit."""
    size = steps * ALIGN
    words = f"hugepagesz=1G hugepages={pages}" + (f" mem={limit}" if limit else "")
    expected = listed(room, rules, size, pages, limit or room.reach) or [room.load]
    rows = image_slots(room, rules, words, size=size)
    assert rows is not None
    assert [start for row in rows for start in range(row.first, row.last + 1, row.step)] == expected


@given(st.lists(SPANS, min_size=1, max_size=4), st.integers(1, 20), st.sampled_from((0, 16 * MIB)))
def test_places_as_the_stub_counts_them(memory: list[MemRange], steps: int, lowest: int) -> None:
    """efi_random_alloc(): every aligned address of an entry from which the image fits."""
    size = steps * ALIGN
    rules = replace(NEW, stub_lowest=lowest)
    expected = [
        start
        for entry in memory
        if entry.end - 1 >= size
        for start in range(0, entry.end, ALIGN)
        if max(entry.start, lowest) <= start and start + size <= entry.end
    ]
    rows = image_slots(ImageRoom(tuple(memory), efi=True), rules, "", size=size) or ()
    assert [start for row in rows for start in range(row.first, row.last + 1, row.step)] == expected
    only = image_slots(ImageRoom(tuple(memory), efi=True), rules, "nokaslr", size=size)
    assert (only[0].first, only[0].last) == (expected[0], expected[0]) if only and expected else not expected
