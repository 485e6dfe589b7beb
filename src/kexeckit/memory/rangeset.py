"""`RangeSet`: a set of physical addresses, held as sorted, disjoint ranges that do not touch.

Theory: a set of addresses has exactly one such form, so equality is equality of the sets. Construction sorts
(O(n log n)); union, intersection and difference of two sets walk both lists once (O(n + m)); a lookup is a bisection.

    a      |----|      |--------|    |--|
    b        |-----|      |--|
    a | b  |-------|   |--------|    |--|
    a & b    |--|         |--|
    a - b  |-|         |--|  |--|    |--|

Warning: touching ranges become one here. Where the border between two neighbours means something (two e820 entries,
two memblock regions on different nodes), use `MemoryMap` or keep a list of `MemRange`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Self

from kexeckit.memory.range import MemRange, clip


class RangeSet:
    """An immutable set of physical addresses.

    Args:
        ranges: Any ranges, in any order; they may overlap or touch.
    """

    __slots__ = ("_ranges", "_starts")

    def __init__(self, ranges: Iterable[MemRange] = ()) -> None:
        self._ranges = _normalised(ranges)
        self._starts = [r.start for r in self._ranges]

    @classmethod
    def _from_sorted(cls, ranges: list[MemRange]) -> Self:
        # Only for results that are sorted, disjoint and apart by construction.
        made = cls.__new__(cls)
        made._ranges = tuple(ranges)
        made._starts = [r.start for r in ranges]
        return made

    def __iter__(self) -> Iterator[MemRange]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(map(str, self._ranges))})"

    @property
    def size(self) -> int:
        """Bytes in the set."""
        return sum(r.size for r in self._ranges)

    def find(self, address: int) -> MemRange | None:
        """Return the range that holds one address, or None."""
        at = bisect_right(self._starts, address) - 1
        return self._ranges[at] if at >= 0 and address < self._ranges[at].end else None

    def __contains__(self, item: object) -> bool:
        """Say whether an address, or every byte of a range, is in the set."""
        if isinstance(item, MemRange):
            found = self.find(item.start)
            return found is not None and item.end <= found.end
        return isinstance(item, int) and self.find(item) is not None

    def __or__(self, other: "RangeSet") -> "RangeSet":
        return RangeSet((*self._ranges, *other._ranges))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        out: list[MemRange] = []
        i = j = 0
        a, b = self._ranges, other._ranges
        while i < len(a) and j < len(b):
            common = a[i].intersection(b[j])
            if common:
                out.append(common)
            if a[i].end <= b[j].end:
                i += 1
            else:
                j += 1
        return RangeSet._from_sorted(out)

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        out: list[MemRange] = []
        b = other._ranges
        j = 0
        for r in self._ranges:
            while j < len(b) and b[j].end <= r.start:
                j += 1
            at, k = r.start, j
            while k < len(b) and b[k].start < r.end:
                piece = clip(at, b[k].start)
                if piece:
                    out.append(piece)
                at = b[k].end
                k += 1
            piece = clip(at, r.end)
            if piece:
                out.append(piece)
            j = max(j, k - 1)
        return RangeSet._from_sorted(out)

    def gaps(self, bound: MemRange) -> "RangeSet":
        """Return the addresses inside `bound` that are not in the set."""
        return RangeSet((bound,)) - self

    def overlapping(self, bound: MemRange) -> list[MemRange]:
        """Return the ranges, uncut, that share a byte with `bound`; O(log n + answer)."""
        first = max(bisect_right(self._starts, bound.start) - 1, 0)
        after = bisect_left(self._starts, bound.end, first)
        return [r for r in self._ranges[first:after] if r.overlaps(bound)]

    def aligned_inwards(self, align: int) -> "RangeSet":
        """Return the set with each range shrunk to multiples of `align` bytes."""
        return RangeSet(part for r in self._ranges if (part := r.aligned_inwards(align)))

    def largest(self) -> MemRange | None:
        """Return the largest range (the lowest of equals), or None for the empty set."""
        return max(self._ranges, key=lambda r: (r.size, -r.start), default=None)


def _normalised(ranges: Iterable[MemRange]) -> tuple[MemRange, ...]:
    # Sort, then let each range either extend the last one or start a new one.
    out: list[MemRange] = []
    for r in sorted(ranges, key=_bounds):
        if out and r.start <= out[-1].end:
            if r.end > out[-1].end:
                out[-1] = MemRange(out[-1].start, r.end)
        else:
            out.append(r)
    return tuple(out)


def _bounds(r: MemRange) -> tuple[int, int]:
    return (r.start, r.end)


EMPTY = RangeSet()
