"""Which RAM a dump describes: the ranges of the elfcorehdr's PT_LOADs, cut exactly as a kernel cuts them.

    System RAM   |--------------------------------------|
    low 1 MiB    |xx|                                         x86 only: always reserved, never dumped
    crash kernel                  |xxxxxxx|
    result          |------------|         |------------|

Source: arch/x86/kernel/crash.c, elf_header_exclude_ranges(); kernel/kexec_file.c (kernel/crash_core.c since 6.7),
crash_exclude_mem_range() and crash_prepare_elf64_headers().
"""

from collections.abc import Iterable, Sequence

from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, PAGE_SIZE, align_up

ELF64_EHDR_SIZE = 64
ELF64_PHDR_SIZE = 56
LOW_MEMORY = MemRange(0, MIB)


def exclude_range(ranges: Sequence[MemRange], gone: MemRange, *, stops_at_partial: bool) -> list[MemRange]:
    """Remove `gone` from sorted ranges as a kernel does.

    Args:
        ranges: Sorted and disjoint; neighbours are not merged.
        gone: What to remove.
        stops_at_partial: `KernelBehaviour.exclude_stops_at_partial`: before 6.8 the first range that is cut or split
            ends the work, so that a part of `gone` in a later range stays.

    Returns:
        What is left.
    """
    out: list[MemRange] = []
    done = False
    for r in ranges:
        if done or not r.overlaps(gone):
            out.append(r)
            continue
        left = [MemRange(r.start, gone.start)] if r.start < gone.start else []
        right = [MemRange(gone.end, r.end)] if gone.end < r.end else []
        out += left + right
        done = stops_at_partial and bool(left or right)
    return out


def dumped_ranges(
    ram: Iterable[MemRange], excluded: Iterable[MemRange | None], behaviour: KernelBehaviour
) -> tuple[MemRange, ...]:
    """Return the ranges that get a PT_LOAD.

    Args:
        ram: System RAM resources (x86) or memblock regions (arm64), sorted, neighbours apart.
        excluded: What is cut out, in the kernel's order; None entries are skipped.
        behaviour: The kernel that is running.
    """
    left = list(ram)
    for gone in excluded:
        if gone is not None:
            left = exclude_range(left, gone, stops_at_partial=behaviour.exclude_stops_at_partial)
    return tuple(left)


def elfcorehdr_size(possible_cpus: int, load_ranges: int) -> int:
    """Return the bytes of the headers that the kernel writes: whole pages.

    A slot for every possible CPU, one for vmcoreinfo, one for the kernel text (counted even where it is not written).

    Source: crash_prepare_elf64_headers().
    """
    headers = possible_cpus + 1 + load_ranges + 1
    return align_up(ELF64_EHDR_SIZE + headers * ELF64_PHDR_SIZE, PAGE_SIZE)
