"""Counting, building and walking identity tables against an entry-by-entry oracle and against each other."""

from hypothesis import example, given
from hypothesis import strategies as st

from ident_map import SlowTables
from kexeckit.kernel.page_tables.build import BuiltTables, build_tables
from kexeckit.kernel.page_tables.count import count_tables
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.kernel.page_tables.geometry import LEAF_1G, LEAF_2M, LEAF_4K, TableFormat, TablePages
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables, leaf_counts
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.kernel.page_tables.walk import walk_tables
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

GIB = 1 << 30
RULES = (
    LeafRule(LEAF_2M),
    LeafRule(LEAF_1G),
    LeafRule(LEAF_1G, only_full=True),
    LeafRule(LEAF_2M, upper_link=0x063 | 1 << 58),
)
# Around every border that matters: 4 KiB, 2 MiB, 1 GiB, 512 GiB, and 256 TiB where 5 levels allow it.
BORDERS = (0, LEAF_2M, 2 * LEAF_2M, GIB, 2 * GIB, 3 * GIB, 5 * GIB, 512 * GIB, 513 * GIB, 1024 * GIB)
FAR = 256 << 40


@st.composite
def calls(draw: st.DrawFn, *, far: bool = False, most: int = 3 * GIB) -> MemRange:
    """A range that begins and ends near a border."""
    border = draw(st.sampled_from((*BORDERS, FAR) if far else BORDERS))
    start = max(0, border + draw(st.sampled_from((-LEAF_2M - 4096, -4096, -100, 0, 1, 4096, LEAF_2M, 700 << 20))))
    size = draw(st.sampled_from((1, 100, 4096, LEAF_2M, LEAF_2M + 4096, GIB - 4096, GIB, GIB + 4096, 3 * GIB)))
    return MemRange.from_size(start, min(size, most))


def frames_for(pages: TablePages, hole_after: int = 2) -> Frames:
    """Frames with a hole in them, as segments make one, and not in order of address."""
    first = min(hole_after, pages.total)
    rest = pages.total - first
    low = [MemRange.from_size(0x7000_0000, first * 4096)]
    return Frames(*low, *([MemRange.from_size(0x1000_0000, rest * 4096)] if rest else []))


def walked(built: BuiltTables, levels: int) -> set[tuple[int, int]]:
    """Address and size of each leaf, after checking that it maps its address onto itself."""
    mappings, tables = walk_tables(built.page, built.root, levels)
    assert len({t.address for t in tables}) == len(tables) == built.pages.total
    out = set()
    for m in mappings:
        assert m.virtual == m.physical
        out |= {(m.virtual + at, m.leaf) for at in range(0, m.size, m.leaf)}
    return out


@given(st.lists(calls(far=True), max_size=4), st.lists(calls(far=True), max_size=4), st.sampled_from(RULES))
def test_closed_form_counts_what_the_oracle_makes(ram: list[MemRange], extra: list[MemRange], rule: LeafRule) -> None:
    """5 levels, RAM first and anything after it, in any order."""
    known = RangeSet(ram)
    slow = SlowTables(rule, 5).map([*known, *extra])
    pages = count_kernel_tables(known, extra, rule, TableFormat(5))
    assert (pages.pgd, pages.p4d, pages.pud, pages.pmd) == tuple(slow.count(d) for d in (4, 3, 2, 1))
    found = leaf_counts(known, extra, rule)
    sizes = [size for _, size in slow.leaves()]
    assert {size: n for size, n in found.items() if n} == {size: sizes.count(size) for size in set(sizes)}


@given(
    st.lists(calls(), max_size=4),
    st.lists(calls(), max_size=3),
    st.sampled_from(RULES),
    st.booleans(),
    st.sampled_from((2, 1, 4, 5)),
)
@example([MemRange(0, 8 * GIB)], [], LeafRule(LEAF_2M), False, 5)
@example([MemRange(1, 1 + 3 * GIB)], [], LeafRule(LEAF_2M), False, 2)
@example([MemRange(GIB, 3 * GIB)], [MemRange(0, 6 * GIB)], LeafRule(LEAF_2M), False, 4)
def test_built_tables_map_what_the_oracle_maps(
    ram: list[MemRange], extra: list[MemRange], rule: LeafRule, numpy: bool, hole: int
) -> None:
    """The walker finds every leaf where it belongs, and nothing else; pages come in the oracle's order.

    After some pages there is a hole between the frames, also in the midst of tables that are made at once.
    """
    known = RangeSet(ram)
    pages = count_kernel_tables(known, extra, rule)
    built = build_tables([*known, *extra], rule, pages, frames_for(pages, hole), numpy=numpy)
    slow = SlowTables(rule, 4).map([*known, *extra])
    assert built.pages == pages
    assert walked(built, 4) == slow.leaves()
    _, tables = walk_tables(built.page, built.root, 4)
    ours = sorted((built.frames.number(t.address), t.depth, t.virtual) for t in tables)
    assert [(depth, virtual) for _, depth, virtual in ours] == slow.order()


@given(st.lists(calls(most=LEAF_2M * 2), max_size=4))
def test_small_leaves_are_counted_and_built_too(ram: list[MemRange]) -> None:
    """4 KiB leaves, with a level more."""
    known = RangeSet(ram)
    rule = LeafRule(LEAF_4K)
    pages = count_tables(known, LEAF_4K)
    built = build_tables(known, rule, pages, frames_for(pages))
    slow = SlowTables(rule, 4).map(known)
    assert [pages.pud, pages.pmd, pages.pte] == [slow.count(d) for d in (2, 1, 0)]
    assert walked(built, 4) == slow.leaves()


@given(st.lists(calls(), max_size=4), st.sampled_from(RULES))
def test_both_ways_of_filling_give_the_same_bytes(ram: list[MemRange], rule: LeafRule) -> None:
    """NumPy and plain Python."""
    known = RangeSet(ram)
    pages = count_kernel_tables(known, (), rule)
    made = [build_tables(known, rule, pages, frames_for(pages), numpy=n).data for n in (True, False)]
    assert made[0] == made[1]


@given(st.lists(calls(far=True), min_size=1, max_size=6), st.sampled_from((LEAF_4K, LEAF_2M, LEAF_1G)))
def test_many_ranges_count_as_few_do(ram: list[MemRange], leaf: int) -> None:
    """The array path and the plain path agree: the same ranges, repeated 512 GiB apart."""
    few = list(RangeSet(ram))
    step = 1 << 49
    many = RangeSet(MemRange(r.start + i * step, r.end + i * step) for i in range(100) for r in few)
    form = TableFormat(5)
    apart = RangeSet(many)
    slow = [0, 0, 0]
    for depth in range(3):
        shift = 12 + 9 * (depth + 1)
        slow[depth] = len({s for r in apart for s in (r.start >> shift, (r.end - 1) >> shift)} | _inner(apart, shift))
    pages = count_tables(many, leaf, form)
    first = {LEAF_4K: 0, LEAF_2M: 1, LEAF_1G: 2}[leaf]
    assert [pages.pte, pages.pmd, pages.pud][first:] == slow[first:]


def _inner(ranges: RangeSet, shift: int) -> set[int]:
    # Spans between the first and the last of each range.
    return {s for r in ranges for s in range((r.start >> shift) + 1, (r.end - 1) >> shift)}
