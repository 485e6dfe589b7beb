"""A minimal EFI system table."""

import struct
import zlib

import pytest

from kexeckit.formats.efi_system_table import SYSTEM_TABLE_SIZE, ConfigurationTable, format_efi_system_table


def test_header_and_checksum() -> None:
    """Signature, size and CRC-32 over the table with the checksum taken as 0."""
    data = format_efi_system_table(0x5000)
    signature, revision, size, crc, _ = struct.unpack_from("<8sIIII", data)
    assert signature == b"IBI SYST"
    assert revision >> 16 == 2
    assert size == SYSTEM_TABLE_SIZE
    assert crc == zlib.crc32(data[:16] + bytes(4) + data[20:size])


def test_vendor_string_is_found_by_its_pointer() -> None:
    """The vendor lies behind the table, as UTF-16 with a NUL."""
    data = format_efi_system_table(0x5000, "lab")
    (vendor,) = struct.unpack_from("<Q", data, 24)
    assert data[vendor - 0x5000 :] == "lab".encode("utf-16-le") + b"\0\0"


def test_configuration_tables() -> None:
    """Number, address, GUID and pointer of configuration tables."""
    guid = bytes(range(16))
    data = format_efi_system_table(0x5000, "lab", [ConfigurationTable(guid, 0x1234000)])
    count, _, address = struct.unpack_from("<IIQ", data, 104)
    assert (count, address) == (1, 0x5000 + SYSTEM_TABLE_SIZE)
    assert data[120:144] == guid + struct.pack("<Q", 0x1234000)


def test_no_services() -> None:
    """Without services their pointers, and that of the tables, are 0."""
    data = format_efi_system_table(0x5000)
    assert struct.unpack_from("<QQ", data, 88) == (0, 0)
    assert struct.unpack_from("<I4xQ", data, 104) == (0, 0)


def test_a_guid_has_sixteen_bytes() -> None:
    """Anything else cannot be built."""
    with pytest.raises(ValueError, match="16 bytes"):
        ConfigurationTable(b"short", 0)
