"""What a boot log says about the memory map: e820 tables, changes to them, early node ranges.

Three forms of e820 lines are understood: ``BIOS-e820: 0000 - 1000 (usable)`` with exclusive ends (up to 3.5),
``BIOS-e820: [mem 0x0-0xfff] usable`` (3.6 to 6.x) and ``BIOS-e820: [mem 0x0-0xfff]  System RAM`` with ``[gap ...]``
lines between (7.0 on).

Source: arch/x86/kernel/e820.c, e820__print_table(), e820_print_type(), __e820__range_update(), e820__range_remove();
mm/page_alloc.c and mm/mm_init.c, free_area_init().
"""

import re

from kexeckit.errors import InputError
from kexeckit.formats.bootlog import entries as plain
from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.lines import LogLine
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass
from kexeckit.memory.kind import (
    ACPI,
    NVS,
    PMEM,
    PRAM,
    RAM,
    RESERVED,
    SOFT_RESERVED,
    UNUSABLE,
    MemoryKind,
    kind_from_e820,
)
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import KIB

_TABLES = r"BIOS-e820|BIOS-e801|BIOS-88|Xen|user|modified|reserve setup_data"
_NEW = re.compile(r"\[\s*mem\s+0x([0-9a-f]{1,17})\s*-\s*0x([0-9a-f]{1,17})\s*\]\s*(.*)$", re.IGNORECASE)
_OLD = re.compile(r"([0-9a-f]{16})\s*-\s*([0-9a-f]{16})\s*\(?([^)]*)\)?", re.IGNORECASE)
_ENTRY = LinePattern(
    rf"^\s*({_TABLES}):\s*(.*)$",
    "bios-e820:",
    "bios-e801:",
    "bios-88:",
    "xen:",
    "user:",
    "modified:",
    "reserve setup_data:",
)
_HEADER = LinePattern(r"^(?:e820: )?BIOS-provided physical RAM map:", "bios-provided physical ram map:")
_CHANGE = LinePattern(
    r"^e820:? (update|remove)(?: range:)? "
    r"(?:\[mem 0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\]|([0-9a-f]{1,16}) - ([0-9a-f]{1,16}))(.*)$",
    "e820: update ",
    "e820 update ",
    "e820: remove ",
    "e820 remove ",
    ignore_case=True,
)
_ARROW = re.compile(r"^\s*\(?([^()=]*?)\)?\s*==>\s*\(?([^()]*?)\)?\s*$")
_NODE = LinePattern(
    r"^\s*node\s+(\d+):\s*\[\s*mem\s+0x([0-9a-f]+)\s*-\s*0x([0-9a-f]{1,16})\s*\]", "node", ignore_case=True
)
_NODE_PFN = re.compile(r"^\s*(\d+):\s*0x([0-9a-f]{1,13})\s*->\s*0x([0-9a-f]{1,13})", re.IGNORECASE)
_HEADER_TEXT = "the line 'BIOS-provided physical RAM map:'"
_NODES_TEXT = "the line 'Early memory node ranges'"
_MORE = "at least one more message"
_NODES_BEGIN = LinePattern(
    r"^(?:Early memory node ranges|early_node_map\[)", "early memory node ranges", "early_node_map["
)
_COUNTED = LinePattern(
    r"^Memory: \d+k/(\d+)k available \((?:\d+k kernel code, (\d+)k absent)?", "memory: ", ignore_case=True
)
_NUMBERED = re.compile(r"(?:.*\()?type[ -](\d+)\)?", re.IGNORECASE)
_EXPECTED = "a line like 'BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff] usable'"

_LABELS = (
    ("usable", RAM),
    ("system ram", RAM),
    ("reserved", RESERVED),
    ("device reserved", RESERVED),
    ("soft reserved", SOFT_RESERVED),
    ("acpi data", ACPI),
    ("acpi nvs", NVS),
    ("unusable", UNUSABLE),
    ("persistent ram (type 7)", PMEM),
    ("persistent ram (type 12)", PRAM),
    ("persistent (type 7)", PMEM),
    ("persistent (type 12)", PRAM),
)


TableEntry = plain.TableEntry


@dataclass(frozen=True, slots=True)
class TableChange:
    """A change that the kernel made to its e820 table.

    Attributes:
        range: Bytes concerned.
        old: What was changed or removed; None for "whatever was there".
        new: What it became; None where it was removed.
        line: Line number in the file.
    """

    range: MemRange
    old: MemoryKind | None
    new: MemoryKind | None
    line: int


@dataclass(frozen=True, slots=True)
class NodeRange:
    """A line of "Early memory node ranges": one region of memblock.memory.

    Attributes:
        node: Node number.
        range: Whole pages.
        line: Line number in the file.
    """

    node: int
    range: MemRange
    line: int


def firmware_table(log: BootLog) -> tuple[TableEntry, ...]:
    """Return the firmware's e820 table; empty where the log prints none.

    Raises:
        InputError: A line of the table cannot be read, or the log begins or ends inside the table.
    """
    entries = table(log, "BIOS-e820", "BIOS-e801", "BIOS-88", "Xen")
    if not entries:
        return ()
    if not log.find(_HEADER) and entries[0].start:
        raise _cut(log, "begins", "the firmware's memory map", entries[0].line, f"{_HEADER_TEXT} before it")
    if log.lines[-1].number == entries[-1].line:
        raise _cut(log, "ends", "the firmware's memory map", entries[-1].line, _MORE)
    return entries


