"""The page tables of the direct mapping, the slow and obvious way: leaf by leaf, a page at a time."""

from collections.abc import Iterator

from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import EMPTY, RangeSet

PAGE, PMD, PUD = 1 << 12, 1 << 21, 1 << 30
MIB = 1 << 20


class Mapping:
    """One boot.

    Args:
        ram: Memory.
        reserved: What is reserved in it.
        gigabyte: The CPU has leaves of 1 GiB.
        buffer: Pages in the buffer.
        levels: Bytes that a table of each level covers, beside those that a leaf makes needless.
    """

    def __init__(
        self, ram: RangeSet, reserved: RangeSet, *, gigabyte: bool, buffer: int, levels: tuple[int, ...]
    ) -> None:
        self.ram = ram
        self.free = (ram - reserved).aligned_inwards(PAGE) - RangeSet([MemRange(0, PAGE)])
        self.leaves = (PUD, PMD) if gigabyte else (PMD,)
        self.buffer = buffer
        self.levels = levels
        self.tables: set[tuple[int, int]] = set()
        self.mapped = RangeSet()
        self.taken = RangeSet()

    def map(self, piece: MemRange, *, from_buffer: bool = True) -> None:
        """Map a range; memory behind it up to the end of its last leaf is mapped then, too."""
        ends = []
        for start, end, leaf in self.parts(piece):
            for table in self.needed(start, end, leaf):
                self.add(table, from_buffer=from_buffer)
            ends.append(-(-end // leaf) * leaf)
        self.mapped = self.mapped | RangeSet([MemRange(piece.start, max(ends[-1], piece.end))])

    def parts(self, piece: MemRange) -> Iterator[tuple[int, int, int]]:
        """Yield parts with the size of their leaf: what has whole 2 MiB and GiB is cut from what has not."""
        at = piece.start
        while at < piece.end:
            end = piece.end
            for size in (PMD, PUD):
                up, down = -(-piece.start // size) * size, piece.end // size * size
                end = min([end, *(cut for cut in (up, down) if at < cut)])
            yield at, end, self.leaf(at, end)
            at = end

    def leaf(self, start: int, end: int) -> int:
        """Return the largest leaf whose whole is RAM."""
        for size in self.leaves:
            if MemRange(start // size * size, -(-end // size) * size) in self.ram:
                return size
        return PAGE

    def needed(self, start: int, end: int, leaf: int) -> list[tuple[int, int]]:
        """Return the tables that hold the leaves of a part."""
        reaches = [reach for reach in (*self.levels, PUD, PMD) if reach > leaf]
        return [(reach, n) for reach in reaches for n in range(start // reach, (end - 1) // reach + 1)]

    def add(self, table: tuple[int, int], *, from_buffer: bool) -> None:
        """Make a table unless it is there; where neither the buffer nor mapped memory has room it takes no page."""
        if table in self.tables:
            return
        self.tables.add(table)
        if from_buffer and self.buffer > 0:
            self.buffer -= 1
            return
        room = list(self.free & self.window)
        if room:
            page = RangeSet([MemRange(room[-1].end - PAGE, room[-1].end)])
            self.free, self.taken = self.free - page, self.taken | page

    window = EMPTY


def direct_map_pages(
    ram: RangeSet,
    reserved: RangeSet,
    *,
    gigabyte: bool,
    levels: tuple[int, ...],
    buffer: int,
    trampoline: int,
    buffer_at: int | None,
) -> RangeSet:
    """Return the pages that tables take."""
    one = Mapping(ram, reserved, gigabyte=gigabyte, buffer=buffer, levels=levels)
    one.map(MemRange(0, MIB))
    one.buffer -= trampoline
    top = max(r.end for r in ram)
    if top <= MIB:
        return EMPTY
    real_end = _first(one, top)
    # What lies below 1 MiB does not count: it was mapped before the window was set.
    one.mapped = EMPTY
    last, step = real_end, PMD
    mapped = 0
    while last > MIB:
        start = max((last - 1) // step * step, MIB) if last > step else MIB
        mapped += _part(one, start, last, last, buffer_at)
        last = start
        step = step << 8 if mapped >= step else step
    if real_end < top:
        _part(one, real_end, top, last, buffer_at)
    return one.taken


def _part(one: Mapping, start: int, end: int, low: int, buffer_at: int | None) -> int:
    # All RAM of a step; tables come from what is mapped from `low` on.
    pieces = list(one.ram & RangeSet([MemRange(start, end)]))
    for piece in pieces:
        high = max((r.end for r in one.mapped), default=0)
        span = clip(low, high)
        one.window = RangeSet([span]) if span else EMPTY
        one.map(piece, from_buffer=buffer_at is None or not piece.holds(buffer_at))
    return sum(p.size for p in pieces)


def _first(one: Mapping, top: int) -> int:
    # The end of the highest free 2 MiB above 1 MiB.
    whole = one.free & RangeSet([MemRange(MIB, top)])
    ends = [r.end // PMD * PMD for r in whole if r.end // PMD * PMD - PMD >= r.start]
    return max(ends) if ends else max(MIB, top // PMD * PMD)
