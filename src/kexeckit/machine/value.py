"""`Machine`: what is known about one machine and one boot of it, and nothing predicted.

Rules of this file:
    1. Every field is a `Fact` or None: what no source shows is None, never a default and never zero.
    2. Observations only. What a kernel makes of them is predicted from this value, in `kernel`.
    3. A field that a source can show is added here and in that source; nobody else reads files.

    kernel    which kernel: architecture, release, command line, how it is built
    boot      how it came up: firmware, KASLR, initrd, image, how far the log reaches
    memory    the firmware's map, /proc/iomem, memblock, what the kernel counted
    nodes     affinities, distances
    efi       the EFI memory map, tables, mirrored memory
    cpus      flags and counts
    taken     what holds memory before anything is predicted
    handover  what only the loading of a next kernel needs; None where it was not asked for
    observed  what the kernel did: crash regions, zones, loaded images
"""

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from kexeckit.frozen import dataclass
from kexeckit.machine.fact import Fact, Problem, yes
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree

# Every command has a machine, and most need no parser of these.
if TYPE_CHECKING:
    from kexeckit.formats.bootlog.early import ImageSize
    from kexeckit.formats.bootlog.efi import EfiMapEntry
    from kexeckit.formats.bootlog.memory import NodeRange, TableChange, TableEntry
    from kexeckit.formats.bootlog.outcome import LoggedRegion
    from kexeckit.formats.bootlog.zones import PrintedZone
    from kexeckit.formats.elfcorehdr import LoadRange, NoteRange
    from kexeckit.formats.memblock_debugfs import MemblockEntry
    from kexeckit.formats.srat import MemoryAffinity, Srat
    from kexeckit.formats.sysfs_crash import EfiDescriptor
    from kexeckit.formats.zoneinfo import ZoneInfo
    from kexeckit.machine.taken import Taken

# Kinds of sources, as `Machine.kind` names them.
KINDS = ("live", "root", "log", "iomem", "described")


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """Which kernel, and how it is built.

    Attributes:
        arch: The kernel's name of the architecture.
        release: As ``uname -r`` prints it.
        stable: The release that its rules follow from, where the banner shows another than `release`.
        cmdline: The command line it was booted with.
        config: Build options that matter here, name to value; options that are off are not in it.
        page_size: Bytes of a page.
        wide_addresses: arm64: physical addresses have 52 bits.
        zone_dma: It is built with ZONE_DMA.
        cma_word: It takes ``cma=`` (CONFIG_DMA_CMA).
        auto_word: It knows ``crashkernel=auto``.
        gbpages: It maps memory with 1 GiB pages.
        reach: Address after the highest one that the build can use, in bytes (x86).
    """

    arch: Fact[str] | None = None
    release: Fact[str] | None = None
    stable: Fact[str] | None = None
    cmdline: Fact[str] | None = None
    config: Fact[tuple[tuple[str, str], ...]] | None = None
    page_size: Fact[int] | None = None
    wide_addresses: Fact[bool] | None = None
    zone_dma: Fact[bool] | None = None
    cma_word: Fact[bool] | None = None
    auto_word: Fact[bool] | None = None
    gbpages: Fact[bool] | None = None
    reach: Fact[int] | None = None


