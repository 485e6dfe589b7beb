"""What a layout of zones costs."""

import pytest

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.cost import Affordable, NodeCost, affordable_kernelcore, node_costs
from kexeckit.kernel.zones.limits import ArchFacts
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.parameters import parse_zone_parameters
from kexeckit.kernel.zones.predict import predict_zones
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

GIB = 1 << 30
MIB = 1 << 20
NEW = zone_behaviour_of(parse_kernel_version("6.12"))
LOW = Region(MemRange(16 * MIB, GIB), 0)


def machine(*regions: Region) -> ZoneMachine:
    """Return a machine of these regions."""
    end = regions[-1].range.end
    return ZoneMachine(ArchFacts("x86_64", regions[0].range.start, end, end), regions)


def costs(words: str, *regions: Region) -> tuple[NodeCost, ...]:
    """Return what the words cost on a machine of these regions."""
    made, parameters = machine(*regions), parse_zone_parameters(words)
    return node_costs(made, parameters, predict_zones(made, parameters, NEW))


def test_mirror_keeps_mirrored_memory_for_the_kernel() -> None:
    """With kernelcore=mirror, mirrored memory is the kernel's and all other memory above 4 GiB is movable."""
    mirrored = Region(MemRange(4 * GIB, 5 * GIB), 1, mirror=True)
    plain = Region(MemRange(5 * GIB, 7 * GIB), 1)
    low, high = costs("kernelcore=mirror", LOW, mirrored, plain)
    assert high == NodeCost(1, GIB, 2 * GIB, GIB, 0, 0, 0)
    assert (low.kernel, low.unmirrored_kernel) == (GIB - 16 * MIB, GIB - 16 * MIB)


def test_sizes_do_not_care_for_mirrors() -> None:
    """With a size, mirrored memory can end up movable and the kernel in memory without mirror."""
    plain = Region(MemRange(4 * GIB, 5 * GIB), 0)
    mirrored = Region(MemRange(5 * GIB, 6 * GIB), 0, mirror=True)
    (cost,) = costs("movablecore=1G", LOW, plain, mirrored)
    assert (cost.mirrored_movable, cost.unmirrored_kernel) == (GIB, 2 * GIB - 16 * MIB)


def test_lost_memory() -> None:
    """Mirrored memory behind unmirrored memory at a node's start is in no zone."""
    plain = Region(MemRange(4 * GIB, 5 * GIB), 1)
    mirrored = Region(MemRange(5 * GIB, 6 * GIB), 1, mirror=True)
    high = costs("kernelcore=mirror", LOW, plain, mirrored)[1]
    assert (high.kernel, high.movable, high.lost, high.unmirrored_kernel) == (0, GIB, GIB, 0)


def test_affordable_kernelcore() -> None:
    """The border is exact to a block: one more and a node has no movable memory."""
    regions = (LOW, Region(MemRange(4 * GIB, 5 * GIB), 0), Region(MemRange(5 * GIB, 7 * GIB), 1))
    found = affordable_kernelcore(machine(*regions), NEW)
    assert found.every_node is not None
    assert found.any_node is not None
    for size, nodes in ((found.every_node, 2), (found.every_node + 4 * MIB, 1), (found.any_node, 1)):
        parameters = parse_zone_parameters(f"kernelcore={size}")
        prediction = predict_zones(machine(*regions), parameters, NEW)
        assert sum(n.movable_start is not None for n in prediction.nodes) == nodes
    parameters = parse_zone_parameters(f"kernelcore={found.any_node + 4 * MIB}")
    assert all(n.movable_start is None for n in predict_zones(machine(*regions), parameters, NEW).nodes)


def test_a_machine_that_can_afford_none() -> None:
    """A machine of less than a block has no room for movable memory."""
    assert affordable_kernelcore(machine(Region(MemRange(0x1000, 4 * MIB), 0)), NEW) == Affordable(None, None)


@pytest.mark.parametrize(("blocks", "found"), [(2, 1), (3, 2), (10, 9)])
def test_the_largest_kernelcore_is_the_last_block_that_fits(blocks: int, found: int) -> None:
    """One node of some blocks of 4 MiB above 4 GiB: kernelcore may take all but one of them."""
    memory = Region(MemRange(4 * GIB, 4 * GIB + blocks * 4 * MIB), 0)
    assert affordable_kernelcore(machine(memory), NEW) == Affordable(found * 4 * MIB, found * 4 * MIB)


def test_a_machine_has_memory_in_order() -> None:
    """Some of it, sorted, each part once."""
    facts = ArchFacts("x86_64", 0, GIB, GIB)
    parts = [Region(MemRange(n * GIB, (n + 1) * GIB), 0) for n in range(3)]
    assert ZoneMachine(facts, tuple(parts)).page_size == 4096
    for wrong in ((), (parts[1], parts[0], parts[2]), (parts[0], parts[2], parts[1]), (parts[0], parts[1], parts[1])):
        with pytest.raises(ValueError, match="region"):
            ZoneMachine(facts, wrong)
