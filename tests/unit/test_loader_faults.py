"""An exception at every single line of a load: the state afterwards is the old one or the complete new one.

The lines of the loader, the records and the files are counted once and then made to fail one after another. After
each fault the slot, the record and the signal mask are looked at.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fakes import FakeImage
from kexeckit.cli import load as command
from kexeckit.cli.main import main
from kexeckit.errors import KexeckitError
from kexeckit.plan.load_plan import Syscall
from kexeckit.system import files, loader, record
from load_bench import FILE, LOAD, Bench, make_bench

TRACED = {str(module.__file__) for module in (loader, record, files)}
LOUD = "NO CAPTURE KERNEL IS LOADED NOW"


class Injector:
    """Counts the lines of some files as they run, and raises at one of them.

    Args:
        names: Files whose lines count.
        at: Number of the line that fails; 0 for none.
        fault: What it raises.
    """

    def __init__(self, names: set[str], at: int, fault: BaseException) -> None:
        self.names, self.at, self.fault, self.count = names, at, fault, 0

    def run(self, act: Callable[[], None]) -> BaseException | None:
        """Run something and return what came out of it."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            return error
        finally:
            sys.settrace(before)
        return None

    def _called(self, frame: FrameType, _event: str, _arg: object) -> Any:
        return self._line if frame.f_code.co_filename in self.names else None

    def _line(self, _frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            self.count += 1
            if self.count == self.at:
                raise self.fault
        return self._line


@pytest.fixture
def template(tmp_path: Path) -> Bench:
    """A bench with an old image in both slots, and what is needed to get back there."""
    bench = make_bench(tmp_path)
    bench.load("old", panic=True)
    bench.load("old", panic=False)
    shutil.copytree(bench.folder / "records", bench.folder / "kept")
    IMAGES[bench.folder] = (bench.kernel.crash, bench.kernel.normal)
    return bench


IMAGES: dict[Path, tuple[FakeImage | None, FakeImage | None]] = {}


def fresh(bench: Bench, *fail: int) -> None:
    """Put the old state back by force; the kernel will fail with these numbers."""
    crash, normal = IMAGES[bench.folder]
    bench.kernel._put(crash, panic=True)
    bench.kernel._put(normal, panic=False)
    bench.kernel.fail, bench.kernel.calls = list(fail), []
    shutil.rmtree(bench.folder / "records")
    shutil.copytree(bench.folder / "kept", bench.folder / "records")


def check(bench: Bench, out: BaseException | None, *, panic: bool, failing: bool, where: str) -> None:
    """Old or new, never half; the record is true or absent; signals are back."""
    held, said = bench.held(panic=panic), bench.record(panic=panic)
    names = {str(bench.image(w, c)): w for w in ("old", "new") for c in (LOAD, FILE)}
    assert held is None or str(held) in names, where
    if held is None:
        # The kernel had dropped it and the fault hit the way back itself: an error comes out, and no record lies.
        assert failing, where
        assert len(bench.kernel.calls) >= 1, where
        assert out is not None, where
        assert said is None, where
    else:
        assert said in (None, f"image={names[str(held)]}"), where
    if out is None:
        assert held in (bench.image("new", LOAD), bench.image("new", FILE)), where
    assert bench.record(panic=not panic) == "image=old", where
    assert bench.held(panic=not panic) == bench.image("old"), where
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), where


