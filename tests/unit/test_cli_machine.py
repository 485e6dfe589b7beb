"""`kexeckit machine`, and the sources that every command takes."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootlogs import x86_log
from kexeckit.cli.main import main
from kexeckit.errors import InputError
from kexeckit.machine.document import to_document
from kexeckit.machine.value import Machine
from kexeckit.render.machine import render_machine
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, MachineWords, SingleFile, open_sysroot
from machines import GOLDEN, IOMEM, captures, machines, read_text

WORDS = "x86_64 node:2 ram:64G crashkernel=512M kernel:6.12"
TOML = '[[nodes]]\nid = 0\nmemory = [[0, "1G"]]\n'


@contextmanager
def standard_input(data: bytes) -> Iterator[None]:
    """Let this process read these bytes from its standard input."""
    kept = os.dup(0)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        os.dup2(file.fileno(), 0)
        try:
            yield
        finally:
            os.dup2(kept, 0)
            os.close(kept)


def piped(data: bytes) -> Machine:
    """Return the machine that standard input holds."""
    with standard_input(data):
        return read_machine(open_sysroot("-"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (x86_log(), "log"),
        (IOMEM, "iomem"),
        (TOML, "described"),
        ("# mine\n firmware = [[0, 4096, 'ram']]\n", "described"),
        (json.dumps(to_document(read_text(IOMEM, "a"))), "iomem"),
    ],
    ids=["log", "iomem", "toml", "firmware", "document"],
)
def test_standard_input_is_known_by_what_is_in_it(text: str, kind: str) -> None:
    """Any single file, under the name of standard input, or, as a document has one, its own."""
    found = piped(text.encode())
    assert found.kind == kind
    assert found.source == ("a" if text.startswith("{") else "standard input")


def test_standard_input_may_be_packed() -> None:
    """A compressed log and a tar are read as from a file."""
    packed = subprocess.run(["gzip", "-c"], input=IOMEM.encode(), capture_output=True, check=True).stdout
    assert piped(packed).kind == "iomem"
    tar = subprocess.run(["tar", "cz", "-C", str(captures()[0]), "proc"], capture_output=True, check=True).stdout
    found = piped(tar)
    assert found.kind == "root"
    assert found.source.startswith("standard input:")
    assert found.arch == "x86_64"


def test_an_empty_standard_input_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """Not taken for a log."""
    with standard_input(b""):
        assert main(["machine", "--root", "-"]) == 65
    assert "standard input: the file is empty" in capfd.readouterr().err


def test_a_document_stands_in_for_its_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What --json printed is read with --root, and printed again it is the same."""
    root = str(captures()[0])
    assert main(["machine", "--root", root, "--json"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "m").write_text(text)
    assert read_machine(open_sysroot(str(tmp_path / "m"))) == read_machine(open_sysroot(root), handover=True)
    assert main(["machine", "--root", str(tmp_path / "m"), "--json"]) == 0
    assert capsys.readouterr().out == text


def test_a_document_of_another_kind_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan in JSON is no machine."""
    (tmp_path / "plan").write_text('{"schema": "kexeckit/plan/1"}')
    assert main(["machine", "--root", str(tmp_path / "plan")]) == 65
    assert "$.schema: 'kexeckit/plan/1' cannot be read here" in capsys.readouterr().err


def test_a_machine_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """--machine stands before or behind the command, and never beside --root."""
    assert main(["--machine", WORDS, "machine"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("machine: --machine (described)\n")
    assert "  release: 6.12  (--machine, stated)" in said
    assert "\nassumed:\n  64 GiB of RAM at" in said
    assert main(["machine", f"--machine={WORDS}"]) == 0
    assert capsys.readouterr().out == said
    assert main(["machine", "--machine", WORDS, "--root", "/"]) == 2


def test_words_that_are_wrong_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty text, too, is no request for this machine."""
    assert main(["machine", "--machine", "x86_64 ram:64"]) == 2
    assert "cannot understand 'ram:64'" in capsys.readouterr().err
    assert main(["machine", "--machine", ""]) == 2


def test_words_are_no_file() -> None:
    """A file that holds such words is what it always was: no boot log."""
    assert read_machine(open_sysroot(MachineWords(WORDS))).kind == "described"
    with pytest.raises(InputError, match=r"^boot\.log: "):
        read_machine(FileRoot(SingleFile("boot.log", WORDS.encode())))


def test_options_count_more_than_the_source() -> None:
    """Also for a document and for words."""
    found = read_machine(open_sysroot(MachineWords(WORDS)), arch="aarch64", release="5.10")
    assert (found.arch, found.release) == ("arm64", "5.10")


def test_the_text_names_sources_and_what_is_not_shown() -> None:
    """Each fact with the place that shows it; files as in the root."""
    text = render_machine(read_machine(open_sysroot(str(GOLDEN / "captures" / "efi-1g-6.12")), handover=True))
    assert "  arch: x86_64  (/proc/sys/kernel/arch)\n" in text
    assert "  page_size: 4 KiB  (/dmesg, derived)\n" in text
    assert "  counted: 1018.2 MiB  (/dmesg:182)\n" in text
    assert "  not shown: config, wide_addresses, cma_word, auto_word\n" in text
    assert "  boot_params: 4096 bytes  (/sys/kernel/boot_params/data)\n" in text
    assert "  crash_notes: 1 entry  (/sys/devices/system/cpu)\n    name cpu0, range [0x3aa3d800, 0x3aa3d970)\n" in text
    assert "  firmware: 16 entries  (/sys/firmware/memmap)\n  ranges" in text
    assert "  crash_size: 256 MiB  (" in text


def test_the_text_of_a_log() -> None:
    """Handover is not read, a forged text cannot grow without bound, and lines say where."""
    text = render_machine(read_text(x86_log(cmdline="x" * 500)))
    assert "handover: not read" in text
    assert f"  cmdline: {'x' * 157}...  (boot.log" in text
    assert "  taken: 2 entries  (boot.log)\n    range [0xbecee000, 0xbecf2000), by node data, name NODE_DATA(0)" in text
    damaged = render_machine(read_text("Linux version 6.1 (x) #1 SMP\nBIOS-e820: [mem 0x0-0xz] usable\n"))
    assert "\ncannot be used:\n  boot.log" in damaged


def test_every_machine_has_a_text() -> None:
    """Whatever the source."""
    for machine in machines():
        assert render_machine(machine).startswith(f"machine: {machine.source} (")
