"""What the in-kernel x86 loader tells the next kernel about memory: the e820 table in its boot_params.

A capture kernel gets a table in the kernel's own order, which is not sorted (the next kernel sorts it):

    System RAM below 1 MiB | ACPI Tables | ACPI NVS | Reserved | low crash part | main crash part - elfcorehdr | CMA

A normal kernel gets the first 128 entries of the table that the firmware handed over; hot-added RAM is not in it.

Source: arch/x86/kernel/crash.c, crash_setup_memmap_entries(); arch/x86/kernel/kexec-bzimage64.c,
setup_e820_entries() and setup_boot_parameters().
"""

from collections.abc import Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.load.crash_ranges import LOW_MEMORY, exclude_range
from kexeckit.kernel.load.file_load import FileLoadPlan
from kexeckit.kernel.load.file_load_inputs import FileLoadKernel, FileLoadMachine
from kexeckit.kernel.load.resource_walk import CrashRegions, crash_regions_of, is_system_ram, walk_resources
from kexeckit.memory.kind import ACPI, NVS, RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, PAGE_SIZE

E820_MAX_ENTRIES_ZEROPAGE = 128
# ACPI and NVS must be busy, Reserved need not be; in /proc/iomem the names alone tell.
_PASSED_ON = (ACPI, NVS, RESERVED)


@dataclass(frozen=True, slots=True)
class HandoverMap:
    """The e820 table of the next kernel.

    Attributes:
        entries: In the order in which the kernel writes them.
        dropped: Entries that did not fit into the table's 128 and are lost.
        alt_mem_k: boot_params.alt_mem_k: KiB of RAM above 1 MiB in the entry that spans it, 0 without one.
        ext_mem_k: boot_params.screen_info.ext_mem_k: the same, at most 0xfc00.
    """

    entries: tuple[MemoryEntry, ...]
    dropped: tuple[MemoryEntry, ...]
    alt_mem_k: int
    ext_mem_k: int


def crash_memory_map(machine: FileLoadMachine, kernel: FileLoadKernel, plan: FileLoadPlan) -> HandoverMap:
    """Return the e820 table that a capture kernel gets.

    Args:
        machine: The running machine's memory.
        kernel: The running kernel.
        plan: The prediction for the capture kernel; its elfcorehdr is left out of the map.

    Raises:
        ValueError: `plan` is not one for a capture kernel, or its elfcorehdr's place is not determined.
    """
    regions = crash_regions_of(machine.resources)
    header = plan.buffer("elfcorehdr")
    if header is None or header.start is None or regions.main is None:
        raise ValueError("the map of a capture kernel needs a plan with a placed elfcorehdr")
    gone = MemRange.from_size(header.start, plan.elf_headers_hole)
    entries = [*_from_resources(machine), *_crash_parts(regions, gone, kernel)]
    entries += [MemoryEntry(r, RAM) for r in machine.crash_cma]
    return _limited(entries)


def normal_memory_map(kexec_table: MemoryMap) -> HandoverMap:
    """Return the e820 table that a normally kexec'ed kernel gets: the first 128 entries of the kexec table."""
    return _limited(list(kexec_table))


def _from_resources(machine: FileLoadMachine) -> Iterator[MemoryEntry]:
    for found, _ in walk_resources(machine.resources, is_system_ram, LOW_MEMORY):
        yield MemoryEntry(found, RAM)
    for kind in _PASSED_ON:
        for found, _ in walk_resources(machine.resources, kind.label.__eq__):
            yield MemoryEntry(found, kind)


def _crash_parts(regions: CrashRegions, gone: MemRange, kernel: FileLoadKernel) -> Iterator[MemoryEntry]:
    if regions.low:
        yield MemoryEntry(regions.low, RAM)
    main = (regions.main,) if regions.main else ()
    for part in exclude_range(main, gone, stops_at_partial=kernel.behaviour.exclude_stops_at_partial):
        if part.size >= PAGE_SIZE:
            yield MemoryEntry(part, RAM)


def _limited(entries: list[MemoryEntry]) -> HandoverMap:
    kept, dropped = entries[:E820_MAX_ENTRIES_ZEROPAGE], entries[E820_MAX_ENTRIES_ZEROPAGE:]
    alt = ext = 0
    for entry in kept:
        if entry.kind == RAM and entry.start <= MIB < entry.range.last:
            above = (entry.range.last >> 10) - (MIB >> 10)
            alt, ext = min(above, 0xFFFFFFFF), min(above, 0xFC00)
    return HandoverMap(tuple(kept), tuple(dropped), alt, ext)
