"""What each line of a boot log shows: the facts that a log has with the line and has not without it.

About kexeckit.machine.sources.log.
"""

from collections.abc import Iterator
from dataclasses import fields

import pytest

from kexeckit.formats.bootlog.early import ImageSize
from kexeckit.formats.bootlog.memory import NodeRange
from kexeckit.formats.bootlog.outcome import LoggedRegion
from kexeckit.formats.bootlog.zones import PrintedZone
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from machines import read_text

MIB, GIB = 1 << 20, 1 << 30
GROUPS = ("kernel", "boot", "memory", "nodes", "efi", "observed")
X86 = (
    "Linux version 6.1.0 (a@b) (gcc) #1 SMP",
    "Command line: quiet",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable",
    "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable",
    "NX (Execute Disable) protection: active",
)
ARM64 = ("Booting Linux on physical CPU 0x0000000000 [0x410fd083]", "Linux version 6.1.0 (a@b)", "", "", "")
LINE = 6


def machine(*lines: str) -> Machine:
    """Return the machine of a boot log."""
    return read_text("".join(f"[    0.000000] {line}\n" for line in lines))


def facts(found: Machine) -> dict[str, Fact[object]]:
    """Return all facts of a machine by group and name."""
    groups = {group: getattr(found, group) for group in GROUPS}
    named = {f"{group}.{f.name}": getattr(value, f.name) for group, value in groups.items() for f in fields(value)}
    return {name: fact for name, fact in named.items() if fact is not None}


def added(line: str, base: tuple[str, ...] = X86) -> dict[str, Fact[object]]:
    """Return the facts that a line adds to a log or changes in it."""
    before, after = facts(machine(*base)), facts(machine(*base, line))
    assert before.keys() <= after.keys()
    return {name: fact for name, fact in after.items() if before.get(name) != fact}


def shown(value: object, line: int | None = LINE, how: How = How.OBSERVED) -> Fact[object]:
    """Return a fact of the log."""
    return Fact(value, "boot.log", line, how)


def test_what_the_first_lines_show() -> None:
    """Which of them a fact is from, where it is from one; what no line shows is None."""
    found = facts(machine(*X86))
    ranges = [(e.start, e.end) for e in found.pop("memory.firmware").value]  # type: ignore[attr-defined]
    assert ranges == [(0, 0xA0000), (MIB, GIB)]
    assert found == {
        "kernel.arch": shown("x86_64", None),
        "kernel.release": shown("6.1.0", 1),
        "kernel.stable": shown("6.1.0", 1),
        "kernel.cmdline": shown("quiet", None),
        "boot.efi": shown(value=False, line=None),
        "boot.whole_log": shown(value=True, line=None),
        "boot.map_log": shown(value=True, line=None),
        "efi.mirror_whole": shown(value=True, line=None),
    }


def test_what_a_cut_log_shows() -> None:
    """Without its beginning it tells nothing of EFI, of mirrored memory or of the memory map."""
    assert facts(machine("CPU0: something", "Kernel command line: quiet")) == {
        "kernel.cmdline": shown("quiet", None),
        "boot.whole_log": shown(value=False, line=None),
        "boot.map_log": shown(value=False, line=None),
        "boot.late_log": shown(value=True, line=None),
    }


