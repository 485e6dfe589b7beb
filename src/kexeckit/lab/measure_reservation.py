"""The smallest reservation with which a capture kernel still completes a dump.

    host                      guest: first kernel              guest: capture kernel
    reserve SIZE, boot  --->  kexeckit load --panic
                              panic                    --->    all of its initramfs is there?
                                                               read old memory, report, stop
    no report, or a cut one: SIZE is not enough

Booting a kernel directly on a small machine would be quicker and wrong: it needs the memory below its load address.
Reading /proc/vmcore is slow under emulation (about 70 s for a GiB), so the guest is small and only the first 32 MiB of
its old memory are read, and counted, not stored: a dump to a disk needs page cache besides, which can be dropped.
"""

import gzip
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kexeckit.errors import PlanError
from kexeckit.kernel.sizing.estimate import Estimate, estimate, in_tmpfs
from kexeckit.lab.guest import Guest
from kexeckit.lab.image import GuestImage, format_image
from kexeckit.lab.machine import Machine, kernel_words
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import GuestRun
from kexeckit.lab.second import INITRD, KERNEL
from kexeckit.memory.units import MIB
from kexeckit.system.capture_setup import CaptureMachine, capture_setup_of

__all__ = ["Measured", "Need", "Try", "measure", "smallest", "try_reservation"]

_PROGRAM = "/usr/bin/kexeckit.pyz"
_READ = 32 * MIB
_OLD_MEMORY = 256 * MIB
# Seconds for one try; a capture kernel that runs out of memory is told to panic, and ends long before.
_LIMIT = 120.0
# No try reserves more than this: the estimate would be wrong beyond all use.
_MOST = 2048
_WORDS = "irqpoll reset_devices cgroup_disable=memory sysctl.vm.panic_on_oom=1 oops=panic"
_CAPTURE = """
[ "$(stat -c %s /padding)" = {padding} ] || finish 1
cat /proc/meminfo >/tmp/meminfo; emit meminfo /tmp/meminfo
cat /proc/iomem >/tmp/iomem; emit iomem /tmp/iomem
dmesg | grep -e Memory: -e percpu: >/tmp/memory; emit memory /tmp/memory
dd if=/proc/vmcore bs=64k count={blocks} 2>/dev/null | wc -c >/tmp/dumped
emit dumped /tmp/dumped
"""


@dataclass(frozen=True)
class Need:
    """What has to fit.

    Attributes:
        kernel: The kernel, first and second.
        padding: Bytes of an incompressible file that makes the initramfs larger.
        packed: Zeros instead, and the initramfs packed by gzip: large once unpacked, small as a file.
        cpus: CPUs of the machine and of the capture kernel.
        limit_cpus: Say so with nr_cpus=; else the capture kernel finds out itself.
        append: More words for the capture kernel.
        syscall: ``load`` or ``file``.
        kvm: Hardware virtualisation instead of emulation.
    """

    kernel: Path
    padding: int = 0
    packed: bool = False
    cpus: int = 1
    limit_cpus: bool = True
    append: str = ""
    syscall: str = "load"
    kvm: bool = False

    @cached_property
    def initrd(self) -> bytes:
        """The capture kernel's initramfs."""
        padding = bytes(self.padding) if self.packed else random.Random(self.padding).randbytes(self.padding)
        job = _CAPTURE.format(padding=self.padding, blocks=_READ >> 16)
        image = format_image(GuestImage(stage="second", report=False, capture_job=job, files=(("/padding", padding),)))
        return gzip.compress(image, 6, mtime=0) if self.packed else image

    def estimate(self) -> Estimate:
        """Estimate it from the same files."""
        machine = CaptureMachine(cpus=self.cpus, half=in_tmpfs(self.append))
        return estimate(capture_setup_of(self.kernel.read_bytes(), str(self.kernel), self.initrd, "initrd", machine))


