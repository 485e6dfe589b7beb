"""The e820 table: clean-up, and mem= and memmap= as the kernel applies them."""

import pytest

from kexeckit.kernel.boot.e820 import (
    E820_RAM,
    E820Entry,
    bios_trimmed,
    make_table,
    ram,
    range_removed,
    range_updated,
    sanitized,
    with_parameters,
)
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

MIB = 1 << 20
GIB = 1 << 30
PC = make_table([(0, 0xA0000, 1), (MIB, 3 * GIB, 1), (3 * GIB, 4 * GIB, 2), (4 * GIB, 5 * GIB, 1)])


def test_highest_type_wins() -> None:
    """Overlaps go to the higher number; the rest is cut around it."""
    table = make_table([(0, 10, 1), (4, 6, 2), (5, 8, 3)])
    assert sanitized(table) == make_table([(0, 4, 1), (4, 5, 2), (5, 8, 3), (8, 10, 1)])


def test_equal_neighbours_merge_but_not_pram() -> None:
    """Touching entries of a type become one, except those that are never merged."""
    assert sanitized(make_table([(0, 4, 1), (4, 8, 1)])) == make_table([(0, 8, 1)])
    assert sanitized(make_table([(0, 4, 12), (4, 8, 12)])) == make_table([(0, 4, 12), (4, 8, 12)])


def test_a_single_entry_is_left_alone() -> None:
    """The kernel cleans up only tables of two entries and more."""
    table = make_table([(8, 8, 1)])
    assert sanitized(table) == table


def test_an_entry_that_wraps_stops_the_clean_up() -> None:
    """A table with an entry up to 2^64 comes back as it is."""
    table = make_table([(8, 16, 1), (0, 1 << 64, 2), (0, 8, 1)])
    assert sanitized(table) == table


def test_update_inside_appends_the_pieces() -> None:
    """The left part stays in place; middle and right go to the end."""
    table = range_updated(make_table([(0, 100, 1)]), 40, 20, 1, 2)
    assert table == make_table([(0, 40, 1), (40, 60, 2), (60, 100, 1)])


def test_remove_leaves_an_empty_entry() -> None:
    """What is removed whole stays as an entry of size zero until the next clean-up."""
    table = range_removed(make_table([(0, 10, 1), (10, 20, 2)]), 0, 10, 1)
    assert table == (E820Entry(0, 0, 0), E820Entry(10, 20, 2))


def test_bios_area_is_no_ram() -> None:
    """Page 0 and 640 KiB to 1 MiB."""
    assert ram(bios_trimmed(make_table([(0, 2 * MIB, 1), (2 * MIB, 3 * MIB, 2)]))) == [
        MemRange(0x1000, 0xA0000),
        MemRange(MIB, 2 * MIB),
    ]


def test_partial_pages_are_trimmed_after_joining() -> None:
    """Two entries that touch within a page are one; an odd edge is cut inwards."""
    table = make_table([(0x1000, 0x2800, 1), (0x2800, 0x5400, 1), (0x6001, 0x6FFF, 1)])
    assert ram(table) == [MemRange(0x1000, 0x5000)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mem=1G", [(0, 0xA0000), (MIB, GIB)]),
        ("memmap=1G", [(0, 0xA0000), (MIB, GIB)]),
        ("memmap=64M$1G", [(0, 0xA0000), (MIB, GIB), (GIB + 64 * MIB, 3 * GIB), (4 * GIB, 5 * GIB)]),
        ("memmap=2G#1G,1G!4G", [(0, 0xA0000), (MIB, GIB)]),
        ("memmap=exactmap memmap=640K@0 memmap=64M@1M", [(0, 0xA0000), (MIB, 65 * MIB)]),
        ("memmap=1G%4G-1", [(0, 0xA0000), (MIB, 3 * GIB)]),
        ("memmap=1G%4G-1+2", [(0, 0xA0000), (MIB, 3 * GIB)]),
        ("memmap=1G%4G", [(0, 0xA0000), (MIB, 3 * GIB)]),
        ("memmap=1G%4G-1x", [(0, 0xA0000), (MIB, 3 * GIB), (4 * GIB, 5 * GIB)]),
        ("memmap=1G@3G", [(0, 0xA0000), (MIB, 3 * GIB), (4 * GIB, 5 * GIB)]),
        ("memmap=1G@5Gjunk", [(0, 0xA0000), (MIB, 3 * GIB), (4 * GIB, 6 * GIB)]),
        ("mem=nopentium mem=0 mem=x", [(0, 0xA0000), (MIB, 3 * GIB), (4 * GIB, 5 * GIB)]),
        ("mem=4G memmap=1G@8G", [(0, 0xA0000), (MIB, 3 * GIB), (8 * GIB, 9 * GIB)]),
        ("memmap=1G@8G mem=4G", [(0, 0xA0000), (MIB, 3 * GIB)]),
        ("iomem=1G quiet -- mem=1G", [(0, 0xA0000), (MIB, 3 * GIB), (4 * GIB, 5 * GIB)]),
    ],
)  # fmt: skip
def test_words_in_order_of_appearance(words: str, expected: list[tuple[int, int]]) -> None:
    """Each form of mem= and memmap=; order matters; a later junk character does not undo an addition."""
    table = with_parameters(PC, words).table
    found = RangeSet(MemRange(e.start, e.end) for e in table if e.type == E820_RAM and e.end > e.start)
    assert [(r.start, r.end) for r in found] == expected


