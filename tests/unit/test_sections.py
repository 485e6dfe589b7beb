"""Struct pages of arm64 and what describes them: sizes, places and order, to the byte.

About kexeckit.kernel.boot.sections. Source of the sums: mm/sparse.c, sparse_init(), with 128 MiB a section and 4 KiB a
page: 2 MiB of struct pages and 56 bytes of maps for a section, 16 bytes for its entry, 8 for each page of entries.
"""

from dataclasses import replace

import pytest

from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules, with_pages
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.boot.sections import SectionRun, section_runs, with_struct_pages
from kexeckit.machine.taken import Taker
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SECTION = 128 * MIB
RULES = crash_rules("arm64", parse_kernel_version("6.1"))
WIDE = with_pages(RULES, 64 * KIB, wide=False)
# So much below the top of the only node lie the table, the page of entries and the maps of 16 sections.
TABLE, PAGE, MAPS = 64 * KIB, 4 * KIB, 16 * 56


def block(*regions: tuple[int, int, int | None]) -> Memblock:
    """Return memory of (start, end, node), in MiB."""
    return Memblock(tuple(Region(MemRange(start * MIB, end * MIB), node) for start, end, node in regions))


def only(memory: Memblock, *free: MemRange) -> Memblock:
    """Return memory with all of it reserved but some ranges."""
    return memory.reserve(RangeSet(r.range for r in memory.regions) - RangeSet(free))


def taken(memory: Memblock, rules: CrashRules = RULES, more: int = 0) -> list[tuple[str, int, int]]:
    """Return what is taken as (name, start, size), in order; memblock must have reserved just that."""
    after, found = with_struct_pages(memory, rules, more)
    assert {(h.by, h.source) for h in found} <= {(Taker.STRUCT_PAGES, "computed")}
    assert after == memory.reserve([h.range for h in found])
    assert sum(h.range.size for h in found) == after.reserved.size - memory.reserved.size
    return [(h.name, h.range.start, h.range.size) for h in found]


def test_all_that_one_node_takes() -> None:
    """From the top down, small things on multiples of 64 bytes; struct pages on a multiple of 2 MiB."""
    top = 3 * GIB
    entries = top - TABLE - PAGE
    assert taken(block((1024, 3072, 0))) == [
        ("table of memory sections", top - TABLE, TABLE),
        ("memory sections of node 0", entries, PAGE),
        ("usage maps of node 0", entries - MAPS, MAPS),
        ("struct pages of node 0", top - 2 * MIB - 32 * MIB, 32 * MIB),
    ]


@pytest.mark.parametrize("more", [1, 64, 8 * KIB])
def test_what_is_not_known_to_the_byte_makes_the_table_larger(more: int) -> None:
    """What lies below begins on 64 bytes again."""
    (_, table, size), (_, entries, _), *_ = taken(block((1024, 3072, 0)), more=more)
    assert size == TABLE + more
    assert table == (3 * GIB - size) // 64 * 64
    assert entries == table - PAGE


def test_maps_are_aligned_to_a_cache_line() -> None:
    """56 bytes of one section: 64 below what is taken already."""
    found = taken(block((1024, 1152, 0)))
    assert found[2] == ("usage maps of node 0", 1152 * MIB - TABLE - PAGE - 64, 56)


def test_memory_without_a_node_is_on_node_0() -> None:
    """As on a machine without NUMA."""
    assert taken(block((1024, 3072, None))) == taken(block((1024, 3072, 0)))
    assert section_runs(block((0, 256, None)).regions, SECTION) == (SectionRun(0, (0, 1)),)


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [(0, 128, (0,)), (0, 129, (0, 1)), (127, 129, (0, 1)), (128, 256, (1,)), (255, 384, (1, 2)), (130, 131, (1,))],
)
def test_sections_that_hold_memory(start: int, end: int, numbers: tuple[int, ...]) -> None:
    """Those in which a region begins and ends count whole."""
    assert section_runs(block((start, end, 0)).regions, SECTION) == (SectionRun(0, numbers),)


