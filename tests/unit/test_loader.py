"""Load, unload and jump on a kernel with a kernel's order of work: the new image is in, or the old state stands."""

import errno
import fcntl
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from kexeckit.errors import KexeckitError, SystemCallError, UsageError
from kexeckit.plan.load_plan import Syscall
from kexeckit.system.loader import choose_syscall, may_fall_back
from kexeckit.system.record import read_record, write_record
from kexeckit.system.sysroot import open_sysroot
from load_bench import FILE, LOAD, Bench, make_bench

LOUD = "NO CAPTURE KERNEL IS LOADED NOW"
BOTH = pytest.mark.parametrize("panic", [False, True])
CALLS = pytest.mark.parametrize("call", [LOAD, FILE])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty bench."""
    return make_bench(tmp_path)


@BOTH
@CALLS
def test_a_load_puts_the_new_image_in_and_on_record(bench: Bench, panic: bool, call: Syscall) -> None:
    """Over nothing, and over an old one, by either call; the other slot stays empty."""
    for which in ("old", "new"):
        bench.load(which, call, panic=panic)
        assert bench.held(panic=panic) == bench.image(which, call)
        assert bench.record(panic=panic) == f"image={which}"
    assert bench.held(panic=not panic) is None
    assert bench.record(panic=not panic) is None


@BOTH
@CALLS
@pytest.mark.parametrize("code", [errno.EPERM, errno.EBUSY, errno.EINVAL, errno.ENOSYS])
def test_an_early_refusal_changes_nothing(bench: Bench, panic: bool, call: Syscall, code: int) -> None:
    """The old image and its record stand; the error names the call and the number."""
    bench.load("old", panic=panic)
    bench.kernel.refuse = [code]
    with pytest.raises(SystemCallError, match=f"kexec_{'file_' if call is FILE else ''}load: ") as caught:
        bench.load("new", call, panic=panic)
    assert caught.value.errno == code
    assert bench.held(panic=panic) == bench.image("old")
    assert bench.record(panic=panic) == "image=old"


def test_a_late_refusal_of_a_normal_image_changes_nothing(bench: Bench) -> None:
    """The kernel exchanges the images at the very end."""
    bench.load("old", panic=False)
    bench.kernel.fail = [errno.ENOMEM]
    with pytest.raises(SystemCallError, match="no memory left"):
        bench.load("new", panic=False)
    assert bench.held(panic=False) == bench.image("old")
    assert bench.record(panic=False) == "image=old"


@pytest.mark.parametrize("old", [LOAD, FILE])
@pytest.mark.parametrize("new", [LOAD, FILE])
def test_a_late_refusal_of_a_crash_image_puts_the_old_one_back(bench: Bench, old: Syscall, new: Syscall) -> None:
    """The kernel had freed it; it comes back by the call that had brought it, and the user learns of both."""
    bench.load("old", old)
    bench.kernel.fail = [errno.ENOMEM]
    with pytest.raises(SystemCallError, match="it was put back") as caught:
        bench.load("new", new)
    assert caught.value.errno == errno.ENOMEM
    assert LOUD not in caught.value.remedy
    assert bench.held() == bench.image("old", old)
    assert bench.record() == "image=old"
    assert bench.loader.root.read_text("/sys/kernel/kexec_crash_loaded") == "1\n"


def test_nothing_to_lose_is_nothing_to_put_back(bench: Bench) -> None:
    """A failed load over an empty slot leaves it empty, without an alarm."""
    bench.kernel.fail = [errno.ENOMEM]
    with pytest.raises(SystemCallError) as caught:
        bench.load("new")
    assert "put back" not in str(caught.value)
    assert bench.kernel.calls == ["load"]
    assert bench.record() is None


def test_the_way_back_is_planned_before_the_call(bench: Bench) -> None:
    """After the call nothing is read, mapped or planned any more."""
    bench.load("old")

    def late() -> None:
        bench.kernel.during = lambda: None
        _remove(bench)
        raise OSError(errno.ENOMEM, "x")

    bench.kernel.during = late
    with pytest.raises(SystemCallError, match="put back"):
        bench.load("new")
    assert len(bench.replans) == 1
    assert bench.kernel.crash is not None
    assert bench.kernel.crash.cmdline.endswith("image=old")


def _remove(bench: Bench) -> None:
    for file in (bench.folder / "boot").iterdir():
        file.unlink()
    (bench.folder / "root/proc/iomem").unlink()


def test_the_same_image_again_needs_no_second_plan(bench: Bench) -> None:
    """It is its own way back."""
    bench.load("old")
    bench.kernel.fail = [errno.ENOMEM]
    with pytest.raises(SystemCallError, match="put back"):
        bench.load("old")
    assert bench.replans == []
    assert bench.held() == bench.image("old")


def lost(bench: Bench, *codes: int) -> KexeckitError:
    """Fail a load late and return the alarm; the slot is empty and no record says otherwise."""
    bench.kernel.fail = list(codes) or [errno.ENOMEM]
    with pytest.raises(KexeckitError) as caught:
        bench.load("new")
    assert bench.kernel.crash is None
    assert bench.record() is None
    assert LOUD in caught.value.remedy
    assert "could not be put back" in str(caught.value)
    assert "no memory left" in str(caught.value)
    return caught.value


def test_a_second_failure_is_said_loudly(bench: Bench) -> None:
    """Both causes in one line."""
    bench.load("old")
    assert "Input/output error" in str(lost(bench, errno.ENOMEM, errno.EIO))


def test_an_image_of_somebody_else_cannot_come_back(bench: Bench) -> None:
    """There is no record of it."""
    bench.load("old")
    (bench.folder / "records/crash.json").unlink()
    assert "not loaded by kexeckit" in str(lost(bench))


@pytest.mark.parametrize(
    ("name", "at"), [("old.kernel", 5000), ("old.kernel", 0x1F8), ("old.initrd", 300)], ids=["code", "header", "initrd"]
)
def test_a_file_that_has_changed_since_is_said_loudly(bench: Bench, name: str, at: int) -> None:
    """Another image is not put in the place of the old one; also where only the header has changed."""
    bench.load("old")
    file = bench.folder / "boot" / name
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    assert f"{name}: the file has changed since it was loaded" in str(lost(bench))


def test_a_file_that_is_gone_is_said_loudly(bench: Bench) -> None:
    """By its name."""
    bench.load("old")
    (bench.folder / "boot/old.initrd").unlink()
    assert "old.initrd: no such file" in str(lost(bench))


def test_an_image_with_parts_that_are_not_on_record_is_said_loudly(bench: Bench) -> None:
    """An EFI map of the user's own was handed over."""
    bench.load("old")
    old = read_record(bench.loader.records, panic=True)
    assert old is not None
    write_record(bench.loader.records, replace(old, efi_map=True))
    assert "--efi-map" in str(lost(bench))


