"""A bench for commands: files in a folder, commands in this process, and what they print."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from documents import checked
from fakes import INITRD, FakeMachine, build_bzimage
from kexeckit.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: Standard output.
        err: Standard error.
    """

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one line of a failure; fails where there is more than it and one hint, or anything on standard output."""
        lines = self.err.splitlines()
        assert self.code != 0
        assert self.out == ""
        assert lines[0].startswith("kexeckit: ")
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  hint: ")), self.err
        return lines[0]

    @property
    def hint(self) -> str:
        """The hint after it, or an empty text."""
        lines = self.err.splitlines()
        return lines[1] if len(lines) > 1 else ""


@dataclass
class Commands:
    """Runs commands over a capture.

    Attributes:
        folder: Where ``vmlinuz``, ``initrd`` and ``root`` are.
        capsys: Pytest's capture of the output.
    """

    folder: Path
    capsys: pytest.CaptureFixture[str]
    machine: FakeMachine = field(default_factory=FakeMachine)

    def __post_init__(self) -> None:
        self.put("vmlinuz", build_bzimage())
        self.put("initrd", INITRD)
        self.machine.write(self.folder / "root")

    def put(self, name: str, data: bytes) -> str:
        """Write a file and return its path."""
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def at(self, name: str) -> str:
        """Return a file's path."""
        return str(self.folder / name)

    def run(self, *words: str) -> Ended:
        """Run any command; a JSON document that it prints must be of its schema."""
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        seen = self.capsys.readouterr()
        if seen.out.startswith("{"):
            checked(seen.out)
        return Ended(code, seen.out, seen.err)

    def plan(self, *more: str, kernel: str = "vmlinuz", initrd: str | None = "initrd", root: str = "root") -> Ended:
        """Plan with the bench's own files."""
        image = [self.at(kernel), *(("--initrd", self.at(initrd)) if initrd else ())]
        return self.run("plan", *image, "--root", self.at(root), *more)

    def snapshot(self) -> Mapping[str, bytes]:
        """Every file below the folder."""
        return {str(p): p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file()}
