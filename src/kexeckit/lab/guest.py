"""Run a machine in QEMU and collect what it says.

Rules of this file:
    1. QEMU dies with the run: on leaving the ``with`` block however that happens, and with this process.
    2. A run has a time limit, and whoever hits it is told what the console said last.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from kexeckit.errors import UnavailableError
from kexeckit.lab.frames import MARK, RecordStream, parse_records
from kexeckit.lab.gdb import Gdb
from kexeckit.lab.image import GuestImage, format_image
from kexeckit.lab.machine import Machine, MachineFiles, qemu_command
from kexeckit.lab.qmp import Qmp

__all__ = ["Guest", "Progress", "telling_lines"]

Progress = Callable[[str], None]
"""Called with each line that appears on the console."""

_CONSOLE_TAIL = 8
_CAUSE = re.compile(r"Kernel panic|BUG:|Oops|kexeckit: ")
_SOCKET_SECONDS = 10.0


def telling_lines(console: str) -> list[str]:
    """Choose the lines of a console that tell why a run stopped: each panic or bug, then the last ones."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    causes = [line for line in lines[:-_CONSOLE_TAIL] if _CAUSE.search(line)]
    return [*causes[-_CONSOLE_TAIL:], *lines[-_CONSOLE_TAIL:]]


class Guest:
    """One machine running in QEMU.

    Use it as a context manager: entering starts QEMU, leaving kills it and removes its files.

    Args:
        machine: What to run.
        image: The user space it is given.
        progress: Called with each console line while waiting.
    """

    def __init__(self, machine: Machine, image: GuestImage, progress: Progress | None = None) -> None:
        self.machine = machine
        self._image = image
        self._progress = progress
        self._told = 0

    def __enter__(self) -> Self:
        command = qemu_command(self.machine, MachineFiles(Path()))
        if shutil.which(command[0]) is None:
            package = "qemu-system-x86" if self.machine.arch == "x86_64" else "qemu-system-arm"
            raise UnavailableError(f"the program {command[0]} is not installed", remedy=f"apt-get install {package}")
        self.files = MachineFiles(Path(tempfile.mkdtemp(prefix="kexeckit-")))
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.files.folder, ignore_errors=True)
            raise
        return self

    def _start(self) -> None:
        self.files.initrd.write_bytes(format_image(self._image))
        command = qemu_command(self.machine, self.files)
        # The kernel kills QEMU if the thread that started it goes away without a goodbye (signal, crash).
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._errors = (self.files.folder / "errors").open("w+b")
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._errors, stderr=subprocess.STDOUT
        )

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()
        shutil.rmtree(self.files.folder, ignore_errors=True)

    def wait(self, timeout: float) -> bool:
        """Wait until the machine ends by itself (a restart ends it).

        Args:
            timeout: Seconds from now.

        Returns:
            True if it ended, False if it still runs.

        Raises:
            UnavailableError: QEMU refused to run it.
        """
        limit = time.monotonic() + timeout
        while self._process.poll() is None and time.monotonic() < limit:
            self._tell()
            time.sleep(0.02)
        self._tell()
        if self._process.returncode:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip() or f"status {self._process.returncode}"
            raise UnavailableError(f"QEMU ended with an error: {said.splitlines()[-1]}")
        return self._process.returncode is not None

    # Whole lines only; an incomplete last line waits for its end.
    def _tell(self) -> None:
        if self._progress is None:
            return
        *lines, _ = self.console()[self._told :].split("\n")
        for line in lines:
            self._told += len(line) + 1
            self._progress(line.rstrip("\r"))

    def qmp(self) -> Qmp:
        """Connect to the machine's monitor.

        Raises:
            UnavailableError: QEMU has gone or does not answer.
        """
        self._await(self.files.monitor)
        return Qmp(self.files.monitor)

    def gdb(self) -> Gdb:
        """Connect to the machine's gdb stub, which stops it until the connection is closed.

        Raises:
            UnavailableError: The machine was not described with ``gdb=True``, or QEMU has gone.
        """
        if not self.machine.gdb:
            raise UnavailableError("this machine has no gdb stub: describe it with gdb=True")
        self._await(self.files.gdb)
        return Gdb(self.files.gdb)

    # QEMU makes its sockets shortly after its start.
    def _await(self, path: Path) -> None:
        limit = time.monotonic() + _SOCKET_SECONDS
        while not path.exists() and self._process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)

    def wait_for(self, record: str, timeout: float) -> bool:
        """Wait until a record has arrived completely.

        Args:
            record: Its name with the stage, e.g. ``boot/load.status``.
            timeout: Seconds from now.

        Returns:
            False if the machine ended or the time was over first.
        """
        limit = time.monotonic() + timeout
        while True:
            ended = self._process.poll() is not None
            if any(found.name == record for found in self.records().records):
                return True
            if ended or time.monotonic() > limit:
                return False
            self._tell()
            time.sleep(0.05)

    def console(self) -> str:
        """Return what the console showed so far."""
        return self.files.console.read_text("latin-1") if self.files.console.exists() else ""

    def console_tail(self) -> str:
        """Return the last lines of the console, for messages."""
        return "\n".join(telling_lines(self.console()))

    def records(self) -> RecordStream:
        """Return the records that arrived so far."""
        data = self.files.channel.read_bytes() if self.files.channel.exists() else b""
        # EFI firmware writes its own console to every serial port before a kernel runs.
        first = data.find(MARK)
        return parse_records(data[first:] if first >= 0 else b"", "record channel of the guest")
