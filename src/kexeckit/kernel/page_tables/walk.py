"""A software page walker for x86_64: what do these tables map? It knows the processor's rules and nothing else.

Rules of this file:
    1. It shares no code with the builder and reads one page at a time through a function, so that it works on built
       bytes and on a guest's memory alike.
    2. Reserved bits and entries that the processor would refuse are reported as errors, not skipped.

Source: Intel SDM volume 3, chapter "Paging", 4-level and 5-level paging.
"""

import struct
from collections.abc import Callable, Iterator

from kexeckit.frozen import dataclass

_ADDRESS_4K = 0x000F_FFFF_FFFF_F000


class BadTableError(ValueError):
    """An entry that the processor would refuse, or a loop."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Consecutive virtual addresses on consecutive physical ones, with the same kind of leaf.

    Attributes:
        virtual: First virtual address, canonical.
        physical: First physical address.
        size: Bytes.
        leaf: Bytes of one leaf: 4096, 2 MiB or 1 GiB.
        flags: The bits of the leaf entries besides the address.
    """

    virtual: int
    physical: int
    size: int
    leaf: int
    flags: int


@dataclass(frozen=True, slots=True)
class TableUse:
    """One table page that the walk passed.

    Attributes:
        address: Its physical address.
        depth: 0 for the last level (4 KiB entries), upwards.
        virtual: First virtual address that it covers.
        link: The entry that points to it, 0 for the root.
    """

    address: int
    depth: int
    virtual: int
    link: int


def walk_tables(
    read_page: Callable[[int], bytes | memoryview], root: int, levels: int
) -> tuple[list[Mapping], list[TableUse]]:
    """Walk the tables from the root.

    Args:
        read_page: Returns the 4096 bytes of a physical page.
        root: Physical address of the root page; the low 12 bits (as in CR3) are ignored.
        levels: 4 or 5.

    Returns:
        What is mapped, by virtual address and merged; and every table page once per link to it.

    Raises:
        BadTableError: A malformed entry.
    """
    tables: list[TableUse] = []
    leaves = _walk(read_page, TableUse(root & _ADDRESS_4K, levels - 1, 0, 0), levels, tables)
    return list(_merged(leaves)), tables


def _walk(
    read_page: Callable[[int], bytes | memoryview], table: TableUse, levels: int, tables: list[TableUse]
) -> Iterator[Mapping]:
    tables.append(table)
    shift = 12 + 9 * table.depth
    for index, entry in enumerate(struct.unpack("<512Q", read_page(table.address))):
        if not entry & 1:
            continue
        virtual = _canonical(table.virtual + (index << shift), levels)
        if table.depth == 0 or entry & 0x80:
            yield _leaf(entry, virtual, table.depth)
        else:
            lower = TableUse(entry & _ADDRESS_4K, table.depth - 1, table.virtual + (index << shift), entry)
            yield from _walk(read_page, lower, levels, tables)


def _leaf(entry: int, virtual: int, depth: int) -> Mapping:
    if depth > 2:
        raise BadTableError(f"entry {entry:#x} for {virtual:#x} is a leaf in a level that has none")
    size = 1 << (12 + 9 * depth)
    # In a large leaf bit 12 is an attribute (PAT), the other bits below the size must be zero.
    frame = entry & _ADDRESS_4K & ~(0x1000 if depth else 0)
    if frame & (size - 1):
        raise BadTableError(f"entry {entry:#x} for {virtual:#x} is not aligned to its {size:#x} bytes")
    return Mapping(virtual, frame, size, size, entry & ~frame)


def _canonical(address: int, levels: int) -> int:
    top = 12 + 9 * levels
    return address | (-1 << top) & 0xFFFF_FFFF_FFFF_FFFF if address >> (top - 1) & 1 else address


def _merged(leaves: Iterator[Mapping]) -> Iterator[Mapping]:
    last: Mapping | None = None
    for m in leaves:
        if last and _continues(last, m):
            last = Mapping(last.virtual, last.physical, last.size + m.size, last.leaf, last.flags)
            continue
        if last:
            yield last
        last = m
    if last:
        yield last


def _continues(last: Mapping, m: Mapping) -> bool:
    touching = last.virtual + last.size == m.virtual and last.physical + last.size == m.physical
    return touching and (last.leaf, last.flags) == (m.leaf, m.flags)
