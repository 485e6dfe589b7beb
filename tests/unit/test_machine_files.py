"""What single files of a root show: 1 GiB pages, mirrored memory, the kernel's own mapping, EFI's pointers.

About kexeckit.machine.sources.files, kexeckit.machine.sources.handover, kexeckit.machine.sources.iomem,
kexeckit.machine.sources.log, kexeckit.machine.sources.described.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes import FakeMachine, build_boot_params, build_kcore
from kexeckit.formats.efi_memory_map import EFI_MEMORY_MORE_RELIABLE
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import Machine
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot
from machines import read_text
from zone_logs import EFI, MIRROR_LINE, x86_log

RUNTIME = {
    "type": b"0x6",
    "phys_addr": b"0x7e000000",
    "virt_addr": b"0xfffffffe00000000",
    "num_pages": b"0x4",
}
MIRRORED, PLAIN = b"0x800000000001000f", b"0x800000000000000f"


def machine(folder: Path, files: Mapping[str, bytes | None], **fields: object) -> Machine:
    """Return a fake machine with these files."""
    return read_machine(open_sysroot(str(FakeMachine(files=files, **fields).write(folder))), handover=True)  # type: ignore[arg-type]


def runtime(attribute: bytes) -> dict[str, bytes | None]:
    """Return a runtime map of one entry."""
    return {
        f"/sys/firmware/efi/runtime-map/0/{name}": text for name, text in {**RUNTIME, "attribute": attribute}.items()
    }


@pytest.mark.parametrize(
    ("meminfo", "flags", "words", "pages", "how"),
    [
        ("DirectMap2M: 5 kB\nDirectMap1G: 0 kB\n", "lm", "", True, How.OBSERVED),
        ("DirectMap4k: 9 kB\nDirectMap2M: 5 kB\n", "pdpe1gb", "", False, How.OBSERVED),
        ("", "lm pdpe1gb", "quiet", True, How.DERIVED),
        ("", "lm pdpe1gb", "nogbpages", False, How.DERIVED),
        ("", "lm", "quiet", False, How.DERIVED),
        ("", "lm", "nogbpages", False, How.DERIVED),
    ],
)
def test_pages_of_1_gib(tmp_path: Path, meminfo: str, flags: str, words: str, pages: bool, how: How) -> None:
    """What the kernel maps with is in /proc/meminfo; else the CPU must have them and no word forbid them."""
    files = {"/proc/meminfo": meminfo.encode() or None, "/proc/cpuinfo": f"flags\t\t: {flags}\n".encode()}
    found = machine(tmp_path, files, cmdline=words).kernel.gbpages
    assert found
    assert (found.value, found.how) == (pages, how)


def test_whether_all_mirrored_memory_is_shown(tmp_path: Path) -> None:
    """Without EFI none is; with it, the runtime map shows a part where that is mirrored, and else nothing of it."""
    none = machine(tmp_path / "a", {}).efi
    assert none.mirror_whole
    assert (none.mirrored, none.mirror_whole.value) == (None, True)
    part = machine(tmp_path / "b", runtime(MIRRORED)).efi
    assert part.mirrored
    assert part.mirror_whole
    assert (part.mirrored.value.size, part.mirror_whole.value) == (4 * 4096, False)
    plain = machine(tmp_path / "c", runtime(PLAIN)).efi
    assert (plain.mirrored, plain.mirror_whole) == (None, None)


@pytest.mark.parametrize(("attribute", "size"), [(EFI_MEMORY_MORE_RELIABLE, 4 * 4096), (0, None)])
def test_a_whole_map_of_efi_shows_all_mirrored_memory(tmp_path: Path, attribute: int, size: int | None) -> None:
    """And tells that there is none; what the runtime map shows of it is a part then."""
    whole = format_efi_map((EfiDescriptor(7, 0x100000, 0, 4, attribute),), 48)
    found = machine(tmp_path, {"/efi_memmap": whole, **runtime(PLAIN)}).efi
    assert found.mirror_whole
    assert found.mirror_whole.value
    assert (found.mirrored.value.size if found.mirrored else None) == size


def test_what_kcore_does_not_place_is_not_looked_at(tmp_path: Path) -> None:
    """An entry without a physical address (vmalloc), without bytes, or of another type is no part of the mapping."""
    plain = machine(tmp_path / "a", {}).handover
    assert plain
    assert plain.page_offset
    for number, (offset, data) in enumerate(((0, (4).to_bytes(4, "little")), (24, bytes(8)), (40, bytes(8)))):
        kcore = bytearray(build_kcore())
        at = 64 + 56 * 2
        # The same entry with another offset would leave two, which is none.
        kcore[at + 16 : at + 24] = (0xFFFF999000000000).to_bytes(8, "little")
        value = b"\xff" * 8 if offset == 24 else data
        kcore[at + offset : at + offset + len(value)] = value
        found = machine(tmp_path / str(number), {}, kcore=bytes(kcore)).handover
        assert found
        assert found.page_offset
        assert found.page_offset.value == plain.page_offset.value, offset


def test_pointers_of_efi(tmp_path: Path) -> None:
    """Those of sysfs; a machine without EFI's folder has none, and one without the file of a pointer has 0 for it."""
    files: dict[str, bytes | None] = {
        "/sys/firmware/efi/fw_vendor": b"0x7f001000\n",
        "/sys/firmware/efi/runtime": b"0x7f002000\n",
        "/sys/firmware/efi/systab": b"ACPI=0x7f7fe000\n",
    }
    for params in (build_boot_params(), None):
        found = machine(tmp_path / f"{bool(params)}", {**files, "/sys/kernel/boot_params/data": params}).handover
        assert found
        assert found.efi
        pointers = found.efi.value
        assert (pointers.fw_vendor, pointers.runtime, pointers.config_table) == (0x7F001000, 0x7F002000, 0)
        assert (pointers.smbios, pointers.acpi) == (0, 0x7F7FE000)
    bare = machine(tmp_path / "bare", {"/sys/kernel/boot_params/data": None}).handover
    assert bare
    assert bare.efi is None


