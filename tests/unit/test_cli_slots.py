"""`load`, `unload`, `exec` and `status` on a fake machine: what they do, print, and exit with."""

import errno
import io
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli_bench import Ended
from documents import checked
from kexeckit.cli.main import main
from load_bench import FILE, LOAD, Bench, make_bench


@dataclass
class Machine:
    """A bench that commands run on as if it were this machine."""

    bench: Bench
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Ended:
        """Run a command."""
        # What a command does not look at, it refuses.
        more = {"status": [], "load": ["--arch", "x86_64", "--kernel-version", "6.1.0"]}
        code = main([*words, *more.get(words[0], ["--arch", "x86_64"])])
        seen = self.capsys.readouterr()
        if "--json" in words and seen.out:
            checked(seen.out)
        return Ended(code, seen.out, seen.err)

    def load(self, which: str, *more: str) -> Ended:
        """Load the old or the new image."""
        boot = self.bench.folder / "boot"
        image = [f"{boot}/{which}.kernel", "--initrd", f"{boot}/{which}.initrd", "--append", f"image={which}"]
        return self.run("load", *image, *more)

    def put(self, name: str, text: str) -> None:
        """Write a file of the machine."""
        at = self.bench.folder / "root" / name.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Machine]:
    """Commands on a bench; the systemd of this machine is not seen."""
    bench = make_bench(tmp_path)
    monkeypatch.setattr("kexeckit.system.sysroot.open_sysroot", lambda _path: bench.loader.root)
    monkeypatch.setattr("kexeckit.cli.live.live_loader", lambda _root, _arch: bench.loader)
    monkeypatch.setattr("kexeckit.system.record.RECORDS", bench.loader.records)
    monkeypatch.setattr("pathlib.Path.is_dir", lambda self: str(self) != "/run/systemd/system" and os.path.isdir(self))  # noqa: PTH112
    monkeypatch.setattr("sys.stdin", io.StringIO())
    yield Machine(bench, capsys)
    monkeypatch.undo()


@pytest.mark.parametrize("panic", [(), ("--panic",)])
@pytest.mark.parametrize("syscall", [("--syscall", "load"), ("--syscall", "file"), ()])
def test_load_shows_the_plan_and_loads(machine: Machine, panic: tuple[str, ...], syscall: tuple[str, ...]) -> None:
    """By the call that was asked for; kexec_load where nothing was."""
    ended = machine.load("new", *panic, *syscall)
    assert (ended.code, ended.err) == (0, "")
    call = FILE if "file" in syscall else LOAD
    assert machine.bench.held(panic=bool(panic)) == machine.bench.image("new", call)
    assert ended.out.index("segment ") < ended.out.index(" loaded by kexec_")
    assert f"loaded by kexec_{'file_' if call is FILE else ''}load" in ended.out


def test_dry_run_and_quiet(machine: Machine) -> None:
    """The plan without a call; a call without the plan."""
    assert machine.load("new", "--dry-run").code == 0
    assert machine.bench.kernel.calls == []
    ended = machine.load("new", "--quiet")
    assert ended.out == "\nnext kernel loaded by kexec_load; `kexeckit exec` enters it\n"


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_json_is_one_document(machine: Machine, more: tuple[str, ...]) -> None:
    """And nothing else on standard output."""
    ended = machine.load("new", "--panic", "--json", *more)
    assert json.loads(ended.out)["schema"] == "kexeckit/plan/1"


def test_auto_falls_back_and_says_why(machine: Machine) -> None:
    """kexec_load is not there: the other call is taken, and the one document is about it."""
    machine.bench.kernel.refuse = [errno.ENOSYS]
    ended = machine.load("new", "--json")
    assert ended.code == 0
    assert machine.bench.kernel.calls == ["load", "file_load"]
    assert json.loads(ended.out)["syscall"] == "file"
    [line] = ended.err.splitlines()
    assert line.startswith("kexeckit: kexec_file_load is tried, because kexec_load: ")
    assert "built without CONFIG_KEXEC" in line


def test_what_the_fall_back_does_not_use_is_said(machine: Machine) -> None:
    """Nobody asked for kexec_file_load, so its options are no reason to refuse."""
    machine.bench.kernel.refuse = [errno.ENOSYS]
    ended = machine.load("new", "--quiet", "--spin", "--on-damage", "reset")
    assert ended.code == 0
    assert "kexeckit: kexec_file_load does not use --on-damage, --spin\n" in ended.err
    machine.put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    assert "does not use --serial\n" in machine.load("new", "--quiet", "--serial", "0x3f8").err


def test_auto_looks_at_lockdown_first(machine: Machine) -> None:
    """No call that is known to be refused is made."""
    machine.put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    ended = machine.load("new", "--quiet")
    assert machine.bench.kernel.calls == ["file_load"]
    assert "the kernel is locked down (integrity) and refuses kexec_load" in ended.err


