"""The command: ``python -m mutants [options] PATH...``, where a path is a package, folder or file below kexeckit."""

import argparse
import hashlib
import json
import os
import random
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from mutants.choose import Choice, readers
from mutants.operators import Mutant, mutants
from mutants.reach import FOLDERS, PACKAGE, QUIET, ROOT, few_examples, load, record
from mutants.trial import Warm, fresh_trial, in_child

EQUIVALENT = ROOT / "tests" / "mutants.toml"
CACHE = ROOT / ".mutants" / "reach.json"
_RECORDING = 1800.0
_FEW = 6


class Results:
    """Results as lines of JSON: one for each mutant, of which the last counts while its file stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[tuple[str, str], dict[str, object]] = {}
        self.read()

    def read(self) -> None:
        """Read what the file has by now."""
        for line in self._file.read_text("utf-8").splitlines() if self._file.is_file() else ():
            row = json.loads(line)
            self._known[row["id"], row["source"]] = row

    def state(self, mutant: Mutant) -> str:
        """Return what became of a mutant, or an empty text."""
        return str(self._known.get((mutant.id, _digest(mutant.path)), {}).get("state", ""))

    def add(self, mutant: Mutant, state: str, seconds: float, tests: int) -> None:
        """Write a result down."""
        row = {"id": mutant.id, "source": _digest(mutant.path), "what": mutant.what, "line": mutant.lines[0]}
        row |= {"state": state, "seconds": round(seconds, 3), "tests": tests}
        self._known[mutant.id, _digest(mutant.path)] = row
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        print(f"{state:9} {seconds:5.1f} s  {mutant.id}  line {mutant.lines[0]}: {mutant.what}", flush=True)


def _digest(path: str) -> str:
    return hashlib.sha256((PACKAGE / path).read_bytes()).hexdigest()[:12]


def _paths(wanted: Iterable[str]) -> dict[str, list[str]]:
    # Files by what was asked for.
    found = {}
    for name in wanted:
        place = PACKAGE / name
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        if not files:
            raise SystemExit(f"mutants: {name} is no file or folder with Python files of {PACKAGE}")
        found[name] = [str(f.relative_to(PACKAGE)) for f in files]
    return found


def _trials(todo: list[Mutant], choice: Choice, results: Results, limit: float) -> None:
    early = [m for m in todo if choice.runs_at_import(m)]
    late = [m for m in todo if not choice.runs_at_import(m)]
    if late:
        # In a process of its own: the one that goes on must not have imported the package.
        child = os.fork()
        if not child:
            few_examples()
            loop = partial(_warm_loop, late, choice, results, limit)
            pytest.main([*QUIET, *(f"tests/{name}" for name in FOLDERS)], plugins=[Warm(loop)])
            os._exit(0)
        os.waitpid(child, 0)
        results.read()
    for mutant in early:
        tests = choice.tests(mutant)
        # Collecting takes most of the time: a few files first, all of them only against what those let pass.
        few = [t for t in tests if t.split("::")[0] in list(dict.fromkeys(t.split("::")[0] for t in tests))[:_FEW]]
        works = [partial(fresh_trial, mutant, t) for t in ([few, tests] if len(few) < len(tests) else [tests])]
        _one(mutant, results, len(tests), works, limit)


def _warm_loop(todo: list[Mutant], choice: Choice, results: Results, limit: float, warm: Warm) -> None:
    for mutant in todo:
        tests = choice.tests(mutant)
        _one(mutant, results, len(tests), [partial(warm.run, tests, mutant)], limit)


def _one(mutant: Mutant, results: Results, tests: int, works: "list[partial[bool]]", limit: float) -> None:
    begin, state = time.monotonic(), "uncovered"
    for work in works if tests else ():
        state = in_child(work, limit)
        if state != "survived":
            break
    results.add(mutant, state, time.monotonic() - begin, tests)


def _summary(asked: dict[str, list[Mutant]], results: Results, equivalent: dict[str, str]) -> Iterable[str]:
    for name, chosen in asked.items():
        states = Counter("equivalent" if m.id in equivalent else results.state(m) or "not run" for m in chosen)
        ran = sum(states[s] for s in ("killed", "timeout", "survived", "uncovered"))
        dead = states["killed"] + states["timeout"]
        share = f"{100 * dead / ran:.1f} %" if ran else "none run"
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        yield f"{name}: {share} of {ran} killed ({told})"
    for name, chosen in asked.items():
        for m in chosen:
            if m.id not in equivalent and results.state(m) in ("survived", "uncovered"):
                yield f"  {results.state(m):9} {name}  {m.id}  line {m.lines[0]}: {m.what}"


def main(words: list[str]) -> int:
    """Run mutants and print the summary; 1 where any survived that is not known as equivalent."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a package, folder or file below kexeckit")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="that many of each path; all by default")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--out", type=Path, default=ROOT / ".mutants" / "results.jsonl", help="file of results")
    parser.add_argument("--limit", type=float, default=20.0, metavar="SECONDS", help="for each mutant")
    parser.add_argument("--again", action="store_true", help="run survivors of earlier runs again")
    parser.add_argument("--summary", action="store_true", help="run nothing, only print what is known")
    asked = parser.parse_args(words)
    equivalent = tomllib.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.is_file() else {}
    chosen = {}
    for name, paths in _paths(asked.paths).items():
        found = [m for path in paths for m in mutants(path, (PACKAGE / path).read_text("utf-8"))]
        # The first N of one order, so that a larger sample goes on where a smaller one ended.
        drawn = random.Random(asked.seed).sample(found, len(found))[: asked.sample or None]
        chosen[name] = sorted(drawn, key=lambda m: (m.path, m.lines, m.id))
    results = Results(asked.out)
    again = ("", "survived", "uncovered") if asked.again else ("",)
    todo = [m for ms in chosen.values() for m in ms if m.id not in equivalent and results.state(m) in again]
    if todo and not asked.summary:
        if in_child(partial(record, CACHE), _RECORDING) != "survived":
            raise SystemExit("mutants: the tests could not be recorded")
        every = [str(f.relative_to(PACKAGE)) for f in PACKAGE.rglob("*.py")]
        _trials(todo, Choice(load(CACHE), readers(every)), results, asked.limit)
    lines = list(_summary(chosen, results, equivalent))
    print("\n".join(lines))
    return 1 if any(line.startswith("  ") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
