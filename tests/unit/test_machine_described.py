"""Machines that a person described: every key of a description, every word of a line, and what follows from them."""

import pytest

from kexeckit.errors import InputError, UsageError
from kexeckit.formats.bootlog.memory import TableEntry
from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.sources.described import machine_from_words
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.kind import RAM, RESERVED, SOFT_RESERVED, kind_from_e820
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource
from machines import read_text

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
# What a PC's firmware keeps for its tables, and where that begins on a PC of more than 3.5 GiB.
TABLES = 128 * KIB
LOW = 3 * GIB - TABLES
WHOLE = """
arch = "amd64"
kernel = "6.12"
cmdline = "crashkernel=256M nogbpages"
firmware = [["4G", "8G", "ram"], [0, "3G", "ram"], ["3G", "3073M", "soft-reserved"], ["3074M", "3075M", 77]]
held = [["2G", "2049M", "Page Tables"], ["1M", "2M", "initrd"]]
image = ["16M", "48M"]
initrd = ["1G", "1100M"]
crash_kernel = [["4G", "5G"], ["512M", "768M"]]
efi = true
kaslr = false
flags = ["pdpe1gb"]
levels = 5
cpus = 8
distances = [[10, 21], [21, 10]]
[[nodes]]
id = 0
memory = [[0, "3G"]]
[[nodes]]
id = 1
memory = [["4G", "8G"]]
hotpluggable = [["7G", "9G"]]
"""
FLAT = 'firmware = [[0, "4G", "ram"]]\n'


def toml(text: str) -> Machine:
    """Return the machine of a description."""
    return read_text(text, "m.toml")


def words(text: str) -> Machine:
    """Return the machine of a line of words."""
    return machine_from_words(text, "--machine")


def stated(value: object) -> Fact[object]:
    """Return a fact that the description states."""
    return Fact(value, "m.toml", how=How.STATED)


def ram(machine: Machine) -> list[tuple[int, int]]:
    """Return start and end of the memory that a listing of resources would show."""
    assert machine.memory.resources is not None
    return [(r.start, r.end) for r in machine.memory.resources.value.ram()]


def memory_of(machine: Machine, nid: int, *, hotplug: bool | None = None) -> RangeSet:
    """Return a node's memory."""
    assert machine.nodes.srat is not None
    found = machine.nodes.srat.value.memory
    return RangeSet(a.range for a in found if a.nid == nid and hotplug in (None, a.hotplug))


def test_a_description_can_say_everything() -> None:
    """Each key is a fact that is stated."""
    found = toml(WHOLE)
    assert (found.kind, found.arch, found.release, found.cmdline) == (
        *("described", "x86_64", "6.12"),
        "crashkernel=256M nogbpages",
    )
    assert found.boot.efi == stated(value=True)
    assert found.boot.kaslr_off == stated(value=True)
    assert found.boot.image == stated(MemRange(16 * MIB, 48 * MIB))
    assert found.boot.initrd == stated(MemRange(GIB, 1100 * MIB))
    assert found.boot.initrd_size is None
    assert found.cpus.possible == found.cpus.present == stated(8)
    assert found.nodes.distances == stated(((10, 21), (21, 10)))
    assert found.taken == stated(
        (
            Taken(MemRange(MIB, 2 * MIB), Taker.INITRD, "initrd"),
            Taken(MemRange(2 * GIB, 2049 * MIB), Taker.PAGE_TABLES, "page tables"),
        )
    )


def test_the_firmware_says_what_memory_is() -> None:
    """Its entries by address, whatever their order; the nodes say only which of it is where."""
    found = toml(WHOLE)
    assert found.memory.firmware == stated(
        (
            TableEntry(0, 3 * GIB, RAM, 0),
            TableEntry(3 * GIB, 3073 * MIB, SOFT_RESERVED, 0),
            TableEntry(3074 * MIB, 3075 * MIB, kind_from_e820(77), 0),
            TableEntry(4 * GIB, 8 * GIB, RAM, 0),
        )
    )
    assert found.memory.ranges is None
    assert found.nodes.srat is not None
    assert MemoryAffinity(1, MemRange(7 * GIB, 8 * GIB), hotplug=True) in found.nodes.srat.value.memory


def test_a_listing_is_derived() -> None:
    """Memory, and in it the kernel's image and the crash kernel regions; other entries under the kernel's names."""
    tree = toml(WHOLE).memory.resources
    assert tree is not None
    assert tree.how is How.DERIVED
    assert [r.name for r in tree.value.roots] == ["System RAM", "Soft Reserved", "Unknown E820 type", "System RAM"]
    assert tree.value.roots[0].children == (
        Resource(MemRange(16 * MIB, 48 * MIB), "Kernel code"),
        Resource(MemRange(512 * MIB, 768 * MIB), "Crash kernel"),
    )
    assert tree.value.crash_regions() == (MemRange(512 * MIB, 768 * MIB), MemRange(4 * GIB, 5 * GIB))


