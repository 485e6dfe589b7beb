"""SRAT, the firmware's table that says which memory is on which NUMA node.

    header (36 bytes), reserved (12 bytes), then entries: type (1), length (1), ...
    type 0  processor, local APIC: proximity domain in 4 scattered bytes, flags
    type 1  memory: domain (4), base (8), length (8), flags: 1 enabled, 2 hot-pluggable, 4 non-volatile
    type 2  processor, x2APIC       type 3  processor, GICC       type 5  generic initiator

Node numbers are not in the table: Linux gives them out in the order in which it meets domains, processors first.

Source: ACPI specification, "System Resource Affinity Table"; drivers/acpi/numa/srat.c, acpi_numa_init(),
acpi_map_pxm_to_node(), acpi_parse_memory_affinity().
"""

import struct
from collections.abc import Iterable, Iterator

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange

_HEADER = 48
_MEMORY = struct.Struct("<BBIHQQIIQ")
_ENABLED, _HOTPLUG, _NON_VOLATILE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class MemoryAffinity:
    """One range of memory and its node.

    Attributes:
        nid: Linux's node number.
        range: Bytes; it may hold holes and reach beyond memory.
        hotplug: It can be removed while the machine runs.
        non_volatile: It keeps its content without power.
    """

    nid: int
    range: MemRange
    hotplug: bool = False
    non_volatile: bool = False


@dataclass(frozen=True, slots=True)
class Srat:
    """The affinities of a machine.

    Attributes:
        memory: In the table's order.
        nodes: All node numbers, those without memory included, rising.
    """

    memory: tuple[MemoryAffinity, ...]
    nodes: tuple[int, ...]


def parse_srat(data: bytes, source: str) -> Srat:
    """Read a binary table.

    Raises:
        InputError: Not an SRAT, cut short, or an entry of impossible length.
    """
    if len(data) < _HEADER or data[:4] != b"SRAT":
        raise InputError(source, "not an SRAT", expected="a table that begins with SRAT")
    size = int.from_bytes(data[4:8], "little")
    if not _HEADER <= size <= len(data):
        raise InputError(source, f"the SRAT says it has {size} bytes, of which {len(data)} are there")
    # Before revision 2 a domain number had only 8 bits.
    mask = 0xFF if data[8] <= 1 else 0xFFFFFFFF
    entries = list(_entries(data[:size], source))
    nodes: dict[int, int] = {}
    for kind, body in entries:
        domain = _processor_domain(kind, body, mask)
        if domain is not None:
            nodes.setdefault(domain, len(nodes))
    memory = [a for kind, body in entries if kind == 1 and (a := _memory(body, nodes, mask, source))]
    return Srat(tuple(memory), tuple(sorted(nodes.values())))


@dataclass(frozen=True, slots=True)
class OemName:
    """Who made a table: 6 and 8 bytes of names, and a revision.

    A kernel takes another table instead of the firmware's only if the table names are equal and the revision is higher.
    Source: drivers/acpi/tables.c, acpi_table_initrd_override().
    """

    oem: bytes = b"KEXKIT"
    table: bytes = b"LABSRAT "
    revision: int = 2


OWN_NAME = OemName()


def format_srat(
    memory: Iterable[tuple[int, MemRange, bool]],
    processors: Iterable[tuple[int, int]] = (),
    name: OemName = OWN_NAME,
    empty: Iterable[tuple[int, int]] = (),
) -> bytes:
    """Build a table, e.g. for a guest that is to have another memory layout than its emulator can make.

    Args:
        memory: Proximity domain, range and whether it is hot-pluggable, each.
        processors: APIC id and proximity domain, each.
        name: Who made it.
        empty: Proximity domain and address of memory entries of length 0, which come last.
    """
    body = b"".join(
        struct.pack("<BBBBIB3BI", 0, 16, domain & 0xFF, apic, 1, 0, *(domain >> 8).to_bytes(3, "little"), 0)
        for apic, domain in processors
    )
    for domain, span, hotplug in memory:
        flags = _ENABLED | (_HOTPLUG if hotplug else 0)
        body += _MEMORY.pack(1, 40, domain, 0, span.start, span.size, 0, flags, 0)
    for domain, address in empty:
        body += _MEMORY.pack(1, 40, domain, 0, address, 0, 0, _ENABLED, 0)
    head = struct.pack(
        "<4sIBB6s8sI4sII8x", b"SRAT", _HEADER + len(body), 3, 0, name.oem, name.table, name.revision, b"KXKT", 1, 1
    )
    table = bytearray(head + body)
    table[9] = -sum(table) & 0xFF
    return bytes(table)


def _entries(data: bytes, source: str) -> Iterator[tuple[int, bytes]]:
    at = _HEADER
    while at < len(data):
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            raise InputError(source, f"SRAT entry at byte {at} of impossible length {length}")
        yield data[at], data[at : at + length]
        at += length


def _processor_domain(kind: int, body: bytes, mask: int) -> int | None:
    # Only enabled processors count. A generic initiator (type 5) makes a node as well.
    if kind == 0 and len(body) >= 16 and body[4] & _ENABLED:
        return (body[2] | int.from_bytes(body[9:12], "little") << 8) & mask
    if kind == 2 and len(body) >= 24 and body[12] & _ENABLED:
        return int.from_bytes(body[4:8], "little")
    if kind == 3 and len(body) >= 18 and body[10] & _ENABLED:
        return int.from_bytes(body[2:6], "little")
    if kind == 5 and len(body) >= 32 and body[24] & _ENABLED:
        return int.from_bytes(body[4:8], "little")
    return None


def _memory(body: bytes, nodes: dict[int, int], mask: int, source: str) -> MemoryAffinity | None:
    if len(body) < _MEMORY.size:
        raise InputError(source, f"SRAT memory entry of {len(body)} bytes", expected=f"{_MEMORY.size} bytes")
    _, _, domain, _, base, length, _, flags, _ = _MEMORY.unpack(body[: _MEMORY.size])
    if not flags & _ENABLED:
        return None
    nid = nodes.setdefault(domain & mask, len(nodes))
    if not length:
        return None
    if base + length > 1 << 64:
        raise InputError(source, f"SRAT memory entry from {base:#x} with {length:#x} bytes reaches beyond 2^64")
    span = MemRange.from_size(base, length)
    return MemoryAffinity(nid, span, bool(flags & _HOTPLUG), bool(flags & _NON_VOLATILE))
