"""`Slots`: the places at which something may begin, as rows that are counted without being listed.

    image           |=====|                         size
    row     |   |   |   |   |   |                   first, last, step
    range               [#######)
    hit         |   |   |   |                       starts above range.start - size and below range.end

A machine of 64 TiB has 32 million places for a kernel, in a row or two.
"""

from collections.abc import Iterable

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import ADDRESS_LIMIT

__all__ = ["Slots", "count", "overlapping", "share"]


@dataclass(frozen=True, slots=True, order=True)
class Slots:
    """Starts in a row; bytes.

    Attributes:
        first: Lowest start.
        last: Highest start, inclusive.
        step: Distance between neighbours.

    Raises:
        ValueError: The row does not go up from first to last in whole steps.
    """

    first: int
    last: int
    step: int

    def __post_init__(self) -> None:
        if self.step <= 0 or not 0 <= self.first <= self.last < ADDRESS_LIMIT or (self.last - self.first) % self.step:
            raise ValueError(f"no row of starts: {self.first:#x} to {self.last:#x} by {self.step:#x}")

    def __len__(self) -> int:
        return (self.last - self.first) // self.step + 1

    def __contains__(self, start: object) -> bool:
        return isinstance(start, int) and self.first <= start <= self.last and not (start - self.first) % self.step


def count(slots: Iterable[Slots]) -> int:
    """Return how many starts there are; rows must not share any."""
    return sum(len(row) for row in slots)


def overlapping(slots: Iterable[Slots], size: int, ranges: Iterable[MemRange]) -> int:
    """Count the starts from which `size` bytes share a byte with any of the ranges.

    Args:
        slots: Rows that share no start.
        size: Bytes behind each start; at least 1.
        ranges: Any ranges; a start that meets several counts once.
    """
    hits = RangeSet(MemRange(max(r.start - size + 1, 0), r.end) for r in ranges)
    return sum(_within(row, hit) for row in slots for hit in hits)


def share(slots: Iterable[Slots], size: int, ranges: Iterable[MemRange]) -> float | None:
    """Return which part of the starts, 0 to 1, meets a range as in `overlapping`; None where there is no start."""
    rows = tuple(slots)
    total = count(rows)
    return overlapping(rows, size, ranges) / total if total else None


def _within(row: Slots, hit: MemRange) -> int:
    # How many starts of a row lie in [start, end).
    first = max(-(-(hit.start - row.first) // row.step), 0)
    last = min((hit.last - row.first) // row.step, len(row) - 1)
    return max(last - first + 1, 0)
