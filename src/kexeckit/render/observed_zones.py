"""The zones that were observed, as text and as a part of JSON documents."""

from typing import Any

from kexeckit.kernel.zones.observed import ObservedZones


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
