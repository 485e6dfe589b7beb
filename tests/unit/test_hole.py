"""Holes by memblock's cases, and what a refusal says."""

import pytest

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.plan.hole import NoHoleError, find_hole, locate_hole
from kexeckit.plan.request import NO_LIMIT, BufferRequest

P = 0x1000
RAM = RangeSet((MemRange(0x10 * P, 0x20 * P), MemRange(0x30 * P, 0x40 * P)))


def want(pages: int, *, align: int = P, low: int = 0, high: int = NO_LIMIT, down: bool = True) -> BufferRequest:
    """A request for so many pages."""
    return BufferRequest("buf", pages * P, pages * P, align, low, high, down, "because")


#     0x10     0x20     0x30     0x40   pages
#      |========|        |========|
CASES = [
    # taken, request, start of the place
    ([], want(1), 0x3F),
    ([], want(1, down=False), 0x10),
    ([], want(0x10), 0x30),
    ([], want(0x10, down=False), 0x10),
    ([(0x3F, 0x40)], want(1), 0x3E),
    ([(0x30, 0x40)], want(1), 0x1F),
    ([(0x38, 0x50)], want(8), 0x30),
    ([(0x00, 0x18)], want(8, down=False), 0x18),
    ([(0x10, 0x20)], want(1, down=False), 0x30),
    ([], want(1, high=0x20 * P), 0x1F),
    ([], want(1, high=0x20 * P + 1), 0x1F),
    ([], want(1, low=0x1F * P + 1, down=False), 0x30),
    ([], want(4, align=8 * P), 0x38),
    ([], want(4, align=8 * P, low=0x11 * P, down=False), 0x18),
    ([], want(1, low=0x20 * P, high=0x30 * P), None),
    ([], want(0x11), None),
    ([(0x18, 0x19), (0x38, 0x39)], want(9), None),
    ([(0x00, 0x40)], want(1), None),
]


@pytest.mark.parametrize(("taken", "request_", "start"), CASES)
def test_places(taken: list[tuple[int, int]], request_: BufferRequest, start: int | None) -> None:
    """The highest or the lowest start that all limits allow."""
    found = find_hole(RAM, request_, RangeSet(MemRange(a * P, b * P) for a, b in taken))
    assert (found.start // P if found else None) == start


def test_a_hole_says_why_it_is_there() -> None:
    """Direction, alignment, limits and the request's own reason."""
    hole = locate_hole(RAM, want(1, low=P, high=0x20 * P), RangeSet())
    assert hole.reason == "highest free 4 KiB aligned to 4 KiB, at or above 0x00001000, below 0x00020000: because"
    assert locate_hole(RAM, want(1, down=False), RangeSet()).reason.startswith("lowest free 4 KiB")


@pytest.mark.parametrize(
    ("ram", "request_", "taken", "limit", "fits"),
    [
        (RangeSet(), want(1), [], "no usable RAM at all", ""),
        (
            RAM,
            want(0x11),
            [],
            "larger than any usable range of RAM (64 KiB)",
            "largest free range is 64 KiB at [0x00010000",
        ),
        (RAM, want(1), [(0, 0x50)], "what is placed already takes the room", "nothing is free"),
        (RAM, want(1, align=1 << 20), [], "its alignment of 1 MiB leaves no start", "64 KiB"),
        (RAM, want(1, low=0x40 * P), [], "nothing fits at or above 0x00040000 (because)", "64 KiB"),
        (RAM, want(1, high=0x10 * P), [], "nothing fits below 0x00010000 (because)", "64 KiB"),
        (RAM, want(1, low=0x20 * P, high=0x30 * P, align=1 << 20), [], "leave no room together", "64 KiB"),
    ],
)
def test_a_refusal_names_the_limit_that_bound_and_what_would_fit(
    ram: RangeSet, request_: BufferRequest, taken: list[tuple[int, int]], limit: str, fits: str
) -> None:
    """Each limit is named only where relaxing it would help."""
    with pytest.raises(NoHoleError, match="no place for buf") as caught:
        locate_hole(ram, request_, RangeSet(MemRange(a * P, b * P) for a, b in taken))
    assert limit in caught.value.limit
    assert fits in caught.value.fits


def test_the_top_of_the_address_space_can_be_given_away() -> None:
    """2^64 is a limit like any other."""
    ram = RangeSet((MemRange((1 << 64) - 4 * P, 1 << 64),))
    found = find_hole(ram, want(4), RangeSet())
    assert found == MemRange((1 << 64) - 4 * P, 1 << 64)


def test_a_place_without_a_lowest_start_does_not_tell_one() -> None:
    """Neither in the reason nor in a refusal."""
    assert "at or above" not in locate_hole(RAM, want(1), RangeSet()).reason
    assert "at or above 0x00001000" in locate_hole(RAM, want(1, low=P), RangeSet()).reason
    with pytest.raises(NoHoleError) as caught:
        locate_hole(RAM, want(0x80), RangeSet())
    assert "at or above" not in str(caught.value)
