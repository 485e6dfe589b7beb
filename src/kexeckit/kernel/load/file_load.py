"""kexec_file_load on x86_64: where the running kernel will put each buffer of a bzImage.

Rules of this file:
    1. Buffers are placed one after the other in the loader's order; each is searched with what is placed already.
    2. A choice that the kernel makes at random or from state that no file shows is `None` with its reason, and
       everything that depends on it is too.
    3. A refusal is raised with the kernel's own errno.

Crash images stay inside the main crash region, normal ones anywhere in System RAM:

    crash region  |elfcorehdr|-> ...            ... <-| initrd | kernel | boot_params | purgatory |

Source: arch/x86/kernel/kexec-bzimage64.c, bzImage64_load(); arch/x86/kernel/crash.c, crash_load_segments();
kernel/kexec_file.c, kexec_add_buffer() and kexec_locate_mem_hole().
"""

import errno
from collections.abc import Sequence
from dataclasses import replace

from kexeckit.errors import SystemCallError
from kexeckit.frozen import dataclass
from kexeckit.kernel.load.crash_ranges import (
    ELF64_EHDR_SIZE,
    ELF64_PHDR_SIZE,
    LOW_MEMORY,
    dumped_ranges,
    elfcorehdr_size,
)
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles, FileLoadKernel, FileLoadMachine, X86Image
from kexeckit.kernel.load.hole_search import BufferNeed, HoleSearch, PassedOver, find_hole
from kexeckit.kernel.load.resource_walk import CrashRegions, crash_regions_of, is_driver_managed, system_ram
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, PAGE_SIZE, align_up

SYSCALL = "kexec_file_load"
PURGATORY_MIN = 0x3000  # MIN_PURGATORY_ADDR
BOOT_PARAMS_MIN = 0x3000  # MIN_BOOTPARAM_ADDR
KERNEL_MIN = MIB  # MIN_KERNEL_LOAD_ADDR
INITRD_MIN = 16 * MIB  # MIN_INITRD_LOAD_ADDR
ELFCOREHDR_WORD = 30  # MAX_ELFCOREHDR_STR_LEN: "elfcorehdr=0x" + 16 digits + a blank, counted for normal images too
PN_XNUM = 0xFFFF
BOOT_PARAMS_SIZE = 4096
SETUP_DATA = 16  # struct setup_data
EFI_SETUP_DATA = 96  # struct efi_setup_data: 4 addresses and 8 reserved words
RNG_SEED = 32
IMA_SETUP_DATA = 16
KHO_DATA = 32
ENTRY_64 = 0x200  # the 64-bit entry point lies here in the protected-mode part


@dataclass(frozen=True, slots=True)
class PlacedBuffer:
    """One buffer and where it goes.

    Attributes:
        name: ``elfcorehdr``, ``purgatory``, ``boot_params``, ``kernel``, ``initrd``, ``dtb``.
        start: First byte, or None where it is not determined.
        bufsz: Bytes of content.
        memsz: Bytes of memory, whole pages.
        align: Bytes.
        min: Lowest start allowed.
        max: Highest last byte allowed, inclusive.
        top_down: Direction of the search.
        inside: The range that took it, or None.
        passed_over: Ranges tried before, in the kernel's order.
        reason: Why there, or why it is not determined, in one sentence.
    """

    name: str
    start: int | None
    bufsz: int
    memsz: int
    align: int
    min: int
    max: int
    top_down: bool
    inside: MemRange | None
    passed_over: tuple[PassedOver, ...]
    reason: str

    @property
    def range(self) -> MemRange | None:
        """The memory that it takes, or None where it is not determined."""
        return None if self.start is None else MemRange.from_size(self.start, self.memsz)


@dataclass(frozen=True, slots=True)
class FileLoadPlan:
    """What kexec_file_load will do.

    Attributes:
        crash: Whether it is a capture kernel.
        buffers: In the order of the kernel's segments.
        entry: Where the new kernel is entered, or None where it is not determined.
        cmdline: What the new kernel gets as command line, or None where it is not determined.
        dumped: Ranges that get a PT_LOAD; empty for a normal image.
        elf_headers_hole: Bytes from the elfcorehdr's start that the capture kernel's map leaves out; 0 for a
            normal image.
        not_determined: Each thing that cannot be told, and why.
    """

    crash: bool
    buffers: tuple[PlacedBuffer, ...]
    entry: int | None
    cmdline: str | None
    dumped: tuple[MemRange, ...] = ()
    elf_headers_hole: int = 0
    not_determined: tuple[str, ...] = ()

    def buffer(self, name: str) -> PlacedBuffer | None:
        """Return the buffer of this name, or None."""
        return next((b for b in self.buffers if b.name == name), None)


