"""kexec_file_load on arm64: where the running kernel will put an Image, its initrd and its device tree.

Rules of this file:
    1. The kernel goes first, from the bottom; nothing else lies below it.
    2. Where the rest does not fit above, the kernel is moved up to the next hole and all is tried again.
    3. The loader asks memblock, which knows boot-time memory and keeps clear of the running kernel, the crash region
       and all early allocations. No file shows it exactly; it is an input here.

    free memblock   |--kernel--|-initrd->  ...   <-elfcorehdr| <-dtb |

Source: arch/arm64/kernel/kexec_image.c, image_load(); arch/arm64/kernel/machine_kexec_file.c, load_other_segments();
kernel/kexec_file.c, kexec_walk_memblock().
"""

import errno
from dataclasses import replace

from kexeckit.errors import SystemCallError
from kexeckit.frozen import dataclass
from kexeckit.kernel.load.crash_ranges import dumped_ranges, elfcorehdr_size
from kexeckit.kernel.load.file_load import FileLoadPlan, PlacedBuffer, place_buffer, refused, undetermined_buffer
from kexeckit.kernel.load.file_load_inputs import Arm64Image, FileLoadFiles, FileLoadKernel, FileLoadMachine
from kexeckit.kernel.load.hole_search import BufferNeed
from kexeckit.kernel.load.resource_walk import crash_regions_of, system_ram
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, align_down

KERNEL_ALIGN = 2 * MIB  # MIN_KIMG_ALIGN
ELFCOREHDR_ALIGN = 64 * KIB  # the largest page size of the architecture
DTB_ALIGN = 2 * MIB  # it may not cross such a boundary
INITRD_WINDOW = 32 * GIB  # what an early kernel maps, from the GiB of the kernel on


@dataclass(frozen=True, slots=True)
class _Search:
    # What stays the same while the kernel is moved from hole to hole.
    kernel: FileLoadKernel
    ranges: tuple[MemRange, ...]
    others: tuple[BufferNeed, ...]


def predict_file_load_arm64(
    machine: FileLoadMachine, kernel: FileLoadKernel, image: Arm64Image, files: FileLoadFiles, dtb_size: int
) -> FileLoadPlan:
    """Predict where the running arm64 kernel puts each buffer of an Image.

    Args:
        machine: Its memory; a normal image needs `FileLoadMachine.free_memblock`.
        kernel: The running kernel.
        image: The kernel file to be loaded.
        files: What goes with it.
        dtb_size: Bytes of the device tree that the kernel makes.

    Returns:
        The buffers in the order of the kernel's segments; where memblock is not known, without addresses.

    Raises:
        SystemCallError: The kernel would refuse; carries its errno.
    """
    if image.image_size == 0:
        raise refused(errno.EINVAL, "the Image header has no image_size")
    regions = crash_regions_of(machine.resources)
    ram = [r.range for r in system_ram(machine.resources)]
    dumped = dumped_ranges(ram, (regions.main, regions.low), kernel.behaviour) if files.crash else ()
    crash_region = (regions.main,) if regions.main else ()
    ranges = crash_region if files.crash else machine.free_memblock or ()
    others = tuple(_others(kernel, files, dtb_size, len(dumped)))
    need = BufferNeed("kernel", image.file_size, image.image_size + image.text_offset, KERNEL_ALIGN, top_down=False)
    why = _undetermined(machine, kernel, files)
    if why:
        buffers = tuple(undetermined_buffer(n, why) for n in (need, *others))
        return FileLoadPlan(files.crash, buffers, None, files.cmdline or "", dumped, 0, (why,))
    placed = _place_all(_Search(kernel, ranges, others), need)
    first = placed[0]
    start = (first.start or 0) + image.text_offset
    first = replace(first, start=start, memsz=first.memsz - image.text_offset)
    header = next((b.memsz for b in placed if b.name == "elfcorehdr"), 0)
    return FileLoadPlan(files.crash, (first, *placed[1:]), start, files.cmdline or "", dumped, header)


def _undetermined(machine: FileLoadMachine, kernel: FileLoadKernel, files: FileLoadFiles) -> str:
    if files.crash:
        return "dm-crypt keys are placed at random inside the crash region" if kernel.dm_crypt_keys else ""
    if kernel.cma and kernel.behaviour.file_load_cma:
        return "this kernel first asks its CMA area for each buffer, and which pages are free there is not shown"
    if machine.free_memblock is None:
        return "the loader asks memblock, and what is free there was not given"
    return ""


def _others(kernel: FileLoadKernel, files: FileLoadFiles, dtb_size: int, load_ranges: int) -> list[BufferNeed]:
    # load_other_segments(); their lowest start and the initrd's window depend on the kernel's place.
    out = []
    if files.crash:
        size = elfcorehdr_size(kernel.possible_cpus, load_ranges)
        out.append(BufferNeed("elfcorehdr", size, size, ELFCOREHDR_ALIGN))
    if files.initrd_size is not None:
        out.append(BufferNeed("initrd", files.initrd_size, files.initrd_size, 0, top_down=False))
    out.append(BufferNeed("dtb", dtb_size, dtb_size, DTB_ALIGN))
    return out


def _place_all(search: _Search, need: BufferNeed) -> list[PlacedBuffer]:
    # Ends with the error of the kernel's own search: the hole after the last one that was tried does not exist.
    while True:
        first = place_buffer(need, search.ranges, (), search.kernel)
        try:
            return _place_others(search, first)
        except SystemCallError:
            need = replace(need, min=(first.start or 0) + first.memsz)


def _place_others(search: _Search, first: PlacedBuffer) -> list[PlacedBuffer]:
    placed = [first]
    at = first.start or 0
    for need in search.others:
        limited = replace(need, min=at + first.memsz)
        if need.name == "initrd":
            limited = replace(limited, max=align_down(at, GIB) + INITRD_WINDOW)
        ranges = search.ranges[::-1] if limited.top_down else search.ranges
        placed.append(place_buffer(limited, ranges, placed, search.kernel))
    return placed


def free_memblock_of(machine: FileLoadMachine, freed: tuple[MemRange, ...] = ()) -> tuple[MemRange, ...]:
    """Estimate what memblock holds free from /proc/iomem, where its reservations show as ``reserved``.

    Args:
        machine: Its resources.
        freed: Reservations that were given back after boot although /proc/iomem still shows them (the initrd).

    Returns:
        Free ranges, sorted, never across the border of two System RAM resources.

    Source: arch/arm64/kernel/setup.c, request_standard_resources() and reserve_memblock_reserved_regions().
    """
    gone = RangeSet(r.range for r in machine.resources.named("reserved", "Kernel code", "Kernel data", "Crash kernel"))
    gone -= RangeSet(freed)
    return tuple(part for r in system_ram(machine.resources) for part in RangeSet((r.range,)) - gone)
