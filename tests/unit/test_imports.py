"""What `crashkernel`, `zones` and the help load, by name and by number: a command's time is mostly that."""

import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

CAPTURE = Path(__file__).resolve().parents[1] / "golden" / "captures" / "efi-1g-6.12"
SOURCE = Path(__file__).resolve().parents[2] / "src"
PROGRAM = """
import dataclasses, io, sys
made = []
make = dataclasses._process_class
dataclasses._process_class = lambda cls, *args: (made.append(cls.__name__), make(cls, *args))[1]
from kexeckit.cli.main import main
out, sys.stdout = sys.stdout, io.StringIO()
try:
    main(sys.argv[1:])
except SystemExit:
    pass
out.write(repr([sorted(sys.modules), made]))
"""
# What neither command asks for. Each is a module, or a package with all that is in it.
OTHERS = (
    "kexeckit.lab",
    "kexeckit.plan",
    "kexeckit.purgatory",
    "kexeckit.kernel.load",
    "kexeckit.kernel.page_tables",
    "kexeckit.kernel.sizing",
    "kexeckit.kernel.behaviour.loading",
    "kexeckit.formats.machine_toml",
    "kexeckit.formats.machine_words",
    "kexeckit.machine.shape",
    "kexeckit.system.capture",
    "kexeckit.system.kexec",
    # Typed words are checked where there are some, and rarer files parsed where a machine has them.
    "kexeckit.formats.word_check",
    "kexeckit.formats.memblock_debugfs",
)
RESERVATION = ("kexeckit.kernel.reservation", "kexeckit.kernel.behaviour.reservation", "kexeckit.render.crashkernel")
# Both ask kexeckit.kernel.behaviour.zones what of the firmware's table is RAM.
ZONES = ("kexeckit.kernel.zones", "kexeckit.render.zones")
HEAVY = (
    *("ctypes", "difflib", "email", "json", "logging", "mmap", "pathlib", "shutil", "socket", "subprocess", "tarfile"),
    *("tempfile", "textwrap", "tomllib", "urllib", "zlib", "importlib.metadata"),
)


def loaded(*words: str) -> tuple[set[str], list[str]]:
    """Modules and dataclasses of a command, in an interpreter without site packages."""
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{PROGRAM}"
    run = [sys.executable, "-I", "-S", "-c", program, *words]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    modules, made = literal_eval(done.stdout)
    return set(modules), made


def within(modules: set[str], names: tuple[str, ...]) -> set[str]:
    """Those modules that are one of these, or in one of them."""
    return {m for m in modules for n in names if m == n or m.startswith(f"{n}.")}


@pytest.mark.parametrize(
    ("verb", "others", "most_modules", "most_records"),
    [("crashkernel", ZONES, 130, 100), ("zones", RESERVATION, 106, 86)],
)
def test_a_prediction_loads_what_it_asks_for(
    verb: str, others: tuple[str, ...], most_modules: int, most_records: int
) -> None:
    """Nothing of the other prediction, of plans, or of sources that this is none of; no more modules than today.

    A module or a dataclass more is no mistake by itself: raise the number where the command needs it.
    """
    modules, made = loaded(verb, "--root", str(CAPTURE))
    ours = within(modules, ("kexeckit",))
    assert within(modules, RESERVATION if verb == "crashkernel" else ZONES)
    assert within(modules, (*OTHERS, *others)) == set()
    assert within(modules, HEAVY) == set()
    assert len(ours) <= most_modules
    assert len(made) <= most_records


@pytest.mark.parametrize("words", [("--version",), ("--help",), (), ("crashkernel", "--help"), ("zones", "--help")])
def test_the_help_loads_nothing_that_answers(words: tuple[str, ...]) -> None:
    """Only the command line itself, and the errors."""
    modules, _ = loaded(*words)
    layers = ("kernel", "machine", "formats", "memory", "plan", "system", "render", "lab", "purgatory")
    assert within(modules, tuple(f"kexeckit.{layer}" for layer in layers)) == set()
    assert ("argparse" in modules) == (len(words) == 2)


def test_typed_words_are_checked_all_the_same() -> None:
    """What is imported late is imported where it is needed."""
    for verb, word in (("crashkernel", "crashkernel=256M"), ("zones", "kernelcore=40%")):
        modules, _ = loaded(verb, word, "--root", str(CAPTURE))
        assert "kexeckit.formats.word_check" in modules
