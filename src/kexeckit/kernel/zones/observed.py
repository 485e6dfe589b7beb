"""The zones that a kernel made, as /proc/zoneinfo or its boot log show them, beside what is predicted."""

from collections.abc import Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.observed import NO_CMDLINE, OTHER_WORDS, Agreement, Compared, not_compared
from kexeckit.kernel.zones.doubt import MOVABLE, NODES, RANGES
from kexeckit.kernel.zones.from_machine import ZoneQuestion
from kexeckit.kernel.zones.predict import ZonePrediction
from kexeckit.machine.value import Machine

_DEVICE = "Device"


@dataclass(frozen=True, slots=True)
class ObservedZone:
    """One zone of one node, in page frames; None where the source does not show a number."""

    nid: int
    zone: str
    start_pfn: int | None
    spanned: int | None
    present: int | None


@dataclass(frozen=True, slots=True)
class ObservedZones:
    """What the kernel made.

    Attributes:
        ranges: (zone, start, end) on the whole machine, in bytes, as the log prints them; zones that are not empty.
        zones: The zones of each node that have memory.
        movable: Where ZONE_MOVABLE begins, by node, in bytes; None where no source shows it.
        source: Where that is seen.
    """

    ranges: tuple[tuple[str, int, int], ...]
    zones: tuple[ObservedZone, ...]
    movable: tuple[tuple[int, int], ...] | None
    source: str


def observed_zones(machine: Machine) -> ObservedZones | None:
    """Return the zones that the source shows, or None."""
    seen = machine.observed
    if not (seen.zoneinfo or seen.zones):
        return None
    zones = tuple(
        ObservedZone(z.nid, z.zone, z.start_pfn, z.spanned, z.present)
        for z in (seen.zoneinfo.value if seen.zoneinfo else ())
        if z.spanned and z.zone != _DEVICE
    )
    ranges = tuple((z.zone, z.start, z.end) for z in (seen.zones.value if seen.zones else ()) if z.end > z.start)
    movable = seen.movable.value if seen.movable else None
    source = seen.zoneinfo or seen.zones
    assert source
    return ObservedZones(ranges, zones, movable, source.source)


def compare_zones(
    question: ZoneQuestion, found: ZonePrediction, observed: ObservedZones | None, machine: Machine
) -> Compared:
    """Hold a prediction against what was observed.

    Args:
        question: What was asked.
        found: The prediction.
        observed: What was observed in the boot that the source shows.
        machine: What the source shows, with that boot's command line.
    """
    if observed is None:
        return not_compared("the source does not show the zones that the kernel made")
    if machine.kernel.cmdline is None:
        return NO_CMDLINE
    if question.next_boot:
        return OTHER_WORDS
    if not found.determined or not found.nodes:
        return not_compared("the prediction is not determined")
    parts = {
        RANGES: tuple(_ranges(found, observed)),
        NODES: tuple(_nodes(found, observed)),
        MOVABLE: tuple(_movable(found, observed)),
    }
    differences = tuple(text for texts in parts.values() for text in texts)
    if not differences:
        return Compared(Agreement.AGREE)
    # What was likely only, and is explained by what else was possible, is no contradiction.
    differing = {part for part, texts in parts.items() if texts}
    explained = tuple(d.text for d in question.doubts if differing <= d.touches)
    if explained:
        return not_compared(*differences, *explained)
    return Compared(Agreement.DIFFER, (*differences, *question.assumed))


def _ranges(found: ZonePrediction, observed: ObservedZones) -> Iterator[str]:
    size = found.page_size
    predicted = {z.zone: (z.start_pfn * size, z.end_pfn * size) for z in found.limits if not z.empty}
    seen = {zone: (start, end) for zone, start, end in observed.ranges}
    if not seen:
        return
    for zone in dict.fromkeys((*predicted, *seen)):
        left, right = predicted.get(zone), seen.get(zone)
        if left != right:
            yield f"zone {zone}: predicted {_span(left)}, observed {_span(right)}"


def _span(ends: tuple[int, int] | None) -> str:
    return "none" if ends is None else f"[{ends[0]:#x}, {ends[1]:#x})"


def _nodes(found: ZonePrediction, observed: ObservedZones) -> Iterator[str]:
    predicted = {(n.nid, z.zone): (z.start_pfn, z.spanned, z.present) for n in found.nodes for z in n.zones}
    seen = {(z.nid, z.zone): (z.start_pfn, z.spanned, z.present) for z in observed.zones}
    if not seen:
        return
    for key in sorted(predicted.keys() | seen.keys()):
        left, right = predicted.get(key), seen.get(key)
        # Old kernels do not print where a zone begins.
        if left and right and right[0] is None:
            left = (None, *left[1:])  # type: ignore[assignment]
        if left != right:
            yield (
                f"node {key[0]}, zone {key[1]}: predicted {_counts(left)}, observed {_counts(right)} "
                "(start_pfn, spanned, present); memory that was added or taken offline since boot shows so"
            )


def _counts(numbers: tuple[int | None, int | None, int | None] | None) -> str:
    return "nothing" if numbers is None else ", ".join("?" if n is None else str(n) for n in numbers)


def _movable(found: ZonePrediction, observed: ObservedZones) -> Iterator[str]:
    if observed.movable is None:
        return
    predicted = {n.nid: n.movable_start for n in found.nodes if n.movable_start is not None}
    seen = dict(observed.movable)
    for nid in sorted(predicted.keys() | seen.keys()):
        if predicted.get(nid) != seen.get(nid):
            left, right = _address(predicted.get(nid)), _address(seen.get(nid))
            yield f"node {nid}: ZONE_MOVABLE predicted from {left}, observed from {right}"


def _address(address: int | None) -> str:
    return "nowhere" if address is None else f"{address:#x}"
