"""Kept boots, asked about and judged: what each machine's boot without words says of its boots with them.

capture    all that `kexeckit capture` takes
log        its boot log alone
sosreport  log, /proc/iomem, command line and version: what the usual report of a support case has
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kexeckit.errors import KexeckitError
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.reservation.answer import answer_reservation
from kexeckit.kernel.zones.answer import answer_zones
from kexeckit.lab.dev.next_boot_cases import NextMachine
from kexeckit.lab.dev.next_boot_judge import CERTAIN, Judged, JudgedBoot, answer_of, judge_cma, judge_reservation
from kexeckit.lab.dev.zone_compare import compare_zones
from kexeckit.lab.report import GuestReport
from kexeckit.machine.value import Machine
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import DirectoryRoot, FileRoot, SingleFile, Sysroot

__all__ = ["judge_kept"]

_CMA = "sys/kernel/kexec/crash_cma_ranges"
_SOSREPORT = ("dmesg", "proc/iomem", "proc/cmdline", "proc/version")


def judge_kept(folder: Path) -> Iterator[JudgedBoot]:
    """Ask about each kept boot with words, and judge the answers.

    Args:
        folder: Where boots are kept.

    Yields:
        One result per boot and source; the boots of a machine follow each other.
    """
    for first in sorted(folder.glob("*-0")):
        later = sorted(path for path in folder.glob(first.name[:-1] + "*") if path != first)
        with tempfile.TemporaryDirectory() as scratch:
            for source, root in _roots(first / "root", Path(scratch)):
                yield from _asked(source, root, later)


def _roots(full: Path, scratch: Path) -> Iterator[tuple[str, Sysroot]]:
    yield "capture", DirectoryRoot(str(full))
    yield "log", FileRoot(SingleFile("the guest's log", (full / "dmesg").read_bytes()))
    for name in _SOSREPORT:
        (scratch / name).parent.mkdir(exist_ok=True)
        (scratch / name).symlink_to((full / name).absolute())
    yield "sosreport", DirectoryRoot(str(scratch))


def _asked(source: str, root: Sysroot, later: list[Path]) -> Iterator[JudgedBoot]:
    asked: Machine | None = None
    for path in later:
        case = json.loads((path / "case.json").read_text())
        boot = JudgedBoot(path.name, NextMachine.from_record(case["machine"]), tuple(case["words"]), source)
        try:
            asked = asked or read_machine(root, arch=boot.machine.arch)
            judged = tuple(_judged(asked, boot.words, path / "root"))
        except KexeckitError as error:
            yield JudgedBoot(boot.name, boot.machine, boot.words, source, problem=str(error))
            continue
        yield JudgedBoot(boot.name, boot.machine, boot.words, source, judged)


def _judged(asked: Machine, words: tuple[str, ...], came: Path) -> Iterator[Judged]:
    iomem = parse_iomem((came / "proc/iomem").read_text(), str(came))
    seen = tuple((r.start, r.size) for r in iomem.crash_regions())
    answer = answer_of(answer_reservation(asked, words))
    yield from judge_reservation(answer, seen)
    if (came / _CMA).exists():
        areas = [line.split("-") for line in (came / _CMA).read_text().splitlines()]
        yield from judge_cma(answer, tuple((int(a, 16), int(b, 16) + 1 - int(a, 16)) for a, b in areas))
    zones = answer_zones(asked, words)
    texts = {"dmesg": (came / "dmesg").read_bytes(), "zoneinfo": (came / "proc/zoneinfo").read_bytes()}
    checks = list(compare_zones(zones.predicted, GuestReport("boot", texts, complete=True)))
    wrong = [c for c in checks if not c.agrees]
    told, came_so = ("; ".join(f"{c.subject} {getattr(c, side)}" for c in wrong) for side in ("predicted", "observed"))
    sure = zones.certainty.value
    # What else is possible is told in words, and not compared.
    yield Judged("zones", "", sure, not wrong, not wrong or sure != CERTAIN, told, came_so)
