"""memblock as it stands when the reservation is made: the map, its borders, and what was taken before.

    firmware map -> mem=, memmap= -> trims -> regions -> nodes, mirror, hotplug borders
    held by others -> early page tables -> initrd moved where it must be -> node data -> CMA -> (crashkernel)

Where the command line is the one that the source was seen with, everything is where the source shows it. Where words
were changed, what the kernel places itself is placed anew, by the kernel's own search.

Source: arch/x86/kernel/setup.c, setup_arch(), relocate_initrd(); arch/x86/mm/numa.c, alloc_node_data(),
numa_clear_kernel_node_hotplug(); arch/arm64/mm/init.c, early_mem(), arm64_memblock_init();
arch/arm64/mm/mmu.c, map_mem().
"""

from collections.abc import Iterable
from dataclasses import replace

from kexeckit.formats.cmdline import has_word, values
from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.direct_map import direct_map_pages, shortened
from kexeckit.kernel.boot.e820 import ParameterStep, ram_within, table_at_boot
from kexeckit.kernel.boot.held import PLACED, Held
from kexeckit.kernel.boot.memblock import Memblock, Region, marked, regions_of
from kexeckit.kernel.boot.memory import limited
from kexeckit.kernel.boot.nodes import memblock_with_nodes, merged_regions
from kexeckit.kernel.boot.sections import with_struct_pages
from kexeckit.kernel.reservation.cma import with_cma
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import MIB, PAGE_SIZE, align_up

_LOW_MEGABYTE = MemRange(0, MIB)
_X86 = ("x86_64", "i386")
# Bytes of a page table's entry.
_PTE = 8


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
    moved = facts.cmdline != facts.seen_cmdline and _moves(facts, spans)
    if moved:
        facts = _with_node_data_alone(facts)
    held = [h for h in facts.held if h.by is not Taker.CMA and not (moved and h.by in PLACED)]
    tables = [Held(p, Taker.PAGE_TABLES, "page tables", "computed") for p in _tables(facts, spans, facts.cmdline)]
    low = RangeSet([_LOW_MEGABYTE] if facts.rules.arch in _X86 else [])
    memory = Memblock(
        _regions(facts, spans, low | _before_nodes([*facts.held, *tables])),
        RangeSet(h.range for h in held) | low,
        prefer_mirror=bool(facts.mirrored) and _mirror_counts(facts),
        skip_hotplug=has_word(facts.cmdline, "movable_node"),
    )
    memory, held = memory.reserve(t.range for t in tables), [*held, *tables]
    if facts.rules.arch in _X86 or not facts.rules.sparse_first:
        memory, held = _taken_at_top(memory, held, tops)
    if moved:
        memory, held = _placed_anew(memory, held, facts, tops)
    else:
        memory, held = _node_data(memory, held, facts.node_data)
        memory, held = _struct_pages(memory, held, facts, tops)
        areas = [h for h in facts.held if h.by is Taker.CMA]
        memory, held = memory.reserve(h.range for h in areas), [*held, *areas]
    total = memory.end if facts.rules.total_is_span else memory.total
    return EarlyMemory(memory, tuple(held), total, steps, problem)


def seen_total(facts: ReservationInput) -> int:
    """Return the bytes of RAM in the boot that the source shows."""
    return sum(span.size for span in _memory(facts, facts.seen_cmdline)[0])


def _before_nodes(held: Iterable[Held]) -> RangeSet:
    # What is held when nodes are set up: the initrd, too, where it is placed anew; no node's data, which comes after.
    return RangeSet(h.origin or h.range for h in held if h.by not in (Taker.NODE_DATA, Taker.CMA))


def _tables(facts: ReservationInput, spans: list[MemRange], cmdline: str) -> RangeSet:
    # Page tables of the direct mapping, where memblock=debug does not show them. They come before nodes, ACPI tables
    # and all that the kernel places itself.
    shown = any(h.by in (Taker.MEMBLOCK, Taker.PAGE_TABLES) for h in facts.held)
    special = has_word(cmdline, "movable_node") or (facts.mirrored and _mirror_counts(facts))
    if not facts.direct_map or shown or special:
        return EMPTY
    before = [h for h in facts.held if h.by not in (Taker.NODE_DATA, Taker.CMA, Taker.ACPI_TABLE)]
    reserved = RangeSet([_LOW_MEGABYTE, *(h.origin or h.range for h in before)])
    image = next((h for h in before if h.by is Taker.KERNEL_IMAGE), None)
    memory = Memblock(tuple(Region(s) for s in RangeSet(spans)), reserved)
    return direct_map_pages(memory, facts.direct_map, image.range.end - image.unsure - 1 if image else None)


def _with_node_data_alone(facts: ReservationInput) -> ReservationInput:
    # All above a node's data counts as its own; of that, page tables are known better.
    seen = facts.seen_cmdline
    tables = _tables(facts, _memory(facts, seen)[0], seen)
    alone = (replace(h, range=shortened(h.range, tables)) if h.by is Taker.NODE_DATA else h for h in facts.held)
    return replace(facts, held=tuple(alone))


def _memory(facts: ReservationInput, cmdline: str) -> tuple[list[MemRange], tuple[ParameterStep, ...], str]:
    if not facts.table:
        spans = [r.range for r in facts.regions]
        return (_limited(spans, cmdline, facts) if facts.rules.arch == "arm64" else spans), (), ""
    edited = table_at_boot(facts.table, cmdline, facts.changes, facts.kernel_range)
    return ram_within(edited.table, facts.reach), edited.steps, edited.problem


