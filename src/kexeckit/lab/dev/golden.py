"""Make the project's golden captures: boot the machines below, run `kexeckit capture` in each, keep the folder.

Run as ``python -m kexeckit.lab.dev.golden FOLDER [NAME ...]``; each machine becomes ``FOLDER/NAME``. A capture is
text and a few small binary files, of guests that are made here and nowhere else.
"""

import io
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from kexeckit.errors import KexeckitError
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import EFI_FIRMWARE, Machine, NumaNode
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import run_guest
from kexeckit.memory.units import GIB, MIB

__all__ = ["MACHINES", "make_capture"]

_PYZ = "/usr/bin/kexeckit.pyz"
_JOB = f"""
run capture python3 {_PYZ} capture /tmp/capture || finish 1
tar -C /tmp/capture -cf /tmp/capture.tar . && emit capture.tar /tmp/capture.tar
"""


def _kernel(suite: str) -> Path:
    return fetch_kernel(suite, "x86_64").vmlinuz


MACHINES: dict[str, Callable[[], Machine]] = {
    "bios-1g-6.1": lambda: Machine(kernel=_kernel("bookworm"), memory=GIB, append="crashkernel=256M"),
    "efi-1g-6.12": lambda: Machine(kernel=_kernel("trixie"), memory=GIB, append="crashkernel=256M", extra=EFI_FIRMWARE),
    "efi-1g-5.10": lambda: Machine(
        kernel=_kernel("bullseye"), memory=GIB, append="crashkernel=256M", extra=EFI_FIRMWARE
    ),
    "numa-6g-newest": lambda: Machine(
        kernel=_kernel("sid"),
        nodes=(NumaNode(3 * GIB, 1), NumaNode(2 * GIB, 1), NumaNode(GIB)),
        append="crashkernel=512M,high crashkernel=128M,low movable_node",
    ),
    "no-reservation-5.10": lambda: Machine(kernel=_kernel("bullseye"), memory=768 * MIB, cpus=2),
}


def make_capture(name: str, folder: Path) -> Path:
    """Boot one of `MACHINES` and keep its capture.

    Args:
        name: Which.
        folder: Where the capture's folder goes; one of the same name is replaced.

    Returns:
        The capture's folder.

    Raises:
        KexeckitError: The guest could not be booted, or the capture failed in it.
    """
    image = GuestImage(python=True, job=_JOB, files=((_PYZ, pyz_bytes()),))
    report = run_guest(MACHINES[name](), image, timeout=240).report("boot")
    if report.number("capture.status"):
        raise KexeckitError(f"{name}: {report.text('capture.out')}")
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(report.data("capture.tar"))) as archive:
        # Debian 12's Python 3.11.2 does not know filters yet; set like this, it does not mind.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(target)  # noqa: S202 -- our own guest made it
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


if __name__ == "__main__":
    for chosen in sys.argv[2:] or MACHINES:
        make_capture(chosen, Path(sys.argv[1]))
