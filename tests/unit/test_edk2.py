"""The stack that OVMF leaves behind, where seven booted guests had it."""

import pytest

from kexeckit.kernel.boot.edk2 import old_stacks
from kexeckit.memory.kind import ACPI, NVS, RAM, RESERVED, MemoryKind
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, KIB, MIB


def table(top: int, cpus: int, *more: MemoryEntry, kind: MemoryKind = NVS) -> list[MemoryEntry]:
    """Return a table as OVMF's map makes it: RAM below memory for waking up, and PCI's window above."""
    start = top - 512 * KIB - cpus * 32 * KIB
    window = MemoryEntry(MemRange(0xB0000000, 0xC0000000), RESERVED)
    return [MemoryEntry(MemRange(MIB, start), RAM), MemoryEntry(MemRange(start, top), kind), window, *more]


@pytest.mark.parametrize(
    ("top", "cpus", "gib_pages", "start"),
    [
        (512 * MIB, 1, True, 0x1BF75000),
        (1000 * MIB, 2, True, 0x3A76D000),
        (GIB, 1, True, 0x3BF75000),
        (GIB, 4, True, 0x3BF5D000),
        (GIB, 1, False, 0x3BB75000),
        (2 * GIB, 1, True, 0x7BF75000),
    ],
)
def test_where_guests_had_it(top: int, cpus: int, gib_pages: bool, start: int) -> None:
    """QEMU's CPUs have 40 bits of address; efi=debug printed 128 KiB of boot data there."""
    found = old_stacks(table(top, cpus), address_bits=40, gib_pages=gib_pages)
    assert found == MemRange.from_size(start, 128 * KIB)


def test_bits_that_are_not_known() -> None:
    """The lowest and the highest place; both are within 2.2 MiB where the CPU has 1 GiB pages."""
    found = old_stacks(table(GIB, 1))
    assert found
    assert found.size == 128 * KIB + 511 * 4 * KIB
    assert found.contains(MemRange.from_size(0x3BF75000, 128 * KIB))
    assert old_stacks(table(GIB, 1), address_bits=39) == MemRange.from_size(found.end - 128 * KIB, 128 * KIB)
    assert old_stacks(table(GIB, 1), address_bits=52) == MemRange.from_size(found.start, 128 * KIB)
    few, more = (old_stacks(table(GIB, 1), address_bits=bits, gib_pages=False) for bits in (36, 37))
    assert few
    assert more
    assert few.start - more.start == 64 * 4 * KIB


def test_memory_above_4_gib_does_not_matter() -> None:
    """RAM up there is not where the firmware's first phase works."""
    above = MemoryEntry(MemRange(4 * GIB, 6 * GIB), RAM)
    assert old_stacks(table(2 * GIB, 1, above), address_bits=40) == MemRange.from_size(0x7BF75000, 128 * KIB)


def test_other_firmware() -> None:
    """A table that ends otherwise says nothing, and one without RAM neither."""
    assert old_stacks(table(GIB, 1, kind=ACPI)) is None
    assert old_stacks(table(GIB, 0)) is None
    assert old_stacks([]) is None
    odd = MemRange(GIB - 513 * KIB, GIB)
    assert old_stacks([MemoryEntry(odd, NVS)]) is None
    assert old_stacks(table(64 * MIB, 1)) is None
