"""Random machines whose SRAT has holes with RAM in them, and words for them.

A pure part of the lab: from a random generator to values. Memory is cut into pieces, each piece gets a node, and then
holes are cut between pieces:

    RAM      |=======================================|      |==================|
    pieces   |0 0 0 0 0 0|0 0 0 0 0|1 1 1 1 1 1 1 1 1|      |1 1 1|1 1 1 1|2 2 2|
    SRAT     |0 0 0 0|       |0 0 0|  |1 1 1 1 1 1 1 1|      |1 1 1|1 1 1 1|2 2|
              within node 0: closed  ^ between nodes: nobody's            beyond the last: nobody's
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from kexeckit.formats.srat import MemoryAffinity, OemName, format_srat
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, align_down

__all__ = ["SHAPES", "SRAT_FORMS", "SratMachine", "random_srat_machine", "random_srat_words"]

SHAPES = (
    "within",
    "interleaved",
    "within",
    "hotplug",
    "refused",
    "interleaved",
    "within",
    "overlap",
    "limit",
    "little",
)
"""What is special about a table, in turn:

within       holes within nodes only, which the kernel closes
interleaved  the same with nodes in any order
hotplug      the same with hot-pluggable ranges, some in the middle of a piece
refused      a hole between two nodes with more than a MiB of RAM
overlap      two nodes claim one range
limit        a hole between two nodes with exactly a MiB of RAM
little       a hole between two nodes with less
"""

SRAT_FORMS = ("plain", "large", "high", "low", "zones", "movable_node")

_QEMU = OemName(b"BOCHS ", b"BXPC    ", 0x1000)
# Where the emulated PC starts its kernel, with room: it needs a node that it can allocate from.
_FIRST = 320 * MIB
_LEAST = 24 * MIB


@dataclass(frozen=True, slots=True)
class SratMachine:
    """A machine.

    Attributes:
        memory: Bytes of RAM.
        below_4g: Bytes of it below 4 GiB.
        shape: One of SHAPES.
        affinities: The table, in its order.
        empty: Node and address of entries of length 0.
    """

    memory: int
    below_4g: int
    shape: str
    affinities: tuple[MemoryAffinity, ...]
    empty: tuple[tuple[int, int], ...] = ()

    @property
    def srat(self) -> bytes:
        """The table as bytes; node numbers are its domains, and the only processor is on node 0."""
        memory = [(a.nid, a.range, a.hotplug) for a in self.affinities]
        return format_srat(memory, [(0, 0)], _QEMU, self.empty)

    @property
    def ram(self) -> tuple[MemRange, ...]:
        """Where RAM is, what firmware keeps of it included."""
        above = clip(4 * GIB, 4 * GIB + self.memory - self.below_4g)
        return (MemRange(0, self.below_4g), *((above,) if above else ()))

    @property
    def layout(self) -> str:
        """The machine in words, all of its table among them."""
        table = " ".join(
            f"{a.nid}{'h' if a.hotplug else ''}:{a.range.start:#x}-{a.range.end:#x}" for a in self.affinities
        )
        more = f", {len(self.empty)} empty" if self.empty else ""
        return f"{self.memory // MIB} MiB, {self.below_4g // MIB} below 4 GiB, {self.shape}: {table}{more}"


def random_srat_machine(random: Random, shape: str) -> SratMachine:
    """Draw a machine of a shape."""
    memory = random.choice((1536, 2048, 2560, 3072, 4096)) * MIB
    below = min(memory, random.choice((1024, 1536, 2048)) * MIB)
    bare = SratMachine(memory, below, shape, ())
    pieces = _pieces(random, bare, shape)
    ranges = _with_holes(random, pieces)
    if shape in ("refused", "limit", "little"):
        ranges = _torn(random, ranges, shape)
    elif shape == "overlap":
        ranges = _overlapped(random, ranges)
    table = [MemoryAffinity(nid, span) for nid, span in ranges]
    if shape == "hotplug":
        table = [part for a in table for part in _with_mark(random, a)]
    table += _beyond(random, table, 4 * GIB + memory - below)
    if random.random() < 0.3:
        # The first entry stays: it gives node 0 its number.
        head, *rest = table
        random.shuffle(rest)
        table = [head, *rest]
    empty = tuple((random.randrange(3), random.randrange(0, 8 * GIB, MIB)) for _ in range(random.choice((0, 0, 1, 2))))
    return SratMachine(memory, below, shape, _numbered(table), tuple((0, at) for _, at in empty))


def random_srat_words(random: Random, machine: SratMachine, form: str) -> tuple[str, ...]:
    """Draw the words of one boot: a reservation that may reach over borders of nodes, and often zones."""
    mib = machine.memory // MIB
    some = random.choice((64, 128, 192, 256))
    large = random.randint(mib // 6, mib // 2)
    spec = {
        "plain": [f"crashkernel={some}M"],
        "large": [f"crashkernel={large}M"],
        "high": [f"crashkernel={random.choice((some, large))}M,high"],
        "low": [f"crashkernel={some}M,high", f"crashkernel={random.choice((0, 48, 100))}M,low"],
        "zones": [f"crashkernel={random.choice((some, large // 2))}M", _zones(random, mib)],
        "movable_node": [f"crashkernel={some}M", "movable_node"],
    }[form]
    if form in ("plain", "high") and random.random() < 0.5:
        spec.append(_zones(random, mib))
    return tuple(spec)


def _zones(random: Random, mib: int) -> str:
    return random.choice(
        (
            f"kernelcore={random.randint(mib // 2, mib)}M",
            "kernelcore=70%",
            f"movablecore={mib // 4}M",
            "movablecore=20%",
        )
    )


def _pieces(random: Random, machine: SratMachine, shape: str) -> list[tuple[int, MemRange]]:
    # Cut at pages or at 16 MiB; the first piece has the kernel.
    count = random.choice((1, 2, 2, 3, 4)) if shape == "within" else random.choice((2, 3, 4))
    out: list[tuple[int, MemRange]] = []
    total = random.randint(max(3, count), 8)
    spans: list[MemRange] = []
    for span in machine.ram:
        unit = random.choice((PAGE_SIZE, 2 * MIB, 16 * MIB))
        low = span.start + (_FIRST if not span.start else _LEAST)
        share = max(1, round(total * span.size / machine.memory))
        cuts = (
            {align_down(random.randrange(low, span.end - _LEAST), unit) for _ in range(share - 1)}
            if low < span.end - _LEAST
            else set()
        )
        edges = [span.start, *sorted(cuts), span.end]
        spans += [MemRange(a, b) for a, b in pairwise(edges)]
    for at, span in enumerate(spans):
        rising = min(count - 1, at * count // len(spans))
        out.append((random.randrange(count) if shape == "interleaved" and at else rising, span))
    return out


def _with_holes(random: Random, pieces: list[tuple[int, MemRange]]) -> list[tuple[int, MemRange]]:
    # Between two pieces of one node the border may become a hole. A piece alone may get one in its middle.
    out: list[tuple[int, MemRange]] = []
    for at, (nid, span) in enumerate(pieces):
        start, end = span.start, span.end
        if at and pieces[at - 1][0] == nid and random.random() < 0.7:
            start += _some(random, span)
        if at + 1 < len(pieces) and pieces[at + 1][0] == nid and random.random() < 0.7:
            end -= _some(random, span)
        if end - start > 3 * _LEAST and random.random() < 0.4:
            middle = random.randrange(start + _LEAST, end - _LEAST, PAGE_SIZE)
            gap = random.choice((PAGE_SIZE, 64 * KIB, MIB, min(100 * MIB, end - middle - PAGE_SIZE)))
            out += [(nid, MemRange(start, middle)), (nid, MemRange(align_down(middle + gap, PAGE_SIZE), end))]
        else:
            out.append((nid, MemRange(start, end)))
    return out


def _some(random: Random, span: MemRange) -> int:
    return align_down(random.randrange(PAGE_SIZE, max(2 * PAGE_SIZE, span.size // 3)), PAGE_SIZE)


def _torn(random: Random, ranges: list[tuple[int, MemRange]], shape: str) -> list[tuple[int, MemRange]]:
    # The lower of two neighbours on different nodes loses its end, in RAM below 4 GiB and above 1 MiB.
    size = {
        "limit": MIB,
        "little": random.choice((PAGE_SIZE, 64 * KIB, MIB - PAGE_SIZE)),
        "refused": random.choice((MIB + PAGE_SIZE, 2 * MIB, 100 * MIB)),
    }[shape]
    ends = [
        k
        for k, (a, b) in enumerate(pairwise(ranges))
        if a[0] != b[0] and a[1].end == b[1].start and a[1].size > 2 * size
    ]
    if not ends:
        # All borders lie in holes already, so all from the middle of the largest range on goes to another node.
        at = max(range(len(ranges)), key=lambda k: ranges[k][1].size)
        nid, span = ranges[at]
        half = align_down(span.start + span.size // 2, 2 * MIB)
        other = max(n for n, _ in ranges) + 1
        low = MemRange(span.start, half - min(size, align_down(span.size // 4, MIB)))
        return [*ranges[:at], (nid, low), (other, MemRange(half, span.end)), *((other, r) for _, r in ranges[at + 1 :])]
    at = random.choice(ends)
    nid, span = ranges[at]
    return [*ranges[:at], (nid, MemRange(span.start, span.end - size)), *ranges[at + 1 :]]


def _overlapped(random: Random, ranges: list[tuple[int, MemRange]]) -> list[tuple[int, MemRange]]:
    # Another node claims a part of a range; now and then it is the same node, which does no harm.
    at = random.randrange(len(ranges))
    nid, span = ranges[at]
    start = align_down(span.start + span.size // 2, PAGE_SIZE)
    other = nid if random.random() < 0.4 else max(n for n, _ in ranges) + 1
    return [*ranges, (other, MemRange(start, span.end))]


def _with_mark(random: Random, a: MemoryAffinity) -> list[MemoryAffinity]:
    draw = random.random()
    if not a.range.start or draw < 0.3:
        return [a]
    if draw < 0.6 or a.range.size < 4 * MIB:
        return [MemoryAffinity(a.nid, a.range, hotplug=True)]
    middle = align_down(a.range.start + a.range.size // 2, PAGE_SIZE)
    low, high = MemRange(a.range.start, middle), MemRange(middle, a.range.end)
    return [MemoryAffinity(a.nid, low, hotplug=draw < 0.8), MemoryAffinity(a.nid, high, hotplug=draw >= 0.8)]


def _beyond(random: Random, table: list[MemoryAffinity], end: int) -> list[MemoryAffinity]:
    # Room for memory that is not there, in the PC's hole below 4 GiB and behind the last RAM, on any node.
    nodes = sorted({a.nid for a in table})
    out = []
    if random.random() < 0.3:
        out.append(
            MemoryAffinity(random.choice(nodes), MemRange(0xC0000000, 0xD0000000), hotplug=random.random() < 0.5)
        )
    if random.random() < 0.4:
        out.append(MemoryAffinity(random.choice(nodes), MemRange(end + GIB, end + 5 * GIB), hotplug=True))
    return out


def _numbered(table: list[MemoryAffinity]) -> tuple[MemoryAffinity, ...]:
    # The kernel numbers domains as it meets them, so that they are their own numbers only in this order.
    numbers: dict[int, int] = {0: 0}
    for a in table:
        numbers.setdefault(a.nid, len(numbers))
    return tuple(MemoryAffinity(numbers[a.nid], a.range, hotplug=a.hotplug) for a in table)
