"""Which tests reach which lines: recorded once, kept in a file, and recorded again for the test files that changed."""

import hashlib
import importlib
import json
import os
import pkgutil
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "kexeckit"
FOLDERS = ("unit", "property", "golden")
EXAMPLES = 25
# No terminal output, and none of the plugins that start processes or keep files.
QUIET = [
    "-o", "addopts=", "--import-mode=importlib", "--capture=sys", "--rootdir", str(ROOT),
    "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning",
    *(word for name in ("xdist", "cacheprovider", "faulthandler", "terminal") for word in ("-p", f"no:{name}")),
]  # fmt: skip


@dataclass
class Reach:
    """What was recorded.

    Attributes:
        seconds: Duration of each test that passes, by node id; only these count.
        tests: Node ids by file (relative to the package's folder) and line.
        at_import: Lines of functions that already run while the package is imported.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    at_import: dict[str, set[int]] = field(default_factory=dict)


def few_examples() -> None:
    """Register the profile that conftest.py loads by the name ``mutants``: the same few examples every time."""
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    settings.register_profile(
        "mutants",
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def import_all(packages: tuple[str, ...] = ()) -> None:
    """Import every module of some packages of ours (of all but the lab, by default), as tests may do late."""
    base = importlib.import_module("kexeckit")
    for found in pkgutil.walk_packages(base.__path__, "kexeckit."):
        part = found.name.split(".")[1]
        if part in packages or (not packages and part not in ("lab", "__main__")):
            importlib.import_module(found.name)


class Tracer:
    """Collects the lines of our package that run, of all functions that are entered while it is set."""

    def __init__(self) -> None:
        self.lines: set[tuple[str, int]] = set()
        self._known: dict[CodeType, str | None] = {}

    def enter(self, frame: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401 (as sys.settrace wants it)
        """Decide whether a function is ours."""
        code = frame.f_code
        if code not in self._known:
            path = code.co_filename
            self._known[code] = path[len(str(PACKAGE)) + 1 :] if path.startswith(str(PACKAGE)) else None
        name = self._known[code]
        if name is None:
            return None
        add = self.lines.add

        def line(inner: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401
            add((name, inner.f_lineno))
            return line

        return line


class Recorder:
    """A plugin that writes down what each test reaches."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        """Trace one test, its fixtures included."""
        tracer, begin = Tracer(), time.monotonic()
        sys.settrace(tracer.enter)
        try:
            yield
        finally:
            sys.settrace(None)
        lines: dict[str, list[int]] = defaultdict(list)
        for name, number in sorted(tracer.lines):
            lines[name].append(number)
        if item.nodeid not in self._failed:
            self.tests[item.nodeid] = {"seconds": round(time.monotonic() - begin, 4), "lines": lines}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tests that fail or are skipped cannot tell anything."""
        if not report.passed:
            self._failed.add(report.nodeid)


def record(cache: Path) -> bool:
    """Bring the file of what tests reach up to date; say that it was done."""
    old = json.loads(cache.read_text("utf-8")) if cache.is_file() else {}
    sources = _digest(sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "tests").glob("*.py")))
    if old.get("sources") != sources:
        old = {"sources": sources, "files": {}, "tests": {}}
    files = {
        str(f.relative_to(ROOT)): _digest([f]) for d in FOLDERS for f in sorted((ROOT / "tests" / d).glob("test_*.py"))
    }
    changed = [name for name, digest in files.items() if old["files"].get(name) != digest]
    if not changed and "at_import" in old:
        return True
    few_examples()
    if "at_import" not in old:
        tracer = Tracer()
        sys.settrace(tracer.enter)
        import_all()
        sys.settrace(None)
        old["at_import"] = sorted(tracer.lines)
    recorder = Recorder()
    pytest.main([*QUIET, *changed], plugins=[recorder])
    kept = {k: v for k, v in old["tests"].items() if k.split("::")[0] in files and k.split("::")[0] not in changed}
    old |= {"files": files, "tests": kept | recorder.tests}
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(old), "utf-8")
    return True


def load(cache: Path) -> Reach:
    """Read what was recorded."""
    found = json.loads(cache.read_text("utf-8"))
    reach = Reach()
    for test, what in found["tests"].items():
        reach.seconds[test] = what["seconds"]
        for name, lines in what["lines"].items():
            rows = reach.tests.setdefault(name, defaultdict(set))
            for number in lines:
                rows[number].add(test)
    for name, number in found["at_import"]:
        reach.at_import.setdefault(name, set()).add(number)
    return reach


def _digest(files: list[Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(str(file).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()
