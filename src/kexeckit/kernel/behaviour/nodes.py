"""`NodeRules`: how kernels give memory its NUMA nodes, as data.

The defaults are x86 up to 6.7. arm64 did it in a way of its own until 6.12, when both took over mm/numa_memblks.c.
"""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.change import Change
from kexeckit.kernel.behaviour.select import selected
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


_X86, _ARM64 = ("x86_64", "i386"), ("arm64",)
_COVERAGE = "mm/memblock.c memblock_validate_numa_coverage()"
BASES = {
    "": NodeRules(),
    "arm64": NodeRules(last_counts=True, slack=0, clears_hotplug=False),
}
"""By architecture; all but arm64 are taken for relatives of x86."""

CHANGES = (
    Change((5, 12, 0), {"lost_stops": True},
           "mm/page_alloc.c (mm/mm_init.c from 6.4) memmap_init(): NODE_DATA() of every region of memory", "booted",
           backports=((5, 11, 7), (5, 10, 24))),
    # It compares with NUMA_NO_NODE, and memory on no node had MAX_NUMNODES still.
    Change((6, 8, 0), {"slack": ANY_AMOUNT}, _COVERAGE, "read", _X86, backports=((6, 6, 70),)),
    Change((6, 10, 0), {"slack": MIB - 1}, "arch/x86/mm/numa.c numa_init(), NUMA_NO_NODE", "read", _X86,
           backports=((6, 6, 72),)),
    Change((6, 12, 0), {"last_counts": False}, "drivers/base/arch_numa.c numa_init(), numa_memblks_init()", "read",
           _ARM64),
    Change((6, 12, 0), {"clears_hotplug": True}, "mm/numa_memblks.c numa_register_meminfo()", "read", _ARM64),
    Change((6, 12, 0), {"slack": ANY_AMOUNT}, "drivers/base/arch_numa.c numa_register_nodes(), without a check", "read",
           _ARM64),
    Change((6, 13, 0), {"slack": MIB}, f"{_COVERAGE}: more than the limit", "booted", _X86,
           backports=((6, 12, 5), (6, 6, 72))),
    Change((6, 13, 0), {"slack": 0}, "drivers/base/arch_numa.c numa_register_nodes()", "read", _ARM64,
           backports=((6, 12, 5),)),
)  # fmt: skip
"""Mainline's changes, in order of release."""


def node_rules(arch: str, version: KernelVersion, *, stated: Mapping[str, object] | None = None) -> NodeRules:
    """Return what a kernel does.

    Args:
        arch: The kernel's name of the architecture.
        version: Its version.
        stated: Fields that the user states, which win; see `stated.parse_stated`.
    """
    found = selected(BASES.get(arch, BASES[""]), CHANGES, (), arch, version)
    return replace(found, **stated) if stated else found  # type: ignore[arg-type]
