"""MemoryMap: what cannot be built, and that borders between entries mean something."""

import pytest

from formatters import covered
from kexeckit.memory.kind import ACPI, RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

LOW, HIGH = MemoryEntry(MemRange(0, 10), RAM), MemoryEntry(MemRange(10, 20), RAM)


def test_unsorted_and_overlapping_entries_are_different_errors() -> None:
    """The message names both entries."""
    with pytest.raises(ValueError, match=r"not sorted.*0x0000000a.*0x00000000|not sorted"):
        MemoryMap((HIGH, LOW))
    with pytest.raises(ValueError, match=r"overlap: \[0x00000000, 0x0000000a\) ram and"):
        MemoryMap((LOW, MemoryEntry(MemRange(9, 12), ACPI)))


def test_touching_entries_of_one_kind_stay_two() -> None:
    """Only coalesced() merges, and only what touches and is of one kind."""
    found = MemoryMap((LOW, HIGH, MemoryEntry(MemRange(20, 30), ACPI), MemoryEntry(MemRange(31, 40), ACPI)))
    assert len(found) == 4
    assert [(e.start, e.end) for e in found.coalesced()] == [(0, 20), (20, 30), (31, 40)]


def test_what_no_entry_covers_is_described_by_nothing() -> None:
    """A gap is neither RAM nor reserved."""
    found = MemoryMap((LOW, MemoryEntry(MemRange(50, 60), RESERVED)))
    assert covered(found).gaps(MemRange(0, 60)) == RangeSet((MemRange(10, 50),))
    assert found.of_kind(RESERVED, ACPI) == RangeSet((MemRange(50, 60),))


def test_painting_splits_an_entry() -> None:
    """Reserved over the middle of RAM leaves RAM on both sides."""
    found = MemoryMap((MemoryEntry(MemRange(0, 100), RAM),)).painted(RangeSet((MemRange(40, 60),)), RESERVED)
    assert [(e.start, e.end, str(e.kind)) for e in found] == [
        (0, 40, "ram"),
        (40, 60, "reserved"),
        (60, 100, "ram"),
    ]


def test_a_map_of_many_entries_against_many_ranges_is_not_their_product() -> None:
    """20,000 against 20,000: entry by entry against every range would be 400 million steps."""
    count = 20_000
    found = MemoryMap(tuple(MemoryEntry(MemRange(n * 10, n * 10 + 8), RAM) for n in range(count)))
    holes = RangeSet(MemRange(n * 10 + 2, n * 10 + 4) for n in range(count))
    assert len(found.without(holes)) == 2 * count


def test_two_entries_of_one_start_overlap() -> None:
    """They are sorted, so that is what is wrong with them."""
    entry = MemoryEntry(MemRange(0, 8), RAM)
    with pytest.raises(ValueError, match="overlap"):
        MemoryMap((entry, entry))
