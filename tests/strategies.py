"""All hypothesis strategies: ranges and maps over a toy address space that a set of integers can describe."""

from hypothesis import strategies as st

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

TOY = 128


@st.composite
def ranges(draw: st.DrawFn, limit: int = TOY) -> MemRange:
    """One non-empty range in [0, limit)."""
    start = draw(st.integers(0, limit - 1))
    return MemRange(start, draw(st.integers(start + 1, limit)))


def range_lists(limit: int = TOY) -> st.SearchStrategy[list[MemRange]]:
    """Ranges in any order that may overlap and touch."""
    return st.lists(ranges(limit), max_size=8)


def range_sets(limit: int = TOY) -> st.SearchStrategy[RangeSet]:
    """Range sets over the toy space."""
    return range_lists(limit).map(RangeSet)