TRUE = shown(value=True, line=None)
FALSE = shown(value=False, line=None)
LATE = {"boot.late_log": TRUE}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Using crashkernel=auto, the size chosen is a best effort", {"kernel.auto_word": shown(value=True)}),
        (
            "last_pfn = 0x40000 max_arch_pfn = 0x400000000",
            {"kernel.reach": shown(0x400000000 << 12), "boot.last_pfn": shown(0x40000, None)},
        ),
        ("Using GB pages for direct mapping", {"kernel.gbpages": TRUE}),
        ("init_memory_mapping: [mem 0x00000000-0x3fffffff]", {"kernel.gbpages": FALSE}),
        (
            "Dentry cache hash table entries: 131072 (order: 8, 1048576 bytes, linear)",
            {"kernel.page_size": shown(4096, None, How.DERIVED)},
        ),
        (
            "cma: Reserved 16 MiB at 0x000000003f000000",
            {"kernel.cma_word": shown(value=True, line=None, how=How.DERIVED)},
        ),
        (
            'Unknown kernel command line parameters "cma=16M", will be passed to user space.',
            {"kernel.cma_word": shown(value=False, line=None, how=How.DERIVED)},
        ),
        ("Booting paravirtualized kernel on Xen PV", {"boot.xen_pv": TRUE}),
        ("Memory Encryption Features active: AMD SME", {"boot.encrypted": TRUE}),
        ("KASLR disabled: 'nokaslr' on cmdline.", {"boot.kaslr_off": TRUE}),
        ("Freeing unused kernel image (initmem) memory: 2000K", {"boot.init_log": TRUE}),
        ("Trying to unpack rootfs image as initramfs...", {"boot.initrd_size": shown(0, None)}),
        ("Freeing initrd memory: 2048K", {"boot.initrd_size": shown(2 * MIB, None)}),
        ("BRK [0x02e01000, 0x02e01fff] PGTABLE", {"boot.image": shown(MemRange(0xE00000, 0x3000000))}),
        ("initial memory mapped : 0 - 02000000", {"boot.mapped_end": shown(0x2000000, None)}),
        ("  low ram: 0 - 375fe000", {"kernel.arch": shown("i386", None), "boot.low_ram_end": shown(0x375FE000, None)}),
        ("efi: EFI v2.7 by EDK II", {"boot.efi": TRUE, "efi.vendor": shown("EDK II")}),
        (
            "efi: EFI v2.70 by Debian distribution of EDK II",
            {"boot.efi": TRUE, "efi.vendor": shown("Debian distribution of EDK II")},
        ),
        (
            "DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 0.0.0 02/06/2015",
            {"boot.product": shown("QEMU Standard PC (Q35 + ICH9, 2009), BIOS 0.0.0 02/06/2015", None)},
        ),
        ("DMI: SMBIOS 2.8 present.", {}),
        ("efi: Memory: 16M/1024M mirrored memory", {"efi.mirror_whole": FALSE}),
        ("No NUMA configuration found", {"nodes.refused": TRUE}),
        ("Initmem setup node 2 as memoryless", {"nodes.memoryless": shown((2,), None)}),
        (
            "Reserving 64MB of memory at 512MB for crashkernel (System RAM: 1023MB)",
            {
                **LATE,
                "observed.regions": shown((LoggedRegion(512 * MIB, 64 * MIB, "main", exact=False, line=LINE),), None),
                "boot.search_line": shown(LINE, None),
            },
        ),
        (
            "crashkernel reservation failed - No suitable area found.",
            {
                **LATE,
                "observed.failed": shown("crashkernel reservation failed - No suitable area found."),
                "boot.search_line": shown(LINE, None),
            },
        ),
        (
            "Memory: 1000K/2000K available (14336K kernel code, 2048K rwdata, 4096K rodata, 2048K init, 2048K bss)",
            {
                **LATE,
                "boot.image_size": shown(ImageSize(24 * MIB, 30 * MIB + 128 * 1024, LINE)),
                "memory.counted": shown(2000 * 1024),
            },
        ),
    ],
)
def test_a_line_and_its_facts(line: str, expected: dict[str, Fact[object]]) -> None:
    """Just these, with the line's number where one line is what shows it."""
    assert added(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "CPU features: detected: 52-bit Virtual Addressing (LPA2)",
            {"kernel.wide_addresses": TRUE},
        ),
        ("Booting paravirtualized kernel on Xen PV", {"boot.xen_pv": TRUE}),
        ("Using GB pages for direct mapping", {}),
    ],
)
def test_lines_of_arm64(line: str, expected: dict[str, Fact[object]]) -> None:
    """It has neither an e820 table nor pages of 1 GiB, whatever a log of it says."""
    assert added(line, ARM64) == expected
    table = machine(*ARM64, *X86[2:])
    assert (table.memory.firmware, table.problems) == (None, ())


