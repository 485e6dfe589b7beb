"""Cost of predicting zones, against the number of ranges: ``python -m bench.zones``."""

import sys
import time

from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.zones.limits import ArchFacts
from kexeckit.kernel.zones.machine import ZoneMachine
from kexeckit.kernel.zones.parameters import parse_zone_parameters
from kexeckit.kernel.zones.predict import predict_zones
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

MIB = 1 << 20
NODES = 64
RANGES = (64, 1000, 2000, 5000, 10000, 20000)
WORDS = ("", "kernelcore=30%", "kernelcore=mirror", "movable_node")


def machine(ranges: int, nodes: int = NODES) -> ZoneMachine:
    """Return a machine whose ranges have holes between them and are dealt out to nodes in stretches."""
    regions = []
    at = 16 * MIB
    for number in range(ranges):
        node = number * nodes // ranges
        regions.append(Region(MemRange(at, at + 60 * MIB), node, mirror=number % 3 == 0, hotplug=number % 7 == 1))
        at += 64 * MIB
    end = regions[-1].range.end
    return ZoneMachine(ArchFacts("x86_64", regions[0].range.start, end, end), tuple(regions))


def milliseconds(made: ZoneMachine, words: str, repeat: int = 5) -> float:
    """Return the best of some runs."""
    behaviour = zone_behaviour_of(parse_kernel_version("6.12"))
    parameters = parse_zone_parameters(words)
    best = float("inf")
    for _ in range(repeat):
        begin = time.perf_counter()
        predict_zones(made, parameters, behaviour)
        best = min(best, time.perf_counter() - begin)
    return best * 1000


def main() -> int:
    """Print one line per number of ranges; 1 where 10,000 ranges take more than 50 ms."""
    print(f"{NODES} nodes, milliseconds by number of ranges")
    print(f"{'ranges':>8}" + "".join(f"{words or '(no words)':>20}" for words in WORDS))
    worst = 0.0
    for count in RANGES:
        made = machine(count)
        times = [milliseconds(made, words) for words in WORDS]
        worst = max(worst, *times) if count == 10000 else worst
        print(f"{count:>8}" + "".join(f"{t:>20.1f}" for t in times))
    print(f"10,000 ranges: {worst:.1f} ms at worst, 50 ms allowed")
    return 1 if worst > 50 else 0


if __name__ == "__main__":
    sys.exit(main())
