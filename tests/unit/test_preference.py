"""Better and worse memory for an image."""

import pytest
from hypothesis import given

from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.plan.hole import NoHoleError
from kexeckit.plan.preference import MemoryTraits, preferred_hole, unplug_warnings
from kexeckit.plan.request import NO_LIMIT, BufferRequest
from strategies import range_sets

MIB = 1 << 20
PAGE = 4096


def mib(start: int, end: int) -> MemRange:
    """Return a range given in MiB."""
    return MemRange(start * MIB, end * MIB)


def request(size: int) -> BufferRequest:
    """Return a request for `size` MiB, as high as possible."""
    return BufferRequest("x", size * MIB, size * MIB, PAGE, 0, NO_LIMIT, True, "a test")


USABLE = RangeSet((mib(16, 128),))


def test_nothing_known_nothing_said() -> None:
    """Without traits the highest place wins, and the reason does not speak of traits."""
    found = preferred_hole(USABLE, request(4), EMPTY, MemoryTraits())
    assert found.range == mib(124, 128)
    assert "mirror" not in found.reason
    assert "hot" not in found.reason


def test_away_from_hot_pluggable_memory() -> None:
    """The highest place below the memory that can go wins."""
    traits = MemoryTraits(hotpluggable=RangeSet((mib(64, 128),)))
    found = preferred_hole(USABLE, request(4), EMPTY, traits)
    assert found.range == mib(60, 64)
    assert "outside of hot-pluggable memory" in found.reason
    assert unplug_warnings(RangeSet((found.range,)), traits) == []


def test_mirrored_memory_first() -> None:
    """Mirrored memory wins over higher memory; where it is full, the reason says so."""
    traits = MemoryTraits(mirrored=RangeSet((mib(20, 24),)))
    assert preferred_hole(USABLE, request(4), EMPTY, traits).range == mib(20, 24)
    found = preferred_hole(USABLE, request(8), EMPTY, traits)
    assert found.range == mib(120, 128)
    assert "no room" in found.reason


def test_what_cannot_be_avoided_is_said() -> None:
    """Where only hot-pluggable memory has room, it is used, with a reason and a warning."""
    traits = MemoryTraits(hotpluggable=RangeSet((mib(20, 128),)))
    found = preferred_hole(USABLE, request(8), EMPTY, traits)
    assert found.range == mib(120, 128)
    assert "no room elsewhere" in found.reason
    assert "before that memory is removed" in unplug_warnings(RangeSet((found.range,)), traits)[0]


def test_no_place_at_all() -> None:
    """The refusal is about all usable memory, not about the best part of it."""
    with pytest.raises(NoHoleError, match="112"):
        preferred_hole(USABLE, request(200), EMPTY, MemoryTraits(hotpluggable=RangeSet((mib(64, 128),))))


@given(range_sets(), range_sets(), range_sets())
def test_traits_never_lose_a_place(usable: RangeSet, hot: RangeSet, mirrored: RangeSet) -> None:
    """There is a place with traits exactly if there is one without, and it is usable memory."""
    wish = BufferRequest("x", 3 * PAGE, 3 * PAGE, PAGE, 0, NO_LIMIT, True, "a test")
    usable, hot, mirrored = (
        RangeSet(MemRange(r.start * PAGE, r.end * PAGE) for r in s) for s in (usable, hot, mirrored)
    )

    def place(traits: MemoryTraits) -> MemRange | None:
        try:
            return preferred_hole(usable, wish, EMPTY, traits).range
        except NoHoleError:
            return None

    plain, chosen = place(MemoryTraits()), place(MemoryTraits(hot, mirrored))
    assert (plain is None) == (chosen is None)
    assert chosen is None or chosen in usable


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        (MemoryTraits(), ""),
        (MemoryTraits(hotpluggable=RangeSet((mib(64, 128),))), "; outside of hot-pluggable memory"),
        (MemoryTraits(mirrored=RangeSet((mib(20, 60),))), "; in mirrored memory"),
        (MemoryTraits(mirrored=RangeSet((mib(20, 21),))), "; not in mirrored memory, where there is no room"),
    ],
)
def test_the_reason_has_no_more_than_what_is_known(traits: MemoryTraits, told: str) -> None:
    """What is not known of memory is not said of the place."""
    assert preferred_hole(USABLE, request(4), EMPTY, traits).reason.endswith(f"test{told}")