def predict_file_load(
    machine: FileLoadMachine, kernel: FileLoadKernel, image: X86Image, files: FileLoadFiles
) -> FileLoadPlan:
    """Predict where the running x86_64 kernel puts each buffer of a bzImage.

    Args:
        machine: Its memory.
        kernel: The running kernel.
        image: The kernel file to be loaded.
        files: What goes with it.

    Returns:
        The buffers in the order of the kernel's segments.

    Raises:
        SystemCallError: The kernel would refuse; carries its errno.
    """
    _check_image(image, files)
    regions = crash_regions_of(machine.resources)
    ranges = _walked(machine, kernel, regions, files)
    dumped = _dumped(machine, kernel, regions) if files.crash else ()
    unknown = _undetermined(kernel, files)
    placed: list[PlacedBuffer] = []
    for need in _needs(kernel, image, files, len(dumped)):
        random = unknown and need.name != "elfcorehdr"
        placed.append(undetermined_buffer(need, unknown) if random else place_buffer(need, ranges, placed, kernel))
    return _result(tuple(placed), kernel, files, dumped, unknown)


def _check_image(image: X86Image, files: FileLoadFiles) -> None:
    # The loader's own checks, in its order, before anything is placed.
    if image.file_size < image.setup_size:
        raise refused(errno.ENOEXEC, "bzImage truncated")
    if files.cmdline_length > image.cmdline_size:
        raise refused(errno.EINVAL, f"command line of {files.cmdline_length} bytes, limit {image.cmdline_size}")
    if files.cmdline_length + ELFCOREHDR_WORD > image.cmdline_size:
        word = f"elfcorehdr= ({ELFCOREHDR_WORD} bytes, asked of normal images too)"
        raise refused(
            errno.EINVAL,
            f"command line of {files.cmdline_length} bytes leaves no room for {word}, limit {image.cmdline_size}",
        )


def refused(number: int, cause: str) -> SystemCallError:
    """Make the error for a refusal by the kernel's loader."""
    return SystemCallError(SYSCALL, number, f"{errno.errorcode[number]}: {cause}")


def _walked(
    machine: FileLoadMachine, kernel: FileLoadKernel, regions: CrashRegions, files: FileLoadFiles
) -> tuple[MemRange, ...]:
    # kexec_walk_resources(): one crash region, or System RAM from the bottom (before 6.8) or the top.
    if files.crash:
        return (regions.main,) if regions.main else ()
    usable = tuple(r.range for r in system_ram(machine.resources) if not is_driver_managed(r.name))
    return usable[::-1] if kernel.behaviour.file_load_descending else usable


def _dumped(machine: FileLoadMachine, kernel: FileLoadKernel, regions: CrashRegions) -> tuple[MemRange, ...]:
    ram = [r.range for r in system_ram(machine.resources)]
    return dumped_ranges(ram, (LOW_MEMORY, regions.main, regions.low, *machine.crash_cma), kernel.behaviour)


def _undetermined(kernel: FileLoadKernel, files: FileLoadFiles) -> str:
    # Choices made at random or from state that no file shows.
    if files.crash and kernel.dm_crypt_keys:
        return "dm-crypt keys are placed at random inside the crash region, and later buffers keep clear of them"
    if not files.crash and kernel.kho_active and kernel.behaviour.file_load_kho:
        return "with KHO a normal image goes to scratch areas that no file shows"
    if not files.crash and kernel.cma and kernel.behaviour.file_load_cma:
        return "this kernel first asks its CMA area for each buffer, and which pages are free there is not shown"
    return ""


def elfcorehdr_need(kernel: FileLoadKernel, load_ranges: int) -> BufferNeed:
    """Return the x86 elfcorehdr buffer; its memsz is not yet rounded to pages.

    With crash hotplug the segment has room for every CPU and memory range that could ever be there, plus headers for
    the kernel text and vmcoreinfo, unless that is more than an ELF file can count.

    Source: arch/x86/kernel/crash.c, crash_load_segments().
    """
    bufsz = memsz = elfcorehdr_size(kernel.possible_cpus, load_ranges)
    if kernel.crash_hotplug and kernel.behaviour.elfcorehdr_hotplug_room:
        headers = 2 + kernel.nr_cpus + (kernel.max_memory_ranges if kernel.memory_hotplug else load_ranges)
        if headers < PN_XNUM:
            memsz = headers * ELF64_PHDR_SIZE + ELF64_EHDR_SIZE
    return BufferNeed("elfcorehdr", bufsz, memsz, PAGE_SIZE, top_down=False)


