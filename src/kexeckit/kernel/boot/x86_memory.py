"""From an x86 firmware map and a command line to the memory that zones are made of.

    firmware table -> cleaned up -> mem=, memmap= -> the kernel's memory in -> BIOS area out
                   -> memory without cacheable MTRR out -> memblock.memory, and the top: the page after the highest RAM

Source: arch/x86/kernel/setup.c, setup_arch(), trim_bios_range(); arch/x86/kernel/e820.c, e820__end_of_ram_pfn(),
e820__memblock_setup(); arch/x86/kernel/cpu/mtrr/cleanup.c, mtrr_trim_uncached_memory().
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.e820 import (
    E820_ACPI,
    E820_RAM,
    Table,
    ram_within,
    table_at_boot,
)
from kexeckit.kernel.boot.memory import low_reserve
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import PAGE_SIZE, align_down

if TYPE_CHECKING:
    from kexeckit.kernel.behaviour.zones import ZoneBehaviour


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
    behaviour: "ZoneBehaviour",
    uncached: Iterable[MemRange] = (),
    reach: int | None = None,
    kernel: MemRange | None = None,
) -> X86Memory:
    """Work out memory and its top.

    Args:
        table: The firmware's e820 entries in their own order.
        cmdline: The whole command line.
        behaviour: What the kernel does.
        uncached: RAM that the kernel gives up because no MTRR makes it cacheable.
        reach: As `ram_within` takes it.
        kernel: As `table_at_boot` takes it.
    """
    edited = table_at_boot(table, cmdline, (*low_reserve(behaviour), *uncached), kernel)
    after = edited.table
    counted = (E820_RAM, E820_ACPI) if behaviour.acpi_counts_as_top else (E820_RAM,)
    spans = (clip(e.start, min(e.end, reach or e.end)) for e in after if e.type in counted)
    top = max((span.end for span in spans if span), default=0)
    return X86Memory(RangeSet(ram_within(after, reach)), align_down(top, PAGE_SIZE), edited.problem)
