"""How many table pages: a closed form, no table is built.

Theory: a table page exists for every span of its level that holds a leaf. With leaves of one size, rounded outwards,
a page of a higher level spans whole leaves, so rounding changes nothing: count the distinct spans that sorted,
disjoint ranges touch. A range touches (last span - first span + 1) of them; it shares one with its neighbour below if
that one ends in the span where it begins:

    spans    |    0    |    1    |    2    |    3    |
    ranges      |--|  |-----|         |--|  |-----|
    touched     1        2             1      2          minus the shared 0, minus the shared 2

Implementation: plain Python for few ranges; NumPy, loaded only then, for many (10,000 ranges in under a millisecond).

Source: arch/x86/mm/ident_map.c, kernel_ident_mapping_init().
"""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from kexeckit.kernel.page_tables.geometry import FOUR_LEVELS, LEAF_SIZES, TableFormat, TablePages
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# From about here on loading and filling arrays pays off.
MANY_RANGES = 512


def count_tables(ranges: RangeSet, leaf: int, form: TableFormat = FOUR_LEVELS) -> TablePages:
    """Count the table pages for leaves of one size.

    Args:
        ranges: What to map; every touched slot of the leaf's size gets a leaf, rounded outwards.
        leaf: Bytes that a leaf maps: a slot size of `form`.
        form: The kind of tables.

    Returns:
        Pages by level; the root is counted even for an empty set.

    Raises:
        PlanError: A range is beyond what the tables reach.
        ValueError: No level has leaves of this size.

    Source: arch/x86/mm/ident_map.c, ident_pud_init() and ident_pmd_init().
    """
    first = leaf_depth(leaf, form)
    shifts = [form.entry_shift(depth + 1) for depth in range(first, form.levels - 1)]
    touched = touched_spans(ranges, shifts, form)
    pages = dict(zip(form.names[first:], touched, strict=False))
    return TablePages(**pages, pgd=1, page_size=form.page_size)


def leaf_depth(leaf: int, form: TableFormat) -> int:
    """Return how many levels above the last one a leaf of this size stands.

    Raises:
        ValueError: No level has leaves of this size.
    """
    for depth in range(form.levels - 1):
        if leaf == 1 << form.entry_shift(depth):
            return depth
    raise ValueError(f"no level maps {leaf} bytes by an entry; x86_64 has {', '.join(LEAF_SIZES)}")


def touched_spans(ranges: RangeSet, shifts: Sequence[int], form: TableFormat) -> list[int]:
    """Count for each shift the distinct spans of 2**shift bytes that hold a byte of `ranges`.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    bounds = bounds_of(ranges, form)
    return [bounds.touched(shift) for shift in shifts]


class Bounds(Protocol):
    """Starts and ends of sorted, disjoint ranges, ready to be counted."""

    def touched(self, shift: int) -> int:
        """Count the spans of 2**shift bytes that hold a byte of a range."""

    def partial(self, shift: int) -> Sequence[int]:
        """Return the numbers of the spans in which a range begins or ends, sorted; borders of spans do not count."""


def bounds_of(ranges: RangeSet, form: TableFormat) -> Bounds:
    """Prepare a set for counting.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    parts = list(ranges)
    if parts:
        form.check(parts[-1].end)
    numpy = numpy_or_none() if len(parts) >= MANY_RANGES else None
    return _PlainBounds(parts) if numpy is None else _ArrayBounds(numpy, parts)


class _PlainBounds:
    def __init__(self, ranges: Sequence[MemRange]) -> None:
        self._ranges = ranges

    def touched(self, shift: int) -> int:
        count, previous = 0, -1
        for r in self._ranges:
            first, last = r.start >> shift, (r.end - 1) >> shift
            count += last - first + (first != previous)
            previous = last
        return count

    def partial(self, shift: int) -> Sequence[int]:
        mask = (1 << shift) - 1
        return sorted({edge >> shift for r in self._ranges for edge in (r.start, r.end) if edge & mask})


class _ArrayBounds:
    def __init__(self, numpy: ModuleType, ranges: Sequence[MemRange]) -> None:
        self._np = numpy
        # One array: start, end, start, end, ... is sorted, because the ranges are.
        self._edges: npt.NDArray[np.int64] = numpy.empty(2 * len(ranges), dtype=numpy.int64)
        self._edges[0::2] = [r.start for r in ranges]
        self._edges[1::2] = [r.end for r in ranges]

    def touched(self, shift: int) -> int:
        firsts, lasts = self._edges[0::2] >> shift, (self._edges[1::2] - 1) >> shift
        shared = (firsts[1:] == lasts[:-1]).sum()
        return int((lasts - firsts).sum()) + len(firsts) - int(shared)

    def partial(self, shift: int) -> Sequence[int]:
        inside = self._edges[(self._edges & ((1 << shift) - 1)) != 0] >> shift
        fresh = self._np.ones(len(inside), dtype=bool)
        fresh[1:] = inside[1:] != inside[:-1]
        found: Sequence[int] = inside[fresh]
        return found


def numpy_or_none() -> ModuleType | None:
    """Return NumPy, loading it now, or None where it is not installed: it is never required."""
    try:
        import numpy as np
    except ImportError:
        return None
    return np
