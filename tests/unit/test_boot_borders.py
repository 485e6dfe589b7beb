"""Borders of zones, nodes and the direct mapping that few machines meet.

About kexeckit.kernel.zones.limits, kexeckit.kernel.zones.movable, kexeckit.kernel.zones.from_machine,
kexeckit.kernel.boot.direct_map, kexeckit.kernel.boot.affinities, kexeckit.kernel.boot.memory.
"""

import pytest

import bootlogs
from kexeckit.kernel.behaviour.nodes import NodeRules
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.affinities import affinities_at_boot
from kexeckit.kernel.boot.direct_map import DirectMap, direct_map_pages
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.boot.memory import BootMemory, limited, memory_at_boot
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.kernel.zones.from_machine import ZoneQuestion, zone_question
from kexeckit.kernel.zones.limits import ArchFacts, zone_limits
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.movable import UNMIRRORED, spread
from kexeckit.kernel.zones.parameters import parse_zone_parameters
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.fact import Fact
from kexeckit.machine.merge import merge, stated
from kexeckit.machine.sources.described import machine_from_words
from kexeckit.machine.value import KernelFacts, Machine
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.pages import PageIntervals
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import PAGE_SIZE
from machines import read_text
from readings import facts_of_log
from zone_logs import NODES, ZONES, x86_log

MIB, GIB = 1 << 20, 1 << 30
LISTING = "00100000-7fffffff : System RAM\n"


def limits(version: str, facts: ArchFacts) -> dict[str, tuple[int, int]]:
    """Return zones that are not empty, in bytes."""
    found = zone_limits(facts, zone_behaviour_of(parse_kernel_version(version), arch="arm64"))
    assert found is not None
    return {z.zone: (z.start_pfn * facts.page_size, z.end_pfn * facts.page_size) for z in found if not z.empty}


@pytest.mark.parametrize(
    ("version", "zone_dma", "expected"),
    [
        ("5.4", True, {"DMA32": (8, 12), "Normal": (12, 16)}),
        ("5.10.21", False, {"DMA32": (8, 12), "Normal": (12, 16)}),
        ("6.11", False, {"DMA32": (8, 16)}),
        ("6.11", True, {"DMA": (8, 16)}),
        ("6.12", False, {"Normal": (8, 16)}),
    ],
)
def test_arm64_whose_memory_begins_above_4_gib(
    version: str, *, zone_dma: bool, expected: dict[str, tuple[int, int]]
) -> None:
    """max_zone_phys(): the window of 4 GiB that memory begins in; then all of it; then nothing."""
    found = limits(version, ArchFacts("arm64", 8 * GIB, 16 * GIB, 16 * GIB, zone_dma=zone_dma))
    assert found == {zone: (start * GIB, end * GIB) for zone, (start, end) in expected.items()}


def test_the_first_gib_is_arm64s_first_zone_from_5_5_on() -> None:
    """ARM64_ZONE_DMA_BITS is 30."""
    facts = ArchFacts("arm64", 0, 5 * GIB, 5 * GIB)
    assert limits("5.5", facts) == {"DMA": (0, GIB), "DMA32": (GIB, 4 * GIB), "Normal": (4 * GIB, 5 * GIB)}


def arm64(*zones: tuple[str, int, int], release: str = "6.1.0") -> ZoneQuestion:
    """Return the question about an arm64 machine of 6 GiB that printed these zones, in GiB."""
    lines = [
        f"Linux version {release} (a@b) (gcc) #1 SMP",
        "Booting Linux on physical CPU 0x0000000000 [0x413fd0c1]",
        "Zone ranges:",
        *(f"  {name:8} [mem {start * GIB:#018x}-{end * GIB - 1:#018x}]" for name, start, end in zones),
        "Movable zone start for each node",
        "Early memory node ranges",
        f"  node   0: [mem {0:#018x}-{6 * GIB - 1:#018x}]",
        "Dentry cache hash table entries: 524288 (order: 10, 4194304 bytes, linear)",
    ]
    text = "".join(f"[    0.000000] {line}\n" for line in lines)
    return zone_question(stated(read_text(text), arch="arm64"))


