"""Load, unload and jump: the only place where a plan becomes the state of the machine.

Rules of this file:
    1. Everything that can fail in this process has failed before the system call is made: files are open, and the way
       back to an old crash image is planned.
    2. The call itself is atomic for a normal image: the kernel exchanges the images at the end.
    3. For a crash image it is not: the kernel frees the old one first, because both live in the same reservation. So
       a failed load puts the old image back; where that is impossible, the error says so.
    4. From before the call until the record is written, signals are held back: one that came between the two would
       leave a new image under an old record, or an empty slot without a word.
    5. What ends in any other way than success or refusal leaves no record: then nobody knows.

Source: kernel/kexec.c, do_kexec_load(), and kernel/kexec_file.c: the crash image is exchanged for NULL before the
new one is allocated.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NoReturn

from kexeckit.errors import KexeckitError, SystemCallError, UsageError
from kexeckit.frozen import dataclass
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.system.causes import explained, locked_down
from kexeckit.system.files import opened
from kexeckit.system.kexec import FileImage, Kernel, signals_held
from kexeckit.system.record import (
    LoadRecord,
    drop_record,
    read_record,
    records_locked,
    resume_record,
    suspend_record,
    write_record,
)
from kexeckit.system.state import read_state
from kexeckit.system.sysroot import Sysroot

# An errno that says "not by this call": the other call may still work.
_FALL_BACK = frozenset(("ENOSYS", "EPERM"))


@dataclass(frozen=True, slots=True)
class _WayBack:
    # How a lost crash image is put back: a call that is ready to be made, or what stands against it.
    call: Callable[[], None] | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Loader:
    """The running machine as something to load into.

    Attributes:
        kernel: Its system calls.
        root: Its files.
        records: Folder for the records of what was loaded.
        replan: Makes a plan from a record, to put an old crash image back.
    """

    kernel: Kernel
    root: Sysroot
    records: str
    replan: Callable[[LoadRecord], tuple[LoadPlan, LoadRequest]]

    def load(self, plan: LoadPlan, request: LoadRequest) -> None:
        """Load an image, or leave the machine as it was.

        Raises:
            SystemCallError: The kernel refused; cause and remedy are in it.
            KexeckitError: The old crash image is lost; the message says so.
        """
        record = LoadRecord.of(plan, request)
        with ExitStack() as stack:
            stack.enter_context(records_locked(self.records))
            call = self._prepared(plan, request, stack)
            back = self._way_back(record, call, stack)
            with signals_held():
                self._exchange(call, back, record)

    def unload(self, *, panic: bool) -> None:
        """Drop an image.

        Raises:
            SystemCallError: The kernel refused.
        """
        with records_locked(self.records), signals_held():
            try:
                self.kernel.unload(panic=panic)
            except OSError as error:
                raise explained("kexec_file_load", error, self.root, panic=panic) from error
            drop_record(self.records, panic=panic)

    def execute(self) -> None:
        """Jump into the loaded image; returns only by an error.

        Raises:
            UsageError: Nothing is loaded.
            SystemCallError: The kernel refused.
        """
        if not read_state(self.root).normal:
            raise UsageError("no next kernel is loaded; `kexeckit load KERNEL` loads one")
        try:
            self.kernel.execute()
        except OSError as error:
            raise explained("reboot", error, self.root, panic=False) from error

    def _prepared(self, plan: LoadPlan, request: LoadRequest, stack: ExitStack) -> Callable[[], None]:
        # The system call with its files open, so that nothing but the kernel can refuse any more.
        if plan.syscall is Syscall.LOAD:
            return partial(self.kernel.load, plan)
        kernel = stack.enter_context(opened(request.kernel.source))
        initrd = stack.enter_context(opened(request.initrd.source)) if request.initrd else None
        return partial(self.kernel.file_load, FileImage(kernel, initrd, request.cmdline, plan.panic))

    def _way_back(self, new: LoadRecord, call: Callable[[], None], stack: ExitStack) -> _WayBack | None:
        # A normal image is never lost, and an empty slot has nothing to lose.
        if not read_state(self.root).crash or not new.panic:
            return None
        old = read_record(self.records, panic=True)
        if old is None:
            return _WayBack(None, "it was not loaded by kexeckit, so nothing is known of it")
        if old == new:
            return _WayBack(call, "")
        try:
            plan, request = self.replan(old)
            return _WayBack(self._prepared(plan, request, stack), "")
        except (KexeckitError, OSError) as error:
            return _WayBack(None, str(error))

    def _exchange(self, call: Callable[[], None], back: _WayBack | None, new: LoadRecord) -> None:
        suspend_record(self.records, panic=new.panic)
        try:
            call()
        except BaseException as error:
            lost = back is not None and self._crash_is_lost()
            trouble = _put_back(back) if back is not None and lost else ""
            # A refusal leaves the old image as it was; of anything else nobody knows whether the call was made.
            if (isinstance(error, OSError | KexeckitError) or lost) and not trouble:
                resume_record(self.records, panic=new.panic)
            if isinstance(error, OSError):
                name = f"kexec_{'file_' if new.syscall == 'file' else ''}load"
                _raise_worded(explained(name, error, self.root, panic=new.panic), error, lost=lost, trouble=trouble)
            if trouble:
                raise _nothing_loaded(str(error) or type(error).__name__, trouble) from error
            raise
        write_record(self.records, new)

    def _crash_is_lost(self) -> bool:
        # An image that is put back in its own place does no harm, so what cannot be read counts as lost.
        try:
            return not read_state(self.root).crash
        except KexeckitError:
            return True


def _put_back(back: _WayBack) -> str:
    # Returns what went wrong, or an empty text. Nothing that happens here may hide that the slot is empty.
    if back.call is None:
        return back.trouble
    try:
        back.call()
    except BaseException as error:  # noqa: BLE001
        return str(error) or type(error).__name__
    return ""


def _raise_worded(refusal: SystemCallError, error: OSError, *, lost: bool, trouble: str) -> NoReturn:
    if trouble:
        raise _nothing_loaded(str(refusal), trouble) from error
    if lost:
        refusal.args = (f"{refusal}; the kernel had dropped the old crash image before it failed, it was put back",)
    raise refusal from error


def _nothing_loaded(cause: str, trouble: str) -> KexeckitError:
    lost = "the kernel had dropped the old crash image before it failed and it could not be put back"
    return KexeckitError(
        f"{cause}; {lost}: {trouble}", remedy="NO CAPTURE KERNEL IS LOADED NOW: load one before anything else"
    )


def choose_syscall(wanted: str, root: Sysroot) -> tuple[Syscall, str]:
    """Choose the system call, and say why.

    kexec_load comes first because it can hand over what the in-kernel loader drops (old RAM as reserved, more than
    128 map entries, kinds of memory that it does not know).

    Args:
        wanted: ``auto``, ``load`` or ``file``.
        root: The running machine.

    Returns:
        The call, and a sentence where `auto` did not take kexec_load.
    """
    if wanted != "auto":
        return Syscall(wanted), ""
    mode = locked_down(root)
    if mode:
        return Syscall.FILE, f"kexec_file_load is used: the kernel is locked down ({mode}) and refuses kexec_load"
    return Syscall.LOAD, ""


def may_fall_back(error: KexeckitError) -> bool:
    """Say whether `auto` may try kexec_file_load after kexec_load failed like this."""
    import errno

    return isinstance(error, SystemCallError) and errno.errorcode.get(error.errno) in _FALL_BACK
