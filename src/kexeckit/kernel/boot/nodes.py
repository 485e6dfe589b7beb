"""Which node each piece of memory is on, as the kernel finds it out from the firmware's affinities.

    affinities   |1 1 1 1|       |1 1|0 0 0 0 0|         a hole between ranges of one node belongs to the node,
    blocks       |1 1 1 1 1 1 1 1 1 1|0 0 0 0 0|         unless another node's range lies in it
    memory         |====|   |=======|  |======|
    regions        |1111|   |1111111|  |000000|

Memory that lies in no block has no node. With much of it the kernel refuses the whole table. With a little of it the
kernel keeps the table, and then most releases stop: memmap_init() looks for the data of that node, which is not there.

Source: mm/numa_memblks.c (arch/x86/mm/numa.c up to 6.11), numa_cleanup_meminfo(), numa_clear_kernel_node_hotplug();
arch/arm64/mm/numa.c, drivers/base/arch_numa.c from 5.12 on, numa_add_memblk(), numa_register_nodes(); mm/memblock.c,
memblock_set_node(), memblock_merge_regions(), memblock_validate_numa_coverage().
"""

from collections.abc import Iterable
from dataclasses import replace

from kexeckit.formats.cmdline import split_words
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.nodes import NodeRules
from kexeckit.kernel.boot.memblock import Region, marked, regions_of
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet

_X86 = NodeRules()


@dataclass(frozen=True, slots=True)
class NodeBlock:
    """A range of addresses that belongs to one node, holes included."""

    range: MemRange
    nid: int


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """Memory with its nodes.

    Attributes:
        regions: Memory that is on a node, each region with node and hot-plug mark.
        blocks: The addresses of each node, sorted and disjoint.
        lost: Memory that is on no node, where it is too little for the kernel to refuse the affinities.
    """

    regions: tuple[Region, ...]
    blocks: tuple[NodeBlock, ...]
    lost: RangeSet = EMPTY


def node_layout(memory: RangeSet, affinities: Iterable[MemoryAffinity], rules: NodeRules = _X86) -> NodeLayout | None:
    """Give memory its nodes and hot-plug marks.

    Args:
        memory: All memory that the kernel knows of.
        affinities: The firmware's, in the table's order.
        rules: What the kernel does; without, what x86 did until 6.12.

    Returns:
        The layout; None where the kernel refuses the affinities and puts everything on node 0: ranges of two nodes
        overlap, or too much memory is on no node.
    """
    known = [a for a in affinities if memory.overlapping(a.range)]
    blocks = _painted(known) if rules.last_counts else _joined(known, memory)
    if blocks is None:
        return None
    cut = regions_of(memory, ((b.nid, b.range) for b in blocks))
    lost = RangeSet(r.range for r in cut if r.node is None)
    if lost.size > rules.slack:
        return None
    owned = tuple(r for r in cut if r.node is not None)
    regions = marked(owned, (a.range for a in known if a.hotplug), "hotplug")
    return NodeLayout(merged_regions(regions), tuple(blocks), lost)


def memblock_with_nodes(
    memory: RangeSet, affinities: Iterable[MemoryAffinity], rules: NodeRules, reserved: RangeSet = EMPTY
) -> tuple[Region, ...] | None:
    """Return memblock.memory as it is once nodes are set up: the regions that bound the kernel's later searches.

    Args:
        memory: All memory that the kernel knows of.
        affinities: The firmware's, in the table's order.
        rules: What the kernel does.
        reserved: What the kernel holds at that moment; it takes the hot-plug mark from its nodes, by `rules`.

    Returns:
        Regions with node and hot-plug mark, sorted; neighbours that are alike are one. Memory on no node has node
        None. None in place of all where the kernel refuses the affinities: then memory is as on a machine with one
        node.
    """
    layout = node_layout(memory, affinities, rules)
    if layout is None:
        return None
    regions = without_kernel_nodes(layout, reserved) if rules.clears_hotplug else layout.regions
    return tuple(sorted([*regions, *(Region(r) for r in layout.lost)], key=lambda r: r.range))


def without_kernel_nodes(layout: NodeLayout, reserved: RangeSet) -> tuple[Region, ...]:
    """Take the hot-plug mark from every node on which the kernel holds memory: it cannot be unplugged any more.

    Args:
        layout: Memory with nodes.
        reserved: What is reserved when nodes are set up: the kernel image, the initrd, tables of the firmware. What
            lies in a hole of a node counts, too.
    """
    held = {b.nid for b in layout.blocks if reserved.overlapping(b.range)}
    return merged_regions(replace(r, hotplug=False) if r.node in held else r for r in layout.regions)


def merged_regions(regions: Iterable[Region]) -> tuple[Region, ...]:
    """Return regions with those joined that touch and are alike in node and flags.

    Args:
        regions: Sorted, disjoint.

    Source: mm/memblock.c, memblock_merge_regions().
    """
    out: list[Region] = []
    for region in regions:
        last = out[-1] if out else None
        if last and last.range.end == region.range.start and replace(last, range=region.range) == region:
            out[-1] = replace(last, range=MemRange(last.range.start, region.range.end))
        else:
            out.append(region)
    return tuple(out)


def numa_switched_off(cmdline: str) -> bool:
    """Say whether words of a command line keep the kernel from using the firmware's nodes.

    Source: arch/x86/mm/numa.c, numa_setup(); arch/x86/kernel/acpi/boot.c, parse_acpi().
    """
    words = {(w.name, w.value) for w in split_words(cmdline)}
    return bool(words & {("acpi", "off"), ("numa", "off"), ("numa", "noacpi")})


def _joined(affinities: list[MemoryAffinity], memory: RangeSet) -> list[NodeBlock] | None:
    # Ranges of one node with no other node's between them become one; an overlap of two nodes spoils everything. The
    # kernel cuts ranges at both ends of memory first. Two ranges with memory that overlap beyond it overlap in it, too.
    parts = list(memory)
    out: list[NodeBlock] = []
    for a in sorted(affinities, key=lambda a: (a.range.start, a.range.end)):
        span = MemRange(max(a.range.start, parts[0].start), min(a.range.end, parts[-1].end))
        last = out[-1] if out else None
        if last and last.nid == a.nid:
            out[-1] = NodeBlock(MemRange(last.range.start, max(last.range.end, span.end)), a.nid)
        elif last and last.range.overlaps(span):
            return None
        else:
            out.append(NodeBlock(span, a.nid))
    return out


def _painted(affinities: list[MemoryAffinity]) -> list[NodeBlock]:
    # Each range in its turn takes its addresses from whatever node had them.
    nodes: dict[int, RangeSet] = {}
    for a in affinities:
        span = RangeSet((a.range,))
        nodes = {nid: ranges - span for nid, ranges in nodes.items()}
        nodes[a.nid] = nodes.get(a.nid, EMPTY) | span
    blocks = [NodeBlock(r, nid) for nid, ranges in nodes.items() for r in ranges]
    return sorted(blocks, key=lambda b: b.range)
