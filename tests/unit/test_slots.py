"""Rows of places: counted and compared with ranges without being listed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.boot.slots import Slots, count, overlapping, share
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, MIB, TIB


def test_a_row_has_both_ends() -> None:
    """Its last start belongs to it."""
    row = Slots(16 * MIB, 32 * MIB, 2 * MIB)
    assert len(row) == 9
    assert 16 * MIB in row
    assert 32 * MIB in row
    assert 34 * MIB not in row
    assert 17 * MIB not in row
    assert "x" not in row


@pytest.mark.parametrize(
    ("first", "last", "step"), [(0, 3, 2), (4, 2, 2), (0, 4, 0), (-2, 2, 2), (0, 1 << 64, 1 << 32)]
)
def test_no_row(first: int, last: int, step: int) -> None:
    """Steps that do not fit, reversed ends, addresses that do not exist."""
    with pytest.raises(ValueError, match="no row of starts"):
        Slots(first, last, step)


def test_touching_is_not_overlapping() -> None:
    """An image of 4 MiB below, over and behind a range."""
    row = (Slots(0, 20 * MIB, 2 * MIB),)
    assert overlapping(row, 4 * MIB, [MemRange(8 * MIB, 10 * MIB)]) == 2
    assert overlapping(row, 4 * MIB, [MemRange(8 * MIB - 1, 10 * MIB + 1)]) == 4


def test_a_place_that_meets_two_ranges_counts_once() -> None:
    """The ranges of a reservation in two parts."""
    row = (Slots(0, 20 * MIB, 2 * MIB),)
    both = [MemRange(8 * MIB, 9 * MIB), MemRange(9 * MIB, 10 * MIB), MemRange(9 * MIB, 11 * MIB)]
    assert overlapping(row, 2 * MIB, both) == overlapping(row, 2 * MIB, [MemRange(8 * MIB, 11 * MIB)]) == 2


def test_64_tib_in_a_moment() -> None:
    """No list of 32 million starts is made."""
    row = (Slots(0, 64 * TIB - 64 * MIB, 2 * MIB),)
    assert count(row) == (64 * TIB - 64 * MIB) // (2 * MIB) + 1
    assert overlapping(row, 64 * MIB, [MemRange(32 * TIB, 32 * TIB + GIB)]) == (GIB + 64 * MIB) // (2 * MIB) - 1
    assert share(row, 64 * MIB, [MemRange(0, 64 * TIB)]) == 1.0
    assert share((), 64 * MIB, [MemRange(0, GIB)]) is None


RANGES = st.builds(MemRange.from_size, st.integers(0, 120), st.integers(1, 40))
ROWS = st.builds(
    lambda first, steps, step: Slots(first, first + steps * step, step),
    st.integers(0, 60),
    st.integers(0, 20),
    st.integers(1, 7),
)


@given(ROWS, st.integers(1, 30), st.lists(RANGES, max_size=4))
def test_counted_as_listed(row: Slots, size: int, ranges: list[MemRange]) -> None:
    """Every start tried."""
    starts = range(row.first, row.last + 1, row.step)
    met = [s for s in starts if any(s < r.end and r.start < s + size for r in ranges)]
    assert len(row) == len(starts)
    assert overlapping([row], size, ranges) == len(met)
