"""From a boot log to `ReservationInput`: each fact from its line, and what no line shows as doubt.

Words that the user types stand for those of the same name in the log's command line; all others stay as they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kexeckit.errors import InputError, UsageError
from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.cma import knows_cma
from kexeckit.formats.bootlog.early import cma_areas, encrypts_memory, node_data
from kexeckit.formats.bootlog.efi import efi_map
from kexeckit.formats.bootlog.memory import NodeRange, TableEntry, firmware_table, node_ranges, table_changes
from kexeckit.formats.bootlog.numa import numa_refused, srat_of_log
from kexeckit.formats.bootlog.page_size import has_wide_addresses, page_size
from kexeckit.formats.bootlog.zones import printed_zones
from kexeckit.formats.cmdline import split_words, values, without
from kexeckit.formats.memparse import parse_integer
from kexeckit.kernel.behaviour.nodes import ANY_AMOUNT, NodeRules, node_rules
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules, with_pages
from kexeckit.kernel.boot.direct_map import DirectMap
from kexeckit.kernel.boot.e820 import Table, make_table
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.reservation.facts import Held, ReservationInput
from kexeckit.kernel.reservation.from_memblock import unmapped_regions
from kexeckit.kernel.reservation.log_held import assumed_firmware, held_by_log, late_of
from kexeckit.kernel.reservation.log_map import log_regions, with_whole_map
from kexeckit.kernel.reservation.log_unshown import may_be_randomised, unshown_by_log
from kexeckit.kernel.reservation.search import Limits
from kexeckit.machine.version import KernelVersion, parse_kernel_version
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_up

_ALIASES = {"aarch64": "arm64", "amd64": "x86_64", "ppc64le": "ppc64", "i686": "i386", "riscv": "riscv64"}
_X86 = ("x86_64", "i386")
_AUTO = re.compile(r"Using crashkernel=auto\b")
_MAX_PFN = re.compile(r"^(?:e820: )?last_pfn = 0x[0-9a-f]+ max_arch_pfn = 0x([0-9a-f]+)")
_GIGABYTE = re.compile(r"^Using GB pages for direct mapping")
# MAXMEM of four levels: 46 bits, as page frames.
_FOUR_LEVELS = 1 << 34
_SLAB = 2 * KIB
_SLABS_ALIGN = 128
_TRIM_BEGINS = ("last_pfn =", "e820: remove [mem 0x000a0000", "e820 remove range: 00000000000a0000")
_TRIM_ENDS = ("found SMP", "RAMDISK:", "Using GB pages", "init_memory_mapping", "check: Scanning", "Zone ranges")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says about the machine.

    Attributes:
        words: Words of the kernel's command line, as typed; a name that is here replaces that name in the source.
        arch: Architecture, or None to find it in the source.
        version: Kernel version, or None to find it in the source.
    """

    words: tuple[str, ...] = ()
    arch: str | None = None
    version: KernelVersion | None = None


def facts_from_log(log: BootLog, asked: Asked) -> ReservationInput:
    """Read a machine out of a boot log.

    Args:
        log: The boot.
        asked: What the user adds or replaces.

    Raises:
        InputError: The log does not show the kernel's version, the architecture, the command line or a memory map, or
            shows a map that cannot be read.
        UsageError: A word is none of a command line's.
    """
    arch, version, notes = identity(log, asked)
    rules = _as_built(with_pages(crash_rules(arch, version), page_size(log), wide=has_wide_addresses(log)), log)
    seen = log.cmdline
    if seen is None and not asked.words:
        raise InputError(log.source, "the log shows no command line", expected="a line 'Command line: ...'")
    cmdline = replaced(seen or "", asked.words)
    _refuse_unknown_auto(log, rules, cmdline)
    table, regions, more = _memory(log, arch)
    nodes = node_ranges(log)
    if arch == "arm64":
        regions = unmapped_regions(regions, (t.range.start for t in (*node_data(log), *cma_areas(log))))
    randomised = may_be_randomised(log, version, cmdline)
    held = held_by_log(log, rules, [n.range for n in nodes], randomised=randomised)
    held = [_on_its_node(h, regions) for h in held] if arch == "arm64" else held
    unshown = unshown_by_log(log, rules, version, cmdline, held)
    if unshown.firmware:
        held += assumed_firmware(held, [n.range for n in nodes])
    facts = ReservationInput(
        rules=rules,
        cmdline=cmdline,
        seen_cmdline=None if seen == cmdline else seen,
        table=table,
        changes=_trims(log),
        regions=regions,
        nodes=_node_borders(log, nodes, rules),
        node_rules=_node_rules(log, arch, version),
        mirrored=tuple(e.range for e in efi_map(log) if e.mirrored),
        hotplug=_hotplug(log),
        held=tuple(held),
        late=late_of(held),
        node_data=0 if any(h.kind == "node-data" for h in held) or not rules.after_numa else 176 * KIB,
        limits=Limits(_dma_limit(log, nodes, rules), swiotlb_size(cmdline), encrypts_memory(log)),
        unshown=unshown,
        sources=(f"{log.source}: boot log of {version.release}",),
        notes=tuple(n for n in (log.note, *notes, *more) if n),
        dma_cma=knows_cma(log),
        direct_map=_direct_map(log, rules, randomised=randomised),
        cma_per_node=_cma_per_node(held, nodes),
        xen_pv=any(line.text.startswith("Booting paravirtualized kernel on Xen PV") for line in log.lines),
    )
    return with_whole_map(facts, log)


