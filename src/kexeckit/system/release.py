"""Which kernel and which architecture a root is of."""

import os

from kexeckit.formats.banner import release_of_banner
from kexeckit.system.sysroot import Sysroot

_BANNER = "/proc/version"


def read_arch(root: Sysroot) -> str:
    """Return the machine name as ``uname -m`` prints it; x86_64 where only an x86 boot_params page tells."""
    if root.live:
        return os.uname().machine
    if root.exists("/proc/sys/kernel/arch"):
        return root.read_text("/proc/sys/kernel/arch").strip()
    arm64 = root.exists("/sys/firmware/fdt") and not root.exists("/sys/kernel/boot_params/data")
    return "aarch64" if arm64 else "x86_64"


def read_release(root: Sysroot) -> str:
    """Return the release as ``uname -r`` prints it, or an empty text where the source does not say."""
    if root.live:
        return os.uname().release
    for name, word in (("/proc/sys/kernel/osrelease", 0), (_BANNER, 2)):
        if root.exists(name):
            words = root.read_text(name).split()
            if len(words) > word:
                return words[word]
    return ""


def stable_release(root: Sysroot) -> str:
    """Return the release that a kernel's rules follow from, or an empty text: see `release_of_banner`."""
    banner = root.read_text(_BANNER) if root.exists(_BANNER) else ""
    return release_of_banner(banner) or read_release(root)
