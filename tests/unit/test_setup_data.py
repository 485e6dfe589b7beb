"""setup_data: a linked list in physical memory, followed here as the next kernel follows it."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.formats.setup_data import (
    SETUP_E820_EXT,
    SETUP_EFI,
    SETUP_RNG_SEED,
    SetupData,
    efi_setup_payload,
    format_setup_data,
    setup_data_size,
)

BLOBS = st.lists(st.builds(SetupData, st.integers(0, 2**32 - 1), st.binary(max_size=70)), max_size=6)


def followed(memory: bytes, base: int) -> list[tuple[int, bytes]]:
    """Walk the list from its first address."""
    out, at = [], base
    while at:
        here = memory[at - base :]
        after, kind, size = struct.unpack_from("<QII", here)
        out.append((kind, here[16 : 16 + size]))
        assert at % 16 == 0
        at = after
    return out


@given(BLOBS.filter(bool), st.sampled_from((0x1000, 0x1_0000_0000, 0xFFFF_FFFF_FFFF_0000)))
def test_the_list_leads_from_blob_to_blob(blobs: list[SetupData], base: int) -> None:
    """In order, each aligned, the last one without a successor, and the size foretold."""
    made = format_setup_data(blobs, base)
    assert followed(made, base) == [(b.type, b.data) for b in blobs]
    assert len(made) == setup_data_size(blobs)


def test_no_blob_makes_no_bytes() -> None:
    """And needs none."""
    assert format_setup_data([], 0x1000) == b""
    assert setup_data_size([]) == 0


def test_type_numbers_are_the_kernels() -> None:
    """From include/uapi/asm/setup_data.h."""
    assert (SETUP_E820_EXT, SETUP_EFI, SETUP_RNG_SEED) == (1, 4, 9)


def test_the_efi_payload_has_four_pointers_and_room() -> None:
    """Struct efi_setup_data has eight more words that stay zero."""
    made = efi_setup_payload(1, 2, 3, 4)
    assert struct.unpack("<12Q", made) == (1, 2, 3, 4, *(0,) * 8)