def test_each_page_of_entries_is_on_the_node_of_its_first_section() -> None:
    """One is for 256 sections, 32 GiB; node 1 begins in the first of them and has the second."""
    gib = 1024
    found = taken(block((0, 16 * gib, 0), (16 * gib, 40 * gib, 1)))
    pages = [(name, start // GIB) for name, start, size in found if name.startswith("memory sections")]
    assert pages == [("memory sections of node 0", 15), ("memory sections of node 1", 39)]
    borders = [(31 * gib, 1), (32 * gib - 128, 1), (32 * gib, 1), (32 * gib + 128, 2)]
    for end, count in borders:
        assert sum(name.startswith("memory sections") for name, _, _ in taken(block((0, end, 0)))) == count, end


def test_nodes_take_turns() -> None:
    """The maps of a run of sections come right before its struct pages; each on its own node."""
    found = taken(block((1024, 2048, 0), (2048, 3072, 1), (3072, 4096, 0)))
    assert [(name, start // GIB, size) for name, start, size in found[2:]] == [
        ("usage maps of node 0", 3, 8 * 56),
        ("struct pages of node 0", 3, 16 * MIB),
        ("usage maps of node 1", 2, 8 * 56),
        ("struct pages of node 1", 2, 16 * MIB),
        ("usage maps of node 0", 3, 8 * 56),
        ("struct pages of node 0", 3, 16 * MIB),
    ]


def test_without_any_room_nothing_is_taken() -> None:
    """The kernel would stop; memory stays as it was."""
    assert taken(only(block((1024, 3072, 0)))) == []


def test_what_finds_no_room_is_left_out_alone() -> None:
    """The table wants 64 KiB in one piece, all else less."""
    room = MemRange(GIB + 32 * KIB, GIB + 64 * KIB)
    assert [(name, start) for name, start, _ in taken(only(block((1024, 1152, 0)), room))] == [
        ("memory sections of node 0", room.end - PAGE),
        ("usage maps of node 0", room.end - PAGE - 64),
    ]


def test_a_full_node_takes_from_another() -> None:
    """Entries, maps and the pieces of struct pages; in one piece struct pages come from the node alone."""
    memory = block((1024, 2048, 0), (2048, 2176, 1)).reserve([MemRange(2 * GIB, 2176 * MIB)])
    found = [(name, start, size) for name, start, size in taken(memory) if name.endswith("node 1")]
    assert [(name, size) for name, _, size in found] == [
        ("usage maps of node 1", 56),
        ("struct pages of node 1", 2 * MIB),
    ]
    assert all(GIB <= start < 2 * GIB for _, start, _ in found)


def span(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


@pytest.mark.parametrize(
    ("free", "places"),
    [
        ([span(2100, 2104)], [2100]),
        ([span(2100, 2102), span(2200, 2202)], [2200, 2100]),
        ([span(2100, 2102)], [2100, 2028]),
        ([span(2099, 2101)], [2028, 2026]),
        ([], [2028, 2026]),
    ],
)
def test_struct_pages_in_pieces(free: list[MemRange], places: list[int]) -> None:
    """Two sections of node 1 want 4 MiB in one piece on it; else they come by 2 MiB, from node 0 where it is full."""
    memory = block((1024, 2048, 0), (2048, 2304, 1))
    # The small things of node 1 have a MiB of their own; node 0 keeps what is its own between 2030 and 2048.
    found = taken(only(memory, span(1024, 2048), *free, span(2299, 2300)))
    own = [(start // MIB, size) for name, start, size in found if name == "struct pages of node 1"]
    assert [start for start, _ in own] == places
    assert [size for _, size in own] == [4 * MIB // len(places)] * len(places)


def test_a_share_larger_than_a_block_aligns_the_whole() -> None:
    """Sections of 1 GiB have 16 MiB of struct pages each, and begin on 16 MiB."""
    old = crash_rules("arm64", parse_kernel_version("5.10.22"))
    name, start, size = taken(block((1024, 3072, 0)), old)[-1]
    assert (name, start, size) == ("struct pages of node 0", 3 * GIB - 16 * MIB - 32 * MIB, 32 * MIB)


def test_pages_of_64_kib_have_no_gap() -> None:
    """512 KiB for a section of 512 MiB, on 64 KiB; the table has a page of entries for each 4096 of 2^19 sections."""
    top = 3 * GIB
    found = taken(block((1024, 3072, 0)), WIDE)
    assert [(name, size) for name, _, size in found] == [
        ("table of memory sections", (1 << 19) // 4096 * 8),
        ("memory sections of node 0", 64 * KIB),
        ("usage maps of node 0", 4 * WIDE.usage),
        ("struct pages of node 0", 4 * 512 * KIB),
    ]
    assert found[-1][1] == top - 128 * KIB - 4 * 512 * KIB
    assert found[-1][1] % (512 * KIB) == 384 * KIB


def test_pieces_of_64_kib() -> None:
    """Where one piece is not to be had."""
    free = [MemRange.from_size(GIB + n * MIB, 256 * KIB) for n in range(1, 12)]
    found = taken(only(block((1024, 3072, 0)), *free), WIDE)
    own = [size for name, _, size in found if name.startswith("struct pages")]
    assert own == [64 * KIB] * 32


@pytest.mark.parametrize(("bits", "size"), [(48, 64 * KIB), (47, 32 * KIB), (52, MIB), (30, 8), (36, 16)])
def test_the_table_is_for_all_addresses(bits: int, size: int) -> None:
    """8 bytes for each 32 GiB that the kernel could address; a part counts whole."""
    rules = replace(RULES, pa_bits=bits)
    assert taken(block((256, 512, 0)), rules)[0][2] == size
