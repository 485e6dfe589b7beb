"""memblock, the kernel's allocator of the first moments: regions of memory, what is reserved in them, the search.

    memory    |--node 0--||--node 1 --|   |-- node 1 (mirror) --|
    reserved      |--|         |----------|            |--|
    free      |---|  |---||----|           |-----------|  |-----|
                                                        <---- searched from the top down

Two neighbouring regions are one only if node and flags are equal, so no allocation crosses a node or mirror border.

Source: mm/memblock.c, memblock_add_range(), memblock_merge_regions(), __next_mem_range_rev(), should_skip_region(),
__memblock_find_range_top_down(), memblock_alloc_range_nid(), memblock_setclr_flag(), memblock_is_region_memory().
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import PAGE_SIZE, align_down, align_up


@dataclass(frozen=True, slots=True)
class Region:
    """One region of memblock.memory.

    Attributes:
        range: Whole pages.
        node: NUMA node, or None before nodes are known.
        mirror: The firmware mirrors it and the kernel has marked it so.
        hotplug: It may be unplugged.
        nomap: It is not mapped and never handed out.
    """

    range: MemRange
    node: int | None = None
    mirror: bool = False
    hotplug: bool = False
    nomap: bool = False


@dataclass(frozen=True, slots=True)
class Free:
    """A free range and the region it lies in."""

    range: MemRange
    region: Region


@dataclass(frozen=True, slots=True)
class Memblock:
    """memblock's two lists and the switches that steer a search.

    Attributes:
        regions: memblock.memory: sorted, disjoint.
        reserved: memblock.reserved.
        prefer_mirror: Allocations want mirrored memory first.
        skip_hotplug: Hotpluggable regions are not handed out (movable_node).

    Raises:
        ValueError: Regions unsorted or overlapping.
    """

    regions: tuple[Region, ...]
    reserved: RangeSet = EMPTY
    prefer_mirror: bool = False
    skip_hotplug: bool = False

    def __post_init__(self) -> None:
        for before, after in zip(self.regions, self.regions[1:], strict=False):
            if after.range.start < before.range.end:
                raise ValueError(f"memblock regions unsorted or overlapping: {before.range} and {after.range}")

    @property
    def total(self) -> int:
        """Bytes of memory, reserved or not: memblock_phys_mem_size()."""
        return sum(r.range.size for r in self.regions)

    @property
    def start(self) -> int:
        """First byte of memory: memblock_start_of_DRAM(); 0 without memory."""
        return self.regions[0].range.start if self.regions else 0

    @property
    def end(self) -> int:
        """First byte behind the highest region: memblock_end_of_DRAM(); 0 without memory."""
        return self.regions[-1].range.end if self.regions else 0

    def reserve(self, ranges: Iterable[MemRange]) -> "Memblock":
        """Return the same with more reserved."""
        return replace(self, reserved=self.reserved | RangeSet(ranges))

    def in_one_region(self, span: MemRange) -> bool:
        """Say whether one region has all of a span, whatever its flags: memblock_is_region_memory()."""
        return any(r.range.contains(span) for r in self.regions)

    def free(self, *, mirror: bool = False) -> Iterator[Free]:
        """Yield what may be handed out, highest first; with `mirror` only from mirrored regions."""
        for region in reversed(self.regions):
            if region.nomap or (self.skip_hotplug and region.hotplug) or (mirror and not region.mirror):
                continue
            for gap in reversed(list(_gaps(region.range, self.reserved))):
                yield Free(gap, region)

    def find(self, size: int, align: int, window: MemRange, *, bottom_up: bool = False) -> int | None:
        """Return where memblock_phys_alloc_range() would put `size` bytes, or None.

        Args:
            size: Bytes, more than 0; not rounded.
            align: Alignment of the start, a power of two.
            window: Limits; page 0 is never handed out.
            bottom_up: Search from the lowest address up.
        """
        if self.prefer_mirror:
            found = self._find(size, align, window, mirror=True, bottom_up=bottom_up)
            if found is not None:
                return found
        return self._find(size, align, window, mirror=False, bottom_up=bottom_up)

    def _find(self, size: int, align: int, window: MemRange, *, mirror: bool, bottom_up: bool) -> int | None:
        candidates = self.free(mirror=mirror)
        for free in reversed(list(candidates)) if bottom_up else candidates:
            at = fit(free.range, size, align, window, bottom_up=bottom_up)
            if at is not None:
                return at
        return None


def fit(free: MemRange, size: int, align: int, window: MemRange, *, bottom_up: bool = False) -> int | None:
    """Return where `size` bytes, more than 0, go within one free range and a window, or None."""
    low, high = max(free.start, window.start, PAGE_SIZE), min(free.end, window.end)
    if bottom_up:
        at = align_up(low, align)
        return at if high - at >= size else None
    at = align_down(high - size, align)
    return at if at >= low else None


def regions_of(ranges: Iterable[MemRange], nodes: Iterable[tuple[int, MemRange]] = ()) -> tuple[Region, ...]:
    """Return regions for RAM ranges, cut at the borders of nodes.

    Args:
        ranges: Whole pages, disjoint.
        nodes: (node, range) pairs in ascending order, as SRAT or "Early memory node ranges" give them. RAM that none
            of them covers keeps node None and is a region of its own.
    """
    rest = RangeSet(ranges)
    areas: dict[int, list[MemRange]] = {}
    for node, area in nodes:
        areas.setdefault(node, []).append(area)
    out = []
    for node, parts in sorted(areas.items()):
        owned = rest & RangeSet(parts)
        out += [Region(r, node) for r in owned]
        rest = rest - owned
    out += [Region(r) for r in rest]
    return tuple(sorted(out, key=lambda region: region.range))


def marked(regions: tuple[Region, ...], ranges: Iterable[MemRange], flag: str) -> tuple[Region, ...]:
    """Return regions with a flag set where ranges cover them; one that is covered in part is cut at their borders.

    Args:
        regions: Sorted.
        ranges: What the flag is for; may reach beyond the regions.
        flag: ``mirror``, ``hotplug`` or ``nomap``.
    """
    marks = RangeSet(ranges)
    if not marks:
        return regions
    out = []
    for region in regions:
        whole = RangeSet((region.range,))
        on = {flag: True}
        out += [replace(region, range=part, **on) for part in whole & marks]
        out += [replace(region, range=part) for part in whole - marks]
    return tuple(sorted(out, key=lambda r: r.range))


def _gaps(span: MemRange, reserved: RangeSet) -> Iterator[MemRange]:
    # Only the reserved ranges that touch the span are walked: a machine can have thousands of both.
    at = span.start
    for taken in reserved.overlapping(span):
        if taken.start > at:
            yield MemRange(at, taken.start)
        at = max(at, taken.end)
    if at < span.end:
        yield MemRange(at, span.end)
