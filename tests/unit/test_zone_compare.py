"""The lab's comparison of zones: it agrees where all agree, and sees each single difference."""

from dataclasses import replace

import pytest

from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.lab.dev.zone_compare import compare_zones
from kexeckit.lab.report import GuestReport
from kexeckit.system.sysroot import FileRoot, SingleFile
from readings import zones_of_root
from zone_logs import x86_log

ZONEINFO = """\
Node 0, zone      DMA
 spanned 4095
 present 3998
 start_pfn: 1
Node 0, zone    DMA32
 spanned 782320
 present 782320
 start_pfn: 4096
Node 1, zone   Normal
 spanned 131072
 present 131072
 start_pfn: 1048576
Node 1, zone  Movable
 spanned 131072
 present 131072
 start_pfn: 1179648
Node 1, zone   Device
 spanned 0
 present 0
"""
WORDS = "movablecore=512M"


def predicted() -> ZonePrediction:
    """Predict the guest's zones."""
    root = FileRoot(SingleFile("dmesg", x86_log(WORDS).encode()))
    question = zones_of_root(root, [])
    return predict_zones(question.machine, question.parameters, question.behaviour)


def report(zoneinfo: str = ZONEINFO, log: str = x86_log(WORDS)) -> GuestReport:
    """Return what a guest would report."""
    return GuestReport("boot", {"dmesg": log.encode(), "zoneinfo": zoneinfo.encode()}, complete=True)


def differing(prediction: ZonePrediction, observed: GuestReport) -> list[str]:
    """Return what the checks that fail are about."""
    return [c.subject for c in compare_zones(prediction, observed) if not c.agrees]


def test_all_equal() -> None:
    """A prediction of the guest's own zones agrees in all."""
    assert differing(predicted(), report()) == []


@pytest.mark.parametrize(
    ("old", "new", "subject"),
    [
        ("present 3998", "present 3997", "node 0 DMA"),
        ("spanned 782320", "spanned 782321", "node 0 DMA32"),
        ("start_pfn: 1179648", "start_pfn: 1179649", "node 1 Movable"),
        ("Node 1, zone   Normal", "Node 2, zone   Normal", "node 1 Normal"),
    ],
)
def test_each_difference_is_seen(old: str, new: str, subject: str) -> None:
    """A page more or less, or on another node, is a difference."""
    assert subject in differing(predicted(), report(ZONEINFO.replace(old, new)))


def test_lines_of_the_log_count() -> None:
    """The kernel's own lines and warnings are compared, too."""
    log = x86_log(WORDS)
    assert differing(predicted(), report(log=log.replace("0x000000013fffffff", "0x000000013ffffff0"))) != []
    assert differing(predicted(), report(log=log.replace("0x0000000120000000", "0x0000000120400000"))) == [
        "movable starts"
    ]
    said = log + "[    0.1] This configuration results in unmirrored kernel memory.\n"
    assert len(differing(predicted(), report(log=said))) == 1
    quiet = replace(predicted(), warnings=("The system has no mirror memory, ignore kernelcore=mirror.",))
    assert len(differing(quiet, report())) == 1