def test_a_listing_is_derived_from_nodes_too() -> None:
    """Without a firmware map, memory is that of the nodes, joined where they touch; a region may lie on two of them."""
    text = 'crash_kernel = [["1G", "3G"]]\n[[nodes]]\nid = 0\nmemory = [[0, "2G"]]\n'
    found = toml(text + '[[nodes]]\nid = 1\nmemory = [["2G", "4G"]]\n')
    assert ram(found) == [(0, 4 * GIB)]
    assert found.memory.firmware is None
    assert found.memory.ranges is not None
    assert [(r.node, r.range.start) for r in found.memory.ranges.value] == [(0, 0), (1, 2 * GIB)]


def test_a_region_over_two_entries_is_in_both() -> None:
    """The kernel lists such a region whole in neither; each entry has its part."""
    found = toml('firmware = [[0, "2G", "ram"], ["2G", "4G", "ram"]]\ncrash_kernel = [["1G", "3G"]]')
    assert found.memory.resources is not None
    assert found.memory.resources.value.crash_regions() == (MemRange(GIB, 2 * GIB), MemRange(2 * GIB, 3 * GIB))


def test_flags_and_levels_of_the_cpus() -> None:
    """Levels decide on la57 alone; 1 GiB pages need the flag, and a command line that does not refuse them."""
    found = toml(WHOLE)
    assert found.cpus.flags == stated(frozenset({"pdpe1gb", "la57"}))
    assert found.kernel.gbpages == Fact(value=False, source="m.toml", how=How.DERIVED)
    able = toml(FLAT + 'flags = ["pdpe1gb", "la57"]\nlevels = 4')
    assert able.cpus.flags == stated(frozenset({"pdpe1gb"}))
    assert able.kernel.gbpages == Fact(value=True, source="m.toml", how=How.DERIVED)
    assert toml(FLAT).cpus.flags is None
    assert toml(FLAT).kernel.gbpages is None
    assert toml(FLAT + "levels = 4").cpus.flags == stated(frozenset())


def test_an_initrd_may_be_a_size() -> None:
    """Then its place is not known; where nothing is said, there is none."""
    sized = toml(FLAT + 'initrd = "64M"').boot
    assert (sized.initrd, sized.initrd_size) == (None, stated(64 * MIB))
    assert toml(FLAT).boot.initrd == stated(None)


def test_what_is_not_described_is_not_shown() -> None:
    """No key, no fact."""
    found = toml(FLAT)
    shown = (found.boot.efi, found.boot.kaslr_off, found.boot.image, found.cpus.possible, found.taken, found.nodes.srat)
    assert shown == (None,) * 6
    assert found.kernel.arch is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('firmware = [[0, "4G", "rom"]]', "'rom' is no kind of memory; expected one of ram, reserved"),
        ('firmware = [[0, "4G", 4294967296]]', "no kind of memory"),
        ('firmware = [[0, "4G", "reserved-kern"]]', "no kind of memory"),
        ('firmware = [[0, "4G"]]', "firmware: [0, '4G']; expected [start, end,"),
        ('firmware = [[0, "4G", "reserved"]]', "no memory"),
        ('firmware = [[0, "4G", "ram"], ["3G", "5G", "reserved"]]', "overlap"),
        ('arch = "arm64"\nfirmware = [[0, "4G", "ram"]]', "firmware is an e820 map, which arm64 has not"),
        (FLAT + 'held = [[0, "1M", "nobody"]]', "'nobody'; expected one of initrd, kernel image"),
        (FLAT + 'held = [[0, "1M", 3]]', "3 is no text"),
        (FLAT + 'image = ["3G", "5G"]', "image is not in memory"),
        (FLAT + 'initrd = ["4G", "5G"]', "initrd is not in memory"),
        (FLAT + "initrd = 0", "initrd = 0"),
        (FLAT + "initrd = true", "True is no address"),
        (FLAT + 'crash_kernel = [["4G", "5G"]]', "crash_kernel [0x100000000, 0x140000000) is not in memory"),
        (FLAT + 'image = ["1G", "2G"]\ninitrd = ["1G", "3G"]', "image and initrd overlap"),
        (FLAT + "efi = 1", "efi is a int"),
        (FLAT + "levels = 3", "levels = 3; expected a number from 4 to 5"),
        (FLAT + "cpus = 0", "cpus = 0"),
        (FLAT + "cpus = true", "cpus = True"),
        (FLAT + "flags = [1]", "1 is no text"),
        (FLAT + "distances = [[10]]", "distances is not a table of 0 rows"),
        (FLAT + "distances = [[256]]", "256"),
        (FLAT + "distances = [10]", "not a list"),
        (FLAT + "dma_limit = 0x10000000000000000", "dma_limit"),
        (FLAT + "[[nodes]]\nid = 1024", "id = 1024"),
        (FLAT + f"cpus = 0x{'f' * 5000}", "cpus = 0xfff"),
        (FLAT + "flags = " + "[" * 5000, "nested too deep"),
        (FLAT + "#" * (1 << 20), "characters; expected a description of at most"),
        (FLAT + f"mirrored = [{'[0, 1],' * 8193}]", "mirrored has 8193 entries; expected at most 8192"),
    ],
)
def test_mistakes_in_a_description_are_named(text: str, problem: str) -> None:
    """Every mistake is an error that names the file and the key."""
    with pytest.raises(InputError) as caught:
        toml(text)
    assert str(caught.value).startswith("m.toml: ")
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_line_of_words() -> None:
    """The first word is the architecture by any name; words with = are the command line."""
    found = words("amd64 node:2 ram:64G crashkernel=512M,high kernel:6.12 memmap=1M!4G efi kaslr:off cpus:8 initrd:64M")
    assert (found.arch, found.release, found.cmdline) == ("x86_64", "6.12", "crashkernel=512M,high memmap=1M!4G")
    assert found.boot.efi is not None
    assert found.boot.efi.value
    assert found.boot.kaslr_off is not None
    assert found.boot.kaslr_off.value
    assert found.boot.initrd_size is not None
    assert found.boot.initrd_size.value == 64 * MIB
    assert found.cpus.present is not None
    assert found.cpus.present.value == 8
    assert found.efi.mirror_whole is not None
    assert found.efi.mirror_whole.value
    quiet = words("arm64 ram:1G efi:no kaslr:on page:64K").boot
    assert (quiet.efi, quiet.kaslr_off) == (
        Fact(value=False, source="--machine", how=How.STATED),
        Fact(value=False, source="--machine", how=How.STATED),
    )
    assert words("x86_64 ram:1G efi:no kaslr:on page:4K a=b -- nokaslr node:3").cmdline == "a=b nokaslr node:3"


