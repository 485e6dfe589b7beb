"""Alignment, page frames, and sizes as they are typed and shown."""

import pytest

from kexeckit.errors import UsageError
from kexeckit.memory.units import (
    ADDRESS_LIMIT,
    GIB,
    KIB,
    MIB,
    PAGE_SIZE,
    TIB,
    align_down,
    align_up,
    format_address,
    format_size,
    is_power_of_two,
    pages,
    parse_size,
    pfn_up,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("256M", 256 << 20),
        ("256m", 256 << 20),
        ("24T", 24 << 40),
        ("2E", 2 << 60),
        ("0x1000", 0x1000),
        ("0X10K", 0x10 << 10),
        ("0x1e", 0x1E),
        ("0xE", 0xE),
        (" 1G ", 1 << 30),
    ],
)
def test_sizes_are_read_as_the_kernel_reads_them(text: str, size: int) -> None:
    """One suffix in either case; an e at the end of a hexadecimal number is a digit."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "12Q", "1MM", "abc", "0x", "1.5G", "--1", "1 G M"])
def test_other_text_is_no_size(text: str) -> None:
    """The message shows what was given."""
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


def test_a_negative_size_is_refused() -> None:
    """By its own message."""
    with pytest.raises(UsageError, match="negative"):
        parse_size("-1")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (368, "368 B"),
        (4096, "4 KiB"),
        (1 << 20, "1 MiB"),
        (0x3378000, "51.5 MiB"),
        (2560 << 20, "2560 MiB"),
    ],
)
def test_sizes_are_shown_without_loss_where_short(size: int, text: str) -> None:
    """The largest unit that loses nothing, else one decimal."""
    assert format_size(size) == text


def test_addresses_have_at_least_eight_digits() -> None:
    """And more where they need them."""
    assert format_address(0x1000) == "0x00001000"
    assert format_address(0x100000000) == "0x100000000"


def test_alignment_rounds_to_powers_of_two_only() -> None:
    """Up and down, fixed points included."""
    assert (align_down(0x1FFF, 0x1000), align_up(0x1001, 0x1000), align_up(0x1000, 0x1000)) == (0x1000, 0x2000, 0x1000)
    with pytest.raises(ValueError, match="power of two"):
        align_up(1, 3)
    assert [n for n in range(-1, 9) if is_power_of_two(n)] == [1, 2, 4, 8]


def test_page_frames_round_as_their_names_say() -> None:
    """PFN_UP and PFN_DOWN, and the pages that a size needs."""
    assert (pfn_up(0), pfn_up(4095), pfn_up(4096), pfn_up(4097)) == (0, 1, 1, 2)
    assert (pages(0), pages(1), pages(4096), pages(4097)) == (0, 1, 1, 2)


@pytest.mark.parametrize("shift", [10, 20, 30, 40])
def test_each_unit_begins_and_ends(shift: int) -> None:
    """Without loss up to four digits; then, and for odd sizes, one decimal of the largest unit that fits."""
    unit = {10: "KiB", 20: "MiB", 30: "GiB", 40: "TiB"}[shift]
    assert format_size(1 << shift) == f"1 {unit}"
    assert format_size((1 << shift) * 3 // 2 + 1) == f"1.5 {unit}"
    assert format_size(9999 << shift) == f"9999 {unit}"
    larger = {10: "9.8 MiB", 20: "9.8 GiB", 30: "9.8 TiB", 40: "10000.0 TiB"}[shift]
    assert format_size(10_000 << shift) == larger
    assert format_size((1 << shift) - 1).split()[1] != unit


def test_units_and_the_end_of_all_addresses() -> None:
    """Binary ones; addresses have 64 bits."""
    assert (KIB, MIB, GIB, TIB) == (1024, 1024**2, 1024**3, 1024**4)
    assert (PAGE_SIZE, ADDRESS_LIMIT) == (4096, 2**64)
