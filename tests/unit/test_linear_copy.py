"""arm64's copy of its linear map: where it begins, what blocks save, how deep the table of one page is."""

import pytest

from kexeckit.kernel.page_tables.cost import cost_of_linear_copy
from kexeckit.kernel.page_tables.geometry import TableFormat, TablePages
from kexeckit.kernel.page_tables.linear_copy import LinearMap, count_linear_copy
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, MIB, TIB

FOUR_K = TableFormat(4, half=False)
LARGE = TableFormat(3, page_shift=16, half=False)


def tables(form: TableFormat, start: int, size: int, *, blocks: bool = True) -> TablePages:
    """Return the tables of a copy of one range."""
    return count_linear_copy(RangeSet((MemRange.from_size(start, size),)), LinearMap(form, blocks=blocks)).tables


def test_the_map_begins_at_a_gib_with_pages_of_4_kib() -> None:
    """RAM from 512 MiB behind one reaches over a border of 512 GiB that lies 256 MiB further than its size says.

    Source: arch/arm64/mm/init.c, arm64_memblock_init(), ARM64_MEMSTART_ALIGN; arch/arm64/include/asm/kernel-pgtable.h.
    """
    assert tables(FOUR_K, GIB + 512 * MIB, 512 * GIB - 256 * MIB).pud == 2
    assert tables(FOUR_K, GIB, 512 * GIB - 256 * MIB).pud == 1
    assert tables(FOUR_K, 7 * GIB, 512 * GIB).pud == 1


def test_the_map_begins_at_16_gib_with_pages_of_64_kib() -> None:
    """A table of blocks maps 4 TiB: RAM that begins 8 GiB behind such a place needs two of them for less."""
    assert tables(LARGE, 24 * GIB, 4 * TIB - 4 * GIB).pmd == 2
    assert tables(LARGE, 16 * GIB, 4 * TIB - 4 * GIB).pmd == 1
    assert tables(LARGE, 48 * GIB, 4 * TIB).pmd == 1


def test_blocks_of_1_gib_need_pages_of_4_kib() -> None:
    """With 64 KiB the largest block is of 512 MiB, so even 4 TiB in one piece need a table of them."""
    assert tables(LARGE, 0, 4 * TIB) == TablePages(pgd=1, pmd=1, page_size=1 << 16)
    assert tables(LARGE, 0, 512 * MIB + (1 << 16)) == TablePages(pgd=1, pmd=1, pte=1, page_size=1 << 16)
    assert tables(FOUR_K, 0, 4 * GIB) == TablePages(pgd=1, pud=1)
    assert tables(FOUR_K, 0, 4 * GIB + 2 * MIB) == TablePages(pgd=1, pud=1, pmd=1)


@pytest.mark.parametrize(("form", "pages"), [(FOUR_K, 4), (TableFormat(4, page_shift=14, half=False), 4), (LARGE, 3)])
def test_the_table_of_the_code_page(form: TableFormat, pages: int) -> None:
    """From the bottom up until 48 bits are reached, at most four levels.

    Source: arch/arm64/mm/trans_pgd.c, trans_pgd_idmap_page(), whose 52 bits take as many levels with each page size.
    """
    copy = count_linear_copy(RangeSet((MemRange(0, GIB),)), LinearMap(form))
    assert copy.identity == pages
    assert copy.vectors == 0
    assert copy.total == copy.tables.total + pages


def test_ram_beyond_half_of_the_addresses() -> None:
    """The linear map is not the identity: it may use all that its tables reach, here 256 TiB."""
    ram = RangeSet((MemRange(0, (1 << 47) + GIB),))
    assert cost_of_linear_copy(ram, "2M", 4).pages.pud == 257


@pytest.mark.parametrize(
    ("leaf", "words"), [("2M", "blocks"), ("1G", "blocks"), ("4K", "per page"), ("kernel", "per page")]
)
def test_how_it_is_mapped_is_said(leaf: str, words: str) -> None:
    """By the leaf that was asked for."""
    assert words in cost_of_linear_copy(RangeSet((MemRange(0, GIB),)), leaf, 4).reasons[0]


def test_pages_of_16_kib_have_blocks_of_32_mib_only() -> None:
    """So 64 GiB in one piece need a table of them."""
    form = TableFormat(4, page_shift=14, half=False)
    assert tables(form, 0, 64 * GIB) == TablePages(pgd=1, pud=1, pmd=1, page_size=1 << 14)