FAULTS: list[Callable[[], BaseException]] = [
    KeyboardInterrupt,
    MemoryError,
    lambda: OSError(errno.ENOMEM, "injected"),
    lambda: KexeckitError("injected"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["interrupt", "memory", "oserror", "ours"])
@pytest.mark.parametrize("call", [LOAD, FILE])
@pytest.mark.parametrize(("panic", "fail"), [(False, 0), (False, errno.ENOMEM), (True, 0), (True, errno.ENOMEM)])
def test_a_fault_at_every_line(
    template: Bench, fault: Callable[[], BaseException], call: Syscall, panic: bool, fail: int
) -> None:
    """Of the loader, the records and the files, with a kernel that takes the image and with one that refuses late."""
    plan, request = template.wanted("new", call, panic=panic)
    total = 1
    at, empty = 0, 0
    while at <= total:
        fresh(template, *([fail] if fail else []))
        injector = Injector(TRACED, at, fault())
        out = injector.run(lambda: template.loader.load(plan, request))
        total = injector.count if at == 0 else total
        check(template, out, panic=panic, failing=bool(fail and panic), where=f"line {at} of {total}")
        # What the loader copes with (no way back, no record) is no error where the kernel takes the image.
        assert out is not None or (not fail and (at == 0 or isinstance(injector.fault, OSError | KexeckitError)))
        empty += template.held(panic=panic) is None and LOUD not in getattr(out, "remedy", "")
        at += 1
    assert total > 30
    # Two faults at once: the kernel has dropped the image, and the few lines that put it back are hit as well. Where
    # the fault came earlier, or in the putting back itself, the alarm is raised.
    assert empty <= (12 if fail and panic else 0)


def test_the_injection_reaches_both_sides_of_the_call(template: Bench) -> None:
    """Else the test above would prove nothing: some faults leave the old image, some the new one."""
    plan, request = template.wanted("new")
    seen = set()
    for at in range(1, 400, 3):
        fresh(template)
        Injector(TRACED, at, MemoryError()).run(lambda: template.loader.load(plan, request))
        held = template.held()
        seen.add((held == template.image("old"), template.record()))
    assert {(True, "image=old"), (True, None), (False, None), (False, "image=new")} <= seen


@pytest.mark.parametrize("code", [errno.ENOMEM, errno.EPERM, errno.EBUSY, errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize(
    "effect",
    [
        "os.open",
        "os.fstat",
        "os.replace",
        "pathlib.Path.rename",
        "pathlib.Path.unlink",
        "pathlib.Path.mkdir",
        "pathlib.Path.write_text",
    ],
)
def test_every_effect_refused_in_turn(template: Bench, monkeypatch: pytest.MonkeyPatch, effect: str, code: int) -> None:
    """A system that refuses one kind of file operation for good: no false record, no lost image."""

    def refuse(*_args: Any, **_more: Any) -> Any:
        raise OSError(code, os.strerror(code))

    for call in (LOAD, FILE):
        plan, request = template.wanted("new", call)
        fresh(template)
        monkeypatch.setattr(effect, refuse)
        out = Injector(set(), 0, MemoryError()).run(lambda: template.loader.load(plan, request))  # noqa: B023
        monkeypatch.undo()
        held, said = template.held(), template.record()
        assert held in (template.image("old"), template.image("new", call))
        assert (held == template.image("new", call)) == (out is None)
        # A folder in which nothing can be renamed or removed keeps its old file: that alone cannot be helped.
        stuck = effect in ("pathlib.Path.rename", "pathlib.Path.unlink")
        assert said in (None, "image=new" if out is None else "image=old") or stuck


def _command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    # `load` in this process, on the bench instead of this machine.
    monkeypatch.setattr("kexeckit.system.sysroot.open_sysroot", lambda _path: bench.loader.root)
    monkeypatch.setattr("kexeckit.cli.live.live_loader", lambda _root, _arch: bench.loader)
    monkeypatch.setattr("kexeckit.system.record.RECORDS", bench.loader.records)
    boot = bench.folder / "boot"
    words = ["load", f"{boot}/new.kernel", "--initrd", f"{boot}/new.initrd", "--append", "image=new", "--panic"]
    return lambda: main([*words, "--arch", "x86_64", "--kernel-version", "6.1.0"])


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_a_fault_at_every_line_of_the_command(
    template: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: type[BaseException],
) -> None:
    """Of cli/load.py: the exit code says that something went wrong, unless the load was complete."""
    act = _command(template, monkeypatch)
    total, at = 1, 0
    while at <= total:
        fresh(template)
        codes: list[int] = []
        injector = Injector({str(command.__file__)}, at, fault())
        out = injector.run(lambda: codes.append(act()))  # noqa: B023
        total = injector.count if at == 0 else total
        assert out is None, f"line {at}: {out!r}"
        held = template.held()
        assert held in (template.image("old"), template.image("new"))
        assert template.record() == ("image=new" if held == template.image("new") else "image=old")
        assert codes[0] in ((0,) if at == 0 else (0, 70, 130))
        assert codes[0] != 0 or held == template.image("new")
        at += 1
    capsys.readouterr()
    assert total > 15


PROGRAM = """
import sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from fakes import FakeImage
from load_bench import make_bench
from kexeckit.errors import KexeckitError
bench = make_bench(Path({folder!r}))
bench.load("old")
plan, request = bench.wanted("new")
def sleep():
    print("in the call", flush=True)
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        time.sleep(0.05)
    if {fail}:
        bench.kernel.during = lambda: None
        raise OSError(12, "late")
bench.kernel.during = sleep
try:
    bench.loader.load(plan, request)
    print("loaded", flush=True)
except BaseException as error:
    print(type(error).__name__, flush=True)
    raise
finally:
    print(bench.held().cmdline, bench.record(), flush=True)
"""


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_real_signal_in_the_call(tmp_path: Path, number: signal.Signals, fail: bool) -> None:
    """Sent while the kernel works: it takes effect after the outcome is on record, and not a moment before."""
    program = PROGRAM.format(path=[p for p in sys.path if p], folder=str(tmp_path), fail=fail)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in the call\n"
        child.send_signal(number)
        child.send_signal(number)
        rest = child.stdout.read().decode()
        code = child.wait()
    which = "old" if fail else "new"
    found = record.read_record(str(tmp_path / "records"), panic=True)
    assert found is not None
    assert found.cmdline == f"image={which}"
    assert (tmp_path / "root/sys/kernel/kexec_crash_loaded").read_text() == "1\n"
    if number == signal.SIGINT:
        assert rest == f"KeyboardInterrupt\nimage={which} image={which}\n"
    else:
        assert (rest, code) == ("", -number)


def test_a_kill_in_the_call_leaves_no_record(tmp_path: Path) -> None:
    """SIGKILL cannot be held back: what is loaded is not known afterwards, and nothing claims to know."""
    program = PROGRAM.format(path=[p for p in sys.path if p], folder=str(tmp_path), fail=False)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"in the call\n"
        child.kill()
        child.wait()
    assert record.read_record(str(tmp_path / "records"), panic=True) is None
