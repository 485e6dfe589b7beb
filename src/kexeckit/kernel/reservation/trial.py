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
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.early import EarlyMemory, early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.search import Placement, Window, low_window, main_windows, place
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


def in_the_way(trial: Trial, part: str, piece: int, starts: tuple[int, int], when: str) -> Iterator[Candidate]:
    """Yield where a region goes when one piece lies in its way.

    Args:
        trial: The search without that piece.
        part: The region.
        piece: Bytes of the piece.
        starts: Its lowest and its highest start.
        when: What would decide for it.
    """
    region, align = trial.regions[part], trial.window(part).align
    low = max(starts[0], region.start - piece + 1)
    high = min(starts[1], region.end - 1)
    if low > high:
        return
    if trial.request.base and part == "main":
        yield single(part, None, when)
        return
    floor = align_up(max(trial.room(region).start, trial.window(part).range.start), align)
    top, bottom = (align_down(max(start - region.size, 0), align) for start in (high, low))
    if top >= floor:
        yield _row(part, top, max(bottom, floor), align, when)
    if bottom < floor or top < floor or low <= region.size:
        blocked = clip(min(floor, region.start), region.end)
        found = trial.again(trial.early.memory.reserve((blocked,) if blocked else ()))
        for name in ("main", "low"):
            if found.get(name) != trial.regions.get(name):
                yield single(name, found.get(name), f"{when} and leaves no room there")


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
    more = f"{when} and fills the rooms above"
    for window in _windows_from(trial, part, own):
        for free in trial.early.memory.free():
            if window == own and free.range.end > region.start:
                continue
            highest = fit(free.range, region.size, window.align, window.range)
            if highest is not None:
                yield _row(
                    part, highest, align_up(max(free.range.start, window.range.start), window.align), window.align, more
                )


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