def test_other_exceptions_leave_a_normal_image_and_no_record(bench: Bench) -> None:
    """Nobody knows whether the call was made: the record does not say either."""
    bench.load("old", panic=False)

    def out_of_memory() -> None:
        raise MemoryError

    bench.kernel.during = out_of_memory
    with pytest.raises(MemoryError):
        bench.load("new", panic=False)
    assert bench.held(panic=False) == bench.image("old")
    assert bench.record(panic=False) is None


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt, SystemExit, RuntimeError])
def test_other_exceptions_put_a_lost_crash_image_back(bench: Bench, kind: type[BaseException]) -> None:
    """Whatever they are; the slot shows that it was lost, so it is known that it is back."""
    bench.load("old")

    def act() -> None:
        bench.kernel.during = lambda: None
        raise kind

    bench.kernel.during = act
    with pytest.raises(kind):
        bench.load("new")
    assert bench.held() == bench.image("old")
    assert bench.record() == "image=old"


def test_other_exceptions_over_an_image_that_cannot_come_back(bench: Bench) -> None:
    """The alarm beats the exception, which stays its cause."""
    bench.load("old")
    (bench.folder / "records/crash.json").unlink()

    def act() -> None:
        raise MemoryError

    bench.kernel.during = act
    with pytest.raises(KexeckitError, match="MemoryError; the kernel had dropped") as caught:
        bench.load("new")
    assert LOUD in caught.value.remedy
    assert isinstance(caught.value.__cause__, MemoryError)


@BOTH
def test_a_signal_in_the_call_waits_for_the_record(bench: Bench, panic: bool) -> None:
    """The new image is complete and on record; then the interrupt comes."""
    bench.load("old", panic=panic)
    bench.kernel.during = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        bench.load("new", panic=panic)
    assert bench.held(panic=panic) == bench.image("new")
    assert bench.record(panic=panic) == "image=new"


