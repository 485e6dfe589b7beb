"""Imports go one way, pure packages stay pure, and only the command line talks to the user.

cli, api -> lab, fleet, dump, render -> system -> plan -> kernel -> machine -> formats -> memory -> errors -> frozen
                                             plan -> purgatory -> errors -> frozen
"""

import ast
import sys
from collections.abc import Iterator

import pytest

from source_tree import Module, imports, modules

# A package may import one of a lower rank, or itself.
RANK = {
    "__main__": 10,
    "cli": 9,
    "api": 9,
    "lab": 8,
    "fleet": 8,
    "dump": 8,
    "render": 8,
    "system": 7,
    "plan": 6,
    "purgatory": 2,
    "kernel": 5,
    "formats": 3,
    "machine": 4,
    "memory": 2,
    "errors": 1,
    "frozen": 0,
    "": 0,
}
PURE = ("memory", "formats", "machine", "kernel", "plan", "render")
# Files, processes, clock, chance, machine: none of it in a pure package.
EFFECTS = """
asyncio ctypes datetime fcntl fileinput getpass glob io locale logging mmap multiprocessing os
pathlib platform pwd random resource secrets select selectors shutil signal socket ssl subprocess
sys tarfile tempfile threading time urllib uuid zipfile
"""
STANDARD_LIBRARY_ONLY = (
    "",
    "api",
    "memory",
    "formats",
    "machine",
    "kernel",
    "plan",
    "purgatory",
    "system",
    "render",
    "cli",
    "errors",
    "frozen",
)
# Where a module may be a developer's tool, run as `python -m`: those with a main block speak for themselves.
WITH_TOOLS = ("lab", "purgatory", "__main__")
SOURCES = modules("src")


def test_every_package_has_a_rank() -> None:
    """A new package is put into the order before anything else."""
    assert {m.package for m in SOURCES} <= set(RANK)


def test_imports_go_one_way() -> None:
    """No package imports one that stands above or beside it, not even inside a function."""
    wrong = []
    for module in SOURCES:
        for line, name in _that_run(module):
            target = _package_of(name)
            if target not in (None, module.package) and RANK[str(target)] >= RANK[module.package]:
                wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong


def test_core_imports_only_the_standard_library() -> None:
    """No third-party package is needed to plan and to load; NumPy may be imported inside a function."""
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in SOURCES
        if module.package in STANDARD_LIBRARY_ONLY
        for line, name in _at_module_level(module)
        if name.split(".")[0] not in (*sys.stdlib_module_names, "kexeckit")
    ]
    assert not wrong


def test_pure_packages_have_no_effects() -> None:
    """memory, formats, kernel, plan and render never touch files, processes, the clock or chance."""
    wrong = []
    for module in SOURCES:
        if module.package in PURE:
            found = [(line, name) for line, name in imports(module.tree) if name.split(".")[0] in EFFECTS.split()]
            found += list(_calls(module.tree, ("open", "input", "exec", "eval")))
            wrong += [f"{module.path}:{line} uses {name}" for line, name in found]
    assert not wrong


def test_only_the_command_line_prints_or_exits() -> None:
    """Everything below raises or returns; a developer's tool (`python -m`) speaks for itself."""
    wrong = []
    for module in SOURCES:
        tool = module.package in WITH_TOOLS and "\nif __name__ ==" in module.text
        if module.package != "cli" and not tool:
            found = list(_calls(module.tree, ("print", "exit", "quit")))
            found += list(_attributes(module.tree, "sys", ("exit", "stdout", "stderr")))
            wrong += [f"{module.path}:{line} uses {name}" for line, name in found]
    assert not wrong


def test_the_verifier_shares_no_code_with_the_placer() -> None:
    """A mistake in how a plan is made cannot hide in how it is checked."""
    verify = next(m for m in SOURCES if m.name == "kexeckit.plan.verify")
    makers = ("hole", "x86_64", "contents", "handover", "next_cmdline", "core_header", "file_plan", "initrd")
    wrong = [name for _, name in imports(verify.tree) if name.startswith(tuple(f"kexeckit.plan.{m}" for m in makers))]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "found"),
    [("import os", 0), ("def f():\n    import numpy", 0), ("import numpy", 1), ("from numpy import array", 1)],
)
def test_module_level_is_told_from_function_level(text: str, found: int) -> None:
    """The search that the rules above stand on can fail."""
    module = Module("src/kexeckit/x.py", text, ast.parse(text))
    third_party = [n for _, n in _at_module_level(module) if n.split(".")[0] not in sys.stdlib_module_names]
    assert len(third_party) == found


def _package_of(name: str) -> str | None:
    # `kexeckit.memory.range` -> memory; a name of another project -> None.
    parts = name.split(".")
    if parts[0] != "kexeckit":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in RANK else ""


def _that_run(module: Module) -> list[tuple[int, str]]:
    # The package itself names for type checkers what it loads when it is asked for.
    if module.name != "kexeckit":
        return list(imports(module.tree))
    silent = [found for block in ast.walk(module.tree) if _for_checkers(block) for found in imports(block)]
    return [found for found in imports(module.tree) if found not in silent]


def _at_module_level(module: Module) -> Iterator[tuple[int, str]]:
    inside = {id(n) for f in module.functions() for n in ast.walk(f)}
    inside |= {id(n) for block in ast.walk(module.tree) if _for_checkers(block) for n in ast.walk(block)}
    outer = [n for n in ast.walk(module.tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in inside]
    return (found for node in outer for found in imports(node))


def _for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _calls(tree: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node.lineno, node.func.id


def _attributes(tree: ast.AST, module: str, names: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == module and attribute in names:
                yield node.lineno, f"{module}.{attribute}"
