"""Kernel versions as they are written: ``6.1.0-53-cloud-amd64``, ``5.14.0-503.el9.x86_64``, ``7.2``."""

import re
from dataclasses import dataclass

from kexeckit.errors import UsageError

_NUMBERS = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class KernelVersion:
    """A kernel release.

    Attributes:
        major: First number.
        minor: Second number.
        patch: Third number; 0 where it is absent. Distributions often print 0 for any stable release.
        release: The whole text, e.g. what ``uname -r`` prints.
    """

    major: int
    minor: int
    patch: int
    release: str

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Say whether this release is the given one or newer."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)

    def __str__(self) -> str:
        return self.release


def parse_kernel_version(text: str) -> KernelVersion:
    """Read a release as ``uname -r`` or a user writes it.

    Raises:
        UsageError: It does not begin with two numbers.
    """
    found = _NUMBERS.match(text.strip())
    if not found:
        raise UsageError(f"{text!r} is not a kernel version; expected one like 6.12 or 6.1.0-53-cloud-amd64")
    major, minor, patch = (int(n or 0) for n in found.groups())
    return KernelVersion(major, minor, patch, text.strip())