@dataclass(frozen=True, slots=True)
class Try:
    """One reservation that was tried.

    Attributes:
        mib: Its MiB.
        works: The dump was completed.
        why: How it ended, where it did not work.
        seconds: Wall time.
        facts: What the capture kernel said about its memory, name -> text.
    """

    mib: int
    works: bool
    why: str
    seconds: float
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it.

    Attributes:
        smallest: Bytes of the smallest reservation that worked.
        step: The next smaller one that was tried, and failed, is so many bytes below.
        estimate: What was estimated.
        tries: All tries, in order.
    """

    smallest: int
    step: int
    estimate: Estimate
    tries: tuple[Try, ...]


def smallest(works: Callable[[int], bool], first: int, step: int, most: int = _MOST) -> int:
    """Return the smallest multiple of `step` that works: a bracket around a first guess, then halving.

    Args:
        works: Says whether a number is enough; if one is, all above are.
        first: The guess.
        step: Precision.
        most: Give up above this.

    Raises:
        PlanError: Nothing up to `most` works.
    """
    high = max(first // step, 1)
    stride = 1
    low = 0
    while not works(high * step):
        low, high, stride = high, high + stride, stride * 2
        if high * step > most:
            raise PlanError("measure the smallest reservation", f"none up to {most} MiB works")
    stride = 1
    while low == 0 and high > 1:
        below = max(high - stride, 0)
        if below and works(below * step):
            high, stride = below, stride * 2
        else:
            low = below
            break
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle * step) else (middle, high)
    return high * step


def measure(need: Need, step: int = 4, tell: Callable[[Try], None] | None = None) -> Measured:
    """Measure, starting from the estimate.

    Args:
        need: What has to fit.
        step: Precision in MiB.
        tell: Called after each try.

    Raises:
        PlanError: Nothing works.
        UnavailableError: QEMU is missing.
    """
    found = need.estimate()
    tries: list[Try] = []

    def works(mib: int) -> bool:
        tries.append(try_reservation(need, mib))
        if tell:
            tell(tries[-1])
        return tries[-1].works

    mib = smallest(works, found.least // MIB, step)
    return Measured(mib * MIB, step * MIB, found, tuple(tries))


def try_reservation(need: Need, mib: int, limit: float = _LIMIT) -> Try:
    """Reserve `mib` MiB, load, crash, and see whether the capture kernel completes a dump.

    Args:
        need: What has to fit.
        mib: MiB.
        limit: Seconds; a capture kernel that has not reported by then does not work.
    """
    began = time.monotonic()
    with Guest(_machine(need, mib), _image(need)) as guest:
        ended = guest.wait(limit)
        run = GuestRun.from_guest(guest, ended, limit)
    report = run.reports.get("capture")
    facts = {name: data.decode("utf-8", "replace") for name, data in report.records.items()} if report else {}
    works = facts.get("end", "").strip() == "0" and int(facts.get("dumped") or 0) == _READ
    return Try(mib, works, "" if works else _why(run), time.monotonic() - began, facts)


def _machine(need: Need, mib: int) -> Machine:
    # The first kernel unpacks the initramfs that holds the second one's: its file system may take half of its memory.
    memory = mib * MIB + _OLD_MEMORY + -(-len(need.initrd) * 4 // MIB) * MIB
    return Machine(need.kernel, memory=memory, cpus=need.cpus, append=f"crashkernel={mib}M", kvm=need.kvm)


def _image(need: Need) -> GuestImage:
    words = f"{kernel_words(Machine(need.kernel))} {_WORDS}"
    words += f" nr_cpus={need.cpus}" if need.limit_cpus else ""
    words = f"{words} {need.append}".strip()
    load = f"python3 {_PROGRAM} load --panic --syscall {need.syscall} {KERNEL} --initrd {INITRD} --append '{words}'"
    # Other CPUs can be started only by the one that the firmware started.
    job = "run load sh /etc/kexeckit.load || finish 1\ntaskset -p 1 $$ >/dev/null\ncrash\n"
    files = (
        ("/etc/kexeckit.load", load.encode()),
        (KERNEL, need.kernel),
        (INITRD, need.initrd),
        (_PROGRAM, pyz_bytes()),
    )
    return GuestImage(python=True, report=False, job=job, files=files)


def _why(run: GuestRun) -> str:
    boot = run.reports.get("boot")
    if boot is None or "load.status" not in boot:
        return "the first kernel did not come up"
    if boot.text("load.status").strip() != "0":
        return f"it could not be loaded: {boot.text('load.out').strip().splitlines()[0:1]}"
    said = [line.strip() for line in run.console.splitlines() if "Kernel panic" in line or "unpacking failed" in line]
    if said:
        return said[-1].partition("] ")[2] or said[-1]
    if "capture" in run.reports:
        return "the capture kernel's report is cut, or its initramfs is"
    return "no report" if run.ended else "no report within the time limit"
