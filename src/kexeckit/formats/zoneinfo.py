"""/proc/zoneinfo: what a running kernel's zones are.

Of the many counters only those that a zone's place and size follow from are read: ``start_pfn``, ``spanned``,
``present``, ``managed``. A zone without pages prints no start.

Source: mm/vmstat.c, zoneinfo_show_print().
"""

import re

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass

_ZONE = re.compile(r"^(?:[> ]*)Node (\d+), zone +(\S+)")
_FIELD = re.compile(r"^(?:[> ]*)(spanned|present|managed|start_pfn:)\s+(\d+)")


@dataclass(frozen=True, slots=True)
class ZoneInfo:
    """One zone of one node, in page frames.

    Attributes:
        nid: Node number.
        zone: Name.
        spanned: Page frames spanned, holes included.
        present: Page frames of memory.
        managed: Page frames that the page allocator has; None where the text does not say.
        start_pfn: First page frame; None for a zone without pages, or where the text does not say.
    """

    nid: int
    zone: str
    spanned: int
    present: int
    managed: int | None
    start_pfn: int | None


def parse_zoneinfo(text: str, source: str) -> tuple[ZoneInfo, ...]:
    """Read the file, whole or cut; counters that are of no use here are passed over.

    Raises:
        InputError: No zone in it, or a zone without its span.
    """
    found: list[tuple[int, str, int, dict[str, int]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        zone = _ZONE.match(line)
        if zone:
            found.append((int(zone[1]), zone[2], number, {}))
            continue
        field = _FIELD.match(line)
        if field and found:
            found[-1][3].setdefault(field[1].rstrip(":"), int(field[2]))
    if not found:
        raise InputError(source, "no zone in it", expected="lines like 'Node 0, zone   Normal'")
    return tuple(_zone(source, *zone) for zone in found)


def _zone(source: str, nid: int, zone: str, line: int, fields: dict[str, int]) -> ZoneInfo:
    if "spanned" not in fields or "present" not in fields:
        raise InputError(source, f"zone {zone} of node {nid} without 'spanned' and 'present'", line=line)
    return ZoneInfo(nid, zone, fields["spanned"], fields["present"], fields.get("managed"), fields.get("start_pfn"))
