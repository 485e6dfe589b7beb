"""What a kernel was seen to do beside what is predicted: whether they agree, and what a script can tell from it.

About kexeckit.kernel.reservation.observed, kexeckit.kernel.reservation.answer.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import zone_logs
from answers import Asking
from bootlogs import GIB, MIB, pc_table, x86_log
from kexeckit.cli.main import main
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.reservation.doubt import Candidate, Doubt
from kexeckit.kernel.reservation.observed import ObservedReservation, compare_reservation
from kexeckit.kernel.reservation.predict import CrashRegion, Reservation, predict_reservation
from readings import facts_of_log

START = 0xAE000000
DONE = f"Reserving 256MB of memory at {START // MIB}MB for crashkernel (System RAM: 3071MB)"
CMDLINE = "root=/dev/vda1 nokaslr crashkernel=256M"


def log(*more: str, cmdline: str = CMDLINE) -> str:
    """Return a log of a machine whose 256 MiB land at START."""
    return x86_log(cmdline=cmdline, more=more)


def answer(found: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return the predicted outcome, the observed one and the agreement."""
    seen = found["observed"]
    return found["outcome"], seen and seen["outcome"], found["agreement"]


def test_a_log_whose_kernel_did_what_is_predicted(ask: Asking) -> None:
    """The line of the reservation is seen, and never used for the prediction."""
    found = ask.log(log(DONE))
    assert answer(found) == ("reserved", "reserved", "agree")
    assert [(r["start"], r["size"]) for r in found["observed"]["regions"]] == [(START, 256 * MIB)]
    assert found["observed"]["exact"] is False
    assert found["explanations"] == []
    assert found["regions"] == ask.log(log())["regions"]


@pytest.mark.parametrize(
    ("line", "agreement"),
    [
        (DONE.replace(f"at {START // MIB}MB", f"at {START // MIB - 16}MB"), "differ"),
        (DONE.replace("256MB", "240MB"), "differ"),
        (f"crashkernel reserved: {START:#018x} - {START + 256 * MIB:#018x} (256 MB)", "agree"),
        (f"crashkernel reserved: {START + MIB:#018x} - {START + 257 * MIB:#018x} (256 MB)", "differ"),
        ("crashkernel reservation failed - No suitable area found.", "differ"),
    ],
)
def test_what_differs(ask: Asking, line: str, agreement: str) -> None:
    """In address, in size, in outcome; each with what could explain it."""
    found = ask.log(log(line))
    assert found["agreement"] == agreement
    assert bool(found["explanations"]) == (agreement == "differ")


