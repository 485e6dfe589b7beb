"""struct pages of arm64, where they are allocated before the reservation: how many, in which order, how aligned.

    table of all sections (8 bytes for each page full of them), as high as it fits anywhere
    for each page full of sections: a page, on the node of the first of them
    for each run of sections of one node: their usage maps, then their struct pages in one piece

                                                             top of the node
    ...free | struct pages | (free) | usage | sections | table | NODE_DATA, page tables |
             aligned to a section's share

With pages of 64 KiB a section's share would be rounded up to 512 MiB, which is not to be had; then its struct pages
come one page after the other, without a gap.

Source: mm/sparse.c, sparse_init(), memory_present(), sparse_init_nid(), sparse_buffer_init(), section_map_size();
arch/arm64/include/asm/sparsemem.h; arch/arm64/mm/mmu.c, vmemmap_populate().
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Memblock, Region
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import KIB, MIB

_ANYWHERE = MemRange(0, 1 << 64)
_STRUCT_PAGE = 64
_SECTION, _POINTER, _CACHE_LINE = 16, 8, 64
_BLOCK = 2 * MIB


@dataclass(frozen=True, slots=True)
class SectionRun:
    """Sections of one node, with none of another node between.

    Attributes:
        node: The node.
        numbers: Numbers of the sections, ascending.
    """

    node: int
    numbers: tuple[int, ...]


def section_runs(regions: tuple[Region, ...], section: int) -> tuple[SectionRun, ...]:
    """Return the sections that hold memory; one that several nodes share belongs to the lowest of their regions.

    Args:
        regions: memblock.memory.
        section: Bytes of a section.
    """
    owner: dict[int, int] = {}
    for region in sorted(regions, key=lambda r: r.range):
        for number in range(region.range.start // section, -(-region.range.end // section)):
            owner.setdefault(number, region.node or 0)
    grouped = groupby(sorted(owner.items()), key=lambda item: item[1])
    return tuple(SectionRun(node, tuple(number for number, _ in items)) for node, items in grouped)


def with_struct_pages(memory: Memblock, rules: CrashRules, more: int = 0) -> tuple[Memblock, list[Held]]:
    """Return memblock with the struct pages of its memory, and what was taken.

    Args:
        memory: memblock before.
        rules: The kernel's section size and page size.
        more: Bytes to assume on top for what is not known to the byte.
    """
    runs = section_runs(memory.regions, rules.section)
    taken: list[Held] = []
    for wanted in _tables(runs, rules, more):
        memory = _take(memory, wanted, taken)
    for run in runs:
        usage = _Wanted(len(run.numbers) * rules.usage, _CACHE_LINE, run.node, f"usage maps of node {run.node}")
        memory = _take(memory, usage, taken)
        memory = _struct_pages(memory, run, rules, taken)
    return memory, taken


@dataclass(frozen=True, slots=True)
class _Wanted:
    # One allocation: bytes, alignment, the node it should come from (None for any), what for.
    size: int
    align: int
    node: int | None
    what: str


def _tables(runs: tuple[SectionRun, ...], rules: CrashRules, more: int) -> Iterator[_Wanted]:
    per_page = rules.page // _SECTION
    all_sections = (1 << rules.pa_bits) // rules.section
    size = -(-all_sections // per_page) * _POINTER + more
    yield _Wanted(size, _CACHE_LINE, None, "table of memory sections")
    roots: dict[int, int] = {}
    for run in runs:
        for number in run.numbers:
            roots.setdefault(number // per_page, run.node)
    for node in roots.values():
        yield _Wanted(rules.page, _CACHE_LINE, node, f"memory sections of node {node}")


def _struct_pages(memory: Memblock, run: SectionRun, rules: CrashRules, taken: list[Held]) -> Memblock:
    # In one piece on the node; where that is not to be had, in pieces as the page tables want them, from anywhere.
    share = rules.section // rules.page * _STRUCT_PAGE
    piece = _BLOCK if rules.page == 4 * KIB else rules.page
    what = f"struct pages of node {run.node}"
    size, align = len(run.numbers) * share, max(share, piece) if rules.page == 4 * KIB else piece
    span = _find(memory, size, align, run.node)
    if span:
        taken.append(Held(span, Taker.STRUCT_PAGES, what, "computed"))
        return memory.reserve((span,))
    for _ in range(size // piece):
        memory = _take(memory, _Wanted(piece, piece, run.node, what), taken)
    return memory


def _take(memory: Memblock, wanted: _Wanted, taken: list[Held]) -> Memblock:
    span = _find(memory, wanted.size, wanted.align, wanted.node) or _find(memory, wanted.size, wanted.align, None)
    if span is None:
        return memory
    taken.append(Held(span, Taker.STRUCT_PAGES, wanted.what, "computed"))
    return memory.reserve((span,))


def _find(memory: Memblock, size: int, align: int, node: int | None) -> MemRange | None:
    own = tuple(r for r in memory.regions if node is None or (r.node or 0) == node)
    at = replace(memory, regions=own).find(size, align, _ANYWHERE)
    return None if at is None else MemRange.from_size(at, size)