def test_a_machine_in_words_has_the_map_of_a_pc() -> None:
    """The lowest MiB as the BIOS leaves it; RAM that is described is all there, but for what lies there."""
    found = words("x86_64 ram:8G")
    assert found.memory.firmware is not None
    assert [(e.start, e.end, e.kind) for e in found.memory.firmware.value] == [
        (0, 639 * KIB, RAM),
        (639 * KIB, 640 * KIB, RESERVED),
        (960 * KIB, MIB, RESERVED),
        (MIB, LOW, RAM),
        (LOW, 3 * GIB, RESERVED),
        (4 * GIB, 9 * GIB, RAM),
    ]
    places = "[0x00000000, 0xc0000000), [0x100000000, 0x240000000)"
    assert found.assumed == (
        f"8 GiB of RAM at {places}, where QEMU puts the RAM of x86_64",
        "no initrd is loaded",
        "firmware keeps what SeaBIOS keeps of the RAM of a PC",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x86_64 ram:2M", [(MIB, 2 * MIB - TABLES)]),
        ("x86_64 ram:1M", []),
        ("x86_64 ram:3583M", [(MIB, 3583 * MIB - TABLES)]),
        ("x86_64 ram:3584M", [(MIB, LOW), (4 * GIB, 4 * GIB + 512 * MIB)]),
        ("x86_64 ram:4G hole:none", [(MIB, 4 * GIB - TABLES)]),
        ("x86_64 ram:4G hole:2G-4G", [(MIB, 2 * GIB - TABLES), (4 * GIB, 6 * GIB)]),
        ("x86_64 ram:4G hole:2G-4G hole:1G-2G", [(MIB, GIB - TABLES), (4 * GIB, 7 * GIB)]),
        ("aarch64 ram:4G", [(GIB, 5 * GIB)]),
        ("aarch64 ram:4G hole:none", [(0, 4 * GIB)]),
        ("riscv64 ram:1G", [(2 * GIB, 3 * GIB)]),
        ("loong64 ram:1G", [(0, 256 * MIB), (2 * GIB, 2 * GIB + 768 * MIB)]),
        ("s390x ram:4096T", [(0, 4096 * TIB)]),
    ],
)
def test_where_memory_is(text: str, expected: list[tuple[int, int]]) -> None:
    """Where QEMU puts it, or around the holes that are given, which is then no assumption."""
    found = words(text)
    assert [pair for pair in ram(found) if pair[1] != 639 * KIB] == expected
    assert any("QEMU" in note for note in found.assumed) == ("hole" not in text)


