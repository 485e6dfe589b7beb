"""From an x86 firmware map and a command line to the memory that zones are made of.

    firmware table -> cleaned up -> mem=, memmap= -> BIOS area out -> memory without cacheable MTRR out
                   -> memblock.memory, and the top: the page after the highest RAM

Source: arch/x86/kernel/setup.c, setup_arch(), trim_bios_range(); arch/x86/kernel/e820.c, e820__end_of_ram_pfn(),
e820__memblock_setup(); arch/x86/kernel/cpu/mtrr/cleanup.c, mtrr_trim_uncached_memory().
"""

from collections.abc import Iterable

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.boot.e820 import (
    E820_ACPI,
    E820_RAM,
    E820_RESERVED,
    Table,
    bios_trimmed,
    ram,
    range_updated,
    sanitized,
    with_parameters,
)
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import KIB, PAGE_SIZE, align_down

_LOW_RESERVE = 64 * KIB


@dataclass(frozen=True, slots=True)
class X86Memory:
    """What zones need to know of an x86 map.

    Attributes:
        memory: memblock.memory, whole pages.
        top: Address after the highest page the kernel counts (max_pfn), in bytes.
        problem: Why the kernel would stop over its map, or empty.
    """

    memory: RangeSet
    top: int
    problem: str = ""


def x86_memory(
    table: Table,
    cmdline: str,
    behaviour: ZoneBehaviour,
    uncached: Iterable[MemRange] = (),
    reach: int | None = None,
) -> X86Memory:
    """Work out memory and its top.

    Args:
        table: The firmware's e820 entries in their own order.
        cmdline: The whole command line.
        behaviour: What the kernel does.
        uncached: RAM that the kernel gives up because no MTRR makes it cacheable.
        reach: Address after the highest one that this build can use (max_arch_pfn), in bytes: 4 GiB for i386 without
            PAE; None for no limit.
    """
    limit = reach or 1 << 64
    edited = with_parameters(sanitized(table), cmdline)
    after = bios_trimmed(edited.table)
    if not behaviour.low_64k_is_ram:
        after = sanitized(range_updated(after, 0, _LOW_RESERVE, E820_RAM, E820_RESERVED))
    for gone in uncached:
        after = sanitized(range_updated(after, gone.start, gone.size, E820_RAM, E820_RESERVED))
    counted = (E820_RAM, E820_ACPI) if behaviour.acpi_counts_as_top else (E820_RAM,)
    top = max((e.end for e in after if e.type in counted and e.end > e.start and e.start < limit), default=0)
    memory = RangeSet(ram(after)) & RangeSet((MemRange(0, limit),))
    return X86Memory(memory, align_down(min(top, limit), PAGE_SIZE), edited.problem)
