"""A machine as zones see it, from parts that were read one by one: a firmware map, a SRAT, a description by hand."""

from collections.abc import Iterable
from dataclasses import dataclass

from kexeckit.formats.machine_toml import MachineDescription
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.boot.e820 import E820_RAM, E820Entry, Table, early_words
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.nodes import NodeBlock, NodeLayout, node_layout, numa_switched_off, without_kernel_nodes
from kexeckit.kernel.boot.x86_memory import x86_memory
from kexeckit.kernel.zones.limits import ArchFacts
from kexeckit.kernel.zones.machine import Reason, ZoneMachine, with_mirror
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import MIB


@dataclass(frozen=True, slots=True)
class MachineParts:
    """What was read of a machine.

    Attributes:
        arch: ``x86_64``, ``i386``, ``arm64``, ...
        cmdline: The command line that is asked about.
        table: The firmware's e820 table; empty where there is none.
        memory: The memory that the kernel knows of, where there is no table.
        affinities: Which memory is on which node; empty where everything is on node 0.
        nodes: All nodes, those without memory included.
        mirrored: Mirrored addresses.
        mirror_known: False where it is not known whether memory is mirrored.
        reserved: What the kernel holds when nodes are set up.
        zone_dma: The kernel has ZONE_DMA; None where that is not known.
        dma_limit: arm64: highest address that all devices reach; None for no limit.
        page_size: Bytes of a page.
        unknown: What the source cannot show.
    """

    arch: str
    cmdline: str
    table: Table = ()
    memory: RangeSet = EMPTY
    affinities: tuple[MemoryAffinity, ...] = ()
    nodes: tuple[int, ...] = ()
    mirrored: RangeSet = EMPTY
    mirror_known: bool = True
    reserved: RangeSet = EMPTY
    zone_dma: bool | None = None
    dma_limit: int | None = None
    page_size: int = 4096
    unknown: tuple[Reason, ...] = ()


def machine_from_parts(parts: MachineParts, behaviour: ZoneBehaviour) -> ZoneMachine | None:
    """Put a machine together, or return None where there is no memory in the parts."""
    unknown = list(parts.unknown)
    memory, top = parts.memory, max((r.end for r in parts.memory), default=0)
    if parts.table:
        x86 = x86_memory(parts.table, parts.cmdline, behaviour)
        memory, top = x86.memory, x86.top
        if x86.problem:
            unknown.append(Reason("ranges", f"the kernel stops at boot: {x86.problem}", "arch/x86/kernel/e820.c"))
    if not memory:
        return None
    affinities = () if numa_switched_off(parts.cmdline) else parts.affinities
    layout = node_layout(memory, affinities) if affinities else None
    if not layout:
        if affinities:
            unknown.append(Reason("nodes", "the kernel refuses the affinities and puts all memory on node 0"))
        layout = NodeLayout(tuple(Region(r, 0) for r in memory), tuple(NodeBlock(r, 0) for r in memory))
    regions = with_mirror(without_kernel_nodes(layout, parts.reserved | RangeSet((MemRange(0, MIB),))), parts.mirrored)
    with_memory = {r.node for r in regions}
    end = regions[-1].range.end
    return ZoneMachine(
        facts=ArchFacts(
            parts.arch, regions[0].range.start, end, top, parts.page_size, parts.zone_dma, None, parts.dma_limit
        ),
        regions=regions,
        memoryless=tuple(n for n in parts.nodes if n not in with_memory and not numa_switched_off(parts.cmdline)),
        kdump="elfcorehdr=" in parts.cmdline,
        mirror_known=parts.mirror_known,
        unknown=tuple(unknown),
    )


def parts_of_description(description: MachineDescription, arch: str, cmdline: str) -> MachineParts:
    """Return the parts of a machine that was described by hand."""
    memory = RangeSet(r for n in description.nodes for r in n.memory)
    affinities: list[MemoryAffinity] = []
    for node in description.nodes:
        hot = node.memory & node.hotpluggable
        affinities += [MemoryAffinity(node.nid, r, hotplug=True) for r in hot]
        affinities += [MemoryAffinity(node.nid, r) for r in node.memory - hot]
    # mem= and memmap= change a firmware table, so one is made where such words are asked about.
    changed = arch in ("x86_64", "i386") and early_words(cmdline)
    table = tuple(E820Entry(r.start, r.end, E820_RAM) for r in memory) if changed else ()
    return MachineParts(
        arch=arch,
        cmdline=cmdline,
        table=table,
        memory=memory,
        affinities=tuple(affinities),
        nodes=tuple(n.nid for n in description.nodes),
        mirrored=description.mirrored,
        zone_dma=description.zone_dma,
        dma_limit=description.dma_limit,
        page_size=description.page_size,
    )


def affinities_of_blocks(blocks: Iterable[tuple[int, int]], block_size: int) -> tuple[MemoryAffinity, ...]:
    """Return the affinities that memory blocks of sysfs show.

    Args:
        blocks: Node and number of each block.
        block_size: Bytes of a block.
    """
    return tuple(MemoryAffinity(nid, MemRange.from_size(n * block_size, block_size)) for nid, n in blocks)
