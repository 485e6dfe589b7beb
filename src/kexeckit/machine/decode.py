"""From parsed JSON to frozen dataclasses, led by their type hints. Whatever does not fit is an error with its path.

    $.memory.firmware.value[3].last     a path as messages name it

Nothing is guessed: no number from a text, no key that is unknown, no list where one value is expected.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kexeckit.errors import InputError
from kexeckit.machine.shape import MOST, Member, Shape, record_of, shape_of
from kexeckit.memory.kind import KNOWN_KINDS, MemoryKind
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

# /proc/iomem is read up to 100 levels deep: four objects around them, and a range in the last.
_DEEPEST = 105
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_KINDS = {kind.name: kind for kind in KNOWN_KINDS}


class Decoder:
    """Reads one document.

    Args:
        source: How messages name it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._depth = 0
        self._readers: dict[str, Callable[[Shape, Any, str], Any]] = {
            "bool": self._plain(bool, "true or false"),
            "str": self._plain(str, "a text"),
            "int": lambda _, data, path: self._number(data, path),
            "bytes": self._bytes,
            "ranges": self._ranges,
            "memory kind": self._memory_kind,
            "optional": lambda shape, data, path: None if data is None else self.read(shape.of[0], data, path),
            "list": self._list,
            "row": self._row,
            "set": self._set,
            "enum": self._enum,
            "record": self._record,
        }

    def read(self, hint: Any, data: Any, path: str) -> Any:  # noqa: ANN401
        """Return a value of the type that a hint names.

        Raises:
            InputError: The JSON does not describe one.
        """
        shape = shape_of(hint)
        return self._readers[shape.kind](shape, data, path)

    def refused(self, path: str, problem: str, expected: str = "") -> InputError:
        """Return the error for one place of the document."""
        return InputError(self.source, f"{path}: {problem}", expected=expected)

    def _wrong(self, path: str, data: object, expected: str) -> InputError:
        return self.refused(path, f"{_shown(data)} does not belong here", expected)

    def _plain(self, cls: type, expected: str) -> Callable[[Shape, Any, str], Any]:
        def read(_: Shape, data: object, path: str) -> object:
            if type(data) is not cls:
                raise self._wrong(path, data, expected)
            return data

        return read

    def _number(self, data: object, path: str) -> int:
        # JSON's true is a Python int as well.
        if type(data) is not int or not 0 <= data <= MOST:
            raise self._wrong(path, data, "a whole number from 0 to 2^64 - 1")
        return data

    def _bytes(self, _: Shape, data: object, path: str) -> bytes:
        if not isinstance(data, str) or not _HEX.fullmatch(data):
            raise self._wrong(path, data, "an even number of hexadecimal digits in lower case")
        return bytes.fromhex(data)

    def _memory_kind(self, _: Shape, data: object, path: str) -> MemoryKind:
        if isinstance(data, str):
            if data not in _KINDS:
                raise self._wrong(path, data, f"one of {', '.join(_KINDS)}, or an object with name, e820 and label")
            return _KINDS[data]
        found: MemoryKind = self._record(record_of(MemoryKind), data, path)
        return found

    def _ranges(self, _: Shape, data: object, path: str) -> RangeSet:
        return RangeSet(self._list(Shape("list", (MemRange,)), data, path))

    def _list(self, shape: Shape, data: object, path: str) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise self._wrong(path, data, "a list")
        # A list comprehension would be one more frame for each level of the resources.
        found: list[Any] = []
        for at, item in enumerate(data):
            found.append(self.read(shape.of[0], item, f"{path}[{at}]"))
        return tuple(found)

    def _row(self, shape: Shape, data: object, path: str) -> tuple[Any, ...]:
        if not isinstance(data, list) or len(data) != len(shape.of):
            raise self._wrong(path, data, f"a list of {len(shape.of)}")
        pairs = zip(shape.of, data, strict=True)
        return tuple(self.read(hint, item, f"{path}[{at}]") for at, (hint, item) in enumerate(pairs))

    def _set(self, shape: Shape, data: object, path: str) -> frozenset[Any]:
        found = self._list(shape, data, path)
        if len(set(found)) < len(found):
            raise self.refused(path, "the same entry twice")
        return frozenset(found)

    def _enum(self, shape: Shape, data: object, path: str) -> object:
        known = {member.value: member for member in shape.cls}
        if not isinstance(data, str) or data not in known:
            raise self._wrong(path, data, f"one of {', '.join(known)}")
        return known[data]

    def _record(self, shape: Shape, data: object, path: str) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            raise self._wrong(path, data, "an object")
        if self._depth >= _DEEPEST:
            raise self.refused(path, "nested too deep", "at most 100 levels of resources")
        self._check_keys(shape, data, path)
        self._depth += 1
        values: dict[str, Any] = {}
        for member in shape.members:
            if member.key in data:
                values[member.name] = self._member(shape, member, data, f"{path}.{member.key}")
        self._depth -= 1
        try:
            return shape.cls(**values)
        except ValueError as error:
            raise self.refused(path, str(error)) from error

    def _check_keys(self, shape: Shape, data: Mapping[str, object], path: str) -> None:
        keys = [m.key for m in shape.members]
        for key in data:
            if key not in keys:
                raise self.refused(path, f"unknown key {_shown(key)}", f"one of {', '.join(keys)}")
        for member in shape.members:
            if member.required and member.key not in data:
                raise self.refused(path, f"no {member.key!r}", f"an object with {', '.join(keys)}")

    def _member(self, shape: Shape, member: Member, data: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
        found = data[member.key]
        if shape.spans and member.name == "end":
            return self._end(data, path)
        if member.nameless and found is None:
            return -1
        return self.read(member.hint, found, path)

    def _end(self, data: Mapping[str, Any], path: str) -> int:
        # Whoever gets here has a start: it is required, and stands before the end.
        start, last = data["start"], data["last"]
        if last is None:
            return int(start)
        end = self._number(last, path) + 1
        if end <= start:
            raise self.refused(path, f"{end - 1:#x} lies before the start {start:#x}")
        return end


def _shown(data: object) -> str:
    # What stands there, short, and so that it cannot act on a terminal.
    if isinstance(data, dict | list):
        return "an object" if isinstance(data, dict) else f"a list of {len(data)}"
    text = {True: "true", False: "false", None: "null"}[data] if data is None or isinstance(data, bool) else ascii(data)
    return text if len(text) <= 60 else f"{text[:57]}..."
