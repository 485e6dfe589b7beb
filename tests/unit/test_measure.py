"""`rehearse --measure` without a guest: the search, the text, the document, and what it refuses."""

import json

import pytest

from kexeckit.cli.main import main
from kexeckit.kernel.sizing.estimate import CaptureSetup, Estimate, estimate
from kexeckit.lab import measure_reservation
from kexeckit.lab.measure_reservation import Need, Try
from kexeckit.memory.units import MIB

_NEEDED = 90


@pytest.fixture(autouse=True)
def _no_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries succeed from 90 MiB on; the estimate is of a kernel of 44 MiB."""

    def estimated(_: Need) -> Estimate:
        return estimate(CaptureSetup(56 * MIB, 44 * MIB, 39 * MIB, 2 * MIB, 2 * MIB))

    def tried(_: Need, mib: int) -> Try:
        return Try(mib, mib >= _NEEDED, "" if mib >= _NEEDED else "panic", 1.0, {})

    monkeypatch.setattr(Need, "estimate", estimated)
    monkeypatch.setattr(measure_reservation, "try_reservation", tried)


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes, the parts of the estimate that count for it, and every try with its reason."""
    assert main(["rehearse", "--measure", "--kernel", "vmlinuz", "--step", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["measured"]
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


@pytest.mark.parametrize("words", [["--reboot"], ["--step", "0"]])
def test_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """There is no dump without a crash, and no precision of nothing."""
    assert main(["rehearse", "--measure", *words]) == 2
    assert "--measure" in capsys.readouterr().err
