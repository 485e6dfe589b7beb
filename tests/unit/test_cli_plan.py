"""`kexeckit plan`: its document key by key, its text, and --reuse-cmdline."""

import json
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from cli_bench import Commands
from fakes import INITRD, MEMMAP, FakeMachine, build_bzimage
from kexeckit.plan.segment import digest


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


def document(commands: Commands, *more: str) -> dict[str, Any]:
    """The JSON document of a plan."""
    ended = commands.plan("--json", *more)
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert isinstance(found, dict)
    return found


SEGMENT = {
    "name": str, "start": int, "bufsz": int, "memsz": int, "align": int, "min": int, "max": (int, NoneType),
    "top_down": bool, "sha256": (str, type(None)), "reason": str,
}  # fmt: skip
SCHEMA = {
    "schema": str, "syscall": str, "panic": bool, "certainty": (str, NoneType),
    "entry": int, "cmdline": str, "segments": list, "e820": list,
    "elfcorehdr": (dict, type(None)), "assumed": list, "warnings": list,
}  # fmt: skip


def check(thing: dict[str, Any], schema: dict[str, Any]) -> None:
    """Exactly these keys, in this order, each of its type; a bool is no int."""
    assert list(thing) == list(schema)
    for key, kind in schema.items():
        assert isinstance(thing[key], kind), key
        assert kind is not int or not isinstance(thing[key], bool), key


@pytest.mark.parametrize("syscall", ["load", "file"])
@pytest.mark.parametrize("panic", [False, True])
def test_the_document_has_exactly_its_keys(commands: Commands, syscall: str, panic: bool) -> None:
    """The contract that other programs rely on."""
    found = document(commands, "--syscall", syscall, *(("--panic",) if panic else ()))
    check(found, SCHEMA)
    assert (found["schema"], found["syscall"], found["panic"]) == ("kexeckit/plan/1", syscall, panic)
    assert found["certainty"] == ("certain" if syscall == "file" else None)
    for segment in found["segments"]:
        check(segment, SEGMENT)
    for entry in found["e820"]:
        check(entry, {"start": int, "end": int, "type": str})
    assert all(isinstance(w, str) for w in found["warnings"])
    assert (found["elfcorehdr"] is not None) is panic
    if panic:
        check(found["elfcorehdr"], {"notes": list, "loads": list})
        for load in found["elfcorehdr"]["loads"]:
            check(load, {"start": int, "end": int, "vaddr": int})
        for note in found["elfcorehdr"]["notes"]:
            check(note, {"name": str, "start": int, "size": int})


def test_ends_are_exclusive_and_digests_are_the_files(commands: Commands) -> None:
    """The map is firmware's; the initrd's digest is that of its file."""
    found = document(commands)
    assert [(e["start"], e["end"]) for e in found["e820"]] == [(first, last + 1) for first, last, _ in MEMMAP]
    digests = {s["name"]: s["sha256"] for s in found["segments"]}
    assert digests["initrd"] == digest(INITRD)
    assert digests["kernel"] == digest(build_bzimage()[2560:])
    assert found["segments"][0]["max"] is None


def test_the_text_has_a_line_for_everything(commands: Commands) -> None:
    """Segments with their reasons, the next kernel's map, old memory, the command line; warnings apart."""
    ended = commands.plan("--panic", "--append", "quiet splash")
    assert "more out of the crash reservation, " in ended.out
    found = document(commands, "--panic", "--append", "quiet splash")
    assert ended.code == 0
    for segment in found["segments"]:
        assert f"{segment['start']:#010x}" in ended.out
        assert f"{segment['name']}: {segment['reason']}" in ended.out
    for entry in found["e820"]:
        assert f"{entry['start']:#010x}" in ended.out
    assert f"entry {found['entry']:#010x}" in ended.out
    assert found["cmdline"] in ended.out
    assert "4 PT_LOADs" in ended.out


def test_warnings_go_to_standard_error(commands: Commands) -> None:
    """And into the document."""
    FakeMachine(kcore=None).write(commands.folder / "other")
    (commands.folder / "other/proc/kcore").unlink(missing_ok=True)
    ended = commands.plan("--panic", root="other")
    assert ended.code == 0
    [line] = ended.err.splitlines()
    assert line.startswith("kexeckit: warning: ")
    assert "virtual addresses of old memory are not determined" in line
    assert "not determined" in ended.out