@pytest.mark.parametrize(
    ("zones", "limit"),
    [
        ((("DMA", 0, 1), ("DMA32", 1, 4), ("Normal", 4, 6)), 1),
        ((("DMA", 0, 3), ("DMA32", 3, 4), ("Normal", 4, 6)), 3),
        ((("DMA", 0, 4), ("Normal", 4, 6)), None),
        ((("DMA", 0, 5), ("Normal", 5, 6)), None),
        ((("DMA", 0, 6),), None),
        ((("DMA32", 0, 4), ("Normal", 4, 6)), None),
        ((("DMA", 0, 1), ("Normal", 4, 6)), None),
    ],
)
def test_a_limit_of_firmware_shows_in_the_zones(zones: tuple[tuple[str, int, int], ...], limit: int | None) -> None:
    """Below 4 GiB, and with a zone right behind: what ends at 4 GiB or with memory was limited by no firmware."""
    question = arm64(*zones)
    assert question.machine.facts.dma_limit == (None if limit is None else limit * GIB - 1)
    told = any("comes from firmware tables" in reason.text for reason in question.machine.unknown)
    assert told is (limit is not None)
    assumed = any("whether firmware limits ZONE_DMA" in text for text in question.assumed)
    assert assumed is (zones[0][0] != "DMA")


@pytest.mark.parametrize(
    ("arch", "known"),
    [
        ("x86_64", False),
        ("i386", False),
        ("arm64", False),
        ("riscv64", False),
        ("loongarch64", False),
        ("s390x", True),
        ("ppc64", True),
    ],
)
def test_mirrored_memory_is_efis(arch: str, *, known: bool) -> None:
    """Where a machine may have been booted by EFI, a listing does not tell; elsewhere there is none."""
    question = zone_question(stated(read_text(LISTING, "iomem"), arch=arch, release="6.1"))
    assert question.machine.mirror_known is known


def reasons(question: ZoneQuestion) -> str:
    """Return what is said of the machine as one text."""
    return "\n".join(reason.text for reason in question.machine.unknown)


def test_words_about_nodes_are_answered_or_said() -> None:
    """numa=fake is not predicted; numa=off is."""
    fake = "numa=fake is not predicted"
    machine = read_text(x86_log())
    assert fake in reasons(zone_question(machine, ["numa=fake=4"]))
    assert fake not in reasons(zone_question(machine, ["numa=off"]))
    assert fake not in reasons(zone_question(machine))
    assert len({r.node for r in zone_question(machine).machine.regions}) == 2
    assert {r.node for r in zone_question(machine, ["numa=off"]).machine.regions} == {0}


def test_a_table_that_the_kernel_refuses_is_said() -> None:
    """A table that leaves out a GiB of memory gives one node."""
    refused = "the kernel refuses the affinities"
    holes = x86_log("", ZONES).replace(
        "Node 0 PXM 0 [mem 0x00100000-0xbfffffff]", "Node 0 PXM 0 [mem 0x00100000-0x7fffffff]"
    )
    found = zone_question(read_text(holes))
    assert refused in reasons(found)
    assert {r.node for r in found.machine.regions} == {0}
    assert refused not in reasons(zone_question(read_text(x86_log("", ZONES))))


def test_words_of_the_map_show_in_a_listing() -> None:
    """mem= of the booted kernel cut the listing off; without such a word nothing is said."""
    note = "where mem= and memmap= of the booted kernel show"
    listing = stated(read_text(LISTING, "iomem"), arch="x86_64", release="6.1")
    for words, said in (("mem=2G", True), ("quiet", False)):
        booted = Machine("cmdline", "root", KernelFacts(cmdline=Fact(words, "cmdline")))
        assert (note in reasons(zone_question(merge(listing, booted)))) is said, words


def test_printed_ranges_count_more_than_the_firmwares_nodes() -> None:
    """Each stretch reaches to the next one, the first from 0 and the last to the end; hot-plug marks stay."""
    machine = read_text(x86_log("", ZONES, NODES.replace("node   0:", "node   2:")))
    assert machine.memory.ranges
    memory = RangeSet(n.range for n in machine.memory.ranges.value)
    found = affinities_at_boot(machine, memory, "", NodeRules())
    assert [(a.nid, a.range.start, a.range.end, a.hotplug) for a in found] == [
        (2, 0, 4 * GIB, False),
        (1, 4 * GIB, 1 << 64, True),
    ]


