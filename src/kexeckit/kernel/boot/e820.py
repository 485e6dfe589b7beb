"""The x86 e820 table: how the kernel cleans it up and how ``mem=`` and ``memmap=`` change it.

Rules of this file:
    1. A table is a tuple of `E820Entry` in the kernel's own order; only `sanitized` puts it in order.
    2. Every step does what the kernel's function of that name does, oddities included: ends wrap, types win by number,
       and a table of one entry is never cleaned up.

    BIOS table -> sanitized -> mem=, memmap= in order of appearance -> sanitized
               -> the kernel's own memory is RAM -> trim_bios -> (MTRR) -> ram()

Source: arch/x86/kernel/e820.c, e820__update_table(), __e820__range_update(), e820__range_remove(), parse_memopt(),
parse_memmap_one(), e820__memblock_setup(); arch/x86/kernel/setup.c, trim_bios_range(); mm/memblock.c,
memblock_trim_memory().
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from kexeckit.formats.cmdline import Word, split_words
from kexeckit.formats.memparse import parse_integer, parse_memory
from kexeckit.frozen import dataclass
from kexeckit.memory.kind import kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import PAGE_SIZE

E820_RAM = 1
E820_RESERVED = 2
E820_ACPI = 3
E820_PRAM = 12
E820_RESERVED_KERN = 128
E820_SOFT_RESERVED = 0xEFFFFFFF

_MAX = (1 << 64) - 1
_NEVER_MERGED = (E820_PRAM, E820_SOFT_RESERVED)
_BIOS_BEGIN, _BIOS_END = 0xA0000, 0x100000


class E820Entry(NamedTuple):
    """One entry: bytes ``[start, end)`` of one type; it may be empty, and may overlap others."""

    start: int
    end: int
    type: int


Table = tuple[E820Entry, ...]


@dataclass(frozen=True, slots=True)
class ParameterStep:
    """What one ``mem=`` or ``memmap=`` item did.

    Attributes:
        item: As written, e.g. ``memmap=64M$1G``.
        effect: What the kernel made of it, in words.
        changed: False where the kernel refused it.
    """

    item: str
    effect: str
    changed: bool


@dataclass(frozen=True, slots=True)
class EditedTable:
    """A table after the command line.

    Attributes:
        table: The entries, cleaned up again where an item asked for it.
        steps: One per item, in order of appearance.
        problem: Why the kernel would stop here ("Invalid user supplied memory map"), or empty.
    """

    table: Table
    steps: tuple[ParameterStep, ...] = ()
    problem: str = ""


def make_table(entries: Iterable[tuple[int, int, int]]) -> Table:
    """Return a table of (start, end, type) triples in the given order."""
    return tuple(E820Entry(*e) for e in entries)


def sanitized(table: Table) -> Table:
    """Sort a table and resolve its overlaps: the highest type number wins.

    Returns:
        Sorted, disjoint entries, neighbours of one type merged (but never PRAM and soft reserved). A table with fewer
        than two entries, or with one that wraps at 2^64, comes back as it is.
    """
    if not can_sanitize(table):
        return table
    points = sorted((at, rank, e.type) for e in table if e.end > e.start for at, rank in ((e.start, 0), (e.end, 1)))
    open_types: dict[int, int] = {}
    out: list[E820Entry] = []
    last_type = last_start = 0
    for at, rank, kind in points:
        open_types[kind] = open_types.get(kind, 0) + (-1 if rank else 1)
        if not open_types[kind]:
            del open_types[kind]
        current = max(open_types, default=0)
        if current == last_type and current not in _NEVER_MERGED:
            continue
        if last_type and at > last_start:
            out.append(E820Entry(last_start, at, last_type))
        last_type, last_start = current, at
    return tuple(out)


def can_sanitize(table: Table) -> bool:
    """Say whether the kernel cleans this table up at all."""
    return len(table) >= 2 and all(e.end <= _MAX for e in table)


def range_updated(table: Table, start: int, size: int, old: int, new: int) -> Table:
    """Retype what is `old` within ``[start, start + size)``; new pieces go to the end of the table."""
    end = start + min(size, _MAX - start)
    entries = list(table)
    at = 0
    while at < len(entries):
        entry = entries[at]
        low, high = max(start, entry.start), min(end, entry.end)
        if entry.type != old:
            pass
        elif entry.start >= start and entry.end <= end:
            entries[at] = entry._replace(type=new)
        elif entry.start < start and entry.end > end:
            entries += [E820Entry(start, end, new), E820Entry(end, entry.end, old)]
            entries[at] = entry._replace(end=start)
        elif low < high:
            entries.append(E820Entry(low, high, new))
            entries[at] = entry._replace(end=low) if entry.start < low else entry._replace(start=high)
        at += 1
    return tuple(entries)


def range_removed(table: Table, start: int, size: int, old: int | None) -> Table:
    """Remove what is `old` (None: whatever is there) within ``[start, start + size)``."""
    end = start + min(size, _MAX - start)
    out: list[E820Entry] = []
    tail: list[E820Entry] = []
    for entry in table:
        low, high = max(start, entry.start), min(end, entry.end)
        if (old is not None and entry.type != old) or (low >= high and entry.end > entry.start):
            out.append(entry)
        elif entry.start >= start and entry.end <= end:
            out.append(E820Entry(0, 0, 0))
        elif entry.start < start and entry.end > end:
            out.append(entry._replace(end=start))
            tail.append(E820Entry(end, entry.end, entry.type))
        else:
            out.append(entry._replace(end=low) if entry.start < low else entry._replace(start=high))
    return (*out, *tail)


def with_parameters(table: Table, cmdline: str) -> EditedTable:
    """Apply every ``mem=`` and ``memmap=`` of a command line in order of appearance.

    Args:
        table: The cleaned-up firmware table.
        cmdline: The kernel's command line; what follows ``--`` is not the kernel's.
    """
    steps: list[ParameterStep] = []
    edited = False
    for word in early_words(cmdline):
        items = word.value.split(",") if word.name == "memmap" and word.value is not None else [word.value]
        for item in items:
            table, step, counts = _applied(table, word.name, item)
            steps.append(step)
            edited = edited or counts
    if not edited:
        return EditedTable(table, tuple(steps))
    if not can_sanitize(table):
        return EditedTable(table, tuple(steps), "Invalid user supplied memory map")
    return EditedTable(sanitized(table), tuple(steps))


def early_words(cmdline: str) -> list[Word]:
    """Return the ``mem`` and ``memmap`` words before any ``--``."""
    out = []
    for word in split_words(cmdline):
        if word.text == "--":
            break
        if word.name in ("mem", "memmap"):
            out.append(word)
    return out


def bios_trimmed(table: Table) -> Table:
    """Take page 0 and the BIOS area from 640 KiB to 1 MiB out of RAM."""
    table = range_updated(table, 0, PAGE_SIZE, E820_RAM, E820_RESERVED)
    return sanitized(range_removed(table, _BIOS_BEGIN, _BIOS_END - _BIOS_BEGIN, E820_RAM))


def ram(table: Table) -> list[MemRange]:
    """Return memblock.memory: RAM joined where it touches, then cut to whole pages, lowest first."""
    spans = sorted((e.start, e.end) for e in table if e.type in (E820_RAM, E820_RESERVED_KERN) and e.end > e.start)
    joined: list[list[int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    whole = (clip(-(-start // PAGE_SIZE) * PAGE_SIZE, end // PAGE_SIZE * PAGE_SIZE) for start, end in joined)
    return [r for r in whole if r]


def with_kernel(table: Table, kernel: MemRange) -> Table:
    """Make the kernel's own memory RAM, whatever it was, if any of it is not; the table is not cleaned up here.

    Source: arch/x86/kernel/setup.c, e820_add_kernel_range().
    """
    if kernel in RangeSet(MemRange(e.start, e.end) for e in table if e.type == E820_RAM and e.end > e.start):
        return table
    return (*range_removed(table, kernel.start, kernel.size, None), E820Entry(kernel.start, kernel.end, E820_RAM))


def table_at_boot(
    table: Table, cmdline: str, reserved: Iterable[MemRange] = (), kernel: MemRange | None = None
) -> EditedTable:
    """Return the firmware's table as it is when memblock is made of it.

    Args:
        table: The firmware's entries in their own order.
        cmdline: The whole command line.
        reserved: RAM that the kernel makes reserved besides: what no MTRR makes cacheable, what the GART takes.
        kernel: Where the kernel itself lies; None where that is not known, or where it leaves the table as it is.
    """
    edited = with_parameters(sanitized(table), cmdline)
    after = bios_trimmed(with_kernel(edited.table, kernel) if kernel else edited.table)
    for span in reserved:
        after = sanitized(range_updated(after, span.start, span.size, E820_RAM, E820_RESERVED))
    return replace(edited, table=after)


def ram_within(table: Table, reach: int | None) -> list[MemRange]:
    """Return memblock.memory that a table makes, lowest first.

    Args:
        table: As `table_at_boot` returns it.
        reach: Address after the highest one that this build can use (max_arch_pfn), in bytes: 4 GiB for i386 without
            PAE; None for no limit.
    """
    spans = (clip(r.start, min(r.end, reach or r.end)) for r in ram(table))
    return [r for r in spans if r]


def memory_map(table: Table) -> MemoryMap:
    """Return a cleaned-up table as a typed map.

    Raises:
        ValueError: The table still overlaps itself; see `sanitized`.
    """
    return MemoryMap.of(MemoryEntry(MemRange(e.start, e.end), kind_from_e820(e.type)) for e in table if e.end > e.start)


def _applied(table: Table, name: str, item: str | None) -> tuple[Table, ParameterStep, bool]:
    # The table after one item, the step, and whether the item makes the kernel clean up again (its `userdef`).
    text = f"{name}={item}" if item is not None else name
    if item is None:
        return table, ParameterStep(text, "no value: refused", changed=False), False
    if name == "mem":
        return _mem(table, text, item)
    if item.startswith("exactmap"):
        return (), ParameterStep(text, "forgets the firmware's map", changed=True), True
    size, at = parse_memory(item)
    if not at:
        return table, ParameterStep(text, "no size: refused", changed=False), False
    after, effect = _memmap(table, size, item, at)
    return after, ParameterStep(text, effect, changed=after != table), True


def _mem(table: Table, text: str, item: str) -> tuple[Table, ParameterStep, bool]:
    if item == "nopentium":
        return table, ParameterStep(text, "has no effect on x86_64", changed=False), False
    size, _ = parse_memory(item)
    if not size:
        return table, ParameterStep(text, "no size: refused", changed=False), True
    after = range_removed(table, size, _MAX, E820_RAM)
    return after, ParameterStep(text, f"removes RAM from {size:#x} up", changed=after != table), True


def _memmap(table: Table, size: int, item: str, at: int) -> tuple[Table, str]:
    # Adds happen before the kernel looks at what follows the number, so junk behind it does not undo them.
    kinds = {"@": E820_RAM, "#": E820_ACPI, "$": E820_RESERVED, "!": E820_PRAM}
    sign = item[at : at + 1]
    if sign in kinds:
        start, _ = parse_memory(item, at + 1)
        return (*table, E820Entry(start, start + size, kinds[sign])), _adds(start, size, kinds[sign])
    if sign != "%":
        return range_removed(table, size, _MAX, E820_RAM), f"removes RAM from {size:#x} up"
    start, at = parse_memory(item, at + 1)
    old, at = parse_integer(item, at + 1) if item[at : at + 1] == "-" else (0, at)
    new, at = parse_integer(item, at + 1) if item[at : at + 1] == "+" else (0, at)
    if at < len(item):
        return table, f"refused: {item[at:]!r} is left over"
    if old and new:
        return range_updated(table, start, size, old, new), f"retypes {old} to {new} from {start:#x}, {size:#x} bytes"
    if new:
        return (*table, E820Entry(start, start + size, new)), _adds(start, size, new)
    gone = f"type {old}" if old else "whatever is there"
    return range_removed(table, start, size, old or None), f"removes {gone} from {start:#x}, {size:#x} bytes"


def _adds(start: int, size: int, kind: int) -> str:
    return f"adds {size:#x} bytes at {start:#x} as {kind_from_e820(kind & 0xFFFFFFFF)}"
