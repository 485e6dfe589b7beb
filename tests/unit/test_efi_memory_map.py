"""Raw EFI memory maps."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.efi_memory_map import (
    CONVENTIONAL,
    EFI_MEMORY_MORE_RELIABLE,
    EFI_MEMORY_WB,
    mirrored_memory,
    parse_efi_memory_map,
)
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIRROR = EFI_MEMORY_WB | EFI_MEMORY_MORE_RELIABLE
DESCRIPTORS = (
    EfiDescriptor(CONVENTIONAL, 0x1000, 0, 0x9E, EFI_MEMORY_WB),
    EfiDescriptor(CONVENTIONAL, 0x100000, 0, 0x100, MIRROR),
    EfiDescriptor(5, 0x200000, 0, 0x10, MIRROR | 1 << 63),
)


@pytest.mark.parametrize("step", [40, 48, 56])
def test_descriptors_of_any_size(step: int) -> None:
    """The size of descriptors is found by trying, or taken as given."""
    raw = format_efi_map(DESCRIPTORS, step)
    assert parse_efi_memory_map(raw, "map") == DESCRIPTORS
    assert parse_efi_memory_map(raw, "map", step) == DESCRIPTORS


def test_mirrored_memory() -> None:
    """Every descriptor with MORE_RELIABLE counts, whatever its type."""
    expected = RangeSet((MemRange(0x100000, 0x210000),)) - RangeSet(())
    assert mirrored_memory(DESCRIPTORS) == expected


def test_descriptors_without_pages_are_left_out() -> None:
    """A descriptor of 0 pages describes nothing."""
    raw = format_efi_map((*DESCRIPTORS, EfiDescriptor(7, 0x400000, 0, 0, MIRROR)), 40)
    assert parse_efi_memory_map(raw, "map") == DESCRIPTORS


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "0 bytes"),
        (bytes(41), "41 bytes"),
        (format_efi_map((EfiDescriptor(7, 0x1234, 0, 1, 8),), 40), "no EFI memory map"),
        (format_efi_map((EfiDescriptor(99, 0x1000, 0, 1, 8),), 40), "no EFI memory map"),
    ],
)
def test_unusable_maps(raw: bytes, text: str) -> None:
    """Empty, odd-sized or impossible maps are refused."""
    with pytest.raises(InputError, match=text):
        parse_efi_memory_map(raw, "map")


def test_a_wrong_descriptor_is_named() -> None:
    """With the step given, the message counts to the wrong descriptor."""
    raw = format_efi_map((DESCRIPTORS[0], EfiDescriptor(7, 0x1800, 0, 1, 8)), 40)
    with pytest.raises(InputError, match="descriptor 2"):
        parse_efi_memory_map(raw, "map", 40)
