"""From a machine and the words of its command line to all its zones."""

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.zones.limits import MOVABLE, ZoneLimit, zone_limits
from kexeckit.kernel.zones.machine import Reason, ZoneMachine
from kexeckit.kernel.zones.movable import MovableStarts, movable_starts, movable_zone_of
from kexeckit.kernel.zones.parameters import ZoneParameters
from kexeckit.kernel.zones.spans import NodeCut, ZoneSpan, node_zones
from kexeckit.memory.pages import PageIntervals

_WRAPPED = 1 << 63


@dataclass(frozen=True, slots=True)
class NodeZones:
    """The zones of one node.

    Attributes:
        nid: Node number.
        movable_start: Address in bytes where ZONE_MOVABLE begins, or None.
        zones: Those that span any page, lowest first, ZONE_MOVABLE last.
        pages: Page frames of memory on the node.
    """

    nid: int
    movable_start: int | None
    zones: tuple[ZoneSpan, ...]
    pages: int

    def __repr__(self) -> str:
        movable = "" if self.movable_start is None else f", movable from {self.movable_start:#x}"
        return f"<NodeZones node {self.nid}{movable}: {', '.join(map(str, self.zones)) or 'no memory'}>"


@dataclass(frozen=True, slots=True)
class ZonePrediction:
    """All zones of a machine.

    Attributes:
        page_size: Bytes of a page.
        limits: Machine-wide limits, empty zones included; empty where they are not determined.
        nodes: By rising number, those without memory included; empty where they are not determined.
        warnings: What the kernel says, and what it does without saying.
        reasons: Why the answer is what it is; for what is not determined, why not.
    """

    page_size: int
    limits: tuple[ZoneLimit, ...]
    nodes: tuple[NodeZones, ...]
    warnings: tuple[str, ...]
    reasons: tuple[Reason, ...]

    @property
    def determined(self) -> bool:
        """Say whether there is an answer."""
        return bool(self.limits)


def predict_zones(
    machine: ZoneMachine, parameters: ZoneParameters, behaviour: ZoneBehaviour, *, below: str | None = None
) -> ZonePrediction:
    """Predict which node gets which zone.

    Args:
        machine: The machine.
        parameters: The zone words of the command line.
        behaviour: What the kernel does.
        below: Why this kernel is not modelled, or None; see `floors.below_floor`.
    """
    if below:
        reason = Reason("kernel", f"not determined: {below}")
        return ZonePrediction(machine.page_size, (), (), parameters.warnings, (*machine.unknown, reason))
    parameters = parameters.as_read_by(behaviour)
    limits = zone_limits(machine.facts, behaviour)
    if limits is None:
        reason = Reason(
            "ranges", f"not determined: the limits of {machine.facts.arch} depend on what is not in the source"
        )
        return ZonePrediction(machine.page_size, (), (), parameters.warnings, (*machine.unknown, reason))
    if parameters.mirror and not parameters.movable_node and not machine.mirror_known:
        reason = Reason("nodes", "not determined: some memory is mirrored, and the source does not show which")
        return ZonePrediction(machine.page_size, limits, (), parameters.warnings, (*machine.unknown, reason))
    pages = machine.node_pages()
    starts = movable_starts(machine, parameters, behaviour, limits, pages)
    nodes = _nodes(machine, parameters, limits, starts, pages)
    warnings = (*parameters.warnings, *starts.warnings, *_wrapped(nodes), *_lost(nodes, machine.page_size))
    return ZonePrediction(machine.page_size, limits, nodes, warnings, (*machine.unknown, *starts.reasons))


def _nodes(
    machine: ZoneMachine,
    parameters: ZoneParameters,
    limits: tuple[ZoneLimit, ...],
    starts: MovableStarts,
    pages: dict[int, PageIntervals],
) -> tuple[NodeZones, ...]:
    mirror = None
    if parameters.mirror and starts.pfns:
        mirror = (machine.mirror_pages(mirror=True), machine.mirror_pages(mirror=False))
    end = movable_zone_of(limits).end_pfn
    made = {nid: NodeZones(nid, None, (), 0) for nid in machine.memoryless}
    for nid, own in pages.items():
        start = starts.pfns.get(nid)
        zones = node_zones(NodeCut(own, start, end, mirror), limits)
        made[nid] = NodeZones(nid, None if start is None else start * machine.page_size, zones, own.total)
    return tuple(made[nid] for nid in sorted(made))


def _wrapped(nodes: tuple[NodeZones, ...]) -> tuple[str, ...]:
    return tuple(
        f"node {n.nid}, zone {z.zone}: the kernel counts absent pages twice here, and its count of present pages wraps"
        for n in nodes
        for z in n.zones
        if z.present >= _WRAPPED
    )


def lost_pages(node: NodeZones) -> int:
    """Return the page frames of a node's memory that are in none of its zones; 0 where a count wrapped."""
    present = sum(z.present for z in node.zones)
    return max(0, node.pages - present)


def _lost(nodes: tuple[NodeZones, ...], page_size: int) -> tuple[str, ...]:
    # memmap_init_range() passes over mirrored pages when it initialises ZONE_MOVABLE, and no other zone has these.
    return tuple(
        f"node {n.nid}: {lost_pages(n) * page_size} bytes of mirrored memory are in no zone; the kernel frees"
        " their pages without ever having initialised them, and may die of it at boot"
        for n in nodes
        if lost_pages(n)
    )


def has_movable(prediction: ZonePrediction) -> bool:
    """Say whether any node has a ZONE_MOVABLE."""
    return any(z.zone == MOVABLE for n in prediction.nodes for z in n.zones)