def test_exactmap_with_one_region_panics() -> None:
    """A user-supplied map of one entry is "invalid" to the kernel."""
    assert with_parameters(PC, "memmap=exactmap memmap=1G@0").problem
    assert not with_parameters(PC, "memmap=exactmap memmap=640K@0,1G@1M").problem


def test_steps_say_what_happened() -> None:
    """Every item has a step, refused ones too."""
    steps = with_parameters(PC, "memmap=64M$1G,@5G mem=0").steps
    assert [(s.item, s.changed) for s in steps] == [("memmap=64M$1G", True), ("memmap=@5G", False), ("mem=0", False)]


@pytest.mark.parametrize(("sign", "number"), [("@", 1), ("$", 2), ("#", 3), ("!", 12)])
def test_signs_of_memmap_are_types_of_the_abi(sign: str, number: int) -> None:
    """RAM, reserved, ACPI data and persistent memory, by the numbers of enum e820_type."""
    table = with_parameters(PC, f"memmap=1M{sign}8G").table
    assert [e.type for e in table if e.start == 8 * GIB] == [number]


@pytest.mark.parametrize(("number", "parts"), [(11, 1), (12, 2), (13, 1), (4026531838, 1), (4026531839, 2)])
def test_only_two_types_are_never_merged(number: int, parts: int) -> None:
    """Persistent memory of the older kind and soft reserved memory, enum e820_type."""
    assert len(sanitized(make_table([(0, 4, number), (4, 8, number)]))) == parts


@pytest.mark.parametrize(("number", "count"), [(1, 1), (127, 0), (128, 1), (129, 0)])
def test_what_counts_as_ram(number: int, count: int) -> None:
    """RAM, and RAM that the kernel itself marked: E820_TYPE_RESERVED_KERN is 128."""
    assert len(ram(make_table([(0, MIB, number)]))) == count


@pytest.mark.parametrize(("end", "parts"), [((1 << 64) - 1, 1), (1 << 64, 2)])
def test_an_end_fits_64_bits(end: int, parts: int) -> None:
    """A table with an entry that ends at 2^64, which wraps, is not cleaned up."""
    assert len(sanitized(make_table([(0, GIB, 1), (GIB, end, 1)]))) == parts


def test_the_bios_area_is_384_kib() -> None:
    """From 640 KiB to 1 MiB, besides the first page."""
    table = bios_trimmed(make_table([(0, 2 * MIB, 1)]))
    assert table == make_table([(0, 4096, 2), (4096, 640 << 10, 1), (MIB, 2 * MIB, 1)])
    assert ram(table) == [MemRange(4096, 640 << 10), MemRange(MIB, 2 * MIB)]


@pytest.mark.parametrize("number", [12, 128])
def test_mem_leaves_other_types_alone(number: int) -> None:
    """Only RAM above the size goes."""
    edited = with_parameters(make_table([(0, GIB, 1), (GIB, 2 * GIB, number), (2 * GIB, 3 * GIB, 1)]), "mem=512M")
    assert [(e.start, e.end, e.type) for e in edited.table] == [(0, 512 * MIB, 1), (GIB, 2 * GIB, number)]


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        # |0 .. 10| is asked for; beside it, before, after, over both ends, with one end the same.
        (0, 4, [(0, 4, 2), (4, 10, 1)]),
        (6, 4, [(0, 6, 1), (6, 10, 2)]),
        (6, 9, [(0, 6, 1), (6, 10, 2)]),
        (0, 10, [(0, 10, 2)]),
        (0, 11, [(0, 10, 2)]),
        (3, 4, [(0, 3, 1), (3, 7, 2), (7, 10, 1)]),
        (10, 5, [(0, 10, 1)]),
    ],
)
def test_update_of_a_part(start: int, size: int, expected: list[tuple[int, int, int]]) -> None:
    """The pieces of an entry from 0 to 10, in whatever order they stand in the table."""
    assert sorted(range_updated(make_table([(0, 10, 1)]), start, size, 1, 2)) == make_sorted(expected)
    assert sorted(range_updated(make_table([(0, 10, 3)]), start, size, 1, 2)) == make_sorted([(0, 10, 3)])


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        (10, 4, [(14, 20, 1)]),
        (16, 4, [(10, 16, 1)]),
        (16, 9, [(10, 16, 1)]),
        (5, 9, [(14, 20, 1)]),
        (13, 4, [(10, 13, 1), (17, 20, 1)]),
        (20, 5, [(10, 20, 1)]),
        (5, 5, [(10, 20, 1)]),
    ],
)
def test_removal_of_a_part(start: int, size: int, expected: list[tuple[int, int, int]]) -> None:
    """What stays of an entry from 10 to 20."""
    assert sorted(range_removed(make_table([(10, 20, 1)]), start, size, None)) == make_sorted(expected)


