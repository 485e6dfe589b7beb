"""`rehearse --measure` without a guest: the search, the text, the document, and what it refuses."""

from pathlib import Path

import pytest

from documents import checked
from kexeckit.cli.main import main
from kexeckit.kernel.sizing.estimate import CaptureSetup, Estimate, estimate
from kexeckit.lab import measure_reservation
from kexeckit.lab.measure_reservation import Need, Try
from kexeckit.memory.units import MIB

_NEEDED = 90


@pytest.fixture(autouse=True)
def _no_guest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel file that nothing reads. Tries succeed from 90 MiB on; the estimate is of a kernel of 44 MiB."""

    def estimated(_: Need) -> Estimate:
        return estimate(CaptureSetup(56 * MIB, 44 * MIB, 39 * MIB, 2 * MIB, 2 * MIB))

    def tried(_: Need, mib: int) -> Try:
        return Try(mib, mib >= _NEEDED, "" if mib >= _NEEDED else "panic", 1.0, {})

    monkeypatch.chdir(tmp_path)
    Path("vmlinuz").write_bytes(b"x")
    monkeypatch.setattr(Need, "estimate", estimated)
    monkeypatch.setattr(measure_reservation, "try_reservation", tried)


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes, the parts of the estimate that count for it, and every try with its reason."""
    assert main(["rehearse", "--measure", "--kernel", "vmlinuz", "--step", "4", "--json"]) == 0
    found = checked(capsys.readouterr().out)["measured"]
    assert found["smallest"] == 92 * MIB
    assert found["step"] == 4 * MIB
    assert sum(p["size"] for p in found["parts"]) == found["estimated"]
    assert {"mib": 88, "works": False, "why": "panic"} in found["tries"]
    difference = 100 * (found["estimated"] - found["smallest"]) / found["smallest"]
    assert found["difference_percent"] == pytest.approx(difference, abs=0.06)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What works, what was estimated, and progress on the other stream."""
    assert main(["rehearse", "--measure", "--kernel", "vmlinuz"]) == 0
    said = capsys.readouterr()
    assert "92 MiB (4 MiB less does not)" in said.out
    assert "sum" in said.out
    assert "88 MiB is not enough: panic" in said.err


@pytest.mark.parametrize("words", [["--reboot"], ["--memory", "2G"], ["--step", "0"], ["--cpus=-1"]])
def test_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """There is no dump without a crash, the machine has the size of the reservation, and no precision is nothing."""
    assert main(["rehearse", "--measure", *words]) == 2
    assert words[0].partition("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--step", "4"],
        ["--padding", "1M"],
        ["--packed"],
        ["--all-cpus"],
        ["--kernel", "vmlinuz", "--suite", "sid"],
        ["--reboot", "--crashkernel", "1G"],
        ["--root", "/"],
        ["--arch", "x86_64"],
        ["--timeout", "0"],
    ],
)
def test_what_a_rehearsal_would_pass_over_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and the option's name, before anything is fetched or booted."""
    assert main(["rehearse", *words]) == 2
    assert words[-2 if len(words) > 1 else -1] in capsys.readouterr().err
