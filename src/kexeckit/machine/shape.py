"""`Shape`: what a type hint of a frozen dataclass says about its JSON. Reading and the JSON Schema both follow it.

bool, int, str          themselves; an int is not negative and fits in 64 bits; -1 of those in `_NAMELESS` is null
X | None                X or null
tuple[X, ...]           a list of X                  tuple[X, Y]   a list of two
frozenset[X]            a sorted list of X           RangeSet      a list of ranges
Enum                    its value                    bytes         hexadecimal digits
MemoryKind              its name, or an object where the name is not one of the known ones
dataclass               an object; `start` and `end` become `start` and `last`, see `Shape.spans`
"""

import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.frozen import dataclass
from kexeckit.memory.kind import MemoryKind
from kexeckit.memory.rangeset import RangeSet

# The highest number that a document holds; 2^64 itself, as an exclusive end, is why `last` is written.
MOST = (1 << 64) - 1
# -1 stands for a type that the log does not name.
_NAMELESS = {(EfiMapEntry, "type")}
_PLAIN = {bool: "bool", int: "int", str: "str", bytes: "bytes", RangeSet: "ranges", MemoryKind: "memory kind"}


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a dataclass.

    Attributes:
        name: In Python.
        key: In JSON.
        hint: Its type.
        required: It has no default.
        nameless: An int that is -1 for none, which is null in JSON.
    """

    name: str
    key: str
    hint: Any
    required: bool
    nameless: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A type hint, taken apart.

    Attributes:
        kind: ``optional``, ``list``, ``row``, ``set``, ``enum``, ``record`` or one of the plain ones: ``bool``,
            ``int``, ``str``, ``bytes``, ``ranges``, ``memory kind``.
        of: Hints of what is inside.
        cls: The class of a record or of an enumeration.
        members: The fields of a record.
        spans: A record from `start` up to `end`, exclusive: JSON has the `last` byte, which always fits in 64 bits,
            and null where the record covers no byte.
    """

    kind: str
    of: tuple[Any, ...] = ()
    cls: Any = None
    members: tuple[Member, ...] = ()
    spans: bool = False


@cache
def _names() -> dict[str, Any]:
    # `value` imports these for type checkers only, because most commands need none of them.
    from kexeckit.formats import elfcorehdr, memblock_debugfs, srat, sysfs_crash, zoneinfo
    from kexeckit.formats.bootlog import early, efi, entries, memory, outcome, zones
    from kexeckit.machine import taken

    found = (elfcorehdr, memblock_debugfs, srat, sysfs_crash, zoneinfo, early, efi, entries, memory, outcome, zones)
    # Taken of the log's own parser has the name of the machine's, which counts.
    return {name: value for module in (*found, taken) for name, value in vars(module).items()}


@cache
def shape_of(hint: Any) -> Shape:  # noqa: ANN401
    """Return the shape of a hint.

    Raises:
        TypeError: No rule for such a hint: a field was added to the machine whose JSON nobody has decided on.
    """
    if hint in _PLAIN:
        return Shape(_PLAIN[hint])
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType) and len(inside) == 2 and inside[1] is type(None):
        return Shape("optional", inside[:1])
    if origin is tuple:
        return Shape("list", inside[:1]) if inside[1:] == (...,) else Shape("row", inside)
    if origin is frozenset:
        return Shape("set", inside)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Shape("enum", cls=hint)
    cls = origin or hint
    if is_dataclass(cls):
        return record_of(cls, inside)
    raise TypeError(f"no JSON is defined for {hint!r}")


def record_of(cls: Any, inside: tuple[Any, ...] = ()) -> Shape:  # noqa: ANN401
    """Return the shape of a dataclass; `inside` are the types of its parameters, as int in ``Fact[int]``."""
    return Shape("record", cls=cls, members=tuple(_members(cls, inside)), spans=spans(cls))


def spans(cls: Any) -> bool:  # noqa: ANN401
    """Say whether a dataclass has a start and an exclusive end."""
    return {"start", "end"} <= {f.name for f in fields(cls)}


def is_nameless(cls: Any, name: str) -> bool:  # noqa: ANN401
    """Say whether an int field is -1 for none."""
    return (cls, name) in _NAMELESS


def _members(cls: Any, inside: tuple[Any, ...]) -> Iterator[Member]:  # noqa: ANN401
    hints = get_type_hints(cls, localns=_names())
    # Fact[int]: what the class calls T is an int here.
    known = dict(zip(getattr(cls, "__parameters__", ()), inside, strict=True))
    span = spans(cls)
    for field in fields(cls):
        key = "last" if span and field.name == "end" else field.name
        hint = known.get(hints[field.name], hints[field.name])
        yield Member(field.name, key, hint, _required(field), is_nameless(cls, field.name))


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING
