"""Page tables: the parts that are not compared with an oracle elsewhere."""

import struct

import pytest

from kexeckit.errors import PlanError
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.page_tables import count as count_module
from kexeckit.kernel.page_tables import rows as rows_module
from kexeckit.kernel.page_tables.build import build_tables
from kexeckit.kernel.page_tables.calls import EfiTables, MappingCalls, kernel_calls
from kexeckit.kernel.page_tables.control_pages import crash_control_pages
from kexeckit.kernel.page_tables.cost import cost_of_linear_copy, cost_with_kernel, cost_with_leaf, designs_of
from kexeckit.kernel.page_tables.count import count_tables
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.kernel.page_tables.geometry import (
    FOUR_LEVELS,
    LEAF_1G,
    LEAF_2M,
    LEAF_4K,
    TableFormat,
    TablePages,
)
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables
from kexeckit.kernel.page_tables.linear_copy import LinearMap, count_linear_copy
from kexeckit.kernel.page_tables.rows import make_rows
from kexeckit.kernel.page_tables.rule import LARGE_LEAF, NO_PTI_SHADOW, SMALL_LEAF, LeafRule, kernel_rule
from kexeckit.kernel.page_tables.walk import BadTableError, walk_tables
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import GIB, KIB, MIB, TIB

NEW = behaviour_of(parse_kernel_version("6.12.107"))
OLD = behaviour_of(parse_kernel_version("6.1"))


def one(start: int, end: int) -> RangeSet:
    """A set of one range."""
    return RangeSet((MemRange(start, end),))


@pytest.mark.parametrize(("levels", "shift"), [(2, 12), (3, 12), (6, 12), (4, 13)])
def test_other_geometries_cannot_be_built(levels: int, shift: int) -> None:
    """Levels and page sizes that no processor has."""
    with pytest.raises(ValueError, match=r"pages are|page tables have"):
        TableFormat(levels, shift)


@pytest.mark.parametrize("shift", [12, 14, 16])
def test_geometries_that_processors_have(shift: int) -> None:
    """x86's two, and arm64's three, with each size of pages; four levels of 4 KiB by default."""
    assert [TableFormat(n, shift).levels for n in (4, 5)] == [4, 5]
    assert [TableFormat(n, shift, half=False).levels for n in (3, 4, 5)] == [3, 4, 5]
    assert TableFormat() == TableFormat(4, 12, half=True)
    with pytest.raises(ValueError, match="page tables have"):
        TableFormat(6, shift, half=False)


def test_four_levels_reach_128_tib() -> None:
    """The upper half of the addresses belongs to the kernel; 5 levels reach 64 PiB."""
    assert FOUR_LEVELS.limit == 128 * TIB
    assert TableFormat(5).limit == 64 * 1024 * TIB
    with pytest.raises(PlanError, match="4 levels: they reach 128 TiB") as caught:
        count_tables(one(0, 128 * TIB + 1), LEAF_2M)
    assert "5 levels" in caught.value.remedy
    assert count_tables(one(0, 128 * TIB), LEAF_1G).pud == 256


def test_negative_page_counts_cannot_be_built() -> None:
    """They would hide an error."""
    with pytest.raises(ValueError, match="negative"):
        TablePages(pgd=1, pmd=-1)


def test_empty_set_needs_the_root_only() -> None:
    """A root without entries."""
    assert count_tables(RangeSet(), LEAF_2M) == TablePages(pgd=1)


def test_leaf_that_no_level_has_is_refused() -> None:
    """512 GiB pages do not exist."""
    with pytest.raises(ValueError, match="no level maps"):
        count_tables(one(0, 1), 3 * GIB)
    with pytest.raises(ValueError, match="no x86_64 leaf"):
        LeafRule(3 * GIB)
    with pytest.raises(ValueError, match="full slots"):
        LeafRule(LEAF_2M, only_full=True)


