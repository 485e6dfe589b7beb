"""What a boot log says about zones: the outcome, and what the outcome betrays of the kernel's build.

Lines, in the forms of 2.6.32 to 7.x:
    ``Zone ranges:``, then ``  DMA32    [mem 0x0000000001000000-0x00000000ffffffff]`` or ``  Normal   empty``,
    up to 3.5 ``  DMA32    0x00001000 -> 0x00100000`` in page frames, end exclusive
    ``Movable zone start for each node``, then ``  Node 1: 0x000000012d400000`` (up to 3.5 ``  Node 1: 1233920``)
    ``  low ram: 0 - 375fe000`` (i386, end exclusive)

The names in "Zone ranges:" are those of all zones that the kernel is built with, so a missing DMA is a fact about the
build, which no input shows.

Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), free_area_init(); arch/x86/mm/numa_32.c, init_32.c.
"""

import re

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass

_HEADER = LinePattern(r"^Zone (?:ranges|PFN ranges):", "zone ranges:", "zone pfn ranges:")
_MEM = re.compile(r"^\s*([A-Z]\w*)\s+\[mem\s+0x([0-9a-f]+)-0x([0-9a-f]+)\]", re.IGNORECASE)
_PFN = re.compile(r"^\s*([A-Z]\w*)\s+(?:0x)?([0-9a-f]+) -> (?:0x)?([0-9a-f]+)\s*$", re.IGNORECASE)
_EMPTY = re.compile(r"^\s*([A-Z]\w*)\s+empty\s*$")
_MOVABLE = LinePattern(r"^Movable zone start (?:for each node|PFN for each node)", "movable zone start ")
_MOVABLE_NODE = LinePattern(r"^\s*Node (\d+): (0x)?([0-9a-f]+)\s*$", "node ", ignore_case=True)
_LOW_RAM = LinePattern(r"^\s*low ram: [0-9a-f]+ - ([0-9a-f]+)\s*$", "low ram: ", ignore_case=True)
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class PrintedZone:
    """A line of "Zone ranges:".

    Attributes:
        zone: Name.
        start: First byte.
        end: First byte after it; equal to `start` for an empty zone.
    """

    zone: str
    start: int
    end: int


def printed_zones(log: BootLog) -> tuple[PrintedZone, ...]:
    """Return the machine-wide zone ranges that the kernel printed, empty ones included."""
    out: list[PrintedZone] = []
    inside = False
    if not log.may_match(_HEADER):
        return ()
    begins = _HEADER.compiled.match
    for line in log.lines:
        if begins(line.text):
            out, inside = [], True
            continue
        zone = _printed_zone(line.text) if inside else None
        if zone:
            out.append(zone)
        else:
            inside = False
    return tuple(out)


def printed_movable(log: BootLog) -> dict[int, int] | None:
    """Return the printed starts of ZONE_MOVABLE by node, in bytes; None where the log does not have the lines."""
    out: dict[int, int] | None = None
    inside = False
    if not log.may_match(_MOVABLE):
        return None
    begins = _MOVABLE.compiled.match
    for line in log.lines:
        if begins(line.text):
            out, inside = {}, True
            continue
        found = _MOVABLE_NODE.match(line.text) if inside else None
        if found and out is not None:
            # Up to 3.5 a page frame in decimal, then an address.
            out[int(found[1])] = int(found[3], 16) if found[2] else int(found[3]) * _PAGE
        else:
            inside = False
    return out


def low_ram_end(log: BootLog) -> int | None:
    """Return where the directly mapped memory of i386 ends, in bytes, or None where the log does not say."""
    found = log.find(_LOW_RAM)
    return int(found[1], 16) if found else None


def _printed_zone(text: str) -> PrintedZone | None:
    mem = _MEM.match(text)
    if mem:
        return PrintedZone(mem[1], int(mem[2], 16), int(mem[3], 16) + 1)
    pfn = _PFN.match(text)
    if pfn:
        return PrintedZone(pfn[1], int(pfn[2], 16) * _PAGE, int(pfn[3], 16) * _PAGE)
    empty = _EMPTY.match(text)
    return PrintedZone(empty[1], 0, 0) if empty else None
