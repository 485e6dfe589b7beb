"""The in-kernel loader's placement on arm64."""

import errno
from dataclasses import replace

import pytest

from kexeckit.errors import SystemCallError
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.file_load import FileLoadPlan
from kexeckit.kernel.load.file_load_arm64 import free_memblock_of, predict_file_load_arm64
from kexeckit.kernel.load.file_load_inputs import Arm64Image, FileLoadFiles, FileLoadKernel, FileLoadMachine
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import GIB, MIB

RAM = MemRange.from_size(GIB, 2 * GIB)
CRASH = MemRange.from_size(GIB + 512 * MIB, 256 * MIB)
TREE = ResourceTree(
    (
        Resource(
            RAM,
            "System RAM",
            (
                Resource(MemRange.from_size(GIB, 32 * MIB), "Kernel code"),
                Resource(CRASH, "Crash kernel"),
                Resource(MemRange(3 * GIB - 16 * MIB, 3 * GIB), "reserved"),
            ),
        ),
    )
)
KERNEL = FileLoadKernel(behaviour_of(parse_kernel_version("6.12.107")), possible_cpus=2, present_cpus=2)
IMAGE = Arm64Image(file_size=30 * MIB, image_size=33 * MIB, text_offset=0)


def predict(
    files: FileLoadFiles, *, image: Arm64Image = IMAGE, free: tuple[MemRange, ...] | None = None
) -> FileLoadPlan:
    """A machine with 2 GiB from 1 GiB on."""
    machine = FileLoadMachine(TREE, free_memblock=free)
    return predict_file_load_arm64(machine, KERNEL, image, files, 0x5000)


def starts(plan: FileLoadPlan) -> dict[str, int | None]:
    """Name to address."""
    return {b.name: b.start for b in plan.buffers}


def test_crash_image_fills_the_region_from_both_ends() -> None:
    """Kernel at the bottom, initrd right behind, elfcorehdr at the top, the device tree 2 MiB aligned below it."""
    plan = predict(FileLoadFiles(crash=True, initrd_size=5 * MIB, cmdline="a"))
    assert starts(plan) == {
        "kernel": CRASH.start,
        "elfcorehdr": CRASH.end - 64 * 1024,
        "initrd": CRASH.start + 33 * MIB,
        "dtb": CRASH.end - 2 * MIB,
    }
    assert plan.entry == CRASH.start
    assert plan.cmdline == "a"
    assert plan.dumped == (MemRange(RAM.start, CRASH.start), MemRange(CRASH.end, RAM.end))


def test_normal_image_keeps_clear_of_what_memblock_reserved() -> None:
    """Unlike x86: the running kernel and the crash region are never a destination."""
    free = free_memblock_of(FileLoadMachine(TREE))
    assert free == (MemRange(GIB + 32 * MIB, CRASH.start), MemRange(CRASH.end, 3 * GIB - 16 * MIB))
    plan = predict(FileLoadFiles(crash=False, initrd_size=5 * MIB), free=free)
    assert starts(plan) == {"kernel": GIB + 32 * MIB, "initrd": GIB + 65 * MIB, "dtb": 3 * GIB - 18 * MIB}


def test_freed_initrd_counts_as_free() -> None:
    """The reservation of the initrd stays in /proc/iomem although it is given back."""
    freed = MemRange(3 * GIB - 16 * MIB, 3 * GIB)
    assert free_memblock_of(FileLoadMachine(TREE), (freed,))[-1] == MemRange(CRASH.end, 3 * GIB)


def test_kernel_moves_up_until_the_rest_fits() -> None:
    """The initrd must lie above the kernel: a low hole that takes the kernel alone is given up."""
    free = (MemRange.from_size(GIB, 64 * MIB), MemRange.from_size(40 * GIB, 64 * MIB))
    plan = predict(FileLoadFiles(crash=False, initrd_size=20 * MIB), free=free)
    assert starts(plan)["kernel"] == GIB
    far = predict(FileLoadFiles(crash=False, initrd_size=40 * MIB), image=Arm64Image(MIB, 20 * MIB, 0), free=free)
    assert starts(far)["kernel"] == GIB
    both = (MemRange.from_size(GIB, 30 * MIB), MemRange.from_size(40 * GIB, 64 * MIB))
    moved = predict(FileLoadFiles(crash=False, initrd_size=20 * MIB), image=Arm64Image(MIB, 20 * MIB, 0), free=both)
    assert starts(moved)["kernel"] == 40 * GIB


def test_text_offset_moves_the_start_and_shrinks_the_segment() -> None:
    """The hole includes the offset, the segment does not."""
    plan = predict(FileLoadFiles(crash=True), image=Arm64Image(MIB, 33 * MIB, 0x80000))
    kernel = plan.buffers[0]
    assert (kernel.start, kernel.memsz, plan.entry) == (CRASH.start + 0x80000, 33 * MIB, CRASH.start + 0x80000)