def test_counting_works_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many ranges, plain Python."""
    many = RangeSet(MemRange(i * GIB, i * GIB + 4096) for i in range(1000))
    fast = count_tables(many, LEAF_4K)
    monkeypatch.setattr(count_module, "numpy_or_none", lambda: None)
    assert count_tables(many, LEAF_4K) == fast == TablePages(pgd=1, pud=2, pmd=1000, pte=1000)


def test_rules_of_kernels() -> None:
    """1 GiB leaves only where used; bit 58 from 6.13 on and in its backports."""
    assert kernel_rule(OLD, gbpages=True) == LeafRule(LEAF_1G)
    assert kernel_rule(NEW, gbpages=True) == LeafRule(LEAF_1G, only_full=True, upper_link=0x63 | NO_PTI_SHADOW)
    assert kernel_rule(NEW, gbpages=False).largest == LEAF_2M
    assert (LeafRule(LEAF_4K).leaf_bits, LeafRule(LEAF_2M).leaf_bits) == (SMALL_LEAF, LARGE_LEAF)


def test_frames_find_pages_by_number_and_by_address() -> None:
    """Two runs, the second at a lower address."""
    frames = Frames(MemRange(0x5000, 0x7000), MemRange(0x1000, 0x4000))
    assert [frames.address(i) for i in range(frames.count)] == [0x5000, 0x6000, 0x1000, 0x2000, 0x3000]
    assert [frames.number(frames.address(i)) for i in range(5)] == [0, 1, 2, 3, 4]
    assert [(r.first, r.address, r.count) for r in frames.runs(1, 3)] == [(0, 0x6000, 1), (1, 0x1000, 2)]
    with pytest.raises(IndexError, match="page 5 of 5"):
        frames.address(5)
    with pytest.raises(KeyError, match="0x4000"):
        frames.number(0x4000)
    with pytest.raises(KeyError, match="0x0"):
        frames.number(0)
    with pytest.raises(ValueError, match="whole pages"):
        Frames(MemRange(0, 100))


def test_build_needs_enough_frames() -> None:
    """Too few are refused before anything is built."""
    with pytest.raises(ValueError, match="3 table pages, but 1 frames"):
        build_tables(one(0, GIB), LeafRule(LEAF_2M), TablePages(pgd=1, pud=1, pmd=1), Frames(MemRange(0, 4096)))


@pytest.mark.parametrize("numpy", [True, False])
def test_rows_fill_and_read_back(numpy: bool) -> None:
    """Both ways of holding table pages."""
    rows = make_rows(3, numpy=numpy)
    rows.put(0, 511, 7)
    rows.fill(1, 2, 0x1E3, 4096)
    assert (rows.get(0, 511), rows.get(1, 0), rows.get(2, 511)) == (7, 0x1E3, 0x1E3 + 1023 * 4096)
    assert (rows.is_empty(0, 0, 511), rows.is_empty(0, 0, 512)) == (True, False)
    assert len(rows.data()) == 3 * 4096


def page(**entries: int) -> bytes:
    """A table page with some entries, named ``e<index>``."""
    words = [0] * 512
    for name, value in entries.items():
        words[int(name[1:])] = value
    return struct.pack("<512Q", *words)


def test_walker_reads_a_mixed_table() -> None:
    """A 1 GiB leaf that is not identity, a 4 KiB page in the upper half, flags kept."""
    pages = {
        0x1000: page(e0=0x2003, e511=0x5003),
        0x2000: page(e1=0x80000083),
        0x5000: page(e511=0x6003),
        0x6000: page(e511=0x7003),
        0x7000: page(e511=0x8163),
    }
    mappings, tables = walk_tables(pages.__getitem__, 0x1018, 4)
    assert [(m.virtual, m.physical, m.leaf, m.flags) for m in mappings] == [
        (0x40000000, 0x80000000, LEAF_1G, 0x83),
        (0xFFFFFFFFFFFFF000, 0x8000, LEAF_4K, 0x163),
    ]
    assert [(t.address, t.depth) for t in tables] == [(0x1000, 3), (0x2000, 2), (0x5000, 2), (0x6000, 1), (0x7000, 0)]


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({0x1000: page(e0=0x83)}, "level that has none"),
        ({0x1000: page(e0=0x2003), 0x2000: page(e0=0x200083)}, "not aligned"),
    ],
)
def test_walker_refuses_what_a_processor_refuses(pages: dict[int, bytes], message: str) -> None:
    """A leaf in the root, and a leaf with address bits below its size."""
    with pytest.raises(BadTableError, match=message):
        walk_tables(pages.__getitem__, 0x1000, 4)


def test_kernel_maps_ram_in_whole_pages_then_the_rest() -> None:
    """First MiB and RAM as one set; segments, EFI and ACPI in order; old kernels lose a byte of ACPI regions."""
    tree = ResourceTree(
        (
            Resource(MemRange(0x1000, 0x9FC00), "System RAM"),
            Resource(MemRange(0x100000, 0x7FE00800), "System RAM"),
            Resource(MemRange(0x7FE01000, 0x7FE02000), "ACPI Non-volatile Storage"),
            Resource(MemRange(0x7FE02000, 0x7FE03000), "ACPI Tables"),
        )
    )
    efi = EfiTables(0x7FF00000, 0x7FF10000, 10)
    new = kernel_calls(tree, NEW, [MemRange(0x1000000, 0x2000000)], efi)
    assert new.ram == one(0, 0x7FE00000)
    assert [(m.why, m.range.start, m.range.size) for m in new.extra] == [
        ("segment", 0x1000000, 0x1000000),
        ("EFI system table", 0x7FF00000, 120),
        ("EFI configuration tables", 0x7FF10000, 240),
        ("ACPI Tables", 0x7FE02000, 4096),
        ("ACPI Non-volatile Storage", 0x7FE01000, 4096),
    ]
    old = kernel_calls(tree, behaviour_of(parse_kernel_version("5.10")), (), efi)
    assert [(m.why, m.range.size) for m in old.extra] == [
        ("EFI system table", 120),
        ("ACPI Tables", 4095),
        ("ACPI Non-volatile Storage", 4095),
    ]


def test_unknown_efi_tables_are_said() -> None:
    """The count may be too low, and says so."""
    calls = kernel_calls(ResourceTree(), NEW, efi_unknown=True)
    cost = cost_with_kernel(calls, kernel_rule(NEW, gbpages=True), FOUR_LEVELS)
    assert any("not determined: the EFI tables" in r for r in cost.reasons)


def test_cost_names_each_partial_gib_up_to_a_limit() -> None:
    """Eight are listed, the rest is counted."""
    ram = RangeSet(MemRange(i * 2 * GIB, i * 2 * GIB + MIB) for i in range(10))
    cost = cost_with_kernel(MappingCalls(ram), LeafRule(LEAF_1G, only_full=True), FOUR_LEVELS)
    assert sum("mapped in part" in r for r in cost.reasons) == 9
    assert any("2 more GiB" in r for r in cost.reasons)
    assert cost.pages.pmd == 10
    for count in (1, 8):
        few = cost_with_kernel(
            MappingCalls(RangeSet(list(ram)[:count])), LeafRule(LEAF_1G, only_full=True), FOUR_LEVELS
        )
        assert sum("mapped in part" in r for r in few.reasons) == count
        assert not any("more GiB" in r for r in few.reasons)


def test_cost_says_what_lies_outside_ram() -> None:
    """An ACPI region in its own GiB costs a page."""
    ram, acpi = MemRange(0x100000, GIB), MemRange(3 * GIB, 3 * GIB + 4096)
    tree = ResourceTree((Resource(ram, "System RAM"), Resource(acpi, "ACPI Tables")))
    cost = cost_with_kernel(kernel_calls(tree, NEW), kernel_rule(NEW, gbpages=True), FOUR_LEVELS)
    assert cost.pages == TablePages(pgd=1, pud=1, pmd=1)
    assert any("ACPI Tables at" in r and "outside RAM" in r for r in cost.reasons)


def test_cost_says_nothing_of_what_lies_in_ram() -> None:
    """A segment in RAM; one that reaches out of it does not lie in it."""
    tree = ResourceTree((Resource(MemRange(MIB, GIB), "System RAM"),))
    for start, outside in ((2 * MIB, False), (GIB - 1, True)):
        calls = kernel_calls(tree, OLD, [MemRange(start, start + 4096)])
        cost = cost_with_kernel(calls, kernel_rule(OLD, gbpages=True), FOUR_LEVELS)
        assert any("lies outside RAM" in r for r in cost.reasons) is outside


def test_a_description_without_tables() -> None:
    """No page of any level; pages are of 4 KiB."""
    assert (TablePages().total, TablePages().size) == (0, 0)
    assert TablePages(1, 2, 3, 4, 5) == TablePages(pgd=1, p4d=2, pud=3, pmd=4, pte=5, page_size=4096)


def test_cost_with_a_given_leaf_explains_its_levels() -> None:
    """One sentence per level that has pages."""
    cost = cost_with_leaf(one(0, 3 * GIB), "4K", FOUR_LEVELS)
    assert cost.pages == TablePages(pgd=1, pud=1, pmd=3, pte=1536)
    assert [r.split(":")[0] for r in cost.reasons[:4]] == ["pgd", "pud", "pmd", "pte"]


def test_designs_need_a_crash_region() -> None:
    """Without one there is nothing to compare; with one the kernel's own is the last."""
    calls = kernel_calls(ResourceTree((Resource(MemRange(0x100000, GIB), "System RAM"),)), NEW)
    rule = kernel_rule(NEW, gbpages=True)
    assert designs_of(calls, (), rule, FOUR_LEVELS) == ()
    found = designs_of(calls, [MemRange(MIB * 512, GIB)], rule, FOUR_LEVELS)
    assert [d.name for d in found] == ["all-2m", "all-1g", "crash-only", "this-kernel"]


