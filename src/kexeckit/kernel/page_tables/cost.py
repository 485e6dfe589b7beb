"""`TableCost`: what one question about page tables has for an answer, with a reason for every number."""

from collections.abc import Iterable, Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.page_tables.calls import MappingCalls
from kexeckit.kernel.page_tables.count import count_tables
from kexeckit.kernel.page_tables.designs import Design, compare_designs
from kexeckit.kernel.page_tables.geometry import LEAF_1G, LEAF_SIZES, TableFormat, TablePages
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables, leaf_counts, partial_slots
from kexeckit.kernel.page_tables.linear_copy import LinearMap, count_linear_copy
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, PAGE_SIZE, TIB, format_address, format_size

# More slots than this are counted, not listed.
_LISTED = 8
_SPANS = {"p4d": 256 * TIB, "pud": 512 * GIB, "pmd": GIB, "pte": 2 << 20}


@dataclass(frozen=True, slots=True)
class TableCost:
    """The cost of mapping a set of ranges.

    Attributes:
        leaf: ``4K``, ``2M``, ``1G``, or ``kernel`` for the rule of a kernel.
        levels: Levels of tables.
        pages: Table pages by level.
        reasons: Why so many, one sentence each.
        designs: The three designs side by side, where crash regions are known.
        assumed: What was assumed of the machine, one sentence each.
        least: More may be mapped, at places that are not known: this is the least that it can be.
    """

    leaf: str
    levels: int
    pages: TablePages
    reasons: tuple[str, ...]
    designs: tuple[Design, ...] = ()
    assumed: tuple[str, ...] = ()
    least: bool = False

    @property
    def certainty(self) -> Certainty:
        """How sure the cost is: with another machine than the one that was assumed it is another one."""
        if self.least:
            return Certainty.OPEN
        return Certainty.LIKELY if self.assumed else Certainty.CERTAIN


@dataclass(frozen=True, slots=True)
class UnknownCost:
    """The answer for a kernel whose rule is not modelled.

    Attributes:
        leaf: As in `TableCost`.
        levels: Levels of tables.
        why: Why nothing is determined, one sentence.
    """

    leaf: str
    levels: int
    why: str

    @property
    def certainty(self) -> Certainty:
        """Open: nothing is determined."""
        return Certainty.OPEN


def cost_with_leaf(ranges: RangeSet, leaf: str, form: TableFormat) -> TableCost:
    """Count with leaves of one size, every touched slot rounded outwards.

    Args:
        ranges: What to map.
        leaf: ``4K``, ``2M`` or ``1G``.
        form: 4 or 5 levels.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    size = LEAF_SIZES[leaf]
    pages = count_tables(ranges, size, form)
    leaves = leaf_counts(ranges, (), LeafRule(size))
    return TableCost(leaf, form.levels, pages, tuple(_reasons(ranges, pages, leaves)))


def cost_with_kernel(calls: MappingCalls, rule: LeafRule, form: TableFormat) -> TableCost:
    """Count what a kernel builds.

    Args:
        calls: What it maps.
        rule: Its leaves.
        form: 4 or 5 levels.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    ram, extra = calls.ram, calls.extra_ranges
    pages = count_kernel_tables(ram, extra, rule, form)
    reasons = [_rule_in_words(rule)]
    reasons += _reasons(RangeSet((*ram, *extra)), pages, leaf_counts(ram, extra, rule))
    if rule.only_full:
        reasons += _partial_in_words(partial_slots(ram, extra))
    reasons += _outside_ram(calls)
    reasons += [f"not determined: {text}" for text in calls.not_determined]
    return TableCost("kernel", form.levels, pages, tuple(reasons))


def designs_of(calls: MappingCalls, crash: Iterable[MemRange], rule: LeafRule, form: TableFormat) -> tuple[Design, ...]:
    """Return the three designs and, last, what this kernel builds; nothing without a crash region."""
    regions = tuple(crash)
    if not regions:
        return ()
    built = count_kernel_tables(calls.ram, calls.extra_ranges, rule, form)
    segments = [m.range for m in calls.extra if m.why == "segment"]
    ours = Design("this-kernel", "what this kernel builds: RAM, EFI and ACPI tables", built)
    return (*compare_designs(calls.ram, regions, segments, form), ours)


def cost_of_linear_copy(ram: RangeSet, leaf: str, levels: int, *, copied: bool = True) -> TableCost:
    """Count arm64's copy of the linear map for a normal kexec, with 4 KiB pages.

    Args:
        ram: RAM.
        copied: Whether the kernel makes a copy at all (`KernelBehaviour.linear_map_copied`).
        leaf: ``4K`` or ``kernel``: a page for each entry (rodata=full, the default); ``2M`` or ``1G``: blocks.
        levels: 3 (39-bit addresses), 4 (48-bit) or 5.
    """
    form = TableFormat(levels, half=False)
    if not copied:
        reasons: tuple[str, ...] = (
            "arm64 copies its linear map for a normal kexec since 5.16: this kernel makes no copy, and no page tables",
        )
        return TableCost(leaf, levels, TablePages(page_size=form.page_size), reasons)
    blocks = leaf in ("2M", "1G")
    copy = count_linear_copy(ram, LinearMap(form, blocks))
    how = "blocks where RAM is aligned (rodata=off or on)" if blocks else "an entry per page (rodata=full)"
    reasons = (
        f"arm64 copies its linear map for a normal kexec since 5.16: {how}",
        "a crash image needs no copy: its segments are in place",
        f"{copy.identity} more pages map the code page onto itself",
        "with KASLR the linear map moves by whole GiB: one upper table more is possible",
        "what the kernel maps page by page for other reasons (its image, KFENCE) adds pages to a copy of blocks",
    )
    return TableCost(leaf, levels, copy.tables, reasons)


def _reasons(ranges: RangeSet, pages: TablePages, leaves: dict[int, int]) -> Iterator[str]:
    yield "pgd: the root, one page"
    for level, span in _SPANS.items():
        count = getattr(pages, level)
        if count:
            yield f"{level}: one page for each {format_size(span)} in which it is needed: {count}"
    for size, count in leaves.items():
        if count:
            yield f"leaves of {format_size(size)}: {count}, which map {format_size(size * count)}"
    yield f"asked to map {format_size(ranges.size)} in {len(ranges)} separate ranges"


def _rule_in_words(rule: LeafRule) -> str:
    if rule.only_full:
        return "kernel rule: 1 GiB leaves only where a whole GiB is mapped at once, 2 MiB leaves elsewhere"
    if rule.largest == LEAF_1G:
        return "kernel rule: a 1 GiB leaf for every GiB that is touched, holes included"
    return "kernel rule: 2 MiB leaves, because this kernel does not use 1 GiB pages for identity tables"


def _partial_in_words(slots: list[int]) -> Iterator[str]:
    for slot in slots[:_LISTED]:
        start = slot * GIB
        yield f"pmd page for {format_address(start)}-{format_address(start + GIB)}: that GiB is mapped in part"
    if len(slots) > _LISTED:
        yield f"pmd pages for {len(slots) - _LISTED} more GiB that are mapped in part"


def _outside_ram(calls: MappingCalls) -> Iterator[str]:
    for m in calls.extra:
        if m.range.aligned_outwards(PAGE_SIZE) not in calls.ram:
            yield f"{m.why} at {m.range} lies outside RAM and is mapped, too"
