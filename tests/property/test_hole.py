"""Placement against brute force: every page of a small space is tried, so the two cannot share a mistake."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.plan.hole import NoHoleError, find_hole, locate_hole
from kexeckit.plan.request import BufferRequest
from strategies import PAGE, requests

EXAMPLES = 5000 if os.environ.get("CI") else 500
"""The placement decides what is overwritten: in continuous integration it is tried more often than all else."""

SPACE = 64
"""Pages of the toy machine; some ranges end between pages."""


@st.composite
def ragged_sets(draw: st.DrawFn) -> RangeSet:
    """Ranges whose ends are often, not always, on a page."""
    edges = st.tuples(st.integers(0, SPACE), st.sampled_from((0, 0, 0, 1, 100, PAGE - 1)))
    points = sorted({page * PAGE + odd for page, odd in draw(st.lists(edges, max_size=10))})
    return RangeSet(MemRange(a, b) for a, b in zip(points[::2], points[1::2], strict=False))


def brute_force(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> int | None:
    """The highest or lowest start at which all limits hold, found by trying every page of the space."""
    starts = [
        at
        for at in range(0, (SPACE + 1) * PAGE, PAGE)
        if at % request.align == 0
        and request.minimum <= at
        and at + request.memsz <= request.maximum
        and any(r.start <= at and at + request.memsz <= r.end for r in ram)
        and not any(at < t.end and t.start < at + request.memsz for t in taken)
    ]
    return (max(starts) if request.top_down else min(starts)) if starts else None


@settings(max_examples=EXAMPLES)
@given(ragged_sets(), requests(SPACE), ragged_sets())
def test_a_hole_is_found_iff_one_exists_and_it_is_the_extreme_one(
    ram: RangeSet, request: BufferRequest, taken: RangeSet
) -> None:
    """The same answer as brute force, start for start."""
    found = find_hole(ram, request, taken)
    assert (found.start if found else None) == brute_force(ram, request, taken)
    assert found is None or found.size == request.memsz


@given(ragged_sets(), requests(SPACE), ragged_sets())
def test_a_refusal_names_a_limit_that_is_true(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> None:
    """locate_hole agrees with find_hole, and its sentence about the limit holds."""
    found = find_hole(ram, request, taken)
    try:
        hole = locate_hole(ram, request, taken)
    except NoHoleError as error:
        assert found is None
        _check_sentence(error, ram, request, taken)
    else:
        assert hole.range == found


def _check_sentence(error: NoHoleError, ram: RangeSet, request: BufferRequest, taken: RangeSet) -> None:
    largest, free = ram.largest(), ram - taken
    if "no usable RAM" in error.limit:
        assert not ram
        return
    if "larger than any" in error.limit:
        assert largest is not None
        assert largest.size < request.memsz
    if "takes the room" in error.limit:
        assert brute_force(ram, request, RangeSet()) is not None
    if "below" in error.limit or "at or above" in error.limit or "alignment" in error.limit:
        assert any(r.size >= request.memsz for r in free)
    assert ("nothing is free" in error.fits) == (not free)


@given(ragged_sets(), st.lists(requests(SPACE), max_size=6))
def test_a_sequence_of_requests_gives_disjoint_places_and_conserves_memory(
    ram: RangeSet, wanted: list[BufferRequest]
) -> None:
    """Planned and free together are the usable memory; equal input gives equal places."""
    places: list[MemRange] = []
    for request in wanted:
        found = find_hole(ram, request, RangeSet(places))
        if found:
            places.append(found)
    taken = RangeSet(places)
    assert taken.size == sum(p.size for p in places)
    assert taken.size + (ram - taken).size == ram.size
    assert all(p in ram for p in places)


@given(ragged_sets(), requests(SPACE))
def test_more_ram_never_hurts_one_request(ram: RangeSet, request: BufferRequest) -> None:
    """For a single request, a superset of RAM has a place wherever the set has one."""
    if find_hole(ram, request, RangeSet()):
        assert find_hole(ram | RangeSet((MemRange(0, 4 * PAGE),)), request, RangeSet())
