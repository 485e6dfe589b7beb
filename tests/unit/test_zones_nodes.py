"""Which node memory is on, from the firmware's affinities."""

import pytest

from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.nodes import NodeRules, node_rules
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.nodes import memblock_with_nodes, node_layout, numa_switched_off, without_kernel_nodes
from kexeckit.machine.version import parse_kernel_version
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


def test_the_limit_of_memory_on_no_node() -> None:
    """Up to 6.12.4 a MiB is too much, from 6.12.5 on it is the most; arm64 takes none."""
    memory = RangeSet((mib(0, 9),))
    claims = [affinity(0, 0, 8)]
    kept = {
        version: node_layout(memory, claims, node_rules("x86_64", parse_kernel_version(version))) is not None
        for version in ("5.10", "6.1.176", "6.6.70", "6.6.72", "6.7", "6.8", "6.10", "6.12.4", "6.12.5", "6.13", "7.2")
    }
    assert [v for v, found in kept.items() if found] == ["6.6.70", "6.6.72", "6.8", "6.12.5", "6.13", "7.2"]
    almost = RangeSet((MemRange(0, 9 * MIB + 4096),))
    assert node_layout(almost, claims, node_rules("x86_64", parse_kernel_version("6.13"))) is None
    page = RangeSet((MemRange(0, 8 * MIB + 4096),))
    found = node_layout(page, claims)
    assert found is not None
    assert found.lost == RangeSet((MemRange(8 * MIB, 8 * MIB + 4096),))
    for version, kept_there in (("5.10", False), ("6.11", False), ("6.12.4", True), ("6.12.5", False), ("7.2", False)):
        rules = node_rules("arm64", parse_kernel_version(version))
        assert (node_layout(page, claims, rules) is not None) == kept_there, version


def test_memory_on_no_node_keeps_its_border() -> None:
    """It is a region of its own, so nothing is found across it; it is not hot-pluggable."""
    rest = MemRange(8 * MIB, 8 * MIB + 4096)
    memory = RangeSet((MemRange(0, 8 * MIB + 4096),))
    found = memblock_with_nodes(memory, [affinity(0, 0, 8, hotplug=True)], NodeRules())
    assert found == (Region(mib(0, 8), 0, hotplug=True), Region(rest))


def test_memory_on_no_node_stops_newer_kernels() -> None:
    """memmap_init() looks for the data of a node that is none: 5.12, and what carries that change."""
    stops = [v for v in ("5.10.23", "5.10.24", "5.11.6", "5.11.7", "5.12", "7.2") if _stops(v)]
    assert stops == ["5.10.24", "5.11.7", "5.12", "7.2"]


def _stops(version: str) -> bool:
    return node_rules("x86_64", parse_kernel_version(version)).lost_stops


def test_arm64_took_ranges_as_they_come() -> None:
    """Until 6.12 a later range takes its addresses from an earlier one, and a hole is no node's."""
    memory = RangeSet((mib(0, 16),))
    old, new = (node_rules("arm64", parse_kernel_version(v)) for v in ("6.11", "6.12"))
    over = [affinity(0, 0, 16, hotplug=True), affinity(1, 4, 8)]
    expected = (Region(mib(0, 4), 0, hotplug=True), Region(mib(4, 8), 1, hotplug=True))
    found = memblock_with_nodes(memory, over, old, RangeSet((mib(0, 1),)))
    assert found == (*expected, Region(mib(8, 16), 0, hotplug=True))
    assert memblock_with_nodes(memory, over, new) is None
    hole = [affinity(0, 0, 4), affinity(0, 8, 16)]
    assert memblock_with_nodes(memory, hole, old) is None
    assert memblock_with_nodes(memory, hole, new) == (Region(mib(0, 16), 0),)


def test_a_cleared_mark_joins_regions() -> None:
    """What differed in the mark alone is one region once the kernel has taken the mark away."""
    claims = [affinity(0, 0, 8), affinity(0, 8, 16, hotplug=True)]
    memory = RangeSet((mib(0, 16),))
    assert memblock_with_nodes(memory, claims, NodeRules(), RangeSet((mib(0, 1),))) == (Region(mib(0, 16), 0),)
    assert len(memblock_with_nodes(memory, claims, NodeRules()) or ()) == 2
    assert len(memblock_with_nodes(memory, claims, NodeRules(clears_hotplug=False), RangeSet((mib(0, 1),))) or ()) == 2


def test_a_range_without_memory_keeps_no_hole_open() -> None:
    """The kernel drops it before it joins the others, and it cannot overlap with one, either."""
    memory = RangeSet((mib(0, 12), mib(16, 32)))
    for empty in (affinity(1, 12, 16), affinity(1, 13, 15), affinity(1, 32, 64)):
        found = memblock_with_nodes(memory, [affinity(0, 0, 8), empty, affinity(0, 24, 40)], NodeRules())
        assert found == (Region(mib(0, 12), 0), Region(mib(16, 32), 0)), empty


def test_what_lies_beyond_memory_takes_no_mark() -> None:
    """Ranges are cut where memory ends, so what is reserved behind it is on no node."""
    claims = [affinity(0, 0, 8), affinity(1, 8, 64, hotplug=True)]
    memory = RangeSet((mib(2, 16),))
    kept = (Region(mib(2, 8), 0), Region(mib(8, 16), 1, hotplug=True))
    for reserved, expected in ((mib(20, 21), kept), (mib(15, 21), (kept[0], Region(mib(8, 16), 1)))):
        assert memblock_with_nodes(memory, claims, NodeRules(), RangeSet((reserved,))) == expected


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
