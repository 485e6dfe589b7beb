"""What the next kernel is told about memory."""

from dataclasses import replace

import pytest

from fakes import IOMEM, MEMMAP, make_facts
from fakes import build_boot_params as running_page
from formatters import covered
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.memory.kind import KNOWN_KINDS, RAM, RESERVED, RESERVED_KERN, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import EfiFacts
from kexeckit.plan.handover import OldRam, capture_kernel_map, next_kernel_map

FACTS = make_facts()
HEADER = MemRange(0xA0000000, 0xA0002000)
ODD = (*(k for k in KNOWN_KINDS if k not in (RAM, RESERVED_KERN)), kind_from_e820(6), kind_from_e820(0xFFFFFFF0))


def listed(found: MemoryMap) -> list[tuple[int, int, str]]:
    """Entries as plain numbers."""
    return [(e.start, e.end, str(e.kind)) for e in found]


def odd_facts() -> MemoryMap:
    """A firmware map with every kind that is not RAM, one page each at 3.5 GiB, and no two that touch."""
    base = 0xE0000000
    pieces = [MemoryEntry(MemRange.from_size(base + n * 0x2000, 0x1000), kind) for n, kind in enumerate(ODD)]
    return MemoryMap.of((*FACTS.firmware_map.entries, *pieces))


def test_a_normal_kexec_hands_the_firmware_map_on() -> None:
    """Entry by entry, borders included."""
    assert next_kernel_map(FACTS) == FACTS.firmware_map


@pytest.mark.parametrize("old_ram", OldRam)
def test_every_kind_is_handed_over_as_what_it_is(old_ram: OldRam) -> None:
    """Unknown numbers too, to a next kernel and to a capture kernel."""
    facts = replace(FACTS, firmware_map=odd_facts())
    for made in (next_kernel_map(facts), capture_kernel_map(facts, HEADER, old_ram)):
        assert [e.kind.e820 for e in made if 0xE0000000 <= e.start < 0xF0000000] == [k.e820 for k in ODD]


def test_kernel_reserved_ram_is_ram_again_for_the_next_kernel() -> None:
    """Type 128 is a note of the old kernel to itself."""
    page = MemoryEntry(MemRange(0x1_4000_0000, 0x1_4000_1000), RESERVED_KERN)
    facts = replace(FACTS, firmware_map=MemoryMap.of((*FACTS.firmware_map.entries, page)))
    assert next_kernel_map(facts).entries[-1] == MemoryEntry(page.range, RAM)


#   0      fc00 a0000   f0000  100000        a0000000  a0002000   b0000000     c0000000      100000000   140000000
#   | RAM  |rsv|        |rsv | old RAM       | header  | RAM     | old RAM|rsv |             | old RAM   |
def test_a_capture_kernel_owns_its_reservation_and_low_memory_only() -> None:
    """Old RAM is reserved by default; the core header is reserved, so that it survives."""
    assert listed(capture_kernel_map(FACTS, HEADER, OldRam.RESERVED)) == [
        (0, 0x9FC00, "ram"),
        (0x9FC00, 0xA0000, "reserved"),
        (0xF0000, 0xA0002000, "reserved"),
        (0xA0002000, 0xB0000000, "ram"),
        (0xB0000000, 0xC0000000, "reserved"),
        (0x1_0000_0000, 0x1_4000_0000, "reserved"),
    ]


def test_old_ram_can_be_left_out_instead() -> None:
    """As the in-kernel loader does it: nothing is said about it, and firmware's own reservations stay."""
    assert listed(capture_kernel_map(FACTS, HEADER, OldRam.OMIT)) == [
        (0, 0x9FC00, "ram"),
        (0x9FC00, 0xA0000, "reserved"),
        (0xF0000, 0x100000, "reserved"),
        (0xA0000000, 0xA0002000, "reserved"),
        (0xA0002000, 0xB0000000, "ram"),
        (0xBFFE0000, 0xC0000000, "reserved"),
    ]


def test_reserving_old_ram_says_where_memory_is() -> None:
    """Every address that firmware describes is described to the capture kernel, and no other."""
    made = capture_kernel_map(FACTS, HEADER, OldRam.RESERVED)
    assert covered(made) == covered(FACTS.firmware_map)


def test_a_low_region_belongs_to_the_capture_kernel_too() -> None:
    """Both crash regions are RAM for it."""
    text = IOMEM.replace("  a0000000", "  20000000-2fffffff : Crash kernel (low)\n  a0000000")
    made = capture_kernel_map(make_facts(text), HEADER, OldRam.RESERVED)
    assert MemRange(0x20000000, 0x30000000) in made.ram()


def test_efi_tables_in_ram_stay_reserved() -> None:
    """The ESRT lies in what firmware calls RAM; the running kernel shows it as reserved. Not so without EFI."""
    text = IOMEM.replace("bffe0000", "50000000-50000fff : Reserved\nbffe0000").replace(
        "00100000-bffdffff : System RAM", "50001000-bffdffff : System RAM"
    )
    esrt = MemRange(0x50000000, 0x50001000)
    page = parse_boot_params(running_page(efi_systab=0x7F000000), "p")
    for fields in ({"boot_params": page}, {"efi": EfiFacts(0, 0, 0, 0, ())}):
        made = next_kernel_map(make_facts(text, **fields))
        assert esrt in made.of_kind(RESERVED)
    assert esrt in next_kernel_map(make_facts(text)).ram()


def test_low_memory_is_not_painted_by_what_the_running_kernel_reserved() -> None:
    """Each kernel reserves for itself there."""
    page = parse_boot_params(running_page(efi_systab=0x7F000000), "p")
    made = next_kernel_map(make_facts(boot_params=page))
    assert MemRange(0, 0x1000) in made.ram()


def test_the_table_keeps_the_order_of_the_map() -> None:
    """Sorted by address."""
    made = next_kernel_map(FACTS)
    assert list(made) == sorted(made, key=lambda e: e.range)
    assert len(made) == len(MEMMAP)
