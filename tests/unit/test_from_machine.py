"""Facts of a plan from a machine: second sources, warnings that say what follows, and no guesses."""

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import IOMEM, KERNEL_TEXT, MEMMAP, PAGE_OFFSET, FakeMachine, LiveRoot, build_boot_params, build_kcore
from kexeckit.errors import FileAccessError, InputError, MaskedAddressesError, UnavailableError
from kexeckit.formats.srat import format_srat
from kexeckit.machine.arch import kernel_arch
from kexeckit.memory.kind import kind_from_e820
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.from_machine import plan_facts
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot
from zone_logs import EFI as EFI_LINES
from zone_logs import MIRROR_LINE, x86_log

MEMMAP_FILES = [n for n in FakeMachine().contents() if n.startswith("/sys/firmware/memmap/")]
SYS_MAP = tuple((first, last - first + 1, 1 if kind == "System RAM" else 2) for first, last, kind in MEMMAP)


def facts_of(path: str, **stated: str) -> MachineFacts:
    """Facts of any source."""
    return plan_facts(read_machine(open_sysroot(path), handover=True, **stated))


def collected(folder: Path, **fields: Any) -> MachineFacts:
    """Facts of a fake machine with these differences."""
    return facts_of(str(FakeMachine(**fields).write(folder)))


def test_everything_is_found_where_it_is(tmp_path: Path) -> None:
    """A whole capture has no warnings."""
    facts = collected(tmp_path)
    assert (facts.arch, facts.release) == ("x86_64", "6.1.0-53-cloud-amd64")
    assert [(e.start, e.end - 1, e.kind.label) for e in facts.firmware_map] == list(MEMMAP)
    assert facts.cmdline.startswith("BOOT_IMAGE=")
    assert facts.cmdline.endswith("console=ttyS0")
    assert [n.range.start for n in facts.crash_notes] == [0x3F000000, 0x3F001000]
    assert facts.vmcoreinfo == MemRange.from_size(0x3FE00000, 4096)
    assert facts.page_offset == PAGE_OFFSET
    assert facts.kernel_text is not None
    assert (facts.kernel_text.range.start, facts.kernel_text.vaddr) == KERNEL_TEXT[:2]
    assert facts.loader.possible_cpus == facts.loader.present_cpus == 2
    assert (facts.warnings, facts.dump_warnings) == ((), ())


def test_a_tar_answers_as_the_folder(tmp_path: Path) -> None:
    """With the same facts; a name in it is written after a colon, which makes nothing absent."""
    FakeMachine().write(tmp_path / "root")
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        tar.add(tmp_path / "root", "")
    plain, packed = facts_of(str(tmp_path / "root")), facts_of(str(tmp_path / "c.tar"))
    assert packed.warnings == ()
    assert replace(packed, firmware_map_source=plain.firmware_map_source) == plain


def test_cpus_come_in_number_order(tmp_path: Path) -> None:
    """cpu10 after cpu9, whatever the folder says."""
    assert [n.name for n in collected(tmp_path, cpus=12).crash_notes] == [f"cpu{n}" for n in range(12)]


def test_an_unusable_iomem_has_no_substitute(tmp_path: Path) -> None:
    """Masked, empty and damaged are three errors."""
    masked = "00000000-00000000 : System RAM\n"
    with pytest.raises(MaskedAddressesError) as caught:
        collected(tmp_path / "b", iomem=masked)
    assert caught.value.exit_code == 77
    with pytest.raises(InputError, match="holds no entry"):
        collected(tmp_path / "c", iomem="")
    with pytest.raises(InputError, match=r"proc/iomem:2: not an entry"):
        collected(tmp_path / "d", iomem="0-fff : a\njunk\n")


