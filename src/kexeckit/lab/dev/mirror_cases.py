"""Machines with mirrored memory for the mirror campaign.

A pure part of the lab. No emulator has mirrored memory, so a case is a machine and a choice of ranges that the EFI
memory map handed to the second kernel calls mirrored. The first case is the machine of the thread that
kernelcore=mirror comes from, scaled to a guest: 2 GiB there are 64 MiB here, and the border at 4 GiB stays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from kexeckit.formats.efi_memory_map import CONVENTIONAL, DESCRIPTOR_SIZE, EFI_MEMORY_MORE_RELIABLE, EFI_MEMORY_WB
from kexeckit.formats.sysfs_crash import EFI_PAGE, EfiDescriptor, format_efi_map
from kexeckit.lab.dev.zone_cases import ZoneMachineCase
from kexeckit.lab.machine import NumaNode
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE

__all__ = ["MirrorCase", "mirror_cases", "raw_efi_map"]

_FOUR_GIB = 4 * GIB
_LOW = 512 * MIB


@dataclass(frozen=True, slots=True)
class MirrorCase:
    """A machine and what of its memory is mirrored.

    Attributes:
        name: What it is about.
        machine: The guest.
        mirrored: Mirrored addresses.
        words: Zone words of the second kernel.
    """

    name: str
    machine: ZoneMachineCase
    mirrored: RangeSet
    words: tuple[str, ...] = ("kernelcore=mirror",)


def mirror_cases(count: int, seed: int) -> list[MirrorCase]:
    """Return the case of the thread, then random ones."""
    random = Random(seed)
    return [_of_the_thread(), *(_random(random) for _ in range(count - 1))][:count]


def raw_efi_map(memory: RangeSet, mirrored: RangeSet) -> bytes:
    """Return an EFI memory map: all RAM as free memory, each range mirrored or not.

    Args:
        memory: RAM as the firmware's e820 table has it; what is no whole page is left out.
        mirrored: Mirrored addresses.
    """
    pages = memory.aligned_inwards(PAGE_SIZE)
    parts = [(r, True) for r in pages & mirrored] + [(r, False) for r in pages - mirrored]
    descriptors = [_descriptor(r, mirror=mirror) for r, mirror in sorted(parts, key=lambda p: p[0].start)]
    return format_efi_map(tuple(descriptors), DESCRIPTOR_SIZE)


def _descriptor(span: MemRange, *, mirror: bool) -> EfiDescriptor:
    attribute = EFI_MEMORY_WB | (EFI_MEMORY_MORE_RELIABLE if mirror else 0)
    return EfiDescriptor(CONVENTIONAL, span.start, 0, span.size // EFI_PAGE, attribute)


def _of_the_thread() -> MirrorCase:
    # Node 0 of 66.5 GiB: [0, 4G), [4G, 6G) and [32G, 34G) mirrored; node 1 of 64 GiB: its first 2 GiB and 2 GiB at 28.
    nodes = (NumaNode(_LOW + 2000 * MIB, 1), NumaNode(2048 * MIB))
    second = _FOUR_GIB + 2000 * MIB
    starts = (_FOUR_GIB, _FOUR_GIB + 896 * MIB, second, second + 896 * MIB)
    mirrored = [MemRange(0, _FOUR_GIB), *(MemRange.from_size(s, 64 * MIB) for s in starts)]
    return MirrorCase("the thread's machine, scaled", ZoneMachineCase("x86_64", nodes, _LOW), RangeSet(mirrored))


def _random(random: Random) -> MirrorCase:
    count = random.choice((1, 2, 2, 3, 4))
    sizes = [random.choice((256, 384, 512, 700, 1024)) for _ in range(count)]
    below = random.choice((512, 768, 1024))
    sizes[0] = max(sizes[0], random.choice((below, below + 256, 512)))
    nodes = tuple(NumaNode(s * MIB, 1 if at == 0 else 0) for at, s in enumerate(sizes))
    machine = ZoneMachineCase("x86_64", nodes, min(below, sum(sizes)) * MIB)
    words = random.choice(
        (("kernelcore=mirror",),) * 4 + (("kernelcore=mirror", "movablecore=30%"), ("kernelcore=40%",))
    )
    shape = random.choice(("low and some", "only high", "node starts", "ragged", "one node whole", "tails"))
    return MirrorCase(shape, machine, RangeSet(_shape(random, shape, machine)), words)


def _shape(random: Random, shape: str, machine: ZoneMachineCase) -> Iterable[MemRange]:
    # Where each node's memory above 4 GiB lies: QEMU fills memory below 4 GiB first, in the order of nodes.
    high = _high_parts(machine)
    if shape != "only high":
        yield MemRange(0, machine.below_4g if random.random() < 0.8 else machine.below_4g // 2)
    for part in high:
        if shape == "one node whole":
            if part is high[-1]:
                yield part
        elif shape == "node starts":
            yield MemRange(part.start, part.start + part.size // random.choice((2, 3, 8)) // MIB * MIB + MIB)
        elif shape == "tails":
            yield MemRange(part.end - part.size // 4 // MIB * MIB - MIB, part.end)
        else:
            yield from _pieces(random, part, PAGE_SIZE if shape == "ragged" else 16 * MIB)


def _pieces(random: Random, part: MemRange, step: int) -> Iterable[MemRange]:
    for _ in range(random.randint(1, 3)):
        start = part.start + random.randrange(0, part.size // 2, step)
        size = random.randrange(step, part.size // 2 + step, step)
        yield MemRange(start, min(start + size, part.end))


def _high_parts(machine: ZoneMachineCase) -> list[MemRange]:
    out = []
    at = 0
    for node in machine.nodes:
        low, high = max(at, machine.below_4g), at + node.memory
        if high > low:
            shift = _FOUR_GIB - machine.below_4g
            out.append(MemRange(low + shift, high + shift))
        at += node.memory
    return out
