"""e820 tables as bytes."""

import struct

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.e820_table import format_e820_entries, parse_e820_entries
from kexeckit.memory.kind import KNOWN_KINDS, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange

KINDS = (*KNOWN_KINDS, kind_from_e820(6), kind_from_e820(0xFFFFFFFF))


def test_every_kind_is_handed_over_by_its_own_number() -> None:
    """Known or not: the number in the table is the number that came."""
    entries = [MemoryEntry(MemRange(n << 12, (n + 1) << 12), kind) for n, kind in enumerate(KINDS)]
    table = format_e820_entries(entries)
    assert [struct.unpack_from("<QQI", table, 20 * n)[2] for n in range(len(KINDS))] == [k.e820 for k in KINDS]
    assert list(parse_e820_entries(table, "t")) == entries


def test_entries_of_size_zero_say_nothing() -> None:
    """They are the only ones left out; unsorted ones stay in their order."""
    table = struct.pack("<QQIQQIQQI", 8, 4, 1, 5, 0, 1, 0, 4, 2)
    assert [(e.start, e.end) for e in parse_e820_entries(table, "t")] == [(8, 12), (0, 4)]


@pytest.mark.parametrize("size", [1, 19, 21])
def test_a_cut_table_is_refused(size: int) -> None:
    """20 bytes an entry."""
    with pytest.raises(InputError, match=f"{size} bytes; expected a multiple of 20"):
        list(parse_e820_entries(bytes(size), "t"))


def test_an_entry_beyond_the_address_space_is_refused_and_one_up_to_it_is_not() -> None:
    """2^64 is the last end."""
    assert next(parse_e820_entries(struct.pack("<QQI", 1 << 63, 1 << 63, 1), "t")).end == 1 << 64
    with pytest.raises(InputError, match="entry 1 reaches beyond"):
        list(parse_e820_entries(struct.pack("<QQI", 1 << 63, (1 << 63) + 1, 1), "t"))
