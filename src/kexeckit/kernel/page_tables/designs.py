"""Three ways to map memory for a jump into a capture kernel, side by side.

The question behind it: tables for all RAM with 2 MiB leaves take about 4 MiB per TiB out of the crash reservation.
One answer is to map only what the capture kernel needs, the other to use 1 GiB leaves.

    all RAM, 2 MiB      RAM |2|2|2|2|2|2|2|2|2|2|2|2|   a PMD page for each GiB
    all RAM, 1 GiB      RAM |   1G  |   1G  |   1G  |   a PUD page for each 512 GiB
    crash ranges only   [0,1M)            |2|2|2| crash regions

Source: the thread "x86_64, kexec: Avoid unnecessary identity mappings for kdump" (2017): the patch's init_pgtable()
and the answer to it.
"""

from collections.abc import Iterable

from kexeckit.frozen import dataclass
from kexeckit.kernel.page_tables.calls import LEGACY
from kexeckit.kernel.page_tables.count import count_tables
from kexeckit.kernel.page_tables.geometry import FOUR_LEVELS, LEAF_1G, LEAF_2M, TableFormat, TablePages
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet


@dataclass(frozen=True, slots=True)
class Design:
    """One way to map memory.

    Attributes:
        name: Short and stable: ``all-2m``, ``all-1g``, ``crash-only``.
        what: What is mapped with which leaves, in words.
        pages: What it costs.
        condition: What it needs, in words, or empty.
    """

    name: str
    what: str
    pages: TablePages
    condition: str = ""


def kdump_only_ranges(crash: Iterable[MemRange], segments: Iterable[MemRange] = ()) -> RangeSet:
    """Return what the patch of the thread maps: the first MiB, each crash region, and the segments."""
    return RangeSet((LEGACY, *crash, *segments))


def compare_designs(
    ram: RangeSet, crash: Iterable[MemRange], segments: Iterable[MemRange] = (), form: TableFormat = FOUR_LEVELS
) -> tuple[Design, ...]:
    """Count the tables of the three designs.

    Args:
        ram: What the kernel has mapped, from `mapped_ram`.
        crash: The crash regions; both parts where there are two.
        segments: The image's segments; inside the crash region they add nothing.
        form: 4 or 5 levels.

    Returns:
        The designs, the largest leaf last but one, the patch last.

    Raises:
        PlanError: A range is beyond what the tables reach.
    """
    parts = tuple(segments)
    every = ram | RangeSet(parts)
    only = kdump_only_ranges(crash, parts)
    return (
        Design("all-2m", "all RAM, 2 MiB leaves", count_tables(every, LEAF_2M, form)),
        Design(
            "all-1g", "all RAM, 1 GiB leaves", count_tables(every, LEAF_1G, form), "a CPU with 1 GiB pages (pdpe1gb)"
        ),
        Design("crash-only", "first MiB and crash regions, 2 MiB leaves", count_tables(only, LEAF_2M, form)),
    )
