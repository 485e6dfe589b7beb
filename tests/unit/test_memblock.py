"""memblock: borders of regions, the order of the search, alignment."""

from dataclasses import replace

import pytest

from kexeckit.kernel.boot.memblock import Memblock, Region, marked, regions_of
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20
EVERYWHERE = MemRange(0, 1 << 64)


def regions(*spans: tuple[int, int]) -> tuple[Region, ...]:
    """Return plain regions, in MiB."""
    return tuple(Region(MemRange(a * MIB, b * MIB)) for a, b in spans)


def test_top_down_with_alignment() -> None:
    """The highest aligned start that leaves room."""
    memory = Memblock(regions((1, 100)), RangeSet([MemRange(90 * MIB, 100 * MIB)]))
    assert memory.find(20 * MIB, 16 * MIB, EVERYWHERE) == 64 * MIB


def test_bottom_up() -> None:
    """The lowest aligned start at or above the window's."""
    memory = Memblock(regions((1, 100)))
    assert memory.find(20 * MIB, 16 * MIB, MemRange(17 * MIB, 1 << 64), bottom_up=True) == 32 * MIB


def test_window_cuts_a_free_range() -> None:
    """Only what lies in the window counts."""
    memory = Memblock(regions((0, 100)))
    assert memory.find(10 * MIB, MIB, MemRange(0, 50 * MIB)) == 40 * MIB
    assert memory.find(60 * MIB, MIB, MemRange(0, 50 * MIB)) is None


def test_page_zero_is_never_given_out() -> None:
    """The search starts at the second page, so a region at 0 cannot be used whole."""
    assert Memblock(regions((0, 16))).find(16 * MIB, MIB, EVERYWHERE) is None


def test_no_allocation_crosses_a_node() -> None:
    """Touching RAM of two nodes is two regions."""
    made = regions_of([MemRange(0, 64 * MIB)], [(0, MemRange(0, 32 * MIB)), (1, MemRange(32 * MIB, 64 * MIB))])
    assert [r.node for r in made] == [0, 1]
    assert Memblock(made).find(40 * MIB, MIB, EVERYWHERE) is None
    assert Memblock(made).find(30 * MIB, MIB, EVERYWHERE) == 34 * MIB


def test_ram_of_no_node_is_a_region_too() -> None:
    """What no node covers stays, on its own."""
    made = regions_of([MemRange(0, 64 * MIB)], [(3, MemRange(0, 32 * MIB))])
    assert [(r.node, r.range.size) for r in made] == [(3, 32 * MIB), (None, 32 * MIB)]


def test_mirror_first_then_anything() -> None:
    """Where mirrored memory is preferred it is used first; where it has no room, the rest is."""
    low, high = regions((0, 50), (50, 100))
    memory = Memblock((Region(low.range, mirror=True), high), prefer_mirror=True)
    assert memory.find(20 * MIB, MIB, EVERYWHERE) == 30 * MIB
    assert memory.find(50 * MIB, MIB, EVERYWHERE) == 50 * MIB
    assert replace(memory, prefer_mirror=False).find(20 * MIB, MIB, EVERYWHERE) == 80 * MIB


def test_hotpluggable_and_unmapped_memory_is_left_out() -> None:
    """Hotpluggable only with movable_node, unmapped always."""
    low, high = regions((0, 50), (50, 100))
    plug = (low, Region(high.range, hotplug=True))
    assert Memblock(plug).find(MIB, MIB, EVERYWHERE) == 99 * MIB
    assert Memblock(plug, skip_hotplug=True).find(MIB, MIB, EVERYWHERE) == 49 * MIB
    assert Memblock((low, Region(high.range, nomap=True))).find(MIB, MIB, EVERYWHERE) == 49 * MIB


def test_overlapping_regions_cannot_be_built() -> None:
    """Regions are sorted and disjoint."""
    with pytest.raises(ValueError, match="overlapping"):
        Memblock(regions((0, 50), (40, 100)))


def test_totals_and_ends() -> None:
    """The total counts reserved memory; start and end are those of memory."""
    memory = Memblock(regions((1, 3), (8, 10)), RangeSet([MemRange(MIB, 2 * MIB)]))
    assert (memory.total, memory.start, memory.end) == (4 * MIB, MIB, 10 * MIB)
    assert [f.range.size for f in memory.free()] == [2 * MIB, MIB]


def test_marks_cut_regions() -> None:
    """A region that a mark covers in part is three: before, in and behind it."""
    made = marked(regions((0, 30), (40, 50)), [MemRange(10 * MIB, 20 * MIB), MemRange(45 * MIB, 90 * MIB)], "nomap")
    assert [(r.range.start // MIB, r.nomap) for r in made] == [
        (0, False),
        (10, True),
        (20, False),
        (40, False),
        (45, True),
    ]


def test_one_region_has_to_have_all_of_it() -> None:
    """Two regions that touch do not do, and flags do not matter."""
    low, high = regions((0, 50), (50, 100))
    memory = Memblock((Region(low.range, nomap=True), high))
    assert memory.in_one_region(MemRange(10 * MIB, 50 * MIB))
    assert not memory.in_one_region(MemRange(40 * MIB, 60 * MIB))


def test_memory_without_a_region() -> None:
    """Begins and ends at 0, and has no place for anything."""
    empty = Memblock(())
    assert (empty.start, empty.end, empty.total) == (0, 0, 0)
    assert empty.find(4096, 4096, EVERYWHERE) is None


@pytest.mark.parametrize("bottom_up", [False, True])
def test_a_range_that_is_just_large_enough(*, bottom_up: bool) -> None:
    """It is taken whole; a byte more does not fit, nor does one whose window ends where it begins."""
    memory = Memblock(regions((16, 32)))
    assert memory.find(16 * MIB, MIB, EVERYWHERE, bottom_up=bottom_up) == 16 * MIB
    assert memory.find(16 * MIB + 1, MIB, EVERYWHERE, bottom_up=bottom_up) is None
    assert memory.find(16 * MIB, 64 * MIB, EVERYWHERE, bottom_up=bottom_up) is None
    assert memory.find(1, 1, MemRange(MIB, 16 * MIB), bottom_up=bottom_up) is None
    assert memory.find(64 * MIB, MIB, EVERYWHERE, bottom_up=bottom_up) is None
