"""What was said of a boot that had not happened, judged by that boot.

A pure part of the lab. Judged one by one are the outcome, the size and the address of each region, and the zones. An
answer is *right* if it says what came, and *possible* if it is right or names what came among its candidates.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kexeckit.kernel.reservation.answer import ReservationAnswer
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.predict import NOT_DETERMINED, RESERVED
from kexeckit.lab.dev.next_boot_cases import NextMachine

__all__ = [
    "CERTAIN",
    "LIKELY",
    "OPEN",
    "Answer",
    "Judged",
    "JudgedBoot",
    "RegionAnswer",
    "answer_of",
    "judge_reservation",
]

CERTAIN, LIKELY, OPEN = "certain", "likely", "open"
"""How sure an answer is."""
_PARTS = ("main", "low")


@dataclass(frozen=True, slots=True)
class RegionAnswer:
    """What was said of a region.

    Attributes:
        part: ``main``, ``low`` or ``cma``.
        size: Bytes.
        size_certainty: How sure that is.
        start: Its address, or None where it was left open.
        start_certainty: How sure that is.
    """

    part: str
    size: int
    size_certainty: str
    start: int | None
    start_certainty: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a reservation.

    Attributes:
        reserved: Something is reserved; None where that was left open.
        certainty: How sure that is.
        regions: The regions that /proc/iomem will show.
        candidates: Possible addresses beside those.
        cma: The areas of ``crashkernel=SIZE,cma``, which /proc/iomem does not show.
    """

    reserved: bool | None
    certainty: str
    regions: tuple[RegionAnswer, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    cma: tuple[RegionAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One thing that was said.

    Attributes:
        what: ``outcome``, ``size``, ``address``, ``cma`` or ``zones``.
        part: ``main`` or ``low``; empty for what is no region's.
        certainty: How sure it was.
        right: It came so.
        possible: It came so, or as one of the candidates.
        told: What was said, in words.
        seen: What came, in words.
    """

    what: str
    part: str
    certainty: str
    right: bool
    possible: bool
    told: str
    seen: str


@dataclass(frozen=True, slots=True)
class JudgedBoot:
    """One boot, judged against what one source said of it before.

    Attributes:
        name: Name of its folder.
        machine: The machine.
        words: The words.
        source: ``capture``, ``log`` or ``sosreport``.
        judged: What was said.
        problem: Why there was no answer, or empty.
    """

    name: str
    machine: NextMachine
    words: tuple[str, ...]
    source: str
    judged: tuple[Judged, ...] = ()
    problem: str = ""


def answer_of(found: ReservationAnswer) -> Answer:
    """Return what an answer says, and how sure it is of what."""
    predicted = found.predicted
    regions = tuple(
        RegionAnswer(r.kind, r.size, r.size_certainty.value, r.start, r.address_certainty.value)
        for r in predicted.regions
    )
    return Answer(
        None if predicted.outcome == NOT_DETERMINED else predicted.outcome == RESERVED,
        predicted.certainty.value,
        tuple(r for r in regions if r.part in _PARTS),
        predicted.candidates,
        tuple(r for r in regions if r.part not in _PARTS),
    )


def judge_reservation(answer: Answer, seen: tuple[tuple[int, int], ...]) -> Iterator[Judged]:
    """Judge what was said of a reservation.

    Args:
        answer: What was said.
        seen: (start, size) of each region that came, lowest first.

    Yields:
        The outcome, then size and address of each region that was said or came.
    """
    right = answer.reserved == bool(seen)
    told = {True: "reserved", False: "nothing", None: "open"}[answer.reserved]
    yield Judged(
        "outcome",
        "",
        answer.certainty,
        right,
        right
        or answer.reserved is None
        or any(_names(row, seen[-1][0] if seen else None) for row in answer.candidates),
        told,
        "reserved" if seen else "nothing",
    )
    came = _by_part(seen)
    regions = {r.part: r for r in answer.regions}
    for part in _PARTS:
        if part in regions and part in came:
            region, (_, size) = regions[part], came[part]
            same = region.size == size
            yield Judged("size", part, region.size_certainty, same, same, f"{region.size:#x}", f"{size:#x}")
        if part in regions or part in came:
            start = came[part][0] if part in came else None
            yield _judged_address(answer, part, regions.get(part), start)


def judge_cma(answer: Answer, seen: tuple[tuple[int, int], ...]) -> Iterator[Judged]:
    """Judge what was said of CMA areas, all of them as one; nothing where none was said and none came.

    Args:
        answer: What was said.
        seen: (start, size) of each area that came, lowest first.
    """
    if not (answer.cma or seen):
        return
    told = sorted((r.start or 0, r.size) for r in answer.cma)
    sure = next((r.start_certainty for r in answer.cma if r.start_certainty != CERTAIN), CERTAIN)
    right = told == list(seen)
    rows = [row for row in answer.candidates if row.part == "cma"]
    possible = right or any(r.start is None for r in answer.cma)
    possible = possible or (bool(seen) and all(any(_names(row, start) for row in rows) for start, _ in seen))
    yield Judged("cma", "", sure, right, possible, *(_areas(side) for side in (told, seen)))


def _areas(areas: Iterable[tuple[int, int]]) -> str:
    return ", ".join(f"{start:#x}+{size:#x}" if start else f"somewhere+{size:#x}" for start, size in areas) or "none"


def _judged_address(answer: Answer, part: str, region: RegionAnswer | None, seen: int | None) -> Judged:
    rows = [row for row in answer.candidates if row.part == part]
    # What is not named at all is as sure as the outcome: a region that nobody spoke of is a wrong answer, too.
    certainty = region.start_certainty if region else answer.certainty
    told = region.start if region else None
    right = told is not None and told == seen
    possible = right or any(_names(row, seen) for row in rows)
    text = "no region" if region is None else "open" if told is None else f"{told:#x}"
    named = "".join(f"; {_row_text(row)}" for row in rows)
    return Judged("address", part, certainty, right, possible, text + named, f"{seen:#x}" if seen else "no region")


# Where two regions came, the lower one is for devices that reach no higher.
def _by_part(seen: tuple[tuple[int, int], ...]) -> dict[str, tuple[int, int]]:
    return dict(zip(_PARTS, reversed(seen), strict=False))


def _names(row: Candidate, seen: int | None) -> bool:
    return row.start is None if seen is None else row.holds(seen)


def _row_text(row: Candidate) -> str:
    if row.start is None:
        return "or none"
    return f"or {row.start:#x}" + (f" down to {row.last:#x} by {row.step:#x}" if row.step else "")