def test_an_absent_iomem_is_derived_and_said(tmp_path: Path) -> None:
    """From the firmware's table; the running machine has no excuse."""
    facts = collected(tmp_path / "a", files={"/proc/iomem": None})
    assert [(r.range.start, r.range.last) for r in facts.resources.roots if r.name == "System RAM"] == [
        (0x1000, 0x9FBFF),
        (0x100000, 0xBFFDFFFF),
        (0x100000000, 0x13FFFFFFF),
    ]
    assert "the firmware's table" in facts.assumed[0]
    assert "reserved for a capture kernel" in facts.assumed[1]
    live = LiveRoot(str(FakeMachine(files={"/proc/iomem": None}).write(tmp_path / "b")))
    with pytest.raises(UnavailableError, match="/proc/iomem: no such file"):
        plan_facts(read_machine(live, handover=True))


def test_files_that_are_absent_are_named(tmp_path: Path) -> None:
    """Where they would be in the root; a log is not asked for files."""
    facts = collected(tmp_path, memmap=None, boot_params=None, kcore=None, files={"/sys/kernel/vmcoreinfo": None})
    for name in ("/sys/kernel/boot_params/data", "/sys/firmware/memmap"):
        assert any(w.startswith(f"{tmp_path}{name} is absent: ") for w in facts.warnings), name
    for name in ("/sys/kernel/vmcoreinfo",):
        assert any(w.startswith(f"{tmp_path}{name} is absent: ") for w in facts.dump_warnings), name


def test_without_a_firmware_map_boot_params_has_one(tmp_path: Path) -> None:
    """And a warning says so."""
    facts = collected(tmp_path, memmap=None, boot_params=build_boot_params(SYS_MAP))
    assert [(e.start, e.end - 1) for e in facts.firmware_map] == [(a, b) for a, b, _ in MEMMAP]
    assert facts.firmware_map_source.endswith("boot_params/data")
    assert any("the firmware map is taken from" in w for w in facts.warnings)


def test_without_both_iomem_is_the_last_resort(tmp_path: Path) -> None:
    """Only what names a kind of memory; what has changed it since boot shows in it."""
    facts = collected(tmp_path, memmap=None, boot_params=None)
    assert facts.firmware_map_source.endswith("proc/iomem")
    assert {e.kind.label for e in facts.firmware_map} == {"System RAM", "Reserved"}
    assert any("memmap= and mem= of the running kernel show" in w for w in facts.warnings)
    assert any("screen, EFI and ACPI pointers are not handed over" in w for w in facts.warnings)


def test_a_machine_without_any_memory_map_is_refused(tmp_path: Path) -> None:
    """Iomem without a kind of memory, and nothing else to ask."""
    with pytest.raises(InputError, match="the firmware map has no entries"):
        collected(tmp_path, memmap=None, boot_params=None, iomem="a0000-bffff : PCI Bus 0000:00\n")


def test_a_number_that_sysfs_hides_comes_from_boot_params(tmp_path: Path) -> None:
    """Unknown types keep their number where the page has the same range."""
    odd = (0x200000000, 0x200000FFF, "Unknown E820 type")
    page = build_boot_params(((0x200000000, 0x1000, 0x777),))
    facts = collected(tmp_path / "a", memmap=(*MEMMAP, odd), boot_params=page)
    assert facts.firmware_map.entries[-1].kind == kind_from_e820(0x777)
    facts = collected(tmp_path / "b", memmap=(*MEMMAP, odd), boot_params=None)
    assert facts.firmware_map.entries[-1].kind.name == "unknown:Unknown E820 type"


@pytest.mark.parametrize(
    ("kcore", "words"),
    [
        (None, "no such file"),
        (b"", "shorter than an ELF header"),
        (b"\x7fELF" + bytes(100), "not an ELF64"),
        (build_kcore()[:100], "are not all in"),
    ],
)
def test_without_kcore_virtual_addresses_are_not_determined(tmp_path: Path, kcore: bytes | None, words: str) -> None:
    """Only a dump needs them, so only it is warned."""
    facts = collected(tmp_path, kcore=kcore)
    assert (facts.page_offset, facts.kernel_text, facts.warnings) == (None, None, ())
    [warning] = facts.dump_warnings
    assert words in warning
    assert "virtual addresses of old memory are not determined" in warning


