"""What stands for /proc/iomem where a source has none."""

import pytest

from kexeckit.errors import InputError, MaskedAddressesError, UnavailableError
from kexeckit.formats.bootlog.entries import TableEntry
from kexeckit.formats.bootlog.memory import NodeRange, TableChange
from kexeckit.formats.bootlog.outcome import LoggedRegion
from kexeckit.formats.memblock_debugfs import MemblockEntry
from kexeckit.kernel.boot.resources import resources_of
from kexeckit.machine.fact import Fact, Problem
from kexeckit.machine.value import KernelFacts, Machine, MemoryFacts, ObservedFacts
from kexeckit.memory.kind import ACPI, RAM, RESERVED
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree

MIB = 1 << 20
TABLE: Fact[tuple[TableEntry, ...]] = Fact(
    (TableEntry(0, 0xA0000, RAM, 1), TableEntry(MIB, 1024 * MIB, RAM, 2), TableEntry(1024 * MIB, 1025 * MIB, ACPI, 3)),
    "log",
)
RANGES: Fact[tuple[NodeRange, ...]] = Fact(
    (NodeRange(0, MemRange(MIB, 64 * MIB), 4), NodeRange(1, MemRange(64 * MIB, 128 * MIB), 5)), "log"
)


def machine(memory: MemoryFacts, cmdline: str = "", *problems: Problem, kind: str = "log", **seen: object) -> Machine:
    """A machine that shows this much."""
    return Machine(
        "log",
        kind,
        kernel=KernelFacts(cmdline=Fact(cmdline, "log")),
        memory=memory,
        observed=ObservedFacts(**seen),  # type: ignore[arg-type]
        problems=problems,
    )


def test_iomem_is_taken_as_it_is() -> None:
    """With nothing assumed, whatever else is shown."""
    tree = ResourceTree((Resource(MemRange(0, MIB), "System RAM"),))
    assert resources_of(machine(MemoryFacts(resources=Fact(tree, "iomem"), firmware=TABLE))) == (tree, ())


def test_the_firmwares_table_as_the_kernel_makes_resources_of_it() -> None:
    """Page 0 is no RAM; kinds keep their names, which page tables ask for; one sentence says where it is from."""
    tree, assumed = resources_of(machine(MemoryFacts(firmware=TABLE)))
    assert [(r.range.start, r.range.end, r.name) for r in tree.roots] == [
        (0, 0x1000, "Reserved"),
        (0x1000, 0xA0000, "System RAM"),
        (MIB, 1024 * MIB, "System RAM"),
        (1024 * MIB, 1025 * MIB, "ACPI Tables"),
    ]
    assert assumed == ("RAM is taken from the firmware's table in log",)


def test_what_the_kernel_changed_is_changed() -> None:
    """By mem=, and by what it gave up itself."""
    change: Fact[tuple[TableChange, ...]] = Fact(
        (TableChange(MemRange(256 * MIB, 512 * MIB), RAM, RESERVED, 9),), "log"
    )
    tree, assumed = resources_of(machine(MemoryFacts(firmware=TABLE, changes=change), "mem=512M"))
    assert "changed by mem= and memmap=" in assumed[0]
    assert tree.ram() == RangeSet((MemRange(0x1000, 0xA0000), MemRange(MIB, 256 * MIB)))


@pytest.mark.parametrize(("kind", "words"), [("log", "early memory node ranges"), ("described", "as described")])
def test_ranges_are_ram(kind: str, words: str) -> None:
    """Of a log and of a description."""
    tree, assumed = resources_of(machine(MemoryFacts(ranges=RANGES), kind=kind))
    assert tree.ram() == RangeSet((MemRange(MIB, 128 * MIB),))
    assert words in assumed[0]


def test_memblock_is_the_last_resort() -> None:
    """What it calls memory is RAM."""
    blocks: Fact[tuple[MemblockEntry, ...]] = Fact((MemblockEntry(MemRange(MIB, 64 * MIB)),), "memory")
    tree, assumed = resources_of(machine(MemoryFacts(memblock=blocks)))
    assert (tree.ram(), assumed) == (RangeSet((MemRange(MIB, 64 * MIB),)), ("RAM is taken from memory",))


