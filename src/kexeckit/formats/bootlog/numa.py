"""What a boot log says about NUMA: SRAT, nodes without memory, whether the kernel used NUMA at all.

Lines, in the forms of 2.6.32 to 7.x:
    ``ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x23fffffff] hotplug``   (``SRAT: ...`` up to about 4.6)
    ``SRAT: Node 1 PXM 1 100000000-240000000``                           (exclusive ends, up to 3.5)
    ``Initmem setup node 2 as memoryless``, ``Initializing node 2 as memoryless``

Source: drivers/acpi/numa/srat.c, acpi_parse_memory_affinity(); arch/x86/mm/srat.c up to 6.x; mm/mm_init.c,
free_area_init_node(); arch/x86/mm/numa.c, dummy_numa_init().
"""

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.formats.srat import MemoryAffinity, Srat
from kexeckit.memory.range import clip

_MEMORY = LinePattern(
    r"^(?:ACPI: )?SRAT: Node (\d+) PXM \d+ (?:\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\]|([0-9a-f]+)-([0-9a-f]+))(.*)$",
    "srat: node ",
    ignore_case=True,
)
_PROCESSOR = LinePattern(
    r"^(?:ACPI: )?SRAT: PXM \d+ -> (?:APIC|MPIDR) 0x[0-9a-f]+ -> Node (\d+)", "srat: pxm ", ignore_case=True
)
_MEMORYLESS = LinePattern(r"^Init(?:mem setup|ializing) node (\d+) as memoryless", "as memoryless")
_UNUSED = LinePattern(
    r"^(?:NUMA: (?:Warning|Failed)|No NUMA configuration found|NUMA turned off|SRAT: SRAT not used)",
    "numa: warning",
    "numa: failed",
    "no numa configuration",
    "numa turned off",
    "srat not used",
)
_NOT_COVERED = LinePattern(
    r"^(?:NUMA|SRAT): (?:nodes only cover|no nodes coverage for) \d+MB", "nodes only cover ", "no nodes coverage for "
)


def srat_of_log(log: BootLog) -> Srat | None:
    """Return the firmware's affinities as the log shows them, or None where it shows none.

    Entries of length 0 cannot be printed in a way that says so, and are left out.
    """
    memory = []
    nodes: set[int] = set()
    for _, found in log.matches(_MEMORY):
        start = int(found[2] or found[4], 16)
        end = int(found[3], 16) + 1 if found[3] else int(found[5], 16)
        span = clip(start, min(end, 1 << 64))
        if span:
            memory.append(MemoryAffinity(int(found[1]), span, "hotplug" in found[6], "non-volatile" in found[6]))
    for _, found in log.matches(_PROCESSOR):
        nodes.add(int(found[1]))
    if not memory:
        return None
    return Srat(tuple(memory), tuple(sorted(nodes | {a.nid for a in memory})))


def memoryless_nodes(log: BootLog) -> tuple[int, ...]:
    """Return the nodes that the kernel sets up without memory, rising."""
    return tuple(sorted({int(found[1]) for _, found in log.matches(_MEMORYLESS)}))


def numa_refused(log: BootLog) -> bool:
    """Say whether the kernel says that it does not use the firmware's NUMA tables."""
    return bool(log.find(_UNUSED) or log.find(_NOT_COVERED))
