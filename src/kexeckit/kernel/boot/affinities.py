"""Which affinities the kernel uses: the firmware's, or what its own list of memory shows where that says otherwise."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from kexeckit.formats.bootlog.memory import NodeRange
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.nodes import ANY_AMOUNT, NodeRules
from kexeckit.kernel.boot.nodes import NodeLayout, node_layout, numa_switched_off
from kexeckit.machine.value import Machine, memory_affinities
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet


def affinities_at_boot(
    machine: Machine, memory: RangeSet, cmdline: str, rules: NodeRules
) -> tuple[MemoryAffinity, ...]:
    """Return which addresses are on which node; empty where all memory is on node 0.

    Args:
        machine: The machine.
        memory: All memory that the kernel knows of.
        cmdline: The command line that is asked about.
        rules: What the kernel makes of the firmware's.
    """
    if numa_switched_off(cmdline):
        return ()
    firmware = memory_affinities(machine.nodes)
    printed = machine.memory.ranges.value if machine.memory.ranges else ()
    found = node_layout(memory, firmware, rules) if firmware else None
    if printed and (not found or not _agrees(found, printed)):
        return tuple(_stretches(printed, firmware))
    return firmware


def node_rules_of(machine: Machine, rules: NodeRules) -> NodeRules:
    """Return a kernel's rules for the affinities that a machine shows.

    What a log prints of nodes leaves out memory that other words bring back; that is no reason to refuse a table.
    """
    return rules if memory_affinities(machine.nodes) else replace(rules, slack=ANY_AMOUNT)


def _agrees(layout: NodeLayout, printed: Sequence[NodeRange]) -> bool:
    # Whether the affinities give every printed range the node that the kernel gave it.
    return all(any(b.nid == p.node and b.range.contains(p.range) for b in layout.blocks) for p in printed)


def _stretches(printed: Sequence[NodeRange], firmware: Iterable[MemoryAffinity]) -> list[MemoryAffinity]:
    # Printed ranges of one node that touch in the list are one stretch of addresses of this node.
    marks = RangeSet(a.range for a in firmware if a.hotplug)
    ordered = sorted(printed, key=lambda p: p.range)
    runs = [(node, [p.range for p in own]) for node, own in groupby(ordered, key=lambda p: p.node)]
    # A lower memory limit cuts ranges off, so each stretch reaches to the next one. A damaged log may print one twice.
    ends = [*(own[0].start for _, own in runs[1:]), 1 << 64]
    reaches = [clip(start, end) for start, end in pairwise([0, *ends])]
    return [
        MemoryAffinity(node, reach, hotplug=MemRange(own[0].start, own[-1].end) in marks)
        for (node, own), reach in zip(runs, reaches, strict=True)
        if reach
    ]
