"""The grammar of crashkernel=: text to a value and back.

    crashkernel=SIZE[@OFFSET]
    crashkernel=START-[END]:SIZE[,START-[END]:SIZE...][@OFFSET]
    crashkernel=SIZE,high   crashkernel=SIZE,low   crashkernel=SIZE,cma
    crashkernel=auto        (distribution kernels)

This is the grammar as it is meant, for people and for tools that write the option. What a given kernel makes of a text
that is *not* of this form is in `kexeckit.kernel.reservation.request`.

Source: Documentation/admin-guide/kdump/kdump.rst, "crashkernel syntax"; kernel/crash_reserve.c.
"""

from dataclasses import dataclass
from typing import TypeVar

from kexeckit.errors import UsageError
from kexeckit.formats.memparse import parse_memory

SUFFIXES = ("high", "low", "cma")
_MAX = 1 << 64
_OPTION = "crashkernel="
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FixedSize:
    """``SIZE[@OFFSET]``.

    Attributes:
        size: Bytes.
        offset: Start in bytes, or None for any. The kernel takes 0 for any, too.
    """

    size: int
    offset: int | None = None

    def __post_init__(self) -> None:
        _check(self.size, self.offset)


@dataclass(frozen=True, slots=True)
class SuffixedSize:
    """``SIZE,high``, ``SIZE,low`` or ``SIZE,cma``.

    Attributes:
        size: Bytes.
        suffix: One of `SUFFIXES`.
    """

    size: int
    suffix: str

    def __post_init__(self) -> None:
        _check(self.size)
        if self.suffix not in SUFFIXES:
            raise ValueError(f"no suffix of crashkernel=: {self.suffix!r}")


@dataclass(frozen=True, slots=True)
class RangeRule:
    """``START-[END]:SIZE``: the size for machines with ``START <= RAM < END``.

    Attributes:
        start: Bytes of RAM from which on it counts.
        end: Bytes of RAM from which on it no longer counts, or None for no limit.
        size: Bytes to reserve.
    """

    start: int
    end: int | None
    size: int

    def __post_init__(self) -> None:
        _check(self.size, self.start, self.end)
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"the range {self.start:#x}-{self.end:#x} holds nothing")


@dataclass(frozen=True, slots=True)
class RangedSize:
    """A list of rules; the first that matches counts.

    Attributes:
        rules: At least one.
        offset: Start in bytes, or None for any.
    """

    rules: tuple[RangeRule, ...]
    offset: int | None = None

    def __post_init__(self) -> None:
        _check(0, self.offset)
        if not self.rules:
            raise ValueError("a list of ranges has at least one rule")

    def size_for(self, ram: int) -> int:
        """Return the bytes to reserve on a machine with this many bytes of RAM; 0 where no rule matches."""
        for rule in self.rules:
            if rule.start <= ram and (rule.end is None or ram < rule.end):
                return rule.size
        return 0


@dataclass(frozen=True, slots=True)
class AutoSize:
    """``auto``: the distribution kernel decides."""


CrashkernelSpec = FixedSize | SuffixedSize | RangedSize | AutoSize


def parse_crashkernel(text: str) -> CrashkernelSpec:
    """Read a specification.

    Args:
        text: With or without the leading ``crashkernel=``.

    Raises:
        UsageError: Not of the grammar; the message shows where.
    """
    value = text.removeprefix(_OPTION)
    if value == "auto":
        return AutoSize()
    if ":" in value:
        return _ranged(value)
    size, at = _memory(value, 0)
    rest = value[at:]
    if rest[:1] == "," and rest[1:] in SUFFIXES:
        return SuffixedSize(size, rest[1:])
    if rest[:1] == "@":
        offset, at = _memory(value, at + 1)
        return FixedSize(size, _end(value, at, offset))
    return FixedSize(_end(value, at, size))


def format_crashkernel(spec: CrashkernelSpec) -> str:
    """Write a specification as ``crashkernel=...``; sizes in the largest unit that loses nothing."""
    return _OPTION + _value(spec)


def format_amount(size: int) -> str:
    """Write bytes as the option takes them: ``256M``, ``4G``, ``100000001``."""
    for shift, unit in ((60, "E"), (50, "P"), (40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)


def _value(spec: CrashkernelSpec) -> str:
    if isinstance(spec, AutoSize):
        return "auto"
    if isinstance(spec, SuffixedSize):
        return f"{format_amount(spec.size)},{spec.suffix}"
    at = "" if spec.offset is None else f"@{format_amount(spec.offset)}"
    if isinstance(spec, FixedSize):
        return format_amount(spec.size) + at
    return ",".join(_rule(r) for r in spec.rules) + at


def _rule(rule: RangeRule) -> str:
    end = "" if rule.end is None else format_amount(rule.end)
    return f"{format_amount(rule.start)}-{end}:{format_amount(rule.size)}"


def _ranged(value: str) -> RangedSize:
    rules = []
    at = 0
    while True:
        start, at = _memory(value, at)
        at = _expect(value, at, "-")
        end = None
        if value[at : at + 1] != ":":
            end, at = _memory(value, at)
        at = _expect(value, at, ":")
        size, at = _memory(value, at)
        if end is not None and end <= start:
            raise UsageError(f"crashkernel={value}: a range must end behind its start")
        rules.append(RangeRule(start, end, size))
        if value[at : at + 1] != ",":
            break
        at += 1
    if value[at : at + 1] != "@":
        return _end(value, at, RangedSize(tuple(rules)))
    offset, at = _memory(value, at + 1)
    return _end(value, at, RangedSize(tuple(rules), offset))


def _memory(value: str, at: int) -> tuple[int, int]:
    size, end = parse_memory(value, at, checked=True)
    if end == at:
        raise UsageError(f"crashkernel={value}: a number is expected at {value[at:]!r}")
    return size, end


def _expect(value: str, at: int, sign: str) -> int:
    if value[at : at + 1] != sign:
        raise UsageError(f"crashkernel={value}: {sign!r} is expected at {value[at:]!r}")
    return at + 1


def _end(value: str, at: int, result: _T) -> _T:
    if at != len(value):
        raise UsageError(f"crashkernel={value}: nothing is expected at {value[at:]!r}")
    return result


def _check(*sizes: int | None) -> None:
    for size in sizes:
        if size is not None and not 0 <= size < _MAX:
            raise ValueError(f"{size} is no 64-bit size")
