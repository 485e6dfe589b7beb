"""Load, unload and jump: the only place where a plan becomes the state of the machine.

Rules of this file:
    1. Everything that can fail in this process has failed before the system call is made.
    2. The call itself is atomic for a normal image: the kernel exchanges the images at the end.
    3. For a crash image it is not: the kernel frees the old one first, because both live in the same reservation. So
       a failed load puts the old image back from its record; where that is impossible, the error says so.

Source: kernel/kexec.c, do_kexec_load(), and kernel/kexec_file.c: the crash image is exchanged for NULL before the
new one is allocated.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from kexeckit.errors import KexeckitError, SystemCallError, UsageError
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.system.causes import explained, locked_down
from kexeckit.system.files import opened
from kexeckit.system.kexec import FileImage, Kernel
from kexeckit.system.record import LoadRecord, drop_record, read_record, write_record
from kexeckit.system.state import KexecState, read_state
from kexeckit.system.sysroot import Sysroot

# An errno that says "not by this call": the other call may still work.
_FALL_BACK = frozenset(("ENOSYS", "EPERM"))


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
        """
        before = read_state(self.root)
        old = read_record(self.records, panic=plan.panic)
        try:
            self._call(plan, request)
        except OSError as error:
            refusal = explained(
                f"kexec_{'file_' if plan.syscall is Syscall.FILE else ''}load", error, self.root, panic=plan.panic
            )
            raise self._restored(refusal, before, old) from error
        write_record(self.records, LoadRecord.of(plan, request))

    def unload(self, *, panic: bool) -> None:
        """Drop an image.

        Raises:
            SystemCallError: The kernel refused.
        """
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

    def _call(self, plan: LoadPlan, request: LoadRequest) -> None:
        if plan.syscall is Syscall.LOAD:
            self.kernel.load(plan)
            return
        with ExitStack() as stack:
            kernel = stack.enter_context(opened(request.kernel.source))
            initrd = stack.enter_context(opened(request.initrd.source)) if request.initrd else None
            self.kernel.file_load(FileImage(kernel, initrd, request.cmdline, plan.panic))

    def _restored(self, refusal: SystemCallError, before: KexecState, old: LoadRecord | None) -> KexeckitError:
        # A normal image is never lost. A lost crash image is put back; the user learns of both.
        if not before.crash or read_state(self.root).crash:
            return refusal
        lost = "the kernel had dropped the old crash image before it failed"
        trouble = self._put_back(old)
        if trouble:
            return KexeckitError(
                f"{refusal}; {lost} and it could not be put back: {trouble}",
                remedy="NO CAPTURE KERNEL IS LOADED NOW: load one before anything else",
            )
        refusal.args = (f"{refusal}; {lost}, it was put back",)
        return refusal

    def _put_back(self, old: LoadRecord | None) -> str:
        # Returns what went wrong, or an empty text.
        if old is None:
            return "it was not loaded by kexeckit, so nothing is known of it"
        try:
            plan, request = self.replan(old)
            self._call(plan, request)
        except (KexeckitError, OSError) as error:
            return str(error)
        return ""


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
