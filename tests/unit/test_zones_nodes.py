"""Which node memory is on, from the firmware's affinities."""

import pytest

from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.nodes import node_layout, numa_switched_off, without_kernel_nodes
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20


def mib(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


def affinity(nid: int, start: int, end: int, *, hotplug: bool = False) -> MemoryAffinity:
    """Return an affinity given in MiB."""
    return MemoryAffinity(nid, mib(start, end), hotplug=hotplug)


def test_memory_is_cut_at_node_borders() -> None:
    """One stretch of memory over two nodes becomes two regions."""
    found = node_layout(RangeSet((mib(1, 40),)), [affinity(0, 0, 16), affinity(1, 16, 64)])
    assert found is not None
    assert found.regions == (Region(mib(1, 16), 0), Region(mib(16, 40), 1))


def test_a_hole_between_ranges_of_one_node_belongs_to_it() -> None:
    """Memory that no affinity names goes to the node on both sides of it."""
    found = node_layout(RangeSet((mib(0, 30),)), [affinity(0, 0, 8), affinity(0, 20, 32)])
    assert found is not None
    assert found.regions == (Region(mib(0, 30), 0),)


def test_another_node_in_the_hole_keeps_it_open() -> None:
    """Where another node lies between, the hole belongs to nobody; less than a MiB of it is let go."""
    rest = MemRange(20 * MIB, 20 * MIB + 4096)
    found = node_layout(
        RangeSet((mib(0, 8), mib(8, 16), rest)), [affinity(0, 0, 8), affinity(1, 8, 16), affinity(0, 24, 32)]
    )
    assert found is not None
    assert [r.node for r in found.regions] == [0, 1]


def test_uncovered_memory_spoils_everything() -> None:
    """A MiB of memory without node makes the kernel refuse the table."""
    assert node_layout(RangeSet((mib(0, 8), mib(40, 41))), [affinity(0, 0, 8)]) is None


def test_overlapping_nodes_spoil_everything() -> None:
    """Two nodes cannot have the same address; one node may name it twice."""
    memory = RangeSet((mib(0, 16),))
    assert node_layout(memory, [affinity(0, 0, 10), affinity(1, 8, 16)]) is None
    assert node_layout(memory, [affinity(0, 0, 10), affinity(0, 8, 16)]) is not None


def test_affinities_without_memory_do_not_count() -> None:
    """A range reserved for hot-added memory joins nothing."""
    found = node_layout(RangeSet((mib(0, 8),)), [affinity(0, 0, 8), affinity(1, 100, 200, hotplug=True)])
    assert found is not None
    assert [b.nid for b in found.blocks] == [0]


def test_hot_plug_marks_split_regions() -> None:
    """A mark covers exactly its own range."""
    found = node_layout(
        RangeSet((mib(0, 32),)), [affinity(0, 0, 8), affinity(0, 8, 16, hotplug=True), affinity(0, 16, 32)]
    )
    assert found is not None
    assert [(r.range, r.hotplug) for r in found.regions] == [
        (mib(0, 8), False),
        (mib(8, 16), True),
        (mib(16, 32), False),
    ]


def test_the_kernel_takes_marks_from_its_own_nodes() -> None:
    """A node on which anything is reserved, even in a hole, loses its marks; others keep them."""
    found = node_layout(
        RangeSet((mib(0, 8), mib(16, 24), mib(32, 40))),
        [affinity(0, 0, 8), affinity(1, 8, 24, hotplug=True), affinity(2, 32, 40, hotplug=True)],
    )
    assert found is not None
    cleared = without_kernel_nodes(found, RangeSet((mib(0, 1), mib(10, 11))))
    assert [(r.node, r.hotplug) for r in cleared] == [(0, False), (1, False), (2, True)]


@pytest.mark.parametrize(
    ("words", "off"),
    [
        ("acpi=off", True),
        ("numa=off", True),
        ("numa=noacpi", True),
        ("noacpi", False),
        ("acpi=noacpi", False),
        ("numa=fake=2", False),
        ("off numa acpi", False),
    ],
)
def test_words_that_switch_nodes_off(words: str, *, off: bool) -> None:
    """Three of them: arch/x86/mm/numa.c, numa_setup(); arch/x86/kernel/acpi/boot.c, parse_acpi()."""
    assert numa_switched_off(f"ro {words} quiet") is off
