"""`ZoneMachine`: everything about a machine that its zones depend on, as one value."""

from collections.abc import Iterable
from dataclasses import field, replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.limits import ArchFacts
from kexeckit.memory.pages import PageIntervals
from kexeckit.memory.rangeset import RangeSet


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a part of the answer is what it is, or why there is none.

    Attributes:
        about: What it is about: ``ranges``, ``nodes``, ``movable``, ``node 1``, ``mirror``, ...
        text: One sentence.
        source: Where the fact or the rule comes from; may be empty.
    """

    about: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class ZoneMachine:
    """A machine, as zones see it.

    Attributes:
        facts: What the limits of zones depend on.
        regions: The memory the kernel knows (memblock.memory), sorted and disjoint, each with node and flags.
        memoryless: Nodes that exist without memory.
        kdump: The kernel runs after a crash (it was given an elfcorehdr).
        mirror_known: False where there is mirrored memory and the source does not show which.
        unknown: What the source cannot show, each with the reason.

    Raises:
        ValueError: No regions, or regions that are unsorted or overlap.
    """

    facts: ArchFacts
    regions: tuple[Region, ...]
    memoryless: tuple[int, ...] = ()
    kdump: bool = False
    mirror_known: bool = True
    unknown: tuple[Reason, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.regions:
            raise ValueError("a machine has at least one region of memory")
        for before, after in zip(self.regions, self.regions[1:], strict=False):
            if after.range.start < before.range.end:
                raise ValueError(f"regions are unsorted or overlap: {before.range} and {after.range}")

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.facts.page_size

    @property
    def has_mirror(self) -> bool:
        """Say whether any memory is mirrored."""
        return any(r.mirror for r in self.regions)

    def node_pages(self) -> dict[int, PageIntervals]:
        """Return the page frames of every node that has memory, by rising node number."""
        by_node: dict[int, list[Region]] = {}
        for region in self.regions:
            if region.node is not None:
                by_node.setdefault(region.node, []).append(region)
        pages = {nid: region_pages(by_node[nid], self.page_size) for nid in sorted(by_node)}
        return {nid: p for nid, p in pages.items() if p.total}

    def mirror_pages(self, *, mirror: bool) -> PageIntervals:
        """Return the page frames of the regions that are, or are not, mirrored."""
        return region_pages((r for r in self.regions if r.mirror == mirror), self.page_size)


def region_pages(regions: Iterable[Region], page_size: int) -> PageIntervals:
    """Return the whole page frames of regions; a page that a region holds only in part is left out."""
    up, shift = page_size - 1, page_size.bit_length() - 1
    return PageIntervals(((r.range.start + up) >> shift, r.range.end >> shift) for r in regions)


def with_mirror(regions: Iterable[Region], mirrored: RangeSet) -> tuple[Region, ...]:
    """Mark mirrored memory, splitting regions where a mirrored range begins or ends inside.

    Args:
        regions: Sorted and disjoint.
        mirrored: Ranges of the firmware; they may reach beyond memory.

    Source: mm/memblock.c, memblock_mark_mirror(), memblock_isolate_range().
    """
    out: list[Region] = []
    for region in regions:
        inside = mirrored.overlapping(region.range)
        if not inside:
            out.append(region)
            continue
        whole = RangeSet((region.range,))
        marked = whole & RangeSet(inside)
        parts = [replace(region, range=r, mirror=True) for r in marked]
        parts += [replace(region, range=r) for r in whole - marked]
        out.extend(sorted(parts, key=lambda part: part.range.start))
    return tuple(out)
