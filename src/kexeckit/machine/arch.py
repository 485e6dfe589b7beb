"""The one table of architecture names: what ``uname -m`` and distributions call what the kernel's tree calls so.

Source: arch/ of the kernel's tree; include/linux/compile.h UTS_MACHINE; names of Debian's and Red Hat's ports.
"""

from kexeckit.errors import UsageError

X86 = ("x86_64", "i386")
# Those whose rules are known in part at least.
KNOWN = ("x86_64", "i386", "arm64", "riscv64", "ppc64", "s390x", "loongarch64")
_ALIASES = {
    "aarch64": "arm64",
    "amd64": "x86_64",
    "x86-64": "x86_64",
    "x64": "x86_64",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "x86": "i386",
    "ppc64le": "ppc64",
    "ppc64el": "ppc64",
    "powerpc64": "ppc64",
    "riscv": "riscv64",
    "s390": "s390x",
    "loong64": "loongarch64",
    "loongarch": "loongarch64",
}


def kernel_arch(name: str) -> str:
    """Return the kernel's name of an architecture; a name that is not known here is returned as it is."""
    lowered = name.strip().lower()
    return _ALIASES.get(lowered, lowered)


def stated_arch(name: str) -> str:
    """Return the kernel's name of an architecture that a user typed.

    Raises:
        UsageError: Nobody calls an architecture so.
    """
    found = kernel_arch(name)
    if found not in KNOWN:
        known = ", ".join(sorted({*KNOWN, *_ALIASES}))
        raise UsageError(f"{name!r} is no architecture; expected one of {known}")
    return found
