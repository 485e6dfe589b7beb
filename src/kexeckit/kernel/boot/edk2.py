"""What EDK II's firmware for QEMU (OVMF) keeps far below the top of RAM: a stack that nothing uses any more.

    ... free ...|stack|... 64 MiB and the firmware's page tables ...|ACPI NVS|
                ^ start of the memory that the firmware's first phase gets   ^ end of RAM below 4 GiB

The first phase (PEI) puts its stack at the very start of its memory. The second phase (DXE) moves to a stack of its
own, and keeps the old one as boot services data. All else of the firmware's lies higher. So does, mostly, the initrd
that the kernel's EFI stub loads: then 128 KiB of boot services memory end the free room below it.

Source: edk2 (read: stable202211), OvmfPkg/PlatformPei/MemDetect.c, PublishPeiMemory(), GetPeiMemoryCap();
MdeModulePkg/Core/Pei/Dispatcher/Dispatcher.c, PeiCheckAndSwitchStack(), and PcdPeiCoreMaxPeiStackSize;
MdeModulePkg/Core/DxeIplPeim/DxeLoad.c, UpdateStackHob().
"""

from collections.abc import Iterable

from kexeckit.memory.kind import ACPI, NVS, RAM
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE

__all__ = ["old_stacks"]

_STACK = 128 * KIB
_PEI = 64 * MIB
# For waking up: 512 KiB and a stack of 32 KiB for each CPU.
_WAKE, _CPU_STACK = 512 * KIB, 32 * KIB
# The firmware maps 36 to 48 bits of address: a page for each 512 GiB, one above, and without 1 GiB pages one per GiB.
_LEAST_BITS, _MOST_BITS = 36, 48
_GIB_BITS, _TABLE_BITS = 30, 39


def old_stacks(firmware: Iterable[MemoryEntry], *, address_bits: int = 0, gib_pages: bool = True) -> MemRange | None:
    """Return where the stack of the firmware's first phase is.

    Args:
        firmware: The e820 table.
        address_bits: Of the addresses that the firmware maps, or 0 where they are not known.
        gib_pages: The CPU knows 1 GiB pages (``pdpe1gb``).

    Returns:
        Its 128 KiB. With `address_bits` 0, the range that it lies in: its end is the end of the highest possible
        place, its start the start of the lowest. None where the table does not end, below 4 GiB, as OVMF's does.
    """
    low = (e for e in firmware if e.range.end <= 4 * GIB and e.kind in (RAM, ACPI, NVS))
    top = max(low, key=lambda e: e.range.end, default=None)
    if top is None or top.kind != NVS or top.range.size <= _WAKE or (top.range.size - _WAKE) % _CPU_STACK:
        return None
    bounds = (address_bits, address_bits) if address_bits else (_LEAST_BITS, _MOST_BITS)
    high, lowest = (top.range.start - _PEI - _tables(bits, gib_pages=gib_pages) * PAGE_SIZE for bits in bounds)
    return clip(max(lowest, 0), high + _STACK) if high > 0 else None


def _tables(bits: int, *, gib_pages: bool) -> int:
    bits = min(max(bits, _LEAST_BITS), _MOST_BITS)
    upper = 1 << max(bits - _TABLE_BITS, 0)
    entries = 1 << (min(bits, _TABLE_BITS) - _GIB_BITS)
    return upper + 1 if gib_pages else (entries + 1) * upper + 1