def identity(log: BootLog, asked: Asked) -> tuple[str, KernelVersion, list[str]]:
    """Return architecture, version and notes on how they are known.

    Raises:
        InputError: One of them is in neither the log nor the user's words.
    """
    notes: list[str] = []
    found = asked.arch or log.arch
    if not found:
        raise InputError(log.source, "the log does not show the architecture", remedy="name it with --arch")
    if asked.version:
        return kernel_name(found), asked.version, notes
    release = log.release or log.image_release
    if not release:
        raise InputError(
            log.source,
            "the log does not show the kernel's version",
            expected="a line 'Linux version ...'",
            remedy="name it with --kernel-version",
        )
    if not log.release:
        notes.append(f"the kernel's version is taken from its file name: {release}")
    try:
        return kernel_name(found), parse_kernel_version(release), notes
    except UsageError as error:
        raise InputError(log.source, str(error), remedy="name it with --kernel-version") from error


def _refuse_unknown_auto(log: BootLog, rules: CrashRules, cmdline: str) -> None:
    # Only vendors' parsers say this, so the value means something to this kernel that is not known here.
    said = next((line for line, _ in log.matches(_AUTO)), None)
    if said and not rules.auto and "auto" in values(cmdline, "crashkernel"):
        raise InputError(
            log.source,
            "this kernel knows crashkernel=auto, and its sizes are not known here",
            remedy="name the size instead, like crashkernel=256M",
            line=said.number,
        )


def kernel_name(arch: str) -> str:
    """Return the kernel's name of an architecture for one that ``uname -m`` or a distribution uses."""
    return _ALIASES.get(arch, arch)


def replaced(cmdline: str, words: Sequence[str]) -> str:
    """Return a command line with the user's words in place of those of the same names.

    Raises:
        UsageError: A word has no name, such as a bare size.
    """
    typed = [w for text in words for w in split_words(text)]
    for word in typed:
        if not word.name or word.name[0].isdigit():
            raise UsageError(
                f"{word.text!r} is no word of a kernel command line; expected one like crashkernel=512M or mem=4G"
            )
    kept = without(cmdline, {w.name for w in typed}) if typed and cmdline.strip() else cmdline
    return " ".join([*([kept] if kept else []), *(w.text for w in typed)])


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


def _memory(log: BootLog, arch: str) -> tuple[Table, tuple[Region, ...], list[str]]:
    notes = []
    if arch in _X86:
        try:
            entries = firmware_table(log)
        except InputError as error:
            if not node_ranges(log):
                raise
            entries = ()
            notes = [f"{error}; the early memory node ranges are used instead"]
        if entries:
            return make_table(_triple(e) for e in entries), (), []
        notes = notes or ["no firmware map in the log: RAM is taken from the early memory node ranges"]
    regions = log_regions(log)
    if regions:
        return (), regions, notes
    raise InputError(
        log.source,
        "the log shows no memory map (is it cut off, or did the ring buffer wrap?)",
        expected="'Early memory node ranges'" + (", or lines 'BIOS-e820: [mem ...]'" if arch in _X86 else ""),
    )


