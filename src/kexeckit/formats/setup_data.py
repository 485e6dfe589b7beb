"""setup_data: the linked list of typed blobs that a loader hands to an x86 kernel.

Each blob is ``next`` (64 bits, physical address or 0), ``type`` (32), ``len`` (32) and `len` bytes.

Source: arch/x86/include/uapi/asm/setup_data.h; Documentation/arch/x86/boot.rst, "setup_data".
"""

import struct
from collections.abc import Sequence

from kexeckit.frozen import dataclass
from kexeckit.memory.units import align_up

SETUP_E820_EXT = 1
SETUP_EFI = 4
SETUP_RNG_SEED = 9
_HEADER = struct.Struct("<QII")
_ALIGN = 16


@dataclass(frozen=True, slots=True)
class SetupData:
    """One blob: its type number and its payload."""

    type: int
    data: bytes


def setup_data_size(blobs: Sequence[SetupData]) -> int:
    """Bytes that `format_setup_data` will make of these blobs."""
    return sum(align_up(_HEADER.size + len(b.data), _ALIGN) for b in blobs)


def format_setup_data(blobs: Sequence[SetupData], base: int) -> bytes:
    """Lay blobs out one after another, each aligned to 16 bytes and linked to the next.

    Args:
        blobs: In order; the first one's address is `base`.
        base: Physical address that the bytes will have.

    Returns:
        The bytes, `setup_data_size(blobs)` long.
    """
    out = bytearray()
    for number, blob in enumerate(blobs):
        size = align_up(_HEADER.size + len(blob.data), _ALIGN)
        after = base + len(out) + size if number + 1 < len(blobs) else 0
        piece = _HEADER.pack(after, blob.type, len(blob.data)) + blob.data
        out += piece.ljust(size, b"\0")
    return bytes(out)


def efi_setup_payload(fw_vendor: int, runtime: int, tables: int, smbios: int) -> bytes:
    """Return the payload of SETUP_EFI: struct efi_setup_data, with physical and virtual addresses as EFI left them."""
    return struct.pack("<4Q", fw_vendor, runtime, tables, smbios) + bytes(64)
