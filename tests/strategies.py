"""All hypothesis strategies: ranges and maps over a toy address space that a set of integers can describe."""

from hypothesis import strategies as st

from kexeckit.memory.kind import ACPI, NVS, PMEM, PRAM, RAM, RESERVED, SOFT_RESERVED, UNUSABLE, kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.plan.request import NO_LIMIT, BufferRequest

TOY = 128


@st.composite
def ranges(draw: st.DrawFn, limit: int = TOY) -> MemRange:
    """One non-empty range in [0, limit)."""
    start = draw(st.integers(0, limit - 1))
    return MemRange(start, draw(st.integers(start + 1, limit)))


def range_lists(limit: int = TOY) -> st.SearchStrategy[list[MemRange]]:
    """Ranges in any order that may overlap and touch."""
    return st.lists(ranges(limit), max_size=8)


def range_sets(limit: int = TOY) -> st.SearchStrategy[RangeSet]:
    """Range sets over the toy space."""
    return range_lists(limit).map(RangeSet)


PAGE = 4096
KINDS = (RAM, RESERVED, ACPI, NVS, UNUSABLE, PMEM, PRAM, SOFT_RESERVED, kind_from_e820(6), kind_from_e820(0x12345678))


@st.composite
def disjoint_ranges(draw: st.DrawFn, limit: int = TOY, max_size: int = 8, scale: int = 1) -> list[MemRange]:
    """Sorted, disjoint ranges in [0, limit * scale); some of them touch."""
    cuts = sorted(draw(st.sets(st.integers(0, limit), min_size=2, max_size=2 * max_size)))
    taken = draw(st.lists(st.booleans(), min_size=len(cuts) - 1, max_size=len(cuts) - 1))
    pairs = zip(cuts, cuts[1:], taken, strict=False)
    return [MemRange(a * scale, b * scale) for a, b, kept in pairs if kept]


@st.composite
def memory_maps(draw: st.DrawFn, limit: int = TOY, scale: int = 1) -> MemoryMap:
    """Typed maps; neighbours may touch and be of one kind."""
    found = draw(disjoint_ranges(limit, scale=scale))
    return MemoryMap(tuple(MemoryEntry(r, draw(st.sampled_from(KINDS))) for r in found))


@st.composite
def resource_trees(draw: st.DrawFn, limit: int = TOY, depth: int = 3) -> ResourceTree:
    """Well-formed trees: siblings sorted and disjoint, children inside their parent."""
    return ResourceTree(tuple(draw(_resource(r, depth)) for r in draw(disjoint_ranges(limit, 4))))


@st.composite
def _resource(draw: st.DrawFn, where: MemRange, depth: int) -> Resource:
    name = draw(st.sampled_from(("System RAM", "Reserved", "Crash kernel", "Kernel code", "PCI Bus 0000:00")))
    inside: list[MemRange] = []
    if depth > 1 and where.size > 2 and draw(st.booleans()):
        cuts = sorted(draw(st.sets(st.integers(where.start, where.end), min_size=2, max_size=4)))
        inside = [MemRange(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return Resource(where, name, tuple(draw(_resource(r, depth - 1)) for r in inside))


@st.composite
def requests(draw: st.DrawFn, limit: int = 64) -> BufferRequest:
    """A request in a space of `limit` pages, sometimes with limits that leave nothing."""
    size = draw(st.integers(1, 16))
    low = draw(st.integers(0, limit))
    high = draw(st.one_of(st.integers(low + 1, limit + 8), st.just(NO_LIMIT // PAGE)))
    align = 1 << draw(st.integers(0, 4))
    memsz = size * PAGE
    bufsz = draw(st.integers(0, memsz))
    down = draw(st.booleans())
    # A limit need not be a multiple of the page size.
    ragged = draw(st.integers(0, PAGE - 1)) if high < limit else 0
    return BufferRequest("toy", bufsz, memsz, align * PAGE, low * PAGE, high * PAGE + ragged, down, "a test asks")