def test_two_offsets_of_the_direct_mapping_are_none(tmp_path: Path) -> None:
    """No choice is made between them; the text stays known."""
    data = bytearray(build_kcore())
    data[64 + 56 * 2 + 16 : 64 + 56 * 2 + 24] = (0xFFFF999000000000).to_bytes(8, "little")
    facts = collected(tmp_path, kcore=bytes(data))
    assert facts.page_offset is None
    assert facts.kernel_text is not None
    assert "does not show one offset" in facts.dump_warnings[0]


def test_no_notes_and_no_vmcoreinfo(tmp_path: Path) -> None:
    """Empty and None; what follows is the plan's matter."""
    facts = collected(
        tmp_path, cpus=0, files={"/sys/kernel/vmcoreinfo": None, "/sys/devices/system/cpu/possible": b"0"}
    )
    assert facts.crash_notes == ()
    assert facts.vmcoreinfo is None
    assert any("a dump will have no vmcoreinfo" in w for w in facts.dump_warnings)


EFI = {
    "/sys/firmware/efi/runtime-map/0/type": b"0x6",
    "/sys/firmware/efi/runtime-map/0/phys_addr": b"0x7e000000",
    "/sys/firmware/efi/runtime-map/0/virt_addr": b"0xfffffffe00000000",
    "/sys/firmware/efi/runtime-map/0/num_pages": b"0x4",
    "/sys/firmware/efi/runtime-map/0/attribute": b"0x800000000000000f",
    "/sys/firmware/efi/fw_vendor": b"0x7f001000\n",
    "/sys/firmware/efi/systab": b"ACPI20=0x7f7fe014\nACPI=0x7f7fe000\nSMBIOS=0x7f5ba000\n",
}


def test_efi_is_taken_over_where_its_services_can_be(tmp_path: Path) -> None:
    """Pointers, SMBIOS and the runtime map; ACPI by its newer table."""
    facts = collected(tmp_path, boot_params=build_boot_params(efi_systab=0x7F000000), files=EFI)
    assert facts.efi is not None
    assert (facts.efi.fw_vendor, facts.efi.runtime, facts.efi.smbios) == (0x7F001000, 0, 0x7F5BA000)
    assert facts.efi.runtime_map[0].phys == 0x7E000000
    assert facts.rsdp == 0x7F7FE014


def test_efi_without_runtime_map_or_system_table_is_left(tmp_path: Path) -> None:
    """The next kernel then starts as without EFI; the page's own RSDP comes first."""
    only = {k: v for k, v in EFI.items() if "runtime-map" not in k}
    facts = collected(tmp_path / "a", boot_params=build_boot_params(efi_systab=1, rsdp=0x555), files=only)
    assert facts.efi is None
    assert facts.rsdp == 0x555
    assert collected(tmp_path / "b", boot_params=build_boot_params(), files=EFI).efi is None


@pytest.mark.parametrize(
    ("files", "release", "arch"),
    [
        ({}, "6.1.0-53-cloud-amd64", "x86_64"),
        ({"/proc/version": b"Linux version 6.1.0-53 (x) #1 SMP Debian 6.1.176-1 (d)"}, "6.1.176", "x86_64"),
        ({"/proc/sys/kernel/osrelease": None, "/proc/version": b"Linux version 5.10.0-x (gcc)"}, "5.10.0-x", "x86_64"),
        ({"/proc/sys/kernel/osrelease": None, "/proc/version": b"Linux"}, "", "x86_64"),
        ({"/proc/sys/kernel/osrelease": None, "/proc/sys/kernel/arch": None}, "", "x86_64"),
        ({"/proc/sys/kernel/arch": b"aarch64\n"}, "6.1.0-53-cloud-amd64", "arm64"),
        (
            {
                "/proc/sys/kernel/arch": None,
                "/sys/firmware/fdt": b"\xd0\r\xfe\xed",
                "/sys/kernel/boot_params/data": None,
                **dict.fromkeys(MEMMAP_FILES),
            },
            "6.1.0-53-cloud-amd64",
            "arm64",
        ),
    ],
)
def test_release_and_machine_of_a_capture(
    tmp_path: Path, files: dict[str, bytes | None], release: str, arch: str
) -> None:
    """From the capture and never from the machine that reads it; empty where it does not say."""
    facts = collected(tmp_path, files=files)
    assert (facts.release, facts.arch) == (release, arch)


