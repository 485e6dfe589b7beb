"""MemRange: memblock's cases by name, and what cannot be built."""

import pytest

from kexeckit.memory.range import MemRange, clip

A = MemRange(0x2000, 0x4000)
#                        |====|      A
CASES = {
    "disjoint": (MemRange(0x5000, 0x6000), None),
    "adjacent_above": (MemRange(0x4000, 0x5000), None),
    "adjacent_below": (MemRange(0x1000, 0x2000), None),
    "overlap_top": (MemRange(0x3000, 0x5000), MemRange(0x3000, 0x4000)),
    "overlap_bottom": (MemRange(0x1000, 0x3000), MemRange(0x2000, 0x3000)),
    "within": (MemRange(0x2800, 0x3000), MemRange(0x2800, 0x3000)),
    "equal": (A, A),
    "covers": (MemRange(0x1000, 0x5000), A),
}


@pytest.mark.parametrize("case", CASES)
def test_intersection_and_overlap(case: str) -> None:
    """Touching is not overlapping; both directions say the same."""
    other, common = CASES[case]
    assert A.intersection(other) == other.intersection(A) == common
    assert A.overlaps(other) == other.overlaps(A) == (common is not None)
    assert A.contains(other) == (common == other)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 0), (5, 5), (6, 5), (-1, 5), (0, (1 << 64) + 1), (1 << 64, (1 << 64) + 1)]
)
def test_empty_reversed_negative_and_too_high_cannot_be_built(start: int, end: int) -> None:
    """A size that went below zero becomes an error at the line that made it."""
    with pytest.raises(ValueError, match="no memory range"):
        MemRange(start, end)


def test_the_ends_of_the_address_space_belong_to_it() -> None:
    """At zero and at 2^64."""
    assert MemRange.from_inclusive(0, 0).size == 1
    assert MemRange.from_inclusive(0, (1 << 64) - 1).size == 1 << 64


def test_inclusive_data_enters_by_its_own_constructor() -> None:
    """0x100000-0x1fffff is one mebibyte; its last byte belongs to it, its end does not."""
    found = MemRange.from_inclusive(0x100000, 0x1FFFFF)
    assert (found.end, found.size, found.last) == (0x200000, 1 << 20, 0x1FFFFF)
    assert found.holds(0x1FFFFF)
    assert not found.holds(0x200000)
    assert found == MemRange.from_size(0x100000, 1 << 20)


def test_clip_returns_nothing_for_empty_and_reversed() -> None:
    """No empty range is ever made."""
    assert clip(5, 5) is None
    assert clip(6, 5) is None
    assert clip(5, 6) == MemRange(5, 6)


def test_alignment_can_leave_nothing() -> None:
    """A range between two boundaries has no aligned part, and a cover of one block."""
    assert MemRange(0x1001, 0x1FFF).aligned_inwards(0x1000) is None
    assert MemRange(0x1001, 0x1FFF).aligned_outwards(0x1000) == MemRange(0x1000, 0x2000)


def test_it_prints_as_a_half_open_range() -> None:
    """At least eight digits."""
    assert str(MemRange(0x1000, 0x2000)) == "[0x00001000, 0x00002000)"


def test_addresses_have_64_bits() -> None:
    """The last byte is 2^64 - 1; an end beyond cannot be built."""
    assert MemRange(0, 1 << 64).last == (1 << 64) - 1
    with pytest.raises(ValueError, match=r"18446744073709551617|0x10000000000000001"):
        MemRange(0, (1 << 64) + 1)
