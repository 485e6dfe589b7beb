"""The least of an EFI system table that a kernel accepts: header, vendor, configuration tables, no services.

    0    header: "IBI SYST", revision, size, CRC-32      24  vendor string, firmware revision
    40   consoles (6 pointers, none)                     88  runtime services, boot services
    104  number and address of configuration tables      120 end; tables and the vendor string follow

Source: UEFI specification, EFI_SYSTEM_TABLE and EFI_CONFIGURATION_TABLE; include/linux/efi.h, efi_system_table_64_t;
arch/x86/platform/efi/efi.c, efi_systab_init().
"""

import struct
import zlib
from collections.abc import Sequence

from kexeckit.frozen import dataclass

SYSTEM_TABLE_SIZE = 120
_SIGNATURE = int.from_bytes(b"IBI SYST", "little")
_REVISION = 2 << 16 | 70
_HEADER = struct.Struct("<QIIII")
_BODY = struct.Struct("<QII48xQQIIQ")


@dataclass(frozen=True, slots=True)
class ConfigurationTable:
    """One table that the system table points to: its GUID as 16 bytes in memory order, and its address."""

    guid: bytes
    address: int

    def __post_init__(self) -> None:
        if len(self.guid) != 16:
            raise ValueError(f"a GUID has 16 bytes, not {len(self.guid)}")


def format_efi_system_table(
    address: int, vendor: str = "kexeckit", tables: Sequence[ConfigurationTable] = (), runtime: int = 0
) -> bytes:
    """Return a system table with the vendor string and the list of tables behind it.

    Args:
        address: Physical address at which the bytes will lie.
        vendor: Name of the firmware, as the kernel prints it.
        tables: Configuration tables to point to.
        runtime: Address of the runtime services table; 0 for none. A kernel that believes in runtime services but
            finds no memory marked for them switches them off by itself.
    """
    listed = b"".join(t.guid + struct.pack("<Q", t.address) for t in tables)
    at = address + SYSTEM_TABLE_SIZE
    text = vendor.encode("utf-16-le") + b"\0\0"
    body = _BODY.pack(at + len(listed), 0, 0, runtime, 0, len(tables), 0, at if tables else 0)
    bare = _HEADER.pack(_SIGNATURE, _REVISION, SYSTEM_TABLE_SIZE, 0, 0) + body
    head = _HEADER.pack(_SIGNATURE, _REVISION, SYSTEM_TABLE_SIZE, zlib.crc32(bare), 0)
    return head + body + listed + text