def test_the_users_word_beats_the_source(tmp_path: Path) -> None:
    """--arch and --kernel-version."""
    facts = facts_of(str(FakeMachine().write(tmp_path)), arch="riscv", release="9.9")
    assert (facts.arch, facts.release) == ("riscv64", "9.9")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("/sys/devices/system/cpu/possible", b"all\n", "unusable text 'all'; expected a list of CPUs"),
        ("/sys/devices/system/cpu/possible", b"3-1\n", "unusable text '3-1'"),
        ("/sys/devices/system/cpu/present", b"0-99999999999\n", "expected a list of CPUs"),
        ("/sys/devices/system/cpu/kernel_max", b"-5", "expected a list of CPUs"),
        ("/sys/devices/system/cpu/cpu0/crash_notes", b"zz", "expected a physical address"),
        ("/sys/kernel/vmcoreinfo", b"", "expected an address and a size"),
        ("/sys/kernel/boot_params/data", b"short", "5 bytes; expected a boot_params page"),
        ("/sys/firmware/memmap/0/type", b"RAM\x1b[2J", "unusable type"),
        ("/sys/firmware/memmap/0/start", b"0xzz", "unusable entry"),
    ],
)
def test_a_file_that_is_there_and_makes_no_sense_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """It is not treated as absent."""
    with pytest.raises(InputError, match=message) as caught:
        collected(tmp_path, files={name: data})
    assert name.rsplit("/", 1)[0] in str(caught.value)


def test_a_cut_entry_of_the_firmware_map(tmp_path: Path) -> None:
    """A file that is missing in it is missed, by name; a folder is no command line."""
    with pytest.raises(InputError, match="memmap/3: unusable entry: 'end'"):
        collected(tmp_path, files={"/sys/firmware/memmap/3/end": None})
    with pytest.raises(FileAccessError, match="Is a directory"):
        collected(tmp_path / "b", files={"/proc/cmdline/x": b"", "/proc/cmdline": None})


@pytest.mark.parametrize(
    ("text", "cma"),
    [
        (b"MemTotal: 5 kB\n", False),
        (b"CmaTotal:  0 kB\n", False),
        (b"CmaTotal:  65536 kB\n", True),
        (b"CmaTotal:", True),
    ],
)
def test_a_cma_area_and_a_line_that_does_not_say(tmp_path: Path, text: bytes, cma: bool) -> None:
    """What cannot be read is not taken for none."""
    assert collected(tmp_path, files={"/proc/meminfo": text}).loader.cma is cma


def test_a_list_of_cpus_with_gaps(tmp_path: Path) -> None:
    """Counted one by one; present never exceeds possible."""
    files = {"/sys/devices/system/cpu/possible": b"0-3,8,10-11\n", "/sys/devices/system/cpu/present": b"0-63\n"}
    loader = collected(tmp_path, files=files).loader
    assert (loader.possible_cpus, loader.present_cpus, loader.nr_cpus) == (7, 7, 8192)


def test_the_running_machine_names_itself(tmp_path: Path) -> None:
    """Not by files that a kernel may lack."""
    root = LiveRoot(str(FakeMachine(iomem=IOMEM).write(tmp_path)))
    import os

    machine = read_machine(root, handover=True)
    assert machine.kernel.release
    assert (machine.arch, machine.kernel.release.value) == (kernel_arch(os.uname().machine), os.uname().release)


GIB = 1 << 30
SRAT = format_srat([(0, MemRange(0, GIB), False), (1, MemRange(4 * GIB, 5 * GIB), True)])
SRAT_FILE = "/sys/firmware/acpi/tables/SRAT"
SRAT_LINES = """\
[    0.010000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0xbfffffff]
[    0.010000] ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x13fffffff] hotplug
"""


def test_hot_pluggable_memory_of_the_srat(tmp_path: Path) -> None:
    """The mark of the firmware's table counts."""
    facts = collected(tmp_path, files={SRAT_FILE: SRAT})
    assert facts.traits.hotpluggable == RangeSet((MemRange(4 * GIB, 5 * GIB),))
    assert facts.warnings == ()


