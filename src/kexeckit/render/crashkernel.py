"""A predicted reservation as text and as a JSON document; decides nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from kexeckit.kernel.reservation.advice import fits, user_space
from kexeckit.kernel.reservation.answer import ReservationAnswer
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.explain import Reason, explain
from kexeckit.kernel.reservation.predict import NONE, NOT_DETERMINED, CrashRegion, Reservation
from kexeckit.kernel.reservation.search import Tried, low_size
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import format_size
from kexeckit.render.document import reason_document
from kexeckit.render.observed import agreement_lines
from kexeckit.render.observed_reservation import observed_reservation_document, observed_reservation_lines

SCHEMA = "kexeckit/crashkernel/1"
_SHOWN = 12


def crashkernel_document(answer: ReservationAnswer) -> dict[str, Any]:
    """Return the JSON document; addresses and sizes are bytes, `start` is null where it is not determined."""
    found = answer.predicted
    view = user_space(found)
    return {
        "schema": SCHEMA,
        "about": answer.about,
        "outcome": found.outcome,
        "certainty": found.certainty.value,
        "regions": [_region(r) for r in found.regions],
        "reasons": [_reason(r) for r in explain(found)],
        "candidates": [_candidate(c, found) for c in found.candidates],
        "observed": observed_reservation_document(answer.observed),
        "agreement": answer.agreement.value,
        "explanations": list(answer.compared.why),
        "assumed": list(found.facts.assumed),
        "doubtful_words": list(answer.doubtful),
        "sources": list(found.facts.sources),
        "fits": [{"spec": f.spec, "text": f.text} for f in fits(found)],
        "user_space": {
            "iomem": [{"start": start, "size": size, "name": name} for start, size, name in view.names],
            "old": view.old.start if view.old else None,
            "current": view.current.start if view.current else None,
        },
    }


def render_crashkernel(answer: ReservationAnswer) -> str:
    """Return the text: what was observed where nothing else was asked, what is predicted, whether they agree, why."""
    found, seen = answer.predicted, answer.observed
    other = found.facts.next_boot
    lines = observed_reservation_lines(seen) if seen and not other else []
    boot = " for the next boot" if other else ""
    lines += [f"predicted{boot}: {found.outcome}{_how_sure(found)}", *_regions(found.regions)]
    if seen and not other:
        lines += agreement_lines(answer.agreement, answer.compared.why)
    # What is assumed has lines of its own.
    unknown = [d.text for d in found.doubts if d.what != "assumed"]
    if unknown:
        lines += ["what would change it:", *(f"  {text}" for text in unknown)]
    if found.candidates:
        lines.append("possible addresses:")
        lines += [f"  {_candidate_text(c)}" for c in found.candidates]
    lines.append("why:")
    for reason in explain(found):
        if reason.about == "doubt":
            continue
        lines.append(f"  {reason.text}")
        lines += [f"    {text}" for text in _tried_texts(reason.tried)]
    if found.facts.assumed:
        lines += ["assumed:", *(f"  {text}" for text in found.facts.assumed)]
    if seen and other:
        lines += ["in the boot that the source shows:", *(f"  {line}" for line in observed_reservation_lines(seen))]
    lines.append("read from:")
    lines += [f"  {s}" for s in found.facts.sources]
    return "\n".join(lines)


def _reason(reason: Reason) -> dict[str, Any]:
    out = reason_document(reason.about, reason.text, finding=reason.finding)
    if reason.attempt:
        window = reason.attempt.window
        out["search"] = {
            "part": reason.attempt.part,
            "start": window.range.start,
            "end": window.range.end,
            "align": window.align,
            "size": reason.attempt.size,
            "found": reason.attempt.found,
            "tried": [
                {"start": t.free.range.start, "end": t.free.range.end, "node": t.free.region.node, "bound": t.bound}
                for t in reason.tried
            ],
        }
    return out


def _how_sure(found: Reservation) -> str:
    # What is not determined says so itself, and nothing is said of what was not asked for.
    return "" if found.outcome in (NOT_DETERMINED, NONE) else f", {found.certainty.value}"


def _region(region: CrashRegion) -> dict[str, Any]:
    return {
        "start": region.start,
        "size": region.size,
        "kind": region.kind,
        "name": region.name,
        "certainty": {"size": region.size_certainty.value, "address": region.address_certainty.value},
        "share": region.share,
    }


def _candidate(candidate: Candidate, found: Reservation) -> dict[str, Any]:
    size = next((r.size for r in found.regions if r.kind == candidate.part), None)
    if size is None and candidate.part == "low":
        # Of a main region that goes high; the answer's does not.
        size = low_size(found.request, found.facts.rules, found.facts.limits, found.facts.rules.high_limit) or None
    return {
        "start": candidate.start,
        "last": candidate.last,
        "step": candidate.step,
        "size": size,
        "part": candidate.part,
        "share": candidate.share,
        "when": candidate.when,
    }


def _regions(regions: Sequence[CrashRegion]) -> list[str]:
    places = [
        str(MemRange.from_size(r.start, r.size)) if r.start is not None else "address not determined" for r in regions
    ]
    width = max(map(len, places), default=0)
    sizes = [format_size(r.size) for r in regions]
    most = max(map(len, sizes), default=0)
    return [
        f"  {r.kind:<4} {at:<{width}} {size:<{most}}  {_region_sure(r)}"
        for r, at, size in zip(regions, places, sizes, strict=True)
    ]


def _region_sure(region: CrashRegion) -> str:
    address, size = region.address_certainty, region.size_certainty
    share = f" ({region.share:.1%})" if region.share is not None and region.share < 1 else ""
    return f"{address.value}{share}" if address is size else f"{address.value}{share}, its size {size.value}"


def _candidate_text(candidate: Candidate) -> str:
    share = f" ({candidate.share:.1%})" if candidate.share is not None else ""
    if candidate.start is None:
        return f"{candidate.part}: none, if {candidate.when}{share}"
    if candidate.step and candidate.last is not None:
        step = format_size(candidate.step)
        return (
            f"{candidate.part}: {candidate.start:#x} down to {candidate.last:#x} by {step}, if {candidate.when}{share}"
        )
    return f"{candidate.part}: {candidate.start:#x}, if {candidate.when}{share}"


def _tried_texts(tried: Sequence[Tried]) -> Iterator[str]:
    # Neighbours outside the window are one line; of the others the last ones are shown, in the order of the search.
    inside = [t for t in tried if t.usable]
    outside = len(tried) - len(inside)
    if outside:
        yield f"{outside} free {'range' if outside == 1 else 'ranges'} outside the window"
    if len(inside) > _SHOWN:
        yield f"{len(inside) - _SHOWN} more, too small as well; --json has them"
    for each in inside[-_SHOWN:]:
        node = "" if each.free.region.node is None else f" node {each.free.region.node}"
        yield f"free {each.free.range}{node}: {each.bound}"
