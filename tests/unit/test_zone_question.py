"""From a machine to a question about its zones: each fact that zones depend on, and each sentence that is said.

About kexeckit.kernel.zones.from_machine, kexeckit.kernel.zones.machine, kexeckit.kernel.boot.affinities.
"""

from dataclasses import replace
from typing import Any

import pytest

from kexeckit.errors import InputError, KexeckitError, UnavailableError
from kexeckit.formats.bootlog.memory import NodeRange
from kexeckit.formats.bootlog.zones import PrintedZone
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.srat import MemoryAffinity, Srat
from kexeckit.kernel.behaviour.nodes import ANY_AMOUNT, NodeRules
from kexeckit.kernel.boot.affinities import affinities_at_boot, node_rules_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.from_machine import ZoneQuestion, zone_question
from kexeckit.kernel.zones.limits import ArchFacts, ZoneLimit
from kexeckit.kernel.zones.machine import Reason, ZoneMachine, region_pages
from kexeckit.kernel.zones.movable import movable_zone_of
from kexeckit.machine.fact import Fact, Problem
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import KernelFacts, Machine, MemoryFacts, NodeFacts
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB, GIB = 1 << 20, 1 << 30
Hot = tuple[int, int, int, bool]


def fact(value: Any) -> Any:
    """Return a fact of no matter what source."""
    return Fact(value, "source")


def machine(arch: str = "x86_64", release: str = "6.12", nodes: tuple[Hot, ...] = (), **parts: Any) -> Machine:
    """Return a machine of 4 GiB from 1 MiB on; nodes are (number, start, end, hot-pluggable) in GiB."""
    claims = tuple(MemoryAffinity(n, MemRange(s * GIB, e * GIB), hotplug=hot) for n, s, e, hot in nodes)
    listed = Srat(claims, tuple(sorted({c.nid for c in claims})))
    known = Machine(
        "source",
        "log",
        kernel=KernelFacts(arch=fact(arch), release=fact(release), cmdline=fact("quiet")),
        memory=LISTED if nodes else MemoryFacts(ranges=fact((NodeRange(0, MemRange(MIB, 4 * GIB), 1),))),
        nodes=NodeFacts(srat=fact(listed) if nodes else None),
    )
    return replace(known, **parts)


LISTED = MemoryFacts(resources=fact(parse_iomem("00001000-ffffffff : System RAM\n")))


def said(question: ZoneQuestion) -> list[str]:
    """Return the reasons."""
    return [r.text for r in question.machine.unknown]


@pytest.mark.parametrize(("arch", "size"), [("x86_64", 4096), ("arm64", 4096), ("riscv64", 4096), ("ppc64", 65536)])
def test_the_size_of_a_page_that_nothing_shows(arch: str, size: int) -> None:
    """ppc64's usual one is 64 KiB; what a source shows counts more."""
    assert zone_question(machine(arch)).machine.page_size == size
    kernel = KernelFacts(arch=fact(arch), release=fact("6.12"), page_size=fact(16384))
    assert zone_question(machine(arch, kernel=kernel)).machine.page_size == 16384


@pytest.mark.parametrize(
    ("about", "counts"),
    [
        ("memory.ranges", True),
        ("nodes.srat", True),
        ("nodes.blocks", True),
        ("efi.map", True),
        ("efi.runtime", True),
        ("log", True),
        ("memory.reserved", False),
        ("cpus.possible", False),
        ("handover.efi", False),
    ],
)
def test_problems_that_zones_depend_on_are_said(about: str, *, counts: bool) -> None:
    """Under the name of what the damaged part would have shown."""
    found = zone_question(machine(problems=(Problem(about, "it is damaged"),)))
    expected = [Reason(about.partition(".")[2], "it is damaged")] if counts else []
    assert [r for r in found.machine.unknown if r.text == "it is damaged"] == expected


def test_notes_of_the_reading_are_said() -> None:
    """As they are."""
    found = zone_question(machine(notes=("read with care",), assumed=("something",)))
    assert Reason("source", "read with care") in found.machine.unknown
    assert "something" in found.assumed


