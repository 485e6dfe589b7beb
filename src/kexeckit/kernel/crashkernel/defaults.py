"""What distributions reserve by default, to set an estimate against it; each table says where it comes from.

SLES has no table: its ``kdumptool calibrate`` computes a high and a low part on the machine itself, from constants that
a guest measured when its package was built.
"""

from dataclasses import dataclass

from kexeckit.memory.units import MIB, align_up


@dataclass(frozen=True, slots=True)
class DefaultTable:
    """What a distribution reserves by default.

    Attributes:
        name: Distribution and releases.
        arch: Architecture.
        spec: The value of crashkernel=.
        source: Where it stands.
    """

    name: str
    arch: str
    spec: str
    source: str


_KDUMP_UTILS = "kdump-utils, kdump-lib.sh"
_KDUMP_TOOLS = "kdump-tools, its GRUB drop-in"
_UBUNTU = "Ubuntu server documentation"
_MEMORY = "from memory, unchecked"
_PPC64LE = "2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G"

DEFAULT_TABLES = (
    DefaultTable("RHEL 8", "x86_64", "1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M", _MEMORY),
    DefaultTable("RHEL 9", "x86_64", "1G-4G:192M,4G-64G:256M,64G-:512M", _MEMORY),
    DefaultTable("RHEL 9", "arm64", "1G-4G:256M,4G-64G:320M,64G-:576M", _MEMORY),
    DefaultTable("RHEL 10, Fedora", "x86_64", "2G-64G:256M,64G-:512M", _KDUMP_UTILS),
    DefaultTable("RHEL 10, Fedora", "s390x", "2G-64G:256M,64G-:512M", _KDUMP_UTILS),
    DefaultTable("RHEL 10, Fedora, 4 KiB pages", "arm64", "2G-4G:256M,4G-64G:320M,64G-:576M", _KDUMP_UTILS),
    DefaultTable("RHEL 10, Fedora", "ppc64le", _PPC64LE, _KDUMP_UTILS),
    DefaultTable("Debian", "x86_64", "384M-:128M", _KDUMP_TOOLS),
    DefaultTable("Debian", "arm64", "384M-:128M", _KDUMP_TOOLS),
    DefaultTable("Ubuntu 24.10", "x86_64", "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M", _UBUNTU),
)


def defaults_for(arch: str, ram: int) -> list[tuple[DefaultTable, int]]:
    """Return what each distribution would reserve on a machine, with the table; RAM counts in whole 128 MiB, up."""
    from kexeckit.formats.crashkernel_spec import RangedSize, parse_crashkernel

    total = align_up(ram, 128 * MIB)
    out = []
    for table in DEFAULT_TABLES:
        spec = parse_crashkernel(table.spec)
        if table.arch == arch and isinstance(spec, RangedSize):
            out.append((table, spec.size_for(total)))
    return out