@pytest.mark.parametrize(
    ("text", "arch"),
    [
        ("00100000-3fffffff : System RAM\nfee00000-fee00fff : Local APIC\n", "x86_64"),
        ("00100000-3fffffff : System RAM\n000f0000-000fffff : System ROM\n", "x86_64"),
        ("40000000-7fffffff : System RAM\n  41000000-41ffffff : reserved\n", "arm64"),
        ("40000000-7fffffff : System RAM\n  41000000-41ffffff : Kernel code\n", ""),
    ],
)
def test_names_in_a_listing_tell_the_architecture(text: str, arch: str) -> None:
    """x86's own devices and ROMs; arm64 alone lists what is reserved inside of RAM."""
    found = read_text(text, "iomem").kernel.arch
    assert (found.value if found else "") == arch


@pytest.mark.parametrize(
    "name",
    [
        "Reserved",
        "ACPI Tables",
        "ACPI Non-volatile Storage",
        "Local APIC",
        "IOAPIC 0",
        "HPET 0",
        "System ROM",
        "Video ROM",
        "PCI Bus 0000:00",
    ],
)
def test_each_name_of_x86_tells_it(name: str) -> None:
    """On its own; arm64 has a PCI bus as well, and what is reserved inside of RAM tells it."""
    ram = "40000000-7fffffff : System RAM\n"
    device = f"fee00000-fee00fff : {name}\n"
    found = read_text(ram + device, "iomem").kernel.arch
    assert found == Fact("x86_64", "iomem", how=How.DERIVED)
    both = read_text(f"{ram}  41000000-41ffffff : reserved\n{device}", "iomem").arch
    assert both == ("arm64" if name == "PCI Bus 0000:00" else "x86_64")


def test_a_log_tells_of_mirrored_memory_if_it_begins_at_the_beginning() -> None:
    """efi_find_mirror() prints a line where there is any; a log that lost its beginning may have lost the line."""
    whole = read_text(x86_log()).efi.mirror_whole
    assert whole
    assert whole.value
    said = read_text(x86_log("", MIRROR_LINE)).efi.mirror_whole
    assert said
    assert not said.value
    cut = "".join(x86_log().splitlines(keepends=True)[6:])
    assert read_text(cut).efi.mirror_whole is None
    shown = read_text(x86_log("", EFI, MIRROR_LINE)).efi.mirror_whole
    assert shown
    assert shown.value


@pytest.mark.parametrize(("levels", "flags"), [("", {"lm", "pdpe1gb"}), ("levels = 5\n", {"lm", "pdpe1gb", "la57"})])
def test_flags_of_a_description(levels: str, flags: set[str]) -> None:
    """As they are written; five levels of page tables are a flag, too."""
    text = f'arch = "amd64"\n{levels}flags = ["lm", "pdpe1gb"]\n[[nodes]]\nid = 0\nmemory = [["1M", "3G"]]\n'
    found = read_text(text, "m.toml").cpus.flags
    assert found
    assert found.value == flags


@pytest.mark.parametrize(
    ("rows", "distances"),
    [(("10 21\n", "21 10\n"), ((10, 21), (21, 10))), (("10 21\n", "10 junk 21\n"), None), (("10 21\n", " \n"), None)],
)
def test_distances_of_nodes(tmp_path: Path, rows: tuple[str, str], distances: tuple[tuple[int, ...], ...]) -> None:
    """A row that is damaged is a problem, never shorter."""
    files = {f"/sys/devices/system/node/node{n}/distance": row.encode() for n, row in enumerate(rows)}
    found = machine(tmp_path, files)
    assert (found.nodes.distances.value if found.nodes.distances else None) == distances
    assert (found.problem("nodes.distances") is None) == (distances is not None)
