"""Parts of a reservation's input, each seen by itself: tables, limits, areas, nodes' data, what was reserved later.

About kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.from_machine, kexeckit.kernel.reservation.ends,
kexeckit.kernel.reservation.boot_services, kexeckit.kernel.reservation.elsewhere.
"""

from dataclasses import replace

import pytest

from answers import Asking
from bootlogs import GIB, MIB, arm64_log, booted_with, pc_table, x86_log
from kexeckit.formats.bootlog.zones import PrintedZone
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.boot.direct_map import DirectMap
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.reservation.boot_services import without_assumed
from kexeckit.kernel.reservation.early import early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.machine.fact import Fact
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile
from readings import facts_of_log


def machine(text: str) -> Machine:
    """Return what a boot log shows."""
    return read_machine(FileRoot(SingleFile("log", text.encode())))


def zone(name: str, start: int, end: int) -> PrintedZone:
    """Return a zone's limits as a log prints them."""
    return PrintedZone(name, start, end)


def test_tables_of_the_direct_mapping_are_taken() -> None:
    """Where the buffer behind the kernel is used up; none where nothing tells how, or memblock shows all."""
    facts = replace(
        facts_of_log(x86_log(pc_table(5 * GIB), version="6.12.0")),
        direct_map=DirectMap(gigabyte=False, five_levels=False, buffer=1, trampoline=0),
    )
    shown = Held(MemRange(0x7000, 0x8000), Taker.MEMBLOCK, "memblock", "log")

    def tables(found: ReservationInput) -> int:
        return sum(h.range.size for h in early_memory(found).held if h.by is Taker.PAGE_TABLES)

    assert tables(facts) > 0
    assert tables(replace(facts, direct_map=None)) == 0
    assert tables(replace(facts, held=(*facts.held, shown))) == 0


@pytest.mark.parametrize(
    ("version", "zones", "limit"),
    [
        ("6.1.0", (("DMA", 0x40000000, 0x80000000), ("DMA32", 0x80000000, 0x100000000)), 0x80000000),
        ("6.1.0", (("DMA", 0x40000000, 0x40000000), ("DMA32", 0x80000000, 0x100000000)), 0x100000000),
        ("5.9.0", (("DMA", 0x40000000, 0x80000000), ("DMA32", 0x80000000, 0x100000000)), 0x100000000),
        ("5.9.0", (("DMA", 0x40000000, 0x80000000), ("DMA32", 0x80000000, 0x80000000)), 0x80000000),
    ],
)
def test_the_limit_of_arm64_is_its_lowest_zone(
    version: str, zones: tuple[tuple[str, int, int], ...], limit: int
) -> None:
    """Of those that have memory; before 5.10 its highest."""
    found = machine(arm64_log(version, (0, GIB, 5 * GIB)))
    shown = Fact(tuple(zone(*z) for z in zones), "log")
    found = replace(found, observed=replace(found.observed, zones=shown))
    assert reservation_input(found, ("crashkernel=256M",)).limits.dma_limit == limit


@pytest.mark.parametrize(("option", "each"), [("CONFIG_CMA_SIZE_PERNUMA", True), ("CONFIG_CMA", False)])
def test_the_configuration_tells_whether_nodes_have_areas(option: str, *, each: bool) -> None:
    """It counts more than how many areas the log prints."""
    found = machine(x86_log(pc_table(), version="7.2.0"))
    found = replace(found, kernel=replace(found.kernel, config=Fact(((option, "y"),), "config")))
    assert reservation_input(found).cma_per_node is each


def test_node_data_that_no_line_shows() -> None:
    """Its size is assumed where there is none, whatever else is taken."""
    text = x86_log(pc_table(), version="6.12.0", node_data=[(0x7ECE7000, 0x7ECEB000)])
    assert facts_of_log(text).node_data == 0
    bare = "".join(line for line in text.splitlines(keepends=True) if "NODE_DATA" not in line)
    facts = facts_of_log(bare)
    assert any(h.by is Taker.INITRD for h in facts.held)
    assert facts.node_data == 176 << 10


def test_what_arm64_reserved_later() -> None:
    """What its listing shows as reserved and nothing explains; x86's listing is not asked."""
    listing = "40000000-13fffffff : System RAM\n  40210000-416fffff : Kernel code\n  13f000000-13fffffff : reserved\n"
    log = arm64_log("6.12.0", (0, GIB, 5 * GIB))
    found = machine(log)

    shown = replace(found, memory=replace(found.memory, resources=Fact(parse_iomem(listing, "iomem"), "iomem")))
    assert list(reservation_input(shown).reserved_later) == [MemRange(0x13F000000, 0x13F7FD000)]
    assert not reservation_input(found).reserved_later


def test_what_is_only_assumed_gives_way() -> None:
    """With the assumed memory goes what it bounded, and nothing else."""
    facts = facts_of_log(x86_log(pc_table(), version="6.12.0"))
    span = MemRange(0x60000000, 0x70000000)
    assumed = Held(span, Taker.BOOT_SERVICES, "assumed", "here")
    more = replace(facts, held=(*facts.held, assumed), late=(*facts.late, span))
    assert without_assumed(more) == facts
    assert facts.late
    assert without_assumed(facts) is facts


def test_a_given_address_has_one_candidate_for_none(ask: Asking) -> None:
    """Also where the end of the image is an estimate."""
    text = booted_with(x86_log(version="6.12", cmdline="nokaslr"), "crashkernel=64M@128M")
    found = ask.log(text)
    assert [row["start"] for row in found["candidates"]].count(None) <= 1
    assert {row["start"] for row in found["candidates"]} <= {128 * MIB, None}


@pytest.mark.parametrize(("cmdline", "tables"), [("quiet", False), ("quiet crashkernel=256M", True)])
def test_words_that_make_arm64_map_by_pages(cmdline: str, *, tables: bool) -> None:
    """Up to 6.3 crashkernel= does: tables for all of memory then lie above the data of the highest node."""
    text = arm64_log("6.1.0", (0, GIB, 3 * GIB), tables=False, cmdline="quiet")
    facts = facts_of_log(text, cmdline.split()[1:] or ("mem=2900M",))
    data = next(h for h in early_memory(facts).held if h.by is Taker.NODE_DATA)
    assert (data.range.size > MIB) is tables
