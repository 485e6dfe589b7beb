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
        ("M", 0, 0),
        ("", 0, 0),
        ("-1", 0, 0),
        ("64MM", 64 << 20, 3),
    ],
)
def test_memory(text: str, value: int, end: int) -> None:
    """Base from the prefix, one suffix at most, stop at what does not fit."""
    assert parse_memory(text) == (value, end)


def test_overflow_wraps() -> None:
    """Too large a value is cut to 64 bits, as in the kernel."""
    assert parse_memory("17E")[0] == 1 << 60
    assert parse_integer("0x1ffffffffffffffff")[0] == (1 << 64) - 1


def test_reads_from_the_middle() -> None:
    """The index says where to begin."""
    assert parse_memory("256M@16M", 5) == (16 << 20, 8)