def _limited(spans: list[MemRange], cmdline: str, facts: ReservationInput) -> list[MemRange]:
    # What the source shows was cut by its own mem= already.
    if values(cmdline, "mem") == values(facts.seen_cmdline, "mem"):
        return spans
    memory = RangeSet(spans)
    back = (h.range for h in facts.held if h.by in (Taker.INITRD, Taker.KERNEL_IMAGE))
    kept = limited(memory, cmdline, facts.rules.page, back)
    return spans if kept is memory else list(kept)


def _regions(facts: ReservationInput, spans: list[MemRange], reserved: RangeSet) -> tuple[Region, ...]:
    if facts.regions and not facts.table:
        kept = RangeSet(spans)
        # Touching regions stay apart: their border means something (a node, or memory that is not mapped).
        regions = tuple(replace(r, range=part) for r in facts.regions for part in RangeSet((r.range,)) & kept)
        return regions if facts.rules.after_numa else _without_nodes(regions)
    regions = _on_nodes(facts, RangeSet(spans), reserved) if facts.rules.after_numa else regions_of(spans)
    return marked(regions, facts.mirrored, "mirror") if facts.mirrored and _mirror_counts(facts) else regions


def _on_nodes(facts: ReservationInput, memory: RangeSet, reserved: RangeSet) -> tuple[Region, ...]:
    # Borders are those of the nodes as the kernel joins them, not of the firmware's entries.
    claims = facts.affinities
    found = memblock_with_nodes(memory, claims, facts.node_rules, reserved) if claims else None
    # A refused table leaves one node, and the number of an only node bounds nothing.
    return found if found and len({(r.node, r.hotplug) for r in found}) > 1 else regions_of(memory)


def _mirror_counts(facts: ReservationInput) -> bool:
    return facts.rules.mirror == "always" or "mirror" in values(facts.cmdline, "kernelcore")


def _moves(facts: ReservationInput, spans: list[MemRange]) -> bool:
    # Whether the words that were changed move what the kernel places itself.
    seen = facts.seen_cmdline
    if facts.dma_cma is not False and values(facts.cmdline, "cma") != values(seen, "cma"):
        return True
    if has_word(facts.cmdline, "movable_node") != has_word(seen, "movable_node"):
        return True
    if _pages_asked_for(facts) and not has_word(seen, "crashkernel"):
        nodes = [h for h in facts.held if h.by is Taker.NODE_DATA]
        if nodes and not any(_page_tables(facts, h) for h in nodes):
            return True
    return spans != _memory(facts, seen)[0]


def _taken_at_top(memory: Memblock, held: list[Held], size: int) -> tuple[Memblock, list[Held]]:
    if not size:
        return memory, held
    at = memory.find(align_up(size, PAGE_SIZE), PAGE_SIZE, MemRange(0, 1 << 64))
    if at is None:
        return memory, held
    span = MemRange.from_size(at, align_up(size, PAGE_SIZE))
    return memory.reserve((span,)), [*held, Held(span, Taker.PAGE_TABLES, "early page tables and the like", "at most")]


def _placed_anew(memory: Memblock, held: list[Held], facts: ReservationInput, tops: int) -> tuple[Memblock, list[Held]]:
    for was in facts.held:
        if was.by is Taker.INITRD:
            memory, held = _initrd(memory, held, was)
    for was in sorted((h for h in facts.held if h.by is Taker.NODE_DATA), key=lambda h: h.node):
        memory, held = _put(memory, held, _scaled(was, memory, facts), was.node)
    memory, held = _node_data(memory, held, facts.node_data)
    memory, held = _struct_pages(memory, held, facts, tops)
    memory, areas = with_cma(memory, facts)
    return memory, [*held, *areas]


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
    return merged_regions(replace(r, node=None, hotplug=False) for r in regions)


def _scaled(was: Held, memory: Memblock, facts: ReservationInput) -> Held:
    # The tables of the direct mapping lie above the data of the highest node. With another amount of memory, or mapped
    # by pages because of crashkernel=, they have another size.
    if facts.rules.arch != "arm64":
        return was
    size = was.range.size - _page_tables(facts, was)
    size += _pte_bytes(memory.regions, facts) if _by_pages(facts, was) else 0
    return replace(was, range=MemRange(0, max(size, PAGE_SIZE)))


def _page_tables(facts: ReservationInput, was: Held) -> int:
    # Bytes of page tables for single pages above a node's data in the boot that was seen; 0 where blocks were mapped.
    # The kernel's own text is mapped by blocks all the same, so a little less may be there.
    size = _pte_bytes(facts.regions, facts)
    return size if was.range.size >= size // 2 else 0


def _by_pages(facts: ReservationInput, was: Held) -> bool:
    # Whether the boot that is asked about maps memory by pages: as the one that was seen, or for crashkernel=.
    highest = max((h.range.start for h in facts.held if h.by is Taker.NODE_DATA), default=0)
    return bool(_page_tables(facts, was)) or (_pages_asked_for(facts) and was.range.start == highest)


def _pages_asked_for(facts: ReservationInput) -> bool:
    return facts.rules.protected and facts.rules.sparse_first and has_word(facts.cmdline, "crashkernel")


def _pte_bytes(regions: Iterable[Region], facts: ReservationInput) -> int:
    return sum(r.range.size for r in regions if not r.nomap) // facts.rules.page * _PTE


def _struct_pages(
    memory: Memblock, held: list[Held], facts: ReservationInput, more: int
) -> tuple[Memblock, list[Held]]:
    if not facts.rules.sparse_first:
        return memory, held
    memory, taken = with_struct_pages(memory, facts.rules, more)
    return memory, [*held, *taken]


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
        unknown = Held(MemRange(0, size), Taker.NODE_DATA, f"NODE_DATA({node})", "size assumed", node)
        memory, held = _put(memory, held, unknown, node)
    return memory, held