REUSED = [
    ("root=/dev/sda1 crashkernel=256M quiet", "root=/dev/sda1 quiet"),
    ("root=/dev/sda1\tcrashkernel=256M\tquiet", "root=/dev/sda1\tquiet"),
    ('root=/dev/sda1 "crashkernel=256M" quiet', "root=/dev/sda1 quiet"),
    ('crashkernel="1G-4G:64M,4G-:128M" quiet', "quiet"),
    ("foo.crashkernel=1 crashkernel=256M", "foo.crashkernel=1"),
    ("crashkernel_foo=1 crashkernel=256M", "crashkernel_foo=1"),
    ('name="with crashkernel=1 inside" crashkernel=1M', 'name="with crashkernel=1 inside"'),
    ("crashkernel=1G,high crashkernel=72M,low a -- crashkernel=1 b", "a -- b"),
    ("BOOT_IMAGE=/vmlinuz a", "a"),
]


@pytest.mark.parametrize(("running", "reused"), REUSED)
@pytest.mark.parametrize("syscall", ["load", "file"])
def test_reuse_cmdline_for_a_capture_kernel(commands: Commands, running: str, reused: str, syscall: str) -> None:
    """crashkernel= goes, whatever the quoting and white space; its neighbours and namesakes stay."""
    FakeMachine(cmdline=running).write(commands.folder / "other")
    ended = commands.plan("--panic", "--reuse-cmdline", "--json", "--syscall", syscall, root="other")
    assert json.loads(ended.out)["cmdline"] == f"elfcorehdr=0xa0000000 {reused}"


def test_reuse_cmdline_for_a_next_kernel_keeps_its_reservation(commands: Commands) -> None:
    """It needs one as much; --append comes behind."""
    FakeMachine(cmdline="BOOT_IMAGE=/x a crashkernel=256M").write(commands.folder / "other")
    ended = commands.plan("--reuse-cmdline", "--append", "b c", "--json", root="other")
    assert json.loads(ended.out)["cmdline"] == "a crashkernel=256M b c"


def test_without_reuse_the_line_is_the_users_alone(commands: Commands) -> None:
    """Also an empty one."""
    assert document(commands, "--append", " x  y ")["cmdline"] == "x  y"
    assert document(commands)["cmdline"] == ""


@pytest.mark.parametrize(("choice", "types"), [("reserved", {"ram", "reserved"}), ("omit", {"ram", "reserved"})])
def test_old_ram_is_described_or_left_out(commands: Commands, choice: str, types: set[str]) -> None:
    """Reserved where it is described."""
    found = document(commands, "--panic", "--old-ram", choice)
    assert {e["type"] for e in found["e820"]} == types
    assert any(e["start"] == 1 << 32 for e in found["e820"]) == (choice == "reserved")


def test_two_plans_differ_in_their_seed_only(commands: Commands) -> None:
    """Chance enters as an input: everything but setup_data and the purgatory's digests is the same."""
    a, b = document(commands, "--panic"), document(commands, "--panic")
    changed = {x["name"] for x, y in zip(a["segments"], b["segments"], strict=True) if x != y}
    assert changed == {"setup_data", "purgatory"}
    assert {k: v for k, v in a.items() if k != "segments"} == {k: v for k, v in b.items() if k != "segments"}


def test_the_same_from_a_tar(commands: Commands) -> None:
    """A capture may be an archive."""
    import tarfile

    with tarfile.open(commands.at("capture.tar.xz"), "w:xz") as tar:
        tar.add(commands.at("root"), "sosreport-x")
    a = json.loads(commands.plan("--panic", "--json", root="capture.tar.xz").out)
    assert a["e820"] == document(commands, "--panic")["e820"]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"junk" * 100, 65, "are no EFI memory map"),
        (bytes(480), 65, "at least one descriptor"),
        (None, 69, "no such file"),
    ],
)
def test_an_efi_map_that_is_none(commands: Commands, data: bytes | None, code: int, words: str) -> None:
    """Damaged, without a descriptor, absent: one line each."""
    if data is not None:
        commands.put("map", data)
    ended = commands.plan("--efi-map", commands.at("map"))
    assert (ended.code, words in ended.message) == (code, True)


@pytest.mark.parametrize("event", ["", "add", "add 5", "grow 0-5", "add 5-1", "add 0-0x1ffffffffffffffffff", "add a-b"])
def test_an_event_that_is_none(commands: Commands, event: str) -> None:
    """Usage: exit 2 in one line."""
    assert commands.plan("--panic", "--after", event).code == 2
    assert commands.plan("--panic", "--after", event).message


def test_cost_and_events_are_shown_where_asked_for(commands: Commands) -> None:
    """In text and in the document, and nowhere else."""
    more = ("--panic", "--page-tables", "--after", "add 0x150000000-0x160000000")
    text, plain = commands.plan(*more), commands.plan("--panic")
    assert (text.code, text.err) == (0, "")
    assert len(text.out) > len(plain.out)
    assert set(document(commands, *more)) - set(document(commands, "--panic")) == {"cost", "after"}
