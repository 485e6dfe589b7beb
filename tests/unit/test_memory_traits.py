"""Hot-pluggable and mirrored memory, as far as a root shows it."""

from pathlib import Path

from kexeckit.formats.srat import format_srat
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.preference import MemoryTraits
from kexeckit.system.boot_log import read_boot_log
from kexeckit.system.memory_traits import mirrored_runtime, read_memory_traits
from kexeckit.system.sysroot import open_sysroot
from zone_logs import EFI, MIRROR_LINE, x86_log

GIB = 1 << 30
SRAT = format_srat([(0, MemRange(0, GIB), False), (1, MemRange(4 * GIB, 5 * GIB), True)])


def write(root: Path, name: str, data: bytes) -> None:
    """Put a file into a root."""
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_hot_pluggable_memory_of_the_srat(tmp_path: Path) -> None:
    """The mark of the firmware's table counts."""
    write(tmp_path, "/sys/firmware/acpi/tables/SRAT", SRAT)
    found = read_memory_traits(open_sysroot(str(tmp_path)))
    assert found == MemoryTraits(hotpluggable=RangeSet((MemRange(4 * GIB, 5 * GIB),)))


def test_mirrored_memory_of_a_boot_log(tmp_path: Path) -> None:
    """The EFI map that a boot log in the capture prints counts."""
    write(tmp_path, "/var/log/dmesg", x86_log("", EFI, MIRROR_LINE).encode())
    found = read_memory_traits(open_sysroot(str(tmp_path)))
    assert found.mirrored == RangeSet((MemRange(0x100000000, 0x110000000),))


def test_mirrored_runtime_services(tmp_path: Path) -> None:
    """The part of the map in sysfs counts for what it covers."""
    fields = {"type": "0x5", "phys_addr": "0x7000000", "virt_addr": "0x0", "num_pages": "0x10"}
    for number, attribute in enumerate(("0x8000000000010008", "0x8000000000000008")):
        for name, value in (*fields.items(), ("attribute", attribute)):
            write(tmp_path, f"/sys/firmware/efi/runtime-map/{number}/{name}", f"{value}\n".encode())
    assert mirrored_runtime(open_sysroot(str(tmp_path))) == RangeSet((MemRange(0x7000000, 0x7010000),))


def test_unusable_sources_are_no_reason_to_fail(tmp_path: Path) -> None:
    """A damaged table or an odd file leaves traits unknown, and a plan goes on without them."""
    write(tmp_path, "/sys/firmware/acpi/tables/SRAT", SRAT[:30])
    write(tmp_path, "/sys/firmware/efi/runtime-map/0/type", b"x\n")
    write(tmp_path, "/dmesg", b"not a log\n")
    root = open_sysroot(str(tmp_path))
    assert read_memory_traits(root) == MemoryTraits(EMPTY, EMPTY)
    assert read_boot_log(root) is None
