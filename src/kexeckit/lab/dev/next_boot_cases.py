"""Random machines that are asked about their next boot, and the words of those boots.

A pure part of the lab: from a random generator to values. Drawn is what decides how much a boot has in common with the
one before: the firmware that hands out memory, KASLR, room for memory hotplug, nodes, odd sizes, the initrd's size.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count
from random import Random
from typing import Any, Self

from kexeckit.lab.dev.crash_cases import CrashMachineCase, node_sizes, random_crash_words
from kexeckit.lab.machine import NumaNode
from kexeckit.lab.packages import SUITES
from kexeckit.memory.units import GIB, MIB

__all__ = ["BIOS", "DEVICE_TREE", "EFI", "EFI_ACPI", "EFI_DEVICE_TREE", "NextMachine", "next_machines"]

BIOS, EFI = "bios", "efi"
"""How an x86_64 machine starts."""
DEVICE_TREE, EFI_ACPI, EFI_DEVICE_TREE = "device-tree", "efi-acpi", "efi-device-tree"
"""How an arm64 machine starts; without EFI the loader puts kernel, initrd and tree straight into memory."""

# QEMU's q35 keeps so much RAM below 4 GiB where it has more than the second number.
_Q35_LOW, _Q35_ALL_LOW = 2 * GIB, 2816 * MIB
_X86 = 0.7
_FORMS = {
    "plain": 4,
    "magnitude": 4,
    "large": 3,
    "too-large": 2,
    "ranges": 3,
    "high": 3,
    "high-low": 3,
    "at": 4,
    "border": 3,
    "plain-low": 1,
    "odd-size": 1,
    "repeat": 1,
    "mem": 1,
    "cma": 4,
}
_WITH_CMA = ("trixie", "sid")
_MAGNITUDES = (16, 32, 48, 64, 100, 128, 192, 256, 384, 512, 640, 768, 880, 896, 1024, 1280, 1536, 2048, 3072, 4096)


@dataclass(frozen=True, slots=True)
class NextMachine:
    """A machine.

    Attributes:
        suite: Debian suite of its kernel.
        firmware: One of BIOS, EFI (x86_64), DEVICE_TREE, EFI_ACPI, EFI_DEVICE_TREE (arm64).
        memory: MiB of each node; one for a machine without nodes.
        below_4g: MiB of RAM below 4 GiB that QEMU is told to keep, or 0 for its own choice.
        window: MiB of room for memory hotplug, or 0.
        padding: Bytes that make the initrd larger.
        kaslr: Addresses are drawn at random.
        efi_debug: The kernel prints the EFI memory map at the boot that is asked.
        random_device: Firmware has a source of random numbers (arm64; without one KASLR has no seed from EFI).
    """

    suite: str
    firmware: str
    memory: tuple[int, ...]
    below_4g: int = 0
    window: int = 0
    padding: int = 0
    kaslr: bool = False
    efi_debug: bool = False
    random_device: bool = False

    @property
    def arch(self) -> str:
        """``x86_64`` or ``arm64``."""
        return "x86_64" if self.firmware in (BIOS, EFI) else "arm64"

    @property
    def efi(self) -> bool:
        """EFI firmware starts it."""
        return self.firmware not in (BIOS, DEVICE_TREE)

    @property
    def layout(self) -> str:
        """The machine in words."""
        sizes = "+".join(map(str, self.memory))
        below = f", {self.below_4g} MiB below 4 GiB" if self.below_4g else ""
        window = f", room for {self.window} MiB" if self.window else ""
        more = "".join(
            f", {name}"
            for name, has in (("KASLR", self.kaslr), ("efi=debug", self.efi_debug), ("rng", self.random_device))
            if has
        )
        return f"{self.firmware} {sizes} MiB{below}{window}, initrd +{self.padding // 1024} KiB{more}"

    def record(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Return what `record` gave."""
        return cls(**{**record, "memory": tuple(record["memory"])})


