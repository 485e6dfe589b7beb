"""What the files of a root show for the loading of a next kernel.

About kexeckit.machine.sources.handover.
"""

import pytest

from fakes import KERNEL_TEXT, PAGE_OFFSET, build_kcore
from kexeckit.formats.elfcorehdr import LoadRange, NoteRange
from kexeckit.machine.sources import files as names
from kexeckit.machine.sources.handover import KCORE, handover_from_files
from kexeckit.machine.value import EfiPointers
from kexeckit.memory.range import MemRange
from roots import root, shown


@pytest.mark.parametrize(
    ("files", "hotplug"),
    [
        ({}, False),
        ({"/sys/kernel/crash_elfcorehdr_size": "8192"}, True),
        ({"/sys/kernel/kexec/crash_elfcorehdr_size": "8192"}, True),
    ],
)
def test_room_for_what_is_added_later(files: dict[str, str], *, hotplug: bool) -> None:
    """The file is there or not, under either name; a root without the folder tells nothing."""
    found, _ = handover_from_files(root(files, {"/sys/kernel": ()}))
    name = next(iter(files), "/sys/kernel/crash_elfcorehdr_size")
    assert found.crash_hotplug == shown(hotplug, name)
    assert handover_from_files(root(files))[0].crash_hotplug is None


@pytest.mark.parametrize(
    ("text", "cma"),
    [
        (None, None),
        ("", False),
        ("MemTotal: 5 kB\n", False),
        ("MemTotal: 5 kB\nCmaTotal:      0 kB\nCmaFree: 9 kB\n", False),
        ("CmaTotal:      1 kB\n", True),
        ("CmaTotal:      0 MB\n", True),
    ],
)
def test_a_cma_area(text: str | None, *, cma: bool | None) -> None:
    """/proc/meminfo's own line for it; without the line there is none."""
    found, _ = handover_from_files(root({names.MEMINFO: text} if text is not None else {}))
    assert found.cma == (None if cma is None else shown(cma, names.MEMINFO))


def test_where_registers_are_saved() -> None:
    """By CPU, those whose file is there; none at all is not shown."""
    contents = {
        f"{names.CPUS}/cpu{n}/crash_notes{end}": text
        for n in (2, 10)
        for end, text in (("", f"{n}000"), ("_size", "368"))
    }
    found, problems = handover_from_files(root(contents, {names.CPUS: ("cpu10", "cpu2", "cpu3", "cpuidle")}))
    notes = (NoteRange("cpu2", MemRange.from_size(0x2000, 368)), NoteRange("cpu10", MemRange.from_size(0x10000, 368)))
    assert found.crash_notes == shown(notes, names.CPUS)
    assert problems == ()
    assert handover_from_files(root({}, {names.CPUS: ("cpu0",)}))[0].crash_notes is None


@pytest.mark.parametrize(
    ("address", "text"), [(0xFFFFFFFF80000000, True), (0xFFFFFFFF7FFFF000, False), (0xFFFFFFFFFFFFF000, True)]
)
def test_where_the_kernels_own_mapping_begins(address: int, *, text: bool) -> None:
    """What lies there is its image; what lies below is of the direct mapping, and has another offset here."""
    kcore = bytearray(build_kcore())
    kcore[64 + 16 : 64 + 24] = address.to_bytes(8, "little")
    found, problems = handover_from_files(root({KCORE: bytes(kcore)}))
    paddr, _, size = KERNEL_TEXT
    image = LoadRange(MemRange.from_size(paddr, size), address, executable=True)
    assert found.kernel_text == (shown(image, KCORE) if text else None)
    assert found.page_offset == (shown(PAGE_OFFSET, KCORE) if text else None)
    assert problems == ()


@pytest.mark.parametrize(("size", "problems"), [(63, ["handover.kernel_text"]), (0, ["handover.kernel_text"])])
def test_a_kcore_that_is_cut(size: int, problems: list[str]) -> None:
    """Before the end of its header."""
    found, said = handover_from_files(root({KCORE: build_kcore()[:size]}))
    assert (found.kernel_text, found.page_offset, [p.about for p in said]) == (None, None, problems)


def test_pointers_of_efi_by_file() -> None:
    """Each its own; ACPI's newer table counts more."""
    at = names.EFI
    contents = {
        f"{at}/fw_vendor": "0x1\n",
        f"{at}/runtime": "0x2\n",
        f"{at}/config_table": "0x3\n",
        f"{at}/systab": "ACPI20=0x5\nACPI=0x6\nSMBIOS=0x4\n",
    }
    found, problems = handover_from_files(root(contents, {at: ()}))
    assert found.efi == shown(EfiPointers(1, 2, 3, 4, 5), at)
    assert problems == ()
    bare, _ = handover_from_files(root({}, {at: ()}))
    assert bare.efi == shown(EfiPointers(0, 0, 0, 0, 0), at)
    assert EfiPointers() == EfiPointers(0, 0, 0, 0, 0)
