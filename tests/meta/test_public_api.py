"""Every module of the package is reached by a test, and starting the command imports little."""

import re
import subprocess
import sys

import pytest

from source_tree import ROOT, SRC, imports, modules

SOURCES = {m.name: m for m in modules("src")}
# All that a plan for this machine imports.
PLAN_PATH = (
    "kexeckit.cli.main",
    "kexeckit.cli.image_arguments",
    "kexeckit.system.machine",
    "kexeckit.plan.from_machine",
    "kexeckit.plan.make",
    "kexeckit.system.files",
    "kexeckit.purgatory",
    "kexeckit.plan.x86_64",
    "kexeckit.plan.verify",
    "kexeckit.render.plan",
)
HEAVY = {"pathlib", "tarfile", "tempfile", "json", "subprocess", "logging", "numpy", "pkgutil", "urllib"}


def test_every_module_is_reached_by_a_test() -> None:
    """Imported by a test, by what a test imports, or run by the Makefile: all else is dead or untested."""
    # A command is run by its name: main(["page-tables", ...]).
    texts = "\n".join(m.text for m in modules("tests"))
    commands = {n for n in SOURCES if n.startswith("kexeckit.cli.") and f'"{n[13:].replace("_", "-")}"' in texts}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands |= {f"kexeckit.cli.{verb}" for verb in re.findall(r"\bkexeckit ([a-z]+)", makefile)} & set(SOURCES)
    commands |= {found for name in re.findall(r"-m (kexeckit\.[\w.]+)", makefile) if (found := _module(name))}
    reached: set[str] = set()
    left = commands | {found for m in modules("tests") for _, name in imports(m.tree) if (found := _module(name))}
    while left:
        reached |= left
        left = {found for name in left for _, n in imports(SOURCES[name].tree) if (found := _module(n))} - reached
    missing = {n for n in SOURCES if not SOURCES[n].path.endswith("__init__.py")} - reached
    assert missing <= {"kexeckit.__main__"}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_start_imports_no_command(option: str) -> None:
    """Start-up is short because nothing is imported before the verb is known."""
    said = _said(f"from kexeckit.cli.main import main; main([{option!r}])")
    base = {"kexeckit.cli", "kexeckit.cli.main", "kexeckit.cli.output", "kexeckit.errors", "kexeckit.frozen"}
    assert {m for m in said if m.startswith("kexeckit.")} <= base


def test_a_plan_imports_no_heavy_module() -> None:
    """What cost a fifth of a plan's start-up time stays out of it."""
    said = _said(f"import {', '.join(PLAN_PATH)}; kexeckit.purgatory.load_purgatory('x86_64')")
    assert "kexeckit.plan.hole" in said
    assert not HEAVY & said


def _module(name: str) -> str | None:
    # `kexeckit.memory.range.MemRange` -> kexeckit.memory.range
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return name or None


def _said(program: str) -> set[str]:
    # The modules that a program loads. Without `site`: what an environment's start-up files import is not our doing.
    command = [sys.executable, "-S", "-c", f"{program}\nimport sys\nprint()\nprint(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SRC)
    return set(done.stdout.splitlines()[-1].split())
