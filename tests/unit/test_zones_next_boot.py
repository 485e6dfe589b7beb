"""How sure an answer about zones is, and what of it the next boot draws anew."""

from dataclasses import replace

import pytest

from bootlogs import GIB, MIB, arm64_log
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.behaviours import select_behaviours
from kexeckit.kernel.boot.e820 import E820_RAM, E820_RESERVED, make_table, table_at_boot, with_kernel
from kexeckit.kernel.boot.kernel_range import kernel_range, shown_kernel_range
from kexeckit.kernel.boot.next_boot import Boot
from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.reservation.early import early_memory
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.zones.answer import ZonesAnswer, answer_zones
from kexeckit.kernel.zones.doubt import ALL, MOVABLE, NO_NODES, NODES, ZoneDoubt, assumption
from kexeckit.kernel.zones.observed import compare_zones
from kexeckit.machine.fact import Fact, Problem
from kexeckit.machine.value import Machine
from kexeckit.machine.version import Release
from kexeckit.memory.range import MemRange
from machines import read_text
from zone_logs import NODES as NODE_RANGES
from zone_logs import x86_log

# A kernel that EFI firmware put high, 44 MiB from code to bss.
IMAGE = MemRange(0xA0000000, 0xA2C00000)
IOMEM = """\
00001000-0009efff : System RAM
00100000-bffeffff : System RAM
  a0000000-a0bfffff : Kernel code
  a1000000-a17fffff : Kernel rodata
  a1800000-a1ffffff : Kernel data
  a2400000-a2bfffff : Kernel bss
100000000-13fffffff : System RAM
"""


def machine(
    words: str = "", *, efi: bool = False, iomem: bool = False, version: str = "6.12.9", log: str = ""
) -> Machine:
    """A machine of 4 GiB; its log's KASLR is on unless the words switch it off."""
    found = read_text((log or x86_log(words)).replace("6.12.9", version))
    boot = replace(found.boot, efi=Fact(efi, "a test"))
    memory = replace(found.memory, resources=Fact(parse_iomem(IOMEM, "iomem"), "iomem")) if iomem else found.memory
    return replace(found, boot=boot, memory=memory)


def told(answer: ZonesAnswer) -> str:
    """The doubts that an answer tells."""
    return "\n".join(r.text for r in answer.predicted.reasons if r.about == "doubt")


def pages(answer: ZonesAnswer) -> int:
    """All page frames."""
    return sum(node.pages for node in answer.predicted.nodes)


def test_the_kernel_makes_its_own_memory_ram() -> None:
    """All of it, whatever it was, where any of it is not RAM; and the highest page is the kernel's then."""
    table = make_table([(0, GIB, E820_RAM), (GIB, 2 * GIB, E820_RESERVED)])
    inside = MemRange(MIB, 2 * MIB)
    assert with_kernel(table, inside) == table
    across = MemRange(GIB - MIB, GIB + MIB)
    assert set(with_kernel(table, across)) == {
        (0, GIB - MIB, E820_RAM), (GIB + MIB, 2 * GIB, E820_RESERVED), (across.start, across.end, E820_RAM),
    }  # fmt: skip
    cut = table_at_boot(table, "mem=512M", kernel=MemRange(768 * MIB, 800 * MIB)).table
    assert max(e.end for e in cut if e.type == E820_RAM) == 800 * MIB
    assert max(e.end for e in table_at_boot(table, "mem=512M").table if e.type == E820_RAM) == 512 * MIB


@pytest.mark.parametrize(("version", "brk"), [("4.7", 0x26000), ("5.10", 0x2C000), ("6.1", 0x30000), ("7.2", 0x30000)])
def test_the_brk_area(version: str, brk: int) -> None:
    """64 KiB of slack, 64 KiB for DMI and the first page tables, as /proc/kcore of real kernels shows it."""
    tables = select_behaviours("x86_64", Release(version)).reservation.table_buffer
    assert shown_kernel_range(machine(iomem=True), tables) == MemRange(IMAGE.start, IMAGE.end + brk)
    assert shown_kernel_range(machine(), tables) is None


@pytest.mark.parametrize(
    ("efi", "boot", "start"),
    [
        (False, Boot(next=False, random=True, seen_random=True), IMAGE.start),
        (False, Boot(next=True, random=True, seen_random=True), None),
        (False, Boot(next=True, random=False, seen_random=False), IMAGE.start),
        (False, Boot(next=True, random=False, seen_random=True), 16 * MIB),
        (True, Boot(next=True, random=False, seen_random=True), None),
        (True, Boot(next=True, random=False, seen_random=False), IMAGE.start),
    ],
)
def test_where_the_kernel_is_expected(boot: Boot, start: int | None, *, efi: bool) -> None:
    """Where it was, unless chance placed it or will."""
    found = kernel_range(machine(efi=efi, iomem=True), boot, 12)
    assert (found and found.start) == start


