"""memblock's search against trying every address, and the e820 clean-up against a map of single bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.boot.e820 import E820Entry, can_sanitize, sanitized
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from strategies import TOY, range_sets, ranges

PAGE = 4096


def pages(found: RangeSet) -> list[MemRange]:
    """Return ranges of a toy space as pages, one page up: page 0 is never handed out."""
    return [MemRange((r.start + 1) * PAGE, (r.end + 1) * PAGE) for r in found]


@given(range_sets(), range_sets(), ranges(), st.integers(1, 40), st.sampled_from((1, 2, 4, 8)), st.booleans())
def test_the_search_finds_the_best_place(
    memory: RangeSet, taken: RangeSet, window: MemRange, size: int, align: int, bottom_up: bool
) -> None:
    """Top down the highest aligned place that is free and in the window, bottom up the lowest."""
    made = Memblock(tuple(Region(r) for r in pages(memory)), RangeSet(pages(taken)))
    span = MemRange((window.start + 1) * PAGE, (window.end + 1) * PAGE)
    found = made.find(size * PAGE, align * PAGE, span, bottom_up=bottom_up)
    free = {r.start // PAGE + n for f in made.free() for r in (f.range,) for n in range(r.size // PAGE)}
    fitting = [
        at
        for at in range(0, TOY + 1, align)
        if span.start <= at * PAGE
        and (at + size) * PAGE <= span.end
        and all(n in free for n in range(at, at + size))
        and any(f.range.contains(MemRange(at * PAGE, (at + size) * PAGE)) for f in made.free())
    ]
    best = (min(fitting) if bottom_up else max(fitting)) if fitting else None
    assert found == (None if best is None else best * PAGE)


@given(st.lists(st.tuples(ranges(), st.sampled_from((1, 2, 3, 5, 12))), min_size=2, max_size=10))
def test_clean_up_keeps_the_highest_type_of_every_byte(entries: list[tuple[MemRange, int]]) -> None:
    """Sorted, disjoint, and each byte has the highest type that claimed it."""
    table = tuple(E820Entry(r.start, r.end, kind) for r, kind in entries)
    assert can_sanitize(table)
    clean = sanitized(table)
    assert all(a.end <= b.start for a, b in pairwise(clean))
    for byte in range(TOY):
        claimed = max((e.type for e in table if e.start <= byte < e.end), default=0)
        kept = [e.type for e in clean if e.start <= byte < e.end]
        assert kept == ([claimed] if claimed else [])
