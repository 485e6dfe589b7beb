"""What tests on real kernels share: a reason to skip where there can be no guests, and kernels by suite."""

import shutil
from collections.abc import Callable

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.lab.packages import KernelPackage, fetch_busybox, fetch_kernel

Kernels = Callable[..., KernelPackage]


@pytest.fixture(scope="session", autouse=True)
def _lab() -> None:
    """Skips every lab test, with the reason, on a machine without QEMU or without packages."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU here: apt-get install qemu-system-x86")
    try:
        fetch_busybox()
        fetch_kernel("bookworm")
    except UnavailableError as error:
        pytest.skip(f"no guests here: {error}; {error.remedy}")


@pytest.fixture
def kernel() -> Kernels:
    """Finds a kernel by suite and architecture; skips the test where the mirror has none or the emulator is missing."""

    def find(suite: str, arch: str = "x86_64") -> KernelPackage:
        if arch == "arm64" and shutil.which("qemu-system-aarch64") is None:
            pytest.skip("no arm64 QEMU here: apt-get install qemu-system-arm")
        try:
            return fetch_kernel(suite, arch)
        except UnavailableError as error:
            pytest.skip(f"no {arch} kernel of {suite} here: {error}; {error.remedy}")

    return find
