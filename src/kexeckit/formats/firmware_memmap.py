"""/sys/firmware/memmap: one folder per entry with ``start``, ``end`` (inclusive) and ``type``.

Source: drivers/firmware/memmap.c; type names from arch/x86/kernel/e820.c, e820_type_to_string().
"""

from collections.abc import Mapping

from kexeckit.errors import InputError
from kexeckit.memory.kind import MemoryKind, kind_from_label
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import ADDRESS_LIMIT

UNKNOWN_LABEL = "Unknown E820 type"


def parse_memmap_entry(fields: Mapping[str, str], source: str) -> MemoryEntry:
    """Read one entry.

    Args:
        fields: Text of ``start``, ``end`` and ``type``.
        source: The entry's folder, for messages.

    Raises:
        InputError: A number cannot be read, or the end lies before the start.
    """
    try:
        first, last = int(fields["start"].strip(), 16), int(fields["end"].strip(), 16)
    except (KeyError, ValueError) as error:
        raise InputError(source, f"unusable entry: {error}", expected="start and end in hexadecimal") from error
    if last < first:
        raise InputError(source, f"the end {last:#x} lies before the start {first:#x}")
    if first < 0 or last >= ADDRESS_LIMIT:
        raise InputError(source, f"{first:#x}-{last:#x} is not in 64 bits", expected="start and end in hexadecimal")
    label = fields.get("type", "").strip()
    if not label.isprintable():
        raise InputError(source, f"unusable type {label!r}", expected="a type's name, such as System RAM")
    # The kernel prints every number that it does not know by the same words, so the number is lost here.
    kind = kind_from_label(label) or MemoryKind(f"unknown:{label}", 2, label or UNKNOWN_LABEL)
    return MemoryEntry(MemRange.from_inclusive(first, last), kind)


def is_unknown(kind: MemoryKind) -> bool:
    """Say whether a kind is one whose number sysfs does not show."""
    return kind.name.startswith("unknown:")


def make_firmware_map(entries: list[MemoryEntry], source: str) -> MemoryMap:
    """Put entries into a map.

    Raises:
        InputError: Entries overlap, or there are none.
    """
    if not entries:
        raise InputError(source, "the firmware map has no entries")
    try:
        return MemoryMap.of(entries)
    except ValueError as error:
        raise InputError(source, str(error)) from error
