"""Page tables of the direct mapping: how many memblock hands out, and where.

The numbers are those that guests of 5.10 to 7.2 showed with memblock=debug.
"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bootlogs import GIB, MIB, x86_log
from kexeckit.kernel.boot.direct_map import DirectMap, direct_map_pages, shortened
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import PAGE_SIZE, TIB
from readings import facts_of_log

FIVE = DirectMap(gigabyte=True, five_levels=True, buffer=16)
PLAIN = DirectMap(gigabyte=False, five_levels=False, buffer=6)


def memblock(*spans: tuple[int, int], reserved: tuple[tuple[int, int], ...] = ()) -> Memblock:
    """Return RAM with the first MiB and more reserved."""
    taken = RangeSet(MemRange(s, e) for s, e in ((0, MIB), *reserved))
    return Memblock(tuple(Region(MemRange(s, e)) for s, e in spans), taken)


# A PC with 640 MiB, two holes and an initrd at the top.
HOLES = memblock(
    (0x1000, 0x9F000),
    (MIB, 0xE853000),
    (0xF74A000, 0x1807B000),
    (0x181B4000, 0x183EB000),
    (0x191EE000, 0x27FE0000),
    reserved=((0x1000000, 0x4211000), (0x255DA000, 0x27FE0000)),
)


def test_the_range_with_the_buffer_takes_its_tables_from_mapped_memory() -> None:
    """One small range end beside the kernel: a page right below the end of the highest free 2 MiB."""
    assert list(direct_map_pages(HOLES, FIVE, 0x4200000)) == [MemRange(0x253FF000, 0x25400000)]


def test_the_buffer_is_used_up_first() -> None:
    """Elsewhere ten tables fit into sixteen pages; with four of them the other six come from memory."""
    assert direct_map_pages(HOLES, FIVE, None) == EMPTY
    small = DirectMap(gigabyte=True, five_levels=True, buffer=4)
    assert sum(r.size for r in direct_map_pages(HOLES, small, None)) == 6 * PAGE_SIZE


def test_the_trampoline_takes_from_the_buffer() -> None:
    """Two pages with KASLR and five levels."""
    tight = DirectMap(gigabyte=True, five_levels=True, buffer=10)
    assert direct_map_pages(HOLES, tight, None) == EMPTY
    random = DirectMap(gigabyte=True, five_levels=True, buffer=10, trampoline=2)
    assert sum(r.size for r in direct_map_pages(HOLES, random, None)) == 2 * PAGE_SIZE


def test_without_pages_of_1_gib_each_gib_takes_a_table() -> None:
    """Three levels for the first MiB, and three more GiB; the buffer has room for all, or for none."""
    memory = memblock((MIB, 4 * GIB))
    assert direct_map_pages(memory, PLAIN, None) == EMPTY
    taken = direct_map_pages(memory, DirectMap(gigabyte=False, five_levels=False, buffer=3), None)
    # The first one is made while nothing is mapped yet, and comes out of the buffer's neighbourhood.
    assert list(taken) == [MemRange(4 * GIB - 2 * PAGE_SIZE, 4 * GIB)]
    large = DirectMap(gigabyte=True, five_levels=False, buffer=3)
    assert direct_map_pages(memory, large, None) == EMPTY


def test_what_cannot_be_mapped_is_not_counted() -> None:
    """More RAM than the levels reach, from a garbled log."""
    assert direct_map_pages(memblock((MIB, 1 << 50)), PLAIN, None) == EMPTY


@given(
    st.lists(st.integers(0x100, 0x8000), min_size=2, max_size=16, unique=True),
    st.integers(0, 8),
    st.booleans(),
)
def test_pages_are_free_memory(edges: list[int], buffer: int, gigabyte: bool) -> None:
    """Whatever the map: whole pages of RAM that nothing else has, and no more than one for each end and each GiB."""
    ordered = sorted(edges)
    spans = [(a << 12, b << 12) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]
    memory = memblock(*spans)
    taken = direct_map_pages(memory, DirectMap(gigabyte=gigabyte, five_levels=False, buffer=buffer), None)
    assert not taken & memory.reserved
    assert taken - RangeSet(r.range for r in memory.regions) == EMPTY
    assert all(r.start % PAGE_SIZE == 0 and r.size % PAGE_SIZE == 0 for r in taken)
    assert sum(r.size for r in taken) // PAGE_SIZE <= 2 * len(spans) + 4


def test_node_data_without_the_tables_above_it() -> None:
    """What lies above a node's data counts as its own, but for tables that are known."""
    tables = RangeSet([MemRange(0x8000, 0xA000)])
    assert shortened(MemRange(0x4000, 0xA000), tables) == MemRange(0x4000, 0x8000)
    assert shortened(MemRange(0x8000, 0xA000), tables) == MemRange(0x8000, 0x9000)


