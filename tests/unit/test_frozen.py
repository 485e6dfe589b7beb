"""Our `dataclass` makes what the standard library's makes, for all that anyone uses."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest

from kexeckit import frozen


@frozen.dataclass(frozen=True, slots=True)
class Point:
    """Kept at the top of a module, where pickle finds it."""

    x: int
    y: int = 2
    name: str = field(default="", compare=False)
    more: tuple[int, ...] = field(default_factory=tuple)
    total: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.x + self.y)


def _classes(make: Callable[..., Any]) -> dict[str, type]:
    @make(frozen=True, slots=True)
    class Plain:
        """Two fields."""

        a: int
        b: "list[int]" = field(default_factory=list)

    @make(frozen=True, slots=True)
    class One:
        """A field alone."""

        a: int

    @make(frozen=True, slots=True)
    class Empty:
        """No field."""

    @make(frozen=True, slots=True)
    class Own:
        """Methods of its own."""

        a: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and abs(self.a - other.a) < 2

        def __repr__(self) -> str:
            return "own"

        __hash__ = None  # type: ignore[assignment]

    return {c.__name__: c for c in (Plain, One, Empty, Own)}


def _hints(made: type) -> dict[str, Any]:
    return get_type_hints(vars(made)["__init__"])


OURS, THEIRS = _classes(frozen.dataclass), _classes(dataclasses.dataclass)
VALUES = [("Plain", (1, (2,))), ("Plain", (1,)), ("One", (1,)), ("Empty", ()), ("Own", (3,))]


@pytest.mark.parametrize(("name", "values"), VALUES)
def test_both_decorators_make_the_same(name: str, values: tuple[object, ...]) -> None:
    """Fields, text, comparison, place in a set, what can be assigned."""
    ours, theirs = OURS[name](*values), THEIRS[name](*values)
    assert repr(ours) == repr(theirs)
    assert asdict(ours) == asdict(theirs)
    assert ours == OURS[name](*values)
    assert ours != theirs
    assert OURS[name].__match_args__ == THEIRS[name].__match_args__  # type: ignore[attr-defined]
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    assert OURS[name].__slots__ == THEIRS[name].__slots__  # type: ignore[attr-defined]
    assert _hints(OURS[name]) == _hints(THEIRS[name])
    for made in (ours, theirs) if fields(ours) else (ours,):
        with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
            made.a = 1
        with pytest.raises(FrozenInstanceError, match="cannot delete field 'a'"):
            del made.a


@pytest.mark.parametrize("made", [OURS, THEIRS])
def test_methods_of_its_own_stay(made: dict[str, type]) -> None:
    """Also where a class says how it compares."""
    own = made["Own"]
    assert own(1) == own(2)
    assert repr(own(1)) == "own"


def test_a_record_works_as_a_value() -> None:
    """In sets, in copies, in pickles, with other values; what is not compared does not count."""
    one, same = Point(1), Point(1, 2, "named")
    assert one == same
    assert {one, same} == {one}
    assert hash(one) == hash(same)
    assert (one.total, one.more, Point(x=4, y=5).total) == (3, (), 9)
    assert repr(same) == "Point(x=1, y=2, name='named', more=())"
    assert replace(one, x=7).total == 9
    assert copy.deepcopy(same) == same
    again = pickle.loads(pickle.dumps(same))
    assert (again, again.name, again.total) == (same, "named", 3)
    assert is_dataclass(Point)
    match one:
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert not hasattr(one, "__dict__")


def test_wrong_calls_are_refused() -> None:
    """As for any function."""
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Point(1, z=2)  # type: ignore[call-arg]


def test_other_kinds_are_the_standard_library_s() -> None:
    """Those that can change, and those that are ordered."""

    @frozen.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        """Has an order."""

        a: int

    @frozen.dataclass(slots=True)
    class Loose:
        """Can change."""

        a: int

    loose = Loose(1)
    loose.a = 2
    assert (Ordered(1) < Ordered(2), loose) == (True, Loose(2))


@pytest.mark.parametrize("make", [frozen.dataclass(frozen=True, slots=True), dataclasses.dataclass(frozen=True)])
def test_a_record_can_be_inherited_from(make: Callable[[type], Any]) -> None:
    """By a frozen class, with the fields of both."""

    class Named(Point):
        """One more field."""

        tag: str = "t"

    made = make(Named)
    assert repr(made(1)) == f"{made.__qualname__}(x=1, y=2, name='', more=(), tag='t')"
    assert made(1) == made(1)
    assert made(1) != Point(1)
    with pytest.raises(FrozenInstanceError):
        made(1).tag = "u"