def make_sorted(entries: list[tuple[int, int, int]]) -> list[E820Entry]:
    """Return entries by address."""
    return sorted(make_table(entries))


def test_sizes_that_wrap_end_at_2_to_the_64() -> None:
    """A size larger than what is left reaches to the last byte but one."""
    for found in (range_updated(PC, 5 * GIB - 4096, 1 << 64, 1, 2), range_updated(PC, 5 * GIB - 4096, 8192, 1, 2)):
        assert sorted(e for e in found if e.start >= 4 * GIB) == make_sorted(
            [(4 * GIB, 5 * GIB - 4096, 1), (5 * GIB - 4096, 5 * GIB, 2)]
        )


@pytest.mark.parametrize(
    ("words", "changed", "problem"),
    [
        ("mem", [False], ""),
        ("memmap", [False], ""),
        ("mem=nopentium", [False], ""),
        ("mem=junk", [False], ""),
        ("memmap=junk", [False], ""),
        ("memmap=exactmap", [True], "Invalid user supplied memory map"),
        ("memmap=1M$1G mem=2G", [True, True], ""),
        ("memmap=1G%8G-1+2", [False], ""),
        ("memmap=1M%1G-1+2", [True], ""),
        ("memmap=1M%1Gx", [False], ""),
    ],
)
def test_what_each_word_did(words: str, changed: list[bool], problem: str) -> None:
    """Whether the map changed is told word by word."""
    edited = with_parameters(PC, words)
    assert [step.changed for step in edited.steps] == changed
    assert edited.problem == problem
    assert [step.item for step in edited.steps] == words.split()


@pytest.mark.parametrize("words", ["mem", "memmap", "mem=nopentium", "memmap=junk"])
def test_words_that_are_refused_clean_nothing_up(words: str) -> None:
    """A table that the firmware left untidy stays so."""
    untidy = make_table([(GIB, 2 * GIB, 1), (0, GIB, 1)])
    assert with_parameters(untidy, words).table == untidy
    assert with_parameters(untidy, "mem=junk").table == make_table([(0, 2 * GIB, 1)])


@pytest.mark.parametrize(
    ("item", "at"),
    [("memmap=16M%1G-1+2", (GIB, GIB + 16 * MIB, 2)), ("memmap=16M%8G+7", (8 * GIB, 8 * GIB + 16 * MIB, 7))],
)
def test_retyped_and_new_parts(item: str, at: tuple[int, int, int]) -> None:
    """A part of an old type gets a new one; without an old type it is added."""
    assert at in [tuple(entry) for entry in with_parameters(PC, item).table]


@pytest.mark.parametrize(("item", "left"), [("memmap=16M%3G-2", 1), ("memmap=16M%3G-1", 0), ("memmap=16M%3G", 1)])
def test_parts_that_go(item: str, left: int) -> None:
    """Of the old type only, or whatever is there."""
    reserved = [e for e in with_parameters(PC, item).table if e.type == 2]
    assert [e.start for e in reserved] == [3 * GIB + 16 * MIB * left]


def test_an_entry_of_no_size_is_no_ram() -> None:
    """As removal leaves them."""
    assert ram(make_table([(0, 0, 1), (MIB, GIB, 1)])) == [MemRange(MIB, GIB)]


@pytest.mark.parametrize(
    ("item", "effect"),
    [
        ("memmap=16M%3G-2", "removes type 2 from 0xc0000000, 0x1000000 bytes"),
        ("memmap=16M%3G", "removes whatever is there from 0xc0000000, 0x1000000 bytes"),
        ("memmap=16M%3G-2+1", "retypes 2 to 1 from 0xc0000000, 0x1000000 bytes"),
        ("memmap=16M%8G+7", "adds 0x1000000 bytes at 0x200000000 as pmem"),
        ("memmap=16M@8G", "adds 0x1000000 bytes at 0x200000000 as ram"),
        ("memmap=2G", "removes RAM from 0x80000000 up"),
        ("mem=2G", "removes RAM from 0x80000000 up"),
    ],
)
def test_what_a_word_did_in_words(item: str, effect: str) -> None:
    """As explanations show it."""
    assert [step.effect for step in with_parameters(PC, item).steps] == [effect]
