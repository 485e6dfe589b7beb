"""Cutting ranges out of the dump against plain sets of addresses."""

from hypothesis import given

from kexeckit.kernel.load.crash_ranges import exclude_range
from kexeckit.memory.range import MemRange
from strategies import TOY, range_sets, ranges


def addresses(found: list[MemRange]) -> set[int]:
    """Every address in the ranges."""
    return {a for r in found for a in range(r.start, r.end)}


@given(range_sets(TOY), ranges(TOY))
def test_new_kernels_remove_exactly_the_range(before: list[MemRange], gone: MemRange) -> None:
    """Set difference, sorted, nothing merged."""
    left = exclude_range(list(before), gone, stops_at_partial=False)
    assert addresses(left) == addresses(list(before)) - set(range(gone.start, gone.end))
    assert left == sorted(left)


@given(range_sets(TOY), ranges(TOY))
def test_old_kernels_stop_at_the_first_cut(before: list[MemRange], gone: MemRange) -> None:
    """Ranges that are covered whole go; the first that is cut or split is the last that is touched."""
    expected: list[MemRange] = []
    rest = list(before)
    while rest:
        r = rest.pop(0)
        if not r.overlaps(gone):
            expected.append(r)
            continue
        kept = [(r.start, min(r.end, gone.start)), (max(r.start, gone.end), r.end)]
        pieces = [MemRange(a, b) for a, b in kept if a < b]
        expected += pieces
        if pieces:
            expected += rest
            break
    assert exclude_range(list(before), gone, stops_at_partial=True) == expected
