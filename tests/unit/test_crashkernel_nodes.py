"""memblock at the moment of the reservation, on machines whose nodes have holes.

About kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.search.
"""

from dataclasses import replace

from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.nodes import node_rules
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.boot.e820 import E820_RAM, make_table
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.reservation.early import early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.machine.taken import Taker
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

MIB = 1 << 20
VERSION = parse_kernel_version("6.12.107")


def mib(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


def claims(*nodes: tuple[int, MemRange], hot: MemRange | None = None) -> tuple[MemoryAffinity, ...]:
    """Return affinities of (node, range), one range of which may be unplugged."""
    return tuple(MemoryAffinity(nid, r, hotplug=r == hot) for nid, r in nodes)


FACTS = ReservationInput(
    rules=crash_rules("x86_64", VERSION),
    cmdline="crashkernel=128M",
    seen_cmdline="crashkernel=128M",
    table=make_table([(4096, 2048 * MIB, E820_RAM)]),
    affinities=claims((0, mib(0, 512)), (0, mib(900, 1024)), (1, mib(1024, 1200)), (1, mib(1300, 2048))),
    node_rules=node_rules("x86_64", VERSION),
)


MARKED = claims((0, mib(0, 512)), (0, mib(900, 1024)), (1, mib(1024, 1200)), (1, mib(1300, 2048)), hot=mib(1300, 2048))


def regions(facts: ReservationInput) -> tuple[Region, ...]:
    """Return memblock.memory without what is below the first MiB."""
    low, *rest = early_memory(facts).memory.regions
    assert low.range == MemRange(4096, 640 << 10)
    return tuple(rest)


def test_a_hole_of_a_node_is_no_border() -> None:
    """RAM that the table leaves out within a node is one region with the rest of the node."""
    assert regions(FACTS) == (Region(mib(1, 1024), 0), Region(mib(1024, 2048), 1))


def test_a_refused_table_bounds_nothing() -> None:
    """With too much RAM on no node, and with an overlap, all RAM is one region."""
    for nodes in (((0, mib(0, 512)), (1, mib(600, 2048))), ((0, mib(0, 1024)), (1, mib(1000, 2048)))):
        assert [r.range for r in regions(replace(FACTS, affinities=claims(*nodes)))] == [mib(1, 2048)]


def test_memory_on_no_node_is_a_region() -> None:
    """A little of it is let through, and has two borders."""
    gap = MemRange(1024 * MIB, 1024 * MIB + 8192)
    nodes = ((0, mib(0, 1024)), (1, MemRange(gap.end, 2048 * MIB)))
    found = regions(replace(FACTS, affinities=claims(*nodes)))
    assert [(r.range, r.node) for r in found] == [
        (mib(1, 1024), 0),
        (gap, None),
        (MemRange(gap.end, 2048 * MIB), 1),
    ]


def test_the_initrd_takes_the_mark_from_its_node() -> None:
    """It does so in its hole, too, and where new words make the kernel place the initrd anew."""
    marked = replace(FACTS, affinities=MARKED, cmdline="crashkernel=128M movable_node", seen_cmdline="")
    apart = (Region(mib(1, 1024), 0), Region(mib(1024, 1300), 1), Region(mib(1300, 2048), 1, hotplug=True))
    assert regions(marked) == apart
    for place in (mib(1990, 2000), mib(1210, 1220)):
        held = (Held(place, Taker.INITRD, "initrd", "log"),)
        assert regions(replace(marked, held=held)) == (Region(mib(1, 1024), 0), Region(mib(1024, 2048), 1))
    held = (Held(mib(500, 510), Taker.INITRD, "initrd", "log"),)
    assert regions(replace(marked, held=held)) == apart


def test_what_comes_later_takes_no_mark() -> None:
    """The data of a node is put on it once the marks are settled."""
    data = Held(mib(1990, 1991), Taker.NODE_DATA, "NODE_DATA(1)", "log", 1)
    found = regions(replace(FACTS, affinities=MARKED, held=(data,)))
    assert found == (Region(mib(1, 1024), 0), Region(mib(1024, 1300), 1), Region(mib(1300, 2048), 1, hotplug=True))


def test_marks_without_nodes() -> None:
    """On a machine with one node marks count only until the kernel, which holds the first MiB, takes them away."""
    one = claims((0, mib(0, 1024)), (0, mib(1024, 2048)), hot=mib(1024, 2048))
    assert [r.range for r in regions(replace(FACTS, affinities=one))] == [mib(1, 2048)]
