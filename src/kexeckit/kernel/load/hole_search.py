"""Where the in-kernel loader puts one buffer: the hole search of kexec_file_load.

Rules of this file:
    1. The ranges are tried one by one in the given order; the first that has a hole ends the search.
    2. Inside a range the first fit from the chosen end wins; only buffers placed before are in the way.
    3. Nothing else is avoided: the running kernel, the crash region and old data may be overwritten at jump time.

    range   |----------------------------------------|
    taken                       |=====|
    top down                                 |<<-----|     highest aligned start that is free
    bottom up |----->>|                                    lowest one

Source: kernel/kexec_file.c, locate_mem_hole_callback(), locate_mem_hole_top_down(), locate_mem_hole_bottom_up().
"""

from collections.abc import Iterable, Sequence

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import ADDRESS_LIMIT, PAGE_SIZE, align_up, is_power_of_two

NO_LIMIT = ADDRESS_LIMIT - 1


@dataclass(frozen=True, slots=True)
class BufferNeed:
    """What the loader asks for: one ``struct kexec_buf`` before it is placed.

    Attributes:
        name: What the buffer is, e.g. ``purgatory``.
        bufsz: Bytes of content.
        memsz: Bytes of memory, before rounding to pages.
        align: Alignment of the start in bytes; 0 and less than a page count as a page.
        min: Lowest start, in bytes.
        max: Highest last byte, inclusive, as in the kernel.
        top_down: From the top of a range, or from its bottom.

    Raises:
        ValueError: A size that is not positive, or an alignment that is not a power of two.
    """

    name: str
    bufsz: int
    memsz: int
    align: int
    min: int = 0
    max: int = NO_LIMIT
    top_down: bool = True

    def __post_init__(self) -> None:
        if self.memsz <= 0 or self.bufsz < 0:
            raise ValueError(f"{self.name}: a buffer needs memory; memsz {self.memsz}, bufsz {self.bufsz}")
        if self.align and not is_power_of_two(self.align):
            raise ValueError(f"{self.name}: alignment {self.align} is not a power of two")

    @property
    def pages_size(self) -> int:
        """Bytes of memory in whole pages."""
        return align_up(self.memsz, PAGE_SIZE)

    @property
    def page_align(self) -> int:
        """Alignment in bytes, at least a page."""
        return max(self.align, PAGE_SIZE)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A range that was tried and has no hole, and why."""

    range: MemRange
    why: str


@dataclass(frozen=True, slots=True)
class HoleSearch:
    """How one search went.

    Attributes:
        start: Where the buffer goes, or None.
        inside: The range that took it, or None.
        passed_over: The ranges that were tried before, in the kernel's order.
    """

    start: int | None
    inside: MemRange | None
    passed_over: tuple[PassedOver, ...]


def find_hole(
    ranges: Iterable[MemRange], need: BufferNeed, taken: Sequence[MemRange], *, whole_range: bool
) -> HoleSearch:
    """Search the ranges for a hole as the kernel does.

    Args:
        ranges: What the kernel walks, in its order; neighbours are not merged.
        need: The buffer.
        taken: Buffers of this image that are placed already.
        whole_range: `KernelBehaviour.file_load_whole_range`: whether top-down can use a range up to its end. Before
            6.8 an inclusive end was taken for an exclusive one, which wastes the last page of every range.

    Returns:
        The place, or none, with every range that was passed over.
    """
    passed: list[PassedOver] = []
    for candidate in ranges:
        why = _unsuitable(candidate, need)
        if not why:
            waste = 0 if whole_range else 1
            top_down = need.top_down
            start = _top_down(candidate, need, taken, waste) if top_down else _bottom_up(candidate, need, taken)
            if start is not None:
                return HoleSearch(start, candidate, tuple(passed))
            why = "no free aligned hole inside the limits"
        passed.append(PassedOver(candidate, why))
    return HoleSearch(None, None, tuple(passed))


def _unsuitable(candidate: MemRange, need: BufferNeed) -> str:
    # The three checks of locate_mem_hole_callback(); driver-managed memory is left out by the caller.
    if candidate.size < need.pages_size:
        return "smaller than the buffer"
    if candidate.last < need.min:
        return f"below the lowest start {need.min:#x}"
    if candidate.start > need.max:
        return f"above the highest end {need.max:#x}"
    return ""


def _top_down(candidate: MemRange, need: BufferNeed, taken: Sequence[MemRange], waste: int) -> int | None:
    # The kernel steps down page by page and aligns again; jumping below the obstacle visits the same candidates.
    start = min(candidate.last, need.max) - need.pages_size + 1 - waste
    while True:
        start = start & -need.page_align
        if start < candidate.start or start < need.min:
            return None
        hit = _conflict(start, need.pages_size, taken)
        if hit is None:
            return start
        start = hit.start - need.pages_size


def _bottom_up(candidate: MemRange, need: BufferNeed, taken: Sequence[MemRange]) -> int | None:
    start = max(candidate.start, need.min)
    while True:
        start = align_up(start, need.page_align)
        last = start + need.pages_size - 1
        if last > candidate.last or last > need.max:
            return None
        hit = _conflict(start, need.pages_size, taken)
        if hit is None:
            return start
        start = align_up(hit.end, PAGE_SIZE)


def _conflict(start: int, size: int, taken: Sequence[MemRange]) -> MemRange | None:
    # Any hit will do: each jump leaves that buffer behind, and all candidates in between overlap it.
    return next((t for t in taken if t.start < start + size and start < t.end), None)
