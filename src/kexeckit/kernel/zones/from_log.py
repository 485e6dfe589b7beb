"""From a boot log to the machine as zones see it.

What a log is used for, in this order:
    memory   the firmware's table with mem= and memmap= applied; "Early memory node ranges" where these words are the
             log's own, or where no table is printed
    nodes    "Early memory node ranges" or SRAT
    mirror   the EFI map; that there is mirrored memory at all, the line "efi: Memory: ...M/...M mirrored memory"
    build    the names in "Zone ranges:" say whether the kernel has ZONE_DMA
The limits of zones that a log prints are never used as an answer; only arm64's ZONE_DMA, whose limit may come from
tables that no log shows, is taken from there, and the reasons say so.
"""

import re
from dataclasses import dataclass

from kexeckit.errors import InputError
from kexeckit.formats.banner import BANNER, release_of_banner
from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.efi import efi_map
from kexeckit.formats.bootlog.memory import NodeRange, TableEntry, firmware_table, node_ranges, table, table_changes
from kexeckit.formats.bootlog.numa import memoryless_nodes, numa_refused, srat_of_log
from kexeckit.formats.bootlog.zones import low_ram_end, page_size_of_log, printed_zones
from kexeckit.formats.cmdline import values
from kexeckit.formats.memparse import parse_memory
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.zones import ARM64_FIRMWARE_BITS, ARM64_FIRMWARE_LIMIT, ZoneBehaviour
from kexeckit.kernel.boot.e820 import Table, early_words, make_table
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.nodes import NodeBlock, NodeLayout, node_layout, numa_switched_off, without_kernel_nodes
from kexeckit.kernel.boot.x86_memory import x86_memory
from kexeckit.kernel.zones.limits import DMA, HIGHMEM, ArchFacts
from kexeckit.kernel.zones.machine import Reason, ZoneMachine, with_mirror
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE

_X86 = ("x86_64", "i386")
_MIRROR_LINE = re.compile(r"^efi: Memory: (\d+)M/(\d+)M mirrored memory")
_MAX_ARCH = re.compile(r"^(?:e820: )?last_pfn = 0x[0-9a-f]+ max_arch_pfn = 0x([0-9a-f]+)")
_MTRR_TRIM = re.compile(r"^WARNING: BIOS bug: CPU MTRRs don't cover all of memory")
_RAMDISK = re.compile(r"^RAMDISK: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]")
_ACPI_TABLE = re.compile(r"^ACPI: Reserving \S+ table memory at \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]")


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """A log, and what is asked about it.

    Attributes:
        log: The boot.
        arch: Its architecture.
        cmdline: The command line that is asked about; the log's own where nothing was typed.
        behaviour: What the kernel does.
    """

    log: BootLog
    arch: str
    cmdline: str
    behaviour: ZoneBehaviour

    @property
    def same_memory_words(self) -> bool:
        """Say whether the words that change the memory map are those of the log."""
        return [w.text for w in early_words(self.log.cmdline or "")] == [w.text for w in early_words(self.cmdline)]


def machine_from_log(question: LogQuestion) -> ZoneMachine | None:
    """Return the machine that a log shows, or None where the log shows no memory map.

    Raises:
        InputError: A memory map in it cannot be understood.
    """
    log = question.log
    printed = node_ranges(log)
    unknown: list[Reason] = []
    entries = _entries(question, printed, unknown)
    if entries:
        firmware = make_table((e.start, e.end, e.kind.e820) for e in entries)
        layout, top = _from_table(question, firmware, printed, unknown)
    elif printed:
        layout, top = _from_node_ranges(question, printed, unknown)
    else:
        return None
    if not layout.regions:
        return None
    regions = without_kernel_nodes(layout, _reserved(log))
    known = efi_map(log)
    mirrored = RangeSet(e.range for e in known if e.mirrored)
    facts = _facts(question, regions, top, unknown)
    return ZoneMachine(
        facts=facts,
        regions=with_mirror(regions, mirrored),
        memoryless=() if numa_switched_off(question.cmdline) else _memoryless(log, regions),
        kdump=bool(values(question.cmdline, "elfcorehdr")),
        mirror_known=bool(mirrored) or not has_mirror_line(log),
        unknown=tuple(unknown),
    )


