"""What distributions reserve by default, to set an estimate against it; each says where it comes from."""

from kexeckit.formats.memparse import parse_memory
from kexeckit.frozen import dataclass
from kexeckit.memory.units import MIB, align_up


@dataclass(frozen=True, slots=True)
class DefaultTable:
    """What a distribution reserves by default, by the RAM of the machine.

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


@dataclass(frozen=True, slots=True)
class ComputedDefault:
    """A default that a program of the distribution computes on the machine; RAM alone does not give it.

    Attributes:
        name: Distribution and releases.
        arches: Architectures.
        rule: What goes into it.
        source: Where the rule stands.
    """

    name: str
    arches: tuple[str, ...]
    rule: str
    source: str


_EARLY_8, _MIDDLE_8, _LATE_8 = (
    f"crashkernel=auto, kernel/crash_core.c __parse_crashkernel() of {builds}"
    for builds in ("4.18.0-80 and -147", "4.18.0-240 to -425", "4.18.0-477 to -553")
)
_AUTO = "crashkernel=auto, kernel/crash_core.c __parse_crashkernel()"
_RHEL9 = "kexec-tools, kdump-lib.sh kdump_get_arch_recommend_crashkernel(), 2021-11 to 2025-03"
_RHEL9_4K = "kexec-tools, kdump-lib.sh kdump_get_arch_recommend_crashkernel(), 2022-06 to 2025-03"
_RHEL9_64K = "the same from 2023-06; 100 MiB more than with 4 KiB pages, more yet with an SMMU or mlx5"
_KDUMP_UTILS = "kdump-utils, kdump-lib.sh kdump_get_arch_recommend_crashkernel()"
_PER_CPU = f"{_KDUMP_UTILS}; 1 MiB more for each CPU of nr_cpus="
_MORE = f"{_KDUMP_UTILS}; more with an SMMU or mlx5"
_KDUMP_TOOLS = "kdump-tools, /etc/default/grub.d/kdump-tools.cfg"
_UBUNTU = "Ubuntu Server documentation, Kernel crash dump"
_UBUNTU_OLD = "kdump-tools, /etc/default/grub.d/kdump-tools.cfg, as command lines of its kernels 4.15 and 5.15 show it"
_UBUNTU_SPEC = "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M"
_POWER = "2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G"
_POWER_9 = "RHEL 8.0 to 10, Fedora, without fadump"
_DEBIAN = ("x86_64", "arm64")

DEFAULT_TABLES = (
    DefaultTable("RHEL 8.0, 8.1", "x86_64", "1G-64G:160M,64G-1T:256M,1T-:512M", _EARLY_8),
    DefaultTable("RHEL 8.3 to 8.7", "x86_64", "1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M", _MIDDLE_8),
    DefaultTable("RHEL 8.8 to 8.10", "x86_64", "1G-4G:192M,4G-64G:256M,64G-:512M", _LATE_8),
    DefaultTable("RHEL 9", "x86_64", "1G-4G:192M,4G-64G:256M,64G-:512M", _RHEL9),
    DefaultTable("RHEL 10, Fedora", "x86_64", "2G-64G:256M,64G-:512M", _KDUMP_UTILS),
    DefaultTable("RHEL 8.0", "arm64", "2G-:512M", f"{_AUTO} of 4.18.0-80"),
    DefaultTable("RHEL 8.1 to 8.7", "arm64", "2G-:448M", f"{_AUTO} of 4.18.0-147 to -425"),
    DefaultTable("RHEL 8.8 to 8.10", "arm64", "2G-:480M", _LATE_8),
    DefaultTable("RHEL 9, 4 KiB pages", "arm64", "1G-4G:256M,4G-64G:320M,64G-:576M", _RHEL9_4K),
    DefaultTable("RHEL 9, 64 KiB pages", "arm64", "1G-4G:356M,4G-64G:420M,64G-:676M", _RHEL9_64K),
    DefaultTable("RHEL 10, Fedora, 4 KiB pages", "arm64", "2G-4G:256M,4G-64G:320M,64G-:576M", _KDUMP_UTILS),
    DefaultTable("RHEL 10, 64 KiB pages", "arm64", "2G-4G:356M,4G-64G:420M,64G-:676M", _MORE),
    DefaultTable("RHEL 8.0, 8.1", "s390x", "4G-64G:160M,64G-1T:256M,1T-:512M", _EARLY_8),
    DefaultTable("RHEL 8.3 to 8.7", "s390x", "1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M", _MIDDLE_8),
    DefaultTable("RHEL 8.8 to 8.10", "s390x", "1G-4G:192M,4G-64G:256M,64G-:512M", _LATE_8),
    DefaultTable("RHEL 9", "s390x", "1G-4G:192M,4G-64G:256M,64G-:512M", _RHEL9),
    DefaultTable("RHEL 10, Fedora", "s390x", "2G-64G:256M,64G-:512M", _KDUMP_UTILS),
    DefaultTable(_POWER_9, "ppc64", _POWER, _PER_CPU),
    *(DefaultTable("Debian 11, 12", arch, "384M-:128M", f"{_KDUMP_TOOLS} of 1.6.8 and 1.8.1") for arch in _DEBIAN),
    *(DefaultTable("Debian 13", arch, "512M-:192M", f"{_KDUMP_TOOLS} of 1.10.7") for arch in _DEBIAN),
    DefaultTable("Ubuntu 18.04 to 22.04", "x86_64", "512M-:192M", _UBUNTU_OLD),
    DefaultTable("Ubuntu 24.10 on", "x86_64", _UBUNTU_SPEC, _UBUNTU),
)  # fmt: skip

COMPUTED_DEFAULTS = (
    ComputedDefault(
        "SLES 12, 15",
        ("x86_64", "arm64", "ppc64", "s390x"),
        "kdumptool calibrate adds up what a capture kernel took when the package was built (calibrate.conf), a part "
        "for each CPU, the frame buffers twice, ACPI slabs, LUKS, 1/16384 of RAM (32 MiB at most), room for dirty "
        "pages; then 30 % and 64 MiB more. On x86_64 it asks for that ,high, with 72 MiB of it ,low where it lies "
        "above 4 GiB",
        "openSUSE kdump 2.1, kdumptool/calibrate.cc",
    ),
)


def defaults_for(arch: str, ram: int) -> list[tuple[DefaultTable, int]]:
    """Return what each distribution would reserve on a machine, with the table; RAM counts in whole 128 MiB, up."""
    total = align_up(ram, 128 * MIB)
    return [(table, _size_in(table.spec, total)) for table in DEFAULT_TABLES if table.arch == arch]


def _size_in(spec: str, total: int) -> int:
    # The first range that holds `total` decides; our own tables are of that form, so nothing else is looked for.
    for rule in spec.removeprefix("crashkernel=").split(","):
        where, size = rule.split(":")
        start, end = where.split("-")
        if parse_memory(start)[0] <= total and (not end or total < parse_memory(end)[0]):
            return parse_memory(size)[0]
    return 0


def computed_defaults(arch: str) -> list[ComputedDefault]:
    """Return the defaults for an architecture that only the machine itself can compute."""
    return [c for c in COMPUTED_DEFAULTS if arch in c.arches]
