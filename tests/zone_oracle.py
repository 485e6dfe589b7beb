"""Zones the slow way: page by page and loop by loop, as a second opinion for property tests.

Nothing is shared with the code under test. Regions are plain tuples (start_pfn, end_pfn, node, mirror, hotplug).
"""

from dataclasses import dataclass, field

BLOCK = 1024
FOUR_GIB = 1 << 20

Region = tuple[int, int, int, bool, bool]
Limits = list[tuple[str, int, int]]


@dataclass
class Words:
    """The zone words, already as numbers of pages and percents."""

    core: int = 0
    core_percent: int = 0
    movable: int = 0
    movable_percent: int = 0
    mirror: bool = False
    movable_node: bool = False


@dataclass
class Zones:
    """Movable start by node, and (start, spanned, present) by (node, zone)."""

    starts: dict[int, int] = field(default_factory=dict)
    zones: dict[tuple[int, str], tuple[int, int, int]] = field(default_factory=dict)


def zones(regions: list[Region], limits: Limits, words: Words) -> Zones:
    """Work out all zones."""
    starts = _starts(regions, limits, words)
    out = Zones(starts)
    top = [z for z in limits if z[2] > z[1]][-1]
    for node in sorted({r[2] for r in regions}):
        own = {p for r in regions if r[2] == node for p in range(r[0], r[1])}
        low, high = min(own), max(own) + 1
        for name, begin, end in [*limits, ("Movable", 0, 0)]:
            limit = (starts[node], min(high, top[2])) if node in starts else None
            first, last = _span((name, begin, end), (low, high), limit, cut=not words.mirror)
            if last <= first:
                continue
            present = sum(1 for p in own if first <= p < last)
            if words.mirror and node in starts:
                for r in regions:
                    if (name == "Movable" and r[3]) or (name == "Normal" and not r[3]):
                        present -= max(0, min(r[1], last) - max(r[0], first))
            out.zones[node, name] = (first, last - first, present % (1 << 64))
    return out


def _span(
    zone: tuple[str, int, int], node: tuple[int, int], movable: tuple[int, int] | None, *, cut: bool
) -> tuple[int, int]:
    if zone[0] == "Movable":
        return movable or (0, 0)
    first, last = max(node[0], zone[1]), min(node[1], zone[2])
    if movable is None:
        return first, last
    if first >= movable[0]:
        return 0, 0
    return first, min(last, movable[0]) if cut else last


def _starts(regions: list[Region], limits: Limits, words: Words) -> dict[int, int]:
    found: dict[int, int] = {}
    if words.movable_node:
        found = _first([r for r in regions if r[4]])
    elif words.mirror:
        if not any(r[3] for r in regions):
            return {}
        found = _first([r for r in regions if not r[3] and r[0] >= FOUR_GIB])
    else:
        found = _shared(regions, limits, words)
    out = {}
    for node, pfn in found.items():
        rounded = (pfn + BLOCK - 1) // BLOCK * BLOCK
        if 0 < rounded < max(r[1] for r in regions if r[2] == node):
            out[node] = rounded
    return out


def _first(regions: list[Region]) -> dict[int, int]:
    out: dict[int, int] = {}
    for start, _, node, _, _ in regions:
        out[node] = start if not out.get(node) else min(out[node], start)
    return out


def _shared(regions: list[Region], limits: Limits, words: Words) -> dict[int, int]:
    total = sum(r[1] - r[0] for r in regions)
    core = total * words.core_percent // 100 if words.core_percent else words.core
    movable = total * words.movable_percent // 100 if words.movable_percent else words.movable
    if movable:
        movable = min(total, (movable + BLOCK - 1) // BLOCK * BLOCK)
        core = max(core, total - movable)
    if core == 0 or core >= total:
        return {}
    floor = [z for z in limits if z[2] > z[1]][-1][1]
    return shares(core, {node: _pages(regions, node) for node in sorted({r[2] for r in regions})}, floor)


def shares(core: int, nodes: dict[int, set[int]], floor: int) -> dict[int, int]:
    """Deal kernel memory out: by node the page where it ends, before that is rounded up to a block."""
    waiting = {node: sorted(pages, reverse=True) for node, pages in nodes.items()}
    reached = dict.fromkeys(waiting, 0)
    for usable in range(len(waiting), 0, -1):
        share = core // usable
        for node, pages in waiting.items():
            share = core // usable if core < share else share
            core, reached[node] = _kernel_takes(pages, share, core, (floor, reached[node]))
        if core < usable:
            break
    return reached


def _pages(regions: list[Region], node: int) -> set[int]:
    return {p for r in regions if r[2] == node for p in range(r[0], r[1])}


def _kernel_takes(pages: list[int], share: int, core: int, floor_and_reached: tuple[int, int]) -> tuple[int, int]:
    # One node's turn, one page at a time, the next page last in the list. Pages below the floor are the kernel's,
    # whatever its share is; above it the turn ends with the share. Gives back what the kernel still needs, and how far
    # it came.
    floor, reached = floor_and_reached
    while pages:
        if pages[-1] >= floor and not share:
            return core, pages[-1]
        reached = pages.pop() + 1
        share, core = max(share - 1, 0), max(core - 1, 0)
        if reached > floor and not share:
            return core, reached
    return core, reached
