"""Whether the memory map of a boot log is whole: what the kernel says of its memory later tells.

    BIOS-e820 lines    every early memory node range lies in entries of the table
    node ranges        add up to what the "Memory:" line counts

A lost line (a serial console that dropped it, a ring buffer that wrapped, an editor) leaves a map that reads well and
is wrong.

Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), mem_init_print_info(), get_num_physpages(): the pages of
memblock.memory, which is the RAM of the e820 table without what mem= and the like took away.
"""

from dataclasses import replace
from itertools import pairwise

from kexeckit.errors import InputError
from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.memory import counted_memory, node_ranges, whole_node_ranges
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.reservation.early import early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB

# The first page, the first 64 KiB of older kernels and what EFI reserves in the table later differ.
_SLACK = MIB


def with_whole_map(facts: ReservationInput, log: BootLog) -> ReservationInput:
    """Return the facts with a map that agrees with the rest of the log.

    Where the firmware's map is not whole but the early memory node ranges are, they stand in for it.

    Args:
        facts: What was read from the log.
        log: The boot.

    Raises:
        InputError: Neither agrees with what the kernel counted.
    """
    nodes = RangeSet(n.range for n in node_ranges(log))
    lost = nodes - RangeSet(MemRange(start, end) for start, end, _ in facts.table if start < end)
    if facts.table and lost.size > _SLACK:
        facts = _of_nodes(facts, log, lost)
    counted, line = counted_memory(log) or (0, 0)
    seen = replace(facts, cmdline=facts.cmdline if facts.seen_cmdline is None else facts.seen_cmdline)
    memory = max(early_memory(seen).memory.total, nodes.size)
    if memory + _SLACK >= counted:
        return facts
    raise InputError(
        log.source,
        f"the memory map adds up to {memory:#x} bytes, but the kernel counted {counted:#x}: lines of it are missing",
        line=line,
    )


def log_regions(log: BootLog) -> tuple[Region, ...]:
    """Return the early memory node ranges as memblock's regions, by address.

    Raises:
        InputError: They are cut off, or overlap.
    """
    nodes = sorted(whole_node_ranges(log), key=lambda n: n.range)
    for last, after in pairwise(nodes):
        if after.range.start < last.range.end:
            raise InputError(log.source, "the early memory node ranges overlap", line=after.line)
    return tuple(Region(n.range, n.node) for n in nodes)


def _of_nodes(facts: ReservationInput, log: BootLog, lost: RangeSet) -> ReservationInput:
    first = next(iter(lost))
    note = (
        f"the firmware's map in the log says nothing of [{first.start:#x}, {first.end:#x}), which is memory: "
        "lines of it are missing; the early memory node ranges are used instead"
    )
    return replace(facts, table=(), changes=(), regions=log_regions(log), notes=(*facts.notes, note))
