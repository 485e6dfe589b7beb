"""Facts from captures: second sources, warnings that say what follows, and no guesses."""

from pathlib import Path
from typing import Any

import pytest
from kexeckit.system.collect import collect_facts

from fakes import IOMEM, KERNEL_TEXT, MEMMAP, PAGE_OFFSET, FakeMachine, LiveRoot, build_boot_params, build_kcore
from kexeckit.errors import FileAccessError, InputError, MaskedAddressesError, UnavailableError
from kexeckit.memory.kind import kind_from_e820
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import MachineFacts
from kexeckit.system.sysroot import open_sysroot

SYS_MAP = tuple((first, last - first + 1, 1 if kind == "System RAM" else 2) for first, last, kind in MEMMAP)


def collected(folder: Path, **fields: Any) -> MachineFacts:
    """Facts of a fake machine with these differences."""
    return collect_facts(open_sysroot(str(FakeMachine(**fields).write(folder))))


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


def test_cpus_come_in_number_order(tmp_path: Path) -> None:
    """cpu10 after cpu9, whatever the folder says."""
    assert [n.name for n in collected(tmp_path, cpus=12).crash_notes] == [f"cpu{n}" for n in range(12)]


def test_iomem_has_no_substitute(tmp_path: Path) -> None:
    """Absent, masked, empty and damaged are four errors."""
    with pytest.raises(UnavailableError, match="proc/iomem: no such file"):
        collected(tmp_path / "a", files={"/proc/iomem": None})
    masked = "00000000-00000000 : System RAM\n"
    with pytest.raises(MaskedAddressesError):
        collected(tmp_path / "b", iomem=masked)
    with pytest.raises(InputError, match="holds no entry"):
        collected(tmp_path / "c", iomem="")
    with pytest.raises(InputError, match=r"proc/iomem:2: not an entry"):
        collected(tmp_path / "d", iomem="0-fff : a\njunk\n")


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
        ({"/proc/sys/kernel/osrelease": None, "/proc/version": b"Linux version 5.10.0-x (gcc)"}, "5.10.0-x", "x86_64"),
        ({"/proc/sys/kernel/osrelease": None, "/proc/version": b"Linux"}, "", "x86_64"),
        ({"/proc/sys/kernel/osrelease": None, "/proc/sys/kernel/arch": None}, "", "x86_64"),
        ({"/proc/sys/kernel/arch": b"aarch64\n"}, "6.1.0-53-cloud-amd64", "aarch64"),
        (
            {
                "/proc/sys/kernel/arch": None,
                "/sys/firmware/fdt": b"\xd0\r\xfe\xed",
                "/sys/kernel/boot_params/data": None,
            },
            "6.1.0-53-cloud-amd64",
            "aarch64",
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
    facts = collect_facts(open_sysroot(str(FakeMachine().write(tmp_path))), "riscv64", "9.9")
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
    assert name.rsplit("/", 1)[0] in caught.value.location.source


def test_a_cut_entry_of_the_firmware_map(tmp_path: Path) -> None:
    """A file that is missing in it is missing, by name."""
    with pytest.raises(UnavailableError, match="memmap/3/end: no such file"):
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

    facts = collect_facts(root)
    assert (facts.arch, facts.release) == (os.uname().machine, os.uname().release)
