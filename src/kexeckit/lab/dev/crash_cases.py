"""Random machines and crashkernel= words for the reservations campaign.

A pure part of the lab: from a random generator to values. What decides a reservation is shape: where RAM ends below
4 GiB, how large the initrd at its top is, node borders, holes by memmap=, and the words themselves.
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from kexeckit.lab.machine import NumaNode
from kexeckit.memory.units import GIB, MIB

__all__ = ["CRASH_FORMS", "CrashMachineCase", "node_sizes", "random_crash_machine", "random_crash_words"]

CRASH_FORMS = (
    "plain",
    "ranges",
    "high",
    "high-low",
    "at",
    "large",
    "repeat",
    "odd-size",
    "plain-low",
    "cma",
    "malformed",
    "mem",
    "memmap",
    "zero-low",
    "cma-area",
)
_SIZES = (512, 640, 768, 1024, 1536, 2048, 3072, 3584, 4096, 5120, 6144, 8192, 12288, 16384, 32768, 65536)
_WEIGHTS = (4, 3, 4, 8, 6, 8, 8, 5, 8, 6, 5, 6, 3, 3, 1, 1)
_MALFORMED = (
    "crashkernel=",
    "crashkernel=auto",
    "crashkernel=64Mfoo",
    "crashkernel=64M,hi",
    "crashkernel=64M@16M,high",
    "crashkernel=high",
    "crashkernel=1G-:",
    "crashkernel=1G:64M",
    "crashkernel=2G-1G:64M",
    "crashkernel=0-:1000G",
    "crashkernel=512M-2G:0",
    "crashkernel=0",
    "crashkernel=0,high",
    "crashkernel=1000G",
    "crashkernel=256M,high,low",
    "crashkernel=512M-:64M,junk",
    "crashkernel=512M-:64M@",
    "crashkernel=,high crashkernel=64M,low",
    "crashkernel=128M,high crashkernel=x,low",
)
# Where the emulated PC starts its kernel and keeps its initrd, with room: holes stay away from both.
_HOLE_LOW, _KEEP_TOP = 192 * MIB, 160 * MIB


@dataclass(frozen=True, slots=True)
class CrashMachineCase:
    """A machine.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        nodes: NUMA nodes; one for a machine without.
        below_4g: Bytes of RAM below 4 GiB that QEMU is told to keep (x86_64), or 0 for its own choice.
        padding: Bytes that make the initrd larger.
        kaslr: The kernel is put at a random place.
        efi: EFI firmware starts it, and the kernel prints its map.
    """

    arch: str
    nodes: tuple[NumaNode, ...]
    below_4g: int
    padding: int
    kaslr: bool
    efi: bool = False

    @property
    def memory(self) -> int:
        """Bytes of RAM."""
        return sum(n.memory for n in self.nodes)

    @property
    def low_end(self) -> int:
        """End of RAM below 4 GiB on the emulated PC."""
        own = 3 * GIB if self.memory >= 3584 * MIB else self.memory
        return min(self.memory, self.below_4g or own)

    @property
    def above(self) -> int:
        """Bytes of RAM above 4 GiB."""
        return self.memory - self.low_end


def random_crash_machine(random: Random, arch: str) -> CrashMachineCase:
    """Draw a machine."""
    memory = random.choices(_SIZES, _WEIGHTS)[0] * MIB
    count = random.choice((1, 1, 1, 2, 2, 3, 4))
    sizes = node_sizes(random, memory // MIB, count)
    nodes = tuple(NumaNode(s * MIB, 1 if at == 0 else 0) for at, s in enumerate(sizes))
    below = 0
    if arch == "x86_64" and memory > 1536 * MIB and random.random() < 0.5:
        below = min(memory, random.choice((1024, 1280, 1536, 2048, 2560, 3072, 3328)) * MIB)
    padding = random.choice((0, 0, 1, 5, 17, 40)) * MIB + random.randrange(0, 64) * 4096
    if memory >= 2048 * MIB and random.random() < 0.2:
        padding += 96 * MIB
    return CrashMachineCase(arch, nodes, below, padding, kaslr=random.random() < 0.25)


def random_crash_words(random: Random, machine: CrashMachineCase, form: str) -> tuple[str, ...]:
    """Draw the words of one boot."""
    mib = machine.memory // MIB
    some = random.choice((64, 96, 128, 160, 192, 256, 320, 384, 512))
    much = random.randint(64, max(65, mib // 2))
    spec = {
        "plain": [f"crashkernel={some}M"],
        "ranges": [f"crashkernel={_ranges(random, mib)}"],
        "high": [f"crashkernel={random.choice((some, much))}M,high"],
        "high-low": [f"crashkernel={some}M,high", f"crashkernel={random.choice((0, 32, 72, 128, 512))}M,low"],
        "at": [f"crashkernel={some}M@{_offset(random, machine)}"],
        "large": [f"crashkernel={much}M"],
        "repeat": [f"crashkernel={much}M", f"crashkernel={some}M"],
        "odd-size": [f"crashkernel={some * MIB + random.randrange(1, MIB)}"],
        "plain-low": [f"crashkernel={random.choice((some, much))}M", "crashkernel=64M,low"],
        "cma": [f"crashkernel={some}M", f"crashkernel={random.choice((32, 100, 300))}M,cma"],
        "malformed": random.choice(_MALFORMED).split(" "),
        "mem": [f"crashkernel={some}M", f"mem={max(mib - random.randint(0, mib // 2), 400)}M"],
        "memmap": [f"crashkernel={random.choice((some, much))}M", *_holes(random, machine)],
        "zero-low": [f"crashkernel={some}M,high", "crashkernel=0,low"],
        "cma-area": [f"crashkernel={some}M", f"cma={random.choice((16, 64, 200))}M"],
    }[form]
    if form not in ("memmap", "mem") and machine.arch == "x86_64" and random.random() < 0.2:
        spec = [*spec, *_holes(random, machine)]
    random.shuffle(spec)
    return tuple(spec)


def node_sizes(random: Random, total: int, count: int) -> list[int]:
    """Draw the MiB of up to `count` uneven nodes; the first carries the kernel, so it keeps half a GiB at least."""
    first = max(512, total // count + random.choice((0, 0, 64, 100)))
    if count == 1 or total < first + 128 * (count - 1):
        return [total]
    rest = total - first
    cuts = sorted(random.randrange(64, rest) for _ in range(count - 2))
    edges = [0, *cuts, rest]
    sizes = [b - a for a, b in pairwise(edges)]
    return [first, *(s for s in sizes if s >= 32)] if sum(s for s in sizes if s >= 32) == rest else [first, rest]


def _ranges(random: Random, mib: int) -> str:
    return random.choice(
        (
            "512M-2G:64M,2G-6G:128M,6G-:320M",
            "1G-4G:192M,4G-64G:256M,64G-:512M",
            f"0-{mib}M:96M,{mib}M-:160M",
            f"{mib - 64}M-{mib}M:96M,{mib}M-{mib + 128}M:144M,64G-:512M",
            "384M-:128M@64M",
            "2G-4G:384M,4G-16G:512M,16G-64G:1G",
            "8G-:256M",
        )
    )


def _offset(random: Random, machine: CrashMachineCase) -> str:
    step = random.choice((1, 2, 16, 16, 16, 64)) * MIB
    top = machine.low_end if random.random() < 0.8 or not machine.above else 4 * GIB + machine.above
    # RAM of the emulated arm64 machine begins at 1 GiB.
    base = GIB if machine.arch == "arm64" and random.random() < 0.8 else 0
    return f"{(base + random.randrange(16 * MIB, top, step)) // MIB}M"


def _holes(random: Random, machine: CrashMachineCase) -> list[str]:
    words = []
    for _ in range(random.randint(1, 3)):
        low_end = machine.low_end - _KEEP_TOP - machine.padding
        spans = [(_HOLE_LOW, low_end)] if low_end > _HOLE_LOW + 32 * MIB else []
        spans += [(4 * GIB, 4 * GIB + machine.above)] if machine.above > 64 * MIB else []
        if not spans or machine.arch != "x86_64":
            continue
        start, end = random.choice(spans)
        at = random.randrange(start, end - 16 * MIB, 4096)
        size = random.randrange(4096, min(end - at, 400 * MIB), 4096)
        words.append(f"memmap={size:#x}{random.choice('$$$#!')}{at:#x}")
    return words
