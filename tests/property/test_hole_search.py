"""The hole search against a transcription that tries every page one by one, as the kernel does."""

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.load.hole_search import BufferNeed, find_hole
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE
from strategies import ranges

PAGES = 48


def byte_range(r: MemRange, *, first: int = 0, last: int = 0) -> MemRange:
    """The toy range in pages, with ends that need not be page aligned."""
    return MemRange(r.start * PAGE_SIZE + first, r.end * PAGE_SIZE - last)


ragged = st.builds(byte_range, ranges(PAGES), first=st.integers(0, 2000), last=st.integers(0, 2000))
pages = st.builds(byte_range, ranges(PAGES))


@st.composite
def needs(draw: st.DrawFn) -> BufferNeed:
    """Sizes and limits that often just fit or just do not."""
    return BufferNeed(
        "buffer",
        1,
        draw(st.integers(1, 6 * PAGE_SIZE)),
        draw(st.sampled_from([0, 16, PAGE_SIZE, 2 * PAGE_SIZE, 8 * PAGE_SIZE])),
        draw(st.integers(1, 20)) * PAGE_SIZE // 2,
        draw(st.one_of(st.just((1 << 64) - 1), st.integers(6, PAGES).map(lambda n: n * PAGE_SIZE))),
        draw(st.booleans()),
    )


def slow_search(tried: list[MemRange], need: BufferNeed, taken: list[MemRange], whole_range: bool) -> int | None:
    """Every candidate start in the kernel's order."""
    size, align = need.pages_size, need.page_align
    for r in tried:
        if r.size < size or r.last < need.min or r.start > need.max:
            continue
        top = min(r.last, need.max) - size + (1 if whole_range else 0)
        starts = range(0, PAGES * PAGE_SIZE, align)
        ordered = reversed(starts) if need.top_down else starts
        for start in ordered:
            if start < r.start or start < need.min:
                continue
            if need.top_down and start > top:
                continue
            if not need.top_down and (start + size - 1 > r.last or start + size - 1 > need.max):
                continue
            if not any(t.start < start + size and start < t.end for t in taken):
                return start
    return None


@given(st.lists(ragged, max_size=4), needs(), st.lists(pages, max_size=4), st.booleans())
def test_search_finds_what_trying_every_page_finds(
    tried: list[MemRange], need: BufferNeed, taken: list[MemRange], whole_range: bool
) -> None:
    """Same address, and a hole is found if and only if there is one."""
    found = find_hole(tried, need, taken, whole_range=whole_range)
    assert found.start == slow_search(tried, need, taken, whole_range)


@given(st.lists(ragged, max_size=4), needs(), st.lists(pages, max_size=4))
def test_each_range_is_either_used_or_explained(tried: list[MemRange], need: BufferNeed, taken: list[MemRange]) -> None:
    """The ranges before the one used are listed in order, each with a reason."""
    found = find_hole(tried, need, taken, whole_range=True)
    names = [p.range for p in found.passed_over]
    assert names == tried[: len(names)]
    assert all(p.why for p in found.passed_over)
    assert found.inside == (tried[len(names)] if found.start is not None else None)
