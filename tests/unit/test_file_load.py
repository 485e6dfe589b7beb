"""The in-kernel loader's placement on x86_64, against addresses seen on real kernels."""

import errno
from dataclasses import replace

import pytest

from guest3g import CRASH, IMAGES, LOW_RAM, MACHINE, kernel, main_ram
from kexeckit.errors import PlanError, SystemCallError
from kexeckit.kernel.load.file_load import FileLoadPlan, boot_params_size, predict_file_load
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles, FileLoadMachine
from kexeckit.kernel.load.resource_walk import crash_regions_of
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import MIB

SHORT = "console=ttyS0"


def predict(version: str, *, crash: bool) -> FileLoadPlan:
    """The guest of the recorded addresses: 3 GiB, 256 MiB crash kernel, an initrd of 3,000,000 bytes."""
    files = FileLoadFiles(crash, 3_000_000, SHORT)
    return predict_file_load(MACHINE, kernel(version), IMAGES[version], files)


def starts(plan: FileLoadPlan) -> dict[str, int | None]:
    """Name to address."""
    return {b.name: b.start for b in plan.buffers}


def test_crash_image_on_6_1_lands_where_the_kernel_put_it() -> None:
    """The last page of the region is wasted; the elfcorehdr takes one page at its start."""
    assert starts(predict("6.1", crash=True)) == {
        "elfcorehdr": 0xAE000000,
        "purgatory": 0xBDFFA000,
        "boot_params": 0xBDFF8000,
        "kernel": 0xBAC00000,
        "initrd": 0xBA923000,
    }


def test_crash_image_on_6_12_uses_the_last_page_and_leaves_hotplug_room() -> None:
    """The elfcorehdr segment has room for 8192 CPUs and 8192 ranges: 0xe00b0 bytes."""
    plan = predict("6.12.107", crash=True)
    header = plan.buffers[0]
    assert (header.start, header.bufsz, header.memsz) == (0xAE000000, 0x1000, 0xE1000)
    assert plan.elf_headers_hole == 0xE00B0
    assert starts(plan)["purgatory"] == 0xBDFFB000
    assert starts(plan)["boot_params"] == 0xBDFF9000


def test_normal_image_on_6_1_begins_in_the_lowest_range() -> None:
    """Small buffers go below 640 KiB because ranges are walked upwards; the kernel may overlap the crash region."""
    found = starts(predict("6.1", crash=False))
    assert (found["purgatory"], found["boot_params"], found["kernel"]) == (0x9A000, 0x98000, 0xBCC00000)


def test_normal_image_on_6_12_begins_in_the_highest_range() -> None:
    """6.8 turned the walk around."""
    found = starts(predict("6.12.107", crash=False))
    assert (found["purgatory"], found["boot_params"]) == (0xBFFDB000, 0xBFFD9000)


def test_crash_command_line_has_the_address_in_front() -> None:
    """The kernel writes its own word first; the entry is 0x200 into the kernel."""
    plan = predict("6.1", crash=True)
    assert plan.cmdline == f"elfcorehdr=0xae000000 {SHORT}"
    assert plan.entry == 0xBAC00200


def test_dumped_ranges_leave_out_the_low_mebibyte_and_the_crash_region() -> None:
    """Both parts around the crash region are described."""
    assert predict("6.12.107", crash=True).dumped == (
        MemRange(MIB, CRASH.start),
        MemRange.from_inclusive(CRASH.end, 0xBFFDFFFF),
    )


def test_boot_params_size_follows_the_kernel() -> None:
    """5.10 has no room for a seed; IMA, KHO and an EFI map add theirs."""
    old, new = kernel("5.10"), kernel("6.1")
    assert boot_params_size(old, 14) == 4096 + 48 + 16 + 96
    assert boot_params_size(new, 14) == 0x10D0
    assert boot_params_size(replace(new, ima_kexec=True), 14) == 0x10D0 + 32
    assert boot_params_size(replace(new, efi_runtime_map=100), 14) == 0x10D0 + 112
    assert boot_params_size(replace(kernel("6.16"), kho_config=True), 14) == 0x10D0 + 48
    assert boot_params_size(replace(new, dtb_size=1000), 14) == 0x10D0 + 1016