@pytest.mark.parametrize(
    ("syscall", "codes", "exit_code"),
    [
        ("auto", [errno.ENOMEM], 1),
        ("load", [errno.EPERM], 77),
        ("load", [errno.ENOSYS], 69),
        ("file", [errno.ENOSYS], 69),
        ("auto", [errno.EPERM, errno.EPERM], 77),
        ("auto", [errno.ENOSYS, errno.ENOSYS], 69),
    ],
)
def test_a_refusal_is_cause_and_remedy(machine: Machine, syscall: str, codes: list[int], exit_code: int) -> None:
    """The last refusal decides the code; the old image stays."""
    machine.load("old")
    machine.bench.kernel.refuse = codes
    ended = machine.load("new", "--syscall", syscall, "--quiet")
    assert ended.code == exit_code
    lines = ended.err.splitlines()
    assert lines[-2].startswith("kexeckit: kexec_")
    assert lines[-1].startswith("  hint: ")
    assert machine.bench.held(panic=False) == machine.bench.image("old")


def test_a_crash_image_that_is_lost_is_said_loudly(machine: Machine) -> None:
    """On the last line that a person reads."""
    machine.load("old", "--panic")
    (machine.bench.folder / "boot/old.initrd").write_bytes(b"070701 other")
    machine.bench.kernel.fail = [errno.ENOMEM]
    ended = machine.load("new", "--panic", "--quiet")
    assert ended.code == 1
    assert "old.initrd: the file has changed since it was loaded" in ended.err
    assert ended.err.splitlines()[-1] == "  hint: NO CAPTURE KERNEL IS LOADED NOW: load one before anything else"


def test_an_interrupt_in_the_call_says_where_to_look(machine: Machine) -> None:
    """130; the image is in, and the message does not claim otherwise."""
    machine.bench.kernel.during = lambda: signal.raise_signal(signal.SIGINT)
    ended = machine.load("new", "--quiet")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "kexeckit: interrupted; `kexeckit status` says what is loaded\n"
    assert "new.kernel (image=new)" in machine.run("status").out


def test_if_changed_loads_only_what_has_changed(machine: Machine) -> None:
    """The same again: nothing. Another line, option or file: a load."""
    machine.load("old", "--panic")
    calls = machine.bench.kernel.calls
    ended = machine.load("old", "--panic", "--if-changed")
    assert (ended.code, ended.out, len(calls)) == (0, "", 1)
    assert "nothing has changed" in ended.err
    for more in (
        ("--append", "other"),
        ("--append", "other", "--on-damage", "reset"),
        ("--append", "other", "--serial", "ttyS1"),
    ):
        before = len(calls)
        machine.load("old", "--panic", "--if-changed", *more)
        assert len(calls) == before + 1, more
    kernel = machine.bench.folder / "boot/old.kernel"
    data = bytearray(kernel.read_bytes())
    data[0x1F8] ^= 1
    kernel.write_bytes(data)
    before = len(calls)
    machine.load("old", "--panic", "--if-changed", "--append", "other", "--serial", "ttyS1")
    assert len(calls) == before + 1


def test_if_changed_does_not_believe_an_empty_slot_or_a_missing_record(machine: Machine) -> None:
    """Somebody unloaded it, or the record is gone: load."""
    machine.load("old")
    machine.bench.kernel.unload(panic=False)
    assert "nothing has changed" not in machine.load("old", "--if-changed").err
    (machine.bench.folder / "records/normal.json").unlink()
    assert "nothing has changed" not in machine.load("old", "--if-changed").err


def test_unload(machine: Machine) -> None:
    """Only what is there, and only if meant."""
    assert machine.run("unload").out == "no next kernel is loaded\n"
    machine.load("old", "--panic")
    assert machine.run("unload").out == "no next kernel is loaded\n"
    assert machine.run("unload", "--panic", "--dry-run").out == "would drop the capture kernel\n"
    assert machine.bench.held() is not None
    assert machine.run("unload", "--panic").out == "capture kernel dropped\n"
    assert machine.bench.held() is None
    assert machine.bench.record() is None


def test_a_refused_unload(machine: Machine) -> None:
    """Cause, remedy, code; the image and its record stay."""
    machine.load("old", "--panic")
    machine.bench.kernel.refuse = [errno.EPERM]
    ended = machine.run("unload", "--panic")
    assert (ended.code, ended.out) == (77, "")
    assert machine.bench.record() == "image=old"


