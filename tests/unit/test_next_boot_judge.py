"""Judging what was said of a boot by that boot; boots are played, with captures that are kept here anyway."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.lab.dev.campaign_next_boot import main
from kexeckit.lab.dev.next_boot_ask import judge_kept
from kexeckit.lab.dev.next_boot_cases import BIOS, NextMachine
from kexeckit.lab.dev.next_boot_judge import (
    CERTAIN,
    LIKELY,
    OPEN,
    Answer,
    Judged,
    JudgedBoot,
    RegionAnswer,
    judge_cma,
    judge_reservation,
)
from kexeckit.lab.dev.next_boot_table import false_certainties, reliability
from source_tree import ROOT

MIB = 1 << 20
MACHINE = NextMachine("bookworm", BIOS, (1024,), kaslr=True)
MAIN = RegionAnswer("main", 64 * MIB, CERTAIN, 512 * MIB, CERTAIN)
SAID = Answer(reserved=True, certainty=CERTAIN, regions=(MAIN,))


def address(answer: Answer, *seen: tuple[int, int], part: str = "main") -> Judged:
    """Return how the address of a region is judged."""
    return next(j for j in judge_reservation(answer, seen) if j.what == "address" and j.part == part)


def test_right() -> None:
    """What came as it was said is right, and the certainty is the answer's."""
    judged = list(judge_reservation(SAID, ((512 * MIB, 64 * MIB),)))
    assert [(j.what, j.certainty, j.right, j.possible) for j in judged] == [
        ("outcome", CERTAIN, True, True),
        ("size", CERTAIN, True, True),
        ("address", CERTAIN, True, True),
    ]


def test_wrong() -> None:
    """Another address or size is wrong, and so is nothing at all."""
    assert not address(SAID, (496 * MIB, 64 * MIB)).possible
    sizes = [j for j in judge_reservation(SAID, ((512 * MIB, 65 * MIB),)) if j.what == "size"]
    assert [j.right for j in sizes] == [False]
    nothing = list(judge_reservation(SAID, ()))
    assert [(j.what, j.right, j.possible) for j in nothing] == [("outcome", False, False), ("address", False, False)]


def test_nothing_said() -> None:
    """Nothing was said and nothing came: only the outcome is judged; where a region came, its address was missed."""
    nothing = Answer(reserved=False, certainty=CERTAIN)
    assert [(j.what, j.right) for j in judge_reservation(nothing, ())] == [("outcome", True)]
    missed = list(judge_reservation(nothing, ((512 * MIB, 64 * MIB),)))
    assert [(j.what, j.certainty, j.possible) for j in missed] == [
        ("outcome", CERTAIN, False),
        ("address", CERTAIN, False),
    ]


@pytest.mark.parametrize(
    ("start", "named"), [(480, True), (400, True), (416, True), (408, False), (496, False), (384, False)]
)
def test_candidates(start: int, named: bool) -> None:
    """A row names each of its steps from its start down to its last, both included, and nothing between or beyond."""
    row = Candidate("main", 480 * MIB, 400 * MIB, 16 * MIB, "it is so")
    judged = address(replace(SAID, candidates=(row,)), (start * MIB, 64 * MIB))
    assert (judged.right, judged.possible) == (False, named)
    assert not address(replace(SAID, candidates=(replace(row, part="low"),)), (start * MIB, 64 * MIB)).possible


def test_a_single_candidate() -> None:
    """It names its own start alone; "none" names that nothing came."""
    one = Candidate("main", 480 * MIB, 480 * MIB, 0, "it is so")
    assert address(replace(SAID, candidates=(one,)), (480 * MIB, 64 * MIB)).possible
    assert not address(replace(SAID, candidates=(one,)), (479 * MIB, 64 * MIB)).possible
    assert not address(replace(SAID, candidates=(one,))).possible
    assert address(replace(SAID, candidates=(Candidate("main", None, None, 0, "no room"),))).possible


def test_open() -> None:
    """What was left open is never right, and possible where a candidate names it."""
    region = replace(MAIN, start=None, start_certainty=OPEN)
    row = Candidate("main", 512 * MIB, 16 * MIB, 16 * MIB, "it is so")
    left = Answer(reserved=None, certainty=OPEN, regions=(region,), candidates=(row,))
    outcome, _, judged = judge_reservation(left, ((32 * MIB, 64 * MIB),))
    assert [(j.certainty, j.right, j.possible) for j in (outcome, judged)] == [(OPEN, False, True)] * 2


def test_two_regions() -> None:
    """The lower of two is the low one."""
    low = RegionAnswer("low", 256 * MIB, CERTAIN, 1024 * MIB, LIKELY)
    answer = replace(SAID, regions=(replace(MAIN, start=8192 * MIB), low))
    seen = ((1024 * MIB, 256 * MIB), (8192 * MIB, 64 * MIB))
    assert address(answer, *seen).right
    assert address(answer, *seen, part="low").right
    assert address(answer, *seen, part="low").certainty == LIKELY
    assert not address(answer, seen[1], part="low").right