def test_lists_of_several_lines() -> None:
    """Zones, node ranges, starts of ZONE_MOVABLE, affinities; with them the log goes on behind the reservation."""
    found = facts(
        machine(
            *X86,
            "SRAT: Node 1 PXM 1 [mem 0x00000000-0x3fffffff] hotplug",
            "Zone ranges:",
            "  DMA      [mem 0x0000000000001000-0x0000000000ffffff]",
            "  Normal   empty",
            "Movable zone start for each node",
            "  Node 1: 0x0000000020000000",
            "  Node 0: 0x0000000010000000",
            "Early memory node ranges",
            "  node   0: [mem 0x0000000000100000-0x000000003fffffff]",
        )
    )
    assert found["observed.zones"] == shown((PrintedZone("DMA", 0x1000, 16 * MIB), PrintedZone("Normal", 0, 0)), None)
    assert found["observed.movable"] == shown(((0, 0x10000000), (1, 0x20000000)), None)
    assert found["kernel.zone_dma"] == shown(value=True, line=None, how=How.DERIVED)
    assert found["memory.ranges"] == shown((NodeRange(0, MemRange(MIB, GIB), LINE + 8),), None)
    assert found["boot.late_log"] == TRUE
    assert [a.nid for a in found["nodes.srat"].value.memory] == [1]  # type: ignore[attr-defined]


def test_a_kernel_without_zone_dma_and_a_header_without_nodes() -> None:
    """Names of zones tell how the kernel is built; no start of ZONE_MOVABLE is an answer, too."""
    found = facts(
        machine(*X86, "Zone ranges:", "  DMA32    [mem 0x1000-0x3fffffff]", "Movable zone start for each node")
    )
    assert found["kernel.zone_dma"] == shown(value=False, line=None, how=How.DERIVED)
    assert found["observed.movable"] == shown((), None)


def test_a_map_of_the_user_stands_for_the_firmwares() -> None:
    """A log that was cut has what mem= and memmap= made of the table; node ranges make a log of the map, too."""
    cut = machine(
        "Linux version 6.1.0 (a@b)", "user-defined physical RAM map:", "user: [mem 0x00100000-0x1fffffff] usable"
    )
    found = facts(cut)["memory.firmware"].value
    assert [(e.start, e.end) for e in found] == [(MIB, 512 * MIB)]  # type: ignore[attr-defined]
    ranges = machine("Early memory node ranges", "  node   0: [mem 0x0000000000100000-0x000000003fffffff]")
    assert facts(ranges)["boot.map_log"] == TRUE


@pytest.mark.parametrize(
    ("banner", "release", "stable"),
    [
        ("Linux version 5.10.0-32-arm64 (x) (gcc) #1 SMP Debian 5.10.223-1 (2024)", "5.10.0-32-arm64", "5.10.223"),
        ("Linux version 6.12.8 (a@b) (gcc) #1 SMP", "6.12.8", "6.12.8"),
    ],
)
def test_two_releases_of_a_banner(banner: str, release: str, stable: str) -> None:
    """What uname prints, and the release that rules follow from: Debian's banner shows another; both with its line."""
    found = facts(machine("", banner))
    assert found["kernel.release"] == shown(release, 2)
    assert found["kernel.stable"] == shown(stable, 2)


def test_a_release_from_the_name_of_the_image() -> None:
    """Where no banner is in the log; a note says so, and only then."""
    words = "Kernel command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0-18-amd64 quiet"
    found = machine("CPU0: something", words)
    assert facts(found)["kernel.release"] == shown("6.1.0-18-amd64", None, How.DERIVED)
    assert found.notes == ("the kernel's version is taken from its file name: 6.1.0-18-amd64",)
    assert machine(X86[0], words).notes == ()
    assert machine(*X86).notes == ()


