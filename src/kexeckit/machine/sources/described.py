"""From a machine that somebody described, in TOML or in a line of words, to a `Machine`.

nodes alone    what is described as memory is what the kernel knows as memory: "Early memory node ranges"
firmware       memory is what the firmware says, and the nodes are its affinities
either         /proc/iomem is derived: memory, and in it the kernel's image and what is reserved for a capture kernel
"""

from typing import TypeVar

from kexeckit.errors import InputError, UsageError
from kexeckit.formats.bootlog.memory import NodeRange, TableEntry
from kexeckit.formats.machine_description import MachineDescription
from kexeckit.formats.machine_words import parse_machine_words
from kexeckit.formats.srat import MemoryAffinity, Srat
from kexeckit.machine.arch import X86, kernel_arch, stated_arch
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import BootFacts, CpuFacts, EfiFacts, KernelFacts, Machine, MemoryFacts, NodeFacts
from kexeckit.memory.kind import RAM, MemoryKind
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import CRASH_KERNEL, SYSTEM_RAM, Resource, ResourceTree

T = TypeVar("T")
_IMAGE = "Kernel code"


def machine_from_words(text: str, source: str) -> Machine:
    """Return a machine that was described in a line of words.

    Args:
        text: Like ``x86_64 node:2 ram:64G crashkernel=512M kernel:6.12``, see `formats.machine_words`.
        source: How messages name where the words came from.

    Raises:
        UsageError: The line does not begin with an architecture, or a word cannot be understood.
    """
    first, *words = text.split() or [""]
    if not first:
        raise UsageError(f"{source} describes no machine; expected words such as 'x86_64 node:2 ram:64G kernel:6.12'")
    return machine_from_description(parse_machine_words(stated_arch(first), words), source)


def machine_from_description(description: MachineDescription, source: str) -> Machine:
    """Return a machine that was described by hand; all of it is stated, save for what follows from what is stated.

    Raises:
        InputError: Memory is held by nobody that is known here, or there is an e820 map on what is no PC.
    """
    return _Builder(description, source).machine()


class _Builder:
    # One description: its parts become facts.

    def __init__(self, description: MachineDescription, source: str) -> None:
        self.said = description
        self.source = source

    def machine(self) -> Machine:
        said = self.said
        return Machine(
            source=self.source,
            kind="described",
            kernel=self._kernel(),
            boot=self._boot(),
            memory=self._memory(),
            nodes=NodeFacts(
                srat=self._maybe(_srat(said) if said.nodes else None), distances=self._maybe(said.distances or None)
            ),
            efi=EfiFacts(mirrored=self._maybe(said.mirrored or None), mirror_whole=self._stated(value=True)),
            cpus=CpuFacts(
                flags=self._maybe(self._flags()), possible=self._maybe(said.cpus), present=self._maybe(said.cpus)
            ),
            taken=self._maybe(self._taken() or None),
            assumed=said.assumed,
        )

    def _kernel(self) -> KernelFacts:
        said = self.said
        pages = None
        if said.flags is not None:
            # As arch/x86/mm/init.c decides, save for debug builds.
            pages = self._derived("pdpe1gb" in said.flags and "nogbpages" not in said.cmdline.split())
        return KernelFacts(
            arch=self._maybe(kernel_arch(said.arch) or None),
            release=self._maybe(said.kernel or None),
            cmdline=self._stated(said.cmdline),
            page_size=self._stated(said.page_size),
            zone_dma=self._maybe(said.zone_dma),
            gbpages=pages,
        )

    def _boot(self) -> BootFacts:
        said = self.said
        return BootFacts(
            efi=self._maybe(said.efi),
            kaslr_off=None if said.kaslr is None else self._stated(not said.kaslr),
            # Nothing said about an initrd says that there is none; a size alone does not say where it is.
            initrd=None if said.initrd_size else Fact(said.initrd, self.source, how=How.STATED),
            initrd_size=self._maybe(said.initrd_size),
            image=self._maybe(said.image),
        )

    def _memory(self) -> MemoryFacts:
        said = self.said
        arch = kernel_arch(said.arch)
        if said.firmware and arch not in (*X86, ""):
            raise InputError(self.source, f"firmware is an e820 map, which {arch} has not", expected="memory of nodes")
        table = tuple(TableEntry(e.start, e.end, e.kind, 0) for e in said.firmware)
        ranges = sorted((NodeRange(n.nid, r, 0) for n in said.nodes for r in n.memory), key=lambda r: r.range)
        return MemoryFacts(
            firmware=self._maybe(table or None),
            ranges=None if table else self._stated(tuple(ranges)),
            resources=self._derived(_resources(said)),
            dma_limit=self._maybe(said.dma_limit),
        )

    def _flags(self) -> frozenset[str] | None:
        said = self.said
        if said.levels is None:
            return said.flags
        flags = said.flags or frozenset()
        return flags | {"la57"} if said.levels == 5 else flags - {"la57"}

    def _taken(self) -> tuple[Taken, ...]:
        return tuple(sorted((self._held(where, who) for where, who in self.said.held), key=lambda t: t.range))

    def _held(self, where: MemRange, who: str) -> Taken:
        known = {taker.value.lower(): taker for taker in Taker}
        taker = known.get(who.strip().lower())
        if not taker:
            names = ", ".join(t.value for t in Taker)
            raise InputError(self.source, f"held: nobody known here is {who[:60]!r}", expected=f"one of {names}")
        return Taken(where, taker, taker.value)

    def _stated(self, value: T) -> Fact[T]:
        return Fact(value, self.source, how=How.STATED)

    def _derived(self, value: T) -> Fact[T]:
        return Fact(value, self.source, how=How.DERIVED)

    def _maybe(self, value: T | None) -> Fact[T] | None:
        return None if value is None else self._stated(value)


def _srat(said: MachineDescription) -> Srat:
    affinities: list[MemoryAffinity] = []
    for node in said.nodes:
        hot = node.memory & node.hotpluggable
        affinities += [MemoryAffinity(node.nid, r, hotplug=True) for r in hot]
        affinities += [MemoryAffinity(node.nid, r) for r in node.memory - hot]
    return Srat(tuple(affinities), tuple(n.nid for n in said.nodes))


def _resources(said: MachineDescription) -> ResourceTree:
    # What the kernel would list: an entry of the firmware, or a piece of memory, each.
    entries = [(e.range, e.kind) for e in said.firmware] or [(r, RAM) for r in said.ram]
    return ResourceTree(tuple(_resource(said, where, kind) for where, kind in entries))


def _resource(said: MachineDescription, where: MemRange, kind: MemoryKind) -> Resource:
    if kind != RAM:
        return Resource(where, kind.label)
    named = [(r, CRASH_KERNEL) for r in said.crash_kernel] + ([(said.image, _IMAGE)] if said.image else [])
    # A piece that reaches over a border of the firmware's entries is listed on each side of it.
    pieces = ((part, name) for r, name in named if (part := where.intersection(r)))
    return Resource(where, SYSTEM_RAM, tuple(Resource(part, name) for part, name in sorted(pieces)))
