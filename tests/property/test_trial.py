"""Where a region goes when something lies in its way, against every place of that thing on machines of a few pages."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.trial import Piece, Trial, in_the_way
from kexeckit.memory.range import MemRange
from toy_search import PAGE, PAGES, kernels, memories, memory, pages, requests, rules, trial, wanted


def rows(base: Trial, piece: Piece) -> list[Candidate]:
    """Return the candidates of all parts."""
    return [row for part in base.regions for row in in_the_way(base, part, piece, "it is so")]


def missed(base: Trial, piece: Piece) -> list[tuple[int, str, MemRange | None]]:
    """Return (place of the piece in pages, part, region) for what comes and is neither the answer nor a candidate."""
    listed = rows(base, piece)
    out: list[tuple[int, str, MemRange | None]] = []
    for at in range(piece.lowest // PAGE, min(piece.highest // PAGE, PAGES + 1) + 1):
        lies = MemRange.from_size(at * PAGE, piece.size)
        if not any(free.range.contains(lies) for free in base.early.memory.free()):
            continue
        got = base.again(base.early.memory.reserve((lies,)))
        if not got:
            # Without its low part there is no main one either.
            out += [] if any(row.start is None for row in listed) else [(at, "main", None)]
            continue
        for part in {*got, *base.regions}:
            region = got.get(part)
            if region == base.regions.get(part):
                continue
            here = [row for row in listed if row.part == part]
            if not any(row.holds(region.start) if region else row.start is None for row in here):
                out.append((at, part, region))
    return out


@settings(max_examples=400, deadline=None)
@given(memories(), requests(), kernels(), st.integers(1, 6), st.integers(0, PAGES), st.integers(0, PAGES))
def test_every_place_leads_to_the_answer_or_a_candidate(
    found: Memblock, request: Request, kernel: CrashRules, size: int, lowest: int, span: int
) -> None:
    """For every free place of a piece, of any size, from any lowest to any highest place."""
    base = trial(found, request, kernel)
    assume(base.placement.main)
    piece = Piece(size * PAGE, lowest * PAGE, (lowest + span) * PAGE)
    assert missed(base, piece) == []


def test_a_piece_that_cannot_meet_the_region_is_none_in_its_way() -> None:
    """It ends where the region begins, or begins where the region ends."""
    base = trial(memory(), wanted(4), rules())
    assert base.regions == {"main": pages(21, 25)}
    assert rows(base, Piece(2 * PAGE, 0, 19 * PAGE)) == []
    assert rows(base, Piece(2 * PAGE, 25 * PAGE)) == []
    assert rows(base, Piece(2 * PAGE, 0, 20 * PAGE)) != []
    assert rows(base, Piece(2 * PAGE, 24 * PAGE)) != []


@pytest.mark.parametrize(
    ("lowest", "row"),
    [(0, (20, 14)), (22, (20, 18)), (24, (20, 20))],
)
def test_the_row_ends_where_the_piece_does(lowest: int, row: tuple[int, int]) -> None:
    """From the highest place of the piece that meets the region to the lowest one."""
    base = trial(memory(), wanted(4), rules())
    [found] = rows(base, Piece(3 * PAGE, lowest * PAGE))
    assert (found.start, found.last) == (row[0] * PAGE, row[1] * PAGE)


def test_a_given_address_is_taken_or_not() -> None:
    """Nothing else is tried."""
    request = Request("asked", 4 * PAGE, 8 * PAGE)
    base = trial(memory(), request, CrashRules("x86_64", None, fixed_align=PAGE))
    assert base.regions == {"main": pages(8, 12)}
    assert [(row.part, row.start) for row in rows(base, Piece(PAGE))] == [("main", None)]


def test_a_region_that_falls_up_wants_a_low_part() -> None:
    """The piece closes the low window; then the main region goes above, and the low one below the piece or above it."""
    kernel = rules(low_end=9, falls=True)
    base = trial(memory(), wanted(5, low=2), kernel)
    assert base.regions == {"main": pages(4, 9)}
    listed = rows(base, Piece(PAGE))
    assert [(r.part, r.start) for r in listed if r.part == "main" and r.start == 20 * PAGE]
    assert any(r.part == "low" and r.holds(7 * PAGE) for r in listed)
    assert any(r.part == "low" and r.holds(PAGE) for r in listed)