@pytest.mark.parametrize(
    ("problems", "error", "match"),
    [
        ((), UnavailableError, "source: no memory map in it"),
        ((Problem("memory.resources", "hidden", "masked"),), KexeckitError, "hidden"),
        ((Problem("log", "damaged"),), InputError, "damaged"),
        ((Problem("log", "log"), Problem("memory.resources", "resources")), InputError, "resources"),
        ((Problem("memory.resources", "resources"), Problem("memory.firmware", "firmware")), InputError, "firmware"),
        ((Problem("nodes.srat", "srat"),), UnavailableError, "no memory map"),
    ],
)
def test_without_memory_there_is_no_question(problems: tuple[Problem, ...], error: Any, match: str) -> None:
    """What hides it is the error, the firmware's table first; with nothing hidden there is a remedy."""
    with pytest.raises(error, match=match):
        zone_question(machine(memory=MemoryFacts(), problems=problems))


TWO = ((0, 0, 2, False), (1, 2, 4, True))
CLEARED = [(0, False), (1, False)]
KEPT = [(0, False), (1, True)]


def marks(found: ZoneQuestion) -> list[tuple[int | None, bool]]:
    """Return node and hot-plug mark of each region."""
    return [(r.node, r.hotplug) for r in found.machine.regions]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ((), KEPT),
        ((Taken(MemRange(3 * GIB, 3 * GIB + 1), Taker.ACPI_TABLE, "ACPI"),), CLEARED),
        ((Taken(MemRange(3 * GIB, 3 * GIB + 1), Taker.INITRD, "initrd"),), CLEARED),
        # The kernel moved it there after nodes were set up.
        ((Taken(MemRange(3 * GIB, 4 * GIB), Taker.INITRD, "initrd", loaded=MemRange(GIB, 2 * GIB)),), KEPT),
        ((Taken(MemRange(GIB, 2 * GIB), Taker.INITRD, "initrd", loaded=MemRange(2 * GIB, 3 * GIB)),), CLEARED),
        ((Taken(MemRange(3 * GIB, 4 * GIB), Taker.NODE_DATA, "NODE_DATA(1)"),), KEPT),
        ((Taken(MemRange(2 * GIB - 1, 2 * GIB), Taker.INITRD, "initrd"),), KEPT),
        ((Taken(MemRange(2 * GIB - 1, 2 * GIB + 1), Taker.INITRD, "initrd"),), CLEARED),
    ],
)
def test_what_lies_on_a_node_takes_its_mark(held: tuple[Taken, ...], expected: list[tuple[int, bool]]) -> None:
    """ACPI tables and the initrd, where the boot loader put it; not what the kernel places itself."""
    assert marks(zone_question(machine(nodes=TWO, taken=fact(held)))) == expected


@pytest.mark.parametrize(
    ("initrd", "expected"), [(None, KEPT), (MemRange(GIB, 2 * GIB), KEPT), (MemRange(3 * GIB, 4 * GIB), CLEARED)]
)
def test_the_initrd_of_boot_parameters_counts_too(initrd: MemRange | None, expected: list[tuple[int, bool]]) -> None:
    """None in the value means that there is none."""
    known = machine(nodes=TWO)
    known = replace(known, boot=replace(known.boot, initrd=fact(initrd)))
    assert marks(zone_question(known)) == expected


def test_the_first_mib_is_always_held() -> None:
    """So a node that has some of it keeps no mark."""
    assert marks(zone_question(machine(nodes=((0, 0, 2, True), (1, 2, 4, True))))) == KEPT


@pytest.mark.parametrize(("release", "expected"), [("6.11", KEPT), ("6.12", CLEARED)])
def test_kernels_that_keep_marks(release: str, expected: list[tuple[int, bool]]) -> None:
    """arm64 cleared none before 6.12."""
    held = fact((Taken(MemRange(3 * GIB, 4 * GIB), Taker.INITRD, "initrd"),))
    assert marks(zone_question(machine("arm64", release, TWO, taken=held))) == expected


