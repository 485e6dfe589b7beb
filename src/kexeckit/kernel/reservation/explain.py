"""The reasons of a prediction as data: the words, the map, each search with what every free range had to offer."""

from collections.abc import Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.reservation.advice import fits, linear_map, user_space
from kexeckit.kernel.reservation.elsewhere import upper_bound
from kexeckit.kernel.reservation.predict import Reservation
from kexeckit.kernel.reservation.search import Attempt, Tried, tried
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import format_size


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes:
        about: ``request``, ``message``, ``parameter``, ``total``, ``search``, ``bound``, ``doubt``, ``fits``,
            ``user-space``, ``linear-map``, ``note``, ``cma``.
        text: In words.
        finding: The user should act on it.
        attempt: The search that it is about, or None.
        tried: What each free range had to offer to that search.
    """

    about: str
    text: str
    finding: bool = False
    attempt: Attempt | None = None
    tried: tuple[Tried, ...] = ()


def explain(found: Reservation) -> tuple[Reason, ...]:
    """Return why a prediction says what it says."""
    return (*_request(found), *_map(found), *_search(found), *_doubts(found), *_advice(found))


def _request(found: Reservation) -> Iterator[Reason]:
    request = found.request
    if request.word:
        amount = f": {format_size(request.size)}" if request.size else ""
        yield Reason("request", f"{request.word} decides{amount}")
    else:
        yield Reason("request", "no crashkernel= that this kernel takes in the command line")
    late = request.late if found.placement and found.placement.reads_low else ()
    for text in (*request.messages, *late):
        yield Reason("message", f"the kernel says: {text}")
    if found.problem:
        yield Reason("request", found.problem, finding=True)
    total = f"RAM counts {format_size(found.early.total)} ({found.early.total} bytes)"
    rounded = f", compared with range rules as {request.total} bytes" if request.total != found.early.total else ""
    yield Reason("total", total + rounded)


def _map(found: Reservation) -> Iterator[Reason]:
    for step in found.early.steps:
        yield Reason("parameter", f"{step.item}: {step.effect}{'' if step.changed else ' (no change)'}")
    for note in found.facts.notes:
        yield Reason("note", note)


def _search(found: Reservation) -> Iterator[Reason]:
    if not found.placement:
        return
    for attempt in found.placement.attempts:
        window = attempt.window
        where = f"at {attempt.found:#x}" if attempt.found is not None else "no room"
        text = (
            f"{attempt.part} part, {format_size(attempt.size)}{_encryption(window.extra)} {window.name} "
            f"[{window.range.start:#x}, {window.range.end:#x}), aligned to {format_size(window.align)}: {where}"
        )
        yield Reason("search", text, attempt=attempt, tried=tuple(tried(attempt)))
    for part, region in (("main", found.placement.main), ("low", found.placement.low)):
        if region:
            yield Reason("bound", _bound(found, part, region))
    areas = [r.size for r in found.regions if r.kind == "cma" and r.start is not None]
    if found.request.cma and not any(d.decides for d in found.doubts):
        count = "1 area" if len(areas) == 1 else f"{len(areas)} areas"
        text = f"CMA: {format_size(found.request.cma)} asked for, {format_size(sum(areas))} in {count}"
        yield Reason("cma", text, finding=not areas)


def _encryption(extra: int) -> str:
    return f" ({format_size(extra)} of it because memory encryption is on)" if extra else ""


def _bound(found: Reservation, part: str, region: MemRange) -> str:
    assert found.placement
    trial = Trial(found.facts, found.request, found.early, found.placement)
    end, what = upper_bound(trial, part, region)
    if found.request.base and part == "main":
        return "main part: the address was asked for"
    names = {"window": "the end of the window", "end of RAM": "the end of this range of RAM"}
    return f"{part} part: bound above by {names.get(what, what)} at {end:#x}"


def _doubts(found: Reservation) -> Iterator[Reason]:
    for doubt in found.doubts:
        yield Reason("doubt", doubt.text, finding=doubt.decides)


def _advice(found: Reservation) -> Iterator[Reason]:
    for fit in fits(found):
        yield Reason("fits", f"{fit.spec} would fit: {fit.text}")
    view = user_space(found)
    if view.differ and view.old and view.current:
        yield Reason(
            "user-space",
            f"both regions are named alike in /proc/iomem: an old kexec-tools loads into the first, "
            f"{format_size(view.old.size)} at {view.old.start:#x}; a current one into the last, "
            f"{format_size(view.current.size)} at {view.current.start:#x}",
            finding=True,
        )
    text = linear_map(found) if found.regions else ""
    if text:
        yield Reason("linear-map", text)