def table(log: BootLog, *names: str) -> tuple[TableEntry, ...]:
    """Return the entries printed under any of these names (``user``, ``modified``, ``reserve setup_data``, ...).

    Raises:
        InputError: A line of the table cannot be read.
    """
    found = ((line, m[2]) for line, m in log.matches(_ENTRY) if m[1] in names)
    return tuple(_entry(log.source, line, rest) for line, rest in found if not rest.startswith("[gap "))


def table_changes(log: BootLog) -> tuple[TableChange, ...]:
    """Return the "e820: update" and "e820: remove" lines in order; what they print without effect is there too."""
    changes = (_change(line, m) for line, m in log.matches(_CHANGE))
    return tuple(c for c in changes if c)


def node_ranges(log: BootLog) -> tuple[NodeRange, ...]:
    """Return the early memory node ranges in order; empty where the log prints none."""
    out: list[NodeRange] = []
    framed = False
    if not (log.may_match(_NODE) or log.may_match(_NODES_BEGIN)):
        return ()
    begins, of_node = _NODES_BEGIN.compiled.match, _NODE.compiled.match
    for line in log.lines:
        framed = bool(begins(line.text)) or (framed and bool(_NODE_PFN.match(line.text)))
        named = of_node(line.text)
        pfns = _NODE_PFN.match(line.text) if framed else None
        span = _named_range(named) if named else _pfn_range(pfns)
        if span:
            out.append(NodeRange(span[0], span[1], line.number))
    return tuple(out)


def whole_node_ranges(log: BootLog) -> tuple[NodeRange, ...]:
    """Return the early memory node ranges, for whom no other map of memory stands in.

    Raises:
        InputError: The log begins or ends inside them.
    """
    found = node_ranges(log)
    if not found:
        return ()
    if not any(line.number < found[0].line for line, _ in log.matches(_NODES_BEGIN)):
        raise _cut(log, "begins", "the early memory node ranges", found[0].line, f"{_NODES_TEXT} before them")
    if log.lines[-1].number == found[-1].line:
        raise _cut(log, "ends", "the early memory node ranges", found[-1].line, _MORE)
    return found


def _cut(log: BootLog, how: str, what: str, line: int, expected: str) -> InputError:
    return InputError(log.source, f"the log {how} inside {what}", expected=expected, line=line)


def counted_memory(log: BootLog) -> tuple[int, int] | None:
    """Return the bytes of memory that the kernel counted, and the line that says so; None where no line does.

    Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), mem_init_print_info(); arch/x86/mm/init_64.c, mem_init() up to
    3.15, whose second number is the highest address and leaves out what is "absent".
    """
    for line, found in log.matches(_COUNTED):
        return (int(found[1]) - int(found[2] or 0)) * KIB, line.number
    return None


def kind_from_log(text: str) -> MemoryKind | None:
    """Return the kind that e820 code prints as `text`, which may have more text behind it, or None."""
    word = " ".join(text.lower().strip(" ()").split())
    for label, kind in _LABELS:
        if word == label or word.startswith(label + " "):
            return kind
    numbered = _NUMBERED.match(word)
    return kind_from_e820(int(numbered[1]) & 0xFFFFFFFF) if numbered else None


def _entry(source: str, line: LogLine, rest: str) -> TableEntry:
    new = _NEW.match(rest)
    old = None if new else _OLD.match(rest)
    found = new or old
    kind = kind_from_log(found[3]) if found else None
    if not found or not kind:
        raise InputError(source, f"not an e820 entry: {line.text[:70]!a}", expected=_EXPECTED, line=line.number)
    start, end = int(found[1], 16), int(found[2], 16) + (1 if new else 0)
    if end < start or end > 1 << 64:
        raise InputError(source, f"an e820 entry from {start:#x} to {end:#x}", expected=_EXPECTED, line=line.number)
    return TableEntry(start, end, kind, line.number)


def _change(line: LogLine, found: re.Match[str]) -> TableChange | None:
    start = int(found[2] or found[4], 16)
    end = int(found[3], 16) + 1 if found[3] else int(found[5], 16)
    if not start < end <= 1 << 64:
        return None
    span = MemRange(start, end)
    if found[1].lower() == "remove":
        return TableChange(span, kind_from_log(found[6]), None, line.number)
    arrow = _ARROW.match(found[6])
    if not arrow:
        return None
    return TableChange(span, kind_from_log(arrow[1]), kind_from_log(arrow[2]), line.number)


def _named_range(found: re.Match[str]) -> tuple[int, MemRange] | None:
    span = clip(int(found[2], 16), int(found[3], 16) + 1)
    return (int(found[1]), span) if span else None


def _pfn_range(found: re.Match[str] | None) -> tuple[int, MemRange] | None:
    # The form of 3.2 and older: page frame numbers, the end exclusive.
    span = clip(int(found[2], 16) << 12, int(found[3], 16) << 12) if found else None
    return (int(found[1]), span) if found and span else None
