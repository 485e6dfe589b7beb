"""`Trial`: one search and what it was made from, for running it again with something more, or less, in its way.

free room     |------------------------------------|########|  taken
the answer                     |--- region --------|
a piece in its way                  |piece|
then                 |--- region --------|                      the highest start below the piece
no such start in this room: the next lower room, the next window, or none
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.memblock import Memblock, fit
from kexeckit.kernel.reservation.doubt import Candidate, Takes
from kexeckit.kernel.reservation.early import EarlyMemory, early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.room import fits_beside
from kexeckit.kernel.reservation.search import Placement, Window, low_size, low_window, main_windows, place
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import align_down, align_up

Regions = dict[str, MemRange]


@dataclass(frozen=True, slots=True)
class Trial:
    """One search.

    Attributes:
        facts: What it was made from.
        request: What was asked for.
        early: memblock before it.
        placement: What came of it.
    """

    facts: ReservationInput
    request: Request
    early: EarlyMemory
    placement: Placement

    @property
    def regions(self) -> Regions:
        """The regions by name."""
        return dict(placed(self.placement))

    def again(self, memory: Memblock) -> Regions:
        """Return the regions that the same search finds in other memory."""
        return dict(placed(place(memory, self.request, self.facts.rules, self.facts.limits)))

    def of(self, facts: ReservationInput, *, tops: int = 0) -> "Trial":
        """Return the search from other facts."""
        early = early_memory(facts, tops=tops)
        return Trial(facts, self.request, early, place(early.memory, self.request, facts.rules, facts.limits))

    def without(self, held: Iterable[object]) -> "Trial":
        """Return the search without what some hold."""
        takers = tuple(held)
        return self.of(replace(self.facts, held=tuple(h for h in self.facts.held if h.by not in takers)))

    def window(self, part: str) -> Window:
        """Return the window that a region was found in."""
        return next(a for a in reversed(self.placement.attempts) if a.part == part and a.found is not None).window

    def room(self, region: MemRange) -> MemRange:
        """Return the free range that a region was taken from; at a given address, that may be the region itself."""
        return next((f.range for f in self.early.memory.free() if f.range.contains(region)), region)


def placed(placement: Placement) -> Iterator[tuple[str, MemRange]]:
    """Yield the regions of a placement with their names."""
    if placement.main:
        yield "main", placement.main
    if placement.low:
        yield "low", placement.low


def single(part: str, region: MemRange | None, when: str, share: float | None = None) -> Candidate:
    """Return the candidate for one place, or for no region."""
    start = region.start if region else None
    return Candidate(part, start, start, 0, when, share)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that lies in one piece at an unknown place.

    Attributes:
        size: Bytes.
        lowest: It never begins below.
        highest: It never begins above.
    """

    size: int
    lowest: int = 0
    highest: int = 1 << 64


def in_the_way(trial: Trial, part: str, piece: Piece, when: str) -> Iterator[Candidate]:
    """Yield where a region goes when a piece lies in its way.

    Args:
        trial: The search without that piece.
        part: The region.
        piece: The piece.
        when: What would decide for it.
    """
    region, window = trial.regions[part], trial.window(part)
    if not _meets(piece, region):
        return
    if trial.request.base and part == "main":
        yield single(part, None, when)
        return
    memory = _searched(trial, part)
    room = next((f.range for f in memory.free() if f.range.contains(region)), region)
    rows = list(_below_piece(part, region, room, window, piece, when))
    if not _leaves_room(region, room, window, piece):
        rows += _further(trial, part, room, piece, f"{when} and leaves no room there")
    yield from rows
    if part == "main":
        yield from _low_beside(trial, rows, piece, when)


def _searched(trial: Trial, part: str) -> Memblock:
    # The low part is searched for once the main one has been reserved.
    memory = trial.early.memory
    return memory if part == "main" else memory.reserve((trial.regions["main"],))


def _meets(piece: Piece, region: MemRange) -> bool:
    return piece.lowest < region.end and piece.highest + piece.size > region.start


def _starts(piece: Piece, region: MemRange) -> tuple[int, int]:
    # The lowest and the highest start of a piece that shares a byte with a region.
    return max(piece.lowest, region.start - piece.size + 1), min(piece.highest, region.end - 1)


def _below_piece(
    part: str, region: MemRange, room: MemRange, window: Window, piece: Piece, when: str
) -> Iterator[Candidate]:
    low, high = _starts(piece, region)
    floor = align_up(max(room.start, window.range.start), window.align)
    top = align_down(max(high - region.size, 0), window.align)
    last = align_down(max(low - region.size, 0), window.align)
    if top >= floor:
        yield _row(part, top, max(last, floor), window.align, when)


def _leaves_room(region: MemRange, room: MemRange, window: Window, piece: Piece) -> bool:
    # Whether the region fits below the piece in the same room, wherever in its way that lies.
    low, _ = _starts(piece, region)
    floor = align_up(max(room.start, window.range.start), window.align)
    return low - region.size >= floor