EXACT = "memmap=exactmap", "memmap=632K@4K"


@pytest.mark.parametrize(
    ("seen", "words", "sure"),
    [
        ("", (), "certain"),
        ("", ("movablecore=30%",), "certain"),
        ("", ("mem=8G",), "certain"),
        ("", ("mem=2G",), "certain"),
        ("", ("memmap=256M$1G",), "certain"),
        ("", (*EXACT, "memmap=3G@1M"), "likely"),
        ("", (*EXACT, "memmap=1G@1M"), "open"),
        ("", ("memmap=64M$64M",), "likely"),
        ("nokaslr", ("memmap=64M$64M",), "likely"),
        ("nokaslr", ("memmap=64M$112M",), "certain"),
        ("nokaslr", (*EXACT, "memmap=1G@1M"), "certain"),
    ],
)
def test_bios(seen: str, words: tuple[str, ...], sure: str) -> None:
    """KASLR heeds mem= and most of memmap=; without it the kernel lies at 16 MiB, at most 96 MiB long."""
    assert answer_zones(machine(seen), words).certainty.value == sure


@pytest.mark.parametrize(
    ("version", "seen", "word", "sure"),
    [
        ("5.10.223", "nokaslr", "mem=4608M", "open"),
        ("5.10.223", "nokaslr", "memmap=64M$1G", "likely"),
        ("5.10.223", "", "mem=1G", "likely"),
        ("6.1.80", "", "mem=1G", "likely"),
        ("6.1.81", "", "mem=1G", "open"),
        ("6.1.81", "", "mem=3G", "likely"),
        ("6.1.93", "", "mem=1G", "likely"),
        ("6.8.0", "", "mem=1G", "open"),
        ("6.8.0", "nokaslr", "mem=1G", "likely"),
        ("6.12.9", "", "mem=1G", "likely"),
        ("6.12.9", "", "mem=8G", "certain"),
    ],
)
def test_efi_that_does_not_show_the_kernel(version: str, seen: str, word: str, sure: str) -> None:
    """The stub heeds no words, but may take the lowest place for them; old firmware puts the kernel high."""
    found = answer_zones(machine(seen, efi=True, version=version), (word,))
    assert found.certainty.value == sure
    assert bool(told(found)) == (sure != "certain")
    assert bool(found.predicted.nodes) == bool(found.predicted.limits) == (sure != "open")


def test_efi_puts_the_kernel_where_it_was() -> None:
    """Likely, with the range added; elsewhere without KASLR's help it is not in the answer."""
    known = machine("nokaslr", efi=True, iomem=True, version="5.10.223")
    found = answer_zones(known, ("mem=2G",))
    assert found.certainty.value == "likely"
    assert "[0xa0000000, 0xa2c2c000) is where it was" in told(found)
    alone = answer_zones(machine("nokaslr", version="5.10.223"), ("mem=2G",))
    assert pages(found) - pages(alone) == 0x2C2C000 // 4096
    assert found.predicted.limits[1].end_pfn == 0xA2C2C


def test_before_3_9_no_memory_comes_back() -> None:
    """The kernel died there, or ran on memory that it did not know."""
    found = answer_zones(machine("nokaslr", efi=True, iomem=True, version="3.8.0"), ("mem=2G",))
    assert (found.certainty.value, found.question.machine.facts.end) == ("certain", 2 * GIB)


@pytest.mark.parametrize(
    ("efi", "word", "sure"), [(False, "mem=1G", "likely"), (True, "mem=1G", "open"), (True, "mem=8G", "certain")]
)
def test_arm64_adds_kernel_and_initrd_back(word: str, sure: str, *, efi: bool) -> None:
    """Wherever the boot loader puts them."""
    log = arm64_log("6.12", (0, GIB, 3 * GIB))
    assert answer_zones(machine(log=log, efi=efi), (word,)).certainty.value == sure


HOT_BELOW = x86_log().replace("0x00100000-0xbfffffff]", "0x00100000-0xbfffffff] hotplug")
HOT_LOW = HOT_BELOW.replace("13fffffff] hotplug", "13fffffff]")


@pytest.mark.parametrize(
    ("log", "efi", "version", "words", "sure"),
    [
        ("", False, "6.12.9", ("movable_node",), "certain"),
        ("", False, "5.9.0", ("movable_node",), "likely"),
        ("", False, "5.9.0", ("movable_node", "nokaslr"), "certain"),
        ("", True, "6.12.9", ("movable_node",), "likely"),
        ("", True, "6.12.9", ("kernelcore=1G",), "certain"),
        (HOT_BELOW, False, "6.12.9", ("movable_node",), "likely"),
        (HOT_BELOW, True, "6.12.9", ("movable_node",), "open"),
        (HOT_LOW, False, "6.12.9", ("movable_node",), "likely"),
        (x86_log().replace(" hotplug", ""), True, "6.12.9", ("movable_node",), "certain"),
    ],
)  # fmt: skip
def test_hot_pluggable_nodes(log: str, version: str, words: tuple[str, ...], sure: str, *, efi: bool) -> None:
    """KASLR avoids hot-pluggable memory, boot loaders put an initrd below 4 GiB, EFI puts both anywhere."""
    assert answer_zones(machine(log=log, efi=efi, version=version), words).certainty.value == sure


