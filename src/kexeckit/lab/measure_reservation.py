"""The smallest reservation that works: ``python -m kexeckit.lab.measure_reservation --suite trixie --padding 40M``.

Each try reserves so much, crashes into the capture kernel, and has it report, with the headers of /proc/vmcore. Booting
a kernel directly on a small machine would be quicker and wrong: it needs the memory below its load address.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kexeckit.lab.image import GuestImage, format_image
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import run_guest
from kexeckit.lab.second import INITRD, KERNEL
from kexeckit.memory.units import GIB, parse_size

__all__ = ["Need", "smallest", "works"]

_PROGRAM = "/usr/bin/kexeckit.pyz"


@dataclass(frozen=True, slots=True)
class Need:
    """What has to fit.

    Attributes:
        suite: Debian suite of the kernel.
        padding: Bytes that make the initramfs larger.
        cpus: CPUs that the capture kernel starts.
    """

    suite: str
    padding: int = 0
    cpus: int = 1


def smallest(works: Callable[[int], bool], low: int, high: int, step: int = 1) -> int:
    """Return the smallest number of MiB that works, to `step`.

    Args:
        works: Says whether a number of MiB is enough; monotonous but for chance.
        low: Not enough.
        high: Enough.
        step: Precision in MiB.
    """
    while high - low > step:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


def works(need: Need, mib: int, timeout: float = 400.0) -> bool:
    """Reserve `mib` MiB, crash into the capture kernel, and say whether it reports whole."""
    kernel = fetch_kernel(need.suite, "x86_64").vmlinuz
    machine = Machine(kernel, memory=GIB // 2, cpus=need.cpus, append=f"crashkernel={mib}M")
    run = run_guest(machine, _image(need, kernel), timeout=timeout)
    report = run.reports.get("capture")
    return report is not None and report.complete and "vmcore_size" in report


def _image(need: Need, kernel: Path) -> GuestImage:
    # As `second_kernel_image`, with a second initramfs of any size and without the first kernel's report.
    words = f"console=ttyS0 irqpoll reset_devices cgroup_disable=memory nr_cpus={need.cpus}"
    load = f"python3 {_PROGRAM} load --panic --syscall file {KERNEL} --initrd {INITRD} --append '{words}'"
    padding = (("/padding", bytes(range(256)) * (need.padding // 256)),) if need.padding else ()
    return GuestImage(
        python=True,
        report=False,
        job="run load sh /etc/kexeckit.load || finish 1\ncrash\n",
        files=(
            ("/etc/kexeckit.load", load.encode()),
            (KERNEL, kernel),
            (INITRD, format_image(GuestImage(stage="second", files=padding))),
            (_PROGRAM, pyz_bytes()),
        ),
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("--padding", default="0", help="bytes that make the initramfs larger, like 40M")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--low", type=int, default=48, help="MiB that are not enough")
    parser.add_argument("--high", type=int, default=256, help="MiB that are enough")
    parser.add_argument("--step", type=int, default=2, help="precision in MiB")
    args = parser.parse_args(argv)
    need = Need(args.suite, parse_size(args.padding), args.cpus)
    found = smallest(lambda mib: works(need, mib), args.low, args.high, args.step)
    sys.stdout.write(f"{args.suite} +{args.padding} {args.cpus} CPUs: {found} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
