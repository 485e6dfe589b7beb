"""Random layouts of memory for memblock: RAM, nodes, marks and what is reserved, as the steps that make them."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock, marked, regions_of
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, TIB

__all__ = ["Layout", "random_layout", "random_request", "random_search"]

ADD, SET_NODE, MARK_MIRROR, MARK_HOTPLUG, MARK_NOMAP, RESERVE = range(6)
_STEPS = (PAGE_SIZE, PAGE_SIZE, 64 * KIB, MIB, 2 * MIB, 16 * MIB, 128 * MIB, GIB)


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes:
        ram: RAM, whole pages, disjoint.
        nodes: (node, range) pairs in ascending order; may leave RAM uncovered.
        mirrored: Ranges that are mirrored.
        hotplug: Ranges that can go away.
        nomap: Ranges that are not mapped.
        reserved: What is taken, by bytes.
        movable_node: The word is on the command line.
        kernelcore: ``kernelcore=mirror`` is.
    """

    ram: tuple[MemRange, ...]
    nodes: tuple[tuple[int, MemRange], ...]
    mirrored: tuple[MemRange, ...]
    hotplug: tuple[MemRange, ...]
    nomap: tuple[MemRange, ...]
    reserved: tuple[MemRange, ...]
    movable_node: bool
    kernelcore: bool

    def steps(self, rules: CrashRules) -> Iterator[int]:
        """Yield the kernel's steps, four numbers each: what, base, size, node."""
        # Nothing marks mirrored memory on arm64 before 6.1, and memblock would not yet ask for kernelcore=.
        mirrored = self.mirrored if self.kernelcore or rules.arch == "x86_64" else ()
        parts = ((ADD, self.ram), (MARK_MIRROR, mirrored), (MARK_HOTPLUG, self.hotplug), (MARK_NOMAP, self.nomap))
        for what, ranges in (*parts, (RESERVE, self.reserved)):
            for r in ranges:
                yield from (what, r.start, r.size, 0)
        for node, r in self.nodes:
            yield from (SET_NODE, r.start, r.size, node)

    def memory(self, rules: CrashRules) -> Memblock:
        """Return what it is to us."""
        regions = regions_of(self.ram, self.nodes)
        counts = self.kernelcore or rules.mirror == "always"
        mirrored = self.mirrored if counts else ()
        for flag, ranges in (("mirror", mirrored), ("hotplug", self.hotplug), ("nomap", self.nomap)):
            regions = marked(regions, ranges, flag)
        return Memblock(regions, RangeSet(self.reserved), prefer_mirror=bool(mirrored), skip_hotplug=self.movable_node)


def random_layout(random: Random) -> Layout:
    """Return a layout of a machine, small or huge, of one node or several."""
    ram = _ram(random)
    top = ram[-1].end
    points = [p for r in ram for p in (r.start, r.end)]
    return Layout(
        tuple(ram),
        tuple(_nodes(random, top)) if random.random() < 0.6 else (),
        _some(random, points, 4, 0.3),
        _some(random, points, 3, 0.3),
        _some(random, points, 2, 0.2),
        tuple(_taken(random, points) for _ in range(random.choice((0, 1, 3, 8, 25)))),
        random.random() < 0.5,
        random.random() < 0.7,
    )