@pytest.mark.parametrize(
    ("words", "nodes", "expected"),
    [
        ([], NodeFacts(), ()),
        ([], NodeFacts(memoryless=fact((3, 2))), (2, 3)),
        (["numa=off"], NodeFacts(memoryless=fact((3, 2))), ()),
        ([], NodeFacts(srat=fact(Srat((), (0, 5)))), (5,)),
        ([], NodeFacts(blocks=fact(Srat((), (0, 6)))), (6,)),
        ([], NodeFacts(srat=fact(Srat((), (0, 5))), blocks=fact(Srat((), (0, 6)))), (5,)),
        ([], NodeFacts(srat=fact(Srat((), (0, 5))), refused=fact(value=True)), ()),
        ([], NodeFacts(srat=fact(Srat((), (0, 5))), refused=fact(value=True), memoryless=fact((1,))), (1,)),
    ],
)
def test_nodes_without_memory(words: list[str], nodes: NodeFacts, expected: tuple[int, ...]) -> None:
    """Those that the kernel names, and those of a table that it uses; none with NUMA switched off."""
    assert zone_question(replace(machine(), nodes=nodes), words).machine.memoryless == expected


@pytest.mark.parametrize(
    ("zones", "arch", "expected"),
    [
        ((PrintedZone("HighMem", 0, 0),), "riscv64", "32-bit"),
        ((PrintedZone("HighMem", 0, 0),), "i386", "i386"),
        ((PrintedZone("Normal", 0, GIB),), "riscv64", "riscv64"),
        ((), "riscv64", "riscv64"),
    ],
)
def test_a_zone_of_32_bit_kernels(zones: tuple[PrintedZone, ...], arch: str, expected: str) -> None:
    """HighMem shows that a kernel is a 32-bit relative of what it seems to be."""
    known = machine(arch)
    found = zone_question(replace(known, observed=replace(known.observed, zones=fact(zones))))
    assert found.machine.facts.arch == expected


@pytest.mark.parametrize(
    ("arch", "dma", "expected", "assumed"),
    [
        ("x86_64", None, None, True),
        ("i386", None, None, True),
        ("x86_64", False, False, False),
        ("x86_64", True, True, False),
        ("arm64", None, None, False),
    ],
)
def test_whether_there_is_a_zone_dma(arch: str, *, dma: bool | None, expected: bool | None, assumed: bool) -> None:
    """Assumed on x86, and said."""
    kernel = KernelFacts(arch=fact(arch), release=fact("6.12"), zone_dma=None if dma is None else fact(dma))
    found = zone_question(machine(arch, kernel=kernel))
    assert found.machine.facts.zone_dma is expected
    assert ("no source shows whether the kernel has ZONE_DMA: it is assumed" in found.assumed) is assumed


def test_ends_of_memory() -> None:
    """The lowest and the highest address; the top is x86's own, elsewhere memory's end."""
    facts = zone_question(machine()).machine.facts
    assert (facts.start, facts.end, facts.top, facts.low_end, facts.dma_limit) == (MIB, 4 * GIB, 4 * GIB, None, None)
    known = machine("i386")
    low = zone_question(replace(known, boot=replace(known.boot, low_ram_end=fact(GIB)))).machine.facts
    assert low.low_end == GIB
    wide = machine("arm64")
    limited = zone_question(replace(wide, memory=replace(wide.memory, dma_limit=fact(GIB - 1)))).machine.facts
    assert limited.dma_limit == GIB - 1


@pytest.mark.parametrize(("words", "kdump"), [([], False), (["elfcorehdr=1M"], True)])
def test_a_kernel_that_runs_after_a_crash(words: list[str], *, kdump: bool) -> None:
    """It is told where the headers of old memory are."""
    assert zone_question(machine(), words).machine.kdump is kdump


@pytest.mark.parametrize(
    ("nodes", "memory", "assumed"),
    [
        (NodeFacts(), machine().memory, False),
        (NodeFacts(), LISTED, True),
        (NodeFacts(refused=fact(value=True)), LISTED, False),
        (NodeFacts(blocks=fact(Srat((), (0,)))), LISTED, False),
        (NodeFacts(srat=fact(Srat((), (0,)))), LISTED, False),
    ],
)
def test_nodes_that_no_source_shows(nodes: NodeFacts, memory: MemoryFacts, *, assumed: bool) -> None:
    """Printed ranges, a table, blocks or a refusal show them."""
    found = zone_question(replace(machine(), nodes=nodes, memory=memory))
    assert ("no source shows nodes: all memory is taken for node 0" in found.assumed) is assumed


