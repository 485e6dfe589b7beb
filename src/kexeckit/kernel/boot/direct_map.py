"""Page tables of the direct mapping: taken from memblock, a page each, before anything else that is placed early.

RAM is mapped from the top down, in steps of 2 MiB, 512 MiB, 128 GiB ... below the highest free 2 MiB, and what lies
above them last. The first tables come from a buffer behind the kernel image; further ones, and all that map the range
with that buffer in it, from the highest free page that is mapped already:

    ... free            | 2 MiB, free |   initrd   | end of RAM
        <-- 4 <-- 3 <-- 2 <-- 1                5 -->
                    table ^ of step 2 on

Ranges whose ends are no multiples of 2 MiB need tables of small pages, so machines with many holes take most.

Source: arch/x86/mm/init.c, memory_map_top_down(), init_range_memory_mapping(), split_mem_range(),
adjust_range_page_size_mask(), alloc_low_pages(); arch/x86/mm/init_64.c, __kernel_physical_mapping_init().
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field
from itertools import pairwise

from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE, TIB, align_down, align_up

_ISA_END = MIB
_PMD = 2 * MIB
_PUD_TABLE, _P4D_TABLE = 512 * GIB, 256 * TIB
_STEP_SHIFT = 8
_FOUR_LEVELS, _FIVE_LEVELS = 1 << 46, 1 << 52


@dataclass(frozen=True, slots=True)
class DirectMap:
    """How a kernel maps RAM.

    Attributes:
        gigabyte: With pages of 1 GiB where whole ones are RAM.
        five_levels: With five levels of tables.
        buffer: Pages in the buffer behind the kernel image.
        trampoline: Pages for the trampoline's own tables, with KASLR.
    """

    gigabyte: bool
    five_levels: bool
    buffer: int
    trampoline: int = 0


def direct_map_pages(memory: Memblock, how: DirectMap, buffer_at: int | None) -> RangeSet:
    """Return the pages that memblock hands out for tables of the direct mapping; none beyond what `how` can map.

    Args:
        memory: memblock before them, without nodes.
        how: How the kernel maps.
        buffer_at: An address in the buffer behind the kernel image; None where that is not known.
    """
    # Five levels come with pages of 1 GiB; without them a source is wrong, and tables would be counted one by one.
    reach = _FIVE_LEVELS if how.five_levels and how.gigabyte else _FOUR_LEVELS
    return _Mapping(memory, how, buffer_at).run() if memory.end <= reach else EMPTY


@dataclass(slots=True)
class _Mapping:
    memory: Memblock
    how: DirectMap
    buffer_at: int | None
    left: int = field(init=False)
    ram: RangeSet = field(init=False)
    free: list[tuple[int, int]] = field(init=False)
    tables: set[tuple[int, int]] = field(default_factory=set)
    taken: list[MemRange] = field(default_factory=list)
    mapped: tuple[int, int] = (0, 0)

    def run(self) -> RangeSet:
        self.left = self.how.buffer
        self.ram = RangeSet(r.range for r in self.memory.regions)
        whole = RangeSet(f.range for f in self.memory.free()).aligned_inwards(PAGE_SIZE)
        self.free = [(r.start, r.end) for r in whole]
        self._map(MemRange(0, _ISA_END), from_buffer=True)
        self.left -= self.how.trampoline
        end = self.memory.end
        if end <= _ISA_END:
            return RangeSet(())
        at = self.memory.find(_PMD, _PMD, MemRange(_ISA_END, end))
        real_end = max(_ISA_END, align_down(end, _PMD)) if at is None else at + _PMD
        self.mapped = (real_end, 0)
        self._downwards(real_end)
        if real_end < end:
            self._range(real_end, end)
        return RangeSet(self.taken)

    def _downwards(self, last: int) -> None:
        step, size = _PMD, 0
        while last > _ISA_END:
            start = max(align_down(last - 1, step), _ISA_END)
            size += self._range(start, last)
            last = start
            self.mapped = (last, self.mapped[1])
            if size >= step:
                step <<= _STEP_SHIFT

    def _range(self, start: int, end: int) -> int:
        # RAM of one step; returns its size.
        size = 0
        bound = MemRange(start, end)
        for piece in RangeSet((bound,)) & RangeSet(self.ram.overlapping(bound)):
            self._map(piece, from_buffer=self.buffer_at is None or not piece.holds(self.buffer_at))
            size += piece.size
        return size

    def _map(self, piece: MemRange, *, from_buffer: bool) -> None:
        last = piece.end
        for start, end, leaf in self._split(piece):
            self._take(self._new_tables(start, end, leaf), from_buffer=from_buffer)
            last = align_up(end, leaf)
        # A large leaf maps all of itself, beyond what was asked for.
        self.mapped = (self.mapped[0], max(self.mapped[1], last))

    def _split(self, piece: MemRange) -> Iterator[tuple[int, int, int]]:
        # Cut at multiples of 2 MiB and 1 GiB; the leaf is the largest of which the whole, aligned, is RAM.
        cuts = {piece.start, piece.end}
        for size in (_PMD, GIB):
            cuts |= {align_up(piece.start, size), align_down(piece.end, size)}
        for start, end in pairwise(sorted(c for c in cuts if piece.start <= c <= piece.end)):
            yield start, end, self._leaf(start, end)

    def _leaf(self, start: int, end: int) -> int:
        for size in (GIB, _PMD) if self.how.gigabyte else (_PMD,):
            if MemRange(start, end).aligned_outwards(size) in self.ram:
                return size
        return PAGE_SIZE

    def _new_tables(self, start: int, end: int, leaf: int) -> int:
        new = 0
        reaches = [_PUD_TABLE, *((GIB,) if leaf < GIB else ()), *((_PMD,) if leaf < _PMD else ())]
        for reach in [*((_P4D_TABLE,) if self.how.five_levels else ()), *reaches]:
            for number in range(start // reach, -(-end // reach)):
                if (reach, number) not in self.tables:
                    self.tables.add((reach, number))
                    new += 1
        return new

    def _take(self, count: int, *, from_buffer: bool) -> None:
        if from_buffer:
            own = min(count, max(self.left, 0))
            self.left -= own
            count -= own
        low, high = self.mapped
        at = bisect_left(self.free, (high, 0))
        while count and low < high and at and self.free[at - 1][1] > low:
            at -= 1
            start, end = self.free.pop(at)
            top, bottom = min(end, high), max(start, low)
            pages = min(count, (top - bottom) // PAGE_SIZE)
            cut = top - pages * PAGE_SIZE
            self.taken += [MemRange(cut, top)] if pages else []
            self.free[at:at] = [(s, e) for s, e in ((start, cut), (top, end)) if s < e]
            count -= pages


def shortened(span: MemRange, pages: RangeSet) -> MemRange:
    """Return a range shortened at its end by as many bytes of `pages` as lie in it; a page is left at least."""
    inside = sum(part.size for part in RangeSet((span,)) & pages)
    return MemRange(span.start, max(span.end - inside, span.start + PAGE_SIZE))