def test_a_kernel_on_a_hot_pluggable_node() -> None:
    """It keeps its node from being movable, where the source shows that it lies there; node 2 is from 1.5 GiB on."""
    log = x86_log("movable_node nokaslr").replace(
        "RAMDISK: [mem 0xbf000000-0xbffeffff]", "RAMDISK: [mem 0x1000-0x1fff]"
    )
    srat, ranges = "[mem 0x00100000-0xbfffffff]", "[mem 0x0000000000100000-0x00000000bffeffff]"
    more = "\n[    0.000000] ACPI: SRAT: Node 2 PXM 2 [mem 0x60000000-0xbfffffff] hotplug"
    log = log.replace(srat, f"[mem 0x00100000-0x5fffffff]{more}")
    more = "\n[    0.010000]   node   2: [mem 0x0000000060000000-0x00000000bffeffff]"
    log = log.replace(ranges, f"[mem 0x0000000000100000-0x000000005fffffff]{more}")
    for iomem, start in ((False, 0x60000000), (True, None)):
        nodes = answer_zones(machine(log=log, iomem=iomem)).predicted.nodes
        assert [n.movable_start for n in nodes if n.nid == 2] == [start]


def test_which_boot() -> None:
    """Words that change nothing ask about the boot that is shown, unless the next one is asked for."""
    known = machine("nokaslr")
    assert answer_zones(known).about == answer_zones(known, ("nokaslr",)).about == "this-boot"
    assert answer_zones(known, ("kernelcore=1G",)).about == answer_zones(known, next_boot=True).about == "next-boot"
    assert answer_zones(known, next_boot=True).agreement is Agreement.UNKNOWN


def test_what_was_assumed_is_likely() -> None:
    """A version that is not shown, nodes that are not, ZONE_DMA."""
    assert answer_zones(machine()).certainty.value == "certain"
    assert answer_zones(read_text(x86_log("", NODE_RANGES))).certainty.value == "likely"
    nameless = read_text(x86_log().replace("Linux version 6.12.9", "Linux version made-up"))
    assert answer_zones(nameless).certainty.value == "likely"


@pytest.mark.parametrize(
    ("word", "sure"),
    [("numa=fake=2", "open"), ("add_efi_memmap", "likely"), ("disable_mtrr_trim", "likely"), ("quiet", "certain")],
)
def test_words_that_are_not_modelled(word: str, sure: str) -> None:
    """Of fake nodes nothing is told; of the firmware's map the answer is without them."""
    found = answer_zones(machine(), (word,))
    assert found.certainty.value == sure
    assert bool(found.predicted.limits)


def test_memory_that_other_words_took_away() -> None:
    """It is not known without the firmware's map."""
    log = arm64_log("6.12", (0, GIB, 3 * GIB), cmdline="mem=2G")
    known = machine(log=log)
    assert answer_zones(known).certainty.value == "certain"
    assert answer_zones(known, ("mem=3G",)).certainty.value == "open"


def test_a_doubt_that_explains_a_difference() -> None:
    """Where all that differs may come otherwise, nothing is contradicted. The log shows a ZONE_MOVABLE of node 1."""
    known = machine()
    found = answer_zones(known)
    assert found.agreement is Agreement.DIFFER
    for touches, agreement in ((MOVABLE, Agreement.UNKNOWN), (NODES, Agreement.DIFFER)):
        question = replace(found.question, doubts=(ZoneDoubt("what may come", touches=frozenset((touches,))),))
        compared = compare_zones(question, found.predicted, found.observed, known)
        assert compared.agreement is agreement
        assert ("what may come" in compared.why) == (agreement is Agreement.UNKNOWN)
    assert assumption(NO_NODES).touches == {NODES, MOVABLE}
    assert assumption("anything else").touches == ALL


def test_a_damaged_source_is_likely() -> None:
    """What is damaged may say otherwise."""
    known = machine()
    broken = replace(known, problems=(Problem("nodes.srat", "SRAT: cut off"),))
    assert answer_zones(broken, ("movable_node",)).certainty.value == "likely"


def test_the_reservation_sees_the_same_memory() -> None:
    """mem= leaves the kernel's own memory there, too."""
    known = machine("nokaslr", efi=True, iomem=True, version="5.10.223")
    facts = reservation_input(known, ("mem=2G", "crashkernel=64M"))
    assert early_memory(facts).memory.end == 0xA2C2C000
    assert reservation_input(known, ("crashkernel=64M",)).kernel_range is None
