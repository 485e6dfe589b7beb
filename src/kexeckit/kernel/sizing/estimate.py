"""How much memory a capture kernel needs: a sum of parts, each with where its number comes from.

    least        = the largest of the moments below
    recommended  = least + page cache for the dump + swiotlb + LUKS + margin, up to whole 16 MiB

    moment       has to hold                                                                   bound by
    loading      kernel with room to unpack itself, archive, kexec's own segments and pages    size of the region
    starting     kernel with its init part, archive, files, what drivers take as they start    memory
    file-system  twice the files, besides kernel and archive                                   tmpfs takes half

What runs later needs no more than what starts: archive and init part are free again, and what drivers took for a while.

The file system that an initramfs is unpacked into is a tmpfs limited to half of the memory that is free of kernel,
struct pages and archive when it is mounted, early; what exceeds it is lost. With a large initramfs that is what binds.
`rootfstype=ramfs` or `root=` on the capture kernel's command line has no such limit.

The parts that no file shows (slabs, hash tables, early user space) are constants; docs/accuracy.md says how well they
are known.

Source: mm/shmem.c, shmem_default_max_blocks(); init/do_mounts.c, init_rootfs(); init/initramfs.c, populate_rootfs();
mm/sparse.c, sparse_init_nid(); fs/tracefs/event_inode.c.
"""

from collections.abc import Iterator

from kexeckit.formats.cmdline import values
from kexeckit.frozen import dataclass
from kexeckit.kernel.page_tables.geometry import FOUR_LEVELS, LEAF_1G, TableFormat
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_up

# Measured with Debian's cloud kernels, see docs/accuracy.md: what a kernel takes while its drivers start (first slabs,
# memory pools, reserves), of which a smaller part stays; what it has taken when the root file system is mounted.
_STARTING = 16 * MIB
_EARLY = 2 * MIB
# CPUs: the static part of their areas, and all that they have once they run.
_PER_CPU_EARLY = 264 * KIB
_PER_CPU = MIB
# Inodes and names of all trace events, where they are made at boot.
_TRACE_FILES = 7 * MIB
# The kernel as a share of its unpacked file, which has relocations, but no bss.
_IMAGE_SHARE = (80, 100)
# SPARSEMEM_VMEMMAP: each section of 128 MiB that has any RAM gets all of its struct pages, 64 bytes for 4 KiB.
_SECTION = 128 * MIB
_SECTION_PAGES = _SECTION // PAGE_SIZE * 64
# A region that is not aligned lies in one section more, and the first 640 KiB of RAM, always handed over, in another.
_MORE_SECTIONS = 2
# The direct mapping and that of the struct pages: leaves of 2 MiB, a table for each GiB, small leaves at the ends.
_PAGE_TABLES = 64 * KIB
# purgatory, boot_params with the command line, setup_data.
_SEGMENTS = 128 * KIB
# Where kexec_file_load leaves room for hotplug: 56 bytes each for 8192 CPUs (CONFIG_NR_CPUS_DEFAULT) and 8192 memory
# ranges (CONFIG_CRASH_MAX_MEMORY_RANGES); else for what there is, here 1024 CPUs and a few ranges.
_ELFCOREHDR_ROOM = 900 * KIB
_ELFCOREHDR = 60 * KIB
# A code page and a copy of vmcoreinfo's page, besides the tables.
_CONTROL = 2 * PAGE_SIZE
_BITMAP_SHARE = 4096 * 8 // 2
_BITMAP_MAX = 32 * MIB
_DUMP_CACHE = 32 * MIB
_MARGIN = (1, 10)


