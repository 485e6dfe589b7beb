"""What the next kernel is told about physical memory: the e820 map of the image.

A normal kexec hands the firmware's map on, so that the next kernel sees the machine as after a reset. A capture kernel
must live in its reservation and touch nothing else, and still be able to tell memory from non-memory:

    firmware        |RAM |rsv| RAM ..................................| ACPI |   gap   | RAM ............|
    running kernel                     | Crash kernel |
    capture kernel  |RAM |rsv| reserved|hdr|   RAM    |  reserved    | ACPI |   gap   | reserved        |
                    low 1 MiB           elfcorehdr

Old RAM is handed over as reserved: memory that is not the capture kernel's own. A reader of old memory can then map it
as memory, and leaves alone what is no memory. This was asked for in the kexec list's thread of April 2013 on passing
memory ranges by e820; `OldRam.OMIT` gives the map that the in-kernel loader makes, with holes there.

Source: arch/x86/kernel/crash.c, crash_setup_memmap_entries(): low 1 MiB, ACPI, NVS, reserved and crash regions.
"""

from enum import StrEnum

from kexeckit.memory.kind import RAM, RESERVED, RESERVED_KERN
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB
from kexeckit.plan.facts import MachineFacts

LOW_MEMORY = MemRange(0, MIB)
_RESERVED_NAMES = ("Reserved", "reserved")


class OldRam(StrEnum):
    """How the old kernel's RAM is described to a capture kernel."""

    RESERVED = "reserved"
    OMIT = "omit"


def next_kernel_map(facts: MachineFacts) -> MemoryMap:
    """Return the map for a normal kexec: the firmware's, with what the running kernel found out to be reserved.

    EFI tables that the kernel keeps (such as the ESRT) lie in ranges that firmware calls RAM; the running kernel shows
    them as reserved, and they are handed on as that. Source: arch/x86/platform/efi/quirks.c, efi_arch_mem_reserve().
    """
    base = facts.firmware_map.retyped(lambda kind: RAM if kind == RESERVED_KERN else kind)
    kept = _reserved_by_kernel(facts, base)
    return base.painted(kept, RESERVED) if kept else base


def capture_kernel_map(facts: MachineFacts, elfcorehdr: MemRange, old_ram: OldRam) -> MemoryMap:
    """Return the map for a capture kernel.

    Args:
        facts: The machine; it has at least one crash region.
        elfcorehdr: Where the core header lies, inside a crash region; reserved, so that it survives.
        old_ram: Whether the old kernel's RAM is described as reserved or not at all.
    """
    base = next_kernel_map(facts)
    own = facts.crash_memory()
    old = base.ram() - own - RangeSet((LOW_MEMORY,))
    without_old = base.without(old)
    described = without_old if old_ram is OldRam.OMIT else base.painted(old, RESERVED)
    header = RangeSet((elfcorehdr,))
    return described.painted(own - header, RAM).painted(header, RESERVED).coalesced()


def _reserved_by_kernel(facts: MachineFacts, base: MemoryMap) -> RangeSet:
    # Below 1 MiB every kernel reserves for itself what it must (trim_bios_range() and its like).
    if facts.efi is None and not (facts.boot_params and facts.boot_params.efi.present):
        return RangeSet()
    shown = facts.resources.ranges(*_RESERVED_NAMES)
    return shown & base.ram() - RangeSet((LOW_MEMORY,))