def boot_params_size(kernel: FileLoadKernel, cmdline_length: int) -> int:
    """Return the bytes of the boot_params buffer: zero page, command line, EFI map and setup_data.

    Args:
        kernel: The running kernel.
        cmdline_length: Bytes with the NUL.

    Source: arch/x86/kernel/kexec-bzimage64.c, bzImage64_load().
    """
    size = align_up(BOOT_PARAMS_SIZE + cmdline_length + ELFCOREHDR_WORD, 16) + align_up(kernel.efi_runtime_map, 16)
    size += SETUP_DATA + EFI_SETUP_DATA
    if kernel.behaviour.file_load_rng_seed:
        size += SETUP_DATA + RNG_SEED
        size += SETUP_DATA + IMA_SETUP_DATA if kernel.ima_kexec else 0
    size += SETUP_DATA + kernel.dtb_size if kernel.dtb_size else 0
    size += SETUP_DATA + KHO_DATA if kernel.kho_config and kernel.behaviour.file_load_kho else 0
    return size


def _needs(kernel: FileLoadKernel, image: X86Image, files: FileLoadFiles, load_ranges: int) -> list[BufferNeed]:
    # The loader's order. A purgatory's bss makes memsz larger than bufsz; so does init_size for the kernel.
    out = [elfcorehdr_need(kernel, load_ranges)] if files.crash else []
    purgatory = kernel.purgatory
    out.append(BufferNeed("purgatory", purgatory.bufsz, purgatory.memsz, purgatory.align, PURGATORY_MIN))
    size = boot_params_size(kernel, files.cmdline_length)
    out.append(BufferNeed("boot_params", size, size, 16, BOOT_PARAMS_MIN))
    lowest = max(KERNEL_MIN, image.pref_address) if kernel.behaviour.kernel_min_pref_address else KERNEL_MIN
    content = image.file_size - image.setup_size
    out.append(BufferNeed("kernel", content, image.init_size, image.kernel_alignment, lowest))
    if files.initrd_size is not None:
        out.append(BufferNeed("initrd", files.initrd_size, files.initrd_size, PAGE_SIZE, INITRD_MIN))
    return out


def place_buffer(
    need: BufferNeed, ranges: Sequence[MemRange], placed: Sequence[PlacedBuffer], kernel: FileLoadKernel
) -> PlacedBuffer:
    """Place one buffer as kexec_add_buffer() does.

    Raises:
        SystemCallError: EADDRNOTAVAIL, no range has a hole.
    """
    taken = [b.range for b in placed if b.range]
    found = find_hole(ranges, need, taken, whole_range=kernel.behaviour.file_load_whole_range)
    if found.start is None:
        raise refused(errno.EADDRNOTAVAIL, _no_hole(need, found))
    where = "highest" if need.top_down else "lowest"
    reason = f"{where} free {need.page_align:#x}-aligned hole of {need.pages_size:#x} bytes in {found.inside}"
    if need.min:
        reason += f", at or above {need.min:#x}"
    placed_here = undetermined_buffer(need, reason)
    return replace(placed_here, start=found.start, inside=found.inside, passed_over=found.passed_over)


def _no_hole(need: BufferNeed, found: HoleSearch) -> str:
    if not found.passed_over:
        return f"{need.name}: there is no memory to search (no crash region, or no System RAM)"
    tried = "; ".join(f"{p.range} {p.why}" for p in found.passed_over)
    return f"{need.name}: no hole of {need.pages_size:#x} bytes aligned to {need.page_align:#x}: {tried}"


def undetermined_buffer(need: BufferNeed, why: str) -> PlacedBuffer:
    """Return the buffer without an address, and why it has none."""
    return PlacedBuffer(
        need.name, None, need.bufsz, need.pages_size, need.page_align, need.min, need.max, need.top_down, None, (), why
    )


def _result(
    placed: tuple[PlacedBuffer, ...],
    kernel: FileLoadKernel,
    files: FileLoadFiles,
    dumped: tuple[MemRange, ...],
    why: str,
) -> FileLoadPlan:
    by_name = {b.name: b for b in placed}
    at = by_name["kernel"].start
    cmdline = files.cmdline or ""
    hole = 0
    if files.crash:
        need = elfcorehdr_need(kernel, len(dumped))
        hole = need.memsz
        # The kernel writes its own word in front of the user's line.
        cmdline = f"elfcorehdr={by_name['elfcorehdr'].start:#x} {cmdline}"
    return FileLoadPlan(
        files.crash, placed, None if at is None else at + ENTRY_64, cmdline, dumped, hole, (why,) if why else ()
    )
