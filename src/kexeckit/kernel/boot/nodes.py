"""Which node each piece of memory is on, as the kernel works it out from the firmware's affinities.

    affinities   |1 1 1 1|       |1 1|0 0 0 0 0|         a hole between ranges of one node belongs to the node,
    blocks       |1 1 1 1 1 1 1 1 1 1|0 0 0 0 0|         unless another node's range lies in it
    memory         |====|   |=======|  |======|
    regions        |1111|   |1111111|  |000000|

Source: mm/numa_memblks.c (arch/x86/mm/numa.c up to 6.11), numa_cleanup_meminfo(), numa_clear_kernel_node_hotplug(),
memblock_validate_numa_coverage(); mm/memblock.c, memblock_set_node().
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kexeckit.formats.cmdline import split_words
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.boot.memblock import Region
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB


@dataclass(frozen=True, slots=True)
class NodeBlock:
    """A range of addresses that belongs to one node, holes included."""

    range: MemRange
    nid: int


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """Memory with its nodes.

    Attributes:
        regions: Memory, each region with node and hot-plug mark.
        blocks: The addresses of each node, sorted and disjoint.
    """

    regions: tuple[Region, ...]
    blocks: tuple[NodeBlock, ...]


def node_layout(memory: RangeSet, affinities: Iterable[MemoryAffinity]) -> NodeLayout | None:
    """Give memory its nodes and hot-plug marks.

    Args:
        memory: All memory that the kernel knows of.
        affinities: The firmware's, in any order.

    Returns:
        The layout; None where the kernel refuses the affinities and puts everything on node 0: ranges of two nodes
        overlap, or a MiB or more of memory is on no node. Smaller parts without node are left out.
    """
    known = [a for a in affinities if memory.overlapping(a.range)]
    blocks = _blocks(known)
    marks = RangeSet(a.range for a in known if a.hotplug)
    regions: list[Region] = []
    at = 0
    for part in memory:
        while at < len(blocks) and blocks[at].range.end <= part.start:
            at += 1
        k = at
        while k < len(blocks) and blocks[k].range.start < part.end:
            piece = part.intersection(blocks[k].range)
            if piece:
                regions.extend(_marked(piece, blocks[k].nid, marks))
            k += 1
    if memory.size - sum(r.range.size for r in regions) >= MIB:
        return None
    return NodeLayout(tuple(regions), tuple(blocks))


def without_kernel_nodes(layout: NodeLayout, reserved: RangeSet) -> tuple[Region, ...]:
    """Take the hot-plug mark from every node on which the kernel holds memory: it cannot be unplugged any more.

    Args:
        layout: Memory with nodes.
        reserved: What is reserved when nodes are set up: the kernel image, the initrd, tables of the firmware. What
            lies in a hole of a node counts, too.
    """
    held = {b.nid for b in layout.blocks if reserved.overlapping(b.range)}
    return tuple(replace(r, hotplug=False) if r.node in held else r for r in layout.regions)


def numa_switched_off(cmdline: str) -> bool:
    """Say whether words of a command line keep the kernel from using the firmware's nodes.

    Source: arch/x86/mm/numa.c, numa_setup(); arch/x86/kernel/acpi/boot.c, parse_acpi().
    """
    words = {(w.name, w.value) for w in split_words(cmdline)}
    return bool(words & {("acpi", "off"), ("numa", "off"), ("numa", "noacpi")})


def _blocks(affinities: list[MemoryAffinity]) -> list[NodeBlock]:
    # Ranges of one node with no other node's between them become one; an overlap of two nodes spoils everything.
    out: list[NodeBlock] = []
    for a in sorted(affinities, key=lambda a: (a.range.start, a.range.end)):
        last = out[-1] if out else None
        if last and last.nid == a.nid:
            out[-1] = NodeBlock(MemRange(last.range.start, max(last.range.end, a.range.end)), a.nid)
        elif last and last.range.overlaps(a.range):
            return []
        else:
            out.append(NodeBlock(a.range, a.nid))
    return out


def _marked(piece: MemRange, nid: int, marks: RangeSet) -> list[Region]:
    inside = RangeSet((piece,)) & marks
    parts = [(r, True) for r in inside] + [(r, False) for r in RangeSet((piece,)) - inside]
    return [Region(r, nid, hotplug=hot) for r, hot in sorted(parts, key=lambda p: p[0].start)]