def test_control_pages_step_over_segments_and_never_back() -> None:
    """The gap below the second segment takes one page; the pair of an old kernel needs an aligned one."""
    region = MemRange(0x10000, 0x40000)
    segments = [MemRange(0x10000, 0x11000), MemRange(0x13000, 0x20000)]
    new = crash_control_pages(region, segments, 3, NEW)
    assert new.code == 0x11000
    assert [new.tables.address(i) for i in range(3)] == [0x12000, 0x20000, 0x21000]
    assert (new.vmcoreinfo, new.cursor) == (0x22000, 0x23000)
    old = crash_control_pages(region, segments, 3, OLD)
    assert (old.code, old.tables.address(0), old.vmcoreinfo) == (0x21000, 0x20000, 0x24000)


def test_full_crash_region_has_no_room_for_control_pages() -> None:
    """ENOMEM in the kernel; the message says what is left over."""
    region = MemRange(0x10000, 0x14000)
    with pytest.raises(PlanError, match="ENOMEM"):
        crash_control_pages(region, [MemRange(0x11000, 0x13000)], 2, NEW)


def test_linear_copy_in_pages_and_in_blocks() -> None:
    """4 GiB from 1 GiB on, with a ragged end; blocks need tables at the ragged end only."""
    ram = one(GIB, 5 * GIB + 5 * MIB)
    form = TableFormat(4, half=False)
    paged = count_linear_copy(ram, LinearMap(form))
    assert paged.tables == TablePages(pgd=1, pud=1, pmd=5, pte=4 * 512 + 3)
    blocks = count_linear_copy(ram, LinearMap(form, blocks=True), el2=True)
    assert blocks.tables == TablePages(pgd=1, pud=1, pmd=1, pte=1)
    assert blocks.total == 4 + 4 + 1
    assert count_linear_copy(RangeSet(), LinearMap(form)).tables == TablePages(pgd=1)


