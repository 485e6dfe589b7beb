"""Small files about crash notes and EFI in sysfs, text to values.

Source: kernel/ksysfs.c, vmcoreinfo_show() (the size is printed in hexadecimal without 0x); drivers/base/cpu.c,
crash_notes_show(); drivers/firmware/efi/efi.c, systab_show(); drivers/firmware/efi/runtime-map.c.
"""

import struct
from collections.abc import Mapping

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange

EFI_PAGE = 4096


def parse_vmcoreinfo_location(text: str, source: str) -> MemRange:
    """Read /sys/kernel/vmcoreinfo: physical address and size of the vmcoreinfo note, both hexadecimal."""
    words = text.split()
    try:
        return MemRange.from_size(int(words[0], 16), int(words[1], 16))
    except (IndexError, ValueError) as error:
        raise InputError(source, f"unusable text {text.strip()!r}", expected="an address and a size") from error


def parse_crash_notes(address: str, size: str, source: str) -> MemRange:
    """Read a CPU's ``crash_notes`` (hexadecimal address) and ``crash_notes_size`` (decimal)."""
    try:
        return MemRange.from_size(int(address, 16), int(size))
    except ValueError as error:
        raise InputError(source, f"unusable text {address.strip()!r}", expected="a physical address") from error


@dataclass(frozen=True, slots=True)
class EfiDescriptor:
    """One EFI memory descriptor; addresses in bytes, `pages` of 4 KiB."""

    type: int
    phys: int
    virt: int
    pages: int
    attribute: int


def parse_efi_descriptor(fields: Mapping[str, str], source: str) -> EfiDescriptor:
    """Read one folder of /sys/firmware/efi/runtime-map."""
    names = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
    try:
        return EfiDescriptor(*(_unsigned(fields[n], 0, 32 if n == "type" else 64) for n in names))
    except (KeyError, ValueError) as error:
        raise InputError(source, f"unusable EFI memory descriptor: {error}") from error


def format_efi_map(descriptors: tuple[EfiDescriptor, ...], size: int) -> bytes:
    """Return a raw EFI memory map with descriptors of `size` bytes (at least 40)."""
    return b"".join(
        struct.pack("<IIQQQQ", d.type, 0, d.phys, d.virt, d.pages, d.attribute).ljust(size, b"\0") for d in descriptors
    )


def parse_efi_systab(text: str, source: str) -> dict[str, int]:
    """Read /sys/firmware/efi/systab: ``NAME=0xADDRESS`` lines, e.g. ACPI20 and SMBIOS.

    Raises:
        InputError: A line is none, or its address has more than 64 bits.
    """
    return {name: parse_address(value, source) for name, _, value in (line.partition("=") for line in text.split())}


def parse_address(text: str, source: str) -> int:
    """Read one hexadecimal physical address.

    Raises:
        InputError: It is none, or has more than 64 bits.
    """
    try:
        return _unsigned(text, 16, 64)
    except ValueError as error:
        raise InputError(source, f"unusable text {text.strip()!r}", expected="a hexadecimal address") from error


def _unsigned(text: str, base: int, bits: int) -> int:
    value = int(text, base)
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value:#x} does not fit into {bits} bits")
    return value
