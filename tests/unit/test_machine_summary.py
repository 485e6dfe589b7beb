"""A machine in one line: which RAM and which nodes are counted."""

import pytest

from kexeckit.formats.bootlog.memory import NodeRange, TableEntry
from kexeckit.formats.srat import MemoryAffinity, Srat
from kexeckit.machine.fact import Fact
from kexeckit.machine.summary import summary
from kexeckit.machine.value import KernelFacts, Machine, MemoryFacts, NodeFacts
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import SYSTEM_RAM, Resource, ResourceTree

MIB = 1 << 20
FIRMWARE: Fact[tuple[TableEntry, ...]] = Fact(
    (TableEntry(0, 8 * MIB, RAM, 1), TableEntry(8 * MIB, 9 * MIB, RESERVED, 2)), "log"
)
LISTING = Fact(ResourceTree((Resource(MemRange(0, 4 * MIB), SYSTEM_RAM),)), "iomem")
REGIONS: Fact[tuple[NodeRange, ...]] = Fact(
    (NodeRange(0, MemRange(0, MIB), 1), NodeRange(3, MemRange(MIB, 2 * MIB), 2)), "log"
)
SRAT = Fact(Srat((MemoryAffinity(0, MemRange(0, MIB)),), (0, 1, 2)), "log")


@pytest.mark.parametrize(
    ("memory", "nodes", "shown"),
    [
        (MemoryFacts(firmware=FIRMWARE, resources=LISTING, ranges=REGIONS), NodeFacts(), "8 MiB RAM, 2 nodes"),
        (MemoryFacts(resources=LISTING, ranges=REGIONS), NodeFacts(), "4 MiB RAM, 2 nodes"),
        (MemoryFacts(ranges=REGIONS, counted=Fact(MIB, "log")), NodeFacts(), "2 MiB RAM, 2 nodes"),
        (MemoryFacts(counted=Fact(MIB, "log")), NodeFacts(), "1 MiB RAM, nodes ?"),
        (MemoryFacts(ranges=REGIONS), NodeFacts(srat=SRAT), "2 MiB RAM, 3 nodes"),
        (MemoryFacts(ranges=REGIONS), NodeFacts(blocks=SRAT), "2 MiB RAM, 3 nodes"),
        (MemoryFacts(ranges=REGIONS), NodeFacts(srat=SRAT, refused=Fact(True, "log")), "2 MiB RAM, 2 nodes"),
        (MemoryFacts(), NodeFacts(), "RAM ?, nodes ?"),
    ],
)
def test_ram_and_nodes_are_those_of_the_first_source_that_has_them(
    memory: MemoryFacts, nodes: NodeFacts, shown: str
) -> None:
    """The firmware's map before what one boot made of it; affinities before regions, unless the kernel refuses them."""
    assert summary(Machine("m", "log", memory=memory, nodes=nodes)) == f"m (log): ?, kernel ?, {shown}"


def test_a_tar_is_named_without_its_colon() -> None:
    """Its files are named behind one."""
    assert summary(Machine("c.tar:", "root")).startswith("c.tar (root): ")


def test_the_release_is_the_one_that_uname_prints() -> None:
    """The stable release where there is no other."""
    both = KernelFacts(arch=Fact("x86_64", "log"), release=Fact("6.1.0-1", "log"), stable=Fact("6.1.9", "log"))
    assert "x86_64, kernel 6.1.0-1, " in summary(Machine("m", "log", kernel=both))
    assert "kernel 6.1.9, " in summary(Machine("m", "log", kernel=KernelFacts(stable=Fact("6.1.9", "log"))))