def test_linear_copy_with_large_pages() -> None:
    """64 KiB pages: 8192 entries a page, 512 MiB blocks, three levels to 48 bits and beyond."""
    form = TableFormat(3, page_shift=16, half=False)
    copy = count_linear_copy(one(0, GIB), LinearMap(form, blocks=True))
    assert copy.tables == TablePages(pgd=1, pmd=1, page_size=64 * KIB)
    assert copy.identity == 3
    assert count_linear_copy(one(0, GIB), LinearMap(TableFormat(4, half=False))).identity == 4


def test_linear_copy_is_explained() -> None:
    """What is not exact is said."""
    cost = cost_of_linear_copy(one(GIB, 2 * GIB), "kernel", 4)
    assert cost.pages == TablePages(pgd=1, pud=1, pmd=1, pte=512)
    assert any("KASLR" in r for r in cost.reasons)
    assert cost_of_linear_copy(one(GIB, 2 * GIB), "2M", 4).pages == TablePages(pgd=1, pud=1)


def test_extra_ranges_outside_the_tables_of_ram_add_pages() -> None:
    """A segment far above RAM."""
    far = MemRange(2 * TIB, 2 * TIB + GIB)
    assert count_kernel_tables(one(0, GIB), [far], LeafRule(LEAF_1G)) == TablePages(pgd=1, pud=2)
    assert count_kernel_tables(one(0, GIB), [far], LeafRule(LEAF_2M)) == TablePages(pgd=1, pud=2, pmd=2)


@pytest.mark.parametrize("shift", [12, 21, 30, 39])
def test_many_ranges_are_counted_as_few_are(monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    """700 ranges, some of them within one slot, some over several, some that end at borders: with NumPy and without."""
    starts = [n * 1500 * MIB + (n % 7) * 4096 * 511 for n in range(700)]
    many = RangeSet(MemRange.from_size(at, (n % 5 + 1) * 300 * MIB + (n % 3) * 4096) for n, at in enumerate(starts))
    assert len(many) >= count_module.MANY_RANGES
    fast = count_module.bounds_of(many, FOUR_LEVELS)
    monkeypatch.setattr(count_module, "numpy_or_none", lambda: None)
    slow = count_module.bounds_of(many, FOUR_LEVELS)
    assert type(fast) is not type(slow)
    slots = {s for r in many for s in range(r.start >> shift, ((r.end - 1) >> shift) + 1)} if shift > 12 else None
    assert fast.touched(shift) == slow.touched(shift) == (len(slots) if slots else many.size >> 12)
    edges = {e >> shift for r in many for e in (r.start, r.end) if e % (1 << shift)}
    assert [int(n) for n in fast.partial(shift)] == list(slow.partial(shift)) == sorted(edges)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (LeafRule(LEAF_1G, only_full=True), "only where a whole GiB is mapped"),
        (LeafRule(LEAF_1G), "for every GiB that is touched"),
        (LeafRule(LEAF_2M), "does not use 1 GiB pages"),
    ],
)
def test_the_kernels_rule_in_words(rule: LeafRule, words: str) -> None:
    """One sentence for each of the three."""
    calls = kernel_calls(ResourceTree((Resource(MemRange(0, GIB), "System RAM"),)), NEW)
    assert any(words in reason for reason in cost_with_kernel(calls, rule, FOUR_LEVELS).reasons)