def test_a_srat_that_only_the_log_shows_counts(tmp_path: Path) -> None:
    """And a damaged table is said, whether the log stands in for it or not."""
    banner = "[    0.000000] Linux version 6.1.0-53-cloud-amd64 (a@b) (gcc) #1 SMP Debian 6.1.176-1 (d)\n"
    log = (banner + SRAT_LINES).encode()
    hot = RangeSet((MemRange(4 * GIB, 5 * GIB),))
    assert collected(tmp_path / "a", files={"/dmesg": log}).traits.hotpluggable == hot
    both = collected(tmp_path / "b", files={"/dmesg": log, SRAT_FILE: SRAT[:30]})
    assert both.traits.hotpluggable == hot
    assert "hot-pluggable memory is taken from" in both.warnings[0]
    damaged = collected(tmp_path / "c", files={SRAT_FILE: SRAT[:30]})
    assert damaged.traits.hotpluggable == EMPTY
    assert "hot-pluggable memory is not known, and not avoided" in damaged.warnings[0]


def test_mirrored_memory_of_a_boot_log(tmp_path: Path) -> None:
    """The EFI map that a boot log in the capture prints counts."""
    log = x86_log("", EFI_LINES, MIRROR_LINE).encode()
    found = collected(tmp_path, files={"/var/log/dmesg": log}).traits
    assert found.mirrored == RangeSet((MemRange(0x100000000, 0x110000000),))


def test_mirrored_runtime_services(tmp_path: Path) -> None:
    """The part of the map in sysfs counts for what it covers; one that is damaged is said where EFI is not used."""
    fields = {"type": "0x5", "phys_addr": "0x7000000", "virt_addr": "0x0", "num_pages": "0x10"}
    files = {
        f"/sys/firmware/efi/runtime-map/{number}/{name}": f"{value}\n".encode()
        for number, attribute in enumerate(("0x8000000000010008", "0x8000000000000008"))
        for name, value in (*fields.items(), ("attribute", attribute))
    }
    assert collected(tmp_path / "a", files=files).traits.mirrored == RangeSet((MemRange(0x7000000, 0x7010000),))
    damaged = collected(tmp_path / "b", files=files | {"/sys/firmware/efi/runtime-map/0/type": b"x\n"})
    assert damaged.traits.mirrored == EMPTY
    assert "which memory is mirrored is not known" in damaged.warnings[0]


def test_a_boot_log_alone_is_enough(tmp_path: Path) -> None:
    """Its firmware table, as it is for the map and as resources; what it lacks is said."""
    at = tmp_path / "dmesg"
    at.write_text(x86_log(""))
    facts = facts_of(str(at))
    assert facts.firmware_map_source == str(at)
    assert facts.resources.ram()
    assert facts.warnings == (f"{at} shows no boot_params: screen, EFI and ACPI pointers are not handed over",)
    assert facts.loader.not_shown == ("possible_cpus", "nr_cpus", "crash_hotplug", "cma")


def test_a_description_alone_is_enough(tmp_path: Path) -> None:
    """Its ranges are RAM, and the map that is handed over."""
    at = tmp_path / "m.toml"
    at.write_text('arch = "amd64"\n[[nodes]]\nid = 0\nmemory = [["1M", "3G"], ["4G", "8G"]]\n')
    facts = facts_of(str(at))
    assert facts.arch == "x86_64"
    assert (
        facts.resources.ram()
        == facts.firmware_map.ram()
        == RangeSet((MemRange(1 << 20, 3 * GIB), MemRange(4 * GIB, 8 * GIB)))
    )
    assert facts.assumed == ()


def test_an_architecture_is_never_assumed(tmp_path: Path) -> None:
    """Exit code 65 and the option that names it."""
    at = tmp_path / "iomem"
    at.write_text("00100000-bffdffff : System RAM\n")
    with pytest.raises(InputError, match="the architecture is not shown") as caught:
        facts_of(str(at))
    assert caught.value.remedy == "name it with --arch"
    assert facts_of(str(at), arch="amd64").arch == "x86_64"
