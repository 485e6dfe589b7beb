"""How long does a boot to a report take? Run as ``python -m kexeckit.lab.dev.boottime``.

Prints wall seconds and CPU seconds of each boot: on a shared machine the second number is the one to compare.
"""

import argparse
import resource
import sys
import time

from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import ARCHES, SUITES, fetch_kernel
from kexeckit.lab.report import boot_and_report

__all__ = ["measure_boot"]


def measure_boot(machine: Machine) -> tuple[float, float, float]:
    """Boot a machine to its report.

    Returns:
        Wall seconds, CPU seconds of QEMU, and the guest's own clock when it reported.
    """
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    report = boot_and_report(machine)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, float(report.text("reported"))


def _main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m kexeckit.lab.dev.boottime", description=__doc__)
    parser.add_argument("--suite", action="append", help="Debian suite, repeatable (default: all under test)")
    parser.add_argument("--arch", choices=sorted(ARCHES), default="x86_64")
    parser.add_argument("--append", default="", help="more words for the kernel command line")
    parser.add_argument("--cpu-model", help="QEMU's -cpu")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB")
    parser.add_argument("--verbose", action="store_true", help="boot messages on the console")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    for suite in options.suite or SUITES:
        kernel = fetch_kernel(suite, options.arch)
        machine = Machine(
            kernel.vmlinuz,
            arch=options.arch,
            memory=options.memory << 20,
            append=options.append,
            cpu_model=options.cpu_model,
            quiet=not options.verbose,
        )
        runs = [measure_boot(machine) for _ in range(options.runs)]
        wall, used, uptime = (min(column) for column in zip(*runs, strict=True))
        sys.stdout.write(
            f"{suite:10} {kernel.release:32} wall {wall:5.2f} s  cpu {used:5.2f} s  guest {uptime:5.2f} s\n"
        )


if __name__ == "__main__":
    _main(sys.argv[1:])
