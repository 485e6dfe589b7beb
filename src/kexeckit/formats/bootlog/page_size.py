"""What a boot log says about the size of pages and of physical addresses.

Hash tables are printed with their size in bytes and as a power of two of pages (``order: 9, 2097152 bytes``), so each
such line gives the size of a page. An arm64 kernel that can use 52 bits says whether its CPUs let it.

Source: mm/page_alloc.c and mm/mm_init.c, alloc_large_system_hash(); arch/arm64/kernel/cpufeature.c, arm64_features.
"""

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.memory.units import KIB

_HASH = LinePattern(r"^[\w -]+hash table entries: \d+ \(order: ([1-9]\d?), (\d+) bytes", "hash table entries: ")
_WIDE = LinePattern(r"^CPU features: detected: 52-bit Virtual Addressing \(", "52-bit virtual addressing")
_SIZES = (4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB)


def page_size(log: BootLog) -> int | None:
    """Return the bytes of a page, or None where no hash table shows it."""
    for _, m in log.matches(_HASH):
        size = int(m[2]) >> int(m[1])
        if size in _SIZES:
            return size
    return None


def has_wide_addresses(log: BootLog) -> bool:
    """Say whether an arm64 kernel uses 52-bit addresses."""
    return log.find(_WIDE) is not None