def test_no_crash_region_is_refused_as_the_kernel_refuses() -> None:
    """EADDRNOTAVAIL, with what was searched."""
    machine = FileLoadMachine(ResourceTree((LOW_RAM, main_ram())))
    with pytest.raises(SystemCallError, match="no crash region") as caught:
        predict_file_load(machine, kernel("6.1"), IMAGES["6.1"], FileLoadFiles(crash=True))
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_full_crash_region_names_each_range_and_why() -> None:
    """An initrd larger than the region does not fit."""
    files = FileLoadFiles(crash=True, initrd_size=1 << 30)
    with pytest.raises(SystemCallError, match=r"initrd: no hole .* smaller than the buffer") as caught:
        predict_file_load(MACHINE, kernel("6.1"), IMAGES["6.1"], files)
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize(("length", "message"), [(2047, "limit 2047"), (2017, "leaves no room for elfcorehdr=")])
def test_long_command_line_is_refused(length: int, message: str) -> None:
    """30 bytes are kept for elfcorehdr= even of a normal image."""
    files = FileLoadFiles(crash=False, cmdline="x" * length)
    with pytest.raises(SystemCallError, match=message) as caught:
        predict_file_load(MACHINE, kernel("6.1"), IMAGES["6.1"], files)
    assert caught.value.errno == errno.EINVAL


def test_longest_command_line_is_accepted() -> None:
    """2047 - 30 bytes with the NUL."""
    plan = predict_file_load(MACHINE, kernel("6.1"), IMAGES["6.1"], FileLoadFiles(crash=False, cmdline="x" * 2016))
    assert plan.buffer("initrd") is None


def test_truncated_file_is_refused() -> None:
    """Shorter than its own setup sectors: ENOEXEC."""
    with pytest.raises(SystemCallError, match="truncated") as caught:
        predict_file_load(MACHINE, kernel("6.1"), replace(IMAGES["6.1"], file_size=9000), FileLoadFiles(crash=True))
    assert caught.value.errno == errno.ENOEXEC


@pytest.mark.parametrize(
    ("version", "crash", "state", "why"),
    [
        ("7.2", False, {"cma": True}, "CMA"),
        ("7.2", False, {"kho_active": True}, "KHO"),
        ("7.2", True, {"dm_crypt_keys": True}, "random"),
    ],
)
def test_choices_that_no_file_shows_are_not_determined(
    version: str, crash: bool, state: dict[str, bool], why: str
) -> None:
    """The plan says so instead of guessing; the elfcorehdr is still certain."""
    plan = predict_file_load(MACHINE, replace(kernel(version), **state), IMAGES["6.12.107"], FileLoadFiles(crash))  # type: ignore[arg-type]
    assert why in plan.not_determined[0]
    assert plan.entry is None
    assert all(b.start is None for b in plan.buffers if b.name != "elfcorehdr")
    assert why in plan.buffers[-1].reason


def test_old_kernels_do_not_ask_their_cma_area() -> None:
    """A CMA area before 6.17 changes nothing."""
    with_cma = replace(kernel("6.12.107"), cma=True)
    plan = predict_file_load(
        MACHINE, with_cma, IMAGES["6.12.107"], FileLoadFiles(crash=False, initrd_size=3_000_000, cmdline=SHORT)
    )
    assert starts(plan) == starts(predict("6.12.107", crash=False))


def test_driver_managed_memory_takes_no_segment() -> None:
    """Memory of kmem or virtio_mem is passed by, though it is the highest."""
    hot = Resource(MemRange(1 << 32, 2 << 32), "System RAM (kmem)")
    machine = FileLoadMachine(ResourceTree((*MACHINE.resources.roots, hot)))
    plan = predict_file_load(machine, kernel("6.12.107"), IMAGES["6.12.107"], FileLoadFiles(crash=True))
    assert hot.range in plan.dumped
    normal = predict_file_load(machine, kernel("6.12.107"), IMAGES["6.12.107"], FileLoadFiles(crash=False))
    assert starts(normal)["purgatory"] == 0xBFFDB000


def test_more_headers_than_elf_can_count_leaves_no_room() -> None:
    """The kernel then keeps the plain size."""
    huge = replace(kernel("6.12.107"), nr_cpus=60000)
    plan = predict_file_load(MACHINE, huge, IMAGES["6.12.107"], FileLoadFiles(crash=True))
    assert plan.buffers[0].memsz == 0x1000


