"""The mutation run: which faults it makes, how it names them, which tests it runs against them, what it keeps."""

import ast
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mutants import choose, operators
from mutants.__main__ import Results
from mutants.choose import Choice
from mutants.operators import Mutant, mutants, mutated
from mutants.reach import PACKAGE, Reach
from mutants.trial import in_child


def changes(text: str) -> dict[str, list[str]]:
    """Return old and new text of every fault, by operator."""
    found: dict[str, list[str]] = {}
    for mutant in mutants("a.py", text):
        found.setdefault(mutant.operator, []).append(mutant.what)
    return found


@pytest.mark.parametrize(
    ("text", "operator", "found"),
    [
        ("x = a < b", "compare", ["a < b -> a <= b"]),
        ("x = a < b <= c", "compare", ["a < b <= c -> a <= b <= c", "a < b <= c -> a < b < c"]),
        ("x = a not in b", "compare", ["a not in b -> a in b"]),
        ("x = a + b", "arithmetic", ["a + b -> a - b"]),
        ("x //= b", "arithmetic", ["x //= b -> x *= b"]),
        ("x = 0x40", "constant", ["64 -> 65", "64 -> 63", "64 -> 128"]),
        ("x = 1", "constant", ["1 -> 2", "1 -> 0"]),
        ("x = 0.5", "constant", ["0.5 -> 1.0", "0.5 -> 0.25"]),
        ("x = True", "constant", ["True -> False"]),
        ("x = not a", "not", ["not a -> a"]),
        ("x = a and b and c", "and-or", ["a and b and c -> a or b or c"]),
        ("x = a if b else c", "condition", ["b -> True", "b -> False"]),
        ("while a: pass", "condition", ["a -> False"]),
        ("x = [a for a in b if c]", "condition", ["c -> True", "c -> False"]),
        ("def f():\n    return a", "return", ["return a -> return None"]),
        ("x = ('a', 'b')", "drop", ["('a', 'b') -> ('b',)", "('a', 'b') -> ('a',)"]),
    ],
)
def test_what_is_changed(text: str, operator: str, found: list[str]) -> None:
    """Each operator, and nothing else of that kind in the text."""
    assert changes(text)[operator] == found


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "def f():\n    '''One too.'''",
        "raise ValueError(f'{a + 1} is too many')",
        "assert a < 3",
        "x = f'{a + 1:>{9}}'",
        "x = 'a' + b",
        "def f(a: 'int | None' = None) -> 'tuple[int, 3]': pass",
        "x: Literal[1, 2]",
        "@dataclass(frozen=True, slots=True)\nclass C: pass",
        "class C:\n    def __repr__(self):\n        return str(1 + 2)",
        "__all__ = ['a', 'b']",
        "zip(a, b, strict=True)",
        "def f():\n    return None",
        "if TYPE_CHECKING:\n    x = 1",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    """Texts, messages, annotations, decorators, and what only a type checker reads."""
    assert changes(text) == {}


TEXT = """\
LIMIT = 4

class Box:
    size: int = 0

    def full(self, count=1):
        if self.size + count > LIMIT:
            return True
        return self.size > LIMIT - 1
"""


def named(what: str, operator: str) -> Mutant:
    """Return one fault of the text above."""
    return next(m for m in mutants("a/b.py", TEXT) if m.what.endswith(what) and m.operator == operator)


def test_names_stay_while_other_parts_change() -> None:
    """File, function, operator and a number within the function; lines above move nothing."""
    found = [m.id for m in mutants("a/b.py", TEXT)]
    assert len(set(found)) == len(found)
    assert "a/b.py:Box.full:compare:2" in found
    moved = mutants("a/b.py", "OTHER = 7\n\n\ndef f():\n    return 1 < 2\n\n\n" + TEXT)
    assert {m.id for m in moved if "Box" in m.function} == {i for i in found if "Box" in i}


def test_a_fault_is_the_only_difference() -> None:
    """The rest of the module is as it was, and every fault leaves a module that compiles."""
    for mutant in mutants("a/b.py", TEXT):
        new = ast.unparse(mutated(TEXT, mutant))
        assert sum(a != b for a, b in zip(new.split(), ast.unparse(ast.parse(TEXT)).split(), strict=False))
        compile(new, "b", "exec")
    assert "self.size >= LIMIT - 1" in ast.unparse(mutated(TEXT, named("self.size >= LIMIT - 1", "compare")))


def test_a_fault_that_the_module_does_not_have() -> None:
    """Is an error, not the module as it is."""
    with pytest.raises(ValueError, match="no such place"):
        mutated("x = 1", replace(named("4 -> 5", "constant"), step=99))