def _on_its_node(held: Held, regions: tuple[Region, ...]) -> Held:
    # arm64's lines up to 6.11 do not number the nodes whose data they place; each lies on its own.
    if held.kind != "node-data":
        return held
    node = next((r.node for r in regions if r.range.holds(held.range.start)), None) or 0
    return replace(held, node=node, what=f"NODE_DATA({node})")


def _triple(entry: TableEntry) -> tuple[int, int, int]:
    return entry.start, entry.end, entry.kind.e820


def _trims(log: BootLog) -> tuple[tuple[int, int], ...]:
    # What became reserved between the trimming of the BIOS area and the set-up of memblock: MTRR holes, GART.
    numbers = [line.number for line in log.lines if line.text.startswith(_TRIM_BEGINS)]
    ends = [
        line.number for line in log.lines if line.text.startswith(_TRIM_ENDS) and numbers and line.number > numbers[0]
    ]
    if not numbers:
        return ()
    first, last = numbers[0], ends[0] if ends else log.lines[-1].number
    changes = [c for c in table_changes(log) if first < c.line < last and c.old == RAM and c.new == RESERVED]
    return tuple((c.range.start, c.range.end) for c in changes if c.range.end > PAGE_SIZE)


def _node_borders(log: BootLog, nodes: Sequence[NodeRange], rules: CrashRules) -> tuple[tuple[int, MemRange], ...]:
    srat = None if numa_refused(log) else srat_of_log(log)
    if srat and len({a.nid for a in srat.memory}) > 1 and len({n.node for n in nodes}) != 1:
        return tuple((a.nid, a.range) for a in srat.memory)
    if len({n.node for n in nodes}) > 1 and rules.arch in _X86:
        return tuple((n.node, n.range) for n in nodes)
    return ()


def _node_rules(log: BootLog, arch: str, version: KernelVersion) -> NodeRules:
    # What the log prints of nodes leaves out memory that other words bring back; that is no reason to refuse a table.
    rules = node_rules(arch, version)
    return rules if srat_of_log(log) else replace(rules, slack=ANY_AMOUNT)


def _direct_map(log: BootLog, rules: CrashRules, *, randomised: bool) -> DirectMap | None:
    # The highest page frame that the kernel could use tells the levels; without pages of 1 GiB no line is printed.
    limit = log.find(_MAX_PFN)
    if not rules.table_buffer or not limit:
        return None
    five = int(limit[1], 16) > _FOUR_LEVELS
    trampoline = (2 if five else 1) if randomised else 0
    return DirectMap(bool(log.find(_GIGABYTE)), five, rules.table_buffer, trampoline)


def _cma_per_node(held: Sequence[Held], nodes: Sequence[NodeRange]) -> bool | None:
    # One area on a machine with several nodes tells that they get none of their own.
    count, areas = len({n.node for n in nodes}), sum(h.kind == "cma" for h in held)
    return areas > count if areas and count > 1 else None


def _hotplug(log: BootLog) -> tuple[MemRange, ...]:
    srat = None if numa_refused(log) else srat_of_log(log)
    return tuple(a.range for a in srat.memory if a.hotplug) if srat else ()


def _as_built(rules: CrashRules, log: BootLog) -> CrashRules:
    # arm64 without DMA zones knows the limit at once: arch/arm64/mm/init.c, arm64_memblock_init(), 5.10 to 6.3.
    if not rules.early_without_dma or not _without_dma_zones(log):
        return rules
    return replace(rules, after_numa=False, cma_first=False, sparse_first=False)


def _without_dma_zones(log: BootLog) -> bool:
    # Every zone that the kernel is built with is printed, empty ones too.
    names = {zone.zone for zone in printed_zones(log)}
    return bool(names) and not names & {"DMA", "DMA32"}


def _dma_limit(log: BootLog, nodes: Sequence[NodeRange], rules: CrashRules) -> int:
    # arm64 takes the end of the lowest DMA zone that it has (of the highest, before 5.10); the zones print it.
    for name in ("DMA32", "DMA") if rules.dma32 else ("DMA", "DMA32"):
        for zone in printed_zones(log):
            if zone.zone == name and zone.end > zone.start:
                return zone.end
    end = max((n.range.end for n in nodes), default=4 * GIB)
    if rules.arch == "arm64" and _without_dma_zones(log):
        return end
    start = min((n.range.start for n in nodes), default=0)
    return end if start >= 4 * GIB else min(end, 4 * GIB)
