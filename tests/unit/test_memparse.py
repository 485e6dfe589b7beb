"""Numbers as the kernel reads them."""

import pytest

from kexeckit.formats.memparse import parse_integer, parse_memory


@pytest.mark.parametrize(
    ("text", "value", "end"),
    [
        ("64M", 64 << 20, 3),
        ("0x10k@", 16 << 10, 5),
        ("010", 8, 3),
        ("09", 0, 1),
        ("0x", 0, 1),
        ("12T,", 12 << 40, 3),
        ("1e", 1 << 60, 2),
        ("M", 0, 1),
        ("", 0, 0),
        ("-1", 0, 0),
        ("64MM", 64 << 20, 3),
    ],
)
def test_memory(text: str, value: int, end: int) -> None:
    """Base from the prefix, one suffix at most, stop at what does not fit."""
    assert parse_memory(text) == (value, end)


@pytest.mark.parametrize(("text", "value", "end"), [("M", 0, 0), ("0M", 0, 2), ("64M", 64 << 20, 3)])
def test_checked_wants_digits_before_a_unit(text: str, value: int, end: int) -> None:
    """A newer kernel does not read a unit that stands alone."""
    assert parse_memory(text, checked=True) == (value, end)


@pytest.mark.parametrize(
    "text", ["16E", "17E", "18446744073709551616", "99999999999999999999999k", "0x10000000000000000"]
)
def test_checked_stops_at_the_largest_value(text: str) -> None:
    """A newer kernel takes what does not fit for 2^64 - 1, and reads it to its end."""
    assert parse_memory(text, checked=True) == ((1 << 64) - 1, len(text))


@pytest.mark.parametrize(("text", "value", "end"), [("64\u212a", 64, 2), ("\u0663M", 0, 0), ("6\u0664", 6, 1)])
def test_letters_beyond_ascii_are_neither_digits_nor_units(text: str, value: int, end: int) -> None:
    """The Kelvin sign is no k, and the digits of other scripts are no digits."""
    assert parse_memory(text) == (value, end)


def test_overflow_wraps() -> None:
    """Too large a value is cut to 64 bits, as in the kernel."""
    assert parse_memory("17E")[0] == 1 << 60
    assert parse_integer("0x1ffffffffffffffff")[0] == (1 << 64) - 1


def test_reads_from_the_middle() -> None:
    """The index says where to begin."""
    assert parse_memory("256M@16M", 5) == (16 << 20, 8)
