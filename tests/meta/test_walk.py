"""From a source to a `Machine`: how many files one fact goes through, and that no layer calls one above it."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bootlogs import x86_log
from kexeckit.machine.value import Machine
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile, open_sysroot
from source_tree import PACKAGE, ROOT

CAPTURES = sorted((ROOT / "tests" / "golden" / "captures").iterdir())
ORDER = ("system", "machine", "formats", "memory", "errors", "frozen")
MOST_FILES = 8


class Walk:
    """What is called while something runs: pairs of files, and the files on the way to each call."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()
        self.longest: tuple[str, ...] = ()

    def during(self, run: Callable[[], Machine]) -> "Walk":
        """Run it and look."""
        sys.setprofile(self._called)
        try:
            run()
        finally:
            sys.setprofile(None)
        return self

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not _ours(frame):
            return
        files = []
        at: FrameType | None = frame
        while at is not None:
            if _ours(at):
                files.append(_name(at))
            at = at.f_back
        way = tuple(dict.fromkeys(reversed(files)))
        if len(way) > len(self.longest):
            self.longest = way
        self.calls.update(zip(files[1:], files, strict=False))


def _ours(frame: FrameType) -> bool:
    # A generator expression that something below runs through is the code of who wrote it.
    code = frame.f_code
    return code.co_filename.startswith(str(PACKAGE)) and code.co_name not in ("<module>", "<genexpr>")


def _name(frame: FrameType) -> str:
    return str(Path(frame.f_code.co_filename).relative_to(PACKAGE))


def _rank(name: str) -> int:
    return ORDER.index(name.split("/", maxsplit=1)[0].removesuffix(".py"))


def check(walk: Walk) -> None:
    """No call goes up, and no fact goes through many files."""
    assert walk.calls, "nothing was seen"
    assert [call for call in walk.calls if _rank(call[0]) > _rank(call[1])] == []
    assert len(walk.longest) <= MOST_FILES, walk.longest
    assert {name.split("/")[0] for name in walk.longest} >= {"system", "machine", "formats"}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_a_capture(capture: Path) -> None:
    """With its boot log, if it has one, and what a load needs."""
    check(Walk().during(lambda: read_machine(open_sysroot(str(capture)), handover=True)))


def test_a_log() -> None:
    """A single file."""
    check(Walk().during(lambda: read_machine(FileRoot(SingleFile("dmesg", x86_log().encode())))))


def test_a_call_up_is_seen() -> None:
    """The test itself can fail: this goes from memory up to formats."""
    walk = Walk()
    walk.calls = {("memory/range.py", "formats/iomem.py")}
    walk.longest = ("system/machine.py", "machine/merge.py", "formats/iomem.py", "memory/range.py")
    with pytest.raises(AssertionError):
        check(walk)
