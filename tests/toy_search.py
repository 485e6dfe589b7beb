"""Searches for a crash region on machines of a few pages, for tests that try every place of something.

room    0 .. 24 pages     free ranges of memblock
rules   alignment of 1, 2 or 4 pages; a low window that ends within, and what falls up or down
"""

from hypothesis import strategies as st

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.kernel.reservation.early import EarlyMemory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.search import Limits, place
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

PAGE = 4096
PAGES = 24
LIMITS = Limits(dma_limit=PAGES * PAGE)


def pages(start: int, end: int) -> MemRange:
    """Return a range given in pages, end exclusive."""
    return MemRange(start * PAGE, end * PAGE)


def memory(*taken: tuple[int, int]) -> Memblock:
    """Return RAM from page 1 on, with taken ranges in pages."""
    return Memblock((Region(pages(1, PAGES + 1)),), RangeSet(pages(*t) for t in taken))


def rules(
    align: int = 1,
    low_end: int = PAGES + 1,
    *,
    falls: bool = False,
    whole: bool = False,
    needs_room_below: bool = False,
    low_always: bool = False,
    low_optional: bool = False,
) -> CrashRules:
    """Return rules in pages: alignment, the end of the low window, and whether the high one reaches over it."""
    return CrashRules(
        "x86_64",
        align=align * PAGE,
        low_start=PAGE,
        low_limit=low_end * PAGE,
        low_limit_is_4g=False,
        high_limit=(PAGES + 1) * PAGE,
        high_start=PAGE if whole else None,
        fallback_start=PAGE if whole else None,
        plain_falls_up=falls,
        high_falls_down=falls,
        low_needs_room_below=needs_room_below,
        low_always=low_always,
        low_optional=low_optional,
    )


def wanted(size: int, *, high: bool = False, low: int | None = None) -> Request:
    """Return a request in pages."""
    return Request("asked", size * PAGE, high=high, low=None if low is None else low * PAGE)


def trial(found: Memblock, request: Request, kernel: CrashRules) -> Trial:
    """Return the search in a memory."""
    facts = ReservationInput(kernel, "", "", limits=LIMITS)
    return Trial(facts, request, EarlyMemory(found, (), found.total), place(found, request, kernel, LIMITS))


@st.composite
def memories(draw: st.DrawFn) -> Memblock:
    """Memory with up to two taken ranges."""
    spans = draw(st.lists(st.tuples(st.integers(1, PAGES), st.integers(1, 4)), max_size=2))
    return memory(*((start, min(start + size, PAGES + 1)) for start, size in spans))


@st.composite
def kernels(draw: st.DrawFn) -> CrashRules:
    """Rules of all kinds."""
    low_end = draw(st.sampled_from((9, 13, 17, PAGES + 1)))
    flags = {name: draw(st.booleans()) for name in ("falls", "whole", "needs_room_below", "low_always", "low_optional")}
    return rules(draw(st.sampled_from((1, 2, 4))), low_end, **flags)


def requests() -> st.SearchStrategy[Request]:
    """Requests of a main region, high or not, and sometimes a low one."""
    low = st.one_of(st.none(), st.integers(0, 4))
    return st.builds(lambda size, high, low: wanted(size, high=high, low=low), st.integers(1, 9), st.booleans(), low)
