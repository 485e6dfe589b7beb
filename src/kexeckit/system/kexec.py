"""The system calls: kexec_load(2), kexec_file_load(2) and reboot(2) with KEXEC, by ctypes.

Nothing is decided here. Each call either returns or raises `OSError` with the kernel's errno; what that means is
looked up in `causes`. Signals are held back while a call runs, so that none can come between the kernel's work and
ours.

Source: include/uapi/linux/kexec.h; arch/*/include/uapi/asm/unistd*.h for the numbers.
"""

import ctypes
import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kexeckit.errors import UnavailableError
from kexeckit.frozen import dataclass
from kexeckit.plan.load_plan import LoadPlan
from kexeckit.plan.segment import Content

KEXEC_ON_CRASH = 1
KEXEC_FILE_UNLOAD = 1
KEXEC_FILE_ON_CRASH = 2
KEXEC_FILE_NO_INITRAMFS = 4
_REBOOT_CMD_KEXEC = 0x45584543

# architecture, by the name of the kernel -> (kexec_load, kexec_file_load, KEXEC_ARCH_*: the ELF machine number in the
# upper half of the flags)
_NUMBERS = {
    "x86_64": (246, 320, 62),
    "arm64": (104, 294, 183),
    "riscv64": (104, 294, 243),
    "ppc64": (268, 382, 21),
    "s390x": (277, 381, 22),
}


class _Segment(ctypes.Structure):
    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("bufsz", ctypes.c_size_t),
        ("mem", ctypes.c_void_p),
        ("memsz", ctypes.c_size_t),
    )


class Kernel(Protocol):
    """The calls that change which second kernel is loaded."""

    def load(self, plan: LoadPlan) -> None:
        """Load a planned image by kexec_load(2)."""
        ...

    def file_load(self, files: "FileImage") -> None:
        """Load by kexec_file_load(2)."""
        ...

    def unload(self, *, panic: bool) -> None:
        """Drop the loaded image."""
        ...

    def execute(self) -> None:
        """Jump into the loaded image now."""
        ...


@dataclass(frozen=True, slots=True)
class FileImage:
    """What kexec_file_load(2) takes: open files, a command line and the slot."""

    kernel_fd: int
    initrd_fd: int | None
    cmdline: str
    panic: bool
    flags: int = 0


@dataclass(frozen=True, slots=True)
class LinuxKernel:
    """The running kernel.

    Attributes:
        machine: The kernel's name of its architecture.
    """

    machine: str

    def load(self, plan: LoadPlan) -> None:
        """See `Kernel.load`."""
        keep: list[object] = []
        table = (_Segment * len(plan.segments))()
        for slot, segment in zip(table, plan.segments, strict=True):
            assert segment.content is not None
            slot.buf = _address(segment.content, keep)
            slot.bufsz, slot.mem, slot.memsz = segment.bufsz, segment.range.start, segment.memsz
        assert plan.entry is not None
        flags = self._arch_flags() | (KEXEC_ON_CRASH if plan.panic else 0)
        self._call(0, plan.entry, len(table), ctypes.addressof(table), flags)

    def file_load(self, files: FileImage) -> None:
        """See `Kernel.file_load`."""
        cmdline = files.cmdline.encode("utf-8", "surrogateescape") + b"\0"
        flags = files.flags | (KEXEC_FILE_ON_CRASH if files.panic else 0)
        if files.initrd_fd is None:
            flags |= KEXEC_FILE_NO_INITRAMFS
        initrd = files.initrd_fd if files.initrd_fd is not None else -1
        buffer = ctypes.create_string_buffer(cmdline, len(cmdline))
        self._call(1, files.kernel_fd, initrd, len(cmdline), ctypes.addressof(buffer), flags)

    def unload(self, *, panic: bool) -> None:
        """See `Kernel.unload`; kexec_file_load's unload is the one that works under lockdown too."""
        try:
            flags = KEXEC_FILE_UNLOAD | (KEXEC_FILE_ON_CRASH if panic else 0)
            self._call(1, -1, -1, 0, 0, flags)
        except OSError as error:
            # Each call uses up one of the limited ones (sysctl kernel.kexec_load_limit_*), so only where it is absent.
            if error.errno != errno.ENOSYS:
                raise
            self._call(0, 0, 0, 0, self._arch_flags() | (KEXEC_ON_CRASH if panic else 0))

    def execute(self) -> None:
        """See `Kernel.execute`; does not return where it works."""
        os.sync()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.reboot(_REBOOT_CMD_KEXEC):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def _arch_flags(self) -> int:
        return self._numbers()[2] << 16

    def _numbers(self) -> tuple[int, int, int]:
        if self.machine not in _NUMBERS:
            raise UnavailableError(f"kexec system calls of {self.machine} are not known here")
        return _NUMBERS[self.machine]

    def _call(self, which: int, *args: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        number = self._numbers()[which]
        with signals_held():
            failed = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(_signed(a)) for a in args))
            code = ctypes.get_errno()
        if failed:
            raise OSError(code, os.strerror(code))


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold back every signal that can be held back; they are delivered afterwards."""
    # A signal that came just before is raised by the call that blocks, so the old mask is asked for first.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _address(content: Content, keep: list[object]) -> int | None:
    # Where the bytes lie in this process. The object must live as long as the address is used, hence `keep`.
    if isinstance(content, bytes):
        pointer = ctypes.c_char_p(content)
        keep.append((content, pointer))
        return ctypes.cast(pointer, ctypes.c_void_p).value
    view = (ctypes.c_char * len(content)).from_buffer(content)
    keep.append(view)
    return ctypes.addressof(view)


def _signed(value: int) -> int:
    # c_long takes 64-bit addresses as signed numbers.
    return value - (1 << 64) if value >= 1 << 63 else value
