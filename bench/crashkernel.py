"""Cost of predicting reservations: 10,000 machines in one process, and one machine against its number of ranges."""

import sys
import time
from itertools import pairwise
from random import Random

from measure import best_seconds

from kexeckit.formats.srat import MemoryAffinity
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.boot.direct_map import DirectMap
from kexeckit.kernel.boot.e820 import make_table
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.machine.taken import Taker
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

MIB = 1 << 20
GIB = 1 << 30
MACHINES = 10_000
ALLOWED_MS = 5.0
RANGES = (10, 100, 1000, 3000, 10_000)
_MAPPING = DirectMap(gigabyte=True, five_levels=False, buffer=12)
VERSIONS = ("4.18", "5.10", "5.15", "6.1", "6.6", "6.12", "7.2")
SPECS = (
    "crashkernel=256M",
    "crashkernel=1G,high",
    "crashkernel=3G",
    "crashkernel=512M@512M",
    "crashkernel=2G-64G:256M,64G-:512M",
    "crashkernel=512M mem=3G memmap=64M$1G",
)


def machine(random: Random) -> ReservationInput:
    """Return a machine with a dozen or so of ranges, some nodes and what is usually taken."""
    rules = crash_rules("x86_64", parse_kernel_version(random.choice(VERSIONS)))
    holes = sorted(random.sample(range(256, 2800), 8))
    table = [(0, 0xA0000, 1), (MIB, holes[0] * MIB, 1)]
    table += [(a * MIB, b * MIB, 1 + n % 2) for n, (a, b) in enumerate(pairwise(holes))]
    above = random.randrange(1, 64)
    table.append((4 * GIB, (4 + above) * GIB, 1))
    half = (4 + above // 2) * GIB
    nodes = (MemoryAffinity(0, MemRange(0, half)), MemoryAffinity(1, MemRange(half, (5 + above) * GIB)))
    held = (
        Held(MemRange(16 * MIB, 64 * MIB), Taker.KERNEL_IMAGE, "kernel image", ""),
        Held(MemRange(200 * MIB, 230 * MIB), Taker.INITRD, "initrd", ""),
    )
    spec = random.choice(SPECS)
    return ReservationInput(
        rules,
        spec,
        spec,
        table=make_table(table),
        affinities=nodes,
        held=held,
        direct_map=_MAPPING,
    )


def fragmented(count: int) -> ReservationInput:
    """Return a machine of `count` RAM ranges, half of each taken."""
    rules = crash_rules("x86_64", parse_kernel_version("6.12"))
    starts = [4 * GIB + n * 64 * MIB for n in range(count)]
    table = [(MIB, 512 * MIB, 1), *((s, s + 48 * MIB, 1) for s in starts)]
    held = tuple(Held(MemRange(s + 8 * MIB, s + 24 * MIB), Taker.FIRMWARE, "something", "") for s in starts)
    return ReservationInput(
        rules, "crashkernel=384M", "crashkernel=384M", table=make_table(table), held=held, direct_map=_MAPPING
    )


def many() -> float:
    """Predict for many machines; return the longest time of one in milliseconds."""
    random = Random(1)
    machines = [machine(random) for _ in range(MACHINES)]
    worst = 0.0
    started = time.process_time()
    for facts in machines:
        begin = time.process_time()
        predict_reservation(facts)
        worst = max(worst, time.process_time() - begin)
    total = time.process_time() - started
    print(f"{MACHINES} machines: {total:.1f} s, {total / MACHINES * 1000:.2f} ms each, {worst * 1000:.1f} ms at worst")
    return total / MACHINES * 1000


def main() -> int:
    """Print both; 1 where a prediction takes more than 5 ms on average."""
    each = many()
    print(f"{'ranges':>8}{'ms':>10}")
    for count in RANGES:
        facts = fragmented(count)
        print(f"{count:>8}{best_seconds(lambda made=facts: predict_reservation(made), 3) * 1000:>10.2f}")
    print(f"{each:.2f} ms each, {ALLOWED_MS:.0f} ms allowed")
    return 1 if each > ALLOWED_MS else 0


if __name__ == "__main__":
    sys.exit(main())