@dataclass(frozen=True, slots=True)
class BootFacts:
    """How the kernel came up.

    Attributes:
        efi: EFI firmware booted it.
        kexec: Another kernel started it.
        xen_pv: It runs as a paravirtualised Xen domain.
        encrypted: Memory encryption is on.
        kaslr_off: It says that it was not put at a random place.
        whole_log: There is a boot log that begins with the kernel's first lines.
        map_log: There is a boot log that shows the memory map, so that it holds what came before the reservation.
        late_log: The boot log goes on behind the reservation.
        init_log: The boot log goes on behind the unpacking of an initrd.
        initrd: The initrd where boot parameters give it; None in the value for "there is none".
        initrd_size: Bytes of an initrd that the log shows some sign of; 0 where its size is unknown.
        image_size: Size of the kernel image, at least and at most.
        image: Where the kernel image is, as far as the boot log tells.
        mapped_end: i386: the end of what is mapped first, just behind the image.
        brk: The brk area, right behind the image.
        low_ram_end: i386: the end of the memory that is mapped directly.
        last_pfn: The highest page frame that the log names.
        search_line: The line of the log that first tells how the search for a crash region went.
        product: What the machine is, as its firmware names it: vendor, product and firmware version.
        init_size: Bytes that the kernel needs at its place while it starts, as its boot header says (x86).
        random_place: It was put at a random place, as the boot parameters tell (x86).
    """

    efi: Fact[bool] | None = None
    kexec: Fact[bool] | None = None
    xen_pv: Fact[bool] | None = None
    encrypted: Fact[bool] | None = None
    kaslr_off: Fact[bool] | None = None
    whole_log: Fact[bool] | None = None
    map_log: Fact[bool] | None = None
    late_log: Fact[bool] | None = None
    init_log: Fact[bool] | None = None
    initrd: Fact[MemRange | None] | None = None
    initrd_size: Fact[int] | None = None
    image_size: "Fact[ImageSize] | None" = None
    image: Fact[MemRange] | None = None
    mapped_end: Fact[int] | None = None
    brk: Fact[MemRange] | None = None
    low_ram_end: Fact[int] | None = None
    last_pfn: Fact[int] | None = None
    search_line: Fact[int] | None = None
    product: Fact[str] | None = None
    init_size: Fact[int] | None = None
    random_place: Fact[bool] | None = None


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """What is memory.

    Attributes:
        firmware: The firmware's e820 table in its own order; entries may overlap.
        changes: RAM that the kernel made reserved before memblock was set up (MTRR, GART).
        ranges: memblock.memory with nodes, as "Early memory node ranges" print it, or as it was described by hand.
        resources: /proc/iomem.
        memblock: memblock.memory at the end of boot.
        reserved: memblock.reserved at the end of boot.
        counted: Bytes of memory that the kernel counted.
        managed: Bytes that the page allocator has (MemTotal).
        dma_limit: arm64: highest address that all devices reach, inclusive.
    """

    firmware: "Fact[tuple[TableEntry, ...]] | None" = None
    changes: "Fact[tuple[TableChange, ...]] | None" = None
    ranges: "Fact[tuple[NodeRange, ...]] | None" = None
    resources: Fact[ResourceTree] | None = None
    memblock: "Fact[tuple[MemblockEntry, ...]] | None" = None
    reserved: "Fact[tuple[MemblockEntry, ...]] | None" = None
    counted: Fact[int] | None = None
    managed: Fact[int] | None = None
    dma_limit: Fact[int] | None = None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Which memory is on which node.

    Attributes:
        srat: The firmware's affinities, and all its nodes.
        refused: The kernel says that it does not use them.
        blocks: Nodes and their memory blocks as sysfs shows them, where there is no SRAT to read.
        memoryless: Nodes that the kernel sets up without memory.
        distances: A row for each node in rising order, as in SLIT.
    """

    srat: "Fact[Srat] | None" = None
    refused: Fact[bool] | None = None
    blocks: "Fact[Srat] | None" = None
    memoryless: Fact[tuple[int, ...]] | None = None
    distances: Fact[tuple[tuple[int, ...], ...]] | None = None


@dataclass(frozen=True, slots=True)
class EfiFacts:
    """What EFI left behind.

    Attributes:
        map: The memory map that the kernel was booted with.
        map_at: Where that map lies.
        tables: Configuration tables that the log names: name, address, line.
        runtime: The part of the map that describes runtime services, with virtual addresses.
        mirrored: Mirrored memory, whatever shows it; it may be a part only, see `mirror_whole`.
        mirror_whole: Whether `mirrored` is all of it; False where memory is mirrored and nothing shows which.
        vendor: How the firmware names its vendor.
    """

    map: "Fact[tuple[EfiMapEntry, ...]] | None" = None
    map_at: Fact[MemRange] | None = None
    tables: Fact[tuple[tuple[str, int, int], ...]] | None = None
    runtime: "Fact[tuple[EfiDescriptor, ...]] | None" = None
    mirrored: Fact[RangeSet] | None = None
    mirror_whole: Fact[bool] | None = None
    vendor: Fact[str] | None = None


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """The CPUs.

    Attributes:
        flags: Flags of the first one.
        possible: How many may ever be there.
        present: How many are there.
        most: The kernel's limit (CONFIG_NR_CPUS).
    """

    flags: Fact[frozenset[str]] | None = None
    possible: Fact[int] | None = None
    present: Fact[int] | None = None
    most: Fact[int] | None = None


@dataclass(frozen=True, slots=True)
class EfiPointers:
    """Where EFI's tables are, for the next kernel; physical addresses, 0 for none."""

    fw_vendor: int = 0
    runtime: int = 0
    config_table: int = 0
    smbios: int = 0
    acpi: int = 0


@dataclass(frozen=True, slots=True)
class HandoverFacts:
    """What only loading needs: where this kernel keeps what a next one is told.

    Attributes:
        boot_params: The 4 KiB page that an x86 kernel was started with, as bytes.
        crash_notes: Where the CPUs' registers will be saved.
        vmcoreinfo: Where that note is.
        kernel_text: The kernel's image in physical and virtual memory.
        page_offset: Virtual minus physical address of the direct mapping.
        efi: Addresses of EFI's tables.
        crash_hotplug: The kernel keeps room for CPUs and memory that are added later.
        cma: There is a CMA area.
    """

    boot_params: Fact[bytes] | None = None
    crash_notes: "Fact[tuple[NoteRange, ...]] | None" = None
    vmcoreinfo: Fact[MemRange] | None = None
    kernel_text: "Fact[LoadRange] | None" = None
    page_offset: Fact[int] | None = None
    efi: Fact[EfiPointers] | None = None
    crash_hotplug: Fact[bool] | None = None
    cma: Fact[bool] | None = None


