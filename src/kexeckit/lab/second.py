"""Runs in which one kernel starts another: the panic into a capture kernel, and the plain kexec.

kexec and the jump after a panic do not reset the machine, so both kernels run in one QEMU and report over one channel;
the second one has an initramfs of ours, which lies in the first one's as a file.

    first initramfs                      memory of the guest                reports
    /init -> report, then the job        first kernel                       boot/...
    /boot/vmlinuz, /boot/initrd   --->   second kernel, its /init           capture/... or second/...
"""

from dataclasses import dataclass
from pathlib import Path

from kexeckit.lab.guest import Progress
from kexeckit.lab.image import GuestImage, format_image
from kexeckit.lab.machine import Machine
from kexeckit.lab.report import GuestRun, run_guest

__all__ = ["INITRD", "KERNEL", "SecondKernel", "run_second_kernel", "second_kernel_image"]

KERNEL = "/boot/vmlinuz"
"""Where a guest finds the second kernel."""

INITRD = "/boot/initrd"
"""Where a guest finds the second kernel's initramfs."""


@dataclass(frozen=True, slots=True)
class SecondKernel:
    """What a guest is to load and start.

    Attributes:
        load: Shell commands that load it from KERNEL and INITRD; a status other than 0 ends the run.
        start: Shell commands that start it: ``crash`` panics, ``exec`` commands come from the caller.
        kernel: Its image; None takes the machine's own kernel.
        read_vmcore: Have a capture kernel read all of /proc/vmcore.
    """

    load: str
    start: str = "crash"
    kernel: Path | None = None
    read_vmcore: bool = False


def second_kernel_image(
    machine: Machine, second: SecondKernel, *, python: bool = True, files: tuple[tuple[str, bytes | Path], ...] = ()
) -> GuestImage:
    """Compose the user space of a first kernel that will load and start a second one.

    Args:
        machine: The machine it is for.
        second: What to load and how to start it.
        python: Have ``python3`` in the first kernel's user space.
        files: (absolute path, content or host file) of more files there, e.g. the program that loads.
    """
    next_image = GuestImage(arch=machine.arch, stage="second", read_vmcore=second.read_vmcore)
    return GuestImage(
        arch=machine.arch,
        python=python,
        job=f"run load sh /etc/kexeckit.load || finish 1\n{second.start}\n",
        files=(
            ("/etc/kexeckit.load", second.load.encode()),
            (KERNEL, second.kernel or machine.kernel),
            (INITRD, format_image(next_image)),
            *files,
        ),
    )


def run_second_kernel(
    machine: Machine,
    second: SecondKernel,
    *,
    python: bool = True,
    files: tuple[tuple[str, bytes | Path], ...] = (),
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> GuestRun:
    """Boot a machine, load a second kernel in it, start that, and collect what both reported.

    Args:
        machine: The machine and its first kernel; ``append`` has the reservation (``crashkernel=…``).
        second: What to load and how to start it.
        python: As for second_kernel_image.
        files: As for second_kernel_image.
        timeout: Seconds for all of it.
        progress: Called with each console line.

    Returns:
        Report ``boot``, which also has ``load.out`` and ``load.status``, and then ``capture`` or
        ``second``. One that is missing did not happen: ``GuestRun.report`` says why.

    Raises:
        UnavailableError: QEMU is missing or refused the machine.
        InputError: The records make no sense.
    """
    image = second_kernel_image(machine, second, python=python, files=files)
    return run_guest(machine, image, timeout=timeout, progress=progress)
