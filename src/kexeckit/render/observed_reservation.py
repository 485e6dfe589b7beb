"""The reservation that was observed, as text and as a part of JSON documents."""

from typing import Any

from kexeckit.kernel.reservation.observed import ObservedReservation, taken_by_user_space
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import CRASH_KERNEL
from kexeckit.memory.units import format_size


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
