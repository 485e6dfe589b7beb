"""Random NUMA machines and words for the zones campaign.

A pure part of the lab: from a random generator to values. Machines are small, because what decides is shape: uneven
nodes, nodes without memory, the border at 4 GiB moved down by QEMU so that little memory is enough to cross it, holes
by memmap=, and (on x86_64) a SRAT of our own with other borders and hot-pluggable ranges.
"""

from dataclasses import dataclass
from random import Random

from kexeckit.formats.srat import OemName, format_srat
from kexeckit.lab.machine import NumaNode
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, MIB

__all__ = ["FORMS", "ZoneCase", "ZoneMachineCase", "random_machine", "random_words"]

FORMS = (
    "none",
    "kernelcore",
    "kernelcore%",
    "mirror",
    "movablecore",
    "movablecore%",
    "both",
    "movable_node",
    "cancel",
)
_FOUR_GIB = 4 * GIB
# By this name, and a higher revision, the kernel takes our table instead of the emulator's.
_QEMU = OemName(b"BOCHS ", b"BXPC    ", 0x1000)
# Where the emulated PC starts its kernel and keeps its initrd, with room: holes stay away from both.
_KERNEL_MIB = 220
_HOLE_LOW, _LOW_KEEP = 192 * MIB, 128 * MIB


@dataclass(frozen=True, slots=True)
class ZoneMachineCase:
    """A machine.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        nodes: QEMU's nodes.
        below_4g: Bytes of RAM below 4 GiB (x86_64).
        srat: A SRAT to be used instead of QEMU's, or empty.
    """

    arch: str
    nodes: tuple[NumaNode, ...]
    below_4g: int
    srat: bytes = b""

    @property
    def memory(self) -> int:
        """Bytes of RAM."""
        return sum(n.memory for n in self.nodes)

    @property
    def ram(self) -> RangeSet:
        """Where RAM is, what the firmware keeps of it included: below the border, the rest from 4 GiB on (x86_64)."""
        above = clip(_FOUR_GIB, _FOUR_GIB + self.memory - self.below_4g)
        return RangeSet(r for r in (MemRange(0, self.below_4g), above) if r)


@dataclass(frozen=True, slots=True)
class ZoneCase:
    """One boot: a form, and the words that stand for it."""

    form: str
    words: tuple[str, ...]


def random_machine(random: Random, arch: str) -> ZoneMachineCase:
    """Draw a machine."""
    count = random.choice((1, 2, 2, 3, 4, 5, 6, 8))
    sizes = [random.choice((96, 128, 160, 256, 300, 384, 512, 700, 1024, 1536, 2048)) for _ in range(count)]
    # The first node carries the kernel; a machine needs some memory below 4 GiB to start at all.
    sizes[0] = max(sizes[0], 512)
    for at in range(1, count):
        if random.random() < 0.15:
            sizes[at] = 0
    if random.random() < 0.3:
        sizes[-1] += random.choice((1, 3, 7, 64))
    nodes = tuple(NumaNode(s * MIB, 1 if at == 0 else 0) for at, s in enumerate(sizes))
    total = sum(sizes) * MIB
    below = min(total, random.choice((512, 768, 1024, 2048, 3072)) * MIB) if arch == "x86_64" else total
    srat = b""
    if arch == "x86_64" and random.random() < 0.4:
        srat = _random_srat(random, total, below)
    return ZoneMachineCase(arch, nodes, below, srat)