def test_a_difference_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, in the text as well; an agreement is 0."""
    path = tmp_path / "dmesg"
    for text, code, words in (
        (log(DONE), 0, "prediction and observation agree"),
        (log(DONE.replace("256MB", "240MB")), 1, "prediction and observation differ"),
    ):
        path.write_text(text)
        assert main(["crashkernel", "--root", str(path)]) == code
        shown = capsys.readouterr().out
        assert words in shown
        assert shown.startswith("observed: reserved")


def test_without_the_line_nothing_was_reserved(ask: Asking) -> None:
    """A log that goes on behind the place of the line shows that the kernel reserved nothing."""
    assert answer(ask.log(log(cmdline="root=/dev/vda1 nokaslr")))[1:] == ("none", "agree")
    assert answer(ask.log(log())) == ("reserved", "none", "differ")


def test_a_failure_that_is_predicted(ask: Asking) -> None:
    """Both say that nothing fits."""
    found = ask.log(log("crashkernel reservation failed - No suitable area found.", cmdline="crashkernel=8G nokaslr"))
    assert answer(found) == ("failed", "failed", "agree")
    assert "failed" in found["observed"]["message"]


def test_other_words_are_another_boot(ask: Asking) -> None:
    """What was seen stays in the answer, and is not compared."""
    found = ask.log(log(DONE), "crashkernel=128M")
    assert answer(found) == ("reserved", "reserved", "unknown")
    assert "another boot" in found["explanations"][0]


ROWS = "00001000-0009fbff : System RAM\n00100000-bffdffff : System RAM\n{}  02000000-02ffffff : Kernel code\n"


@pytest.mark.parametrize(
    ("names", "old", "current"),
    [
        (("Crash kernel", "Crash kernel"), 0x10000000, 0x30000000),
        (("Crash kernel (low)", "Crash kernel"), 0x30000000, 0x30000000),
        (("Crash kernel (low)",), None, None),
        (("Crash kernel",), 0x10000000, 0x10000000),
    ],
)
def test_what_user_space_takes(ask: Asking, names: tuple[str, ...], old: int | None, current: int | None) -> None:
    """An old kexec-tools takes the first line of the name, a current one the last; "(low)" is found by neither."""
    starts = (0x10000000, 0x30000000)
    rows = "".join(f"  {at:08x}-{at + 0xFFFFFFF:08x} : {name}\n" for at, name in zip(starts, names, strict=False))
    found = ask.root({"proc/iomem": ROWS.format(rows)}, "--arch", "x86_64")
    assert answer(found)[1:] == ("reserved", "unknown")
    assert found["observed"]["user_space"] == {"old": old, "current": current}
    assert len(found["observed"]["regions"]) == len(names)


def test_no_command_line_is_no_word(ask: Asking) -> None:
    """A listing does not show what was asked for: what is reserved is shown, what would be is not determined."""
    rows = ROWS.format("  10000000-1fffffff : Crash kernel\n")
    found = ask.root({"proc/iomem": rows}, "--arch", "x86_64")
    assert answer(found) == ("not-determined", "reserved", "unknown")


def zones(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *words: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and document of `kexeckit zones` for a log."""
    (tmp_path / "dmesg").write_text(text)
    code = main(["zones", *words, "--root", str(tmp_path / "dmesg"), "--json"])
    return code, json.loads(capsys.readouterr().out)


MOVABLE = "[    0.009000]   Node 1: 0x0000000120000000\n"


@pytest.mark.parametrize(
    ("words", "old", "new", "code", "agreement"),
    [
        ("", "", "", 0, "agree"),
        ("movablecore=512M", "", "", 0, "unknown"),
        ("", "Movable zone start for each node\n", f"Movable zone start for each node\n{MOVABLE}", 1, "differ"),
        ("", "-0x0000000000ffffff]", "-0x0000000001ffffff]", 1, "differ"),
        ("", "[    0.009000]   DMA32    [mem 0x0000000001000000-0x00000000ffffffff]\n", "", 1, "differ"),
    ],
)
def test_zones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, old: str, new: str, code: int, agreement: str
) -> None:
    """Ranges and movable starts of the log, against those that follow from the map."""
    plain = zone_logs.x86_log("").replace(MOVABLE, "")
    text = plain.replace(old, new) if old else plain
    ended, found = zones(tmp_path, capsys, text, *words.split())
    assert (ended, found["agreement"]) == (code, agreement), found["explanations"]


ROOMY = x86_log(pc_table(61 * GIB), cmdline="root=/dev/vda1 crashkernel=256M")


@pytest.mark.parametrize(
    ("at", "agreement"),
    [
        (0xAE000000, "agree"),
        # As if the kernel image had lain in its way, which the log does not show.
        (0xAD000000, "unknown"),
        (0x9C000000, "unknown"),
        (0x9B000000, "differ"),
        (0xAD100000, "differ"),
        (0xAF000000, "differ"),
    ],
)
def test_a_likely_address_that_came_as_a_doubt_has_it(ask: Asking, at: int, agreement: str) -> None:
    """Then it is not known whether they agree, and the doubt says why; elsewhere they differ as ever."""
    line = f"Reserving 256MB of memory at {at // MIB}MB for crashkernel (System RAM: 64000MB)\n"
    found = ask.log(f"{ROOMY}[    0.000000] {line}")
    assert (found["regions"][0]["start"], found["regions"][0]["certainty"]["address"]) == (0xAE000000, "likely")
    assert found["agreement"] == agreement
    if agreement == "unknown":
        assert ["the kernel image lies" in why for why in found["explanations"]] == [True]


