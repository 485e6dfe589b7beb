"""Load records: they never say more than is known."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from fakes import build_bzimage, make_facts, make_request
from kexeckit.plan.segment import digest
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import OnDamage, load_purgatory
from kexeckit.system.record import (
    LoadRecord,
    drop_record,
    read_record,
    resume_record,
    suspend_record,
    write_record,
)

REQUEST = make_request(panic=True, cmdline="a=\udcff \u00e4")
RECORD = LoadRecord.of(plan_x86_64(REQUEST, make_facts(), load_purgatory("x86_64")), REQUEST)


def names(folder: Path) -> list[str]:
    """Files in the folder of records."""
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Stray bytes of a command line included; the folder is made."""
    at = str(tmp_path / "run/kexeckit")
    write_record(at, RECORD)
    assert read_record(at, panic=True) == RECORD
    assert read_record(at, panic=False) is None
    assert names(Path(at)) == ["crash.json"]


def test_the_slots_are_two_files(tmp_path: Path) -> None:
    """One does not touch the other."""
    normal = replace(RECORD, panic=False, cmdline="normal")
    write_record(str(tmp_path), RECORD)
    write_record(str(tmp_path), normal)
    drop_record(str(tmp_path), panic=True)
    assert read_record(str(tmp_path), panic=True) is None
    assert read_record(str(tmp_path), panic=False) == normal


def test_a_record_says_what_the_image_was_made_from() -> None:
    """Absolute paths, digests of both parts of the kernel's file and of the initrd, and every option."""
    assert RECORD.kernel == str(Path("vmlinuz").resolve())
    assert RECORD.setup_sha256 == digest(build_bzimage()[:2560])
    assert RECORD.kernel_sha256 == digest(build_bzimage()[2560:])
    assert (RECORD.panic, RECORD.syscall, RECORD.old_ram, RECORD.on_damage) == (True, "load", "reserved", "halt")
    request = make_request(initrd=None, on_damage=OnDamage.RESET, serial_port=0x2F8, spin=True)
    found = LoadRecord.of(plan_x86_64(request, make_facts(), load_purgatory("x86_64")), request)
    assert (found.on_damage, found.serial_port, found.spin, found.efi_map) == ("reset", 0x2F8, True, False)
    assert (found.initrd, found.initrd_sha256) == (None, None)


def test_setting_a_record_aside_and_back(tmp_path: Path) -> None:
    """In between it is not known what is loaded."""
    folder = str(tmp_path)
    write_record(folder, RECORD)
    suspend_record(folder, panic=True)
    assert read_record(folder, panic=True) is None
    resume_record(folder, panic=True)
    assert read_record(folder, panic=True) == RECORD


def test_a_new_record_ends_the_one_that_is_aside(tmp_path: Path) -> None:
    """It does not come back later."""
    folder = str(tmp_path)
    write_record(folder, RECORD)
    suspend_record(folder, panic=True)
    fresh = replace(RECORD, cmdline="new")
    write_record(folder, fresh)
    resume_record(folder, panic=True)
    assert read_record(folder, panic=True) == fresh


def test_what_an_interrupted_load_left_aside_is_not_believed_again(tmp_path: Path) -> None:
    """The process ended in the call: the next load starts without a record, and a refusal brings none back."""
    folder = str(tmp_path)
    write_record(folder, RECORD)
    suspend_record(folder, panic=True)
    suspend_record(folder, panic=True)
    resume_record(folder, panic=True)
    assert read_record(folder, panic=True) is None
    assert names(tmp_path) == []


def test_dropping_takes_the_one_aside_too(tmp_path: Path) -> None:
    """And dropping nothing is no error."""
    write_record(str(tmp_path), RECORD)
    suspend_record(str(tmp_path), panic=True)
    drop_record(str(tmp_path), panic=True)
    drop_record(str(tmp_path), panic=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["pathlib.Path.mkdir", "pathlib.Path.write_text", "os.replace"])
def test_a_record_that_cannot_be_written_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The old one is not true any more; the load itself has worked."""
    write_record(str(tmp_path), RECORD)

    def refuse(*_args: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, refuse)
    write_record(str(tmp_path), replace(RECORD, cmdline="new"))
    monkeypatch.undo()
    assert read_record(str(tmp_path), panic=True) is None


def test_a_folder_that_is_none_costs_the_record_only(tmp_path: Path) -> None:
    """Every step without an error."""
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file")
    suspend_record(folder, panic=True)
    resume_record(folder, panic=True)
    write_record(folder, RECORD)
    drop_record(folder, panic=True)
    assert read_record(folder, panic=True) is None


BAD: list[tuple[str, object]] = [
    ("kernel", 5),
    ("kernel", None),
    ("initrd", 7),
    ("cmdline", ["x"]),
    ("panic", "yes"),
    ("panic", False),
    ("spin", 1),
    ("serial_port", "ttyS0"),
    ("syscall", "magic"),
    ("old_ram", "eaten"),
    ("on_damage", "explode"),
    ("fingerprint", None),
    ("unknown", 1),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_record_that_makes_no_sense_is_none(tmp_path: Path, field: str, value: object) -> None:
    """Wrong types, wrong words, another slot, fields from elsewhere."""
    (tmp_path / "crash.json").write_text(json.dumps(asdict(RECORD) | {field: value}))
    assert read_record(str(tmp_path), panic=True) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"', "{}", "\x00", "[" * 100_000])
def test_text_that_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    """However it fails."""
    (tmp_path / "crash.json").write_text(text)
    assert read_record(str(tmp_path), panic=True) is None
