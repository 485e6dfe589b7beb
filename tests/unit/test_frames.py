"""Physical pages by number, and the cursor that takes control pages out of a region."""

import pytest

from kexeckit.errors import PlanError
from kexeckit.kernel.page_tables.control_pages import ControlCursor, _take_pages
from kexeckit.kernel.page_tables.frames import FrameRun, Frames
from kexeckit.memory.range import MemRange

PAGE = 4096
FRAMES = Frames(MemRange(8 * PAGE, 10 * PAGE), MemRange(2 * PAGE, 3 * PAGE), MemRange(20 * PAGE, 23 * PAGE))
ORDER = [8, 9, 2, 20, 21, 22]


def test_numbers_and_addresses_are_inverse() -> None:
    """In order of use, not of addresses."""
    assert FRAMES.count == len(ORDER)
    for number, page in enumerate(ORDER):
        assert FRAMES.address(number) == page * PAGE
        assert FRAMES.number(page * PAGE) == FRAMES.number(page * PAGE + 4095) == number


@pytest.mark.parametrize("number", [-1, 6])
def test_a_page_that_is_not_there(number: int) -> None:
    """Neither before the first nor behind the last."""
    with pytest.raises(IndexError, match="of 6"):
        FRAMES.address(number)


@pytest.mark.parametrize("page", [0, 1, 3, 7, 10, 19, 23])
def test_an_address_where_no_page_is(page: int) -> None:
    """Between the ranges, before and behind."""
    with pytest.raises(KeyError, match="no table page"):
        FRAMES.number(page * PAGE)


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("count", range(7))
def test_runs_are_the_pages_in_order(first: int, count: int) -> None:
    """Each as long as addresses follow each other; together they are the pages one by one."""
    count = min(count, 6 - first)
    runs = list(FRAMES.runs(first, count))
    assert [n for r in runs for n in range(r.first, r.first + r.count)] == list(range(count))
    pages = [r.address // PAGE + n for r in runs for n in range(r.count)]
    assert pages == ORDER[first : first + count]


def test_frames_are_whole_pages() -> None:
    """Ragged ranges are refused."""
    for ragged in (MemRange(1, PAGE), MemRange(0, PAGE + 1)):
        with pytest.raises(ValueError, match="whole pages"):
            Frames(ragged)


def test_a_cursor_uses_the_region_to_its_last_page() -> None:
    """And never goes back."""
    cursor = ControlCursor(MemRange(0x10000, 0x14000), [MemRange(0x11000, 0x12000)])
    assert [cursor.take(PAGE).start for _ in range(3)] == [0x10000, 0x12000, 0x13000]
    with pytest.raises(PlanError, match="ENOMEM"):
        cursor.take(PAGE)
    assert ControlCursor(MemRange(0x10000, 0x12000), []).take(2 * PAGE) == MemRange(0x10000, 0x12000)
    with pytest.raises(PlanError, match="ENOMEM"):
        ControlCursor(MemRange(0x11000, 0x13000), []).take(2 * PAGE)


def test_pages_that_follow_each_other_are_one_run() -> None:
    """A segment between them begins a new one."""
    cursor = ControlCursor(MemRange(0x10000, 0x20000), [MemRange(0x12000, 0x13000), MemRange(0x15000, 0x16000)])
    assert _take_pages(cursor, 6) == [
        MemRange(0x10000, 0x12000),
        MemRange(0x13000, 0x15000),
        MemRange(0x16000, 0x18000),
    ]


def test_a_run_has_three_numbers() -> None:
    """Where it begins among the pages asked for, its address, its length."""
    assert list(FRAMES.runs(1, 3)) == [FrameRun(0, 9 * PAGE, 1), FrameRun(1, 2 * PAGE, 1), FrameRun(2, 20 * PAGE, 1)]


def test_no_frames_at_all() -> None:
    """Are none."""
    assert Frames().count == 0
    assert list(Frames().runs(0, 0)) == []