def release_of_log(log: BootLog) -> str:
    """Return the release that the kernel's rules follow from, or an empty text.

    Debian names its kernels after the ABI (5.10.0-11) and prints the stable release (5.10.92) elsewhere in the line.
    """
    found = log.find(BANNER)
    return release_of_banner(found[0]) if found else log.image_release or ""


def has_mirror_line(log: BootLog) -> bool:
    """Say whether the kernel says that some memory is mirrored."""
    return bool(log.find(_MIRROR_LINE))


def _entries(question: LogQuestion, printed: tuple[NodeRange, ...], unknown: list[Reason]) -> tuple[TableEntry, ...]:
    # A table that is cut off is no table; where the log has the node ranges as well, these will do.
    if question.arch not in _X86:
        return ()
    try:
        return firmware_table(question.log) or table(question.log, "user")
    except InputError as error:
        if not printed:
            raise
        unknown.append(Reason("ranges", f"{error}; memory is taken from the printed node ranges"))
        return ()


def _from_table(
    question: LogQuestion, firmware: Table, printed: tuple[NodeRange, ...], unknown: list[Reason]
) -> tuple[NodeLayout, int]:
    reach = question.log.find(_MAX_ARCH)
    limit = int(reach[1], 16) * PAGE_SIZE if reach else None
    x86 = x86_memory(firmware, question.cmdline, question.behaviour, _uncached(question.log), limit)
    if x86.problem:
        unknown.append(Reason("ranges", f"the kernel stops at boot: {x86.problem}", "arch/x86/kernel/e820.c"))
    memory = x86.memory
    if question.same_memory_words and printed:
        memory = RangeSet(r.range for r in printed)
        if memory != x86.memory:
            text = "the printed node ranges differ from what the firmware map gives; the printed ones are used"
            unknown.append(Reason("nodes", text))
    return _with_nodes(question, memory, printed, unknown), x86.top


def _with_nodes(
    question: LogQuestion, memory: RangeSet, printed: tuple[NodeRange, ...], unknown: list[Reason]
) -> NodeLayout:
    # NUMA switched off by a word, by the firmware, or by the kernel's own doubts: everything is on node 0.
    one = NodeLayout(tuple(Region(r, 0) for r in memory), tuple(NodeBlock(r, 0) for r in memory))
    if numa_switched_off(question.cmdline):
        return one
    if any(v.startswith("fake=") for v in values(question.cmdline, "numa")):
        unknown.append(Reason("nodes", "numa=fake is not predicted: the nodes of the source are shown"))
    srat = None if numa_refused(question.log) else srat_of_log(question.log)
    found = node_layout(memory, srat.memory) if srat else None
    if printed and (not found or not _agrees(found, printed)):
        found = node_layout(memory, _affinities(printed, srat.memory if srat else ()))
    if not found and srat:
        unknown.append(Reason("nodes", "the kernel refuses the SRAT: it leaves out memory or puts it on two nodes"))
    return found or one


def _agrees(layout: NodeLayout, printed: tuple[NodeRange, ...]) -> bool:
    # Whether the affinities give every printed range the node that the kernel gave it.
    blocks = layout.blocks
    return all(any(b.nid == p.node and b.range.contains(p.range) for b in blocks) for p in printed)


def _affinities(printed: tuple[NodeRange, ...], srat: tuple[MemoryAffinity, ...]) -> list[MemoryAffinity]:
    # Printed ranges of one node that touch in the list are one stretch of addresses of this node.
    marks = RangeSet(a.range for a in srat if a.hotplug)
    stretches: list[tuple[int, MemRange]] = []
    for p in sorted(printed, key=lambda p: p.range):
        if stretches and stretches[-1][0] == p.node:
            stretches[-1] = (p.node, MemRange(stretches[-1][1].start, p.range.end))
        else:
            stretches.append((p.node, p.range))
    # A lower memory limit cuts ranges off, so each stretch reaches to the next one.
    out = []
    for at, (node, span) in enumerate(stretches):
        end = stretches[at + 1][1].start if at + 1 < len(stretches) else 1 << 64
        start = 0 if at == 0 else span.start
        out.append(MemoryAffinity(node, MemRange(start, end), hotplug=span in marks))
    return out


