"""What the command answers to a text: a log or the files of a root in, the JSON document out.

Tests that are written with this know nothing of what lies between, so they hold for any reader of the same text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootlogs import booted_with
from kexeckit.cli.main import main

Document = dict[str, Any]


@dataclass(frozen=True)
class Asking:
    """Asks the command.

    Attributes:
        folder: Where the source is written.
        capsys: Gives back what the command printed.
    """

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def log(self, text: str, *words: str) -> Document:
        """Return the answer to a boot log and words."""
        path = self.folder / "dmesg.txt"
        path.write_text(text, "utf-8", "surrogateescape")
        return self._ask(path, *words)

    def boot(self, text: str, *words: str) -> Document:
        """Return the answer about the boot of a log, had its command line these words."""
        found = self.log(booted_with(text, *words))
        assert found["about"] == "this-boot"
        return found

    def root(self, files: Mapping[str, str], *words: str) -> Document:
        """Return the answer to the files of a root, by path."""
        base = self.folder / "root"
        for name, text in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self._ask(base, *words)

    def _ask(self, source: Path, *words: str) -> Document:
        main(["crashkernel", *words, "--root", str(source), "--json"])
        found = self.capsys.readouterr()
        document = json.loads(found.out)
        assert isinstance(document, dict)
        assert document["schema"] != "kexeckit/error/1", document
        return document


def shown(found: Document) -> tuple[str, int | None]:
    """Return the outcome, and the start of the main region where there is one."""
    return found["outcome"], next((r["start"] for r in found["regions"] if r["kind"] == "main"), None)


def possible(found: Document, *, but: str = "", none: bool = True) -> list[int | None]:
    """Return the candidates for the start of the main region, each row by its highest.

    Args:
        found: The answer.
        but: The reason of rows to leave out.
        none: Also the candidate for no region.
    """
    rows = [row for row in found["candidates"] if row["part"] == "main" and (not but or row["when"] != but)]
    return [row["start"] for row in rows if none or row["start"] is not None]


def reasons(found: Document) -> str:
    """Return all reasons as one text."""
    return "\n".join(reason["text"] for reason in found["reasons"])
