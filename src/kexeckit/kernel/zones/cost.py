"""What a layout of zones costs: memory that the kernel can use, and mirrored memory in the wrong place."""

from collections.abc import Callable

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.zones.limits import MOVABLE
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.parameters import CoreSize, ZoneParameters
from kexeckit.kernel.zones.predict import NodeZones, ZonePrediction, has_movable, lost_pages, predict_zones
from kexeckit.memory.units import MIB

_STEP = 4 * MIB


@dataclass(frozen=True, slots=True)
class NodeCost:
    """What the layout means for one node, in bytes.

    Attributes:
        nid: Node number.
        kernel: Memory that kernel allocations can use.
        movable: Memory that only movable allocations can use.
        mirrored: Mirrored memory.
        mirrored_movable: Mirrored memory that ended up in ZONE_MOVABLE, where the kernel's own data cannot use it.
        unmirrored_kernel: Memory without mirror that kernel allocations can still fall into.
        lost: Memory that is in no zone, so that nobody can use it.
    """

    nid: int
    kernel: int
    movable: int
    mirrored: int
    mirrored_movable: int
    unmirrored_kernel: int
    lost: int


@dataclass(frozen=True, slots=True)
class Affordable:
    """How much ``kernelcore`` a machine can afford, in bytes and whole blocks of 4 MiB.

    Attributes:
        every_node: The most that still leaves each node that can have one a ZONE_MOVABLE; None where no amount does.
        any_node: The most that still leaves some node a ZONE_MOVABLE; None where no amount does.
    """

    every_node: int | None
    any_node: int | None


def node_costs(machine: ZoneMachine, parameters: ZoneParameters, prediction: ZonePrediction) -> tuple[NodeCost, ...]:
    """Add up what each node's zones mean."""
    return tuple(_node_cost(machine, parameters, node) for node in prediction.nodes if node.pages)


def affordable_kernelcore(machine: ZoneMachine, behaviour: ZoneBehaviour) -> Affordable:
    """Find the largest ``kernelcore`` sizes that leave ZONE_MOVABLE on every node and on any node.

    The answer fits and a block more does not. It is the largest nearly always: the rounds in which the kernel deals
    memory out can make a larger size leave a node more movable memory than a smaller one did.
    """
    total = sum(p.total for p in machine.node_pages().values()) * machine.page_size
    least = _layout(machine, behaviour, _STEP)
    able = sum(1 for n in least.nodes if n.movable_start is not None)
    if not has_movable(least):
        return Affordable(None, None)
    every = _largest(total, lambda size: _movable_nodes(machine, behaviour, size) >= able)
    some = _largest(total, lambda size: _movable_nodes(machine, behaviour, size) > 0)
    return Affordable(every, some)


def _largest(total: int, fits: Callable[[int], bool]) -> int:
    # Bisection finds a border, and there is nearly always only one.
    low, high = 1, total // _STEP + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * _STEP) else (low, middle)
    return low * _STEP


def _movable_nodes(machine: ZoneMachine, behaviour: ZoneBehaviour, size: int) -> int:
    return sum(1 for n in _layout(machine, behaviour, size).nodes if n.movable_start is not None)


def _layout(machine: ZoneMachine, behaviour: ZoneBehaviour, size: int) -> ZonePrediction:
    return predict_zones(machine, ZoneParameters(kernelcore=CoreSize(size)), behaviour)


def _node_cost(machine: ZoneMachine, parameters: ZoneParameters, node: NodeZones) -> NodeCost:
    size = machine.page_size
    mirror = [r.range for r in machine.regions if r.mirror and r.node == node.nid]
    mirrored = sum(r.size for r in mirror)
    kernel = sum(z.present for z in node.zones if z.zone != MOVABLE) * size
    movable = sum(z.present for z in node.zones if z.zone == MOVABLE) * size
    at = node.movable_start
    above = 0 if at is None else sum(max(0, r.end - max(r.start, at)) for r in mirror)
    # With kernelcore=mirror, mirrored memory above the start is Normal; with sizes everything above is Movable.
    in_movable = 0 if parameters.mirror and not parameters.movable_node else above
    lost = lost_pages(node) * size
    return NodeCost(
        nid=node.nid,
        kernel=kernel,
        movable=movable,
        mirrored=mirrored,
        mirrored_movable=in_movable,
        unmirrored_kernel=max(0, kernel - (mirrored - in_movable - lost)) if mirrored else kernel,
        lost=lost,
    )
