"""The keywords of `kexeckit.plan` that few plans need: each means what the command's option means."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from documents import checked
from fakes import build_bzimage
from kexeckit import UnavailableError, UsageError, open_machine, plan
from kexeckit.cli.main import main
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from machines import GOLDEN

CAPTURE = str(GOLDEN / "captures" / "bios-1g-6.1")
MAP = (EfiDescriptor(7, 0x1000, 0, 0x9E, 8), EfiDescriptor(7, 1 << 20, 0, 0x100, 8))


@pytest.fixture
def image(tmp_path: Path) -> str:
    """A kernel's file."""
    (tmp_path / "vmlinuz").write_bytes(build_bzimage())
    return str(tmp_path / "vmlinuz")


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--old-ram", "omit"], {"old_ram": "omit"}),
        (["--old-ram", "reserved"], {"old_ram": "reserved"}),
        (["--on-damage", "reset"], {"on_damage": "reset"}),
        (["--serial", "ttyS2"], {"serial": "ttyS2"}),
        (["--serial", "0x2f8"], {"serial": 0x2F8}),
        (["--serial", "0"], {"serial": 0}),
        (["--efi-map", "MAP"], {"efi_map": "MAP"}),
        ([], {"old_ram": None, "on_damage": None, "serial": None, "efi_map": None}),
    ],
)
def test_options_of_a_plan_are_those_of_the_command(
    words: list[str],
    options: dict[str, Any],
    image: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same document, digests of what the purgatory is told included; each but the defaults changes it."""
    monkeypatch.setattr(os, "urandom", bytes)
    path = Path(image).with_name("map")
    path.write_bytes(format_efi_map(MAP, 48))
    words = [str(path) if w == "MAP" else w for w in words]
    options = {k: path if v == "MAP" else v for k, v in options.items()}
    machine = open_machine(CAPTURE)
    document = json.loads(plan(machine, image, cmdline="console=ttyS0", panic=True, **options).to_json())
    assert main(["plan", image, "--panic", "--append", "console=ttyS0", *words, "--root", CAPTURE, "--json"]) == 0
    assert document == checked(capsys.readouterr().out)
    usual = json.loads(plan(machine, image, cmdline="console=ttyS0", panic=True).to_json())
    assert (document == usual) is (set(options.values()) <= {None, "reserved"})


def test_options_of_a_plan_that_cannot_be(image: str) -> None:
    """Values that there are not, options that kexec_file_load does not use, a name that there is not."""
    machine = open_machine(CAPTURE)
    for options, said in (
        ({"old_ram": "keep"}, "old_ram 'keep': expected one of reserved, omit"),
        ({"on_damage": "HALT"}, "on_damage 'HALT': expected one of halt, reset"),
        ({"serial": "ttyS9"}, "serial port ttyS9: expected an I/O port"),
        ({"serial": 1 << 16}, "serial port 65536: expected an I/O port"),
        ({"syscall": "file", "serial": 0, "old_ram": "omit"}, "kexec_file_load does not use serial, old_ram"),
    ):
        with pytest.raises(UsageError, match=said):
            plan(machine, image, **options)
    wrong: dict[str, Any] = {"oldram": "omit"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'oldram'"):
        plan(machine, image, **wrong)
    with pytest.raises(UnavailableError, match="nowhere: no such file"):
        plan(machine, image, efi_map="nowhere")
