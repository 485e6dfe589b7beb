"""RangeSet: the memblock cases for each operation, borders, and work that stays near linear."""

from typing import Any, ClassVar

import pytest

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet

BASE = RangeSet((MemRange(10, 20), MemRange(30, 40)))
#         10    20      30    40
#         |=====|       |=====|
SUBTRACT = {
    "disjoint": (MemRange(22, 28), [(10, 20), (30, 40)]),
    "adjacent": (MemRange(20, 30), [(10, 20), (30, 40)]),
    "overlap_top": (MemRange(15, 25), [(10, 15), (30, 40)]),
    "overlap_bottom": (MemRange(25, 35), [(10, 20), (35, 40)]),
    "within": (MemRange(13, 17), [(10, 13), (17, 20), (30, 40)]),
    "equal": (MemRange(10, 20), [(30, 40)]),
    "covers_both": (MemRange(5, 50), []),
    "over_two": (MemRange(15, 35), [(10, 15), (35, 40)]),
}


def pairs(found: RangeSet) -> list[tuple[int, int]]:
    """Bounds of each range."""
    return [(r.start, r.end) for r in found]


@pytest.mark.parametrize("case", SUBTRACT)
def test_difference(case: str) -> None:
    """An exactly equal range leaves nothing, one over two leaves no inverted piece."""
    gone, expected = SUBTRACT[case]
    assert pairs(BASE - RangeSet((gone,))) == expected


def test_touching_ranges_become_one() -> None:
    """Three neighbours hold what none of them holds alone."""
    mib = 1 << 20
    found = RangeSet(MemRange(n * mib, (n + 1) * mib) for n in (2, 0, 1))
    assert pairs(found) == [(0, 3 * mib)]
    assert MemRange(mib // 2, 2 * mib) in found


def test_union_of_overlapping_covering_and_equal_ranges() -> None:
    """Order does not matter and nothing is counted twice."""
    found = RangeSet((MemRange(10, 40), MemRange(12, 15), MemRange(10, 40), MemRange(39, 45)))
    assert pairs(found) == [(10, 45)]
    assert found.size == 35


def test_the_empty_set_is_false_and_neutral() -> None:
    """No address, no largest range."""
    assert not EMPTY
    assert EMPTY | BASE == BASE
    assert BASE - EMPTY == BASE
    assert not BASE & EMPTY
    assert EMPTY.largest() is None
    assert EMPTY.find(0) is None


def test_find_at_the_borders() -> None:
    """The start belongs to a range, the end does not."""
    assert BASE.find(10) == MemRange(10, 20)
    assert BASE.find(19) == MemRange(10, 20)
    assert BASE.find(20) is None
    assert BASE.find(9) is None


def test_whole_address_space_and_its_last_byte() -> None:
    """2^64 is an end like any other."""
    everything = RangeSet((MemRange(0, 1 << 64),))
    rest = everything - RangeSet((MemRange((1 << 64) - 1, 1 << 64),))
    assert pairs(rest) == [(0, (1 << 64) - 1)]
    assert rest.gaps(MemRange(0, 1 << 64)).size == 1


def test_other_things_are_not_in_a_set() -> None:
    """Neither text nor None, and a set equals no list."""
    assert "x" not in BASE
    assert None not in BASE
    assert [MemRange(10, 20), MemRange(30, 40)] != BASE


class _Counted(tuple[MemRange, ...]):
    # A tuple that notes how many elements each slice of it copies.
    __slots__ = ()
    copied: ClassVar[list[int]] = []

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        if isinstance(at, slice):
            self.copied.append(len(found))
        return found


def test_a_look_around_one_range_does_not_touch_the_whole_set() -> None:
    """overlapping() in a set of 10,000 ranges copies only its answer, or a map of n entries costs n squared."""
    large = RangeSet(MemRange(n * 10, n * 10 + 5) for n in range(10_000))
    large._ranges = _Counted(large._ranges)
    assert large.overlapping(MemRange(22, 41)) == [MemRange(20, 25), MemRange(30, 35), MemRange(40, 45)]
    assert sum(_Counted.copied) <= 4


def test_a_range_inside_the_last_one_changes_nothing() -> None:
    """Also where it reaches beyond an earlier one."""
    assert pairs(RangeSet((MemRange(0, 2), MemRange(5, 20), MemRange(6, 8)))) == [(0, 2), (5, 20)]
    assert pairs(RangeSet((MemRange(0, 2), MemRange(5, 20), MemRange(6, 30)))) == [(0, 2), (5, 30)]
