"""arm64's copy of the linear map: what a normal kexec takes since 5.16 so that the jump can run with the MMU on.

The copy has the structure of the linear map that it copies: blocks stay blocks, page tables are copied as tables. So
it is counted from what made the original:

    page mode    every page has its own entry (rodata=full, the default; debug_pagealloc; KFENCE that can start late)
    block mode   1 GiB and 2 MiB blocks (4 KiB pages) where RAM is aligned and covers them, pages at ragged ends

A crash image needs no copy: its segments are in place already.

Source: arch/arm64/kernel/machine_kexec.c, machine_kexec_post_load(); arch/arm64/mm/trans_pgd.c,
trans_pgd_create_copy() and trans_pgd_idmap_page(); arch/arm64/mm/mmu.c, map_mem() and alloc_init_pud().
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.page_tables.count import count_tables, touched_spans
from kexeckit.kernel.page_tables.geometry import TableFormat, TablePages
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import align_down

# Of physical addresses.
_ADDRESS_BITS = 48


@dataclass(frozen=True, slots=True)
class LinearMap:
    """How a running arm64 kernel maps its RAM.

    Attributes:
        form: Levels and page size (4 KiB pages: 3 levels for 39-bit, 4 for 48-bit addresses).
        blocks: Whether it uses blocks; see the module's text.
    """

    form: TableFormat
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class LinearCopy:
    """The cost of the copy.

    Attributes:
        tables: The copied tables, root included.
        identity: Pages of the small table that maps the code page onto itself.
        vectors: Pages for the copied exception vectors: 1 where the kernel was booted at EL2 without VHE, else 0.
    """

    tables: TablePages
    identity: int
    vectors: int

    @property
    def total(self) -> int:
        """All control pages that the copy takes."""
        return self.tables.total + self.identity + self.vectors


def count_linear_copy(ram: RangeSet, linear: LinearMap, *, el2: bool = False) -> LinearCopy:
    """Count the pages of a copy.

    Args:
        ram: memblock memory without what is mapped nowhere (nomap), bytes.
        linear: How the running kernel maps it.
        el2: Whether the kernel was booted at EL2 without VHE.

    Returns:
        The pages. A kernel with KASLR moves the linear map by whole GiB; then the number of upper tables can be one
        more than this.

    Source: arch/arm64/mm/trans_pgd.c, copy_page_tables().
    """
    shifted = _from_linear_start(ram, linear.form)
    tables = (
        _in_blocks(shifted, linear.form) if linear.blocks else count_tables(shifted, linear.form.page_size, linear.form)
    )
    return LinearCopy(tables, _identity_levels(linear.form), int(el2))


def _from_linear_start(ram: RangeSet, form: TableFormat) -> RangeSet:
    # The linear map begins at the first RAM, rounded down to what one level-1 (64K: level-2 contiguous) entry maps.
    first = next(iter(ram), None)
    if first is None:
        return ram
    align = 1 << (form.entry_shift(2) if form.page_shift == 12 else form.entry_shift(1) + 5)
    base = align_down(first.start, align)
    whole = (r.aligned_inwards(form.page_size) for r in ram)
    return RangeSet(MemRange(r.start - base, r.end - base) for r in whole if r)


def _in_blocks(ram: RangeSet, form: TableFormat) -> TablePages:
    # What full blocks cover needs no lower table; 1 GiB blocks exist with 4 KiB pages only.
    blocks = [2, 1] if form.page_shift == 12 and form.levels > 2 else [1]
    pages, left = {}, ram
    for depth in range(form.levels - 2, -1, -1):
        pages[form.names[depth]] = touched_spans(left, [form.entry_shift(depth + 1)], form)[0]
        if depth in blocks:
            left -= left.aligned_inwards(1 << form.entry_shift(depth))
    return TablePages(**pages, pgd=1, page_size=form.page_size)


def _identity_levels(form: TableFormat) -> int:
    # trans_pgd_idmap_page(): tables from the bottom up until 48 bits of address are reached. A code page above takes 52
    # bits and at most four levels, which are as many with every page size.
    return -(-(_ADDRESS_BITS - form.page_shift) // form.index_bits)