def test_kernel_memory_is_spread_in_equal_shares() -> None:
    """mm/mm_init.c, find_zone_movable_pfns_for_nodes(): a share shrinks only where less than it is left."""
    nodes = {n: PageIntervals(((n * 1000, n * 1000 + 1000),)) for n in range(2)}
    assert spread(100, nodes, 0) == {0: 50, 1: 1050}
    assert spread(101, nodes, 0) == {0: 50, 1: 1050}


def mirrored(version: str, start: int) -> ZonePrediction:
    """Predict kernelcore=mirror with memory that is not mirrored from `start` on."""
    regions = (Region(MemRange(MIB, 3 * GIB), 0), Region(MemRange(start, 5 * GIB), 0))
    machine = ZoneMachine(ArchFacts("x86_64", MIB, 5 * GIB, 5 * GIB), regions)
    words = parse_zone_parameters("kernelcore=mirror")
    return predict_zones(machine, words, zone_behaviour_of(parse_kernel_version(version)))


def test_kernelcore_mirror_without_mirrored_memory() -> None:
    """Up to 6.5 all from 4 GiB on is movable then, and why is said."""
    found = mirrored("6.5", 4 * GIB)
    assert [n.movable_start for n in found.nodes] == [4 * GIB]
    assert UNMIRRORED in found.warnings
    said = "this kernel makes all memory at or above 4 GiB movable then"
    assert any(said in reason.text for reason in found.reasons)
    assert not any(said in reason.text for reason in mirrored("6.6", 4 * GIB).reasons)


@pytest.mark.parametrize(("version", "start"), [("6.10", None), ("6.11", 4 * GIB)])
def test_memory_that_begins_within_the_last_page_below_4_gib(version: str, start: int | None) -> None:
    """Its base is rounded up to a page from 6.11 on; before, it lay below 4 GiB and was left out."""
    regions = (Region(MemRange(MIB, 3 * GIB), 0, mirror=True), Region(MemRange(4 * GIB - 4095, 5 * GIB), 0))
    machine = ZoneMachine(ArchFacts("x86_64", MIB, 5 * GIB, 5 * GIB), regions)
    behaviour = zone_behaviour_of(parse_kernel_version(version))
    found = predict_zones(machine, parse_zone_parameters("kernelcore=mirror"), behaviour)
    assert [n.movable_start for n in found.nodes] == [start]


def memblock(*spans: tuple[int, int]) -> Memblock:
    """Return RAM with the first MiB reserved."""
    return Memblock(tuple(Region(MemRange(s, e)) for s, e in spans), RangeSet((MemRange(0, MIB),)))


def whole(end: int) -> Memblock:
    """Return RAM from the bottom to an end."""
    return memblock((0x1000, 0x9F000), (MIB, end))


@pytest.mark.parametrize(("end", "buffer", "pages"), [(513, 4, 0), (1024, 4, 0), (1025, 4, 1), (1537, 4, 2)])
def test_a_table_of_1_gib_entries_is_for_512_gib(end: int, buffer: int, pages: int) -> None:
    """One such table, and one each for the first GiB and its first 2 MiB, which are not all RAM; then one more each."""
    found = direct_map_pages(whole(end * GIB), DirectMap(gigabyte=True, five_levels=False, buffer=buffer), None)
    assert found.size == pages * PAGE_SIZE


def test_memory_that_ends_where_a_step_begins() -> None:
    """A hole behind it is nothing to map: five tables, one for each GiB, one above and one below."""
    memory = memblock((0x1000, 0x9F000), (MIB, 2560 * MIB), (2688 * MIB, 3 * GIB))
    for buffer, pages in ((5, 0), (4, 1)):
        how = DirectMap(gigabyte=False, five_levels=False, buffer=buffer)
        assert direct_map_pages(memory, how, None).size == pages * PAGE_SIZE


def test_how_far_levels_reach() -> None:
    """46 bits with four levels, 52 with five; beyond, a source is wrong, and so it is without pages of 1 GiB."""
    four, five = (DirectMap(gigabyte=True, five_levels=levels, buffer=0) for levels in (False, True))
    plain = DirectMap(gigabyte=False, five_levels=True, buffer=0)
    small, large = whole(1 << 46), whole((1 << 46) + GIB)
    assert direct_map_pages(small, four, None)
    assert direct_map_pages(large, four, None) == EMPTY
    assert direct_map_pages(large, five, None)
    assert direct_map_pages(large, plain, None) == EMPTY
    assert direct_map_pages(whole((1 << 52) + GIB), five, None) == EMPTY