def _further(trial: Trial, part: str, room: MemRange, piece: Piece, when: str) -> Iterator[Candidate]:
    # The next room or window.
    own = trial.window(part)
    others = _searched(trial, part).reserve((room,))
    for window in _windows_from(trial, part, own):
        size = trial.regions[part].size if part == "low" else trial.request.size + window.extra
        again = None if window == own else fit(room, size, window.align, window.range)
        if again is not None:
            # A later window reaches over the same room, where there may be some above the piece, or below.
            region = MemRange.from_size(again, size)
            yield single(part, region, when)
            yield from _below_piece(part, region, room, window, piece, when)
        found = _found(others, size, window)
        if found:
            yield single(part, found, when)
            return
    yield single(part, None, when)


def _low_beside(trial: Trial, rows: Iterable[Candidate], piece: Piece, when: str) -> Iterator[Candidate]:
    # What becomes of the low part where the main one lies elsewhere: it is wanted or not, and has other room.
    had, rules, limits = trial.regions.get("low"), trial.facts.rules, trial.facts.limits
    spans = [clip(r.last, r.start + trial.request.size) for r in rows if r.start is not None and r.last is not None]
    sizes = {
        low_size(trial.request, rules, limits, at) for s in spans if s for at in (s.start, s.end - trial.request.size)
    }
    if had and 0 in sizes:
        yield single("low", None, when)
    wanted = max(sizes, default=0)
    # Where the main region is above all that the low one may have, and stays there, it is none of its business.
    mains = [trial.regions["main"], *(s for s in spans if s)]
    if not wanted or (had and min(s.start for s in mains) >= low_window(rules, limits, wanted).range.end):
        return
    yield from _low_rooms(trial, when)
    both = Takes(2, piece.size + trial.request.size)
    if not fits_beside(trial.early.memory, low_window(rules, limits, wanted), wanted, both):
        # Some kernels keep the main region without it.
        yield single("low" if rules.low_optional else "main", None, f"{when} and leaves no room for the low part")


def _found(memory: Memblock, size: int, window: Window) -> MemRange | None:
    at = memory.find(size, window.align, window.range)
    return None if at is None else MemRange.from_size(at, size)


def anywhere_below(trial: Trial, part: str, when: str) -> Iterator[Candidate]:
    """Yield all places for a region from just below its place on, in the order of the search.

    Args:
        trial: The search.
        part: The region.
        when: What would decide for it.
    """
    if trial.request.base and part == "main":
        yield single(part, None, when)
        return
    region, own = trial.regions[part], trial.window(part)
    floor = align_up(max(trial.room(region).start, own.range.start), own.align)
    if floor < region.start:
        yield _row(part, region.start - own.align, floor, own.align, when)
    if trial.facts.rules.bottom_up:
        highest = fit(trial.room(region), region.size, own.align, own.range) or 0
        if highest > region.start:
            yield _row(part, highest, region.start + own.align, own.align, when)
    more = f"{when} and fills the rooms above"
    rows = list(_other_rooms(trial, part, more))
    yield from rows
    rules, limits = trial.facts.rules, trial.facts.limits
    high = any(low_size(trial.request, rules, limits, row.start or 0) for row in rows)
    if part == "main" and "low" not in trial.regions and high:
        yield from _low_rooms(trial, more)


def _other_rooms(trial: Trial, part: str, when: str) -> Iterator[Candidate]:
    # The rooms below in the same window, then those of later ones.
    region, own = trial.regions[part], trial.window(part)
    for window in _windows_from(trial, part, own):
        for free in trial.early.memory.free():
            if window == own and free.range.end > region.start:
                continue
            highest = fit(free.range, region.size, window.align, window.range)
            # A later window may reach over the first one, where all has been looked at.
            if highest is None or (window != own and own.range.contains(MemRange.from_size(highest, region.size))):
                continue
            lowest = align_up(max(free.range.start, window.range.start), window.align)
            yield _row(part, highest, lowest, window.align, when)


def _low_rooms(trial: Trial, when: str) -> Iterator[Candidate]:
    # Where a main region that goes high would have its low one.
    rules, limits = trial.facts.rules, trial.facts.limits
    size = low_size(trial.request, rules, limits, rules.high_limit)
    window = low_window(rules, limits, size) if size else None
    for free in trial.early.memory.free() if window else ():
        highest = fit(free.range, size, window.align, window.range) if window else None
        if window and highest is not None:
            last = align_up(max(free.range.start, window.range.start), window.align)
            yield _row("low", highest, last, window.align, when)


def _windows_from(trial: Trial, part: str, own: Window) -> Iterator[Window]:
    if part == "low":
        yield low_window(trial.facts.rules, trial.facts.limits, trial.regions[part].size)
        return
    reached = False
    for window in main_windows(trial.request, trial.facts.rules, trial.facts.limits):
        reached = reached or window == own
        if reached:
            yield window


def _row(part: str, start: int, last: int, step: int, when: str) -> Candidate:
    return Candidate(part, start, last, step if last < start else 0, when)
