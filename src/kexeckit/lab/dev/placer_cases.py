"""Random machines and images for the campaign about the in-kernel loader's placement.

A pure part of the lab: from a random generator to values. What decides is where RAM ranges and the crash region end,
so machines have holes by memmap=, a border below 4 GiB that is moved, and reservations of odd places and sizes.
"""

from dataclasses import dataclass
from random import Random

from kexeckit.memory.units import GIB, MIB

__all__ = ["PlacerImage", "PlacerMachine", "random_images", "random_placer_machine"]


@dataclass(frozen=True, slots=True)
class PlacerMachine:
    """A machine.

    Attributes:
        memory: Bytes of RAM.
        below_4g: Bytes of it below 4 GiB.
        cpus: CPUs present.
        max_cpus: CPUs that can be plugged, those included.
        words: Words of its kernel command line.
    """

    memory: int
    below_4g: int
    cpus: int
    max_cpus: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        size = f"{self.memory // MIB} MiB ({self.below_4g // MIB} below 4 GiB)"
        return f"{size}, {self.cpus}/{self.max_cpus} CPUs, {' '.join(self.words) or 'no words'}"


@dataclass(frozen=True, slots=True)
class PlacerImage:
    """One load.

    Attributes:
        crash: Into the crash region.
        kernel: Number of the kernel file: 0 the machine's own, 1 the other.
        initrd: Bytes, or None without one.
        cmdline: Command line, or None.
    """

    crash: bool
    kernel: int
    initrd: int | None
    cmdline: str | None

    def __str__(self) -> str:
        where = "crash" if self.crash else "normal"
        line = "no command line" if self.cmdline is None else f"command line of {len(self.cmdline)}"
        return f"{where}, kernel {self.kernel}, initrd {self.initrd}, {line}"


def random_placer_machine(random: Random) -> PlacerMachine:
    """Draw a machine."""
    memory = random.choice((768, 1024, 1100, 1536, 2048, 3072, 4096, 5120, 9216)) * MIB
    below = min(memory, random.choice((1024, 2048, 3072)) * MIB)
    cpus = random.choice((1, 1, 2, 3))
    words = [_reservation(random, memory)]
    words += _holes(random, memory, below)
    return PlacerMachine(memory, below, cpus, cpus + random.choice((0, 0, 1, 5, 61)), tuple(words))


def random_images(random: Random, machine: PlacerMachine, count: int) -> list[PlacerImage]:
    """Draw loads for one machine."""
    return [_image(random, machine) for _ in range(count)]


def _image(random: Random, machine: PlacerMachine) -> PlacerImage:
    largest = min(machine.memory // 24, 120 * MIB)
    initrd = random.choice((None, 1, 4096, 4097, 3_000_000, random.randrange(1, largest), random.randrange(1, largest)))
    length = random.choice((0, 1, 3, 17, 18, 19, 100, 500, 1000, 2016, random.randrange(2017)))
    cmdline = None if random.random() < 0.1 else "x" * length
    return PlacerImage(random.random() < 0.6, random.randrange(2), initrd, cmdline)


def _reservation(random: Random, memory: int) -> str:
    # Some are too small for an image; those are refused, which is predicted as well.
    size = random.choice((40, 80, 128, 160, 192, 256, 300))
    kind = random.random()
    if kind < 0.15 and memory > 4 * GIB:
        return f"crashkernel={size}M,high crashkernel={random.choice((0, 64, 72))}M,low"
    if kind < 0.3:
        return f"crashkernel={size}M@{random.choice((288, 320, 400))}M"
    if kind < 0.5:
        return f"crashkernel={size * 1024 + random.choice((0, 4, 36, 1020))}K"
    return f"crashkernel={size}M"


def _holes(random: Random, memory: int, below: int) -> list[str]:
    # Reserved ranges, away from the first 256 MiB and from the initrd at the top of low memory.
    spans = [(256 * MIB, below - 160 * MIB)]
    if memory > below:
        spans.append((4 * GIB, 4 * GIB + memory - below))
    words = []
    for _ in range(random.choice((0, 0, 1, 2, 4))):
        start, end = random.choice(spans)
        at = random.randrange(start, end - 8 * MIB, 4096) + random.choice((0, 0, 0, 512))
        size = random.choice((4096, 65536, 5 * MIB, random.randrange(4096, 8 * MIB, 512)))
        words.append(f"memmap={size:#x}{random.choice('$$$#')}{at:#x}")
    return words
