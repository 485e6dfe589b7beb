"""Small sysfs files about crash notes and EFI."""

import struct

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.sysfs_crash import (
    EfiDescriptor,
    format_efi_map,
    parse_address,
    parse_crash_notes,
    parse_efi_descriptor,
    parse_efi_systab,
    parse_vmcoreinfo_location,
)
from kexeckit.memory.range import MemRange

FIELDS = {"type": "0x6", "phys_addr": "0x7f000000", "virt_addr": "0xfffffffeff000000", "num_pages": "0x10"}


def test_vmcoreinfo_is_two_hexadecimal_numbers() -> None:
    """The size is printed without 0x and is hexadecimal all the same."""
    assert parse_vmcoreinfo_location("3fe00000 1000\n", "v") == MemRange(0x3FE00000, 0x3FE01000)
    assert parse_vmcoreinfo_location("0x3fe00000 10", "v").size == 16


@pytest.mark.parametrize("text", ["", "1000", "x y", "1000 0", "-1 5", "ffffffffffffffff 2", "\x1b[2J 5"])
def test_other_text_about_vmcoreinfo_is_refused(text: str) -> None:
    """Masked (zero size), cut or garbled; shown without control characters."""
    with pytest.raises(InputError, match="expected an address and a size") as caught:
        parse_vmcoreinfo_location(text, "v")
    assert str(caught.value).isprintable()


def test_crash_notes_have_a_hexadecimal_address_and_a_decimal_size() -> None:
    """Each from its own file."""
    assert parse_crash_notes("3f000000\n", "368\n", "c") == MemRange.from_size(0x3F000000, 368)


@pytest.mark.parametrize(("address", "size"), [("", "1"), ("zz", "1"), ("10", "0x10"), ("0", "0"), ("f" * 17, "1")])
def test_other_text_about_crash_notes_is_refused(address: str, size: str) -> None:
    """No guess is made."""
    with pytest.raises(InputError, match="expected a physical address"):
        parse_crash_notes(address, size, "c")


def test_an_efi_descriptor_is_read_and_written_in_its_size() -> None:
    """40 bytes of fields, padded to what firmware uses."""
    found = parse_efi_descriptor(FIELDS | {"attribute": "0x800000000000000f"}, "0")
    assert found == EfiDescriptor(6, 0x7F000000, 0xFFFFFFFEFF000000, 0x10, 0x800000000000000F)
    made = format_efi_map((found, found), 48)
    assert len(made) == 96
    assert struct.unpack_from("<IIQQQQ", made, 48) == (6, 0, 0x7F000000, 0xFFFFFFFEFF000000, 0x10, 0x800000000000000F)


@pytest.mark.parametrize("attribute", ["", "x", "-1", "0x1" + "0" * 16])
def test_a_bad_field_of_a_descriptor_is_refused(attribute: str) -> None:
    """Also one that would not fit into its 64 bits; a missing one is no KeyError."""
    with pytest.raises(InputError, match="unusable EFI memory descriptor"):
        parse_efi_descriptor(FIELDS | {"attribute": attribute}, "0")
    with pytest.raises(InputError, match="unusable EFI memory descriptor"):
        parse_efi_descriptor(FIELDS, "0")
    with pytest.raises(InputError, match="32 bits"):
        parse_efi_descriptor(FIELDS | {"type": "0x100000000", "attribute": "0"}, "0")


def test_systab_names_addresses() -> None:
    """ACPI20 and SMBIOS among them."""
    assert parse_efi_systab("ACPI20=0x7f7fe014\nSMBIOS=0x7f5ba000\n", "s") == {
        "ACPI20": 0x7F7FE014,
        "SMBIOS": 0x7F5BA000,
    }
    assert parse_efi_systab("", "s") == {}


@pytest.mark.parametrize("text", ["ACPI20=\n", "ACPI20", "ACPI20=zz", "ACPI20=-1", "ACPI20=0x1" + "0" * 16])
def test_a_systab_line_that_is_none_is_refused(text: str) -> None:
    """Nothing is skipped."""
    with pytest.raises(InputError, match="s: unusable text"):
        parse_efi_systab(text, "s")


def test_an_address_has_64_bits() -> None:
    """The highest fits, the next does not."""
    assert parse_address("0xffffffffffffffff", "a") == (1 << 64) - 1
    with pytest.raises(InputError, match="expected a hexadecimal address"):
        parse_address("0x10000000000000000", "a")
