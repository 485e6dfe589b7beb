"""Tables of e820 beside a model that asks for each address which entries have it.

About kexeckit.kernel.boot.e820.
"""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.boot.e820 import (
    E820Entry,
    Table,
    memory_map,
    ram,
    ram_within,
    range_removed,
    range_updated,
    sanitized,
)
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE

LIMIT = 24
RAM, RESERVED, ACPI, PRAM, KERNEL_RAM = 1, 2, 3, 12, 128
TYPES = st.sampled_from((RAM, RESERVED, ACPI))


def entries(
    types: st.SearchStrategy[int] = TYPES, least: int = 0, sizes: st.SearchStrategy[int] | None = None
) -> st.SearchStrategy[Table]:
    """Draw tables: in any order, with overlaps."""
    size = st.integers(1, 8) if sizes is None else sizes
    entry = st.builds(lambda at, size, kind: E820Entry(at, at + size, kind), st.integers(0, LIMIT), size, types)
    return st.lists(entry, min_size=least, max_size=6).map(tuple)


def at(table: Table, address: int) -> list[int]:
    """Return the types of the entries that have an address."""
    return [e.type for e in table if e.start <= address < e.end]


ADDRESSES = range(LIMIT + 10)


@given(entries(least=2, sizes=st.integers(0, 8)))
def test_the_highest_type_wins_at_each_address(table: Table) -> None:
    """In order, without overlaps or empty entries; two of a type that touch are one."""
    found = sanitized(table)
    assert [sorted(at(found, a)) for a in ADDRESSES] == [
        [max(have)] if (have := at(table, a)) else [] for a in ADDRESSES
    ]
    assert all(e.start < e.end for e in found)
    for before, after in pairwise(found):
        assert before.end < after.start or (before.end == after.start and before.type != after.type)


@given(entries(st.sampled_from((RAM, PRAM)), least=2))
def test_entries_that_are_never_merged(table: Table) -> None:
    """They cover what they covered, and are cut where any entry of the table begins or ends."""
    found = sanitized(table)
    assert [at(found, a) for a in ADDRESSES] == [[max(have)] if (have := at(table, a)) else [] for a in ADDRESSES]
    edges = {edge for e in table for edge in (e.start, e.end)}
    for entry in found:
        if entry.type == PRAM:
            assert not edges & set(range(entry.start + 1, entry.end))


@given(entries(), st.integers(0, LIMIT), st.integers(1, 10), TYPES, TYPES)
def test_a_retyped_range(table: Table, start: int, size: int, old: int, new: int) -> None:
    """Each entry of the old type gives what it has there to the new one; none is left empty, and order is kept."""
    found = range_updated(table, start, size, old, new)
    for address in ADDRESSES:
        inside = start <= address < start + size
        expected = Counter(new if inside and kind == old else kind for kind in at(table, address))
        assert Counter(at(found, address)) == expected
    assert all(e.start < e.end for e in found)
    for before, after in zip(table, found, strict=False):
        touched = before.type == old and before.start < start + size and start < before.end
        assert after == before if not touched else before.start <= after.start < after.end <= before.end


@given(entries(), st.integers(0, LIMIT), st.integers(1, 10), st.one_of(st.none(), TYPES))
def test_a_removed_range(table: Table, start: int, size: int, old: int | None) -> None:
    """It is gone from all entries of a type, or from all; one that is gone whole leaves an empty entry in its place."""
    found = range_removed(table, start, size, old)
    for address in ADDRESSES:
        inside = start <= address < start + size
        assert Counter(at(found, address)) == Counter(
            k for k in at(table, address) if not (inside and old in (k, None))
        )
    gone = [old in (e.type, None) and start <= e.start and e.end <= start + size for e in table]
    assert [e == (0, 0, 0) for e in found] == gone + [False] * (len(found) - len(table))
    assert all(e.start < e.end for e in found if e != (0, 0, 0))


QUARTERS = PAGE_SIZE // 4


@given(
    entries(st.sampled_from((RAM, RESERVED, KERNEL_RAM)), sizes=st.integers(0, 8)),
    st.one_of(st.none(), st.integers(1, LIMIT)),
)
def test_whole_pages_of_ram(table: Table, reach: int | None) -> None:
    """Pages that entries of RAM cover together, though none of them alone; up to where the build reaches."""
    scaled = tuple(E820Entry(e.start * QUARTERS, e.end * QUARTERS, e.type) for e in table)
    covered = {a for a in ADDRESSES if {RAM, KERNEL_RAM} & set(at(table, a))}
    pages = {p for p in range(LIMIT) if {4 * p, 4 * p + 1, 4 * p + 2, 4 * p + 3} <= covered}
    found = ram(scaled)
    assert [p for r in found for p in range(r.start // PAGE_SIZE, r.end // PAGE_SIZE)] == sorted(pages)
    assert all(r.start % PAGE_SIZE == r.end % PAGE_SIZE == 0 for r in found)
    # The limit itself is a whole page.
    limit = None if reach is None else reach * PAGE_SIZE
    within = ram_within(scaled, limit)
    assert [p for r in within for p in range(r.start // PAGE_SIZE, r.end // PAGE_SIZE)] == sorted(
        p for p in pages if reach is None or p < reach
    )


@given(entries(least=2, sizes=st.integers(0, 8)))
def test_a_clean_table_as_a_typed_map(table: Table) -> None:
    """The same ranges with their kinds; entries without a byte are none."""
    found = memory_map((*sanitized(table), E820Entry(0, 0, 0)))
    assert [(e.range, e.kind.e820) for e in found] == [(MemRange(e.start, e.end), e.type) for e in sanitized(table)]