@pytest.mark.parametrize(
    ("text", "outcome", "start"),
    [
        ("x86_64 ram:64G crashkernel=512M kernel:6.12", "reserved", 0x9F000000),
        ("x86_64 ram:1G crashkernel=512M kernel:6.12", "reserved", None),
        ("x86_64 ram:1G crashkernel=512M kaslr:off kernel:6.12", "reserved", 0x1F000000),
    ],
)
def test_nobody_knows_where_the_kernel_of_a_described_machine_will_lie(
    text: str, outcome: str, start: int | None
) -> None:
    """KASLR puts it anywhere: on a small machine it is likely in the way, unless it is switched off."""
    found = predict_reservation(reservation_input(words(text)))
    assert (found.outcome, [r.start for r in found.regions]) == (outcome, [start])
    assert any(d.what == "kernel" for d in found.doubts) == ("kaslr:off" not in text)


def test_memory_is_split_between_nodes() -> None:
    """Evenly, by address, in whole MiB; what is left over is the last node's."""
    found = words("arm64 ram:4097M node:4")
    assert [memory_of(found, n).size // MIB for n in range(4)] == [1024, 1024, 1024, 1025]
    assert memory_of(found, 0) == RangeSet((MemRange(GIB, 2 * GIB),))
    assert "RAM is split evenly between 4 nodes, by address" in found.assumed
    low, high = (memory_of(words("x86_64 ram:8G node:2"), n) for n in range(2))
    assert [r.end for r in low] == [639 * KIB, LOW, 5 * GIB]
    assert list(high) == [MemRange(5 * GIB, 9 * GIB)]


def test_mirrored_and_removable_memory() -> None:
    """The lowest bytes of each node, and the highest ones."""
    found = words("arm64 ram:8G node:2 mirror:1G hotplug:2G")
    assert found.efi.mirrored is not None
    assert list(found.efi.mirrored.value) == [MemRange(GIB, 2 * GIB), MemRange(5 * GIB, 6 * GIB)]
    assert list(memory_of(found, 0, hotplug=True)) == [MemRange(3 * GIB, 5 * GIB)]
    assert list(memory_of(found, 1, hotplug=True)) == [MemRange(7 * GIB, 9 * GIB)]
    whole = words("arm64 ram:2G hotplug:2G mirror:2G")
    assert not memory_of(whole, 0, hotplug=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--machine describes no machine; expected words such as"),
        ("  ", "describes no machine"),
        ("x87 ram:1G", "'x87' is no architecture"),
        ("ram:1G", "'ram:1G' is no architecture"),
        ("x86_64", "do not say how much RAM it has: expected a size"),
        ("x86_64 ram:64", "cannot understand 'ram:64': ram is followed by a size in whole MiB"),
        ("x86_64 ram:0", "'ram:0'"),
        ("x86_64 ram:-1G", "'ram:-1G'"),
        ("x86_64 ram:4097T", "'ram:4097T'"),
        ("x86_64 ram:" + "9" * 9000, "..."),
        ("x86_64 ram:1G ram:1G", "'ram:1G': ram is described twice"),
        ("x86_64 ram", "cannot understand 'ram': ram is followed by a size"),
        ("x86_64 ram:1G foo", "cannot understand 'foo': expected a word of the command line with =, or one of ram:"),
        ("x86_64 ram:1G foo:1", "cannot understand 'foo:1'"),
        ("x86_64 ram:1G node:0", "node is followed by a number from 1 to 1024"),
        ("x86_64 ram:2G node:1025", "'node:1025'"),
        ("x86_64 ram:1G node:\u0662", "'node:\\u0662'"),
        ("x86_64 ram:1M node:2", "too little for 2 nodes"),
        ("x86_64 ram:1G hole:3G", "'hole:3G': hole is followed by START-END"),
        ("x86_64 ram:1G hole:4G-3G", "'hole:4G-3G'"),
        ("x86_64 ram:1G hole:1-3G", "'hole:1-3G'"),
        ("x86_64 ram:1G hole:1G-16E", "'hole:1G-16E'"),
        ("x86_64 ram:1G hole:none hole:3G-4G", "hole:none stands beside another hole"),
        ("x86_64 ram:2G node:2 mirror:1025M", "mirror:1025M is more than the 1 GiB of a node"),
        ("x86_64 ram:2G node:2 hotplug:2G", "hotplug:2G is more than the 1 GiB of a node"),
        ("x86_64 ram:2G kernel:new", "kernel is followed by a release"),
        ("x86_64 ram:2G efi:perhaps", "'efi:perhaps'"),
        ("x86_64 ram:2G kaslr", "'kaslr'"),
        ("x86_64 ram:2G levels:6", "levels is followed by 4 or 5"),
        ("x86_64 ram:2G page:5K", "page is followed by 4096"),
        ("x86_64 ram:2G cpus:1048577", "'cpus:1048577'"),
    ],
)
def test_mistakes_in_words_are_named(text: str, said: str) -> None:
    """Each error names the word, and what may follow it."""
    with pytest.raises(UsageError) as caught:
        words(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500
