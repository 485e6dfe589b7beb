"""What ``memblock=debug`` adds to a boot log: every reservation, with the function that made it.

    ``memblock_reserve: [0x0000000003200000-0x000000000320cfff] setup_arch+0x665/0xc55``
    ``__memblock_reserve: [0x...-0x...] nid=0 flags=20 memblock_alloc_range_nid+0xe9/0x190``  (from 6.16 on)
    ``memblock_phys_free: [0x...-0x...] memmap_init...``, ``memblock_free: ...``

Lines before early parameters are parsed are missing: the kernel image's own reservation and the initrd's.

Source: mm/memblock.c, memblock_reserve(), memblock_phys_free(), memblock_dbg().
"""

import re

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange, clip

_LINE = LinePattern(
    r"^_{0,2}memblock_(reserve|free|phys_free): +\[0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\](?: nid=\S+)?(?: flags=\S+)? "
    r"*(?:flags \S+ )?([A-Za-z_][\w.]*)?",
    "memblock_",
    ignore_case=True,
)
# What comes right behind the reservation on x86: the tables of memory sections, then the zones.
_BEHIND = re.compile(r"\b(?:sparse_init|reserve_crashkernel\w*|arch_reserve_crashkernel)\+|^Zone ranges:")


@dataclass(frozen=True, slots=True)
class MemblockStep:
    """One reservation or its end.

    Attributes:
        range: Its bytes.
        reserved: True where it was reserved, False where it was freed.
        caller: The function, or empty.
        line: Line number in the file.
    """

    range: MemRange
    reserved: bool
    caller: str
    line: int


def memblock_steps(log: BootLog) -> tuple[MemblockStep, ...]:
    """Return the steps up to the crash kernel's reservation on x86, or where it would be; empty without the option."""
    out: list[MemblockStep] = []
    if not log.may_match(_LINE):
        return ()
    for line in log.lines:
        if _BEHIND.search(line.text):
            break
        found = _LINE.match(line.text)
        span = clip(int(found[2], 16), int(found[3], 16) + 1) if found else None
        if found and span:
            out.append(MemblockStep(span, found[1].lower() == "reserve", found[4] or "", line.number))
    return tuple(out)
