"""Page tables of the direct mapping, beside a model that makes one table after the other.

About kexeckit.kernel.boot.direct_map.
"""

from hypothesis import given
from hypothesis import strategies as st

import direct_map_oracle
from kexeckit.kernel.boot.direct_map import DirectMap, direct_map_pages
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

PAGE, MIB, GIB, TIB = 1 << 12, 1 << 20, 1 << 30, 1 << 40
# Ends on pages, on 2 MiB and on GiB, where the rules change, and a little beside them.
EDGES = st.one_of(
    st.integers(1, 600).map(lambda n: n * PAGE),
    st.integers(0, 40).map(lambda n: n * 2 * MIB),
    st.integers(250, 260).map(lambda n: n * 2 * MIB),
    st.integers(0, 4).map(lambda n: n * GIB),
    st.builds(lambda n, k: n * GIB + k * PAGE, st.integers(1, 3), st.integers(-3, 513)),
)
FAR = st.one_of(EDGES, st.integers(510, 514).map(lambda n: n * GIB), st.integers(1, 3).map(lambda n: n * TIB))


def ranges(edges: list[int]) -> RangeSet:
    """Return the ranges between each two of them."""
    ordered = sorted(edges)
    return RangeSet(MemRange(a, b) for a, b in zip(ordered[::2], ordered[1::2], strict=False))


def lists(edges: st.SearchStrategy[int], least: int) -> st.SearchStrategy[RangeSet]:
    """Draw disjoint ranges."""
    return st.lists(edges, min_size=least, max_size=12, unique=True).map(ranges)


@st.composite
def crowded(draw: st.DrawFn, edges: st.SearchStrategy[int]) -> tuple[RangeSet, RangeSet]:
    """Draw RAM of which only a few pages near the ends of its ranges are free."""
    ram = draw(lists(edges, 2))
    ends = st.tuples(st.sampled_from([r.end // PAGE for r in ram]), st.integers(1, 40), st.integers(1, 3))
    free = [(end - below, count) for end, below, count in draw(st.lists(ends, max_size=8)) if end > below]
    return ram, ram - RangeSet(MemRange.from_size(first * PAGE, count * PAGE) for first, count in free)


def memory(edges: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[RangeSet, RangeSet]]:
    """Draw RAM and what is reserved of it."""
    return st.one_of(crowded(edges), st.tuples(lists(edges, 2), lists(EDGES, 0)))


BUFFERS = st.integers(0, 5)
PLACES = st.one_of(st.none(), EDGES)


def check(ram: RangeSet, reserved: RangeSet, how: DirectMap, place: int | None) -> None:
    """Compare the model's pages with ours."""
    memory = Memblock(tuple(Region(r) for r in ram), reserved | RangeSet([MemRange(0, MIB)]))
    levels = ((256 * TIB,) if how.five_levels else ()) + (512 * GIB,)
    expected = direct_map_oracle.direct_map_pages(
        ram,
        memory.reserved,
        gigabyte=how.gigabyte,
        levels=levels,
        buffer=how.buffer,
        trampoline=how.trampoline,
        buffer_at=place,
    )
    assert direct_map_pages(memory, how, place) == expected


@given(memory(EDGES), BUFFERS, PLACES)
def test_with_pages_of_2_mib(drawn: tuple[RangeSet, RangeSet], buffer: int, place: int | None) -> None:
    """Up to a few GiB."""
    check(*drawn, DirectMap(gigabyte=False, five_levels=False, buffer=buffer), place)


@given(memory(FAR), BUFFERS, st.integers(0, 3), st.booleans(), PLACES)
def test_with_pages_of_1_gib(
    drawn: tuple[RangeSet, RangeSet], buffer: int, trampoline: int, five: bool, place: int | None
) -> None:
    """Up to TiB, with four levels and with five."""
    check(*drawn, DirectMap(gigabyte=True, five_levels=five, buffer=buffer, trampoline=trampoline), place)
