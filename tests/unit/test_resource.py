"""ResourceTree: one nested map, three flat answers."""

from kexeckit.formats.iomem import parse_iomem
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

TREE = parse_iomem(
    """\
00001000-0009ffff : System RAM
00100000-3fffffff : System RAM
  01000000-01ffffff : Kernel code
  10000000-1fffffff : Crash kernel
    10000000-10000fff : something inside
40000000-4fffffff : PCI Bus 0000:00
  40000000-40000fff : 0000:00:01.0
  48000000-48ffffff : Crash kernel
"""
)


def test_ram_keeps_kernel_text_and_reservations() -> None:
    """They lie in System RAM, so they are RAM."""
    assert list(TREE.ram()) == [MemRange(0x1000, 0xA0000), MemRange(0x100000, 0x40000000)]


def test_crash_regions_are_found_anywhere_lowest_first() -> None:
    """Also below another resource than System RAM."""
    assert TREE.crash_regions() == (MemRange(0x10000000, 0x20000000), MemRange(0x48000000, 0x49000000))


def test_flatten_gives_what_children_leave_over_to_the_parent() -> None:
    """The innermost name of each byte."""
    names = [name for r, name in TREE.flatten() if MemRange(0x100000, 0x40000000).contains(r)]
    assert names == ["System RAM", "Kernel code", "System RAM", "something inside", "Crash kernel", "System RAM"]


def test_walk_gives_depths_in_file_order() -> None:
    """0 for the top level."""
    assert [depth for depth, _ in TREE.walk()] == [0, 0, 1, 1, 2, 0, 1, 1]


def test_names_match_exactly() -> None:
    """The word "Crash" alone names nothing."""
    assert TREE.named("Crash") == []
    assert TREE.ranges("Kernel code") == RangeSet((MemRange(0x1000000, 0x2000000),))
