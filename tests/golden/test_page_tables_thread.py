"""The numbers of the thread "Avoid unnecessary identity mappings for kdump", and of recorded guests."""

import pytest

from guest3g import CRASH, MACHINE
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.page_tables.build import build_tables
from kexeckit.kernel.page_tables.calls import kernel_calls
from kexeckit.kernel.page_tables.control_pages import CrashControlPages, crash_control_pages
from kexeckit.kernel.page_tables.count import count_tables
from kexeckit.kernel.page_tables.designs import compare_designs
from kexeckit.kernel.page_tables.geometry import LEAF_1G, LEAF_2M, TableFormat, TablePages
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables
from kexeckit.kernel.page_tables.rule import kernel_rule
from kexeckit.kernel.page_tables.walk import walk_tables
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import KIB, MIB, TIB

ALL = RangeSet((MemRange(0, 24 * TIB),))


def test_24_tib_with_2_mib_leaves_takes_4_mib_per_tib() -> None:
    """As the patch says: a machine of 24 TB wastes around 96 MB."""
    pages = count_tables(ALL, LEAF_2M)
    assert pages.pmd * 4 * KIB == 96 * MIB
    assert pages == TablePages(pgd=1, pud=48, pmd=24576)


def test_24_tib_with_1_gib_leaves_takes_192_kib() -> None:
    """As the answer says: about 192K for page tables."""
    pages = count_tables(ALL, LEAF_1G)
    assert pages.pud * 4 * KIB == 192 * KIB
    assert pages.pmd == 0


def test_three_designs_stand_side_by_side() -> None:
    """All RAM with either leaf, and the patch: the first MiB and the crash region."""
    crash = MemRange.from_size(2 * TIB, 512 * MIB)
    designs = {d.name: d.pages for d in compare_designs(ALL, [crash])}
    assert designs["all-2m"].size == 96 * MIB + 192 * KIB + 4 * KIB
    assert designs["all-1g"].size == 192 * KIB + 4 * KIB
    assert designs["crash-only"] == TablePages(pgd=1, pud=2, pmd=2)


# The recorded guests: 3 GiB has its RAM end at 0xbffe0000, more lies from 4 GiB on.
GUESTS = [
    ("6.1", 3, 4, True, [0xAE002000, 0xAE004000], 0xAE003000, 0xAE005000),
    ("6.1", 3, 5, True, [0xAE002000, 0xAE004000, 0xAE005000], 0xAE003000, 0xAE006000),
    ("6.1", 5, 4, False, [0xAE002000, *range(0xAE004000, 0xAE00A000, 4096)], 0xAE003000, 0xAE00A000),
    ("6.12.107", 3, 4, True, [0xAE0E2000, 0xAE0E3000, 0xAE0E4000], 0xAE0E1000, 0xAE0E5000),
    ("6.12.107", 9, 4, True, [0xAE0E2000, 0xAE0E3000, 0xAE0E4000], 0xAE0E1000, 0xAE0E5000),
    ("6.12.107", 5, 5, True, list(range(0xAE0E2000, 0xAE0E6000, 4096)), 0xAE0E1000, 0xAE0E6000),
]


def guest(gib: int) -> ResourceTree:
    """The recorded guest with more memory above 4 GiB."""
    high = Resource(MemRange.from_size(4 << 30, (gib - 3) << 30), "System RAM") if gib > 3 else None
    return ResourceTree((*MACHINE.resources.roots, *([high] if high else [])))


def control_pages(version: str, gib: int, levels: int, gbpages: bool) -> CrashControlPages:
    """The control pages of a crash image that has only its elfcorehdr near the start of the region."""
    behaviour = behaviour_of(parse_kernel_version(version))
    calls = kernel_calls(guest(gib), behaviour)
    rule = kernel_rule(behaviour, gbpages=gbpages)
    pages = count_kernel_tables(calls.ram, calls.extra_ranges, rule, TableFormat(levels))
    header = 0xE1000 if behaviour.elfcorehdr_hotplug_room else 0x1000
    segments = [MemRange.from_size(CRASH.start, header), MemRange(CRASH.end - 64 * MIB, CRASH.end)]
    return crash_control_pages(CRASH, segments, pages.total, behaviour)


@pytest.mark.parametrize(("version", "gib", "levels", "gbpages", "tables", "code", "vmcoreinfo"), GUESTS)
def test_control_pages_lie_where_they_were_seen(
    version: str, gib: int, levels: int, gbpages: bool, tables: list[int], code: int, vmcoreinfo: int
) -> None:
    """Code page, PGD, every table page and the vmcoreinfo copy."""
    found = control_pages(version, gib, levels, gbpages)
    assert (found.code, found.vmcoreinfo) == (code, vmcoreinfo)
    assert [found.tables.address(i) for i in range(found.tables.count)] == tables


def test_built_tables_of_the_recorded_guest_have_the_recorded_entries() -> None:
    """6.12, 3 GiB: two 1 GiB leaves, the third GiB in 2 MiB leaves; bit 58 in the root's link only."""
    behaviour = behaviour_of(parse_kernel_version("6.12.107"))
    calls = kernel_calls(guest(3), behaviour)
    rule = kernel_rule(behaviour, gbpages=True)
    pages = count_kernel_tables(calls.ram, calls.extra_ranges, rule)
    built = build_tables(calls.in_order, rule, pages, control_pages("6.12.107", 3, 4, True).tables)
    root, pud = built.page(0xAE0E2000).cast("Q"), built.page(0xAE0E3000).cast("Q")
    assert root[0] == 0x4000000AE0E3063
    assert list(pud[:4]) == [0x1E3, 0x400001E3, 0xAE0E4063, 0]
    mappings, _ = walk_tables(built.page, built.root, 4)
    assert [(m.virtual, m.size, m.leaf) for m in mappings] == [
        (0, 2 << 30, LEAF_1G),
        (2 << 30, 1 << 30, LEAF_2M),
    ]
