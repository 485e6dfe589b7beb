"""Captures of the lab's guests, replayed: every command gives the document that was reviewed.

``pytest tests/golden --update-golden`` writes them anew; read the difference before you commit it.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from documents import checked
from fakes import INITRD, build_bzimage
from kexeckit.cli.main import main
from kexeckit.formats.iomem import parse_iomem

FOLDER = Path(__file__).parent / "captures"
EXPECTED = Path(__file__).parent / "expected"
NAMES = sorted(p.name for p in FOLDER.iterdir())
COMMANDS = {
    "plan": ["plan", "KERNEL", "--initrd", "INITRD", "--append", "console=ttyS0 root=/dev/vda"],
    "plan-panic": ["plan", "KERNEL", "--initrd", "INITRD", "--panic", "--reuse-cmdline"],
    "plan-panic-omit": ["plan", "KERNEL", "--panic", "--old-ram", "omit"],
    "plan-file": ["plan", "KERNEL", "--initrd", "INITRD", "--syscall", "file"],
    "plan-file-panic": ["plan", "KERNEL", "--initrd", "INITRD", "--syscall", "file", "--panic"],
    "crashkernel": ["crashkernel"],
    "crashkernel-what-if": ["crashkernel", "crashkernel=300M"],
    "zones": ["zones"],
    "zones-what-if": ["zones", "kernelcore=40%"],
}


def _run(words: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    files = {"KERNEL": build_bzimage(), "INITRD": INITRD}
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    filled = [str(tmp_path / w) if w in files else w for w in words]
    code = main([*filled, "--root", str(FOLDER / name), "--json"])
    out = capsys.readouterr()
    document = checked(out.out)
    # Folders of this run are no part of the answer.
    text = json.dumps({"exit": code, "document": document}, indent=1)
    shown: dict[str, Any] = json.loads(text.replace(str(FOLDER / name), "ROOT").replace(str(tmp_path), "FILES"))
    return shown


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", NAMES)
def test_capture_gives_the_reviewed_document(
    name: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The command on the capture prints what stands in expected/."""
    monkeypatch.setattr(os, "urandom", bytes)
    document = _run(COMMANDS[command], name, tmp_path, capsys)
    at = EXPECTED / name / f"{command}.json"
    if request.config.getoption("--update-golden"):
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(json.dumps(document, indent=1) + "\n")
    assert document == json.loads(at.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_reservation_of_the_capture_is_predicted(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is predicted for the capture's own command line is what its kernel did."""
    document = _run(["crashkernel"], name, tmp_path, capsys)["document"]
    found = parse_iomem((FOLDER / name / "proc/iomem").read_text()).crash_regions()
    predicted = sorted((r["start"], r["start"] + r["size"]) for r in document["regions"])
    assert predicted == [(r.start, r.end) for r in found]
