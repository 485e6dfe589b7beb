"""Build the real bytes of identity tables, page for page in the order in which the kernel allocates them.

Rules of this file:
    1. Pages are numbered by first use: the root is 0, a table comes before what it points to.
    2. Nothing that is mapped is mapped again; a slot with a leaf stays as it is.
    3. Runs of full, empty slots are filled at once; the result is the one of going entry by entry.

    pgd 0 -> pud 1 -> pmd 2, 3, 4 ... 513
          -> pud 514 -> pmd 515 ...

Source: arch/x86/mm/ident_map.c, kernel_ident_mapping_init(), ident_p4d_init(), ident_pud_init(), ident_pmd_init().
"""

from collections.abc import Iterable

from kexeckit.frozen import dataclass
from kexeckit.kernel.page_tables.count import leaf_depth
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.kernel.page_tables.geometry import FOUR_LEVELS, LEAF_1G, P4D, PUD, TableFormat, TablePages
from kexeckit.kernel.page_tables.rows import ENTRIES, Rows, make_rows
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange

_PRESENT = 1
_LARGE = 1 << 7
_ADDRESS = 0x000F_FFFF_FFFF_F000


@dataclass(frozen=True, slots=True)
class BuiltTables:
    """Finished tables.

    Attributes:
        root: Physical address of the PGD.
        data: The pages' bytes, in order of their numbers.
        frames: Where each page lies.
        pages: How many of which level.
    """

    root: int
    data: memoryview
    frames: Frames
    pages: TablePages

    def page(self, address: int) -> memoryview:
        """Return the 4096 bytes of the table page at a physical address.

        Raises:
            KeyError: No table page is there.
        """
        at = self.frames.number(address) * ENTRIES * 8
        return self.data[at : at + ENTRIES * 8]


def build_tables(
    calls: Iterable[MemRange],
    rule: LeafRule,
    pages: TablePages,
    frames: Frames,
    form: TableFormat = FOUR_LEVELS,
    *,
    numpy: bool = True,
) -> BuiltTables:
    """Build tables that map each range onto itself.

    Args:
        calls: What is mapped, in order; may overlap.
        rule: The leaves.
        pages: How many pages it will take, from `count_tables` or `count_kernel_tables`.
        frames: At least that many physical pages.
        form: 4 or 5 levels.
        numpy: Whether NumPy may be used where it is installed.

    Returns:
        The tables, with pages counted as they were made.

    Raises:
        ValueError: `frames` are too few.
        PlanError: A range is beyond what the tables reach.
    """
    if frames.count < pages.total:
        raise ValueError(f"{pages.total} table pages, but {frames.count} frames")
    builder = _Builder(rule, frames, make_rows(pages.total, numpy=numpy), form)
    for call in calls:
        form.check(call.end)
        builder.map(form.levels - 1, 0, call.start, call.end)
    return BuiltTables(frames.address(0), builder.rows.data(), frames, builder.counted())


class _Builder:
    # `depth` is that of an entry: 0 maps 4 KiB, 1 maps 2 MiB, 2 maps 1 GiB, ...
    def __init__(self, rule: LeafRule, frames: Frames, rows: Rows, form: TableFormat) -> None:
        self.rule = rule
        self.frames = frames
        self.rows = rows
        self.form = form
        self.leaf_depth = leaf_depth(rule.largest, form) - rule.only_full
        self.made = [0] * form.levels
        self.made[-1] = 1
        self.used = 1

    def counted(self) -> TablePages:
        return TablePages(**dict(zip(self.form.names, self.made, strict=True)))

    def map(self, depth: int, row: int, start: int, end: int) -> None:
        shift = self.form.entry_shift(depth)
        if depth == self.leaf_depth:
            first, last = start >> shift, (end - 1) >> shift
            value = (first << shift) | self.rule.leaf_bits
            self.rows.put_run(row, first % ENTRIES, last - first + 1, value, 1 << shift)
            return
        at = start
        while at < end:
            run = self._bulk(depth, row, at, end)
            if run:
                at += run << shift
                continue
            behind = min(((at >> shift) + 1) << shift, end)
            child = self._child(depth, row, (at >> shift) % ENTRIES)
            if child is not None:
                self.map(depth - 1, child, at, behind)
            at = behind

    def _child(self, depth: int, row: int, index: int) -> int | None:
        # The table below an entry, made now if there is none; None where a leaf maps the slot already.
        entry = self.rows.get(row, index)
        if entry & _LARGE:
            return None
        if entry & _PRESENT:
            return self.frames.number(entry & _ADDRESS)
        child = self._new_pages(depth - 1, 1)
        self.rows.put(row, index, self.frames.address(child) | self._link(depth))
        return child

    def _bulk(self, depth: int, row: int, at: int, end: int) -> int:
        # Fill as many full and empty slots at once as there are in this row; 0 where that cannot be done.
        shift = self.form.entry_shift(depth)
        index = (at >> shift) % ENTRIES
        count = min((end - at) >> shift, ENTRIES - index)
        if at & ((1 << shift) - 1) or count == 0:
            return 0
        if self.rule.only_full and depth == PUD:
            return self._large_leaves(row, index, count, at)
        if depth != self.leaf_depth + 1 or not self.rows.is_empty(row, index, count):
            return 0
        first = self._new_pages(depth - 1, count)
        for run in self.frames.runs(first, count):
            self.rows.put_run(row, index + run.first, run.count, run.address | self._link(depth), 4096)
        step = 1 << self.form.entry_shift(depth - 1)
        self.rows.fill(first, count, at | self.rule.leaf_bits, step)
        return count

    def _large_leaves(self, row: int, index: int, count: int, at: int) -> int:
        # Only slots that are empty get a 1 GiB leaf; a link or a leaf ends the run.
        if not self.rows.is_empty(row, index, count):
            count = next(i for i in range(count) if self.rows.get(row, index + i))
        if count:
            self.rows.put_run(row, index, count, at | self.rule.leaf_bits, LEAF_1G)
        return count

    def _new_pages(self, depth: int, count: int) -> int:
        first = self.used
        self.used += count
        self.made[depth] += count
        return first

    def _link(self, depth: int) -> int:
        return self.rule.upper_link if depth >= P4D else self.rule.link
