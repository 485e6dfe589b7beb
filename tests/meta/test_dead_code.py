"""No code is there for tests alone: every public name of a module or class is reached from a command, tool or script.

What is reached is found by names: from the commands, the tools with a main block, and what modules do when they are
imported, over every body that is reached. What scripts may use are the names in the table of docs/python.md. Two things
of the same name are taken for one, so this finds less than there is, but nothing that is used.
"""

import ast
import re
from collections.abc import Iterable, Iterator

from source_tree import ROOT, Module, modules

# Written for a reader that comes later, or called by somebody else's code; each with its reason.
ALLOWED = {
    "kexeckit.kernel.load.file_load_arm64.predict_file_load_arm64": "`plan --arch arm64 --syscall file` will call it",
    "kexeckit.kernel.load.file_load_arm64.free_memblock_of": "the same",
    "kexeckit.memory.resource.ResourceTree.flatten": "the flat form of a machine's map, for `map`",
}
# Campaigns, and what drives a guest: the tests of the lab run them.
DRIVERS = "kexeckit.lab."


def test_nothing_public_is_there_for_tests_alone() -> None:
    """Private names are the linter's; an entry of the list that is used again has to leave it."""
    sources = modules("src")
    assert [name for name in unreached(sources, tuple(ALLOWED)) if not name.startswith(DRIVERS)] == []
    assert set(ALLOWED) - set(unreached(sources)) == set()


def test_dead_code_is_found() -> None:
    """Functions that only call each other, methods that nobody names, and what only they use."""
    text = (
        "def main():\n    Used().go()\n"
        "class Used:\n    def go(self): ...\n    def idle(self): return left()\n"
        "def left(): return right()\ndef right(): return left()\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    found = unreached([Module("src/kexeckit/lab/x.py", text, ast.parse(text))])
    assert [name.rpartition("x.")[2] for name in found] == ["Used.idle", "left", "right"]


def unreached(sources: Iterable[Module], also: tuple[str, ...] = ()) -> list[str]:
    """Return the dotted names of public definitions that nothing reached uses, in the order of the files.

    Args:
        sources: All modules.
        also: Dotted names that count as reached.
    """
    sources = tuple(sources)
    bodies = {f"{m.name}.{name}": node for m in sources for name, node in _definitions(m.tree)}
    seen = {word for m in sources for word in _words(_at_import(m))}
    seen |= {"entry", "add_arguments", "run"} | _for_scripts()
    alive: set[str] = set()
    seen |= {name.rpartition(".")[2] for name in also}
    while fresh := {n for n in bodies.keys() - alive if n.rpartition(".")[2] in seen or _is_called(n)}:
        alive |= fresh
        seen |= {word for name in fresh for word in _words(_own(bodies[name]))}
    public = (n for n in bodies if not any(part.startswith("_") for part in n.split(".")))
    return [n for n in public if n not in alive]


def _for_scripts() -> set[str]:
    rows = re.findall(r"^\| `.*$", (ROOT / "docs" / "python.md").read_text("utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)", row)}


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        yield from ((name, node) for name in _targets(node))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef))
            yield from ((f"{node.name}.{n.name}", n) for n in inner)


def _targets(node: ast.stmt) -> Iterator[str]:
    # Names of constants; what is kept by `__all__` is not used by it.
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _at_import(module: Module) -> list[ast.AST]:
    # What runs when it is imported, but for the list of names that it shows.
    named = (ast.FunctionDef, ast.ClassDef, ast.ImportFrom)
    return [n for n in module.tree.body if not isinstance(n, named) and not list(_targets(n))]


def _own(node: ast.AST) -> list[ast.AST]:
    # A class without its methods, which are reached one by one; any other thing whole.
    if not isinstance(node, ast.ClassDef):
        return [node]
    return [*node.bases, *node.decorator_list, *(n for n in node.body if not isinstance(n, ast.FunctionDef))]


def _words(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.asname)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def _is_called(name: str) -> bool:
    # Operators and dataclass hooks are called by the language.
    last = name.rpartition(".")[2]
    return last.startswith("__") and last.endswith("__")