@dataclass(frozen=True, slots=True)
class CaptureSetup:
    """What is to run in the reservation.

    Attributes:
        unpacking: Bytes that the kernel needs from its load address on while it unpacks itself (init_size).
        kernel: Bytes of the kernel in memory, its init part included.
        initrd: Bytes of the initramfs as a file.
        unpacked: Bytes of the files in it, rounded up to pages each.
        cpus: CPUs that the capture kernel starts (nr_cpus=).
        ram: Bytes of RAM of the machine that is dumped.
        low: Bytes of swiotlb and DMA pools, where the reservation lies high and they are needed.
        luks: Bytes that opening an encrypted dump target takes (memory cost of its key derivation).
        trace_files: The kernel makes the files of its trace events at boot.
        hotplug_room: kexec_file_load leaves room in the elfcorehdr for what is plugged later.
        half: The initramfs goes to a tmpfs, which takes half of the memory; with rootfstype=ramfs it does not.
        assumed: What could not be read and was assumed, in words.
    """

    unpacking: int
    kernel: int
    initrd: int
    unpacked: int
    cpus: int = 1
    ram: int = 0
    low: int = 0
    luks: int = 0
    trace_files: bool = False
    hotplug_room: bool = True
    half: bool = True
    assumed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = (self.unpacking, self.kernel, self.initrd, self.unpacked, self.ram, self.low, self.luks)
        if min(sizes) < 0 or self.cpus < 1:
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
        moment: What needs `least`: ``loading``, ``starting`` or ``file-system``.
        assumed: What could not be read and was assumed, in words.
    """

    parts: tuple[Part, ...]
    least: int
    recommended: int
    moment: str
    assumed: tuple[str, ...] = ()


def kernel_size(unpacked: int) -> int:
    """Return about how much memory a kernel takes while it starts.

    Args:
        unpacked: Bytes of its unpacked file; a bzImage has them at the end of its payload.
    """
    share, of = _IMAGE_SHARE
    return unpacked * share // of


def in_tmpfs(words: str) -> bool:
    """Say whether the initramfs of a kernel with this command line goes to a tmpfs, else a ramfs without a limit.

    Args:
        words: Command line of the capture kernel.

    Source: init/do_mounts.c, init_rootfs(): a root= or another rootfstype= makes it a ramfs.
    """
    types = values(words, "rootfstype")
    return "tmpfs" in types[-1] if types else not any(values(words, "root"))


def estimate(setup: CaptureSetup) -> Estimate:
    """Estimate how much to reserve.

    Args:
        setup: What is to run.
    """
    moments = {name: _with_struct_pages(parts) for name, parts in _moments(setup)}
    moment = max(moments, key=lambda name: sum(p.size for p in moments[name]))
    fixed = moments[moment]
    least = sum(p.size for p in fixed)
    extra = [
        Part("bitmap", min(setup.ram // _BITMAP_SHARE, _BITMAP_MAX), "makedumpfile: 2 bits a page, at most", False),
        Part("page-cache", _DUMP_CACHE, "pages of the dump on their way to the disk", False),
        Part("low", setup.low, "swiotlb and DMA pools", False),
        Part("luks", setup.luks, "memory cost of the key derivation", False),
    ]  # fmt: skip
    need = least + sum(p.size for p in extra)
    recommended = align_up(need + need * _MARGIN[0] // _MARGIN[1], 16 * MIB)
    extra.append(Part("margin", recommended - need, "a tenth, up to whole 16 MiB", False))
    return Estimate(tuple(p for p in (*fixed, *extra) if p.size), least, recommended, moment, setup.assumed)


def _moments(setup: CaptureSetup) -> Iterator[tuple[str, list[Part]]]:
    kexec = list(_kexec_parts(setup))
    archive = Part("initrd", setup.initrd, "the archive, until it is unpacked")
    files = Part("initramfs", setup.unpacked, "its files in memory")
    kernel = Part("kernel", setup.kernel, "the kernel with its init part")
    trace = Part("trace-files", _TRACE_FILES * setup.trace_files, "a file for each trace event, before 6.6; measured")
    cpus = Part("per-cpu", setup.cpus * _PER_CPU, f"{setup.cpus} CPUs; measured")
    unpacking = Part("unpacking", setup.unpacking, "the kernel while it unpacks itself (init_size)")
    yield "loading", [unpacking, archive, *kexec]
    starting = Part("starting", _STARTING, "first slabs, pools and reserves of drivers; measured")
    yield "starting", [kernel, archive, files, cpus, starting, trace, *kexec]
    if setup.half:
        early = Part("early", _EARLY, "per-CPU area of the first CPU, hash tables; measured")
        areas = Part("per-cpu", setup.cpus * _PER_CPU_EARLY, f"areas of {setup.cpus} CPUs; measured")
        spare = Part("tmpfs-half", setup.unpacked, "the files' tmpfs takes half of the memory; a ramfs takes all")
        yield "file-system", [kernel, archive, files, spare, early, areas, *kexec]


def _kexec_parts(setup: CaptureSetup) -> Iterator[Part]:
    # What the first kernel and the loader take out of the region.
    ram = max(setup.ram, GIB)
    form = FOUR_LEVELS if ram <= FOUR_LEVELS.limit else TableFormat(5)
    tables = count_kernel_tables(RangeSet([MemRange(0, ram)]), (), LeafRule(LEAF_1G, only_full=True), form)
    if setup.hotplug_room:
        yield Part("elfcorehdr", _ELFCOREHDR_ROOM, "headers of the old memory; at most, by kexec_file_load since 6.6")
    else:
        yield Part("elfcorehdr", _ELFCOREHDR, "headers of the old memory; for up to 1024 CPUs")
    yield Part("segments", _SEGMENTS, "purgatory, boot_params, setup_data")
    yield Part("kexec-pages", tables.size + _CONTROL, "identity page tables (1 GiB leaves), control pages")


def _with_struct_pages(parts: list[Part]) -> list[Part]:
    # They lie in the region, whose size decides how many there are: grow until it is enough.
    if parts[0].name == "unpacking":
        return parts
    base = sum(p.size for p in parts) + _PAGE_TABLES
    sections = 1
    while align_up(base + (sections + _MORE_SECTIONS) * _SECTION_PAGES, _SECTION) // _SECTION > sections:
        sections += 1
    size = (sections + _MORE_SECTIONS) * _SECTION_PAGES
    return [
        *parts,
        Part("struct-pages", size, "2 MiB for each section of 128 MiB that has memory"),
        Part("page-tables", _PAGE_TABLES, "of the direct mapping"),
    ]