def test_status_tells_both_slots(machine: Machine) -> None:
    """With the records of what is loaded, the reservation, and --require."""
    assert machine.run("status").out.splitlines() == [
        "reserved for a capture kernel: 256 MiB",
        "next kernel: not loaded",
        "capture kernel: not loaded",
    ]
    assert machine.run("status", "--require", "crash").code == 1
    machine.load("old", "--panic")
    assert machine.run("status", "--require", "crash").code == 0
    assert machine.run("status", "--require", "normal").code == 1
    assert machine.run("status").out.splitlines()[2].endswith("boot/old.kernel (image=old)")


def test_status_as_a_document(machine: Machine) -> None:
    """Its keys; no record is null, and a record of an empty slot is not shown."""
    machine.load("old", "--syscall", "file")
    found = json.loads(machine.run("status", "--json").out)
    assert list(found) == ["schema", "normal", "crash", "crash_size", "images"]
    assert (found["schema"], found["normal"], found["crash"]) == ("kexeckit/status/1", True, False)
    assert found["images"]["crash"] is None
    assert list(found["images"]["normal"]) == ["kernel", "initrd", "cmdline", "syscall"]
    assert found["images"]["normal"]["syscall"] == "file"
    machine.bench.kernel.unload(panic=False)
    assert json.loads(machine.run("status", "--json").out)["images"]["normal"] is None


def test_a_record_from_elsewhere_cannot_act_on_the_terminal(machine: Machine) -> None:
    """Control characters in it are shown, not sent."""
    machine.load("old", "--append", "x\x1b[2J\ny")
    for words in (("status",), ("exec", "--dry-run")):
        out = machine.run(*words).out
        assert "\x1b" not in out
        assert r"x\x1b[2J\x0ay" in out


def test_exec_needs_a_next_kernel(machine: Machine) -> None:
    """Unavailable: exit 69; a capture kernel is none."""
    machine.load("old", "--panic")
    ended = machine.run("exec", "--now")
    assert (ended.code, ended.message) == (69, "kexeckit: no next kernel is loaded")
    assert ended.hint == "  hint: `kexeckit load KERNEL` loads one"


def test_exec_says_what_and_how_and_goes(machine: Machine) -> None:
    """--dry-run stops before it; without systemd it is at once."""
    machine.load("old")
    ended = machine.run("exec", "--dry-run")
    assert "old.kernel, command line: image=old" in ended.out
    assert "at once, without stopping anything" in ended.out
    assert machine.bench.kernel.calls == ["load"]
    assert machine.run("exec", "--yes").code == 0
    assert machine.bench.kernel.calls[-1] == "execute"


@pytest.mark.parametrize(
    ("answer", "goes"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_exec_asks_on_a_terminal(machine: Machine, monkeypatch: pytest.MonkeyPatch, answer: str, goes: bool) -> None:
    """No is the default, and the end of the input is a no."""
    machine.load("old")

    def typed(_prompt: str) -> str:
        if not answer:
            raise EOFError
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", typed)
    ended = machine.run("exec")
    assert (ended.code == 0) is goes
    assert (machine.bench.kernel.calls[-1] == "execute") is goes


def test_exec_with_systemd_shuts_down_in_order(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemctl kexec takes over; where that program is missing, the remedy is --now."""
    machine.load("old")
    monkeypatch.setattr("pathlib.Path.is_dir", lambda _self: True)
    ran: list[list[str]] = []

    def execvp(_file: str, words: list[str]) -> None:
        ran.append(words)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("os.execvp", execvp)
    ended = machine.run("exec")
    assert ran == [["systemctl", "kexec"]]
    assert ended.code == 69
    assert "use --now" in ended.err
    assert "after an orderly shutdown" in ended.out


def test_a_kernel_without_kexec(machine: Machine) -> None:
    """Exit 69 from every one of these commands."""
    for name in ("kexec_loaded", "kexec_crash_loaded"):
        (machine.bench.folder / "root/sys/kernel" / name).unlink()
    for words in (("status",), ("unload",), ("exec",)):
        assert machine.run(*words).code == 69
    assert machine.load("new", "--quiet").code == 69
    assert machine.bench.kernel.calls == []


def test_unload_and_exec_as_documents(machine: Machine) -> None:
    """What would be dropped or entered, what was, and that nothing is loaded any more."""
    machine.load("old")
    entered = json.loads(machine.run("exec", "--dry-run", "--json").out)
    assert (entered["cmdline"], entered["orderly"], entered["entered"]) == ("image=old", False, False)
    assert machine.run("exec", "--json", "--yes").out == ""
    steps = []
    for more in (("--dry-run",), (), ()):
        found = json.loads(machine.run("unload", "--json", *more).out)
        steps.append((found["slot"], found["loaded"], found["dropped"]))
    assert steps == [("normal", True, False), ("normal", True, True), ("normal", False, False)]