@dataclass(frozen=True, slots=True)
class ObservedFacts:
    """What the kernel did, to be held against what is predicted.

    Attributes:
        regions: Reservations that the log announces.
        failed: The log's words for a reservation that failed.
        zones: The zones' limits on the whole machine, as the log prints them.
        movable: Where ZONE_MOVABLE begins, by node, as the log prints it: (node, address).
        zoneinfo: The zones of every node.
        loaded: A next kernel is loaded.
        crash_loaded: A capture kernel is loaded.
        crash_size: Bytes of the crash region as sysfs says.
    """

    regions: "Fact[tuple[LoggedRegion, ...]] | None" = None
    failed: Fact[str] | None = None
    zones: "Fact[tuple[PrintedZone, ...]] | None" = None
    movable: Fact[tuple[tuple[int, int], ...]] | None = None
    zoneinfo: "Fact[tuple[ZoneInfo, ...]] | None" = None
    loaded: Fact[bool] | None = None
    crash_loaded: Fact[bool] | None = None
    crash_size: Fact[int] | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, and one boot of it.

    Attributes:
        source: How messages name where it was read.
        kind: What kind of source that is: ``live``, ``root``, ``log``, ``iomem`` or ``described``.
        kernel: Which kernel.
        boot: How it came up.
        memory: What is memory.
        nodes: Which memory is on which node.
        efi: What EFI left behind.
        cpus: The CPUs.
        taken: What a boot log shows to be taken, by address.
        handover: What only loading needs, or None where it was not read.
        observed: What the kernel did.
        notes: What the user should know about the reading.
        assumed: What the reading had to assume, one sentence each.
        problems: Parts of a source that are there and cannot be used.
    """

    source: str
    kind: str
    kernel: KernelFacts = field(default_factory=KernelFacts)
    boot: BootFacts = field(default_factory=BootFacts)
    memory: MemoryFacts = field(default_factory=MemoryFacts)
    nodes: NodeFacts = field(default_factory=NodeFacts)
    efi: EfiFacts = field(default_factory=EfiFacts)
    cpus: CpuFacts = field(default_factory=CpuFacts)
    taken: "Fact[tuple[Taken, ...]] | None" = None
    handover: HandoverFacts | None = None
    observed: ObservedFacts = field(default_factory=ObservedFacts)
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        from kexeckit.machine.summary import summary

        return f"<Machine {summary(self)}>"

    def to_json(self) -> str:
        """Return the machine as a document ``kexeckit/machine/1``, which `from_json` reads back.

        Raises:
            InputError: Its source gives a number that does not fit in 64 bits.
        """
        from kexeckit.formats.json_text import format_json
        from kexeckit.machine.document import to_document

        return format_json(to_document(self))

    @classmethod
    def from_json(cls, text: str, source: str = "the document") -> "Machine":
        """Return the machine that a document ``kexeckit/machine/1`` holds.

        Args:
            text: The document.
            source: How messages name it.

        Raises:
            InputError: It is no such document; the message names the place in it.
        """
        from kexeckit.machine.document import parse_document

        return parse_document(text, source)

    @property
    def arch(self) -> str:
        """The kernel's name of the architecture, or an empty text where no source shows it."""
        return self.kernel.arch.value if self.kernel.arch else ""

    @property
    def cmdline(self) -> str:
        """The command line it was booted with, or an empty text where no source shows it."""
        return self.kernel.cmdline.value if self.kernel.cmdline else ""

    @property
    def release(self) -> str:
        """The release that its rules follow from, or an empty text where no source shows one."""
        found = self.kernel.stable or self.kernel.release
        return found.value if found else ""

    def problem(self, about: str) -> Problem | None:
        """Return what is wrong with a part of a source, or None."""
        return next((p for p in self.problems if p.about == about), None)

    def on(self, option: str) -> bool | None:
        """Say whether a build option is on; None where no configuration is shown."""
        config = self.kernel.config
        return dict(config.value).get(option) in ("y", "m") if config else None

    def taken_by(self, *takers: object) -> "Iterator[Taken]":
        """Yield what these hold, by address."""
        return (t for t in (self.taken.value if self.taken else ()) if t.by in takers)


def memory_affinities(nodes: NodeFacts) -> "tuple[MemoryAffinity, ...]":
    """Return the affinities that the best source shows; empty where the kernel refuses them or none shows any."""
    found = nodes.srat or nodes.blocks
    return found.value.memory if found and not yes(nodes.refused) else ()


def sources_of(machine: Machine) -> tuple[str, ...]:
    """Return how messages name what the machine's facts of memory and boot were read from, each once."""
    facts = (
        machine.kernel.release,
        machine.memory.firmware,
        machine.taken,
        machine.memory.ranges,
        machine.memory.resources,
        machine.memory.memblock,
        machine.nodes.srat or machine.nodes.blocks,
        machine.boot.initrd,
        machine.efi.map,
        machine.efi.mirrored,
        machine.kernel.config,
    )
    return tuple(dict.fromkeys(f.source for f in facts if f))