def random_words(random: Random, machine: ZoneMachineCase, form: str) -> tuple[str, ...]:
    """Draw the words of one boot."""
    least = _KERNEL_MIB * 100 // (machine.memory // MIB) + 1
    words = {
        "none": [],
        "kernelcore": [f"kernelcore={_amount(random, machine.memory)}"],
        "kernelcore%": [f"kernelcore={random.randint(min(least, 99), 99)}%"],
        "mirror": ["kernelcore=mirror"],
        "movablecore": [f"movablecore={_amount(random, machine.memory, movable=True)}"],
        "movablecore%": [f"movablecore={random.randint(1, max(1, 99 - least))}%"],
        "both": [
            f"kernelcore={random.randint(min(least, 90), 90)}%",
            f"movablecore={_amount(random, machine.memory, movable=True)}",
        ],
        "movable_node": ["movable_node"],
        "cancel": random.choice(
            (
                ["movable_node", "kernelcore=50%"],
                ["kernelcore=mirror", "movablecore=30%"],
                ["kernelcore=40%", "kernelcore=0%", "movablecore=25%"],
                ["kernelcore=200M", "kernelcore=60%"],
                ["kernelcore=60%", "kernelcore=300M"],
                ["kernelcore=100%"],
                ["movablecore=100%"],
                ["kernelcore=junk"],
                ["kernelcore=0x20000000junk"],
            )
        ),
    }[form]
    if machine.arch == "x86_64" and random.random() < 0.4:
        words = [*words, *_holes(random, machine)]
    elif machine.arch == "arm64" and random.random() < 0.4:
        words = [*words, f"mem={random.randint(500, machine.memory // MIB)}M"]
    return tuple(words)


def _amount(random: Random, memory: int, *, movable: bool = False) -> str:
    # A kernel with too little memory of its own dies before it reports; now and then more than all is asked for.
    mib = memory // MIB
    low, high = (1, max(2, mib - _KERNEL_MIB)) if movable else (min(_KERNEL_MIB, mib), mib)
    size = mib + mib // 10 if random.random() < 0.1 else random.randint(low, high)
    return random.choice((f"{size}M", f"{size * 1024 + random.randint(0, 1023)}K", f"{size * MIB:#x}"))


def _holes(random: Random, machine: ZoneMachineCase) -> list[str]:
    # Reserved ranges in memory below and above 4 GiB, or a limit on all of it.
    words = []
    above = machine.memory - machine.below_4g
    if random.random() < 0.25:
        limit = machine.below_4g if above == 0 else _FOUR_GIB + random.randint(0, above)
        words.append(f"mem={max(limit - random.randint(0, 64) * MIB, 600 * MIB) // 1024}K")
    low_end = machine.below_4g - _LOW_KEEP
    for _ in range(random.randint(0, 3)):
        spans = [(_HOLE_LOW, low_end)] if low_end > _HOLE_LOW + 32 * MIB else []
        spans += [(_FOUR_GIB, _FOUR_GIB + above)] if above > 32 * MIB else []
        if spans:
            start, end = random.choice(spans)
            at = random.randrange(start, end - 16 * MIB, 4096)
            size = random.randrange(4096, min(end - at, 300 * MIB), 4096)
            words.append(f"memmap={size:#x}${at:#x}")
    return words


def _random_srat(random: Random, total: int, below: int) -> bytes:
    # Memory in stretches of whole 16 MiB, dealt out to nodes in any order: nodes may interleave.
    spans = [MemRange(0, below)] + ([MemRange(_FOUR_GIB, _FOUR_GIB + total - below)] if total > below else [])
    count = random.choice((2, 3, 4))
    entries: list[tuple[int, MemRange, bool]] = []
    for span in spans:
        # Memory above 4 GiB mostly on nodes of its own: those the kernel holds nothing on, so they stay hot-pluggable.
        apart = count if span.start and random.random() < 0.7 else 0
        at = span.start
        while at < span.end:
            size = random.choice((128, 256, 272, 512, 1040)) * MIB
            end = min(span.end, at + size)
            node = 0 if at == 0 else apart + random.randrange(count)
            entries.append((node, MemRange(at, end), at > 0 and random.random() < (0.7 if span.start else 0.3)))
            at = end
    if random.random() < 0.2:
        random.shuffle(entries)
    return format_srat(entries, [(0, 0)], _QEMU)