def test_a_region_on_no_node_is_in_no_zone() -> None:
    """It belongs to none of the nodes."""
    regions = (Region(MemRange(MIB, GIB), None), Region(MemRange(GIB, 2 * GIB), 0))
    made = ZoneMachine(ArchFacts("x86_64", MIB, 2 * GIB, 2 * GIB), regions)
    assert {nid: pages.total for nid, pages in made.node_pages().items()} == {0: GIB // 4096}


def test_a_machine_has_regions_in_order() -> None:
    """At least one; a page that two regions share is too much, one that they touch at is not."""
    facts = ArchFacts("x86_64", MIB, 2 * GIB, 2 * GIB)
    low, high = Region(MemRange(MIB, GIB), 0), Region(MemRange(GIB, 2 * GIB), 0)
    assert ZoneMachine(facts, (low, high)).has_mirror is False
    for regions in ((), (high, low), (low, Region(MemRange(GIB - 1, 2 * GIB), 0))):
        with pytest.raises(ValueError, match="region"):
            ZoneMachine(facts, regions)


def test_the_zone_that_movable_takes_its_pages_from() -> None:
    """The highest that is not empty; where all are, the highest."""
    low, high, none = ZoneLimit("DMA", 1, 5), ZoneLimit("DMA32", 5, 9), ZoneLimit("Normal", 9, 9)
    assert movable_zone_of((low, high, none)) == high
    assert movable_zone_of((ZoneLimit("DMA", 9, 9), none)) == none


FIRMWARE = ((0, 0, 1, True), (1, 1, 3, True), (0, 3, 4, False))


def stretches(*printed: tuple[int, int, int]) -> list[tuple[int, int, int, bool]]:
    """Return the affinities that printed ranges of (node, start, end) in MiB make beside the firmware's."""
    known = machine(nodes=FIRMWARE)
    ranges = tuple(NodeRange(n, MemRange(s * MIB, e * MIB), 1) for n, s, e in printed)
    memory = RangeSet(r.range for r in ranges)
    known = replace(known, memory=MemoryFacts(ranges=fact(ranges)))
    found = affinities_at_boot(known, memory, "", NodeRules())
    return [(a.nid, a.range.start // MIB, a.range.end // MIB, a.hotplug) for a in found]


END = (1 << 64) // MIB


def test_printed_ranges_that_agree_with_the_firmware() -> None:
    """The firmware's table counts then."""
    assert stretches((0, 1, 900), (1, 1024, 2000)) == [
        (0, 0, 1024, True),
        (1, 1024, 3072, True),
        (0, 3072, 4096, False),
    ]


def test_printed_ranges_that_do_not() -> None:
    """Each stretch of a node reaches to the next one; it is marked where all of it is."""
    found = stretches((7, 1, 100), (7, 200, 900), (8, 1024, 2000), (7, 3000, 3100))
    assert found == [(7, 0, 1024, True), (8, 1024, 3000, True), (7, 3000, END, False)]
    assert stretches((9, 2, 4000)) == [(9, 0, END, False)]
    assert stretches((8, 1024, 2000), (7, 3, 5)) == [(7, 0, 1024, True), (8, 1024, END, True)]


def test_a_range_that_is_printed_twice() -> None:
    """Once for each of two nodes: one of them has nothing."""
    assert stretches((7, 1, 100), (8, 1, 100), (9, 200, 300)) == [
        (7, 0, 1, True),
        (8, 1, 200, True),
        (9, 200, END, True),
    ]


def test_nodes_that_are_switched_off() -> None:
    """No affinities at all."""
    assert affinities_at_boot(machine(nodes=FIRMWARE), RangeSet([MemRange(MIB, GIB)]), "numa=off", NodeRules()) == ()


@pytest.mark.parametrize(("start", "end", "pages"), [(4095, 8193, 1), (4096, 8192, 1), (4097, 8191, 0), (1, 8192, 1)])
def test_a_page_that_a_region_holds_in_part_is_left_out(start: int, end: int, pages: int) -> None:
    """At both ends."""
    assert region_pages((Region(MemRange(start, end)),), 4096).total == pages


def test_rules_where_no_table_is_shown() -> None:
    """No amount of memory outside of what is printed is too much."""
    rules = NodeRules()
    assert node_rules_of(machine(nodes=TWO), rules) == rules
    assert node_rules_of(machine(), rules) == replace(rules, slack=ANY_AMOUNT)
