"""From an x86 firmware map to memory and its top."""

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.e820 import E820_ACPI, E820_RAM, E820_RESERVED, make_table
from kexeckit.kernel.boot.x86_memory import X86Memory, x86_memory
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20
TABLE = make_table(
    [
        (0, 0x9FC00, E820_RAM),
        (0x9FC00, 0x100000, E820_RESERVED),
        (0x100000, 64 * MIB, E820_RAM),
        (64 * MIB, 65 * MIB, E820_ACPI),
    ]
)


def memory(version: str, words: str = "", **more: object) -> X86Memory:
    """Work the table out for a kernel."""
    behaviour = zone_behaviour_of(parse_kernel_version(version))
    return x86_memory(TABLE, words, behaviour, **more)  # type: ignore[arg-type]


def test_page_zero_and_the_bios_area_are_no_ram() -> None:
    """Memory begins at page 1 and has whole pages only."""
    assert memory("6.1").memory == RangeSet((MemRange(0x1000, 0x9F000), MemRange(0x100000, 64 * MIB)))


def test_the_first_64_kib_before_3_9() -> None:
    """Old kernels keep their hands off the first 64 KiB."""
    assert min(memory("3.8").memory).start == 0x10000
    assert min(memory("3.9").memory).start == 0x1000


def test_acpi_tables_raise_the_top_from_6_11() -> None:
    """ACPI tables above all RAM count for the top, not for memory."""
    assert memory("6.10").top == 64 * MIB
    assert memory("6.11").top == 65 * MIB


def test_words_change_memory() -> None:
    """mem= cuts, memmap=$ takes out."""
    found = memory("6.1", "mem=32M memmap=4M$8M")
    assert found.top == 32 * MIB
    assert MemRange(8 * MIB, 12 * MIB) not in found.memory


def test_uncached_memory_goes() -> None:
    """RAM that no MTRR makes cacheable is given up, and the top falls."""
    found = memory("6.1", uncached=[MemRange(48 * MIB, 64 * MIB)])
    assert found.top == 48 * MIB


def test_what_a_build_cannot_reach_goes() -> None:
    """Memory above the build's limit does not count."""
    found = memory("6.12", reach=16 * MIB)
    assert found.top == 16 * MIB
    assert max(r.end for r in found.memory) == 16 * MIB


def test_a_map_that_stops_the_kernel() -> None:
    """memmap=exactmap with a single region makes the kernel panic, and the answer says so."""
    assert "Invalid user supplied memory map" in memory("6.1", "memmap=exactmap memmap=32M@1M").problem


def test_a_machine_without_ram() -> None:
    """Has no memory and ends at 0."""
    found = x86_memory((), "", zone_behaviour_of(parse_kernel_version("6.12")))
    assert (found.memory.size, found.top) == (0, 0)
