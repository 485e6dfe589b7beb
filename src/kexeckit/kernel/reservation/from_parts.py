"""From what a root holds besides a boot log to `ReservationInput`: /proc/iomem, the firmware's map, boot_params.

/proc/iomem shows where the kernel image is, which no boot log of a recent kernel does. On arm64 it also shows memory
that is not mapped, and what memblock holds, but only as it was at the end of boot, so only the initrd is taken from
there and what the kernel cannot have put where it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kexeckit.kernel.behaviour.nodes import node_rules
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.boot.e820 import Table
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.reservation.by_address import reserved_by_address
from kexeckit.kernel.reservation.facts import Held, ReservationInput, Unshown
from kexeckit.kernel.reservation.from_log import Asked, replaced, swiotlb_size
from kexeckit.kernel.reservation.from_memblock import marked_regions
from kexeckit.kernel.reservation.search import Limits
from kexeckit.machine.version import KernelVersion
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_down, align_up

_IMAGE = ("Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")
# Behind the bss lies the brk area, from which the kernel takes its first page tables.
_BRK = 512 * KIB
_NODE_DATA = 176 * KIB


@dataclass(frozen=True, slots=True)
class Parts:
    """What a root without a usable boot log says.

    Attributes:
        arch: Kernel's name of the architecture.
        version: The kernel's version.
        cmdline: The command line it was booted with.
        table: The firmware's e820 table, or empty.
        memory: RAM where there is no table, lowest first.
        nodes: (node, range) borders.
        hotplug: Ranges that may be unplugged.
        efi: EFI booted it.
        source: How messages name the root.
    """

    arch: str
    version: KernelVersion
    cmdline: str
    table: Table
    memory: tuple[MemRange, ...]
    nodes: tuple[tuple[int, MemRange], ...]
    hotplug: tuple[MemRange, ...]
    efi: bool
    source: str


def facts_from_parts(parts: Parts, asked: Asked) -> ReservationInput:
    """Put a machine together from files other than its boot log.

    Raises:
        UsageError: A word is none of a command line's.
    """
    rules = crash_rules(parts.arch, parts.version)
    cmdline = replaced(parts.cmdline, asked.words)
    end = max((r.end for r in parts.memory), default=4 * GIB)
    start = min((r.start for r in parts.memory), default=0)
    x86 = parts.arch in ("x86_64", "i386")
    return ReservationInput(
        rules=rules,
        cmdline=cmdline,
        seen_cmdline=None if cmdline == parts.cmdline else parts.cmdline,
        table=parts.table,
        regions=() if parts.table else tuple(Region(r) for r in parts.memory),
        nodes=parts.nodes,
        node_rules=node_rules(parts.arch, parts.version),
        hotplug=parts.hotplug,
        node_data=_NODE_DATA if rules.after_numa and x86 else 0,
        limits=Limits(end if start >= 4 * GIB else min(4 * GIB, end), swiotlb_size(cmdline)),
        unshown=Unshown(initrd=0, firmware=x86 and parts.efi, tops=MIB if x86 else 0, early=parts.arch == "arm64"),
        sources=(f"{parts.source}: kernel {parts.version.release}",),
        notes=("no boot log: what was reserved early is only known in part",),
    )


def with_iomem(facts: ReservationInput, tree: ResourceTree, source: str, initrd_size: int = 0) -> ReservationInput:
    """Return the facts with the kernel image (and arm64's initrd) where /proc/iomem shows them.

    Args:
        facts: What is known so far.
        tree: The resources.
        source: How messages name the file.
        initrd_size: Bytes of the initrd where another source shows them, else 0.
    """
    added = list(_image(tree, source, facts.rules.arch))
    if facts.rules.arch == "arm64":
        added += _arm64_initrd(tree, source, initrd_size)
        # A region of its own at the top is memory that is not mapped, and never handed out.
        unmapped = (r.range for r in tree.roots if r.name == "reserved")
        regions = (replace(r, nomap=False) for r in facts.regions)
        facts = replace(facts, regions=marked_regions(regions, unmapped, "nomap"))
        known = RangeSet(h.range for h in added)
        for span in reserved_by_address(tree, facts.regions, facts.limits.dma_limit):
            added += [Held(span, "firmware or boot loader", source)] if not known.overlapping(span) else []
    names = {h.what for h in added}
    unshown = facts.unshown
    if "kernel image" in names:
        unshown = replace(unshown, kernel=None)
    if "initrd" in names:
        unshown = replace(unshown, initrd=None)
    kept = [h for h in facts.held if h.what not in names]
    late = tuple({*facts.late, *(h.range for h in added)})
    held = tuple(sorted((*kept, *added), key=lambda h: h.range))
    return replace(facts, held=held, late=late, unshown=unshown, sources=(*facts.sources, source))


def with_initrd(facts: ReservationInput, start: int, size: int, source: str) -> ReservationInput:
    """Return the facts with the initrd where the boot loader's parameters say; size 0 means that there is none."""
    if any(h.what == "initrd" for h in facts.held):
        return facts
    unshown = replace(facts.unshown, initrd=None)
    if not size:
        return replace(facts, unshown=unshown)
    span = MemRange(start, align_up(start + size, PAGE_SIZE))
    held = tuple(sorted((*facts.held, Held(span, "initrd", source, "initrd")), key=lambda h: h.range))
    return replace(facts, held=held, late=(*facts.late, span), unshown=unshown, sources=(*facts.sources, source))


def _image(tree: ResourceTree, source: str, arch: str) -> Iterable[Held]:
    parts = [r.range for r in tree.named(*_IMAGE)]
    if not parts:
        return
    end = max(r.end for r in parts) + (_BRK if arch in ("x86_64", "i386") else 0)
    start = align_down(min(r.start for r in parts), PAGE_SIZE)
    yield Held(MemRange(start, align_up(end, PAGE_SIZE)), "kernel image", source)


def _arm64_initrd(tree: ResourceTree, source: str, size: int) -> list[Held]:
    # The boot log prints the initrd's size when its whole pages are freed; the reserved range of that size, give or
    # take the pages at its ends, is where it was. The device tree follows it.
    reserved = [r.range for r in tree.named("reserved")]
    fitting = [r for r in reserved if size and 0 <= align_up(r.size, PAGE_SIZE) - size <= 2 * PAGE_SIZE]
    if len(fitting) != 1:
        return []
    near = [r for r in reserved if fitting[0].end <= r.start < fitting[0].end + 4 * MIB]
    return [Held(fitting[0], "initrd", source), *(Held(r, "device tree", source) for r in near[:1])]