def test_without_memory_hotplug_only_cpus_get_room() -> None:
    """Ranges of now plus 8192 CPUs."""
    fixed = replace(kernel("6.12.107"), memory_hotplug=False)
    plan = predict_file_load(MACHINE, fixed, IMAGES["6.12.107"], FileLoadFiles(crash=True))
    assert plan.elf_headers_hole == 64 + 56 * (2 + 2 + 8192)


@pytest.mark.parametrize("field", ["file_size", "init_size", "kernel_alignment"])
@pytest.mark.parametrize("value", [0, -1])
def test_an_image_without_a_size_cannot_be_built(field: str, value: int) -> None:
    """A bzImage has all of these."""
    with pytest.raises(ValueError, match="not a bzImage"):
        replace(IMAGES["6.1"], **{field: value})
    assert replace(IMAGES["6.1"], **{field: 1}) is not None


@pytest.mark.parametrize(("more", "told"), [(-30, ""), (-29, "no room"), (0, "no room"), (1, "bytes, limit")])
def test_the_command_line_leaves_room_for_the_kernels_own_word(more: int, told: str) -> None:
    """elfcorehdr=0x and up to 16 digits with what belongs to them; a line that is too long itself is told so."""
    limit = IMAGES["6.1"].cmdline_size
    files = FileLoadFiles(crash=False, initrd_size=4096, cmdline="x" * (limit + more - 1))
    assert files.cmdline_length == limit + more
    if not told:
        assert predict_file_load(MACHINE, kernel("6.1"), IMAGES["6.1"], files).entry
        return
    with pytest.raises(SystemCallError, match=told) as caught:
        predict_file_load(MACHINE, kernel("6.1"), IMAGES["6.1"], files)
    assert caught.value.errno == errno.EINVAL
    assert ("leaves no room" in str(caught.value)) is (more <= 0)


def test_a_normal_image_has_no_hole_for_headers() -> None:
    """They belong to a crash image."""
    assert predict("6.1", crash=False).elf_headers_hole == 0


def test_what_a_kernel_has_where_nothing_is_said() -> None:
    """The usual configuration: hotplug of memory and CPUs, 8192 of each, none of the newer parts."""
    found = kernel("6.1")
    assert (found.nr_cpus, found.max_memory_ranges, found.memory_hotplug, found.crash_hotplug) == (
        8192,
        8192,
        True,
        True,
    )
    assert not any((found.ima_kexec, found.kho_config, found.kho_active, found.cma, found.dm_crypt_keys))
    assert (found.efi_runtime_map, found.dtb_size, found.built_in_purgatory) == (0, 0, None)


@pytest.mark.parametrize(("count", "fits"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_machine_has_at_most_two_crash_regions(count: int, *, fits: bool) -> None:
    """No kernel makes more; the higher of two is the main one."""
    regions = tuple(Resource(MemRange.from_size((n + 1) * 64 * MIB, MIB), "Crash kernel") for n in range(count))
    tree = ResourceTree((Resource(MemRange(0, 1024 * MIB), "System RAM", regions),))
    if not fits:
        with pytest.raises(PlanError, match="3 regions"):
            crash_regions_of(tree)
        return
    found = crash_regions_of(tree)
    assert found.main == (regions[-1].range if regions else None)
    assert found.low == (regions[0].range if count == 2 else None)


@pytest.mark.parametrize(("sectors", "size"), [(0, 5 * 512), (4, 5 * 512), (1, 1024), (27, 28 * 512)])
def test_no_setup_sectors_mean_four(sectors: int, size: int) -> None:
    """And the boot sector comes on top: Documentation/arch/x86/boot.rst, setup_sects."""
    assert replace(IMAGES["6.1"], setup_sects=sectors).setup_size == size


@pytest.mark.parametrize(("present", "possible", "good"), [(1, 1, True), (2, 2, True), (0, 2, False), (3, 2, False)])
def test_cpus_that_are_there_are_possible(present: int, possible: int, *, good: bool) -> None:
    """And there is one."""
    if good:
        assert replace(kernel("6.1"), present_cpus=present, possible_cpus=possible).present_cpus == present
        return
    with pytest.raises(ValueError, match=r"."):
        replace(kernel("6.1"), present_cpus=present, possible_cpus=possible)
