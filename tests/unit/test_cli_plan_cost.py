"""`plan --page-tables`, `plan --after` and `load --if-changed` from the command line."""

import json
from pathlib import Path

import pytest

from fakes import INITRD, FakeMachine, build_bzimage
from kexeckit.cli import load as load_command
from kexeckit.cli.image_arguments import Planned, make_plan
from kexeckit.cli.main import main
from kexeckit.kernel.assumed import GBPAGES, LEVELS
from kexeckit.kernel.behaviour.behaviours import ASSUMED as VERSION
from kexeckit.plan.load_plan import Syscall
from kexeckit.system import record as record_module
from kexeckit.system.record import LoadRecord, write_record


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The words that name a machine, a kernel and an initrd."""
    root = FakeMachine(files={"/sys/kernel/kexec_crash_loaded": b"1\n"}).write(tmp_path / "root")
    (tmp_path / "vmlinuz").write_bytes(build_bzimage())
    (tmp_path / "initrd").write_bytes(INITRD)
    return ["--root", str(root), str(tmp_path / "vmlinuz"), "--initrd", str(tmp_path / "initrd"), "--panic"]


def test_plan_shows_cost_and_hotplug(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Behind the plan, only where asked for."""
    events = ["--after", "add 5G-6G", "--after", "remove 4G-4352M"]
    assert main(["plan", *words, "--page-tables", *events]) == 0
    text = capsys.readouterr().out
    assert "what it takes out of the crash reservation" in text
    assert text.count("to be loaded again") == 2
    assert main(["plan", *words]) == 0
    assert "crash reservation:" not in capsys.readouterr().out


def test_plan_document_has_cost_and_hotplug(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Two more fields, only where asked for."""
    assert main(["plan", "--json", *words, "--page-tables", "--after", "add 5G-6G"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cost"]["control_pages"]["code"] % 4096 == 0
    assert [e["verdict"] for e in document["after"]] == ["reload"]
    assert main(["plan", "--json", *words]) == 0
    assert not {"cost", "after"} & set(json.loads(capsys.readouterr().out))


def test_wrong_event_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["plan", *words, "--after", "plug 5G"]) == 2
    assert "expected 'add START-END'" in capsys.readouterr().err


def planned(words: list[str]) -> Planned:
    """What `load` makes of the words."""
    from argparse import ArgumentParser

    parser = ArgumentParser()
    load_command.add_arguments(parser)
    for name in ("--root", "--arch", "--kernel-version"):
        parser.add_argument(name)
    return make_plan(parser.parse_args(words), Syscall.LOAD)


def test_load_if_changed_compares_with_the_record(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record: it would load. The same image: it stays. Another command line: it would load."""
    monkeypatch.setattr(record_module, "RECORDS", str(tmp_path / "run"))
    try_load = ["load", *words, "--if-changed", "--dry-run", "--quiet"]
    assert main(try_load) == 0
    assert "nothing has changed" not in capsys.readouterr().err
    found = planned(words)
    write_record(str(tmp_path / "run"), LoadRecord.of(found.plan, found.request))
    assert main(try_load) == 0
    assert "nothing has changed" in capsys.readouterr().err
    assert main([*try_load, "--append", "b"]) == 0
    assert "nothing has changed" not in capsys.readouterr().err


def test_emptied_slot_is_loaded_whatever_the_record_says(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel's word counts more than the file."""
    monkeypatch.setattr(record_module, "RECORDS", str(tmp_path / "run"))
    found = planned(words)
    write_record(str(tmp_path / "run"), LoadRecord.of(found.plan, found.request))
    (tmp_path / "root/sys/kernel/kexec_crash_loaded").write_text("0\n")
    assert main(["load", *words, "--if-changed", "--dry-run", "--quiet"]) == 0
    assert "nothing has changed" not in capsys.readouterr().err


def test_what_is_assumed_for_an_answer_is_listed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once each, where it was needed: the version for events and tables, the levels for tables alone."""
    for name in ("proc/sys/kernel/osrelease", "proc/version"):
        (tmp_path / "root" / name).unlink(missing_ok=True)
    assert main(["plan", "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["assumed"] == []
    assert main(["plan", "--json", *words, "--after", "add 5G-6G", "--page-tables"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["assumed"] == [VERSION]
    assert document["cost"]["page_tables"]["assumed"] == [LEVELS, GBPAGES]
    assert main(["plan", *words]) == 0
    assert f"  assumed: {VERSION}\n  assumed: {LEVELS}" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("amd64", 0), ("x86_64", 0), ("aarch64", 1), ("riscv", 1), ("vax", 2)])
def test_architectures_by_any_usual_name(words: list[str], name: str, code: int) -> None:
    """Only x86_64 images are planned."""
    assert main(["plan", *words, "--arch", name]) == code
