"""Real kernels in QEMU: what predictions are held against.

Typical use: ``boot_and_report(Machine(fetch_kernel("bookworm").vmlinuz, memory=3 << 30)).text("iomem")``.
"""

from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine, NumaNode
from kexeckit.lab.packages import SUITES, KernelPackage, fetch_kernel
from kexeckit.lab.report import GuestReport, GuestRun, boot_and_report, run_guest

__all__ = [
    "SUITES",
    "GuestImage",
    "GuestReport",
    "GuestRun",
    "KernelPackage",
    "Machine",
    "NumaNode",
    "boot_and_report",
    "fetch_kernel",
    "run_guest",
]
