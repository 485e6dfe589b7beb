"""The EFI memory map as bytes: descriptors of type, physical and virtual start, pages of 4 KiB, attributes.

    offset  0 type (4), 4 padding, 8 physical start (8), 16 virtual start (8), 24 pages (8), 32 attributes (8)

Firmware may make descriptors larger than these 40 bytes, so the step from one to the next is given separately.

Source: UEFI specification, EFI_MEMORY_DESCRIPTOR; include/linux/efi.h, efi_memory_desc_t;
Documentation/ABI/testing/sysfs-firmware-efi-runtime-map.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kexeckit.errors import InputError
from kexeckit.memory.range import MemRange

EFI_PAGE_SIZE = 4096
DESCRIPTOR_SIZE = 40
DESCRIPTOR_VERSION = 1

RESERVED, LOADER_CODE, LOADER_DATA, BOOT_CODE, BOOT_DATA, RUNTIME_CODE, RUNTIME_DATA, CONVENTIONAL = range(8)
ACPI_RECLAIM, ACPI_NVS = 9, 10

EFI_MEMORY_WB = 1 << 3
EFI_MEMORY_MORE_RELIABLE = 1 << 16
EFI_MEMORY_RUNTIME = 1 << 63

_DESCRIPTOR = struct.Struct("<IIQQQQ")


@dataclass(frozen=True, slots=True)
class EfiDescriptor:
    """One range of the firmware's memory map.

    Attributes:
        type: EFI memory type, e.g. 7 for free memory.
        range: Bytes; both ends are multiples of 4 KiB.
        attributes: EFI_MEMORY_* bits.
        virtual: Virtual address the firmware was told to use; 0 for none.

    Raises:
        ValueError: Ends that are not page aligned.
    """

    type: int
    range: MemRange
    attributes: int
    virtual: int = 0

    def __post_init__(self) -> None:
        if (self.range.start | self.range.end) % EFI_PAGE_SIZE:
            raise ValueError(f"an EFI range has whole pages of 4 KiB: {self.range}")

    @property
    def mirrored(self) -> bool:
        """Say whether the firmware mirrors this memory."""
        return bool(self.attributes & EFI_MEMORY_MORE_RELIABLE)


def parse_efi_memory_map(data: bytes, source: str, step: int = DESCRIPTOR_SIZE) -> tuple[EfiDescriptor, ...]:
    """Read descriptors; those without pages say nothing and are the only ones left out.

    Args:
        data: The map.
        source: How messages name it.
        step: Bytes from one descriptor to the next.

    Raises:
        InputError: The length is no multiple of `step`, or a descriptor cannot be.
    """
    if step < DESCRIPTOR_SIZE or len(data) % step:
        raise InputError(source, f"an EFI memory map of {len(data)} bytes", expected=f"a multiple of {step}")
    out = []
    for at in range(0, len(data), step):
        kind, _, start, virtual, pages, attributes = _DESCRIPTOR.unpack_from(data, at)
        if start % EFI_PAGE_SIZE or start + pages * EFI_PAGE_SIZE > 1 << 64:
            raise InputError(source, f"EFI descriptor {at // step + 1}: {pages} pages at {start:#x}")
        if pages:
            out.append(EfiDescriptor(kind, MemRange.from_size(start, pages * EFI_PAGE_SIZE), attributes, virtual))
    return tuple(out)


def format_efi_memory_map(descriptors: Iterable[EfiDescriptor]) -> bytes:
    """Return the map's bytes, in the given order, with descriptors of 40 bytes."""
    return b"".join(
        _DESCRIPTOR.pack(d.type, 0, d.range.start, d.virtual, d.range.size // EFI_PAGE_SIZE, d.attributes)
        for d in descriptors
    )


def parse_runtime_map_entry(fields: Mapping[str, str], source: str) -> EfiDescriptor:
    """Read one folder of /sys/firmware/efi/runtime-map; only runtime services' memory is shown there.

    Raises:
        InputError: A number is missing or cannot be read.
    """
    try:
        kind, start, virtual, pages, attributes = (
            int(fields[name].strip(), 16) for name in ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
        )
        return EfiDescriptor(kind, MemRange.from_size(start, pages * EFI_PAGE_SIZE), attributes, virtual)
    except (KeyError, ValueError) as error:
        raise InputError(source, f"unusable entry: {error}", expected="numbers in hexadecimal") from error
