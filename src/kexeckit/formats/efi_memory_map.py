"""A raw EFI memory map: descriptors of type, physical and virtual start, pages of 4 KiB, attributes.

    offset  0 type (4), 4 padding, 8 physical start (8), 16 virtual start (8), 24 pages (8), 32 attributes (8)

Firmware may make descriptors larger than these 40 bytes (most makes them 48), so the step from one to the next is
given separately, or found by trying.

Source: UEFI specification, EFI_MEMORY_DESCRIPTOR and GetMemoryMap(); include/linux/efi.h, efi_memory_desc_t;
drivers/firmware/efi/efi.c, efi_find_mirror().
"""

import struct
from collections.abc import Iterable

from kexeckit.errors import InputError
from kexeckit.formats.sysfs_crash import EFI_PAGE, EfiDescriptor
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

DESCRIPTOR_SIZE = 40
DESCRIPTOR_VERSION = 1

LOADER_CODE, BOOT_DATA, CONVENTIONAL = 1, 4, 7

EFI_MEMORY_WB = 1 << 3
EFI_MEMORY_MORE_RELIABLE = 1 << 16
EFI_MEMORY_RUNTIME = 1 << 63

_DESCRIPTOR = struct.Struct("<IIQQQQ")
_STEPS = (48, 40, 56, 64)
# Types up to 15 are defined; firmware's and loaders' own begin at 0x70000000.
_DEFINED, _OWN = 16, 0x70000000


def parse_efi_memory_map(data: bytes, source: str, step: int = 0) -> tuple[EfiDescriptor, ...]:
    """Read descriptors; those without pages say nothing and are the only ones left out.

    Args:
        data: The map.
        source: How messages name it.
        step: Bytes from one descriptor to the next; 0 to find it by trying the usual ones.

    Raises:
        InputError: The length is no multiple of `step`, or a descriptor cannot be.
    """
    if not step:
        step = next((s for s in _STEPS if _fits(data, s)), 0)
    if step < DESCRIPTOR_SIZE or not data or len(data) % step:
        raise InputError(source, f"{len(data)} bytes are no EFI memory map", expected="descriptors of 40 or 48 bytes")
    out = []
    for number, at in enumerate(range(0, len(data), step), 1):
        kind, _, start, virtual, pages, attributes = _DESCRIPTOR.unpack_from(data, at)
        if not _possible(kind, start, pages):
            raise InputError(source, f"EFI descriptor {number}: type {kind}, {pages} pages at {start:#x}")
        if pages:
            out.append(EfiDescriptor(kind, start, virtual, pages, attributes))
    return tuple(out)


def mirrored_memory(descriptors: Iterable[EfiDescriptor]) -> RangeSet:
    """Return the addresses that the firmware mirrors, whatever their type."""
    return RangeSet(
        MemRange.from_size(d.phys, d.pages * EFI_PAGE)
        for d in descriptors
        if d.attribute & EFI_MEMORY_MORE_RELIABLE and d.pages
    )


def _fits(data: bytes, step: int) -> bool:
    if not data or len(data) % step:
        return False
    heads = (_DESCRIPTOR.unpack_from(data, at) for at in range(0, len(data), step))
    return all(_possible(kind, start, pages) for kind, _, start, _, pages, _ in heads)


def _possible(kind: int, start: int, pages: int) -> bool:
    known = kind < _DEFINED or kind >= _OWN
    return known and start % EFI_PAGE == 0 and start + pages * EFI_PAGE <= 1 << 64
