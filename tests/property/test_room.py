"""Room wherever unknown things lie: what is promised, against every place of them on machines of a few pages."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.doubt import Takes
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.room import always_room, pieces_to_fill
from kexeckit.kernel.reservation.search import place
from kexeckit.memory.range import MemRange
from toy_search import LIMITS, PAGE, PAGES, kernels, memories, memory, requests, rules, wanted


def least_pieces(rooms: list[int], size: int, taken: int) -> int | None:
    """Return with how few pieces of together so many bytes nothing fits; None if with none. By trying all numbers."""
    best = None
    for counts in product(*(range(room + 1) for room in rooms)):
        # Each of the gaps that k pieces leave is smaller than the size, and a piece has a byte.
        least = [max(k, room - (k + 1) * (size - 1)) for k, room in zip(counts, rooms, strict=True)]
        closed = all(n <= room and (k or room < size) for n, k, room in zip(least, counts, rooms, strict=True))
        if closed and sum(least) <= taken and (best is None or sum(counts) < best):
            best = sum(counts)
    return best


@given(st.lists(st.integers(0, 12), max_size=3), st.integers(1, 5), st.integers(0, 20))
def test_no_fewer_pieces_close_all_rooms(rooms: list[int], size: int, taken: int) -> None:
    """The number is a lower bound, whatever the pieces' sizes are."""
    least = least_pieces(rooms, size, taken)
    assert least is None or pieces_to_fill(rooms, size, taken) <= least


@pytest.mark.parametrize(
    ("rooms", "taken", "pieces"),
    [
        ([], 9, 0),
        ([3], 9, 0),
        ([4], 0, 1),
        ([4], 1, 0),
        ([7], 3, 1),
        ([7], 4, 0),
        ([8], 0, 2),
        ([8], 1, 1),
        ([4, 11], 1, 2),
        ([4, 11], 5, 1),
    ],
)
def test_pieces_that_it_takes(rooms: list[int], taken: int, pieces: int) -> None:
    """For four bytes: each four of a room cost a piece, but what a piece's bytes fill costs none."""
    assert pieces_to_fill(rooms, 4, taken) == pieces


def placements(takes: Takes, step: int = PAGE) -> Iterator[list[MemRange]]:
    """Yield every way to lay one or two pieces of together so many bytes into the pages."""
    total = takes.size // PAGE
    for first in range(1, total + 1) if takes.pieces == 2 else (total,):
        sizes = [s for s in (first, total - first) if s]
        for starts in product(range(0, (PAGES + 2) * PAGE, step), repeat=len(sizes)):
            yield [MemRange.from_size(at, size * PAGE) for at, size in zip(starts, sizes, strict=True)]


def blocking(
    found: Memblock, request: Request, kernel: CrashRules, takes: Takes, step: int = PAGE
) -> list[MemRange] | None:
    """Return a way to lay the pieces that leaves the search without room, or None."""
    return next((p for p in placements(takes, step) if not place(found.reserve(p), request, kernel, LIMITS).main), None)


@settings(max_examples=60, deadline=None)
@given(memories(), requests(), kernels(), st.integers(1, 2), st.integers(1, 4))
def test_what_is_promised_holds(found: Memblock, request: Request, kernel: CrashRules, count: int, size: int) -> None:
    """Wherever the pieces lie, the search succeeds."""
    takes = Takes(count, size * PAGE)
    assume(always_room(found, request, kernel, LIMITS, takes))
    assert blocking(found, request, kernel, takes) is None


@pytest.mark.parametrize(
    ("size", "takes", "promised"),
    [
        (11, Takes(1, 2 * PAGE), True),
        (12, Takes(1, PAGE), False),
        (7, Takes(2, 2 * PAGE), True),
        (8, Takes(2, 2 * PAGE), False),
        (24, Takes(0, 0), True),
        (25, Takes(0, 0), False),
    ],
)
def test_promises_are_made(size: int, takes: Takes, promised: bool) -> None:
    """24 pages: a piece leaves half of them, two leave a third; where it is no more, no promise, and rightly so."""
    found, request = memory(), wanted(size)
    assert always_room(found, request, rules(), LIMITS, takes) is promised
    if takes.pieces:
        # A piece may begin within a page.
        assert (blocking(found, request, rules(), takes, PAGE // 2) is None) is promised


def test_alignment_costs_room() -> None:
    """Of 24 pages, a piece leaves 12 that may begin at an odd page."""
    takes = Takes(1, PAGE)
    assert always_room(memory(), wanted(8), rules(4), LIMITS, takes)
    assert not always_room(memory(), wanted(9), rules(4), LIMITS, takes)
    assert blocking(memory(), wanted(11), rules(4), takes)


def test_the_low_part_wants_room_as_well() -> None:
    """A main region that may land high wants a low one, unless the kernel does without."""
    request, takes = wanted(4, high=True, low=3), Takes(1, PAGE)
    crowded = memory((1, 8))
    assert not always_room(crowded, request, rules(low_end=13, falls=True), LIMITS, takes)
    assert blocking(crowded, request, rules(low_end=13, falls=True), takes)
    assert always_room(crowded, request, rules(low_end=13, falls=True, low_optional=True), LIMITS, takes)
    assert always_room(memory(), request, rules(low_end=13, falls=True), LIMITS, takes)


def test_a_main_region_below_the_limit_may_want_a_low_one() -> None:
    """Kernels 6.2 to 6.4 look at what is left below; where all of it is the main region's or the piece's, none fits."""
    request, takes = wanted(1, low=3), Takes(1, PAGE)
    assert always_room(memory(), request, rules(2, 9), LIMITS, takes)
    assert not always_room(memory(), request, rules(2, 9, needs_room_below=True), LIMITS, takes)
    assert blocking(memory(), request, rules(2, 9, needs_room_below=True), takes)