def test_damaged_tables_are_problems_of_their_own() -> None:
    """The rest of the log counts."""
    table = machine(*X86, "BIOS-e820: [mem 0x0000000050000000-0x000000004fffffff] usable")
    assert [p.about for p in table.problems] == ["memory.firmware"]
    assert facts(table).get("memory.firmware") is None
    assert facts(table)["kernel.cmdline"].value == "quiet"
    assert machine(*X86).problems == ()


def taken(*lines: str) -> list[Taken]:
    """Return what lines show to be taken."""
    found = machine(*X86, *lines).taken
    assert found
    assert (found.source, found.line, found.how) == ("boot.log", None, How.OBSERVED)
    return list(found.value)


def span(start: int, end: int) -> MemRange:
    """Return a range."""
    return MemRange(start, end)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ACPI: Reserving FACP table memory at [mem 0x3ff00000-0x3ff000f3]",
         Taken(span(0x3FF00000, 0x3FF000F4), Taker.ACPI_TABLE, "ACPI FACP", LINE)),
        ("esrt: Reserving ESRT space from 0x000000003e000000 to 0x000000003e000038.",
         Taken(span(0x3E000000, 0x3E000038), Taker.ESRT, "ESRT", LINE)),
        ("e820: update [mem 0x3d000018-0x3d000057] usable ==> usable",
         Taken(span(0x3D000018, 0x3D000058), Taker.SETUP_DATA, "setup_data", LINE)),
        ("kernel direct mapping tables up to 40000000 @ [mem 0x1fffe000-0x1fffffff]",
         Taken(span(0x1FFFE000, 0x20000000), Taker.PAGE_TABLES, "page tables", LINE)),
        ("NODE_DATA(3) allocated [mem 0x3fffc000-0x3fffffff]",
         Taken(span(0x3FFFC000, 0x40000000), Taker.NODE_DATA, "NODE_DATA(3)", LINE, 3)),
        ("cma: Reserved 16 MiB at 0x000000003e000000",
         Taken(span(0x3E000000, 0x3F000000), Taker.CMA, "CMA area", LINE)),
        ("RAMDISK: [mem 0x3c000000-0x3cffffff]", Taken(span(0x3C000000, 0x3D000000), Taker.INITRD, "initrd", LINE)),
        ("  #7 [0001000000 - 0001234567]    BRK ==> [0001000000 - 0001234567]",
         Taken(span(0x1000000, 0x1234567), Taker.EARLY, "BRK", LINE)),
        ("memblock_reserve: [0x0000000000200000-0x00000000002fffff] setup_arch+0x1/0x2",
         Taken(span(2 * MIB, 3 * MIB), Taker.MEMBLOCK, "memblock (setup_arch)", LINE)),
        ("memblock_reserve: [0x0000000000200000-0x00000000002fffff]",
         Taken(span(2 * MIB, 3 * MIB), Taker.MEMBLOCK, "memblock", LINE)),
    ],
)  # fmt: skip
def test_a_line_and_what_holds_memory(line: str, expected: Taken) -> None:
    """By whom, the name, the line and the node; nothing else is taken then."""
    assert taken(line) == [expected]
    assert taken() == []


@pytest.mark.parametrize(
    "table", ["MEMATTR", "TPMEventLog", "TPMFinalLog", "MOKvar", "RNG", "MEMRESERVE", "Unaccepted", "INITRD"]
)
def test_tables_of_efi_that_the_kernel_reserves(table: str) -> None:
    """The page in which each begins, whatever else the line names; an address of 0 is none."""
    found = taken(f"efi: ACPI=0x3fb7e000 {table}=0x3fb00018 SMBIOS=0x3fa00000")
    assert found == [Taken(span(0x3FB00000, 0x3FB01000), Taker.EFI_TABLE, f"EFI table {table}", LINE)]
    assert taken(f"efi: {table}=0x0") == []


