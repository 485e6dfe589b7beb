"""`RangeSet` and `MemRange` against Python sets of addresses over a toy space."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from strategies import TOY, disjoint_ranges, range_lists, range_sets, ranges


def addresses(found: RangeSet | list[MemRange]) -> set[int]:
    """Every address, one by one."""
    return {at for r in found for at in range(r.start, r.end)}


def canonical(found: RangeSet) -> bool:
    """Sorted, disjoint, and apart by at least one address."""
    listed = list(found)
    return all(a.end < b.start for a, b in itertools.pairwise(listed))


@given(range_lists())
def test_construction_keeps_every_address_and_has_one_form(listed: list[MemRange]) -> None:
    """Whatever the order: the same set, sorted, nothing touching."""
    made = RangeSet(listed)
    assert addresses(made) == addresses(listed)
    assert canonical(made)
    assert made == RangeSet(reversed(listed))
    assert hash(made) == hash(RangeSet(reversed(listed)))


@given(range_sets(), range_sets())
def test_union_intersection_difference_are_set_algebra(a: RangeSet, b: RangeSet) -> None:
    """Each operator equals the operator on sets of addresses, and its result has the one form."""
    for made, expected in (
        (a | b, addresses(a) | addresses(b)),
        (a & b, addresses(a) & addresses(b)),
        (a - b, addresses(a) - addresses(b)),
    ):
        assert addresses(made) == expected
        assert canonical(made)


@given(range_sets(), range_sets(), range_sets())
def test_distribution_and_de_morgan(a: RangeSet, b: RangeSet, c: RangeSet) -> None:
    """Laws that a wrong border would break."""
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) & (a - c)
    assert (a - b) | (a & b) == a


@given(range_sets(), ranges())
def test_gaps_are_an_involution_inside_a_bound(a: RangeSet, bound: MemRange) -> None:
    """The gaps of the gaps are the set inside the bound."""
    assert a.gaps(bound).gaps(bound) == a & RangeSet((bound,))


@given(range_sets(), ranges())
def test_membership_of_addresses_and_ranges(a: RangeSet, probe: MemRange) -> None:
    """`in` and `find` agree with the set, for one address and for a whole range."""
    held = addresses(a)
    assert (probe in a) == (addresses([probe]) <= held)
    for at in range(TOY):
        found = a.find(at)
        assert (at in a) == (at in held) == (found is not None)
        assert found is None or (found.holds(at) and found in list(a))


@given(range_sets(), ranges())
def test_overlapping_returns_exactly_the_ranges_that_share_an_address(a: RangeSet, bound: MemRange) -> None:
    """Uncut, in order, and none that only touches."""
    assert a.overlapping(bound) == [r for r in a if addresses([r]) & addresses([bound])]


@given(range_sets())
def test_size_and_largest(a: RangeSet) -> None:
    """The size counts addresses; the largest is the lowest of the longest."""
    assert a.size == len(addresses(a))
    largest = a.largest()
    assert (largest is None) == (not a)
    if largest:
        assert largest.size == max(r.size for r in a)
        assert all(r.size < largest.size for r in a if r.start < largest.start)


@given(range_sets(), st.sampled_from((1, 2, 4, 8, 16)))
def test_aligned_inwards_keeps_whole_blocks_of_each_range(a: RangeSet, align: int) -> None:
    """An address stays exactly if its whole aligned block is in the set."""
    held = addresses(a)
    expected = {at for at in held if set(range(at // align * align, at // align * align + align)) <= held}
    assert addresses(a.aligned_inwards(align)) == expected


@given(ranges(), ranges())
def test_two_ranges_relate_as_their_addresses_do(a: MemRange, b: MemRange) -> None:
    """overlaps, contains and intersection of ranges."""
    ours, theirs = addresses([a]), addresses([b])
    assert a.overlaps(b) == bool(ours & theirs)
    assert a.contains(b) == (theirs <= ours)
    common = a.intersection(b)
    assert (addresses([common]) if common else set()) == ours & theirs


@given(ranges(), st.sampled_from((1, 2, 4, 8, 16)))
def test_alignment_brackets_a_range(a: MemRange, align: int) -> None:
    """Inwards is the largest aligned part, outwards the smallest aligned cover."""
    out = a.aligned_outwards(align)
    assert out.contains(a)
    assert out.start % align == out.end % align == 0
    assert out.size < a.size + 2 * align
    inside = a.aligned_inwards(align)
    whole_blocks = [n for n in range(TOY // align) if a.start <= n * align and (n + 1) * align <= a.end]
    assert (inside.size // align if inside else 0) == len(whole_blocks)


@given(disjoint_ranges())
def test_the_strategy_makes_sorted_disjoint_ranges(found: list[MemRange]) -> None:
    """What other tests rely on."""
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
