"""Large maps: each operation on n ranges takes O(n log n), shown by a curve up to 100,000 ranges."""

import random
from math import log2

from measure import best_seconds

from kexeckit.formats.iomem import parse_iomem
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
PAGE = 4096


def main() -> None:
    """Print time and time per n log2 n for every operation and size."""
    rows = {n: _times(n) for n in SIZES}
    names = list(rows[SIZES[0]])
    print("milliseconds of CPU (nanoseconds per n log2 n); best of 5\n")
    print(f"{'ranges':>9}" + "".join(f"{name:>19}" for name in names))
    for n, times in rows.items():
        cells = (f"{t * 1e3:>10.2f} {f'({t * 1e9 / (n * log2(n)):.0f})':>8}" for t in times.values())
        print(f"{n:>9}" + "".join(cells))
    low, high = rows[SIZES[0]], rows[SIZES[-1]]
    growth = {name: (high[name] / low[name]) / _n_log_n_growth() for name in names}
    print("\ngrowth from the smallest to the largest size, 1 being exactly n log n:")
    print(f"{'':>9}" + "".join(f"{g:>19.2f}" for g in growth.values()))


def _n_log_n_growth() -> float:
    low, high = SIZES[0], SIZES[-1]
    return (high * log2(high)) / (low * log2(low))


def _times(count: int) -> dict[str, float]:
    text = _iomem(count)
    apart = [MemRange.from_size(4 * PAGE * n, 2 * PAGE) for n in range(count)]
    shuffled = random.Random(count).sample(apart, count)
    ram, taken = RangeSet(apart), RangeSet(MemRange.from_size(4 * PAGE * n + PAGE, 2 * PAGE) for n in range(count))
    entries = [MemoryEntry(r, RAM if n % 2 else RESERVED) for n, r in enumerate(shuffled)]
    addresses = [r.start + PAGE for r in shuffled]
    return {
        "parse iomem": best_seconds(lambda: parse_iomem(text)),
        "normalise": best_seconds(lambda: RangeSet(shuffled)),
        "typed map": best_seconds(lambda: MemoryMap.of(entries)),
        "subtract": best_seconds(lambda: ram - taken),
        "intersect": best_seconds(lambda: ram & taken),
        "n searches": best_seconds(lambda: [ram.find(a) for a in addresses]),
    }


def _iomem(count: int) -> str:
    # Every second line is nested, as kernel and crash regions are.
    lines = []
    for n in range(count // 2):
        start = 0x10_0000 * (n + 1)
        lines.append(f"{start:08x}-{start + 0xFFFF:08x} : System RAM\n")
        lines.append(f"  {start + 0x1000:08x}-{start + 0x1FFF:08x} : Kernel code\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
