"""A prediction of zones against what a guest's kernel made of them.

A pure part of the lab. Compared are the machine-wide limits, the start of ZONE_MOVABLE per node, and per node and zone
the first page, spanned and present pages as /proc/zoneinfo has them; and the kernel's warnings, said or not said.
"""

from collections.abc import Iterator

from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.zones import printed_movable, printed_zones
from kexeckit.formats.zoneinfo import parse_zoneinfo
from kexeckit.kernel.zones.movable import IN_KDUMP, NO_MIRROR, UNMIRRORED
from kexeckit.kernel.zones.predict import ZonePrediction
from kexeckit.lab.compare import Check
from kexeckit.lab.report import GuestReport

__all__ = ["compare_zones"]

_SPOKEN = (NO_MIRROR, IN_KDUMP, UNMIRRORED)


def compare_zones(prediction: ZonePrediction, report: GuestReport) -> Iterator[Check]:
    """Compare everything.

    Args:
        prediction: What was predicted.
        report: The guest's report.
    """
    log = parse_boot_log(report.text("dmesg"), "the guest's log")
    size = prediction.page_size
    limits = {z.zone: None if z.empty else (z.start_pfn * size, z.end_pfn * size) for z in prediction.limits}
    printed = {z.zone: (z.start, z.end) if z.end else None for z in printed_zones(log) if z.zone != "Device"}
    yield Check("zone ranges", str(limits), str(printed))
    starts = {n.nid: n.movable_start for n in prediction.nodes if n.movable_start is not None}
    yield Check("movable starts", str(starts), str(printed_movable(log)))
    yield from _zoneinfo(prediction, report)
    text = report.text("dmesg")
    for warning in _SPOKEN:
        yield Check(f"says {warning!r}", str(warning in prediction.warnings), str(warning in text))


def _zoneinfo(prediction: ZonePrediction, report: GuestReport) -> Iterator[Check]:
    predicted = {(n.nid, z.zone): z for n in prediction.nodes for z in n.zones}
    observed = {(z.nid, z.zone): z for z in parse_zoneinfo(report.text("zoneinfo"), "the guest's zoneinfo")}
    for nid, zone in sorted(predicted.keys() | observed.keys()):
        if zone == "Device":
            continue
        span, info = predicted.get((nid, zone)), observed.get((nid, zone))
        told = (span.start_pfn if span.present else None, span.spanned, span.present) if span else (None, 0, 0)
        seen = (info.start_pfn if info.present else None, info.spanned, info.present) if info else (None, 0, 0)
        yield Check(f"node {nid} {zone}", str(told), str(seen))
