"""Kernel versions as they are written: ``6.1.0-53-cloud-amd64``, ``5.14.0-503.el9.x86_64``, ``7.2``."""

import re
from dataclasses import replace

from kexeckit.errors import UsageError
from kexeckit.frozen import dataclass

NEWEST = "7.2"
"""Where nothing names a version, this release is assumed, and the answer says so."""

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

    def at_least(self, major: int, minor: int, patch: int) -> bool:
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


@dataclass(frozen=True, slots=True)
class Release:
    """The two texts in which a kernel says its release: one tells the numbers, the other the distribution.

    Debian's 5.10 prints ``5.10.0-32-arm64`` for ``uname -r``, and 5.10.223 only in its banner. Other kernels have one
    text for both.

    Attributes:
        uname: What ``uname -r`` prints, or a user types; the marks of a distribution (``.el9``) stand there.
        stable: The stable release where the source shows one of its own, else empty.
    """

    uname: str
    stable: str = ""

    @property
    def version(self) -> KernelVersion:
        """The version: numbers of the stable release, text of ``uname -r``.

        linux-next of 5.10 counts as 5.11, because it holds what 5.11 will be.

        Raises:
            UsageError: Neither text begins with two numbers.
        """
        numbers = parse_kernel_version(self.stable or self.uname)
        text = self.uname.strip() or numbers.release
        return replace(numbers, release=text, minor=numbers.minor + ("-next-" in text))

    def __str__(self) -> str:
        return self.uname or self.stable
