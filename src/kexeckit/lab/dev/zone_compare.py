"""A prediction of zones against what a guest's kernel made of them.

A pure part of the lab. Compared are the machine-wide limits, the start of ZONE_MOVABLE per node, and per node and zone
the first page, spanned and present pages as /proc/zoneinfo has them; and the kernel's warnings, said or not said.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kexeckit.errors import KexeckitError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.zones import printed_movable, printed_zones
from kexeckit.formats.zoneinfo import parse_zoneinfo
from kexeckit.kernel.zones.from_machine import zone_question
from kexeckit.kernel.zones.movable import IN_KDUMP, NO_MIRROR, UNMIRRORED
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.lab.compare import Check
from kexeckit.lab.report import GuestReport
from kexeckit.machine.merge import with_efi_map
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile

__all__ = ["Failed", "ZoneSource", "compare_sources", "compare_zones", "differing", "movable_nodes"]

_SPOKEN = (NO_MIRROR, IN_KDUMP, UNMIRRORED)

Failed = tuple[tuple[str, Check], ...]
"""Checks that differ, each with the name of the source that it belongs to."""


@dataclass(frozen=True, slots=True)
class ZoneSource:
    """What zones are predicted from.

    Attributes:
        name: In words.
        report: The guest whose log it is.
        words: Words typed beside the log.
        arch: ``x86_64`` or ``arm64``.
        efi_map: A raw EFI memory map beside the log, or None.
    """

    name: str
    report: GuestReport
    words: tuple[str, ...] = ()
    arch: str = "x86_64"
    efi_map: bytes | None = None

    def predict(self) -> ZonePrediction:
        """Predict the zones.

        Raises:
            KexeckitError: There is no prediction from this.
        """
        root = FileRoot(SingleFile("the guest's log", self.report.data("dmesg")))
        machine = read_machine(root, arch=self.arch)
        if self.efi_map is not None:
            machine = with_efi_map(machine, self.efi_map, "the EFI memory map")
        question = zone_question(machine, self.words)
        return predict_zones(question.machine, question.parameters, question.behaviour, below=question.below)


def compare_sources(sources: Iterable[ZoneSource], report: GuestReport) -> tuple[Failed, int]:
    """Compare the predictions from several sources with one kernel.

    Args:
        sources: What to predict from.
        report: The guest's report.

    Returns:
        The checks that differ, a prediction that cannot be made among them, and how many checks were made.
    """
    failed: list[tuple[str, Check]] = []
    made = 0
    for source in sources:
        try:
            checks = list(compare_zones(source.predict(), report))
        except KexeckitError as error:
            failed.append((source.name, Check("prediction", str(error), "")))
            continue
        made += len(checks)
        failed += ((source.name, check) for check in checks if not check.agrees)
    return tuple(failed), made


def differing(failed: Failed) -> list[tuple[str, str, str, str]]:
    """Return checks as they are written down: source, subject, predicted, observed."""
    return [(name, c.subject, c.predicted, c.observed) for name, c in failed]


def movable_nodes(report: GuestReport) -> int:
    """Count the nodes that got a ZONE_MOVABLE."""
    return len(printed_movable(parse_boot_log(report.text("dmesg"), "the guest's log")) or {})


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
