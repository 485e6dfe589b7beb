"""The e820 tables that the in-kernel loader builds."""

from dataclasses import replace

import pytest

from guest3g import CRASH, IMAGES, LOW_RAM, MACHINE, kernel, main_ram
from kexeckit.kernel.load.file_load import predict_file_load
from kexeckit.kernel.load.file_load_handover import HandoverMap, crash_memory_map, normal_memory_map
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles, FileLoadMachine
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree

MIB = 1 << 20


def crash_map(machine: FileLoadMachine, version: str) -> HandoverMap:
    """The map of a capture kernel."""
    running = kernel(version)
    plan = predict_file_load(machine, running, IMAGES[version], FileLoadFiles(crash=True))
    return crash_memory_map(machine, running, plan)


def shown(found: HandoverMap) -> list[str]:
    """Inclusive ranges with the type's number."""
    return [f"{e.start:#x}-{e.range.last:#x} {e.kind.e820}" for e in found.entries]


def test_map_on_6_1_leaves_out_whole_pages_of_the_elfcorehdr() -> None:
    """One page at the start of the crash region."""
    assert shown(crash_map(MACHINE, "6.1")) == ["0x1000-0x9fbff 1", "0xae001000-0xbdffffff 1"]


def test_map_on_6_12_starts_unaligned_behind_the_hotplug_room() -> None:
    """The kernel leaves out the room for all headers without rounding it to pages."""
    assert shown(crash_map(MACHINE, "6.12.107")) == ["0x1000-0x9fbff 1", "0xae0e00b0-0xbdffffff 1"]


def test_order_is_the_kernels_and_not_sorted() -> None:
    """Low RAM, ACPI, NVS, Reserved, the low part, the rest of the main part, CMA."""
    high = MemRange.from_size(0x100000000, 0x10000000)
    machine = FileLoadMachine(
        ResourceTree(
            (
                Resource(MemRange(0, 0x1000), "Reserved"),
                LOW_RAM,
                main_ram(Resource(CRASH, "Crash kernel")),
                Resource(MemRange(0xBFFE0000, 0xBFFF0000), "ACPI Non-volatile Storage"),
                Resource(MemRange(0xBFFF0000, 0xC0000000), "ACPI Tables"),
                Resource(high, "System RAM", (Resource(high, "Crash kernel"),)),
            )
        ),
        crash_cma=(MemRange(0x20000000, 0x30000000),),
    )
    assert shown(crash_map(machine, "6.12.107")) == [
        "0x1000-0x9fbff 1",
        "0xbfff0000-0xbfffffff 3",
        "0xbffe0000-0xbffeffff 4",
        "0x0-0xfff 2",
        "0xae000000-0xbdffffff 1",
        "0x1000e00b0-0x10fffffff 1",
        "0x20000000-0x2fffffff 1",
    ]


def test_reserved_inside_a_bus_window_is_found() -> None:
    """The walk goes into children of what does not match."""
    inner = Resource(MemRange(0xC1000000, 0xC2000000), "Reserved")
    window = Resource(MemRange(0xC0000000, 0xD0000000), "PCI Bus 0000:00", (inner,))
    machine = FileLoadMachine(ResourceTree((*MACHINE.resources.roots, window)))
    assert "0xc1000000-0xc1ffffff 2" in shown(crash_map(machine, "6.1"))


def test_129th_entry_is_dropped_and_reported() -> None:
    """The zero page holds 128 entries; the kernel says nothing about the rest."""
    entries = tuple(MemoryEntry(MemRange(i * 8192, i * 8192 + 4096), RESERVED) for i in range(129))
    found = normal_memory_map(MemoryMap(entries))
    assert (len(found.entries), found.dropped) == (128, entries[128:])


def test_memory_above_one_mebibyte_is_counted_in_kib() -> None:
    """alt_mem_k counts what lies above 1 MiB in the entry that spans it; ext_mem_k stops at 64 MiB."""
    found = normal_memory_map(MemoryMap((MemoryEntry(MemRange(0x100000, 0x40000000), RAM),)))
    assert (found.alt_mem_k, found.ext_mem_k) == (1024 * 1023 - 1, 0xFC00)
    small = normal_memory_map(MemoryMap((MemoryEntry(MemRange(0x100000, 0x200000), RAM),)))
    assert (small.alt_mem_k, small.ext_mem_k) == (1023, 1023)


@pytest.mark.parametrize(("start", "end"), [(MIB + 1, 8 * MIB), (2 * MIB, 8 * MIB), (4096, MIB), (4096, MIB + 1)])
def test_no_entry_that_spans_1_mib(start: int, end: int) -> None:
    """Both sizes are 0 where RAM begins above 1 MiB or ends there."""
    found = normal_memory_map(MemoryMap((MemoryEntry(MemRange(start, end), RAM),)))
    assert (found.alt_mem_k, found.ext_mem_k) == (0, 0)


def test_normal_plan_has_no_crash_map() -> None:
    """There is no elfcorehdr to leave out."""
    running = kernel("6.1")
    plan = predict_file_load(MACHINE, running, IMAGES["6.1"], FileLoadFiles(crash=False))
    with pytest.raises(ValueError, match="elfcorehdr"):
        crash_memory_map(MACHINE, running, replace(plan))
