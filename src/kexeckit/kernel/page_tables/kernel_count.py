"""How many table pages a kernel builds: a closed form for its mapping calls, in their order.

Theory: two of the three rules do not depend on the order and are those of `count`. Since 6.12 a 1 GiB slot gets a leaf
only if the first call that touches it covers all of it; then later calls find it mapped. Otherwise it gets a page of
2 MiB leaves. RAM is mapped first, sorted and merged, so only the first and the last slot of a range can be partial:

    slots     |   0    |   1    |   2    |   3    |
    RAM         |---------------------------|         0 and 3 get a page, 1 and 2 a leaf
    segment                         |--|              slot 3 has a page already: nothing
    ACPI                                       |-|    the same

Source: arch/x86/mm/ident_map.c, ident_pud_init(); arch/x86/kernel/machine_kexec_64.c, init_pgtable().
"""

from collections.abc import Sequence
from itertools import chain

from kexeckit.kernel.page_tables.count import bounds_of, count_tables, leaf_depth, touched_spans
from kexeckit.kernel.page_tables.geometry import FOUR_LEVELS, LEAF_1G, TableFormat, TablePages
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

_SHIFT = 30


def count_kernel_tables(
    ram: RangeSet, extra: Sequence[MemRange], rule: LeafRule, form: TableFormat = FOUR_LEVELS
) -> TablePages:
    """Count the table pages that a kernel builds.

    Args:
        ram: What it maps first (pfn_mapped), half-open bytes.
        extra: What it maps then, in its order: segments, EFI tables, ACPI tables.
        rule: Its leaves.
        form: 4 or 5 levels.

    Returns:
        Pages by level. The pages of the transition mapping are not in it: they are not control pages.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    if not rule.only_full:
        return _in_any_order(ram, extra, rule.largest, form)
    # One preparation of RAM serves both counts: with 10,000 ranges it is what takes the time.
    outside = _outside(ram, extra, 1 << form.entry_shift(3))
    own = bounds_of(ram, form)
    bounds = bounds_of(RangeSet(chain(ram, outside)), form) if outside else own
    upper = [bounds.touched(form.entry_shift(depth + 1)) for depth in range(2, form.levels - 1)]
    partial = own.partial(_SHIFT)
    pmd = len(partial) + len(_partial_in_extra(ram, extra))
    return TablePages(**dict(zip(form.names[2:], upper, strict=False)), pgd=1, pmd=pmd)


def _in_any_order(ram: RangeSet, extra: Sequence[MemRange], leaf: int, form: TableFormat) -> TablePages:
    # Leaves of one size. Usually nothing extra lies outside the tables of RAM, and then RAM need not be sorted again.
    outside = _outside(ram, extra, 1 << form.entry_shift(leaf_depth(leaf, form) + 1))
    return count_tables(RangeSet(chain(ram, outside)) if outside else ram, leaf, form)


def _outside(ram: RangeSet, extra: Sequence[MemRange], span: int) -> list[MemRange]:
    # The calls that touch a span which RAM does not touch.
    return [r for r in extra if not _all_spans_touched(ram, r, span)]


def _all_spans_touched(ram: RangeSet, r: MemRange, span: int) -> bool:
    around = r.aligned_outwards(span)
    return all(ram.overlapping(MemRange(at, at + span)) for at in range(around.start, around.end, span))


def partial_slots(ram: RangeSet, extra: Sequence[MemRange]) -> list[int]:
    """Return the numbers of the 1 GiB slots that get a page of 2 MiB leaves instead of a leaf, sorted."""
    partial = [int(slot) for slot in bounds_of(ram, TableFormat(5)).partial(_SHIFT)]
    return sorted({*partial, *_partial_in_extra(ram, extra)})


def _partial_in_extra(ram: RangeSet, extra: Sequence[MemRange]) -> set[int]:
    # Slots that a later call touches first, and not in full.
    partial: set[int] = set()
    seen: list[MemRange] = []
    for call in extra:
        for slot in {call.start >> _SHIFT, call.last >> _SHIFT}:
            whole = MemRange(slot << _SHIFT, (slot + 1) << _SHIFT)
            fresh = not ram.overlapping(whole) and not any(s.overlaps(whole) for s in seen)
            if fresh and not call.contains(whole):
                partial.add(slot)
        seen.append(call)
    return partial


def leaf_counts(ram: RangeSet, extra: Sequence[MemRange], rule: LeafRule) -> dict[int, int]:
    """Count the leaves by size in bytes.

    Args:
        ram: What is mapped first.
        extra: What is mapped then.
        rule: The leaves.
    """
    every = RangeSet(chain(ram, extra))
    form = FOUR_LEVELS if not every or list(every)[-1].end <= FOUR_LEVELS.limit else TableFormat(5)
    if not rule.only_full:
        return {rule.largest: touched_spans(every, [rule.largest.bit_length() - 1], form)[0]}
    slots = partial_slots(ram, extra)
    in_pages = every & RangeSet(MemRange(s << _SHIFT, (s + 1) << _SHIFT) for s in slots)
    large = touched_spans(every, [_SHIFT], form)[0] - len(slots)
    return {LEAF_1G: large, 1 << 21: touched_spans(in_pages, [21], form)[0]}
