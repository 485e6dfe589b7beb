"""`ReservationInput`: all that the prediction takes, as a value, with where each fact comes from.

What the source cannot show is a fact of its own here, never a default: a kernel image at an unknown place, an initrd
that must exist but is not shown, firmware memory that is reserved but not printed.
"""

from dataclasses import field

from kexeckit.formats.srat import MemoryAffinity
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.nodes import NodeRules
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.direct_map import DirectMap
from kexeckit.kernel.boot.e820 import Table
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.slots import Slots
from kexeckit.kernel.reservation.search import Limits
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet


@dataclass(frozen=True, slots=True)
class KernelImage:
    """The running kernel's own memory, where its place is not known.

    Attributes:
        size: Bytes from its first to its last, at most.
        align: Its start is a multiple of this.
        lowest: It is never below.
        highest: It always ends at or below; None for no limit.
        source: Where the size is known from.
        slots: Every place that it may begin at, where they can be listed; otherwise any free memory will do.
    """

    size: int
    align: int
    lowest: int
    highest: int | None
    source: str
    slots: tuple[Slots, ...] = ()


@dataclass(frozen=True, slots=True)
class Unshown:
    """What the source cannot show although it bears on the address.

    Attributes:
        kernel: The image's place is random and not shown.
        initrd: Bytes of an initrd that exists at an unknown place; 0 for unknown size; None where there is no doubt.
        initrd_high: That initrd, put as high as possible by EFI's boot loaders, may lie anywhere (arm64).
        firmware: EFI boot services memory is reserved but not printed.
        tops: Bytes of small early allocations at the top of memory that leave no line, at most.
        memory: The map itself is not whole; why, in words.
        early: What the kernel itself takes first (page tables, node data, CMA) is not shown at all.
        firmware_modelled: The firmware is one whose memory is modelled, see `firmware`.
        firmware_anew: EFI boot services memory is shown, but of another boot.
        loader_anywhere: Who loads the kernel may put it and all that goes with it anywhere.
        loader_reach: No boot loader puts an initrd, or a part of one, at or above this address.
    """

    kernel: KernelImage | None = None
    initrd: int | None = None
    initrd_high: bool = False
    firmware: bool = False
    tops: int = 0
    memory: str = ""
    early: bool = False
    firmware_modelled: bool = False
    firmware_anew: bool = False
    loader_anywhere: bool = False
    loader_reach: int = 1 << 64


@dataclass(frozen=True, slots=True)
class ReservationInput:
    """One machine, one kernel, one command line.

    Attributes:
        rules: How the kernel reserves.
        cmdline: Its command line.
        cmdline_known: A source shows `seen_cmdline`.
        seen_cmdline: The command line of the boot that `held` was seen in.
        next_boot: The question is about another boot of the machine, which draws anew what chance and loaders place.
        table: The firmware's e820 table, for x86; empty where memory is given as regions.
        changes: RAM of the table that the kernel makes reserved besides: the low 64 KiB before 3.9, and what the source
            shows (MTRR).
        kernel_range: Where the kernel itself lies, which it makes RAM again (x86); None where that is not known.
        reach: Address after the highest one that this build can use, in bytes; None for no limit (x86).
        regions: memblock.memory where no table is given.
        affinities: Which addresses are on which node, and which of them may be unplugged.
        node_rules: What the kernel makes of them.
        mirrored: Ranges that the firmware mirrors.
        held: What is taken before.
        late: Ranges that firmware gave out last; what lies below the lowest of them is free of firmware's doings.
        node_data: Bytes that each node's data takes, where the source does not show where it is.
        limits: The machine's limits.
        unshown: What the source cannot show.
        end_of_boot: What is reserved at the end of boot, where that is all that the source shows.
        reserved_later: arm64: what /proc/iomem shows as reserved and is not taken to have been there before.
        sources: What was read, in words, for the user.
        notes: What the user should know about the reading.
        assumed: What was assumed because no source shows it.
        xen_pv: The kernel runs as a Xen PV domain, which reserves nothing.
        dma_cma: The kernel knows ``cma=`` (CONFIG_DMA_CMA); None where the source does not show it.
        direct_map: How the kernel maps RAM; None where that is not known or not modelled.
        cma_per_node: It places an area on each node, too (CONFIG_CMA_SIZE_PERNUMA); None as before.
        lacks: Build option that the reservation needs and that this kernel's configuration does not have, or empty.
        below: Why this kernel is not modelled, or None.
    """

    rules: CrashRules
    cmdline: str
    seen_cmdline: str
    cmdline_known: bool = True
    next_boot: bool = False
    table: Table = ()
    changes: tuple[MemRange, ...] = ()
    kernel_range: MemRange | None = None
    reach: int | None = None
    regions: tuple[Region, ...] = ()
    affinities: tuple[MemoryAffinity, ...] = ()
    node_rules: NodeRules = field(default_factory=NodeRules)
    mirrored: tuple[MemRange, ...] = ()
    held: tuple[Held, ...] = ()
    late: tuple[MemRange, ...] = ()
    node_data: int = 0
    limits: Limits = field(default_factory=Limits)
    unshown: Unshown = field(default_factory=Unshown)
    end_of_boot: tuple[MemRange, ...] = ()
    reserved_later: RangeSet = EMPTY
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    xen_pv: bool = False
    dma_cma: bool | None = None
    cma_per_node: bool | None = None
    direct_map: DirectMap | None = None
    lacks: str = ""
    below: str | None = None