def compared(found: Reservation, *seen: tuple[str, int, int], exact: bool = True) -> Agreement:
    """Return how a prediction compares with regions that were seen."""
    regions = tuple(CrashRegion(start, size, kind, "Crash kernel") for kind, start, size in seen)
    return compare_reservation(
        found, ObservedReservation("reserved" if seen else "none", regions, "x", exact)
    ).agreement


def likely(*rows: Candidate, outcome: str = "reserved", sure: Certainty = Certainty.LIKELY) -> Reservation:
    """Return a prediction of 256 MiB at START, or of none, in a doubt with candidates."""
    found = predict_reservation(facts_of_log(log()))
    doubt = Doubt("x", "y", ("main",), candidates=rows)
    regions = tuple(replace(r, address_certainty=sure) for r in found.regions) if outcome == "reserved" else ()
    return replace(found, outcome=outcome, certainty=sure, regions=regions, doubts=(doubt,), candidates=rows)


LOWER = Candidate("main", START - 16 * MIB, START - 64 * MIB, 16 * MIB, "x")
NOWHERE = Candidate("main", None, None, 0, "x")
SIZE = 256 * MIB


def test_what_a_doubt_has_among_its_candidates() -> None:
    """Another address, none at all, or one where none was likely."""
    assert compared(likely(LOWER), ("main", START - 32 * MIB, SIZE)) is Agreement.UNKNOWN
    assert compared(likely(LOWER), ("main", START - 32 * MIB, SIZE - MIB)) is Agreement.DIFFER
    assert compared(likely(LOWER)) is Agreement.DIFFER
    assert compared(likely(NOWHERE)) is Agreement.UNKNOWN
    assert compared(likely(NOWHERE), ("main", START - 16 * MIB, SIZE)) is Agreement.DIFFER
    assert compared(likely(LOWER, outcome="failed"), ("main", START - 16 * MIB, SIZE)) is Agreement.UNKNOWN
    assert compared(likely(NOWHERE, outcome="failed"), ("main", START - 16 * MIB, SIZE)) is Agreement.DIFFER


def test_what_is_certain_differs_all_the_same() -> None:
    """A candidate is no excuse then."""
    for found in (likely(LOWER, NOWHERE, sure=Certainty.CERTAIN),):
        assert compared(found, ("main", START, SIZE)) is Agreement.AGREE
        assert compared(found, ("main", START - 32 * MIB, SIZE)) is Agreement.DIFFER
        assert compared(found) is Agreement.DIFFER
    failed = likely(LOWER, outcome="failed", sure=Certainty.CERTAIN)
    assert compared(failed, ("main", START - 32 * MIB, SIZE)) is Agreement.DIFFER


def test_a_low_part_that_comes_or_not() -> None:
    """Where a doubt has it so."""
    low = Candidate("low", START - 512 * MIB, START - 512 * MIB, 0, "x")
    both = (("low", START - 512 * MIB, 128 * MIB), ("main", START, SIZE))
    assert compared(likely(low), *both) is Agreement.UNKNOWN
    assert compared(likely(LOWER), *both) is Agreement.DIFFER
    assert compared(likely(low), both[0], both[0], both[1]) is Agreement.DIFFER


def test_whole_mib_are_compared_with_rows_of_any_start() -> None:
    """A log that rounds down shows the MiB that a start lies in."""
    odd = replace(LOWER, start=START - 16 * MIB + 4096, last=START - 64 * MIB + 4096)
    for exact, agreement in ((False, Agreement.UNKNOWN), (True, Agreement.DIFFER)):
        assert compared(likely(odd), ("main", START - 32 * MIB, SIZE), exact=exact) is agreement
    assert compared(likely(odd), ("main", START - 33 * MIB, SIZE), exact=False) is Agreement.DIFFER