def random_search(random: Random, layout: Layout) -> tuple[int, int, MemRange, bool]:
    """Return size, alignment, window and whether to search bottom up."""
    top = layout.ram[-1].end
    size = max(1, int(2 ** random.uniform(0, (top // 2).bit_length())))
    size = size if random.random() < 0.3 else -(-size // PAGE_SIZE) * PAGE_SIZE
    align = 1 << random.choice((0, 3, 12, 12, 16, 20, 21, 24, 24, 27, 30))
    points = sorted(random.choice((0, PAGE_SIZE, MIB, 4 * GIB, top, 64 * TIB, _near(random, layout))) for _ in range(2))
    # An end of 0 or 1 is no address to memblock but stands for its own limit.
    return size, align, MemRange(points[0], max(points[1], points[0] + PAGE_SIZE)), random.random() < 0.3


def random_request(random: Random, layout: Layout) -> str:
    """Return crashkernel= words that have a chance on a layout."""
    total = sum(r.size for r in layout.ram)
    size = max(int(2 ** random.uniform(20, total.bit_length())), 1)
    text = hex(size) if random.random() < 0.3 else f"{max(size // MIB, 1)}M"
    low = random.choice(
        ("", "", " crashkernel=0,low", " crashkernel=64M,low", " crashkernel=3G,low", " crashkernel=1,low")
    )
    form = random.random()
    if form < 0.4:
        return f"crashkernel={text}{low}"
    if form < 0.75:
        return f"crashkernel={text},high{low}"
    align = random.choice((PAGE_SIZE, MIB, 2 * MIB, 16 * MIB))
    return f"crashkernel={text}@{_near(random, layout) // align * align:#x}{low}"


def _near(random: Random, layout: Layout) -> int:
    part = random.choice(layout.ram)
    return random.choice((part.start, part.end, random.randrange(part.start, part.end)))


def _ram(random: Random) -> list[MemRange]:
    top = int(2 ** random.uniform(27, 46.5))
    if random.random() < 0.4:
        # A PC: a hole below 1 MiB, and one below 4 GiB.
        border = random.choice((GIB, 2 * GIB, 3 * GIB, 0xBFFE0000, 0x7FF00000))
        spans = [
            MemRange(random.choice((0, PAGE_SIZE)), 0x9F000),
            MemRange(MIB, max(min(top, border), 2 * MIB) // PAGE_SIZE * PAGE_SIZE),
        ]
        return spans + (
            [MemRange(4 * GIB, (4 * GIB + top - border) // PAGE_SIZE * PAGE_SIZE)] if top > border + PAGE_SIZE else []
        )
    count = random.choice((1, 1, 2, 3, 6, 12))
    base = random.choice((0, 0, 0x40000000, 0x80000000, GIB * 64))
    points = sorted({base + _rounded(random, random.randrange(top)) for _ in range(2 * count)})
    spans = [MemRange(a, b) for a, b in zip(points[::2], points[1::2], strict=False)]
    return list(RangeSet(spans)) or [MemRange(base, base + top // PAGE_SIZE * PAGE_SIZE)]


def _nodes(random: Random, top: int) -> Iterator[tuple[int, MemRange]]:
    borders = sorted({_rounded(random, random.randrange(top)) for _ in range(random.choice((1, 2, 3, 6)))} | {0})
    ends = [*borders[1:], random.choice((top, _rounded(random, top) + GIB))]
    count = random.choice((1, 2, 4))
    for number, (start, end) in enumerate(zip(borders, ends, strict=True)):
        if end > start and random.random() < 0.9:
            yield (number % count if random.random() < 0.9 else random.randrange(count)), MemRange(start, end)


def _some(random: Random, points: list[int], most: int, chance: float) -> tuple[MemRange, ...]:
    if random.random() >= chance:
        return ()
    found = []
    for _ in range(random.randint(1, most)):
        a, b = (
            random.choice(points) + random.choice((0, 0, 1, -1)) * _rounded(random, random.randrange(4 * GIB))
            for _ in "ab"
        )
        start, end = sorted((max(a, 0), max(b, 0)))
        if start < end:
            found.append(MemRange(start, end))
    return tuple(found)


def _taken(random: Random, points: list[int]) -> MemRange:
    size = int(2 ** random.uniform(0, 31))
    at = max(random.choice(points) - random.choice((0, size, random.randrange(4 * GIB))), 0)
    if random.random() < 0.7:
        at, size = at // PAGE_SIZE * PAGE_SIZE, -(-size // PAGE_SIZE) * PAGE_SIZE
    return MemRange(at, at + size)


def _rounded(random: Random, value: int) -> int:
    step = random.choice(_STEPS)
    return value // step * step
