"""From a `Machine`, a command line's words and a kernel's rules to `ReservationInput`. Nothing is read here."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kexeckit.errors import InputError, UnavailableError
from kexeckit.formats.cmdline import values, with_words
from kexeckit.formats.memparse import parse_integer
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.behaviour.floors import RESERVATION
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.behaviour.reservation import CrashRules, seen_in_source, with_pages
from kexeckit.kernel.boot.affinities import affinities_at_boot, node_rules_of
from kexeckit.kernel.boot.direct_map import DirectMap
from kexeckit.kernel.boot.e820 import Table, early_words, ram, sanitized
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.memory import firmware_table, given_up, low_reserve
from kexeckit.kernel.boot.next_boot import Boot, boot_asked_about
from kexeckit.kernel.reservation.early import seen_total
from kexeckit.kernel.reservation.facts import ReservationInput, Unshown
from kexeckit.kernel.reservation.held import held_before, late_of
from kexeckit.kernel.reservation.search import Limits
from kexeckit.kernel.reservation.unshown import has_early_log, unshown
from kexeckit.machine.arch import X86
from kexeckit.machine.fact import yes
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine, sources_of
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, align_up

_NODE_DATA = 176 * KIB
# MAXMEM of four levels: 46 bits.
_FOUR_LEVELS = 1 << 46
_SLAB = 2 * KIB
_SLABS_ALIGN = 128


def reservation_input(
    machine: Machine, words: Sequence[str] = (), behaviours: Behaviours | None = None, *, next_boot: bool = False
) -> ReservationInput:
    """Put together what the prediction of a reservation takes.

    Args:
        machine: What is known.
        words: Words of a kernel command line; a name that is here replaces that name in the machine's.
        behaviours: What the kernel does; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No memory map, no architecture, or a map that the rest of the source contradicts.
        UsageError: A word is none of a command line's.
    """
    kernel = behaviours or behaviours_of(machine)
    arch, rules = kernel.arch, _as_built(machine, kernel)
    seen = machine.cmdline
    cmdline = with_words(seen, words)
    _refuse_unknown_auto(machine, rules, cmdline)
    table, regions, notes = _memory(machine, rules)
    notes += [] if has_early_log(machine) else [_NO_LOG]
    boot = boot_asked_about(machine, rules, cmdline, next_boot=next_boot)
    dma_limit = _dma_limit(machine, regions, table, rules)
    held = held_before(machine, rules, regions, dma_limit, boot)
    open_facts = unshown(machine, kernel, rules, cmdline, held, next_boot=boot.next)
    held, open_facts = _with_assumed_firmware(machine, held, open_facts)
    facts = ReservationInput(
        rules=rules,
        cmdline=cmdline,
        seen_cmdline=seen if machine.kernel.cmdline or arch in X86 else cmdline,
        cmdline_known=machine.kernel.cmdline is not None,
        next_boot=boot.next,
        table=table,
        changes=(*(low_reserve(kernel.zones) if arch in X86 else ()), *given_up(machine)),
        kernel_range=_kernel_range(machine, kernel, cmdline, boot),
        reach=machine.kernel.reach.value if machine.kernel.reach else None,
        regions=regions,
        affinities=affinities_at_boot(machine, _ram(table, regions), cmdline, kernel.nodes) if arch in X86 else (),
        node_rules=node_rules_of(machine, kernel.nodes),
        mirrored=tuple(machine.efi.mirrored.value) if machine.efi.mirrored else (),
        held=held,
        late=late_of(held),
        node_data=_NODE_DATA if _has_unseen_node_data(machine, rules, held) else 0,
        limits=Limits(dma_limit, swiotlb_size(cmdline), yes(machine.boot.encrypted)),
        unshown=replace(open_facts, early=open_facts.early and bool(regions)),
        end_of_boot=_end_of_boot(machine) if open_facts.early and regions else (),
        reserved_later=_reserved_later(machine, held) if rules.arch == "arm64" else EMPTY,
        dma_cma=_dma_cma(machine),
        direct_map=_direct_map(machine, rules, randomised=boot.random),
        cma_per_node=_cma_per_node(machine, held),
        xen_pv=yes(machine.boot.xen_pv),
        notes=(*machine.notes, *notes, *_problems(machine), *kernel.said(rules)),
    )
    return _checked(_told(facts, machine, kernel), machine)


def _kernel_range(machine: Machine, kernel: Behaviours, cmdline: str, boot: Boot) -> MemRange | None:
    # It matters where words take RAM away, in either boot.
    words = early_words(cmdline) or early_words(machine.cmdline)
    if kernel.arch not in X86 or not words or not kernel.zones.kernel_stays_ram:
        return None
    from kexeckit.kernel.boot.kernel_range import kernel_range

    return kernel_range(machine, boot, kernel.reservation.table_buffer)


_NO_LOG = "no boot log: what was reserved early is only known in part"


def swiotlb_size(cmdline: str) -> int:
    """Return the bytes of swiotlb that a command line asks for; 64 MiB by default.

    Source: kernel/dma/swiotlb.c, setup_io_tlb_npages(), swiotlb_size_or_default().
    """
    size = 64 * MIB
    for value in values(cmdline, "swiotlb"):
        slabs, end = parse_integer(value)
        if end:
            size = align_up(slabs, _SLABS_ALIGN) * _SLAB
    return size


def _told(facts: ReservationInput, machine: Machine, kernel: Behaviours) -> ReservationInput:
    # What stands beside the memory: where it was read, what was assumed, why there is no reservation, or no answer.
    needs = facts.rules.needs
    return replace(
        facts,
        sources=sources_of(machine),
        assumed=(*machine.assumed, *kernel.assumptions),
        lacks=needs if needs and machine.on(needs) is False else "",
        below=kernel.why_not(RESERVATION),
    )


def _as_built(machine: Machine, kernel: Behaviours) -> CrashRules:
    # The rules of its version, as it was built; what the user states wins.
    page, wide = machine.kernel.page_size, machine.kernel.wide_addresses
    mine = dict.fromkeys(kernel.stated)
    rules = with_pages(kernel.reservation, page.value if page else None, wide=yes(wide), stated=mine)
    # arm64 without DMA zones knows the limit at once: arch/arm64/mm/init.c, arm64_memblock_init(), 5.10 to 6.3.
    if not rules.early_without_dma or not _without_dma_zones(machine):
        return rules
    return seen_in_source(rules, {"after_numa": False, "cma_first": False, "sparse_first": False}, mine)


def _refuse_unknown_auto(machine: Machine, rules: CrashRules, cmdline: str) -> None:
    # Only vendors' parsers say this, so the value means something to this kernel that is not known here.
    said = machine.kernel.auto_word
    if said and not rules.auto and "auto" in values(cmdline, "crashkernel"):
        raise InputError(
            said.source,
            "this kernel knows crashkernel=auto, and its sizes are not known here",
            remedy="name the size instead, like crashkernel=256M",
            line=said.line,
        )


def _memory(machine: Machine, rules: CrashRules) -> tuple[Table, tuple[Region, ...], list[str]]:
    # The firmware's table on x86, else memblock's regions, and what the user should know about either.
    if rules.arch in X86 and machine.memory.firmware:
        return firmware_table(machine), (), []
    damaged = machine.problem("memory.firmware")
    if machine.memory.ranges:
        notes = [f"{damaged}; the early memory node ranges are used instead"] if damaged else []
        if rules.arch in X86 and not damaged and machine.kind != "described":
            notes = ["no firmware map in the log: RAM is taken from the early memory node ranges"]
        return (), _with_lists(machine, rules, _log_regions(machine)), notes
    if damaged and not machine.memory.resources:
        raise damaged.error()
    if machine.memory.resources:
        return (), _with_lists(machine, rules, tuple(Region(r) for r in machine.memory.resources.value.ram())), []
    hidden = machine.problem("memory.resources") or machine.problem("log")
    if hidden:
        raise hidden.error()
    if machine.kind == "log":
        raise InputError(
            machine.source,
            "the log shows no memory map (is it cut off, or did the ring buffer wrap?)",
            expected="'Early memory node ranges'" + (", or lines 'BIOS-e820: [mem ...]'" if rules.arch in X86 else ""),
        )
    remedy = "give a boot log, or a capture that holds /proc/iomem and /sys/firmware/memmap"
    raise UnavailableError(f"{machine.source}: no boot log and no memory map in it", remedy=remedy)


def _log_regions(machine: Machine) -> tuple[Region, ...]:
    # The early memory node ranges as memblock's regions, by address.
    cut = machine.problem("memory.ranges")
    if cut:
        raise cut.error()
    assert machine.memory.ranges
    nodes = sorted(machine.memory.ranges.value, key=lambda n: n.range)
    for last, after in pairwise(nodes):
        if after.range.start < last.range.end:
            raise InputError(machine.source, "the early memory node ranges overlap", line=after.line or None)
    return tuple(Region(n.range, n.node) for n in nodes)


def _with_lists(machine: Machine, rules: CrashRules, regions: tuple[Region, ...]) -> tuple[Region, ...]:
    # arm64: which regions are not mapped, from their borders, from /proc/iomem, from memblock's own list.
    listed = machine.memory.memblock
    if rules.arch != "arm64" and not listed:
        return regions
    from kexeckit.kernel.reservation.from_memblock import listed_regions, marked_regions, unmapped_regions

    if rules.arch == "arm64":
        if machine.memory.ranges:
            mapped = (t.range.start for t in machine.taken_by(Taker.NODE_DATA, Taker.CMA))
            regions = unmapped_regions(regions, mapped)
        tree = machine.memory.resources
        if tree:
            # A region of its own at the top is memory that is not mapped, and never handed out.
            unmapped = (r.range for r in tree.value.roots if r.name == "reserved")
            regions = marked_regions((replace(r, nomap=False) for r in regions), unmapped, "nomap")
    if not listed:
        return regions
    return listed_regions(regions, listed.value, whole=rules.arch == "arm64" and not has_early_log(machine))


def _ram(table: Table, regions: tuple[Region, ...]) -> RangeSet:
    return RangeSet(ram(sanitized(table)) if table else (r.range for r in regions))


def _with_assumed_firmware(machine: Machine, held: tuple[Held, ...], left: Unshown) -> tuple[tuple[Held, ...], Unshown]:
    if not left.firmware or not has_early_log(machine):
        return held, left
    from kexeckit.kernel.reservation.firmware import assumed_firmware, is_modelled

    printed = [n.range for n in machine.memory.ranges.value] if machine.memory.ranges else []
    more = assumed_firmware(machine, held, printed)
    return tuple(sorted([*held, *more], key=lambda h: h.range)), replace(left, firmware_modelled=is_modelled(machine))


def _has_unseen_node_data(machine: Machine, rules: CrashRules, held: Sequence[Held]) -> bool:
    known = any(h.by is Taker.NODE_DATA for h in held)
    return rules.after_numa and not known and (machine.arch in X86 or has_early_log(machine))


def _end_of_boot(machine: Machine) -> tuple[MemRange, ...]:
    # What memblock holds at the end of boot, but for the crash regions themselves.
    reserved, tree = machine.memory.reserved, machine.memory.resources
    free = RangeSet(tree.value.crash_regions()) if tree else EMPTY
    return tuple(part for e in (reserved.value if reserved else ()) for part in RangeSet((e.range,)) - free)


def _reserved_later(machine: Machine, held: Sequence[Held]) -> RangeSet:
    tree = machine.memory.resources
    reserved = RangeSet(r.range for r in tree.value.named("reserved")) if tree else EMPTY
    return reserved - RangeSet(h.range for h in held)


def _dma_cma(machine: Machine) -> bool | None:
    shown = machine.kernel.cma_word
    return machine.on("CONFIG_DMA_CMA") if machine.kernel.config else shown.value if shown else None


def _cma_per_node(machine: Machine, held: Sequence[Held]) -> bool | None:
    # One area on a machine with several nodes tells that they get none of their own.
    if machine.kernel.config:
        return machine.on("CONFIG_CMA_SIZE_PERNUMA")
    printed = machine.memory.ranges.value if machine.memory.ranges else ()
    count, areas = len({n.node for n in printed}), sum(h.by is Taker.CMA for h in held)
    return areas > count if areas and count > 1 else None


def _direct_map(machine: Machine, rules: CrashRules, *, randomised: bool) -> DirectMap | None:
    # The highest page frame that the kernel could use tells the levels; without pages of 1 GiB no line is printed.
    reach, gbpages = machine.kernel.reach, machine.kernel.gbpages
    if not rules.table_buffer or not reach or not has_early_log(machine):
        return None
    five = reach.value > _FOUR_LEVELS
    trampoline = (2 if five else 1) if randomised else 0
    return DirectMap(yes(gbpages), five, rules.table_buffer, trampoline)


def _without_dma_zones(machine: Machine) -> bool:
    # Every zone that the kernel is built with is printed, empty ones too.
    names = {zone.zone for zone in machine.observed.zones.value} if machine.observed.zones else set()
    return bool(names) and not names & {"DMA", "DMA32"}


def _dma_limit(machine: Machine, regions: Sequence[Region], table: Table, rules: CrashRules) -> int:
    # arm64 takes the end of the lowest DMA zone that it has (of the highest, before 5.10); the zones print it.
    zones = machine.observed.zones.value if machine.observed.zones else ()
    for name in ("DMA32", "DMA") if rules.dma32 else ("DMA", "DMA32"):
        for zone in zones:
            if zone.zone == name and zone.end > zone.start:
                return zone.end
    printed = machine.memory.ranges.value if machine.memory.ranges else ()
    known = [n.range for n in printed] or [r.range for r in regions] or list(_ram(table, ()))
    end = max((r.end for r in known), default=4 * GIB)
    if rules.arch == "arm64" and _without_dma_zones(machine):
        return end
    start = min((r.start for r in known), default=0)
    return end if start >= 4 * GIB else min(end, 4 * GIB)


def _checked(facts: ReservationInput, machine: Machine) -> ReservationInput:
    """Return the facts with a map that agrees with the rest of the log.

        BIOS-e820 lines    every early memory node range lies in entries of the table
        node ranges        add up to what the "Memory:" line counts

    A lost line (a serial console that dropped it, a ring buffer that wrapped, an editor) leaves a map that reads well
    and is wrong. Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), mem_init_print_info(), get_num_physpages().
    """
    nodes = RangeSet(n.range for n in machine.memory.ranges.value) if machine.memory.ranges else EMPTY
    lost = nodes - RangeSet(MemRange(start, end) for start, end, _ in facts.table if start < end)
    if facts.table and lost:
        facts = _of_nodes(facts, machine, lost)
    counted = machine.memory.counted
    memory = max(seen_total(facts), nodes.size) if counted else 0
    if not counted or memory >= counted.value:
        return facts
    raise InputError(
        counted.source,
        f"the memory map adds up to {memory:#x} bytes, but the kernel counted {counted.value:#x}: "
        "lines of it are missing",
        line=counted.line,
    )


def _of_nodes(facts: ReservationInput, machine: Machine, lost: RangeSet) -> ReservationInput:
    first = next(iter(lost))
    note = (
        f"the firmware's map in the log says nothing of [{first.start:#x}, {first.end:#x}), which is memory: "
        "lines of it are missing; the early memory node ranges are used instead"
    )
    return replace(facts, table=(), changes=(), regions=_log_regions(machine), notes=(*facts.notes, note))


def _problems(machine: Machine) -> tuple[str, ...]:
    return tuple(str(p) for p in machine.problems if not p.about.startswith(("handover.", "observed.", "cpus.")))
