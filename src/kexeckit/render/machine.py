"""What is known about a machine, as text: each fact with where it is known from; decides nothing."""

import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from kexeckit.formats.srat import Srat
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import Machine
from kexeckit.memory.kind import MemoryKind
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import format_size

_GROUPS = ("kernel", "boot", "memory", "nodes", "efi", "cpus", "handover", "observed")
_WIDTH = 100
# A list of more entries is counted, not shown: the JSON document has them all.
_MOST = 4
_LONGEST = 160
# Numbers that are no addresses.
_SIZES = ("page_size", "initrd_size", "counted", "managed", "crash_size")
_COUNTS = ("possible", "present", "most", "last_pfn", "search_line")


def render_machine(machine: Machine) -> str:
    """Return the text; what no source shows is named at the end of each part."""
    parts = [f"machine: {machine.source} ({machine.kind})"]
    for name in _GROUPS:
        group = getattr(machine, name)
        if group is None:
            parts.append(f"{name}: not read")
            continue
        facts = [(f.name, getattr(group, f.name)) for f in fields(group)]
        parts.append("\n".join([f"{name}:", *_lines(facts, machine.source)]))
    parts.append("\n".join(["held:", *_lines([("taken", machine.taken)], machine.source)]))
    parts += [f"{what}:\n" + "\n".join(f"  {text}" for text in texts) for what, texts in _remarks(machine) if texts]
    return "\n\n".join(parts)


def _remarks(machine: Machine) -> Iterator[tuple[str, tuple[object, ...]]]:
    yield "assumed", machine.assumed
    yield "notes", machine.notes
    yield "cannot be used", machine.problems


def _lines(facts: list[tuple[str, Fact[Any] | None]], root: str) -> Iterator[str]:
    absent = [name for name, fact in facts if fact is None]
    for name, fact in facts:
        if fact is not None:
            how = "" if fact.how is How.OBSERVED else f", {fact.how.value}"
            value, *more = _shown(fact.value, name)
            # Files of a root are named as in the root, whose own name stands above.
            at = fact.at[len(root.rstrip("/")) :] if root.endswith("/") and fact.at.startswith(root) else fact.at
            yield f"  {name}: {value}  ({at}{how})"
            yield from (f"    {text}" for text in more)
    if absent:
        text = f"not shown: {', '.join(absent)}"
        yield from textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _shown(value: object, name: str) -> list[str]:
    # The value, and a line for each of a few entries.
    if isinstance(value, ResourceTree):
        return [f"{sum(1 for _ in value.walk())} resources, {format_size(value.ram().size)} of System RAM"]
    if isinstance(value, Srat):
        nodes = " ".join(map(str, value.nodes)) or "none"
        return [f"{_counted(len(value.memory), 'range')}, nodes {nodes}", *_few([_text(m) for m in value.memory])]
    if isinstance(value, RangeSet):
        return [f"{format_size(value.size)} in {_counted(len(value), 'range')}", *_few([str(r) for r in value])]
    if isinstance(value, frozenset):
        return [_cut(" ".join(sorted(value)))]
    if isinstance(value, tuple):
        return [_counted(len(value), "entry"), *_few([_text(v) for v in value])]
    if isinstance(value, int) and not isinstance(value, bool):
        return [format_size(value) if name in _SIZES else str(value) if name in _COUNTS else f"{value:#x}"]
    return [_text(value)]


def _few(texts: list[str]) -> list[str]:
    return [_cut(text) for text in texts] if len(texts) <= _MOST else []


def _counted(count: int, what: str) -> str:
    plural = "entries" if what == "entry" else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _text(value: object) -> str:
    # Records field by field, addresses in hexadecimal.
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int):
        return str(value) if value < 1 << 12 else f"{value:#x}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, MemRange | MemoryKind):
        return str(value)
    if isinstance(value, tuple | frozenset):
        return " ".join(_text(v) for v in value)
    if is_dataclass(value):
        return ", ".join(f"{f.name} {_text(getattr(value, f.name))}" for f in fields(value))
    return _cut(str(value)) or '""'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
