"""`MachineDescription`: a machine that a person described, in TOML or in a line of words."""

from collections.abc import Iterator
from itertools import pairwise

from kexeckit.frozen import dataclass
from kexeckit.memory.kind import RAM
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import is_power_of_two

# Source: include/linux/numa.h, MAX_NUMNODES, with the largest CONFIG_NODES_SHIFT of any architecture, 10.
MOST_NODES = 1 << 10
MOST_CPUS = 1 << 20
# Source: include/linux/numa.h and include/linux/topology.h: distances are bytes of ACPI's SLIT.
MOST_DISTANCE = 255
PAGE_SIZES = "4096, 16384 or 65536"


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """One node: its number, memory, and what of it can be removed while the machine runs."""

    nid: int
    memory: RangeSet
    hotpluggable: RangeSet


@dataclass(frozen=True, slots=True)
class MachineDescription:
    """A described machine; None and empty texts stand for what is not said.

    Attributes:
        arch: As ``uname -m`` prints it.
        kernel: As ``uname -r`` prints it.
        cmdline: The kernel's command line.
        mirrored: Mirrored addresses.
        zone_dma: The kernel has ZONE_DMA.
        page_size: Bytes of a page.
        dma_limit: arm64: highest address that all devices reach.
        nodes: The nodes in the order in which they were described.
        firmware: The firmware's e820 map (x86), by address; empty where memory is described by `nodes` alone.
        held: What is held when the kernel looks for memory: the range, and by whom, in words.
        image: Where the kernel image is.
        initrd: Where the initrd is.
        initrd_size: Bytes of an initrd whose place is not known.
        crash_kernel: Regions that are reserved for a capture kernel.
        efi: EFI firmware booted the kernel.
        kaslr: The kernel is put at a random place.
        flags: Flags of the CPUs; None where they are not said.
        levels: Levels of page tables that the CPUs can walk: 4 or 5.
        cpus: How many CPUs there are.
        distances: A row for each node, as in SLIT; empty where they are not said.
        assumed: What was filled in because nobody said it, a sentence each.
    """

    arch: str
    kernel: str
    cmdline: str
    mirrored: RangeSet
    zone_dma: bool | None
    page_size: int
    dma_limit: int | None
    nodes: tuple[NodeDescription, ...]
    firmware: tuple[MemoryEntry, ...] = ()
    held: tuple[tuple[MemRange, str], ...] = ()
    image: MemRange | None = None
    initrd: MemRange | None = None
    initrd_size: int | None = None
    crash_kernel: tuple[MemRange, ...] = ()
    efi: bool | None = None
    kaslr: bool | None = None
    flags: frozenset[str] | None = None
    levels: int | None = None
    cpus: int | None = None
    distances: tuple[tuple[int, ...], ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def ram(self) -> RangeSet:
        """Memory, from the firmware's map where there is one."""
        if self.firmware:
            return RangeSet(e.range for e in self.firmware if e.kind == RAM)
        return RangeSet(r for n in self.nodes for r in n.memory)


def is_page_size(size: int) -> bool:
    """Say whether a kernel can have such pages."""
    return is_power_of_two(size) and 4096 <= size <= 65536


def contradictions(description: MachineDescription) -> Iterator[str]:
    """Yield what cannot be true of a machine, a sentence each.

    Nodes that stand there twice or have the same memory; no memory; what is in memory and outside of it; what is held
    by two at once; distances of other nodes.
    """
    yield from _of_nodes(description.nodes)
    if not description.ram:
        yield "no memory"
        return
    inside = [(f"crash_kernel {r}", r) for r in description.crash_kernel]
    inside += [(name, r) for name, r in (("image", description.image), ("initrd", description.initrd)) if r]
    for name, where in inside:
        if where not in description.ram:
            yield f"{name} is not in memory: {where}"
    ordered = sorted(inside, key=lambda pair: pair[1])
    for (one, first), (other, second) in pairwise(ordered):
        if first.overlaps(second):
            yield f"{one} and {other} overlap"
    rows, count = description.distances, len(description.nodes)
    if rows and (len(rows) != count or any(len(row) != count for row in rows)):
        yield f"distances is not a table of {count} rows with {count} numbers each"


def _of_nodes(nodes: tuple[NodeDescription, ...]) -> Iterator[str]:
    seen: set[int] = set()
    for node in nodes:
        if node.nid in seen:
            yield f"node {node.nid} stands there twice"
        seen.add(node.nid)
    # Sorted, so that thousands of ranges are compared with their neighbours only.
    ranges = sorted(((r, n.nid) for n in nodes for r in n.memory), key=lambda pair: pair[0])
    for (first, one), (second, other) in pairwise(ranges):
        if one != other and first.overlaps(second):
            low, high = sorted((one, other))
            yield f"nodes {low} and {high} have the same memory: {first.intersection(second)}"
