"""What the in-kernel loader's search refuses to look for, and why it passes a range over."""

import pytest

from kexeckit.kernel.load.hole_search import BufferNeed, find_hole
from kexeckit.memory.range import MemRange

PAGE = 4096


@pytest.mark.parametrize(("bufsz", "memsz"), [(0, 0), (-1, 1), (1, 0), (0, -1), (-1, 0)])
def test_a_buffer_needs_memory(bufsz: int, memsz: int) -> None:
    """Some of it, and no negative content."""
    with pytest.raises(ValueError, match="needs memory"):
        BufferNeed("x", bufsz, memsz, PAGE)


def test_a_buffer_without_content() -> None:
    """Is zeros in the end, and as good as any; by default it may go anywhere, from the top down."""
    need = BufferNeed("x", 0, 1, 0)
    assert (need.pages_size, need.page_align, need.min, need.max, need.top_down) == (PAGE, PAGE, 0, (1 << 64) - 1, True)


@pytest.mark.parametrize("align", [3, PAGE + 1, 6 * PAGE])
def test_an_alignment_is_a_power_of_two(align: int) -> None:
    """Others the kernel's masks cannot express."""
    with pytest.raises(ValueError, match="power of two"):
        BufferNeed("x", 1, 1, align)


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        (0, 16 * PAGE, "no free aligned hole"),
        (9 * PAGE - 1, 16 * PAGE, "no free aligned hole"),
        (9 * PAGE, 16 * PAGE, "below the lowest start"),
        (0, 8 * PAGE, "no free aligned hole"),
        (0, 8 * PAGE - 1, "above the highest end"),
    ],
)
def test_why_a_range_is_passed_over(low: int, high: int, why: str) -> None:
    """A page at 8 pages that is taken: limits are looked at before what is free."""
    only = MemRange(8 * PAGE, 9 * PAGE)
    found = find_hole([only], BufferNeed("x", 1, 1, PAGE, low, high), [only], whole_range=True)
    assert found.start is None
    assert why in found.passed_over[0].why


def test_a_range_that_is_too_small() -> None:
    """By a byte."""
    small = MemRange(8 * PAGE, 9 * PAGE - 1)
    assert find_hole([small], BufferNeed("x", 1, 1, 0), [], whole_range=True).passed_over[0].why.startswith("smaller")


@pytest.mark.parametrize(("end", "start"), [(10 * PAGE, 8 * PAGE), (9 * PAGE + 1, 8 * PAGE), (9 * PAGE, None)])
def test_before_6_8_the_last_byte_of_a_range_is_wasted(end: int, start: int | None) -> None:
    """And with it the page that it lies in; a byte more is enough to have the page before it."""
    found = find_hole([MemRange(8 * PAGE, end)], BufferNeed("x", 1, 1, PAGE), [], whole_range=False)
    assert found.start == start


@pytest.mark.parametrize("top_down", [True, False])
def test_a_range_that_is_just_large_enough(*, top_down: bool) -> None:
    """Is taken whole, also where it begins at the lowest start that is allowed."""
    only = MemRange(8 * PAGE, 10 * PAGE)
    for low in (0, 8 * PAGE):
        need = BufferNeed("x", 1, 2 * PAGE, PAGE, low, 10 * PAGE - 1, top_down)
        assert find_hole([only], need, [], whole_range=True).start == 8 * PAGE
    need = BufferNeed("x", 1, 2 * PAGE, PAGE, 8 * PAGE + 1, 10 * PAGE - 1, top_down)
    assert find_hole([only], need, [], whole_range=True).start is None
