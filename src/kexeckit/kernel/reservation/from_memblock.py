"""What memblock's lists at the end of boot add to `ReservationInput`, on kernels that keep them (arm64).

memory: its regions are those of the reservation's moment, with node and flags, because nothing changes them later but
memory that is plugged in, which the boot log does not have. A region that is not mapped (NOMAP) is never handed out;
/proc/iomem shows the same as a top-level "reserved".

reserved: what the reservation met is in it (but for the initrd and the kernel's init part, which were freed), and much
that came later: per-CPU areas, hash tables, the swiotlb. So it is no list of what was held, only a bound: with all of
it taken, the region comes to lie no higher than it really did. It counts where no boot log says what came before.

Source: mm/memblock.c, should_skip_region(), memblock_free_late(); arch/arm64/kernel/setup.c,
request_standard_resources(); arch/arm64/mm/init.c, free_initmem().
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kexeckit.formats.memblock_debugfs import DRIVER_MANAGED, HOTPLUG, MIRROR, NOMAP, MemblockEntry
from kexeckit.kernel.boot.memblock import Region
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet


def listed_regions(regions: tuple[Region, ...], memory: Sequence[MemblockEntry], *, whole: bool) -> tuple[Region, ...]:
    """Return regions with what memblock's list of memory shows.

    Args:
        regions: As another source shows them.
        memory: memblock.memory.
        whole: No boot log shows the regions, so that the list's own are taken.
    """
    if whole:
        regions = tuple(_region(e) for e in memory if not e.has(DRIVER_MANAGED))
    if any(e.flags is not None for e in memory):
        regions = tuple(replace(r, nomap=False) for r in regions)
    for flag, field in ((NOMAP, "nomap"), (HOTPLUG, "hotplug"), (MIRROR, "mirror")):
        regions = marked_regions(regions, (e.range for e in memory if e.has(flag)), field)
    return regions


def unmapped_regions(regions: Sequence[Region], mapped: Iterable[int]) -> tuple[Region, ...]:
    """Return arm64's regions with those marked that are not mapped, as far as their borders tell.

    Regions of one node that touch differ in their flags, or they would be one, and in practice only NOMAP differs; so
    every other one of a row is not mapped. Which, is told by an address that is surely mapped, or else by size: what
    firmware keeps is less than what it leaves.

    Args:
        regions: As the log prints them, lowest first.
        mapped: Addresses that were handed out.
    """
    known = tuple(mapped)
    out: list[Region] = []
    for row in _rows(regions):
        sides = (row[0::2], row[1::2])
        shown = [any(r.range.holds(at) for r in side for at in known) for side in sides]
        sizes = [sum(r.range.size for r in side) for side in sides]
        keep = shown.index(True) if any(shown) else sizes.index(max(sizes))
        out += [replace(r, nomap=number % 2 != keep) for number, r in enumerate(row)]
    return tuple(out)


def _rows(regions: Sequence[Region]) -> list[list[Region]]:
    rows: list[list[Region]] = []
    for region in regions:
        last = rows[-1][-1] if rows else None
        if last and last.range.end == region.range.start and last.node == region.node:
            rows[-1].append(region)
        else:
            rows.append([region])
    return rows


def marked_regions(regions: Iterable[Region], ranges: Iterable[MemRange], field: str) -> tuple[Region, ...]:
    """Return regions with one field true where ranges cover them; a region that is covered in part is cut.

    Args:
        regions: Regions, lowest first.
        ranges: What is to be marked.
        field: ``nomap``, ``hotplug`` or ``mirror``.
    """
    marked = RangeSet(ranges)
    out: list[Region] = []
    for region in regions:
        own = RangeSet((region.range,))
        parts = [*(replace(region, range=r, **{field: True}) for r in own & marked)]
        parts += [replace(region, range=r) for r in own - marked]
        out += sorted(parts, key=lambda part: part.range)
    return tuple(out)


def _region(entry: MemblockEntry) -> Region:
    return Region(entry.range, entry.node)
