"""Areas for the contiguous memory allocator that the kernel places before the crash kernel's region.

    cma=64M           as high as it fits below the limit; since 5.12 from 4 GiB up first, where the limit allows it
    cma=64M@1G        exactly there, or not at all
    cma=64M@1G-3G     as high as it fits between
    one more for each node, of the same size, on kernels that are built so (CONFIG_CMA_SIZE_PERNUMA) and have several

Source: kernel/dma/contiguous.c, early_cma(), dma_contiguous_reserve(), dma_numa_cma_reserve(); mm/cma.c,
cma_declare_contiguous_nid(), cma_alloc_mem().
"""

from dataclasses import replace

from kexeckit.formats.cmdline import values
from kexeckit.formats.memparse import parse_memory
from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, PAGE_SIZE, align_down, align_up

_X86 = ("x86_64", "i386")
_NO_END = 1 << 64
_CRASH_AREAS = 4


@dataclass(frozen=True, slots=True)
class CmaRequest:
    """What ``cma=`` asks for.

    Attributes:
        size: Bytes.
        start: Beginning of the window.
        end: End of the window.
        fixed: The window is the area itself.
    """

    size: int
    start: int
    end: int
    fixed: bool


def with_cma(memory: Memblock, facts: ReservationInput) -> tuple[Memblock, list[Held]]:
    """Return memblock with the areas that a kernel places for the facts' command line, and what was taken."""
    shown = [h for h in facts.held if h.by is Taker.CMA]
    request = cma_request(facts, shown)
    if facts.dma_cma is False or not request.size:
        return memory, []
    nodes: list[int | None] = sorted({r.node for r in memory.regions if r.node is not None}, key=lambda n: n or 0)
    each = nodes if len(nodes) > 1 and (facts.cma_per_node or len(shown) > len(nodes)) else []
    out: list[Held] = []
    for node in (None, *each):
        one = request if node is None else CmaRequest(request.size, 0, _NO_END, fixed=False)
        at = _place(memory, one, facts, node)
        if at is None and node is None:
            return memory, []
        if at is not None:
            span = MemRange.from_size(at, request.size)
            memory = memory.reserve((span,))
            out.append(Held(span, Taker.CMA, "CMA area", "cma="))
    return memory, out


def crash_areas(memory: Memblock, size: int, facts: ReservationInput) -> list[MemRange]:
    """Return the areas that ``crashkernel=...,cma`` gets: up to four, smaller ones where a large one finds no room.

    Args:
        memory: memblock once the crash kernel's regions are reserved.
        size: Bytes asked for.
        facts: The machine.

    Source: kernel/crash_reserve.c, reserve_crashkernel_cma().
    """
    out: list[MemRange] = []
    wanted, got = align_up(size, PAGE_SIZE), 0
    while got < size and len(out) < _CRASH_AREAS:
        one = CmaRequest(align_up(wanted, facts.rules.cma_align), 0, _NO_END, fixed=False)
        at = _place(memory, one, facts, None)
        if at is not None:
            out.append(MemRange.from_size(at, one.size))
            memory = memory.reserve(out[-1:])
            got += wanted
        elif wanted <= PAGE_SIZE:
            break
        else:
            wanted = align_up(wanted // 2, PAGE_SIZE)
    return out


def cma_variants(facts: ReservationInput) -> list[tuple[str, ReservationInput]]:
    """Return what the kernel may do with ``cma=``, in words and as facts, where the source does not show which."""
    if not values(facts.cmdline, "cma"):
        return []
    out = []
    if facts.dma_cma is not False:
        takes = replace(facts, dma_cma=True)
        out.append(("the kernel takes cma=", replace(takes, cma_per_node=bool(facts.cma_per_node))))
        if facts.cma_per_node is None and facts.rules.cma_per_node:
            out.append(("it takes cma=, for each node as well", replace(takes, cma_per_node=True)))
    if facts.dma_cma is not True:
        out.append(("it ignores cma=", replace(facts, dma_cma=False)))
    return out if len(out) > 1 else []


def cma_request(facts: ReservationInput, shown: list[Held]) -> CmaRequest:
    """Return what the last ``cma=`` asks for; without one, the size of an area that only the configuration asks for.

    Args:
        facts: The machine and its command line.
        shown: Areas that the source shows.
    """
    asked = values(facts.cmdline, "cma")
    text = asked[-1] if asked else ""
    size, at = parse_memory(text)
    if not asked and shown and not values(facts.seen_cmdline, "cma"):
        size = shown[0].range.size
    start, end = 0, _NO_END if facts.rules.arch in _X86 else facts.limits.dma_limit
    fixed = False
    if text[at : at + 1] == "@":
        start, at = parse_memory(text, at + 1)
        fixed = bool(start) and text[at : at + 1] != "-"
        own = start + size if fixed else parse_memory(text, at + 1)[0]
        end = (own if facts.rules.cma_own_limit else min(own, end)) if own else end
    return CmaRequest(align_up(size, facts.rules.cma_align), start, end, fixed)


def _place(memory: Memblock, request: CmaRequest, facts: ReservationInput, node: int | None) -> int | None:
    align, size = facts.rules.cma_align, request.size
    end = min(request.end, memory.end)
    own = replace(memory, regions=tuple(r for r in memory.regions if node is None or r.node == node))
    if request.fixed:
        fits = request.start % align == 0 and request.start + size <= end
        return request.start if fits and _is_free(own, request.start, size) else None
    above = clip(4 * GIB, end)
    if above and facts.rules.cma_bottom_up and memory.end >= 4 * GIB + size:
        found = own.find(size, align, above, bottom_up=True)
        if found is not None:
            return found
    window = clip(align_up(request.start, align), align_down(end, align))
    return own.find(size, align, window) if window else None


def _is_free(memory: Memblock, start: int, size: int) -> bool:
    span = MemRange.from_size(start, size)
    return span in RangeSet(r.range for r in memory.regions) and not list(memory.reserved.overlapping(span))
