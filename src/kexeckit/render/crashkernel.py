"""A predicted reservation as text and as a JSON document; decides nothing."""

from typing import Any

from kexeckit.kernel.crashkernel.advice import fits, user_space
from kexeckit.kernel.crashkernel.doubt import Candidate
from kexeckit.kernel.crashkernel.explain import Reason, explain
from kexeckit.kernel.crashkernel.predict import CrashRegion, Reservation
from kexeckit.kernel.crashkernel.search import Tried
from kexeckit.memory.units import format_size

SCHEMA = "kexeckit/crashkernel/1"
_SHOWN = 12


def crashkernel_document(found: Reservation) -> dict[str, Any]:
    """Return the JSON document; addresses and sizes are bytes, `start` is null where it is not determined."""
    view = user_space(found)
    return {
        "schema": SCHEMA,
        "outcome": found.outcome,
        "regions": [{"start": r.start, "size": r.size, "kind": r.kind, "name": r.name} for r in found.regions],
        "reasons": [_reason(r) for r in explain(found)],
        "candidates": [_candidate(c, found) for c in found.candidates],
        "sources": list(found.facts.sources),
        "fits": [{"spec": f.spec, "text": f.text} for f in fits(found)],
        "user_space": {
            "iomem": [{"start": start, "size": size, "name": name} for start, size, name in view.names],
            "old": view.old.start if view.old else None,
            "current": view.current.start if view.current else None,
        },
    }


def render_crashkernel(found: Reservation) -> str:
    """Return the text: the outcome, the regions, then why."""
    lines = [f"crashkernel: {found.outcome}"]
    lines += [_region(r) for r in found.regions]
    if found.candidates:
        lines.append("possible addresses:")
        lines += [f"  {_candidate_text(c)}" for c in found.candidates]
    lines.append("why:")
    for reason in explain(found):
        lines.append(f"  {reason.text}")
        lines += [f"    {_tried_text(t)}" for t in reason.tried[-_SHOWN:]]
    lines.append("read from:")
    lines += [f"  {s}" for s in found.facts.sources]
    return "\n".join(lines)


def _reason(reason: Reason) -> dict[str, Any]:
    out: dict[str, Any] = {"about": reason.about, "text": reason.text}
    if reason.finding:
        out["finding"] = True
    if reason.attempt:
        window = reason.attempt.window
        out |= {
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


def _candidate(candidate: Candidate, found: Reservation) -> dict[str, Any]:
    size = next((r.size for r in found.regions if r.kind == candidate.part), None)
    return {
        "start": candidate.start,
        "last": candidate.last,
        "step": candidate.step,
        "size": size,
        "kind": candidate.part,
        "when": candidate.when,
    }


def _region(region: CrashRegion) -> str:
    if region.start is None:
        return f"  {region.kind:<5}{format_size(region.size)} at an address that is not determined"
    return f"  {region.kind:<5}{region.start:#012x}-{region.start + region.size - 1:#012x}  {format_size(region.size)}"


def _candidate_text(candidate: Candidate) -> str:
    if candidate.start is None:
        return f"{candidate.part}: none, if {candidate.when}"
    if candidate.step and candidate.last is not None:
        step = format_size(candidate.step)
        return f"{candidate.part}: {candidate.start:#x} down to {candidate.last:#x} by {step}, if {candidate.when}"
    return f"{candidate.part}: {candidate.start:#x}, if {candidate.when}"


def _tried_text(tried: Tried) -> str:
    node = "" if tried.free.region.node is None else f" node {tried.free.region.node}"
    return f"free {tried.free.range}{node}: {tried.bound}"