def test_cma() -> None:
    """All areas as one; an area that lies somewhere is open, and what nobody spoke of is a wrong answer."""
    area = RegionAnswer("cma", 100 * MIB, CERTAIN, 4096 * MIB, CERTAIN)
    came, elsewhere = ((4096 * MIB, 100 * MIB),), ((256 * MIB, 100 * MIB),)
    said = replace(SAID, cma=(area,))
    somewhere = replace(SAID, cma=(replace(area, start=None, start_certainty=OPEN),))
    assert [(j.certainty, j.right, j.possible) for j in judge_cma(said, came)] == [(CERTAIN, True, True)]
    assert [(j.certainty, j.right, j.possible) for j in judge_cma(said, elsewhere)] == [(CERTAIN, False, False)]
    assert [(j.certainty, j.right, j.possible) for j in judge_cma(somewhere, came)] == [(OPEN, False, True)]
    assert [(j.certainty, j.right, j.possible) for j in judge_cma(SAID, came)] == [(CERTAIN, False, False)]
    assert not list(judge_cma(SAID, ()))


def test_tables() -> None:
    """A row per source and kind of machine, a row for all of them, and one per kind of answer."""
    good, bad = (tuple(judge_reservation(SAID, ((at * MIB, 64 * MIB),))) for at in (512, 496))
    boots = [JudgedBoot(f"1-001-{at}", MACHINE, ("crashkernel=64M",), "log", j) for at, j in ((1, good), (2, bad))]
    text = reliability(boots).splitlines()
    assert "| log | x86_64, BIOS | on | 1 | 1 | 0 | 0 | 0 | 1 | 50.0% |" in text
    assert "| log | all |  | 1 | 1 | 0 | 0 | 0 | 1 | 50.0% |" in text
    assert "| log | size | 2 | 0 | 0 | 0 | 0 | 0 | 100.0% |" in text
    assert [line.partition(" main")[0] for line in false_certainties(boots)] == ["1-001-2 log: certain address"]


def test_faults() -> None:
    """Certain and wrong is one even with what came among the candidates; likely and wrong only without."""
    row = Candidate("main", 496 * MIB, 496 * MIB, 0, "it is so")
    for certainty, faults in ((CERTAIN, 1), (LIKELY, 0)):
        region = replace(MAIN, start_certainty=certainty)
        judged = tuple(judge_reservation(replace(SAID, regions=(region,), candidates=(row,)), ((496 * MIB, 64 * MIB),)))
        assert len(list(false_certainties([JudgedBoot("1-001-1", MACHINE, (), "log", judged)]))) == faults
        elsewhere = tuple(judge_reservation(replace(SAID, regions=(region,)), ((496 * MIB, 64 * MIB),)))
        assert len(list(false_certainties([JudgedBoot("1-001-1", MACHINE, (), "log", elsewhere)]))) == 1
        named = JudgedBoot("1-001-1", MACHINE, (), "log", judged)
        assert reliability([named]).splitlines()[2].endswith("| 0 | 0 | 0.0% |")
    assert len(list(false_certainties([JudgedBoot("1-001-1", MACHINE, (), "log", problem="no map")]))) == 1


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Plays a machine of two boots: a capture that has a reservation stands for both."""
    for at, words in enumerate(((), ("crashkernel=256M",))):
        boot = tmp_path / f"1-001-{at}"
        shutil.copytree(ROOT / "tests/golden/captures/bios-1g-6.1", boot / "root")
        (boot / "case.json").write_text(json.dumps({"machine": MACHINE.record(), "words": words}))
    return tmp_path


def test_kept_boots_are_asked(kept: Path) -> None:
    """Once from each source, about reservation and zones, and all came so."""
    judged = list(judge_kept(kept))
    assert [(b.name, b.source) for b in judged] == [("1-001-1", s) for s in ("capture", "log", "sosreport")]
    assert [[j.what for j in b.judged] for b in judged] == [["outcome", "size", "address", "zones"]] * 3
    assert all(j.right for b in judged for j in b.judged), [b.judged for b in judged]
    assert main(["--keep", str(kept), "--again"]) == 0


def test_another_boot_is_noticed(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A region and zones that come otherwise are faults of each source; a log alone only estimates the image's end."""
    for name, was, comes in (
        ("proc/iomem", "2e000000-3dffffff : Crash", "2d000000-3cffffff : Crash"),
        ("proc/zoneinfo", "spanned  4095", "spanned  1"),
    ):
        path = kept / "1-001-1/root" / name
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, comes))
    assert main(["--keep", str(kept), "--again"]) == 1
    told = capsys.readouterr().out
    assert told.count("certain address main wrong: told 0x2e000000, came 0x2d000000") == 2
    assert told.count("certain zones wrong") == 3
    assert told.rstrip().endswith("5 faults")


def test_cma_areas_are_asked(kept: Path) -> None:
    """Where the kernel shows them; a word's area is then one more thing that is judged."""
    case = kept / "1-001-1/case.json"
    case.write_text(case.read_text().replace('256M"', '256M", "crashkernel=64M,cma"'))
    shown = kept / "1-001-1/root/sys/kernel/kexec/crash_cma_ranges"
    assert not [j for b in judge_kept(kept) for j in b.judged if j.what == "cma"]
    shown.parent.mkdir()
    shown.write_text("20000000-23ffffff\n")
    found = [j for b in judge_kept(kept) for j in b.judged if j.what == "cma"]
    assert [j.seen for j in found] == ["0x20000000+0x4000000"] * 3


def test_no_answer_is_a_fault(kept: Path) -> None:
    """A source that cannot be read gives no answer, and a capture does without the log."""
    (kept / "1-001-0/root/dmesg").write_text("nothing of a kernel\n")
    judged = list(judge_kept(kept))
    assert {b.source: bool(b.problem) for b in judged} == {"capture": False, "log": True, "sosreport": False}
    assert any(line.startswith("1-001-1 log: no answer") for line in false_certainties(judged))
