"""The system calls as they reach the C library: numbers, flags, buffers and signals."""

import ctypes
import errno
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import make_facts, make_request
from kexeckit.errors import UnavailableError
from kexeckit.plan.load_plan import LoadPlan
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory
from kexeckit.system import kexec as module
from kexeckit.system.files import map_file
from kexeckit.system.kexec import FileImage, LinuxKernel, signals_held

U64 = (1 << 64) - 1


class FakeLibc:
    """A C library whose calls are written down and refused by a list of error numbers."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.calls: list[tuple[int, ...]] = []
        self.blocked: set[int] = set()
        self.segments: list[tuple[bytes, int, int]] = []
        self.cmdline = b""

    def syscall(self, *args: Any) -> int:
        """Write the call down; copy what its pointers lead to."""
        numbers = tuple(a.value & U64 for a in args)
        self.calls.append(numbers)
        self.blocked = {int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
        if numbers[0] in (246, 104) and numbers[2]:
            table = (module._Segment * numbers[2]).from_address(numbers[3])
            self.segments = [(ctypes.string_at(s.buf, s.bufsz), s.mem, s.memsz) for s in table]
        if numbers[0] == 320 and numbers[4]:
            self.cmdline = ctypes.string_at(numbers[4], numbers[3])
        return self._answer()

    def reboot(self, command: int) -> int:
        """Note a call of reboot."""
        self.calls.append((command,))
        return self._answer()

    def _answer(self) -> int:
        code = self.codes.pop(0) if self.codes else 0
        ctypes.set_errno(code)
        return -1 if code else 0


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLibc]:
    """The fake in the place of the C library."""
    fake = FakeLibc()
    monkeypatch.setattr("ctypes.CDLL", lambda *_a, **_k: fake)
    monkeypatch.setattr("os.sync", lambda: None)
    yield fake
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def planned(panic: bool = True, **fields: Any) -> LoadPlan:
    """A plan to be loaded."""
    return plan_x86_64(make_request(panic=panic, **fields), make_facts(), load_purgatory("x86_64"))


@pytest.mark.parametrize(("panic", "flags"), [(True, 62 << 16 | 1), (False, 62 << 16)])
def test_kexec_load_gets_every_segment_as_planned(libc: FakeLibc, panic: bool, flags: int) -> None:
    """Entry, count, table and flags; each buffer's bytes, place and size in memory."""
    plan = planned(panic)
    LinuxKernel("x86_64").load(plan)
    [(number, entry, count, _, given)] = libc.calls
    assert (number, entry, count, given) == (246, plan.entry, len(plan.segments), flags)
    assert libc.segments == [(bytes(s.content or b""), s.range.start, s.memsz) for s in plan.segments]


def test_mapped_files_are_given_by_address_and_not_copied(libc: FakeLibc, tmp_path: Path) -> None:
    """A view of a mapping works as a buffer."""
    (tmp_path / "initrd").write_bytes(b"070701 mapped" * 999)
    content = map_file(str(tmp_path / "initrd"))
    request = replace(make_request(), initrd=content)
    LinuxKernel("x86_64").load(plan_x86_64(request, make_facts(), load_purgatory("x86_64")))
    assert b"070701 mapped" * 999 in [data for data, _, _ in libc.segments]


def test_signals_wait_while_a_call_runs(libc: FakeLibc) -> None:
    """All that can be held back; the old mask is back afterwards, also after a refusal."""
    LinuxKernel("x86_64").load(planned())
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM} <= libc.blocked
    libc.codes = [errno.ENOMEM]
    with pytest.raises(OSError, match="Cannot allocate"):
        LinuxKernel("x86_64").load(planned())


def test_kexec_file_load_gets_descriptors_and_a_terminated_line(libc: FakeLibc) -> None:
    """Bytes of the command line as they are, with their NUL counted."""
    LinuxKernel("x86_64").file_load(FileImage(5, 6, "a=\u00e4 \udcff", panic=True))
    assert libc.calls[0][:4] == (320, 5, 6, 7)
    assert libc.calls[0][5] == 2
    assert libc.cmdline == b"a=\xc3\xa4 \xff\0"
    LinuxKernel("x86_64").file_load(FileImage(5, None, "", panic=False, flags=16))
    assert (libc.calls[1][2], libc.calls[1][3], libc.calls[1][5]) == (U64, 1, 16 | 4)


@pytest.mark.parametrize(("panic", "flags"), [(False, 1), (True, 3)])
def test_unload_needs_one_call(libc: FakeLibc, panic: bool, flags: int) -> None:
    """kexec_file_load's works under lockdown too."""
    LinuxKernel("x86_64").unload(panic=panic)
    assert libc.calls == [(320, U64, U64, 0, 0, flags)]


def test_unload_without_kexec_file_load_uses_the_other_call(libc: FakeLibc) -> None:
    """Only where that call is absent: each one made uses up a limited one."""
    libc.codes = [errno.ENOSYS]
    LinuxKernel("x86_64").unload(panic=True)
    assert libc.calls[1] == (246, 0, 0, 0, 62 << 16 | 1)
    libc.calls.clear()
    libc.codes = [errno.EPERM]
    with pytest.raises(PermissionError):
        LinuxKernel("x86_64").unload(panic=False)
    assert len(libc.calls) == 1


def test_execute_jumps_by_reboot(libc: FakeLibc) -> None:
    """By glibc's call, with the number for kexec; a refusal carries its errno."""
    LinuxKernel("x86_64").execute()
    assert libc.calls == [(0x45584543,)]
    libc.codes = [errno.EINVAL]
    with pytest.raises(OSError, match="Invalid argument") as caught:
        LinuxKernel("x86_64").execute()
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("machine", "load", "file", "elf"),
    [("arm64", 104, 294, 183), ("riscv64", 104, 294, 243), ("ppc64", 268, 382, 21), ("s390x", 277, 381, 22)],
)
def test_other_machines_have_their_own_numbers(libc: FakeLibc, machine: str, load: int, file: int, elf: int) -> None:
    """From their unistd headers and ELF machine numbers."""
    libc.codes = [errno.ENOSYS]
    LinuxKernel(machine).unload(panic=False)
    assert [(c[0], c[-1]) for c in libc.calls] == [(file, 1), (load, elf << 16)]


def test_an_unknown_machine_is_said(libc: FakeLibc) -> None:
    """No number is guessed, no call made."""
    with pytest.raises(UnavailableError, match="of vax are not known"):
        LinuxKernel("vax").load(planned())
    assert libc.calls == []


def test_a_signal_inside_is_delivered_afterwards() -> None:
    """Once, when the mask is back; the work inside is complete."""
    done = []

    def interrupted() -> None:
        with signals_held():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [1]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_holding_twice_is_holding_once() -> None:
    """The inner end does not let signals through."""
    with signals_held():
        with signals_held():
            pass
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_an_error_inside_gives_the_mask_back() -> None:
    """Whatever it is."""
    with pytest.raises(MemoryError), signals_held():
        raise MemoryError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_an_interrupt_raised_by_blocking_itself_does_not_leave_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """pthread_sigmask() runs the handlers of what came just before it: the mask must not stay closed then."""
    real = signal.pthread_sigmask

    def interrupted(how: int, mask: Any) -> Any:
        before = real(how, mask)
        if how == signal.SIG_BLOCK and mask:
            raise KeyboardInterrupt
        return before

    monkeypatch.setattr("signal.pthread_sigmask", interrupted)
    with pytest.raises(KeyboardInterrupt), signals_held():
        raise AssertionError("not reached")
    assert real(signal.SIG_BLOCK, ()) == set()
