"""Counting page frames by bisection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.memory.pages import PageIntervals

PAIRS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=8)


def built(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Lay (gap, size) pairs out one after the other."""
    out, at = [], 0
    for gap, size in pairs:
        at += gap
        out.append((at, at + size))
        at += size
    return out


@given(PAIRS, st.integers(0, 260), st.integers(0, 260))
def test_within_counts_pages(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    """The count within a window is that of a plain set."""
    intervals = built(pairs)
    pages = {p for a, b in intervals for p in range(a, b)}
    found = PageIntervals(intervals)
    assert found.within(start, end) == len([p for p in pages if start <= p < end])
    assert found.total == len(pages)
    assert (found.start, found.end) == ((min(pages), max(pages) + 1) if pages else (0, 0))


def test_empty_intervals_are_left_out() -> None:
    """An interval without pages leaves no trace."""
    assert len(PageIntervals([(3, 3), (5, 8), (9, 9)])) == 1


def test_overlap_is_refused() -> None:
    """Overlapping or unsorted intervals cannot be built, and the message names them."""
    with pytest.raises(ValueError, match="begins before 8"):
        PageIntervals([(5, 8), (7, 9)])
    with pytest.raises(ValueError, match="from 1 begins before 8"):
        PageIntervals([(5, 8), (1, 2)])


def test_touching_intervals_stay_apart() -> None:
    """Neighbours are not merged, so a border between two regions stays visible."""
    found = PageIntervals([(1, 3), (3, 4)])
    assert [found[0], found[1]] == [(1, 3), (3, 4)]


def test_the_interval_that_is_wrong_is_named() -> None:
    """Whichever it is."""
    with pytest.raises(ValueError, match="from 5 begins before 8"):
        PageIntervals([(0, 2), (3, 8), (5, 9)])
    with pytest.raises(ValueError, match="from 1 begins before 2"):
        PageIntervals([(0, 2), (1, 3), (5, 9)])