def test_image_without_size_is_refused() -> None:
    """EINVAL, as for kernels before 3.17."""
    with pytest.raises(SystemCallError, match="image_size") as caught:
        predict(FileLoadFiles(crash=True), image=Arm64Image(MIB, 0, 0))
    assert caught.value.errno == errno.EINVAL


def test_no_place_for_all_is_refused() -> None:
    """EADDRNOTAVAIL once no hole is left for the kernel itself."""
    with pytest.raises(SystemCallError, match="kernel: no hole") as caught:
        predict(FileLoadFiles(crash=True, initrd_size=250 * MIB))
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_normal_image_without_memblock_is_not_determined() -> None:
    """The input is missing, so there is no address."""
    plan = predict(FileLoadFiles(crash=False))
    assert plan.entry is None
    assert "memblock" in plan.not_determined[0]


def test_the_kernel_is_aligned_to_2_mib() -> None:
    """MIN_KIMG_ALIGN: a hole that begins 1 MiB after such a border loses one MiB, one that begins at it none."""
    for start, wanted in ((GIB + MIB, GIB + 2 * MIB), (GIB + 2 * MIB, GIB + 2 * MIB)):
        plan = predict(FileLoadFiles(crash=False), free=(MemRange.from_size(start, GIB),))
        assert starts(plan)["kernel"] == wanted


@pytest.mark.parametrize(("end", "found"), [(33 * GIB, True), (33 * GIB + 4096, False)])
def test_the_initrd_lies_within_32_gib(end: int, *, found: bool) -> None:
    """From the GiB of the kernel on, arch/arm64/kernel/machine_kexec_file.c: there it goes, or the kernel moves up."""
    size = 64 * MIB
    free = (MemRange.from_size(GIB, 34 * MIB), MemRange(end - size, end))
    files = FileLoadFiles(crash=False, initrd_size=size)
    if found:
        assert starts(predict(files, free=(*free, MemRange.from_size(40 * GIB, 4 * MIB))))["initrd"] == end - size
    else:
        with pytest.raises(SystemCallError, match="no hole"):
            predict(files, free=(*free, MemRange.from_size(40 * GIB, 4 * MIB)))


def test_what_goes_with_the_kernel_lies_above_it() -> None:
    """A hole below that is large enough for the initrd stays empty."""
    free = (MemRange.from_size(GIB, 8 * MIB), MemRange.from_size(2 * GIB, 128 * MIB))
    found = starts(predict(FileLoadFiles(crash=False, initrd_size=5 * MIB), free=free))
    assert found["kernel"] == 2 * GIB
    assert found["initrd"] == 2 * GIB + 33 * MIB


def test_a_machine_without_any_reservation_dumps_nothing() -> None:
    """A normal image has no headers, and its command line is the user's."""
    plan = predict(FileLoadFiles(crash=False, cmdline="a"))
    assert (plan.dumped, plan.elf_headers_hole, plan.cmdline) == ((), 0, "a")
    assert predict(FileLoadFiles(crash=False)).cmdline == ""


def test_the_room_for_headers_is_that_of_the_segment() -> None:
    """Two CPUs and two ranges of old memory: a page."""
    assert predict(FileLoadFiles(crash=True)).elf_headers_hole == 0x1000


@pytest.mark.parametrize(
    ("kernel", "crash", "told"),
    [
        (replace(KERNEL, dm_crypt_keys=True), True, "at random inside the crash region"),
        (replace(KERNEL, dm_crypt_keys=True), False, ""),
        (replace(KERNEL, cma=True), False, ""),
        (replace(KERNEL, cma=True, behaviour=behaviour_of(parse_kernel_version("7.2"))), False, "asks its CMA area"),
        (replace(KERNEL, cma=True, behaviour=behaviour_of(parse_kernel_version("7.2"))), True, ""),
        (replace(KERNEL, behaviour=behaviour_of(parse_kernel_version("7.2"))), False, ""),
    ],
)
def test_what_leaves_places_open(kernel: FileLoadKernel, told: str, *, crash: bool) -> None:
    """Keys of dm-crypt in a crash image, and newer kernels' CMA area for a normal one."""
    machine = FileLoadMachine(TREE, free_memblock=(MemRange.from_size(2 * GIB, 256 * MIB),))
    plan = predict_file_load_arm64(machine, kernel, IMAGE, FileLoadFiles(crash=crash), 0x5000)
    assert [told in why for why in plan.not_determined] == ([True] if told else [])
    assert (plan.entry is None) is bool(told)
