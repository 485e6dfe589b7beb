"""Our rules beside the kernel's own code, compiled: ``python -m kexeckit.lab.dev.kernel_code -n 100000 --seed 1``.

Two pure parts of the prediction of crashkernel= are held against the C functions that they describe, without booting:
what the words ask for, and where memblock finds room. The functions are cut out of Debian's linux-source packages when
this runs, compiled with gcc into a program of ours, and asked the same random questions; see `kernel_code_build`.
"""

import argparse
import ctypes
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from kexeckit.errors import UnavailableError
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.search import Limits
from kexeckit.lab.dev.kernel_code_build import ARCHES, KernelCode, build_code
from kexeckit.lab.dev.kernel_code_compare import Rule, place_lines, region_lines, told_lines, words_lines
from kexeckit.lab.dev.kernel_code_layouts import Layout, random_layout, random_request, random_search
from kexeckit.lab.dev.kernel_code_words import random_total, random_words
from kexeckit.lab.dev.kernel_source import fetch_source
from kexeckit.lab.packages import SUITES
from kexeckit.memory.units import GIB, MIB

__all__ = ["Difference", "compare_layouts", "compare_words"]

_SEARCHES = 4
_HEAD = "| kernel | architecture | command lines | different | layouts | different |\n|---|---|--:|--:|--:|--:|\n"


@dataclass(frozen=True, slots=True)
class Difference:
    """A question that we and a kernel's code answer differently.

    Attributes:
        question: What was asked, as Python writes it.
        kernel: The kernel's lines.
        ours: Ours.
    """

    question: str
    kernel: list[str]
    ours: list[str]


def compare_words(code: KernelCode, count: int, seed: int) -> Iterator[Difference]:
    """Ask both sides what they make of random command lines; yield where they differ."""
    random = Random(seed)
    limits = Limits()
    code.library.oracle_machine(limits.swiotlb, limits.dma_limit, 0, 0)
    for _ in range(count):
        cmdline, total = random_words(random), random_total(random)
        rule = Rule(random.choice((0, 0, 1, 1, 1, 2)), 4 * GIB)
        encoded = cmdline.encode("utf-8", "surrogateescape")
        kernel = told_lines(code.library.oracle_words(encoded, total, rule.number, rule.border))
        ours = words_lines(cmdline, total, code.rules, rule, limits)
        if kernel != ours:
            yield Difference(f"{cmdline!a} with {total:#x} bytes, {rule}", kernel, ours)


def compare_layouts(code: KernelCode, count: int, seed: int) -> Iterator[Difference]:
    """Ask both sides for the regions of random layouts, some searches and a reservation in each."""
    random = Random(seed)
    for _ in range(count):
        layout = random_layout(random)
        memory = layout.memory(code.rules)
        dma_limit, swiotlb = random.choice((GIB, 3 * GIB, 4 * GIB, 0x3F800000)), random.choice((4, 64, 64, 512)) * MIB
        code.library.oracle_machine(swiotlb, dma_limit, layout.movable_node, layout.kernelcore)
        steps = list(layout.steps(code.rules))
        told = told_lines(code.library.oracle_layout((ctypes.c_uint64 * len(steps))(*steps), len(steps) // 4))
        ours = region_lines(memory)
        for _ in range(_SEARCHES):
            told_one, ours_one = _search(code, layout, memory, random)
            told.append(told_one)
            ours.append(ours_one)
        cmdline = random_request(random, layout) if random.random() < 0.9 else random_words(random)
        told += told_lines(code.library.oracle_place(cmdline.encode("utf-8", "surrogateescape")))
        ours += place_lines(memory, cmdline, code.rules, Limits(dma_limit, swiotlb))
        if told != ours:
            yield Difference(f"{cmdline!a} in {layout}, DMA to {dma_limit:#x}, swiotlb {swiotlb:#x}", told, ours)


def _search(code: KernelCode, layout: Layout, memory: Memblock, random: Random) -> tuple[str, str]:
    size, align, window, bottom_up = random_search(random, layout)
    told = code.library.oracle_find(size, align, window.start, window.end, bottom_up)
    ours = memory.find(size, align, window, bottom_up=bottom_up) or 0
    asked = f"{size:#x} aligned to {align:#x} in {window}{' from below' if bottom_up else ''}"
    return f"{asked}: {told:#x}", f"{asked}: {ours:#x}"


def main(argv: list[str] | None = None) -> int:
    """Compare and print a table; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20000, help="command lines for each kernel (default: %(default)s)")
    parser.add_argument("--layouts", type=int, help="layouts for each kernel (default: a tenth of -n)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--suites", default=",".join(SUITES), help="Debian suites, separated by commas")
    parser.add_argument(
        "--show", type=int, default=5, help="differences to print for each kernel (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    layouts = args.n // 10 if args.layouts is None else args.layouts
    sys.stdout.write(_HEAD)
    different = 0
    try:
        with tempfile.TemporaryDirectory(prefix="kexeckit-code-") as folder:
            for suite in args.suites.split(","):
                source = fetch_source(suite)
                for arch in ARCHES:
                    code = build_code(source, arch, Path(folder))
                    words = _told(code, compare_words(code, args.n, args.seed), args.show)
                    places = _told(code, compare_layouts(code, layouts, args.seed), args.show)
                    row = f"| {code.release} | {arch} | {args.n:,} | {words} | {layouts:,} | {places} |\n"
                    sys.stdout.write(row)
                    sys.stdout.flush()
                    different += words + places
    except UnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return 1 if different else 0


def _told(code: KernelCode, differences: Iterator[Difference], most: int) -> int:
    count = 0
    for count, found in enumerate(differences, 1):
        if count <= most:
            lines = [f"{code.release} {code.arch}: {found.question}", *(f"    kernel  {x}" for x in found.kernel)]
            sys.stdout.write("\n".join([*lines, *(f"    ours    {x}" for x in found.ours), ""]))
            sys.stdout.flush()
    return count


if __name__ == "__main__":
    sys.exit(main())
