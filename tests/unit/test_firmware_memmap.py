"""/sys/firmware/memmap: entries, unknown types, and what is refused."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.memory.kind import NVS, RAM, RESERVED
from kexeckit.memory.range import MemRange


def fields(start: str, end: str, kind: str = "System RAM") -> dict[str, str]:
    """The three files of an entry."""
    return {"start": start, "end": end, "type": kind}


def test_an_entry_is_read_with_its_inclusive_end() -> None:
    """Newlines at the end belong to sysfs."""
    entry = parse_memmap_entry(fields("0x100000\n", "0xbffdffff\n", "System RAM\n"), "0")
    assert (entry.range, entry.kind) == (MemRange(0x100000, 0xBFFE0000), RAM)
    assert parse_memmap_entry(fields("0x1", "0x1", "ACPI Non-volatile Storage"), "0").kind == NVS


def test_an_unknown_type_keeps_its_words_and_is_reserved_by_number() -> None:
    """Linux prints all unknown numbers alike, so the number is lost; it must not become RAM."""
    entry = parse_memmap_entry(fields("0x0", "0xfff", "Unknown E820 type"), "0")
    assert entry.kind.name == "unknown:Unknown E820 type"
    assert entry.kind.e820 == RESERVED.e820
    assert entry.kind != RAM


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("", "0x1", "unusable entry"),
        ("0x1", "end", "unusable entry"),
        ("0x2", "0x1", "0x1 lies before the start 0x2"),
        ("0x0", "0x10000000000000000", "not in 64 bits"),
        ("-0x5", "0x1", "not in 64 bits"),
        ("0x1" + "0" * 40, "0x2" + "0" * 40, "not in 64 bits"),
    ],
)
def test_numbers_that_are_none_are_refused(start: str, end: str, message: str) -> None:
    """Named by the entry's folder."""
    with pytest.raises(InputError, match=message) as caught:
        parse_memmap_entry(fields(start, end), "/sys/firmware/memmap/7")
    assert caught.value.location.source == "/sys/firmware/memmap/7"


def test_a_missing_field_is_an_input_error() -> None:
    """Not a KeyError."""
    with pytest.raises(InputError, match="unusable entry"):
        parse_memmap_entry({"start": "0x0"}, "0")


def test_entries_make_a_map_in_any_order() -> None:
    """Sysfs numbers are not addresses."""
    high = parse_memmap_entry(fields("0x1000", "0x1fff"), "0")
    low = parse_memmap_entry(fields("0x0", "0xfff"), "1")
    assert make_firmware_map([high, low], "m").entries == (low, high)


def test_overlapping_entries_and_none_at_all_are_refused() -> None:
    """Each by its own sentence."""
    entry = parse_memmap_entry(fields("0x0", "0xfff"), "0")
    with pytest.raises(InputError, match="m: memory map entries overlap"):
        make_firmware_map([entry, entry], "m")
    with pytest.raises(InputError, match="m: the firmware map has no entries"):
        make_firmware_map([], "m")
