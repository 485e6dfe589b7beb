"""Which tests are run against a mutant: those that reach its line, the likeliest and fastest first."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from mutants.operators import Mutant
from mutants.reach import FOLDERS, PACKAGE, ROOT, Reach

# Tests up to this many seconds in all, as recorded, are run; the fastest first.
BUDGET = 4.0
AT_MOST = 200


class Choice:
    """Chooses tests by what they reach."""

    def __init__(self, reach: Reach, names: dict[str, dict[str, set[int]]]) -> None:
        self._reach = reach
        self._names = names

    def runs_at_import(self, mutant: Mutant) -> bool:
        """Say whether a mutant has to be there before the package is imported."""
        lines = self._reach.at_import.get(mutant.path, set())
        return mutant.outer is None or any(n in lines for n in range(mutant.lines[0], mutant.lines[1] + 1))

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant, the likeliest and fastest first."""
        found = self._at(mutant.path, range(mutant.lines[0], mutant.lines[1] + 1))
        if mutant.outer is None:
            found |= self._by_names(mutant) | self._at(mutant.path, self._reach.tests.get(mutant.path, {}))
        own = importers(mutant.path)
        order = sorted(found, key=lambda t: (t.split("::")[0] not in own, self._reach.seconds[t], t))
        kept: list[str] = []
        spent = 0.0
        for test in order[:AT_MOST]:
            spent += self._reach.seconds[test]
            if kept and spent > BUDGET:
                break
            kept.append(test)
        return kept

    def _at(self, path: str, lines: Iterable[int]) -> set[str]:
        rows = self._reach.tests.get(path, {})
        return {test for number in lines for test in rows.get(number, ())}

    def _by_names(self, mutant: Mutant) -> set[str]:
        # A constant: whoever reads it, also through other constants.
        wanted = list(mutant.names[-1:])
        done: set[str] = set()
        found: set[str] = set()
        while wanted and len(done) < 12:
            name = wanted.pop()
            done.add(name)
            for path, lines in self._names.get(name, {}).items():
                found |= self._at(path, lines)
            wanted += [n for n in _made_from(name) if n not in done]
        return found


@cache
def importers(path: str) -> set[str]:
    """Return the test files that name a module: those that are about it."""
    name = "kexeckit." + path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    files = [file for folder in FOLDERS for file in (ROOT / "tests" / folder).glob("test_*.py")]
    word = re.compile(rf"\b{re.escape(name)}\b")
    return {str(file.relative_to(ROOT)) for file in files if word.search(file.read_text("utf-8"))}


def readers(paths: list[str]) -> dict[str, dict[str, set[int]]]:
    """Return by name, plain or behind a dot, the files and lines that read it."""
    found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for path in paths:
        for node in ast.walk(ast.parse((PACKAGE / path).read_text("utf-8"))):
            if isinstance(node, ast.Name | ast.Attribute):
                found[node.id if isinstance(node, ast.Name) else node.attr][path].add(node.lineno)
    return found


@cache
def _assignments() -> dict[str, set[str]]:
    # Names at module level, by those that they are made from.
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                made = {t.id for t in targets if isinstance(t, ast.Name)}
                for name in (n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)):
                    found[name] |= made
    return found


def _made_from(name: str) -> set[str]:
    return _assignments().get(name, set())
