"""Where ZONE_MOVABLE begins on each node.

Four ways, the first one that applies:
    movable_node        at the lowest hot-pluggable region of a node; sizes are ignored
    kernelcore=mirror   at the lowest region of a node that is not mirrored and lies at or above 4 GiB
    kernelcore, movablecore   kernel memory is spread over the nodes in equal shares, not in proportion to their size
    none of these       no ZONE_MOVABLE

Sharing, for a machine whose highest zone begins at `floor`:

    node 0   |kkkkkkkkkk floor kkkkkk|........|       k  counts as kernel memory
    node 1                                   |kkkkkkkkkk|.........|
    Memory below the floor always counts for the kernel and uses up shares; a node with less than its share leaves the
    rest to another round among the others.

Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), find_zone_movable_pfns_for_nodes().
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.limits import ZoneLimit
from kexeckit.kernel.zones.machine import Reason, ZoneMachine
from kexeckit.kernel.zones.parameters import ZoneParameters
from kexeckit.memory.pages import PageIntervals
from kexeckit.memory.units import GIB

SOURCE = "mm/mm_init.c find_zone_movable_pfns_for_nodes()"
NO_MIRROR = "The system has no mirror memory, ignore kernelcore=mirror."
IN_KDUMP = "The system is under kdump, ignore kernelcore=mirror."
UNMIRRORED = "This configuration results in unmirrored kernel memory."

# ZONE_MOVABLE begins at a multiple of the largest buddy block: 2^10 pages unless the kernel is configured otherwise;
# arm64 with 64 KiB pages and ppc64 have other orders.
_BLOCK_PAGES = {4096: 1 << 10, 16384: 1 << 11, 65536: 1 << 13}
_PPC64_BLOCK_PAGES = 1 << 8


@dataclass(frozen=True, slots=True)
class MovableStarts:
    """The first movable page of each node.

    Attributes:
        pfns: By node; a node that is not in it has no ZONE_MOVABLE.
        warnings: What the kernel says about it.
        reasons: Why.
    """

    pfns: dict[int, int]
    warnings: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


def block_pages(arch: str, page_size: int) -> int:
    """Return the page frames of the largest buddy block (MAX_ORDER_NR_PAGES) in the usual configuration."""
    if arch == "ppc64" and page_size == 1 << 16:
        return _PPC64_BLOCK_PAGES
    return _BLOCK_PAGES[page_size]


def movable_zone_of(limits: tuple[ZoneLimit, ...]) -> ZoneLimit:
    """Return the highest zone that is not empty: ZONE_MOVABLE takes its pages from it."""
    return next((z for z in reversed(limits) if not z.empty), limits[-1])


def movable_starts(
    machine: ZoneMachine,
    parameters: ZoneParameters,
    behaviour: ZoneBehaviour,
    limits: tuple[ZoneLimit, ...],
    nodes: dict[int, PageIntervals],
) -> MovableStarts:
    """Find the first movable page of each node; `nodes` are the machine's own `node_pages()`."""
    if parameters.movable_node:
        found = _from_hotplug(machine, parameters, behaviour)
    elif parameters.mirror:
        found = _from_mirror(machine, parameters, behaviour)
    else:
        found = _from_sizes(machine, parameters, nodes, movable_zone_of(limits).start_pfn)
    align = block_pages(machine.facts.arch, machine.page_size)
    aligned = {nid: -(-pfn // align) * align for nid, pfn in found.pfns.items()}
    kept = {nid: pfn for nid, pfn in sorted(aligned.items()) if nid in nodes and 0 < pfn < nodes[nid].end}
    return MovableStarts(kept, found.warnings, found.reasons)


def _from_hotplug(machine: ZoneMachine, parameters: ZoneParameters, behaviour: ZoneBehaviour) -> MovableStarts:
    pfns = _lowest([r for r in machine.regions if r.hotplug], machine.page_size, behaviour)
    text = "movable_node: ZONE_MOVABLE begins at the lowest hot-pluggable memory of a node"
    if not pfns:
        text = "movable_node: no memory is hot-pluggable (nodes on which the kernel already holds memory lose the mark)"
    warnings: tuple[str, ...] = ()
    if parameters.kernelcore or parameters.movablecore or parameters.mirror:
        warnings = ("movable_node makes the kernel ignore kernelcore= and movablecore=, without a message",)
    return MovableStarts(pfns, warnings, (Reason("movable", text, SOURCE),))


def _from_mirror(machine: ZoneMachine, parameters: ZoneParameters, behaviour: ZoneBehaviour) -> MovableStarts:
    warnings: tuple[str, ...] = ()
    if parameters.kernelcore or parameters.movablecore:
        warnings = ("kernelcore=mirror makes the kernel ignore the sizes of both words, without a message",)
    if behaviour.mirror_needs_mirror and not machine.has_mirror:
        return MovableStarts({}, (*warnings, NO_MIRROR), (Reason("movable", "no memory is mirrored", SOURCE),))
    if behaviour.mirror_off_in_kdump and machine.kdump:
        return MovableStarts({}, (*warnings, IN_KDUMP), (Reason("movable", "this is a kdump kernel", SOURCE),))
    plain = [r for r in machine.regions if not r.mirror]
    border = 4 * GIB // machine.page_size
    high = [r for r in plain if _base(r, machine.page_size, behaviour) >= border]
    if len(high) < len(plain):
        warnings = (*warnings, UNMIRRORED)
    text = "kernelcore=mirror: ZONE_MOVABLE begins at a node's lowest memory from 4 GiB on that is not mirrored"
    if not machine.has_mirror:
        text = "no memory is mirrored, and this kernel makes all memory at or above 4 GiB movable then"
    return MovableStarts(_lowest(high, machine.page_size, behaviour), warnings, (Reason("movable", text, SOURCE),))


def _base(region: Region, page_size: int, behaviour: ZoneBehaviour) -> int:
    start = region.range.start
    return (start + page_size - 1 if behaviour.movable_base_rounds_up else start) // page_size


def _lowest(regions: list[Region], page_size: int, behaviour: ZoneBehaviour) -> dict[int, int]:
    # A start of 0 stands for "none yet" in the kernel, so the next region takes its place.
    pfns: dict[int, int] = {}
    for region in regions:
        if region.node is not None:
            base = _base(region, page_size, behaviour)
            pfns[region.node] = min(pfns.get(region.node) or base, base)
    return pfns


def _from_sizes(
    machine: ZoneMachine, parameters: ZoneParameters, nodes: dict[int, PageIntervals], floor: int
) -> MovableStarts:
    total = sum(p.total for p in nodes.values())
    required = _required(machine, parameters, total)
    if not parameters.kernelcore and not parameters.movablecore:
        return MovableStarts({}, (), (Reason("movable", "no parameter asks for ZONE_MOVABLE", SOURCE),))
    warnings = _rivals(parameters, required, total, machine.page_size)
    if not required or required >= total:
        what = "no kernel memory is asked for" if not required else "kernelcore covers all memory"
        warning = f"{what}: the kernel makes no ZONE_MOVABLE, without a message"
        return MovableStarts({}, (*warnings, warning), (Reason("movable", what, SOURCE),))
    size = required * machine.page_size
    text = (
        f"{size} bytes of kernel memory, spread over {len(nodes)} nodes in equal shares;"
        f" ZONE_MOVABLE cannot begin below {floor * machine.page_size:#x}"
    )
    return MovableStarts(spread(required, nodes, floor), warnings, (Reason("movable", text, SOURCE),))


def _rivals(parameters: ZoneParameters, required: int, total: int, page_size: int) -> tuple[str, ...]:
    # With both words given, the one that leaves more for the kernel counts.
    if not parameters.kernelcore or not parameters.movablecore:
        return ()
    if required > parameters.kernelcore.pages(total, page_size):
        return ("movablecore= leaves the kernel more than kernelcore= asks for: only movablecore= counts",)
    return ("kernelcore= asks for as much as movablecore= leaves, or more: only kernelcore= counts",)


def _required(machine: ZoneMachine, parameters: ZoneParameters, total: int) -> int:
    # movablecore is rounded up to whole blocks, and the larger kernel part of the two words counts.
    core = parameters.kernelcore.pages(total, machine.page_size)
    movable = parameters.movablecore.pages(total, machine.page_size)
    if movable:
        align = block_pages(machine.facts.arch, machine.page_size)
        movable = min(total, -(-movable // align) * align)
        core = max(core, total - movable)
    return core


class _Cursor:
    """How far kernel memory reaches on one node."""

    __slots__ = ("at", "movable", "pages")

    def __init__(self, pages: PageIntervals) -> None:
        self.pages = pages
        self.at = 0
        self.movable = 0

    def take(self, share: int, required: int, floor: int) -> int:
        # One node in one round; gives back what is still required of the whole.
        left = share
        while self.at < len(self.pages):
            start, end = self.pages[self.at]
            start = max(start, self.movable)
            if start >= end:
                self.at += 1
                continue
            if start < floor:
                low = min(end, floor) - start
                left -= min(low, left)
                required -= min(low, required)
                if end <= floor:
                    self.movable = end
                    self.at += 1
                    continue
                start = floor
            size = min(end - start, left)
            self.movable = start + size
            required -= min(required, size)
            left -= size
            if not left:
                break
        return required


def spread(required: int, nodes: dict[int, PageIntervals], floor: int) -> dict[int, int]:
    """Spread kernel memory over nodes.

    Args:
        required: Page frames of kernel memory, more than 0.
        nodes: Page frames of every node with memory, by rising node number.
        floor: Lowest page frame that can be movable.

    Returns:
        By node, the page frame where its kernel memory ends; not yet aligned, and possibly the end of the node.
    """
    cursors = {nid: _Cursor(pages) for nid, pages in nodes.items()}
    usable = len(nodes)
    while True:
        share = required // usable
        for cursor in cursors.values():
            if required < share:
                share = required // usable
            required = cursor.take(share, required, floor)
        usable -= 1
        if not usable or required <= usable:
            return {nid: c.movable for nid, c in cursors.items()}
