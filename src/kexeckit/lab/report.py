"""What guests reported, by stage, and the runs that make such reports.

boot       the first kernel
capture    the kernel that started after a panic (it has /proc/vmcore)
second     a kernel that was started by kexec on purpose
"""

import time
import zlib
from dataclasses import dataclass, field
from typing import Self

from kexeckit.errors import UnavailableError
from kexeckit.lab.frames import RecordStream
from kexeckit.lab.guest import Guest, Progress, telling_lines
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine

__all__ = ["GuestReport", "GuestRun", "boot_and_report", "run_guest"]


@dataclass(frozen=True, slots=True)
class GuestReport:
    """What one kernel reported.

    Attributes:
        stage: ``boot``, ``capture`` or ``second``.
        records: Name -> content, e.g. ``iomem`` -> the text of /proc/iomem.
        complete: All of it arrived.
    """

    stage: str
    records: dict[str, bytes]
    complete: bool

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def data(self, name: str) -> bytes:
        """Return one record.

        Raises:
            UnavailableError: The guest did not send it: its kernel has no such file.
        """
        if name not in self.records:
            raise UnavailableError(f"the {self.stage} report has no {name}; it has: {', '.join(sorted(self.records))}")
        return self.records[name]

    def text(self, name: str) -> str:
        """Return one record as text.

        Raises:
            UnavailableError: As for data.
        """
        return self.data(name).decode("utf-8", "surrogateescape")

    def number(self, name: str) -> int:
        """Return a record that is one number: ``kexec_crash_size``, ``load.status``, ``vmcore_size``.

        Raises:
            UnavailableError: As for data.
        """
        return int(self.text(name), 0)

    def firmware_memmap(self) -> list[tuple[int, int, str]]:
        """Return /sys/firmware/memmap in the order of its entries.

        Returns:
            (start, last, type) of each; last is inclusive, as the kernel prints it.
        """
        entries: dict[int, dict[str, str]] = {}
        for line in self.text("firmware_memmap").splitlines():
            path, _, value = line.partition(":")
            *_, number, attribute = path.split("/")
            entries.setdefault(int(number), {})[attribute] = value
        return [(int(e["start"], 16), int(e["end"], 16), e["type"]) for _, e in sorted(entries.items())]


@dataclass(frozen=True, slots=True)
class GuestRun:
    """One run of a machine, over all kernels that ran in it.

    Attributes:
        reports: Stage -> report, in the order in which they ran.
        console: All the console showed.
        ended: The machine restarted or stopped by itself within its time.
        seconds: Wall time of the run.
    """

    reports: dict[str, GuestReport]
    console: str
    ended: bool
    seconds: float
    _timeout: float = field(default=0.0, repr=False)

    def report(self, stage: str) -> GuestReport:
        """Return the complete report of a stage.

        Raises:
            UnavailableError: That stage did not happen, or died while reporting. The message says how
                far the run came and ends with the last lines of the console.
        """
        found = self.reports.get(stage)
        if found is not None and found.complete:
            return found
        how = "ended" if self.ended else f"still ran after {self._timeout:g} s"
        seen = ", ".join(name if report.complete else f"{name} (cut)" for name, report in self.reports.items())
        tail = "\n  ".join(telling_lines(self.console)) or "(nothing)"
        raise UnavailableError(
            f"no {stage} report: the guest {how}; reports seen: {seen or 'none'}; last lines of its console:\n  {tail}"
        )

    @classmethod
    def from_guest(cls, guest: Guest, ended: bool, timeout: float) -> Self:  # noqa: FBT001 - as Guest.wait says it
        """Collect what a guest has sent by now."""
        seconds = time.monotonic() - guest.started
        return cls(_reports(guest.records()), guest.console(), ended, seconds, timeout)


# A stage is complete once its last record of the standard report came; a job's records may follow.
def _reports(stream: RecordStream) -> dict[str, GuestReport]:
    stages: dict[str, dict[str, bytes]] = {}
    for record in stream.records:
        stage, _, name = record.name.partition("/")
        data = record.data
        if name.endswith(".gz"):
            name, data = name.removesuffix(".gz"), zlib.decompress(data, wbits=31)
        stages.setdefault(stage, {})[name] = data
    return {stage: GuestReport(stage, records, "reported" in records) for stage, records in stages.items()}


def run_guest(
    machine: Machine, image: GuestImage, *, timeout: float = 180.0, progress: Progress | None = None
) -> GuestRun:
    """Run a machine until it ends, or until the time is over, and return all that it reported.

    Args:
        machine: What to run.
        image: The user space of its first kernel.
        timeout: Seconds; afterwards the machine is killed and what came so far is returned.
        progress: Called with each console line.

    Raises:
        UnavailableError: QEMU is missing or refused the machine.
        InputError: The records make no sense.
    """
    with Guest(machine, image, progress) as guest:
        ended = guest.wait(timeout)
        return GuestRun.from_guest(guest, ended, timeout)


def boot_and_report(machine: Machine, *, timeout: float = 180.0, progress: Progress | None = None) -> GuestReport:
    """Boot a machine, take the standard report of its kernel, stop it. The quickest run there is.

    Args:
        machine: What to boot.
        timeout: Seconds until it is given up.
        progress: Called with each console line.

    Raises:
        UnavailableError: QEMU is missing or refused the machine, or no report came in time.
        InputError: The records make no sense.
    """
    return run_guest(machine, GuestImage(arch=machine.arch), timeout=timeout, progress=progress).report("boot")
