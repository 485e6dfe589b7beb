"""/sys/kernel/debug/memblock/memory and .../reserved: memblock's two lists as they are after boot.

    up to 6.4   ``   0: 0x0000000040000000..0x000000007fffffff``
    from 6.5    ``   0: 0x0000000040000000..0x000000007fffffff    0 NONE``: also the node (``x`` for none) and flags
    7.2         ``   3: 0x0000000073c00000..0x000000007fbfffff    x RSV_KERN|KHO_SCRATCH``: all flags, not only one

Only kernels that keep memblock have these files (CONFIG_ARCH_KEEP_MEMBLOCK): arm64, riscv, loongarch, ppc64, and x86
with CONFIG_INTEL_TDX_HOST.

Source: mm/memblock.c, memblock_debug_show(), flagname.
"""

import re

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import ADDRESS_LIMIT

NOMAP, HOTPLUG, MIRROR, DRIVER_MANAGED = "NOMAP", "HOTPLUG", "MIRROR", "DRV_MNG"

_LINE = re.compile(
    r"^\s*(?P<number>\d{1,9}): 0x(?P<first>[0-9a-f]{1,16})\.\.0x(?P<last>[0-9a-f]{1,16})"
    r"(?:\s+(?P<node>x|\d{1,4})\s+(?P<flags>[A-Z_]+(?:\|[A-Z_]+)*))?\s*$"
)
_EXPECTED = "a line like '   0: 0x0000000040000000..0x000000007fffffff    0 NONE'"
_NO_FLAG = "NONE"


@dataclass(frozen=True, slots=True)
class MemblockEntry:
    """One region of a list.

    Attributes:
        range: Its bytes.
        node: NUMA node; None where it has none, or where the kernel does not print it.
        flags: Names of its flags as printed, without ``NONE``; None where the kernel does not print them.
    """

    range: MemRange
    node: int | None = None
    flags: tuple[str, ...] | None = None

    def has(self, flag: str) -> bool:
        """Say whether a flag is printed."""
        return flag in (self.flags or ())


def parse_memblock_list(text: str, source: str) -> tuple[MemblockEntry, ...]:
    """Read one of the files; empty where the list is.

    Args:
        text: The whole file.
        source: How messages name it.

    Raises:
        InputError: A line is no entry, or its end lies before its start, or entries overlap or are out of order.
    """
    entries: list[MemblockEntry] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry = _entry(line, source, number)
        if entry.range.size == ADDRESS_LIMIT:
            # An empty list is kept as one entry without size, whose last byte is that below 0.
            continue
        if entries and entry.range.start < entries[-1].range.end:
            raise InputError(source, f"{entry.range} lies below the end of the entry before", line=number)
        entries.append(entry)
    return tuple(entries)


def _entry(line: str, source: str, number: int) -> MemblockEntry:
    m = _LINE.match(line)
    if not m:
        raise InputError(source, f"no entry of a memblock list: {line.strip()[:80]!r}", expected=_EXPECTED, line=number)
    first, last = int(m["first"], 16), int(m["last"], 16)
    if last < first:
        raise InputError(source, f"the end {last:#x} lies before the start {first:#x}", line=number)
    span = MemRange.from_inclusive(first, last)
    if m["flags"] is None:
        return MemblockEntry(span)
    node = None if m["node"] == "x" else int(m["node"])
    return MemblockEntry(span, node, tuple(flag for flag in m["flags"].split("|") if flag != _NO_FLAG))