@pytest.mark.parametrize("numpy", [True, False])
@pytest.mark.parametrize(
    ("rule", "end", "large"),
    [
        (LeafRule(LEAF_1G), 3 * GIB, {"pud": 3}),
        (LeafRule(LEAF_1G, only_full=True), 3 * GIB - 2 * MIB, {"pud": 2, "pmd": 511}),
    ],
)
def test_entries_of_built_tables(rule: LeafRule, end: int, large: dict[str, int], *, numpy: bool) -> None:
    """Present is bit 0, a large leaf has bit 7; a table's entry has the former only. Intel SDM volume 3, 4.5.4."""
    sizes = TablePages(pgd=1, pud=1, pmd=1 if "pmd" in large else 0)
    built = build_tables(one(0, end), rule, sizes, Frames(MemRange(0x10000, 0x20000)), numpy=numpy)
    words = struct.unpack(f"<{len(built.data) // 8}Q", bytes(built.data))
    used = [[w for w in words[n * 512 : n * 512 + 512] if w] for n in range(sizes.total)]
    assert [[w & 0x81 for w in row] for row in used] == [
        [0x01],
        [0x81] * large["pud"] + [0x01] * ("pmd" in large),
        *([[0x81] * large["pmd"]] if "pmd" in large else []),
    ]
    assert [w & ~0xFFF for w in used[1][: large["pud"]]] == [n * GIB for n in range(large["pud"])]
    assert used[0][0] & ~0xFFF == 0x11000


def test_spans_of_tables_are_named() -> None:
    """What one page of each level maps is in the reasons."""
    reasons = " ".join(cost_with_leaf(one(GIB, GIB + 4 * KIB), "4K", TableFormat(5)).reasons)
    for span in ("p4d: one page for each 256 TiB", "pud: one page for each 512 GiB", "pmd: one page for each 1 GiB"):
        assert span in reasons
    assert "pte: one page for each 2 MiB" in reasons


def test_many_rows_are_filled_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch goes on where the one before ended."""
    monkeypatch.setattr(rows_module, "_BATCH", 2)
    rows = make_rows(6, numpy=True)
    rows.fill(1, 5, 0x1E3, 4096)
    assert [rows.get(n, 0) for n in range(6)] == [0, *(0x1E3 + n * 512 * 4096 for n in range(5))]
    assert rows.get(5, 511) == 0x1E3 + (5 * 512 - 1) * 4096


def test_leaves_are_counted_in_the_reasons() -> None:
    """With what they map; sizes without leaves are not named."""
    reasons = cost_with_leaf(one(0, 6 * MIB), "2M", FOUR_LEVELS).reasons
    assert "leaves of 2 MiB: 3, which map 6 MiB" in reasons
    assert not any("leaves of 4 KiB" in reason for reason in reasons)


def leaf_of(entry: int, depth: int) -> tuple[int, int, int]:
    """Return frame, size and flags of the one leaf of a root page that stands `depth` levels above the last."""
    page = bytearray(4096)
    page[:8] = entry.to_bytes(8, "little")
    mappings, _ = walk_tables({0x1000: bytes(page)}.__getitem__, 0x1000, depth + 1)
    [found] = mappings
    return found.physical, found.size, found.flags


@pytest.mark.parametrize(("depth", "size"), [(0, 4096), (1, 2 * MIB), (2, GIB)])
def test_bit_12_of_a_leaf(depth: int, size: int) -> None:
    """The lowest bit of a small page's frame; an attribute of a large one. Bit 13 is no attribute, and must be zero."""
    leaf = 0x81 if depth else 0x1
    assert leaf_of(leaf, depth) == (0, size, leaf)
    assert leaf_of(leaf | 0x1000, depth) == ((0, size, leaf | 0x1000) if depth else (0x1000, size, leaf))
    if depth:
        with pytest.raises(BadTableError, match="is not aligned to its"):
            leaf_of(leaf | 0x2000, depth)
    else:
        assert leaf_of(leaf | 0x2000, depth) == (0x2000, size, leaf)