@pytest.mark.parametrize(("arch", "size"), [("arm64", 2), ("riscv64", 1)])
def test_unmapped_memory_of_arm64(arch: str, size: int) -> None:
    """It is a resource of its own beside System RAM, called reserved; elsewhere that is no memory."""
    listing = f"40000000-7fffffff : System RAM\n{2 * GIB:08x}-{3 * GIB - 1:08x} : reserved\n"
    machine = stated(read_text(listing, "iomem"), arch=arch, release="6.1")
    assert memory_with(machine, "").size == size * GIB


@pytest.mark.parametrize("arch", ["x86_64", "arm64", "riscv64"])
def test_a_machine_that_shows_no_memory(arch: str) -> None:
    """None, with its top at 0 and nothing to say."""
    kernel = KernelFacts(arch=Fact(arch, "source"), release=Fact("6.1", "source"))
    found = Machine("source", "log", kernel)
    assert memory_at_boot(found, "", behaviours_of(found).zones) == BootMemory(EMPTY, 0, "", (), ())
    assert BootMemory() == BootMemory(EMPTY, 0, "", (), ())


@pytest.mark.parametrize(
    ("words", "size"), [("", 3), ("mem=1G", 1), ("mem=1G mem=2G", 2), ("mem=1G mem=0", 3), ("mem", 3)]
)
def test_the_last_limit_counts(words: str, size: int) -> None:
    """And none at all where its size is 0 or where there is no size."""
    memory = RangeSet([MemRange(GIB, 2 * GIB), MemRange(4 * GIB, 6 * GIB)])
    assert limited(memory, words, PAGE_SIZE).size == size * GIB


def memory_with(machine: Machine, cmdline: str) -> RangeSet:
    """Return what is memory under a command line."""
    return memory_at_boot(machine, cmdline, behaviours_of(machine).zones).memory


def test_mem_leaves_the_initrd_of_arm64() -> None:
    """It is added back where the limit cuts it off: arch/arm64/mm/init.c, arm64_memblock_init()."""
    text = 'arch="arm64"\nkernel="6.12"\n{}[[nodes]]\nid=0\nmemory=[["1G","4G"]]\n'
    cut = MemRange(GIB, 2 * GIB)
    initrd = MemRange(3 * GIB, 3100 * MIB)
    assert list(memory_with(read_text(text.format(""), "m.toml"), "mem=1G")) == [cut]
    there = read_text(text.format('initrd=["3G","3100M"]\n'), "m.toml")
    assert list(memory_with(there, "mem=1G")) == [cut, initrd]
    assert list(memory_with(there, "mem=0")) == [MemRange(GIB, 4 * GIB)]


@pytest.mark.parametrize(("page", "end"), [("4K", GIB + 4096), ("64K", GIB)])
def test_mem_is_cut_to_the_kernels_pages(page: str, end: int) -> None:
    """arch/arm64/mm/init.c, early_mem(): the limit is rounded down to PAGE_SIZE, whatever that is."""
    machine = machine_from_words(f"arm64 ram:4G page:{page} kernel:6.12", "words")
    found = memory_with(machine, f"mem={GIB + 4096}")
    assert found.size == end


@pytest.mark.parametrize(("reach", "size"), [("0x100000", 64), ("0x1000000", 128)])
def test_memory_that_a_build_cannot_reach_counts_for_no_rule(reach: str, size: int) -> None:
    """i386 without PAE sees 3 GiB of 8: arch/x86/kernel/e820.c, e820__memblock_setup(), 32-bit addresses."""
    nodes = ((0, 0x1000, 0x9F000), (0, MIB, 0xBFFE0000))
    text = bootlogs.x86_log(bootlogs.pc_table(5 * GIB), version="6.12.0", cmdline="nokaslr", nodes=nodes)
    text = text.replace("max_arch_pfn = 0x400000000", f"max_arch_pfn = {reach}")
    found = predict_reservation(facts_of_log(text, ("crashkernel=2G-5G:64M,5G-:128M",), "i386"))
    assert [r.size for r in found.regions] == [size * MIB]
