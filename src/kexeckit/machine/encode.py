"""From frozen dataclasses to what `json` writes; `decode` is the way back, `shape` has the rules."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from kexeckit.errors import InputError
from kexeckit.machine.shape import MOST, is_nameless, spans
from kexeckit.memory.kind import KNOWN_KINDS, MemoryKind
from kexeckit.memory.rangeset import RangeSet


def encode(value: Any, path: str, source: str) -> Any:  # noqa: ANN401
    """Return lists, dicts, texts and numbers.

    Args:
        value: A value of one of the types that `shape` knows.
        path: Where it stands in the document.
        source: How messages name what it was read from.

    Raises:
        InputError: The source gives a number that does not fit in 64 bits.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return _number(value, path, source)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, MemoryKind) and value in KNOWN_KINDS:
        return value.name
    if isinstance(value, tuple | RangeSet):
        return [encode(item, f"{path}[{at}]", source) for at, item in enumerate(value)]
    if is_dataclass(value):
        return _record(value, path, source)
    raise TypeError(f"no JSON is defined for {value!r} at {path}")


def _record(value: Any, path: str, source: str) -> dict[str, Any]:  # noqa: ANN401
    cls = type(value)
    span = spans(cls)
    out: dict[str, Any] = {}
    for field in fields(value):
        found = getattr(value, field.name)
        if span and field.name == "end":
            # Exclusive ends may be 2^64, which no 64-bit reader takes; an entry may cover nothing at all.
            last = found - 1 if found > value.start else None
            out["last"] = encode(last, f"{path}.last", source)
        elif found == -1 and is_nameless(cls, field.name):
            out[field.name] = None
        else:
            out[field.name] = encode(found, f"{path}.{field.name}", source)
    return out


def _number(value: int, path: str, source: str) -> int:
    if not 0 <= value <= MOST:
        raise InputError(source, f"{path}: {value:#x} does not fit in 64 bits")
    return value