def test_a_table_in_the_way_of_a_region() -> None:
    """The region that would cover it lies one step lower."""
    table = [(0, 0x9FC00, 1), (MIB, 0xE853000, 1), (0xF74A000, 0x27FE0000, 1)]
    text = x86_log(table, version="7.2.0", initrd=(0x255DA000, 0x27FE0000), node_data=[(0x255AEF80, 0x255DA000)])
    found = predict_reservation(facts_of_log(text, ("crashkernel=117M",)))
    tables = [h.range for h in found.early.held if h.name == "page tables"]
    assert tables == [MemRange(0x253FF000, 0x25400000)]
    assert [r.start for r in found.regions] == [0x1D000000]


def test_a_machine_that_ends_below_1_mib() -> None:
    """Only the first MiB is mapped, from the buffer."""
    assert direct_map_pages(memblock((0x1000, 0x9F000)), FIVE, None) == EMPTY
    assert direct_map_pages(memblock((0x1000, MIB)), FIVE, None) == EMPTY


def test_ram_that_ends_off_a_step() -> None:
    """A page behind the last 2 MiB needs a table of small leaves, right below it; without that page none is needed."""
    bare = DirectMap(gigabyte=False, five_levels=False, buffer=0)
    low = ((0x1000, 0x9F000), (MIB, 64 * MIB))
    assert direct_map_pages(memblock(*low, (66 * MIB, 68 * MIB)), bare, None) == EMPTY
    odd = direct_map_pages(memblock(*low, (66 * MIB, 68 * MIB + PAGE_SIZE)), bare, None)
    assert list(odd) == [MemRange(68 * MIB - PAGE_SIZE, 68 * MIB)]


def test_a_table_for_each_512_gib_between_the_first_and_the_last() -> None:
    """With leaves of 1 GiB. That of the lowest and that of the highest part come before any memory is mapped.

    The buffer is empty here, so that all others come from memory.
    """
    none = DirectMap(gigabyte=True, five_levels=False, buffer=0)

    def tables(end: int) -> int:
        return direct_map_pages(memblock((0, GIB), (GIB, end)), none, None).size // PAGE_SIZE

    assert [tables(n * GIB) for n in (512, 513, 1024, 1025, 1536, 1537)] == [0, 0, 0, 1, 1, 2]


def test_a_table_for_each_256_tib_with_five_levels() -> None:
    """Beside two of 512 GiB for each TiB. That of the lowest and that of the highest part come before any memory."""
    five = DirectMap(gigabyte=True, five_levels=True, buffer=0)
    pages = [direct_map_pages(memblock((0, n * TIB)), five, None).size // PAGE_SIZE for n in (510, 511, 512, 513)]
    assert [b - a for a, b in pairwise(pages)] == [2, 2, 3]


def test_tables_come_from_several_free_ranges() -> None:
    """The highest first, none from below what is mapped; what finds no page takes none."""
    bare = DirectMap(gigabyte=False, five_levels=False, buffer=0)
    # The highest GiB gets its table before anything is mapped; each of the three below it takes a page.
    free = ((4 * GIB - 12 * PAGE_SIZE, 4 * GIB - 11 * PAGE_SIZE), (4 * GIB - 3 * PAGE_SIZE, 4 * GIB - 2 * PAGE_SIZE))
    holes = RangeSet(MemRange(s, e) for s, e in free)
    rest = RangeSet([MemRange(MIB, 4 * GIB)]) - holes
    memory = memblock((MIB, 4 * GIB), reserved=tuple((r.start, r.end) for r in rest))
    assert direct_map_pages(memory, bare, None) == holes
    more = memblock((MIB, 4 * GIB), reserved=((MIB, free[0][0]), (free[0][1], 4 * GIB)))
    assert direct_map_pages(more, bare, None) == RangeSet([MemRange(*free[0])])
    tight = memblock((MIB, 4 * GIB), reserved=((MIB, 4 * GIB - 2 * PAGE_SIZE),))
    assert list(direct_map_pages(tight, bare, None)) == [MemRange(4 * GIB - 2 * PAGE_SIZE, 4 * GIB)]
