"""From a `Machine`, a command line's words and a kernel's behaviour to a question about zones. Nothing is read here.

The limits of zones that a log prints are never used as an answer; only arm64's ZONE_DMA, whose limit may come from
tables that nothing shows, is taken from there, and the reasons say so.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kexeckit.errors import UnavailableError
from kexeckit.formats.cmdline import split_words, values, with_words
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.behaviour.floors import ZONES
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.behaviour.zones import (
    ARM64_FIRMWARE_BITS,
    ARM64_FIRMWARE_LIMIT,
    ARM64_FIRMWARE_WINDOW,
    ZoneBehaviour,
)
from kexeckit.kernel.boot.affinities import affinities_at_boot, node_rules_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.memory import BootMemory, memory_at_boot
from kexeckit.kernel.boot.nodes import NodeLayout, node_layout, numa_switched_off, without_kernel_nodes
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.zones.doubt import MOVABLE, NO_NODES, NODES, ZoneDoubt, assumption
from kexeckit.kernel.zones.limits import DMA, HIGHMEM, ArchFacts
from kexeckit.kernel.zones.machine import Reason, ZoneMachine, with_mirror
from kexeckit.kernel.zones.parameters import ZoneParameters, idle_words, parse_zone_parameters
from kexeckit.machine.arch import X86
from kexeckit.machine.fact import yes
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, MIB

if TYPE_CHECKING:
    from kexeckit.kernel.boot.next_boot import Boot

_PLACE_WORDS = ("mem", "memmap", "movable_node", "add_efi_memmap", "disable_mtrr_trim", "efi_fake_mem", "noefi")
_LOST = "mm/mm_init.c memmap_init()"
_FIRMWARE_LIMIT = "drivers/of/address.c of_dma_get_max_cpu_address(), drivers/acpi/arm64/iort.c"
_EFI_ARCHES = ("x86_64", "i386", "arm64", "riscv64", "loongarch64")


@dataclass(frozen=True, slots=True)
class ZoneQuestion:
    """All that a prediction of zones needs.

    Attributes:
        machine: The machine as zones see it.
        parameters: The zone words of the command line.
        behaviour: What the kernel does.
        cmdline: The command line that is asked about.
        assumed: What was assumed because no source shows it.
        next_boot: The question is about another boot than the source shows.
        doubts: What the source cannot show, and what it leaves of the answer.
        below: Why zones of this kernel are not modelled, or None.
    """

    machine: ZoneMachine
    parameters: ZoneParameters
    behaviour: ZoneBehaviour
    cmdline: str
    assumed: tuple[str, ...] = ()
    next_boot: bool = False
    doubts: tuple[ZoneDoubt, ...] = ()
    below: str | None = None


def zone_question(
    machine: Machine, words: Sequence[str] = (), behaviours: Behaviours | None = None, *, next_boot: bool = False
) -> ZoneQuestion:
    """Put a question about a machine's zones together.

    Args:
        machine: What is known.
        words: Words of a kernel command line; they replace those of the same names in the machine's.
        behaviours: What the kernel does; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No architecture, or a memory map that cannot be understood.
        UnavailableError: No source shows a memory map.
        UsageError: A word is none of a command line's.
    """
    kernel = behaviours or behaviours_of(machine)
    behaviour = kernel.zones
    cmdline = with_words(machine.cmdline, words)
    asking = _Asking(machine, cmdline, kernel, next_boot=next_boot or cmdline != machine.cmdline)
    asking.reasons += [Reason("kernel", text) for text in kernel.said(behaviour)]
    made = asking.machine()
    idle = tuple(Reason("words", f"{word} has no effect on zones") for word in idle_words(list(words)))
    made = replace(made, unknown=(*idle, *made.unknown))
    assumed = (*machine.assumed, *kernel.assumptions, *asking.assumed)
    return ZoneQuestion(
        made,
        parse_zone_parameters(cmdline).as_read_by(behaviour),
        behaviour,
        cmdline,
        assumed,
        asking.next_boot,
        (*asking.doubts, *asking.anew(), *(assumption(text) for text in assumed)),
        kernel.why_not(ZONES),
    )


class _Asking:
    # One machine and one command line; reasons and assumptions are collected on the way.

    def __init__(self, machine: Machine, cmdline: str, kernel: Behaviours, *, next_boot: bool) -> None:
        self.known = machine
        self.cmdline = cmdline
        self.kernel = kernel
        self.behaviour = kernel.zones
        self.rules = node_rules_of(machine, kernel.nodes)
        self.next_boot = next_boot
        self.reasons: list[Reason] = []
        self.assumed: list[str] = []
        self.doubts: list[ZoneDoubt] = []
        self._lines = (machine.cmdline, cmdline)
        self._layout_found = NodeLayout((), ())
        self._image: MemRange | None = None

    def machine(self) -> ZoneMachine:
        self._image = self._kernel_range()
        kernel = self._image if self.behaviour.kernel_stays_ram else None
        boot = memory_at_boot(self.known, self.cmdline, self.behaviour, kernel, next_boot=self.next_boot)
        if not boot.memory:
            raise _nothing(self.known)
        self._tell(boot)
        layout = self._layout_found = self._layout(boot.memory)
        mirrored = self.known.efi.mirrored.value if self.known.efi.mirrored else EMPTY
        whole = self.known.efi.mirror_whole
        cleared = without_kernel_nodes(layout, self._reserved()) if self.rules.clears_hotplug else layout.regions
        regions = with_mirror(cleared, mirrored)
        return ZoneMachine(
            facts=self._facts(regions, boot.top),
            regions=regions,
            memoryless=() if numa_switched_off(self.cmdline) else self._memoryless(regions),
            kdump=bool(values(self.cmdline, "elfcorehdr")),
            # Only EFI firmware can say that memory is mirrored.
            mirror_known=whole.value if whole else self.known.arch not in _EFI_ARCHES,
            unknown=tuple(self.reasons),
        )

    def _tell(self, boot: BootMemory) -> None:
        self.reasons += [Reason("source", note) for note in self.known.notes]
        self.reasons += [Reason("ranges", note) for note in boot.notes]
        damaged = [p for p in self.known.problems if _matters(p.about)]
        self.reasons += [Reason(p.about.partition(".")[2], str(p)) for p in damaged]
        self.doubts += [ZoneDoubt(str(p), told=True) for p in damaged]
        if boot.problem:
            self.reasons.append(Reason("ranges", f"the kernel stops at boot: {boot.problem}", "arch/x86/kernel/e820.c"))
        self.assumed += boot.assumed

    def _layout(self, memory: RangeSet) -> NodeLayout:
        # NUMA switched off by a word, by the firmware, or by the kernel's own doubts: everything is on node 0.
        one = NodeLayout(tuple(Region(r, 0) for r in memory), ())
        if numa_switched_off(self.cmdline):
            return one
        if any(v.startswith("fake=") for v in values(self.cmdline, "numa")):
            text = "numa=fake is not predicted"
            self._say("nodes", text)
            self.doubts.append(ZoneDoubt(text, Certainty.OPEN, frozenset((NODES, MOVABLE)), told=True))
        affinities = affinities_at_boot(self.known, memory, self.cmdline, self.rules)
        if not affinities:
            nodes = self.known.nodes
            if not (nodes.srat or nodes.blocks or nodes.refused or self.known.memory.ranges):
                self.assumed.append(NO_NODES)
            return one
        found = node_layout(memory, affinities, self.rules)
        if not found:
            self._say("nodes", "the kernel refuses the affinities: they leave out memory or put it on two nodes")
        elif found.lost and self.rules.lost_stops:
            first = next(iter(found.lost))
            self._say("nodes", f"{first} and maybe more memory is on no node: the kernel dies of that at boot", _LOST)
        return found or one

    def anew(self) -> tuple[ZoneDoubt, ...]:
        """Return what the next boot draws anew; nothing where the question is about the boot that is shown."""
        if not self.next_boot or not self._by_place():
            return ()
        from kexeckit.kernel.zones.next_boot import Asked, drawn_anew

        clears = self.rules.clears_hotplug
        boot = self._boot()
        asked = Asked(self.known, self.kernel, self.cmdline, boot, self._image, self._layout_found, clears)
        return tuple(drawn_anew(asked))

    def _by_place(self) -> bool:
        # Whether there are words with which it matters where kernel and initrd lie, or what the map was before.
        return any(w.name.replace("-", "_") in _PLACE_WORDS for line in self._lines for w in split_words(line))

    def _boot(self) -> "Boot":
        from kexeckit.kernel.boot.next_boot import boot_asked_about

        return boot_asked_about(self.known, self.kernel.reservation, self.cmdline, next_boot=self.next_boot)

    def _kernel_range(self) -> MemRange | None:
        if self.known.arch not in X86 or not self._by_place():
            return None
        from kexeckit.kernel.boot.kernel_range import kernel_range

        return kernel_range(self.known, self._boot(), self.kernel.reservation.table_buffer)

    def _say(self, about: str, text: str, source: str = "") -> None:
        self.reasons.append(Reason(about, text, source))

    def _reserved(self) -> RangeSet:
        # What lies on a node before nodes are set up.
        found = self.known.boot.initrd
        spans = [MemRange(0, MIB), *(t.range for t in self.known.taken_by(Taker.ACPI_TABLE))]
        spans += [t.loaded or t.range for t in self.known.taken_by(Taker.INITRD)]
        spans += [self._image] if self._image else []
        return RangeSet([*spans, found.value] if found and found.value else spans)

    def _memoryless(self, regions: tuple[Region, ...]) -> tuple[int, ...]:
        # A node of the firmware's table loses all its memory where typed words take it away.
        nodes = self.known.nodes
        affinities = nodes.srat or nodes.blocks
        listed = affinities.value.nodes if affinities and not yes(nodes.refused) else ()
        shown = nodes.memoryless.value if nodes.memoryless else ()
        return tuple(sorted({*shown, *listed} - {r.node for r in regions}))

    def _facts(self, regions: tuple[Region, ...], top: int) -> ArchFacts:
        known = self.known
        printed = known.observed.zones.value if known.observed.zones else ()
        # A 64-bit kernel has no ZONE_HIGHMEM: where one is printed, the architecture is a 32-bit relative.
        arch = known.arch
        if arch != "i386" and any(z.zone == HIGHMEM for z in printed):
            arch = "32-bit"
        dma = known.kernel.zone_dma
        if dma is None and arch in X86:
            self.assumed.append("no source shows whether the kernel has ZONE_DMA: it is assumed")
        page = known.kernel.page_size
        end = regions[-1].range.end
        return ArchFacts(
            arch=arch,
            start=regions[0].range.start,
            end=end,
            top=top if arch in X86 else end,
            page_size=page.value if page else 65536 if arch == "ppc64" else 4096,
            zone_dma=dma.value if dma else None,
            low_end=known.boot.low_ram_end.value if known.boot.low_ram_end else None,
            dma_limit=self._dma_limit(),
        )

    def _dma_limit(self) -> int | None:
        known = self.known
        if known.memory.dma_limit:
            return known.memory.dma_limit.value
        by_firmware = self.behaviour.arm64_dma in (ARM64_FIRMWARE_WINDOW, ARM64_FIRMWARE_BITS, ARM64_FIRMWARE_LIMIT)
        if known.arch != "arm64" or not by_firmware or known.kind == "described":
            return None
        printed = known.observed.zones.value if known.observed.zones else ()
        dma = next((z for z in printed if z.zone == DMA and z.end), None)
        if dma is None:
            self.assumed.append("no source shows whether firmware limits ZONE_DMA: no limit is assumed")
            return None
        after = next((z for z in printed if z.zone != DMA and z.end and z.start == dma.end), None)
        if after is None or dma.end >= 4 * GIB:
            return None
        self._say(
            "ranges", f"ZONE_DMA's limit of {dma.end:#x} comes from firmware tables; the log's is used", _FIRMWARE_LIMIT
        )
        return dma.end - 1


def _matters(about: str) -> bool:
    return about in ("memory.ranges", "nodes.srat", "nodes.blocks", "efi.map", "efi.runtime", "log")


def _nothing(machine: Machine) -> Exception:
    hidden = machine.problem("memory.firmware") or machine.problem("memory.resources") or machine.problem("log")
    if hidden:
        return hidden.error()
    remedy = "give a whole boot log, a capture or a TOML file"
    return UnavailableError(f"{machine.source}: no memory map in it", remedy=remedy)
