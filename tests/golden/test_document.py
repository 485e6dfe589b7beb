"""A capture as a document: every command answers to it as it answers to the capture."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fakes import INITRD, build_bzimage
from kexeckit.cli.main import main

FOLDER = Path(__file__).parent / "captures"
COMMANDS: dict[str, list[str]] = {
    "crashkernel": ["crashkernel"],
    "crashkernel-what-if": ["crashkernel", "crashkernel=300M", "mem=900M"],
    "zones": ["zones"],
    "zones-what-if": ["zones", "kernelcore=40%"],
    "page-tables": ["page-tables"],
    "plan": ["plan", "KERNEL", "--initrd", "INITRD", "--append", "console=ttyS0"],
    "plan-panic": ["plan", "KERNEL", "--initrd", "INITRD", "--panic", "--reuse-cmdline"],
    "plan-file": ["plan", "KERNEL", "--initrd", "INITRD", "--syscall", "file"],
}


def _answer(words: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code = main([*words, "--root", str(root), "--json"])
    out = capsys.readouterr()
    assert out.out, out.err
    return {"exit": code, "document": json.loads(out.out)}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", sorted(p.name for p in FOLDER.iterdir()))
def test_the_document_answers_as_the_capture(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last byte: sources, reasons and notes too."""
    monkeypatch.setattr(os, "urandom", bytes)
    files = {"KERNEL": build_bzimage(), "INITRD": INITRD}
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    words = [str(tmp_path / w) if w in files else w for w in COMMANDS[command]]
    assert main(["machine", "--root", str(FOLDER / name), "--json"]) == 0
    document = tmp_path / "machine.json"
    document.write_text(capsys.readouterr().out)
    assert _answer(words, document, capsys) == _answer(words, FOLDER / name, capsys)
