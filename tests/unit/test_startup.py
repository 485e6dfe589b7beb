"""What a command imports: nothing of others, and nothing that is not needed."""

import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from cli_bench import Commands
from fakes import FakeMachine

HEAVY = {
    "typing_extensions",
    "asyncio",
    "email",
    "http",
    "urllib",
    "xml",
    "sqlite3",
    "unittest",
    "logging",
    "tarfile",
    "tempfile",
    "pickle",
    "subprocess",
    "socket",
    "ssl",
    "concurrent",
    "multiprocessing",
    "decimal",
    "fractions",
    "random",
    "statistics",
    "ipaddress",
    "tomllib",
    "difflib",
    "pdb",
}
PROGRAM = """
import os, sys
before = set(sys.modules)
from kexeckit.cli.main import main
sys.stdout = open(os.devnull, "w")
code = main(sys.argv[1:])
sys.stdout = sys.__stdout__
print([code, sorted(sys.modules), sorted(set(sys.modules) - before)])
"""


def imported(*words: str) -> tuple[int, set[str], set[str]]:
    """Exit code, all modules, and those that the command added, in an interpreter without site packages."""
    source = Path(__file__).resolve().parents[2] / "src"
    run = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(source)!r})\n{PROGRAM}", *words]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    code, everything, added = literal_eval(done.stdout)
    return code, set(everything), set(added)


@pytest.fixture
def words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """A plan for a capture."""
    commands = Commands(tmp_path, capsys)
    FakeMachine().write(tmp_path / "root")
    return [commands.at("vmlinuz"), "--initrd", commands.at("initrd"), "--root", commands.at("root")]


@pytest.mark.parametrize("more", [(), ("--panic",), ("--json",)])
def test_a_plan_needs_the_standard_library_only(words: list[str], more: tuple[str, ...]) -> None:
    """It runs where no third-party package is, and every module that it loads is Python's or ours."""
    code, everything, _ = imported("plan", *words, *more)
    assert code == 0
    tops = {name.split(".")[0] for name in everything}
    assert {t for t in tops if t not in sys.stdlib_module_names and t not in ("kexeckit", "__main__")} == set()


@pytest.mark.parametrize("more", [(), ("--panic",)])
def test_a_plan_leaves_alone_what_it_does_not_need(words: list[str], more: tuple[str, ...]) -> None:
    """No heavy module of the library, no other command, no lab, no predictions of other loaders.

    A crash image says what page tables take out of its reservation, so it may count them, with
    all that says what the running kernel maps.
    """
    _, everything, _ = imported("plan", *words, *more)
    assert {n for n in everything if n.split(".")[0] in HEAVY} == set()
    ours = {n for n in everything if n.startswith("kexeckit.")}
    others = (
        "lab",
        "kernel.zones",
        "kernel.crashkernel",
        "kernel.page_tables",
        "formats.bootlog",
        "system.loader",
        "system.kexec",
        "cli.load",
        "cli.rehearse",
        "plan.file_plan",
    )
    counted = {"kernel.page_tables"} if "--panic" in more else set()
    unwanted = [f"kexeckit.{o}" for o in others if o not in counted]
    # The entry of a map, which a log prints too, needs no parser.
    ours -= {"kexeckit.formats.bootlog", "kexeckit.formats.bootlog.entries"}
    assert {n for n in ours for o in unwanted if n == o or n.startswith(f"{o}.")} == set()
    assert "json" not in everything


def test_status_needs_next_to_nothing(tmp_path: Path) -> None:
    """Not even the planner."""
    FakeMachine().write(tmp_path)
    code, _, added = imported("status", "--root", str(tmp_path))
    assert code == 0
    assert not {n for n in added if n in ("kexeckit.plan.x86_64", "ctypes", "mmap")}


def test_the_package_itself_imports_nothing() -> None:
    """Import kexeckit is free."""
    run = "import sys; n = len(sys.modules); import kexeckit; print(len(sys.modules) - n)"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