@pytest.mark.parametrize("name", ["TEXT DATA BSS", "RAMDISK", "NEW RAMDISK"])
def test_early_reservations_that_are_read_elsewhere(name: str) -> None:
    """The image and the initrd; and what lies below 1 MiB counts as reserved anyway."""
    row = "  #2 [{:010x} - {:010x}]    {} ==> [0000000000 - 0000000000]"
    assert [t for t in taken(row.format(2 * MIB, 3 * MIB, name)) if t.by is Taker.EARLY] == []
    below, at = (taken(row.format(start, 2 * MIB, "OTHER")) for start in (MIB - 1, MIB))
    assert (below, [t.name for t in at]) == ([], ["OTHER"])


def test_an_initrd_that_the_kernel_moved() -> None:
    """Where it is, and where the boot loader had put it; an announcement of the same place moved nothing."""
    first = "RAMDISK: [mem 0x3c000000-0x3cffffff]"
    moved = taken(first, "Allocated new RAMDISK: [mem 0x20000000-0x20ffffff]")
    assert moved == [
        Taken(span(0x20000000, 0x21000000), Taker.INITRD, "initrd", LINE + 1, 0, span(0x3C000000, 0x3D000000))
    ]
    [stays] = taken(first, "Allocated new RAMDISK: [mem 0x3c000000-0x3cffffff]")
    assert stays.loaded is None


def test_what_memblock_frees_again_is_not_taken() -> None:
    """A range is gone once one that has all of it is freed; what is taken comes by address."""
    low, high = (
        "memblock_reserve: [0x00200000-0x002fffff] a+0x1/0x2",
        "memblock_reserve: [0x00100000-0x001fffff] b+0x1/0x2",
    )
    assert [t.name for t in taken(low, high)] == ["memblock (b)", "memblock (a)"]
    assert [t.name for t in taken(low, high, "memblock_phys_free: [0x00200000-0x002fffff] c+0x1/0x2")] == [
        "memblock (b)"
    ]
    assert [t.name for t in taken(low, high, "memblock_free: [0x00100000-0x002ffffe] c+0x1/0x2")] == ["memblock (a)"]


@pytest.mark.parametrize(("start", "brk"), [(MIB - 1, None), (MIB, MemRange(MIB, 2 * MIB))])
def test_the_brk_area_of_a_memblock_log(start: int, brk: MemRange | None) -> None:
    """The first that setup_arch() reserves from 1 MiB on."""
    lines = (
        "memblock_reserve: [0x00100000-0x001fffff] reserve_brk+0x1/0x2",
        f"memblock_reserve: [{start:#010x}-0x001fffff] setup_arch+0x1/0x2",
    )
    found = facts(machine(*X86, *lines)).get("boot.brk")
    assert found == (None if brk is None else shown(brk, LINE + 1, How.DERIVED))


def test_mirrored_memory_of_an_efi_map() -> None:
    """All of it is shown then, whether the kernel says that there is some or not."""
    lines = ("efi: mem00: [Conventional Memory|   |  |MR|  |WB] range=[0x100000-0x1fffff] (1MB)",
             "efi: mem01: [Conventional Memory|   |  |  |  |WB] range=[0x200000-0x2fffff] (1MB)")  # fmt: skip
    for said in ((), ("efi: Memory: 1M/2M mirrored memory",)):
        found = facts(machine(*X86, *lines, *said))
        assert found["efi.mirrored"] == shown(RangeSet([MemRange(MIB, 2 * MIB)]), None)
        assert found["efi.mirror_whole"] == TRUE
        assert [e.range.start for e in found["efi.map"].value] == [MIB, 2 * MIB]  # type: ignore[attr-defined]


def tables(*lines: str) -> Iterator[object]:
    """Yield the tables of EFI that a log names."""
    yield from facts(machine(*X86, *lines))["efi.tables"].value  # type: ignore[misc]


def test_tables_of_efi() -> None:
    """Name, address, line; the first of a name counts."""
    found = list(tables("efi: EFI v2.7 by EDK II", "efi: ACPI=0x3fb7e000 SMBIOS 3.0=0x3fa00000", "efi: ACPI=0x1000"))
    assert found == [("ACPI", 0x3FB7E000, LINE + 1), ("SMBIOS 3.0", 0x3FA00000, LINE + 1)]
