"""`PageIntervals`: a set of page frames that knows how many of them lie below a given one.

Zones are made of whole page frames. "How many pages of this set are in [a, b)" takes two bisections, whatever the
number of intervals, because each interval remembers how many pages come before it:

    intervals   |====|      |========|   |==|
    before      0           4            12     14 = total
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from operator import lt, sub


class PageIntervals:
    """A set of page frames as sorted, disjoint intervals ``[start, end)`` of page-frame numbers.

    Args:
        intervals: Sorted by start and disjoint; touching ones may stay apart, empty ones are left out.

    Raises:
        ValueError: Unsorted or overlapping intervals.
    """

    __slots__ = ("_before", "_ends", "_starts")

    def __init__(self, intervals: Iterable[tuple[int, int]]) -> None:
        kept = [pair for pair in intervals if pair[0] < pair[1]]
        self._starts = [start for start, _ in kept]
        self._ends = [end for _, end in kept]
        # Comparing whole lists keeps large machines cheap; the loop only runs to say which interval is wrong.
        if any(map(lt, self._starts[1:], self._ends)):
            wrong = next(
                at for at, (start, end) in enumerate(zip(self._starts[1:], self._ends, strict=False)) if start < end
            )
            raise ValueError(f"page interval from {self._starts[wrong + 1]} begins before {self._ends[wrong]}")
        self._before: list[int] = list(accumulate(map(sub, self._ends, self._starts), initial=0))

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, at: int) -> tuple[int, int]:
        return self._starts[at], self._ends[at]

    @property
    def total(self) -> int:
        """Page frames in the set."""
        return self._before[-1]

    @property
    def start(self) -> int:
        """Lowest page frame; 0 for the empty set, as get_pfn_range_for_nid() has it."""
        return self._starts[0] if self._starts else 0

    @property
    def end(self) -> int:
        """Page frame after the highest one; 0 for the empty set."""
        return self._ends[-1] if self._ends else 0

    def below(self, pfn: int) -> int:
        """Return how many page frames of the set are lower than `pfn`."""
        at = bisect_right(self._starts, pfn)
        if at == 0:
            return 0
        return self._before[at - 1] + min(pfn, self._ends[at - 1]) - self._starts[at - 1]

    def within(self, start: int, end: int) -> int:
        """Return how many page frames of the set are in ``[start, end)``; 0 where that is empty or reversed."""
        return self.below(end) - self.below(start) if start < end else 0
