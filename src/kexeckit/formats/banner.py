"""The kernel's banner, ``Linux version ...``: the first line of a boot log and all of /proc/version.

Source: init/version.c, linux_banner; Debian's build appends the package version to the build number.
"""

import re

BANNER = re.compile(r"^Linux version (\S+)(.*)")
# The compiler's package version also reads "Debian x.y.z", so only what follows the build number counts.
_DEBIAN = re.compile(r"#\d.* Debian (\d+\.\d+\.\d+)-")


def release_of_banner(text: str) -> str:
    """Return the release that a kernel's rules follow from, or an empty text.

    Debian names its kernels after the ABI (5.10.0-11) and prints the stable release (5.10.92) only here; other kernels
    have no other release than the one that ``uname -r`` prints.
    """
    found = BANNER.match(text)
    if not found:
        return ""
    debian = _DEBIAN.search(found[2])
    return debian[1] if debian else found[1]