def test_what_runs_at_import_is_told_from_what_runs_later() -> None:
    """Defaults and constants are there before any function; a function's own faults name its outermost function."""
    assert named("4 -> 5", "constant").outer is None
    assert named("4 -> 5", "constant").names == ("LIMIT",)
    assert [m.outer for m in mutants("a/b.py", TEXT) if m.function == "Box.full" and m.lines == (6, 6)] == [None, None]
    assert named("self.size - count", "arithmetic").outer == ("Box.full", 6)
    assert named("self.size - count", "arithmetic").lines == (7, 7)


def choice(rows: dict[int, Iterable[str]], seconds: dict[str, float], names: dict[str, set[int]]) -> Choice:
    """Return a choice for the text above."""
    reach = Reach(seconds, {"a/b.py": {n: set(tests) for n, tests in rows.items()}}, {"a/b.py": {99}})
    return Choice(reach, {name: {"a/b.py": lines} for name, lines in names.items()})


def test_tests_that_reach_the_line_run_fastest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of files that import the module come before."""
    monkeypatch.setattr(choose, "importers", {"a/b.py": {"t/test_b.py"}}.__getitem__)
    seconds = {"t/test_x.py::slow": 3.0, "t/test_x.py::fast": 0.1, "t/test_b.py::own": 2.0, "t/test_x.py::other": 0.1}
    chosen = choice({7: ["t/test_x.py::slow", "t/test_x.py::fast", "t/test_b.py::own"], 9: list(seconds)}, seconds, {})
    found = chosen.tests(named("self.size - count", "arithmetic"))
    assert found == ["t/test_b.py::own", "t/test_x.py::fast"]
    assert sum(seconds[t] for t in found) <= choose.BUDGET


def test_files_that_are_about_a_module_name_it() -> None:
    """By its whole name: one that begins alike is another."""
    assert "tests/unit/test_kimage.py" in choose.importers("kernel/load/kimage_check.py")
    assert "tests/unit/test_kimage.py" in choose.importers("kernel/load/kimage.py")
    assert "tests/unit/test_kind.py" not in choose.importers("kernel/load/kimage.py")


def test_a_constant_is_reached_by_whoever_reads_it() -> None:
    """No line of a test's run is the constant's own, so those of its readers count."""
    chosen = choice({7: ["t/test_x.py::one"], 1: []}, {"t/test_x.py::one": 0.1}, {"LIMIT": {7}})
    assert chosen.tests(named("4 -> 5", "constant")) == ["t/test_x.py::one"]
    assert chosen.runs_at_import(named("4 -> 5", "constant"))
    assert not chosen.runs_at_import(named("self.size - count", "arithmetic"))


@pytest.mark.parametrize(("work", "state"), [(lambda: True, "survived"), (lambda: False, "killed")])
def test_a_trial_in_a_child(work: "partial[bool]", state: str) -> None:
    """What the tests said comes back as the state."""
    assert in_child(work, 10) == state


def test_a_trial_that_fails_to_end_or_breaks() -> None:
    """Is ended after its time; an error or a signal of its own counts as killed."""

    def sleeps() -> bool:
        time.sleep(60)
        return True

    def ends() -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    assert in_child(sleeps, 0.2) == "timeout"
    assert in_child(lambda: bool(1 // 0), 10) == "killed"
    assert in_child(ends, 10) == "killed"


def test_results_are_kept_for_a_file_as_it_is(tmp_path: Path) -> None:
    """A run that was broken off goes on; a file that changed is run again."""
    mutant = replace(named("4 -> 5", "constant"), path="errors.py")
    assert (PACKAGE / mutant.path).is_file()
    results = Results(tmp_path / "out.jsonl")
    results.add(mutant, "killed", 0.5, 3)
    assert Results(tmp_path / "out.jsonl").state(mutant) == "killed"
    row = json.loads((tmp_path / "out.jsonl").read_text())
    (tmp_path / "out.jsonl").write_text(json.dumps(row | {"source": "other"}) + "\n")
    assert Results(tmp_path / "out.jsonl").state(mutant) == ""


def test_every_equivalent_fault_exists_and_has_a_reason() -> None:
    """A name that no longer fits is taken out of tests/mutants.toml, so that it hides nothing."""
    import tomllib

    file = Path(__file__).parents[1] / "mutants.toml"
    known = tomllib.loads(file.read_text("utf-8"))
    paths = {name.split(":")[0] for name in known}
    found = {m.id for path in paths for m in operators.mutants(path, (PACKAGE / path).read_text("utf-8"))}
    assert not set(known) - found
    assert all(len(reason) > 10 for reason in known.values())
