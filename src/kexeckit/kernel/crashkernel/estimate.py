"""How much memory a capture kernel needs: a sum of parts, each with where its number comes from.

    least        = what the kernel, its initramfs and their bookkeeping take at the worst moment of boot
    recommended  = least + page cache for the dump + LUKS + margin, up to whole 16 MiB

The worst moment is the unpacking of the initramfs: the archive as it was loaded and the files made from it are both
there, next to the running kernel. Before, while the kernel unpacks itself, it needs more for itself, but less besides.
The parts that no file shows (slabs, hash tables, early user space) are constants; docs/accuracy.md says how well they
are known.
"""

from dataclasses import dataclass

from kexeckit.memory.units import KIB, MIB, align_up

_STRUCT_PAGE, _PAGE = 64, 4096
# Measured with Debian's cloud kernels, see docs/accuracy.md.
_RUNTIME = 11 * MIB
_PER_CPU = 2 * MIB
_USER = 4 * MIB
# A bzImage's init_size holds the running kernel and, for a moment, most of the compressed one behind it.
_COMPRESSED_SHARE = (85, 100)
_ELFCOREHDR = 900 * KIB
_BITMAP_SHARE = 4096 * 8 // 2
_BITMAP_MAX = 32 * MIB
_DUMP_CACHE = 32 * MIB
_MARGIN = (1, 10)


@dataclass(frozen=True, slots=True)
class CaptureSetup:
    """What is to run in the reservation.

    Attributes:
        unpacking: Bytes that the kernel needs from its load address on while it unpacks itself (init_size).
        kernel: Bytes of the kernel once it runs.
        initrd: Bytes of the initramfs as a file.
        unpacked: Bytes of the files in it, rounded up to pages each.
        cpus: CPUs that the capture kernel starts (nr_cpus=).
        ram: Bytes of RAM of the machine that is dumped.
        low: Bytes of swiotlb and DMA pools, where the reservation lies high and they are needed.
        luks: Bytes that opening an encrypted dump target takes (memory cost of its key derivation).
    """

    unpacking: int
    kernel: int
    initrd: int
    unpacked: int
    cpus: int = 1
    ram: int = 0
    low: int = 0
    luks: int = 0

    def __post_init__(self) -> None:
        if (
            min(self.unpacking, self.kernel, self.initrd, self.unpacked, self.ram, self.low, self.luks) < 0
            or self.cpus < 1
        ):
            raise ValueError(f"sizes are not negative, and there is a CPU: {self}")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the sum.

    Attributes:
        name: Short name, stable, used in JSON.
        size: Bytes.
        why: Where the number comes from.
        least: It belongs to `least` already.
    """

    name: str
    size: int
    why: str
    least: bool = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """The sum.

    Attributes:
        parts: They add up to `recommended`.
        least: Bytes without which the capture kernel does not come up.
        recommended: Bytes to reserve.
    """

    parts: tuple[Part, ...]
    least: int
    recommended: int


def running_size(init_size: int, compressed: int) -> int:
    """Return about how much of a bzImage's init_size the running kernel keeps.

    Args:
        init_size: From the file's header.
        compressed: Bytes of its compressed part.
    """
    return max(init_size - compressed * _COMPRESSED_SHARE[0] // _COMPRESSED_SHARE[1], 0)


def estimate(setup: CaptureSetup) -> Estimate:
    """Estimate how much to reserve.

    Args:
        setup: What is to run.
    """
    fixed = [
        Part("kernel", setup.kernel, "the running kernel"),
        Part("initrd", setup.initrd, "the archive, until it is unpacked"),
        Part("initramfs", setup.unpacked, "its files in memory"),
        Part("per-cpu", setup.cpus * _PER_CPU, f"{setup.cpus} CPUs, measured"),
        Part("runtime", _RUNTIME, "slabs, hash tables, drivers; measured"),
        Part("user-space", _USER, "the first programs; measured"),
        Part("elfcorehdr", _ELFCOREHDR, "headers of the old memory, with room for hotplug"),
        Part("low-1m", MIB, "the first MiB is not used"),
    ]
    early = setup.unpacking + setup.initrd + _ELFCOREHDR + MIB
    base = sum(p.size for p in fixed)
    if early > base:
        fixed.append(Part("unpacking", early - base, "what the kernel needs more while it unpacks itself"))
        base = early
    # Every page of the reservation has its struct page, and they lie in the reservation too: r = base + r/64 + r/512.
    whole = base * 512 // (512 - 8 - 1)
    fixed.append(Part("struct-pages", whole * _STRUCT_PAGE // _PAGE, "64 bytes for each page of the reservation"))
    fixed.append(Part("page-tables", whole - base - fixed[-1].size, "8 bytes for each page of the reservation"))
    extra = [
        Part("bitmap", min(setup.ram // _BITMAP_SHARE, _BITMAP_MAX), "makedumpfile: 2 bits a page, at most", False),
        Part("page-cache", _DUMP_CACHE, "pages of the dump on their way to the disk", False),
        Part("low", setup.low, "swiotlb and DMA pools", False),
        Part("luks", setup.luks, "memory cost of the key derivation", False),
    ]  # fmt: skip
    need = whole + sum(p.size for p in extra)
    recommended = align_up(need + need * _MARGIN[0] // _MARGIN[1], 16 * MIB)
    extra.append(Part("margin", recommended - need, "a tenth, up to whole 16 MiB", False))
    parts = tuple(p for p in (*fixed, *extra) if p.size)
    return Estimate(parts, whole, recommended)


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


DEFAULT_TABLES = (
    DefaultTable("RHEL 8", "x86_64", "1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M", "kernel, crashkernel=auto"),
    DefaultTable("RHEL 9", "x86_64", "1G-4G:192M,4G-64G:256M,64G-:512M", "kdumpctl get-default-crashkernel"),
    DefaultTable("RHEL 10, Fedora", "x86_64", "2G-64G:256M,64G-:512M", "kdump-utils, kdump-lib.sh"),
    DefaultTable("RHEL 9", "arm64", "1G-4G:256M,4G-64G:320M,64G-:576M", "kdumpctl get-default-crashkernel"),
    DefaultTable("RHEL 10, Fedora", "arm64", "2G-4G:256M,4G-64G:320M,64G-:576M", "kdump-utils, kdump-lib.sh"),
    DefaultTable("Debian", "x86_64", "384M-:128M", "kdump-tools, kdump-tools.grub.cfg"),
    DefaultTable("Debian", "arm64", "384M-:128M", "kdump-tools, kdump-tools.grub.cfg"),
    DefaultTable(
        "Ubuntu 24.10", "x86_64", "2G-4G:320M,4G-32G:512M,32G-64G:1024M,64G-128G:2048M,128G-:4096M", "kdump-tools"
    ),
)
# SLES has no table: its kdumptool calibrate computes a high and a low part for the machine it runs on.


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
