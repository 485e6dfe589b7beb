"""What /proc/iomem of arm64 shows to be reserved at a place that somebody chose: firmware, boot loader, device tree.

The kernel itself takes memory from the top down, so a reserved range below a gap that would have held it was not put
there by the kernel: it was there before, and in the reservation's way.

    | reserved |  gap, free to the end of boot  | reserved | (gap) | reserved by the kernel |  top
      before                                      the kernel's, it fits nowhere above

Gaps count only on the same node and the same side of the limit of 32-bit DMA, because allocations may be bound to both,
and only where they are large enough for alignment not to matter.

Source: mm/memblock.c, __memblock_find_range_top_down(); arch/arm64/kernel/setup.c, reserve_memblock_reserved_regions().
"""

from collections.abc import Iterable, Iterator

from kexeckit.kernel.boot.memblock import Region
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import MIB

_LEAST_GAP = 4 * MIB


def reserved_by_address(tree: ResourceTree, regions: Iterable[Region], dma_limit: int) -> tuple[MemRange, ...]:
    """Return the reserved ranges that cannot be the kernel's own, lowest first.

    Args:
        tree: /proc/iomem.
        regions: memblock.memory with nodes.
        dma_limit: End of the memory that 32-bit DMA reaches.
    """
    children = [child for root in tree.roots if root.name == "System RAM" for child in root.children]
    taken = RangeSet(child.range for child in children)
    reserved = sorted((child.range for child in children if child.name == "reserved"), reverse=True)
    out: list[MemRange] = []
    for areas in _sides(regions, dma_limit).values():
        gaps = sorted((gap for area in areas for gap in RangeSet((area,)) - taken), reverse=True)
        out += _below_gaps([r for r in reserved if any(area.contains(r) for area in areas)], gaps)
    return tuple(sorted(out))


def _sides(regions: Iterable[Region], dma_limit: int) -> dict[tuple[int, bool], list[MemRange]]:
    # What an allocation that is bound to a node or to 32-bit DMA can choose from.
    sides: dict[tuple[int, bool], list[MemRange]] = {}
    for region in regions:
        for side in (MemRange(0, dma_limit), MemRange(dma_limit, 1 << 64)):
            part = region.range.intersection(side)
            if part and not region.nomap:
                sides.setdefault((region.node or 0, part.start < dma_limit), []).append(part)
    return sides


def _below_gaps(reserved: list[MemRange], gaps: list[MemRange]) -> Iterator[MemRange]:
    # Both go from the top down.
    largest = at = 0
    for taken in reserved:
        while at < len(gaps) and gaps[at].start >= taken.end:
            largest = max(largest, gaps[at].size)
            at += 1
        if largest >= max(2 * taken.size, _LEAST_GAP):
            yield taken
