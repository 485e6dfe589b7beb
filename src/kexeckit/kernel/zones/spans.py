"""The zones of one node: what they span, and how many of these pages are present.

    zone limits       | DMA32          | Normal                                      |
    node                          |==================   =============================|
    without mirror    | DMA32     |Normal          |Movable                    |   a zone ends where Movable begins
    with mirror       | DMA32     |Normal                                      |   zones may overlap:
                                               |Movable                        |   each page is absent in the other one

Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), zone_spanned_pages_in_node(), zone_absent_pages_in_node(),
adjust_zone_range_for_zone_movable().
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.zones.limits import MOVABLE, NORMAL, ZoneLimit
from kexeckit.memory.pages import PageIntervals

_WORD = 1 << 64


@dataclass(frozen=True, slots=True)
class ZoneSpan:
    """One zone of one node, in page frames.

    Attributes:
        zone: Its name.
        start_pfn: First page frame it spans.
        spanned: Page frames from its first to its last one, holes included.
        present: Page frames of memory that belong to it.
    """

    zone: str
    start_pfn: int
    spanned: int
    present: int

    def __str__(self) -> str:
        return f"{self.zone} pfn [{self.start_pfn:#x}, {self.end_pfn:#x})"

    def __repr__(self) -> str:
        return f"<ZoneSpan {self}, {self.present} present>"

    @property
    def end_pfn(self) -> int:
        """Page frame after the last one it spans."""
        return self.start_pfn + self.spanned

    @property
    def absent(self) -> int:
        """Page frames it spans that are holes or belong to another zone."""
        return self.spanned - self.present


@dataclass(frozen=True, slots=True)
class NodeCut:
    """What the cutting of one node's zones depends on.

    Attributes:
        pages: All page frames of the node.
        movable_start: First movable page frame, or None.
        movable_limit: Page frame where the machine's highest zone ends.
        mirror: With kernelcore=mirror: the mirrored page frames of the machine and the others; else None.
    """

    pages: PageIntervals
    movable_start: int | None
    movable_limit: int
    mirror: tuple[PageIntervals, PageIntervals] | None = None


def node_zones(cut: NodeCut, limits: tuple[ZoneLimit, ...]) -> tuple[ZoneSpan, ...]:
    """Cut the zones of a node; zones that span nothing are left out."""
    spans = [_arch_zone(cut, limit) for limit in limits]
    if cut.movable_start is not None:
        end = min(cut.pages.end, cut.movable_limit)
        spans.append(_span(cut, MOVABLE, cut.movable_start, end))
    return tuple(s for s in spans if s.spanned)


def _arch_zone(cut: NodeCut, limit: ZoneLimit) -> ZoneSpan:
    start = _clamp(cut.pages.start, limit)
    end = _clamp(cut.pages.end, limit)
    if cut.movable_start is not None:
        # With mirrored memory zones overlap; one that begins at or above the start of ZONE_MOVABLE spans nothing.
        end = min(end, cut.movable_start) if cut.mirror is None or start >= cut.movable_start else end
    return _span(cut, limit.zone, start, end)


def _clamp(pfn: int, limit: ZoneLimit) -> int:
    return min(max(pfn, limit.start_pfn), limit.end_pfn)


def _span(cut: NodeCut, zone: str, start: int, end: int) -> ZoneSpan:
    if start >= end:
        return ZoneSpan(zone, start, 0, 0)
    present = cut.pages.within(start, end)
    if cut.mirror is not None and cut.movable_start is not None:
        mirrored, plain = cut.mirror
        # All nodes' regions are looked at, so those of a node that lies inside this one's span count twice; the
        # kernel's unsigned number then wraps.
        if zone == MOVABLE:
            present -= mirrored.within(start, end)
        elif zone == NORMAL:
            present -= plain.within(start, end)
    return ZoneSpan(zone, start, end - start, present % _WORD)
