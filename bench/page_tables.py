"""Identity page tables: counting them, and building 24 TiB's worth.

Shows how long counting takes for maps of up to 10,000 ranges, how fast the 96 MiB of tables for 24 TiB are built with
NumPy and without, and how much memory that needs.
"""

import tracemalloc
from random import Random

from measure import best_seconds

from kexeckit.kernel.page_tables.build import build_tables
from kexeckit.kernel.page_tables.count import count_tables, numpy_or_none
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.kernel.page_tables.geometry import LEAF_1G, LEAF_2M, LEAF_4K
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import TIB, format_size

MACHINE = RangeSet((MemRange(0, 24 * TIB),))


def main() -> None:
    """Print counting, then building."""
    counting()
    building()


def counting() -> None:
    """Ranges of odd sizes over many TiB."""
    for count in (100, 1000, 10_000):
        ranges = random_ranges(count)
        times = {
            "4K": best_seconds(lambda r=ranges: count_tables(r, LEAF_4K), runs=40),
            "2M": best_seconds(lambda r=ranges: count_tables(r, LEAF_2M), runs=40),
            "1G": best_seconds(lambda r=ranges: count_tables(r, LEAF_1G), runs=40),
            "kernel": best_seconds(
                lambda r=ranges: count_kernel_tables(r, (), LeafRule(LEAF_1G, only_full=True)), runs=40
            ),
        }
        shown = "  ".join(f"{name} {seconds * 1e3:6.3f} ms" for name, seconds in times.items())
        print(f"counting {count:6,} ranges:  {shown}")


def random_ranges(count: int) -> RangeSet:
    """Ranges that begin and end anywhere, whole pages."""
    random, at, out = Random(1), 0, []
    for _ in range(count):
        at += random.randrange(1, 1 << 18) << 12
        out.append(MemRange(at, at + (random.randrange(1, 1 << 18) << 12)))
        at = out[-1].end + 4096
    return RangeSet(out)


def building() -> None:
    """24 TiB with 2 MiB leaves."""
    pages = count_tables(MACHINE, LEAF_2M)
    frames = Frames(MemRange.from_size(1 << 30, pages.size))
    rule = LeafRule(LEAF_2M)
    ways = {"NumPy": True, "plain Python": False} if numpy_or_none() else {"plain Python": False}
    for name, numpy in ways.items():
        seconds = best_seconds(lambda n=numpy: build_tables(MACHINE, rule, pages, frames, numpy=n), runs=3)
        tracemalloc.start()
        built = build_tables(MACHINE, rule, pages, frames, numpy=numpy)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        speed = pages.size / seconds / 1e9
        print(
            f"building {format_size(pages.size)} for 24 TiB, {name}: {seconds * 1e3:.0f} ms, {speed:.2f} GB/s, "
            f"peak memory {peak / len(built.data):.3f} times the tables"
        )


if __name__ == "__main__":
    main()
