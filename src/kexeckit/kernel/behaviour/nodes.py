"""`NodeRules`: how kernels give memory its NUMA nodes, as data.

The defaults are x86 up to 6.7. arm64 did it in a way of its own until 6.12, when both took over mm/numa_memblks.c.
"""

from dataclasses import dataclass, replace
from typing import Any

from kexeckit.kernel.behaviour.loading import Change, has_change
from kexeckit.machine.version import KernelVersion
from kexeckit.memory.units import MIB

ANY_AMOUNT = 1 << 64
"""A slack without limit: the kernel does not look how much memory is on no node."""


@dataclass(frozen=True, slots=True)
class NodeRules:
    """What one kernel does with the firmware's affinities.

    Attributes:
        last_counts: Where affinities overlap, the last one in the table counts, and holes between them stay holes.
            Else holes within a node are closed, and an overlap of two nodes makes the kernel refuse the table.
        slack: The kernel refuses the table when more bytes of memory than this are on no node.
        lost_stops: The kernel dies at boot when any memory is on no node and the table was not refused.
        clears_hotplug: The kernel takes the hot-plug mark from nodes on which it holds memory.
    """

    last_counts: bool = False
    slack: int = MIB - 1
    lost_stops: bool = False
    clears_hotplug: bool = True


_ARM64 = NodeRules(last_counts=True, slack=0, clears_hotplug=False)
_LOST_STOPS = Change(
    "lost_stops",
    True,
    (5, 12),
    "mm/page_alloc.c (mm/mm_init.c from 6.4) memmap_init(): NODE_DATA() of every region of memory",
    "booted",
    ((5, 11, 7), (5, 10, 24)),
)
_COVERAGE = "mm/memblock.c memblock_validate_numa_coverage()"

CHANGES_X86 = (
    _LOST_STOPS,
    # It compares with NUMA_NO_NODE, and memory on no node had MAX_NUMNODES still.
    Change("slack", ANY_AMOUNT, (6, 8), _COVERAGE, "read", ((6, 6, 70),)),
    Change("slack", MIB - 1, (6, 10), "arch/x86/mm/numa.c numa_init(), NUMA_NO_NODE", "read", ((6, 6, 72),)),
    Change("slack", MIB, (6, 13), f"{_COVERAGE}: more than the limit", "booted", ((6, 12, 5), (6, 6, 72))),
)
CHANGES_ARM64 = (
    _LOST_STOPS,
    Change("last_counts", False, (6, 12), "drivers/base/arch_numa.c numa_init(), numa_memblks_init()", "read"),
    Change("clears_hotplug", True, (6, 12), "mm/numa_memblks.c numa_register_meminfo()", "read"),
    Change("slack", ANY_AMOUNT, (6, 12), "drivers/base/arch_numa.c numa_register_nodes(), without a check", "read"),
    Change("slack", 0, (6, 13), "drivers/base/arch_numa.c numa_register_nodes()", "read", ((6, 12, 5),)),
)


def node_rules(arch: str, version: KernelVersion) -> NodeRules:
    """Return what a mainline (or Debian) kernel of this version does.

    Args:
        arch: The kernel's name of an architecture; all but arm64 are taken for relatives of x86.
        version: Its version.
    """
    base, changes = (_ARM64, CHANGES_ARM64) if arch == "arm64" else (NodeRules(), CHANGES_X86)
    # In order, so that a later change of the same field wins.
    values: dict[str, Any] = {c.name: c.value for c in changes if has_change(version, c)}
    return replace(base, **values)