def test_regions_that_the_log_announces_are_in_ram() -> None:
    """Rounded ones are said to be so; without a line, none is assumed where one was asked for."""
    region = LoggedRegion(512 * MIB, 128 * MIB, "main", exact=True, line=7)
    tree, assumed = resources_of(machine(MemoryFacts(firmware=TABLE), regions=Fact((region,), "log")))
    assert tree.crash_regions() == (MemRange(512 * MIB, 640 * MIB),)
    assert len(assumed) == 1
    rounded = LoggedRegion(512 * MIB, 128 * MIB, "main", exact=False, line=7)
    _, assumed = resources_of(machine(MemoryFacts(firmware=TABLE), regions=Fact((rounded,), "log")))
    assert "whole MiB" in assumed[1]
    _, assumed = resources_of(machine(MemoryFacts(firmware=TABLE), "crashkernel=256M"))
    assert "it is assumed that none is" in assumed[1]
    failed = Fact("cannot allocate", "log")
    _, assumed = resources_of(machine(MemoryFacts(firmware=TABLE), "crashkernel=256M", failed=failed))
    assert len(assumed) == 1


def test_damage_is_an_error_where_nothing_better_is_shown() -> None:
    """Masked addresses stay masked, whatever else is shown."""
    masked = Problem("memory.resources", "iomem: hidden", "masked", "read it as root")
    with pytest.raises(MaskedAddressesError) as caught:
        resources_of(machine(MemoryFacts(firmware=TABLE), "", masked))
    assert (caught.value.exit_code, caught.value.remedy) == (77, "read it as root")
    cut = Problem("memory.ranges", "the log ends inside")
    with pytest.raises(InputError, match="ends inside"):
        resources_of(machine(MemoryFacts(ranges=RANGES), "", cut))
    assert resources_of(machine(MemoryFacts(firmware=TABLE, ranges=RANGES), "", cut))[0].ram()
    with pytest.raises(InputError, match="line 3"):
        resources_of(machine(MemoryFacts(ranges=RANGES), "", Problem("memory.firmware", "line 3")))


@pytest.mark.parametrize(("kind", "words"), [("log", "no memory map in it"), ("live", "/proc/iomem: no such file")])
def test_without_memory_there_is_nothing(kind: str, words: str) -> None:
    """And nothing stands for a running machine's own word."""
    with pytest.raises(UnavailableError, match=words):
        resources_of(machine(MemoryFacts(), kind=kind))
    if kind == "live":
        with pytest.raises(UnavailableError, match=words):
            resources_of(machine(MemoryFacts(firmware=TABLE), kind=kind))


def tree_with(*spans: tuple[int, int]) -> ResourceTree:
    """Return the resources of a log that announces regions of (start, size)."""
    regions = tuple(LoggedRegion(start, size, "main", exact=True, line=7) for start, size in spans)
    return resources_of(machine(MemoryFacts(ranges=RANGES), regions=Fact(regions, "log")))[0]


def test_where_regions_stand_among_resources() -> None:
    """Inside of the RAM that has all of it, by address; else beside it; one without a byte is none."""
    tree = tree_with((100 * MIB, MIB), (2 * MIB, MIB), (4 * MIB, 0), (256 * MIB, MIB), (127 * MIB, 2 * MIB))
    ram, *others = tree.roots
    assert [(r.range.start // MIB, r.name) for r in ram.children] == [(2, "Crash kernel"), (100, "Crash kernel")]
    assert [(r.range.start // MIB, r.name) for r in others] == [(127, "Crash kernel"), (256, "Crash kernel")]


@pytest.mark.parametrize(("start", "size"), [((1 << 64) - MIB, 2 * MIB), ((1 << 64) - MIB, MIB)])
def test_a_region_ends_where_addresses_end(start: int, size: int) -> None:
    """Whatever a log says."""
    assert tree_with((start, size)).roots[-1].range == MemRange((1 << 64) - MIB, 1 << 64)


def test_a_line_that_is_rounded_is_said_for_all_regions() -> None:
    """One of two is enough."""
    two = tuple(LoggedRegion(n * MIB, MIB, "main", exact=n == 2, line=n) for n in (2, 4))
    _, assumed = resources_of(machine(MemoryFacts(ranges=RANGES), regions=Fact(two, "log")))
    assert any("whole MiB" in text for text in assumed)
