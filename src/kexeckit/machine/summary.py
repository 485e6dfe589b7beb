"""A machine in one line: source, architecture, release, RAM, nodes."""

from kexeckit.machine.fact import yes
from kexeckit.machine.value import Machine, MemoryFacts, NodeFacts
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import format_size


def summary(machine: Machine) -> str:
    """Return the line; what no source shows is a question mark."""
    ram, nodes = _ram(machine.memory), _nodes(machine.nodes, machine.memory)
    size = "RAM ?" if ram is None else f"{format_size(ram)} RAM"
    count = "nodes ?" if nodes is None else f"{nodes} {'node' if nodes == 1 else 'nodes'}"
    release = machine.kernel.release.value if machine.kernel.release else machine.release
    # Of a tar, names begin with its own and a colon.
    name = machine.source.removesuffix(":")
    return f"{name} ({machine.kind}): {machine.arch or '?'}, kernel {release or '?'}, {size}, {count}"


def _ram(memory: MemoryFacts) -> int | None:
    # What the firmware gives comes first: mem= and memmap= of a boot do not show there.
    if memory.firmware:
        entries = (e for e in memory.firmware.value if e.kind == RAM and e.start < e.end)
        return RangeSet(MemRange(e.start, e.end) for e in entries).size
    if memory.resources:
        return memory.resources.value.ram().size
    regions = memory.ranges or memory.memblock
    if regions:
        return RangeSet(r.range for r in regions.value).size
    return memory.counted.value if memory.counted else None


def _nodes(nodes: NodeFacts, memory: MemoryFacts) -> int | None:
    known = nodes.srat or nodes.blocks
    if known and not yes(nodes.refused):
        return len(known.value.nodes)
    return len({r.node for r in memory.ranges.value}) if memory.ranges else None