def _from_node_ranges(
    question: LogQuestion, printed: tuple[NodeRange, ...], unknown: list[Reason]
) -> tuple[NodeLayout, int]:
    memory = RangeSet(r.range for r in printed)
    if question.arch == "arm64" and not early_words(question.log.cmdline or ""):
        memory = _limited(memory, question.cmdline)
    elif not question.same_memory_words:
        unknown.append(Reason("ranges", "the log has no firmware map, so typed mem= and memmap= are not applied"))
    layout = _with_nodes(question, memory, printed, unknown)
    return layout, max(r.end for r in memory)


def _limited(memory: RangeSet, cmdline: str) -> RangeSet:
    # arm64 keeps the lowest mem= bytes of memory. (It puts the kernel and the initrd back where they lie above; boot
    # loaders put both low.) Source: arch/arm64/mm/init.c, early_mem(), arm64_memblock_init().
    limits = [parse_memory(v)[0] // PAGE_SIZE * PAGE_SIZE for v in values(cmdline, "mem")]
    left = limits[-1] if limits else 0
    if not left:
        return memory
    kept = []
    for part in memory:
        if left:
            kept.append(MemRange.from_size(part.start, min(part.size, left)))
            left -= kept[-1].size
    return RangeSet(kept)


def _memoryless(log: BootLog, regions: tuple[Region, ...]) -> tuple[int, ...]:
    # A node of the firmware's table loses all its memory where typed words take it away.
    srat = None if numa_refused(log) else srat_of_log(log)
    nodes = {*memoryless_nodes(log), *(srat.nodes if srat else ())}
    return tuple(sorted(nodes - {r.node for r in regions}))


def _uncached(log: BootLog) -> list[MemRange]:
    # mtrr_trim_uncached_memory() turns RAM above the cacheable part into reserved memory, and says so twice.
    if not log.find(_MTRR_TRIM):
        return []
    return [c.range for c in table_changes(log) if c.old == RAM and c.new not in (None, RAM) and c.range.start >= MIB]


def _reserved(log: BootLog) -> RangeSet:
    # What lies on a node before nodes are set up. The kernel itself avoids hot-pluggable memory.
    spans = [MemRange(0, MIB)]
    for pattern in (_RAMDISK, _ACPI_TABLE):
        for _, found in log.matches(pattern):
            first, last = int(found[1], 16), int(found[2], 16)
            if first <= last:
                spans.append(MemRange.from_inclusive(first, last))
    return RangeSet(spans) if log.lines else EMPTY


def _facts(question: LogQuestion, regions: tuple[Region, ...], top: int, unknown: list[Reason]) -> ArchFacts:
    log = question.log
    printed = printed_zones(log)
    # A 64-bit kernel has no ZONE_HIGHMEM: where one is printed, the architecture is a 32-bit relative.
    arch = question.arch
    if arch != "i386" and any(z.zone == HIGHMEM for z in printed):
        arch = "32-bit"
    has_dma = any(z.zone == DMA for z in printed) if printed else None
    if has_dma is None and question.arch in _X86:
        unknown.append(Reason("ranges", "the log does not show whether the kernel has ZONE_DMA; it is assumed"))
    page_size = page_size_of_log(log) or (65536 if question.arch.startswith("ppc64") else 4096)
    end = regions[-1].range.end
    return ArchFacts(
        arch=arch,
        start=regions[0].range.start,
        end=end,
        top=top if question.arch in _X86 else end,
        page_size=page_size,
        zone_dma=has_dma,
        low_end=low_ram_end(log),
        dma_limit=_dma_limit(question, unknown),
    )


def _dma_limit(question: LogQuestion, unknown: list[Reason]) -> int | None:
    if question.arch != "arm64" or question.behaviour.arm64_dma not in (ARM64_FIRMWARE_BITS, ARM64_FIRMWARE_LIMIT):
        return None
    source = "drivers/of/address.c of_dma_get_max_cpu_address(), drivers/acpi/arm64/iort.c"
    dma = next((z for z in printed_zones(question.log) if z.zone == DMA and z.end), None)
    if dma is None:
        unknown.append(
            Reason("ranges", "the firmware may limit ZONE_DMA; the log does not show it, none is assumed", source)
        )
        return None
    after = next((z for z in printed_zones(question.log) if z.zone != DMA and z.end and z.start == dma.end), None)
    if after is None or dma.end >= 4 * GIB:
        return None
    unknown.append(
        Reason("ranges", f"ZONE_DMA's limit of {dma.end:#x} comes from firmware tables; the log's is used", source)
    )
    return dma.end - 1
