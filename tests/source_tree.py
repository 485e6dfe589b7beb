"""The project's own files, for the tests that read them."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
PACKAGE = SRC / "kexeckit"
# What tools leave behind; for a tree without git.
_NOT_OURS = {".git", ".venv", ".venv-uv", "dist", "build", "__pycache__", ".coverage"}
_CACHES = ("_cache", ".hypothesis", ".egg-info")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file: its path from the project's root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Dotted name of a module of the package, e.g. ``kexeckit.memory.range``."""
        dotted = self.path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def package(self) -> str:
        """Top-level part below kexeckit: ``memory``, ``errors``, ...; empty for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    def functions(self) -> Iterator[Function]:
        """Yield all functions and methods, nested ones too."""
        return (n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def files(*suffixes: str) -> list[Path]:
    """Return the project's files with one of these suffixes (all of them without one), sorted."""
    return [path for path in _all_files() if not suffixes or path.suffix in suffixes]


@cache
def _all_files() -> tuple[Path, ...]:
    # With git, new files count too, but nothing that is ignored.
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found = {ROOT / name for name in done.stdout.split("\0") if name}
            return tuple(sorted(path for path in found if path.is_file()))
    return tuple(path for path in sorted(ROOT.rglob("*")) if path.is_file() and _ours(path))


def _ours(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return not _NOT_OURS.intersection(parts) and not any(p.endswith(_CACHES) for p in parts)


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Return the parsed Python files below the given folders of the project (``src``, ``tests``, ``bench``)."""
    out = []
    for path in files(".py"):
        name = str(path.relative_to(ROOT))
        if name.split("/", maxsplit=1)[0] in folders:
            text = path.read_text("utf-8")
            out.append(Module(name, text, ast.parse(text, name)))
    return tuple(out)


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import below a node; ``from a import b`` yields ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