def test_a_signal_in_a_failing_call_waits_for_the_way_back(bench: Bench) -> None:
    """The old image is back and on record; then the interrupt comes."""
    bench.load("old")

    def act() -> None:
        bench.kernel.during = lambda: None
        signal.raise_signal(signal.SIGINT)
        raise OSError(errno.ENOMEM, "x")

    bench.kernel.during = act
    with pytest.raises(KeyboardInterrupt):
        bench.load("new")
    assert bench.held() == bench.image("old")
    assert bench.record() == "image=old"


@BOTH
def test_unload_empties_the_slot_and_its_record(bench: Bench, panic: bool) -> None:
    """The other slot stays."""
    bench.load("old", panic=panic)
    bench.load("new", panic=not panic)
    bench.loader.unload(panic=panic)
    assert bench.held(panic=panic) is None
    assert bench.record(panic=panic) is None
    assert bench.record(panic=not panic) == "image=new"


def test_a_refused_unload_keeps_both(bench: Bench) -> None:
    """With cause and remedy."""
    bench.load("old")
    bench.kernel.refuse = [errno.EBUSY]
    with pytest.raises(SystemCallError, match="another kexec system call"):
        bench.loader.unload(panic=True)
    assert bench.held() == bench.image("old")
    assert bench.record() == "image=old"


def test_execute_needs_a_next_kernel(bench: Bench) -> None:
    """A capture kernel is none; a refusal is explained."""
    bench.load("old")
    with pytest.raises(UsageError, match="no next kernel is loaded"):
        bench.loader.execute()
    bench.load("old", panic=False)
    bench.kernel.refuse = [errno.EPERM]
    with pytest.raises(SystemCallError, match="reboot: "):
        bench.loader.execute()
    bench.loader.execute()
    assert bench.kernel.calls[-1] == "execute"


@pytest.mark.parametrize(
    ("wanted", "lockdown", "call", "words"),
    [
        ("load", "none [integrity]", LOAD, ""),
        ("file", None, FILE, ""),
        ("auto", None, LOAD, ""),
        ("auto", "[none] integrity", LOAD, ""),
        ("auto", "none [integrity]", FILE, "locked down (integrity)"),
    ],
)
def test_auto_says_why_it_takes_the_other_call(
    tmp_path: Path, wanted: str, lockdown: str | None, call: Syscall, words: str
) -> None:
    """kexec_load first, unless the kernel is known to refuse it; the user's own choice needs no words."""
    if lockdown:
        (tmp_path / "sys/kernel/security").mkdir(parents=True)
        (tmp_path / "sys/kernel/security/lockdown").write_text(lockdown)
    chosen, why = choose_syscall(wanted, open_sysroot(str(tmp_path)))
    assert chosen == call
    assert words in why
    assert bool(why) == bool(words)


@pytest.mark.parametrize(
    ("code", "falls"), [(errno.ENOSYS, True), (errno.EPERM, True), (errno.ENOMEM, False), (errno.EBUSY, False)]
)
def test_only_some_refusals_let_auto_try_the_other_call(code: int, falls: bool) -> None:
    """Those that say "not by this call"; no other error at all."""
    assert may_fall_back(SystemCallError("kexec_load", code, "x")) is falls
    assert not may_fall_back(KexeckitError("x"))


def is_locked(bench: Bench) -> bool:
    """Whether another process would have to wait."""
    fd = os.open(bench.loader.records, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@pytest.mark.parametrize("fails", [False, True])
def test_only_one_process_at_a_time_loads(bench: Bench, fails: bool) -> None:
    """From before the call until the record is written: records come in the order of the images."""
    seen = []

    def look() -> None:
        seen.append(is_locked(bench))
        if fails:
            raise OSError(errno.EBUSY, "busy")

    bench.kernel.during = look
    if fails:
        with pytest.raises(SystemCallError):
            bench.load("new")
    else:
        bench.load("new")
    assert seen == [True]
    assert not is_locked(bench)


def test_a_state_that_cannot_be_read_counts_as_lost(bench: Bench) -> None:
    """An image that is put back over itself does no harm; one that is not put back does."""
    bench.load("old")

    def late() -> None:
        bench.kernel.during = lambda: None
        (bench.folder / "root/sys/kernel/kexec_crash_loaded").unlink()
        raise OSError(errno.ENOMEM, "x")

    bench.kernel.during = late
    with pytest.raises(SystemCallError, match="it was put back"):
        bench.load("new")
    assert bench.kernel.calls[-2:] == ["load", "load"]
