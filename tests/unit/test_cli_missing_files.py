"""Every option and argument that names a file, with a file that is not there, a folder and one that may not be read."""

import importlib
from pathlib import Path

import pytest

from cli_bench import Commands, Ended
from kexeckit.cli.main import COMMANDS
from kexeckit.cli.parser import parser_of

FILES = ("F", "FILE", "KERNEL", "DIR", "DIR|TAR|FILE|-")
# What a command needs besides, so that it comes to the file; FILE stands for the file itself.
CASES = {
    "plan kernel": "plan FILE",
    "plan initrd": "plan VMLINUZ --root ROOT --initrd FILE",
    "plan efi_map": "plan VMLINUZ --root ROOT --efi-map FILE",
    "plan root": "plan VMLINUZ --root FILE",
    "load kernel": "load FILE --dry-run --root ROOT",
    "load initrd": "load VMLINUZ --dry-run --root ROOT --initrd FILE",
    "load efi_map": "load VMLINUZ --dry-run --root ROOT --efi-map FILE",
    "load root": "load VMLINUZ --dry-run --root FILE",
    "unload root": "unload --root FILE",
    "exec root": "exec --root FILE",
    "status root": "status --root FILE",
    "crashkernel root": "crashkernel --root FILE",
    "crashkernel estimate": "crashkernel --estimate FILE",
    "crashkernel initrd": "crashkernel --estimate VMLINUZ --initrd FILE",
    "zones root": "zones --root FILE",
    "zones efi_map": "zones --root ROOT --efi-map FILE",
    "page-tables root": "page-tables --root FILE",
    "rehearse kernel": "rehearse --kernel FILE",
    "plan behaviour": "plan VMLINUZ --root ROOT --behaviour FILE",
    "crashkernel behaviour": "crashkernel --root ROOT --behaviour FILE",
    "zones behaviour": "zones --root ROOT --behaviour FILE",
    "page-tables behaviour": "page-tables --root ROOT --behaviour FILE",
    "machine root": "machine --root FILE",
    "capture root": "capture NEW --root FILE",
    "capture folder": "capture FILE/below/new --root ROOT",
}
# A folder is a good root, and what is saved goes into one.
NO_FOLDER = [name for name in CASES if not name.endswith((" root", " folder"))]


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


def run(commands: Commands, case: str, file: str) -> Ended:
    """Run a case with this file."""
    named = {"VMLINUZ": "vmlinuz", "ROOT": "root", "NEW": "new", "FILE": file}
    words = []
    for word in CASES[case].split():
        head, slash, rest = word.partition("/")
        words.append(commands.at(named[head]) + slash + rest if head in named else word)
    return commands.run(*words)


def test_every_option_that_names_a_file_has_a_case() -> None:
    """A new option comes with its case here."""
    found = set()
    for verb in COMMANDS:
        parser = parser_of(verb, importlib.import_module(f"kexeckit.cli.{verb.replace('-', '_')}"))
        unused = getattr(importlib.import_module(f"kexeckit.cli.{verb.replace('-', '_')}"), "UNUSED", ())
        found |= {f"{verb} {a.dest}" for a in parser._actions if a.metavar in FILES and a.dest not in unused}
    assert found == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_missing_file_is_exit_69_everywhere(commands: Commands, case: str) -> None:
    """One code and one wording, with the file's name."""
    ended = run(commands, case, "none")
    assert ended.code == 69
    assert f"{commands.at('none')}" in ended.message
    assert "no such file or directory" in ended.message


@pytest.mark.parametrize("case", NO_FOLDER)
def test_a_folder_is_no_file(commands: Commands, case: str) -> None:
    """Unusable input everywhere: exit 65."""
    ended = run(commands, case, "root")
    assert ended.code == 65
    assert commands.at("root") in ended.message


@pytest.mark.parametrize("case", CASES)
def test_a_loop_of_links_is_an_io_error_everywhere(commands: Commands, case: str) -> None:
    """Neither missing nor unusable: exit 74."""
    (commands.folder / "loop").symlink_to("loop")
    assert run(commands, case, "loop").code == 74
