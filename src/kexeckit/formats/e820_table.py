"""e820 tables as bytes: 20 bytes an entry, address and size of 64 bits, type of 32.

Source: arch/x86/include/uapi/asm/setup_data.h, struct boot_e820_entry; E820_MAX_ENTRIES_ZEROPAGE.
"""

import struct
from collections.abc import Iterable, Iterator

from kexeckit.errors import InputError
from kexeckit.memory.kind import kind_from_e820
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange

E820_ENTRY_SIZE = 20
E820_MAX_INLINE = 128
_ENTRY = struct.Struct("<QQI")


def parse_e820_entries(data: bytes, source: str) -> Iterator[MemoryEntry]:
    """Yield the entries of a table; entries of size zero say nothing and are the only ones left out.

    Raises:
        InputError: The length is no multiple of 20, or an entry reaches beyond 2^64.
    """
    if len(data) % E820_ENTRY_SIZE:
        raise InputError(source, f"an e820 table of {len(data)} bytes", expected="a multiple of 20")
    for number, (start, size, kind) in enumerate(_ENTRY.iter_unpack(data), 1):
        if start + size > 1 << 64:
            raise InputError(source, f"e820 entry {number} reaches beyond 2^64", line=number)
        if size:
            yield MemoryEntry(MemRange.from_size(start, size), kind_from_e820(kind))


def format_e820_entries(entries: Iterable[MemoryEntry]) -> bytes:
    """Return the table's bytes, in the given order.

    Raises:
        ValueError: An entry is all of the address space: its size has no room in 64 bits.
    """
    found = tuple(entries)
    if any(e.range.size >> 64 for e in found):
        raise ValueError("an e820 entry has 64 bits for its size, and all of the address space is one byte more")
    return b"".join(_ENTRY.pack(e.start, e.range.size, e.kind.e820) for e in found)
