"""What was observed, as text and as a part of JSON documents, beside what is predicted."""

from collections.abc import Sequence
from typing import Any

from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.reservation.observed import ObservedReservation, taken_by_user_space
from kexeckit.kernel.zones.observed import ObservedZones
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import CRASH_KERNEL
from kexeckit.memory.units import format_size

_WORDS = {
    Agreement.AGREE: "prediction and observation agree",
    Agreement.DIFFER: "prediction and observation differ",
    Agreement.UNKNOWN: "not compared",
}


def observed_reservation_document(seen: ObservedReservation | None) -> dict[str, Any] | None:
    """Return what a kernel reserved; None where no source shows it."""
    if seen is None:
        return None
    old, current = taken_by_user_space(seen)
    return {
        "outcome": seen.outcome,
        "regions": [{"start": r.start, "size": r.size, "kind": r.kind, "name": r.name} for r in seen.regions],
        "source": seen.source,
        "exact": seen.exact,
        "message": seen.message,
        "user_space": {"old": old.start if old else None, "current": current.start if current else None},
    }


def observed_reservation_lines(seen: ObservedReservation) -> list[str]:
    """Return what a kernel reserved in lines of text."""
    lines = [f"observed: {seen.outcome}  ({seen.source})"]
    about = "" if seen.exact else ", in whole MiB"
    for region in seen.regions:
        span = MemRange.from_size(region.start or 0, max(region.size, 1))
        name = f'  "{region.name}"' if region.name != CRASH_KERNEL else ""
        lines.append(f"  {region.kind:<4} {span} {format_size(region.size)}{about}{name}")
    if seen.message:
        lines.append(f"  the kernel says: {seen.message}")
    return [*lines, *_user_space(seen)]


def _user_space(seen: ObservedReservation) -> list[str]:
    # Only where there is something to tell: two regions, or one that no kexec-tools looks for.
    old, current = taken_by_user_space(seen)
    if len(seen.regions) < 2 and old:
        return []
    if old is None or current is None:
        return ['  no kexec-tools finds a region: all look for the name "Crash kernel" alone'] if seen.regions else []
    text = f"  a current kexec-tools loads into the region at {current.start:#x}"
    return [text + (f", an old one into that at {old.start:#x}" if old != current else "")]


def agreement_lines(agreement: Agreement, why: Sequence[str]) -> list[str]:
    """Return whether prediction and observation agree, and why not."""
    if agreement is Agreement.UNKNOWN:
        return [f"{_WORDS[agreement]}: {'; '.join(why)}"]
    head = "what could explain it:" if agreement is Agreement.DIFFER else ""
    return [_WORDS[agreement], *([f"  {head}"] if head and why else []), *(f"    {text}" for text in why)]


def observed_zones_document(seen: ObservedZones | None) -> dict[str, Any] | None:
    """Return the zones that a kernel made; None where no source shows them."""
    if seen is None:
        return None
    nodes = sorted({z.nid for z in seen.zones})
    return {
        "source": seen.source,
        "ranges": [{"zone": zone, "start": start, "end": end} for zone, start, end in seen.ranges],
        "nodes": [
            {
                "nid": nid,
                "zones": [
                    {"zone": z.zone, "start_pfn": z.start_pfn, "spanned": z.spanned, "present": z.present}
                    for z in seen.zones
                    if z.nid == nid
                ],
            }
            for nid in nodes
        ],
        "movable": None if seen.movable is None else [{"nid": nid, "start": start} for nid, start in seen.movable],
    }


def observed_zones_lines(seen: ObservedZones) -> list[str]:
    """Return the zones that a kernel made in lines of text."""
    lines = [f"observed  ({seen.source})"]
    for z in seen.zones:
        start = "" if z.start_pfn is None else f" from pfn {z.start_pfn}"
        lines.append(f"  node {z.nid} {z.zone:<8}{start}, spanned {z.spanned}, present {z.present}")
    if not seen.zones:
        lines += [f"  {zone:<8} [{start:#x}, {end:#x})" for zone, start, end in seen.ranges]
    return lines