def next_machines(seed: int) -> Iterator[tuple[NextMachine, tuple[tuple[str, ...], ...]]]:
    """Draw machines without end, each with the words of its next boots.

    Args:
        seed: What to draw from; a machine also depends on how many come before it, on nothing else of theirs.
    """
    for number in count(1):
        random = Random(f"{seed}/{number}")
        machine = _x86_machine(random) if random.random() < _X86 else _arm64_machine(random)
        slow = machine.arch == "arm64" and machine.efi
        yield machine, tuple(_words(random, machine) for _ in range(3 if slow else 5))


def _x86_machine(random: Random) -> NextMachine:
    total = _memory(random)
    firmware = random.choice((BIOS, EFI))
    below = 0
    if firmware == BIOS and total > 1536 and random.random() < 0.3:
        below = min(total, random.choice((1024, 1536, 2048, 2560, 3072, 3328)))
    return NextMachine(
        random.choice(SUITES),
        firmware,
        tuple(node_sizes(random, total, random.choice((1, 1, 1, 2, 3)))),
        below,
        random.choice((0, 0, random.choice((1, 2, 4, 16)) * 1024)),
        _padding(random, total),
        kaslr=random.random() < 0.5,
        efi_debug=firmware == EFI and random.random() < 0.4,
    )


def _arm64_machine(random: Random) -> NextMachine:
    total = _memory(random)
    firmware = random.choice((DEVICE_TREE, DEVICE_TREE, EFI_ACPI, EFI_DEVICE_TREE))
    efi = firmware != DEVICE_TREE
    return NextMachine(
        random.choice(SUITES),
        firmware,
        tuple(node_sizes(random, total, random.choice((1, 1, 2)))),
        padding=_padding(random, total),
        kaslr=random.random() < 0.5,
        efi_debug=efi and random.random() < 0.4,
        random_device=efi and random.random() < 0.6,
    )


# MiB: mostly odd, now and then what people really have.
def _memory(random: Random) -> int:
    draw = random.random()
    if draw < 0.3:
        return random.choice((1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288))
    if draw < 0.35:
        return random.choice((16384, 20480, 32768))
    return random.randrange(1024, random.choice((2048, 4096, 4096, 8192, 12288)))


def _padding(random: Random, total: int) -> int:
    most = 96 if total >= 2048 else 24
    return random.choice((0, 0, 1, 5, 17, 40, most)) % (most + 1) * MIB + random.randrange(64) * 4096


def _words(random: Random, machine: NextMachine) -> tuple[str, ...]:
    forms = {f: w for f, w in _FORMS.items() if f != "cma" or machine.suite in _WITH_CMA}
    form = random.choices(list(forms), list(forms.values()))[0]
    case = _crash_case(machine)
    mib = sum(machine.memory)
    if form == "magnitude":
        words: tuple[str, ...] = (f"crashkernel={random.choice(_MAGNITUDES)}M",)
    elif form == "too-large":
        words = (f"crashkernel={random.randrange(mib * 7 // 8, mib * 3 // 2)}M",)
    elif form == "border":
        words = (f"crashkernel={_border(random, case)}M{random.choice(('', '', ',high'))}",)
    else:
        # Holes by memmap= are another campaign's.
        words = tuple(w for w in random_crash_words(random, case, form) if not w.startswith("memmap="))
    if random.random() < 0.1:
        words += (random.choice(("kernelcore=60%", "movablecore=20%", f"movablecore={mib // 4}M")),)
    return words


# A size about which it is not clear whether it fits below 896 MiB, below 4 GiB or above.
def _border(random: Random, case: CrashMachineCase) -> int:
    top = random.choice((896 * MIB, case.low_end, case.low_end, max(case.above, 512 * MIB)))
    taken = random.choice((0, case.padding))
    return max(64, (min(top, case.memory) - taken) // MIB - random.choice((16, 32, 64, 100, 150, 200, 300)))


def _crash_case(machine: NextMachine) -> CrashMachineCase:
    nodes = tuple(NumaNode(size * MIB, 0 if at else 1) for at, size in enumerate(machine.memory))
    case = CrashMachineCase(machine.arch, nodes, machine.below_4g * MIB, machine.padding, machine.kaslr, machine.efi)
    if machine.firmware == EFI and case.memory >= _Q35_ALL_LOW:
        return replace(case, below_4g=_Q35_LOW)
    return case
