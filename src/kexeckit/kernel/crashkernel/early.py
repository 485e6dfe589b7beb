"""memblock as it stands when the reservation is made: the map, its borders, and what was taken before.

    firmware map -> mem=, memmap= -> trims -> regions -> nodes, mirror, hotplug borders
    held by others -> early page tables -> initrd moved where it must be -> node data -> CMA -> (crashkernel)

Where the command line is the one that the source was seen with, everything is where the source shows it. Where words
were changed, what the kernel places itself is placed anew, by the kernel's own search.

Source: arch/x86/kernel/setup.c, setup_arch(), relocate_initrd(); arch/x86/mm/numa.c, alloc_node_data(),
numa_clear_kernel_node_hotplug(); kernel/dma/contiguous.c, dma_contiguous_reserve(); mm/cma.c,
cma_declare_contiguous_nid(); arch/arm64/mm/init.c, early_mem(), arm64_memblock_init().
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kexeckit.formats.cmdline import has_word, values
from kexeckit.formats.memparse import parse_memory
from kexeckit.kernel.crashkernel.facts import Held, ReservationInput
from kexeckit.kernel.e820 import (
    E820_RAM,
    E820_RESERVED,
    ParameterStep,
    Table,
    bios_trimmed,
    ram,
    range_updated,
    sanitized,
    with_parameters,
)
from kexeckit.kernel.memblock import Memblock, Region, regions_of
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_down, align_up

_LOW_MEGABYTE = MemRange(0, MIB)
_X86 = ("x86_64", "i386")
# Bytes of a struct page; what sparse_init() takes besides, at least; pages described by one byte of page table.
_STRUCT_PAGE = 64
_SECTION_TABLES = 72 * KIB
_PTE_SHARE = 512


@dataclass(frozen=True, slots=True)
class EarlyMemory:
    """memblock before the reservation.

    Attributes:
        memory: Regions and what is reserved in them.
        held: The same reservations with their names; what the kernel placed anew is at its new place.
        total: RAM as range rules count it.
        steps: What mem= and memmap= did.
        problem: Why the kernel does not come this far, or empty.
    """

    memory: Memblock
    held: tuple[Held, ...]
    total: int
    steps: tuple[ParameterStep, ...] = ()
    problem: str = ""


def early_memory(facts: ReservationInput, *, tops: int = 0) -> EarlyMemory:
    """Return memblock at the moment of the reservation.

    Args:
        facts: The machine.
        tops: Bytes of small allocations to assume at the top of memory.
    """
    spans, steps, problem = _memory(facts, facts.cmdline)
    regions = _regions(facts, spans)
    moved = facts.seen_cmdline is not None and _moves(facts, spans)
    held = [h for h in facts.held if h.kind != "cma" and not (moved and h.kind != "fixed")]
    memory = Memblock(
        regions,
        RangeSet(h.range for h in held) | RangeSet([_LOW_MEGABYTE] if facts.rules.arch in _X86 else []),
        prefer_mirror=bool(facts.mirrored) and _mirror_counts(facts),
        skip_hotplug=has_word(facts.cmdline, "movable_node"),
    )
    memory = replace(memory, regions=_hotplug_cleared(memory, facts))
    if facts.rules.arch in _X86:
        memory, held = _taken_at_top(memory, held, tops)
    if moved:
        memory, held = _placed_anew(memory, held, facts, tops)
    else:
        memory, held = _node_data(memory, held, facts.node_data)
        memory, held = _struct_pages(memory, held, facts, tops)
        areas = [h for h in facts.held if h.kind == "cma"]
        memory, held = memory.reserve(h.range for h in areas), [*held, *areas]
    total = memory.end if facts.rules.total_is_span else memory.total
    return EarlyMemory(memory, tuple(held), total, steps, problem)


def _memory(facts: ReservationInput, cmdline: str) -> tuple[list[MemRange], tuple[ParameterStep, ...], str]:
    if not facts.table:
        spans = [r.range for r in facts.regions]
        return (_limited(spans, cmdline) if facts.rules.arch == "arm64" else spans), (), ""
    edited = with_parameters(sanitized(facts.table), cmdline)
    table = _changed(bios_trimmed(edited.table), facts.changes)
    return ram(table), edited.steps, edited.problem


def _changed(table: Table, changes: Iterable[tuple[int, int]]) -> Table:
    before = table
    for start, end in changes:
        table = range_updated(table, start, end - start, E820_RAM, E820_RESERVED)
    return sanitized(table) if table is not before else table


def _limited(spans: list[MemRange], cmdline: str) -> list[MemRange]:
    # arm64: mem=N keeps the first N bytes of memory, counted over all ranges; the last mem= counts.
    sizes = [parse_memory(v)[0] for v in values(cmdline, "mem")]
    left = align_down(sizes[-1], PAGE_SIZE) if sizes else 0
    if not left:
        return spans
    out = []
    for span in spans:
        part = clip(span.start, min(span.end, span.start + left))
        if part:
            out.append(part)
            left -= part.size
    return out


def _regions(facts: ReservationInput, spans: list[MemRange]) -> tuple[Region, ...]:
    if facts.regions and not facts.table:
        kept = RangeSet(spans)
        # Touching regions stay apart: their border means something (a node, or memory that is not mapped).
        return tuple(replace(r, range=part) for r in facts.regions for part in RangeSet((r.range,)) & kept)
    regions = regions_of(spans, facts.nodes if facts.rules.after_numa else ())
    if facts.mirrored and _mirror_counts(facts):
        regions = _marked(regions, facts.mirrored, "mirror")
    return _marked(regions, facts.hotplug, "hotplug") if facts.rules.after_numa else regions


def _marked(regions: tuple[Region, ...], ranges: Iterable[MemRange], flag: str) -> tuple[Region, ...]:
    # A region that a mark covers in part is cut at the border of the mark.
    marked = RangeSet(ranges)
    if not marked:
        return regions
    out = []
    for region in regions:
        whole = RangeSet((region.range,))
        on = {flag: True}
        out += [replace(region, range=part, **on) for part in whole & marked]
        out += [replace(region, range=part) for part in whole - marked]
    return tuple(sorted(out, key=lambda r: r.range))


def _mirror_counts(facts: ReservationInput) -> bool:
    return facts.rules.mirror == "always" or "mirror" in values(facts.cmdline, "kernelcore")


def _hotplug_cleared(memory: Memblock, facts: ReservationInput) -> tuple[Region, ...]:
    # A node that holds anything reserved cannot go away, so its hotplug marks are dropped and its parts join again.
    if not facts.hotplug:
        return memory.regions
    busy = {r.node for r in memory.regions if memory.reserved.overlapping(r.range)}
    return _rejoined(replace(r, hotplug=False) if r.node in busy else r for r in memory.regions)


def _moves(facts: ReservationInput, spans: list[MemRange]) -> bool:
    # Whether the words that were changed move what the kernel places itself.
    seen = facts.seen_cmdline or ""
    if facts.dma_cma is not False and values(facts.cmdline, "cma") != values(seen, "cma"):
        return True
    if has_word(facts.cmdline, "movable_node") != has_word(seen, "movable_node"):
        return True
    return spans != _memory(facts, seen)[0]


def _taken_at_top(memory: Memblock, held: list[Held], size: int) -> tuple[Memblock, list[Held]]:
    if not size:
        return memory, held
    at = memory.find(align_up(size, PAGE_SIZE), PAGE_SIZE, MemRange(0, 1 << 64))
    if at is None:
        return memory, held
    span = MemRange.from_size(at, align_up(size, PAGE_SIZE))
    return memory.reserve((span,)), [*held, Held(span, "early page tables and the like", "at most")]


def _placed_anew(memory: Memblock, held: list[Held], facts: ReservationInput, tops: int) -> tuple[Memblock, list[Held]]:
    for was in facts.held:
        if was.kind == "initrd":
            memory, held = _initrd(memory, held, was)
    for was in sorted((h for h in facts.held if h.kind == "node-data"), key=lambda h: h.node):
        memory, held = _put(memory, held, _scaled(was, memory, facts), was.node)
    memory, held = _node_data(memory, held, facts.node_data)
    memory, held = _struct_pages(memory, held, facts, tops)
    return _cma(memory, held, facts)


def _initrd(memory: Memblock, held: list[Held], was: Held) -> tuple[Memblock, list[Held]]:
    # Where the boot loader put it, if that is all RAM, else as high as it fits: before nodes are known, so that no
    # border of theirs is in its way.
    #
    #   RAM   |--- node 0 ---|--- node 1 ---|
    #   initrd            |------- new ------|             |-- old: cut off by mem= --|
    place = was.origin or was.range
    if place in RangeSet(r.range for r in memory.regions):
        return memory.reserve((place,)), [*held, replace(was, range=place)]
    size = align_up(was.range.size, PAGE_SIZE)
    at = replace(memory, regions=_without_nodes(memory.regions)).find(size, PAGE_SIZE, MemRange(0, 1 << 64))
    if at is None:
        return memory, held
    span = MemRange.from_size(at, size)
    return memory.reserve((span,)), [*held, replace(was, range=span, source=f"{was.source}, placed anew")]


def _without_nodes(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    return _rejoined(replace(r, node=None, hotplug=False) for r in regions)


def _rejoined(regions: Iterable[Region]) -> tuple[Region, ...]:
    # Neighbours that are alike are one region.
    out: list[Region] = []
    for region in regions:
        last = out[-1] if out else None
        if last and last.range.end == region.range.start and replace(last, range=region.range) == region:
            out[-1] = replace(last, range=MemRange(last.range.start, region.range.end))
        else:
            out.append(region)
    return tuple(out)


def _scaled(was: Held, memory: Memblock, facts: ReservationInput) -> Held:
    # arm64 maps memory by pages where it may have to protect any of it: 8 bytes of page table for each 4 KiB. With
    # another amount of memory, the tables above the node's data have another size.
    before = sum(r.range.size for r in facts.regions)
    if facts.rules.arch != "arm64" or was.range.size < before // _PTE_SHARE:
        return was
    size = was.range.size - before // _PTE_SHARE + memory.total // _PTE_SHARE
    return replace(was, range=MemRange(0, max(size, PAGE_SIZE)))


def _struct_pages(
    memory: Memblock, held: list[Held], facts: ReservationInput, more: int
) -> tuple[Memblock, list[Held]]:
    # arm64 up to 6.x: 64 bytes for each page of every section that a node has memory in, in 2 MiB pieces, below the
    # tables that describe the sections (mm/sparse.c, sparse_init(), sparse_buffer_init()).
    if not facts.rules.sparse_first:
        return memory, held
    section = facts.rules.section
    # A section that two nodes share belongs to the lower one: mm/sparse.c, memory_present() keeps the first node.
    owner: dict[int, int] = {}
    for r in sorted(memory.regions, key=lambda r: r.range):
        for number in range(r.range.start // section, -(-r.range.end // section)):
            owner.setdefault(number, r.node or 0)
    for node in sorted({r.node or 0 for r in memory.regions}):
        count = sum(of == node for of in owner.values())
        small = Held(MemRange(0, _SECTION_TABLES + more), "section tables", "size assumed")
        memory, held = _put(memory, held, small, node)
        size = count * (section // PAGE_SIZE * _STRUCT_PAGE)
        only = replace(memory, regions=tuple(r for r in memory.regions if (r.node or 0) == node))
        at = only.find(size, 2 * MIB, MemRange(0, 1 << 64)) if size else None
        if at is not None:
            span = MemRange.from_size(at, size)
            memory, held = memory.reserve((span,)), [*held, Held(span, f"struct pages of node {node}", "computed")]
    return memory, held


def _put(memory: Memblock, held: list[Held], was: Held, node: int | None) -> tuple[Memblock, list[Held]]:
    size = align_up(was.range.size, PAGE_SIZE)
    on_node = replace(memory, regions=tuple(r for r in memory.regions if node is None or r.node in (node, None)))
    at = on_node.find(size, PAGE_SIZE, MemRange(0, 1 << 64))
    if at is None:
        at = memory.find(size, PAGE_SIZE, MemRange(0, 1 << 64))
    if at is None:
        return memory, held
    span = MemRange.from_size(at, size)
    return memory.reserve((span,)), [*held, replace(was, range=span, source=f"{was.source}, placed anew")]


def _node_data(memory: Memblock, held: list[Held], size: int) -> tuple[Memblock, list[Held]]:
    if not size:
        return memory, held
    for node in sorted({r.node or 0 for r in memory.regions}):
        unknown = Held(MemRange(0, size), f"NODE_DATA({node})", "size assumed", "node-data", node)
        memory, held = _put(memory, held, unknown, node)
    return memory, held


def _cma(memory: Memblock, held: list[Held], facts: ReservationInput) -> tuple[Memblock, list[Held]]:
    # cma=size[@base[-limit]], the last one; an area that only the configuration asks for keeps its size.
    if facts.dma_cma is False:
        return memory, held
    asked = values(facts.cmdline, "cma")
    text = asked[-1] if asked else ""
    shown = [h for h in facts.held if h.kind == "cma"]
    size, at = parse_memory(text)
    if not asked and shown and not values(facts.seen_cmdline or "", "cma"):
        size = shown[0].range.size
    start, end = 0, 1 << 64 if facts.rules.arch in _X86 else facts.limits.dma_limit
    if text[at : at + 1] == "@":
        start, at = parse_memory(text, at + 1)
        end = parse_memory(text, at + 1)[0] or end if text[at : at + 1] == "-" else end
    size = align_up(size, facts.rules.cma_align)
    where = _cma_place(memory, size, facts.rules.cma_align, clip(start, min(end, memory.end))) if size else None
    if where is None:
        return memory, held
    span = MemRange.from_size(where, size)
    return memory.reserve((span,)), [*held, Held(span, "CMA area", "cma=", "cma")]


def _cma_place(memory: Memblock, size: int, align: int, asked: MemRange | None) -> int | None:
    if asked is None:
        return None
    above = clip(4 * GIB, asked.end)
    if above and memory.end >= 4 * GIB + size:
        found = memory.find(size, align, above, bottom_up=True)
        if found is not None:
            return found
    window = clip(asked.start, align_down(asked.end, align))
    return memory.find(size, align, window) if window else None
