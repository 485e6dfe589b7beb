"""The image in the running kernel: cost, entries, and what the kernel refuses."""

import errno
from dataclasses import replace

import pytest

from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.kimage import image_cost, indirection_pages
from kexeckit.kernel.load.kimage_check import (
    NO_LIMIT,
    X86_64_LIMIT_LA57,
    ImageLimits,
    RawSegment,
    check_kexec_load,
    check_segments,
)
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB

CRASH = MemRange(0xAE000000, 0xBE000000)
LIMITS = ImageLimits(CRASH, total_pages=100_000)
GOOD = RawSegment(0xAE000000, 0x2000, 0x1800, "kernel")


def pages_of(number: int, start: int = MIB) -> MemRange:
    """A range of so many pages."""
    return MemRange.from_size(start, number * 4096)


@pytest.mark.parametrize(("pages", "chain"), [(1024, 3), (510, 1), (511, 2), (1, 1)])
def test_a_page_of_entries_holds_511(pages: int, chain: int) -> None:
    """One entry for the destination, one per page, one at the end; a link takes the last word of a page."""
    assert indirection_pages([pages_of(pages)]) == chain


def test_cost_of_a_normal_image() -> None:
    """Source pages, entries, tables, swap page; 5.10 to 6.13 move each page three times."""
    tables = TablePages(pgd=1, pud=1, pmd=3)
    segments = [pages_of(1024), pages_of(2, 64 * MIB)]
    old = image_cost(segments, tables, behaviour_of(parse_kernel_version("6.1")), crash=False)
    assert (old.source_pages, old.indirection_pages, old.entries) == (1026, 3, 1028)
    assert (old.code_pages, old.table_pages, old.swap_pages, old.vmcoreinfo_pages) == (2, 4, 1, 0)
    assert (old.control_pages, old.total_pages) == (7, 1026 + 3 + 7)
    assert (old.bytes_placed, old.bytes_copied) == (1026 * 4096, 3 * 1026 * 4096)
    new = image_cost(segments, tables, behaviour_of(parse_kernel_version("6.14")), crash=False)
    assert (new.code_pages, new.table_pages, new.bytes_copied) == (1, 5, 1026 * 4096)
    assert new.total_pages == old.total_pages


def test_cost_of_a_crash_image() -> None:
    """Nothing is copied; control pages come out of the reservation, with one for vmcoreinfo."""
    cost = image_cost([CRASH], TablePages(pgd=1, pud=1), behaviour_of(parse_kernel_version("6.1")), crash=True)
    assert (cost.source_pages, cost.indirection_pages, cost.bytes_copied, cost.entries) == (0, 0, 0, 0)
    assert (cost.control_pages, cost.from_region) == (4, True)


def test_good_image_is_accepted() -> None:
    """Entry and segments inside the crash region."""
    assert check_kexec_load(0xAE000000, [GOOD], LIMITS, crash=True) is None
    assert check_kexec_load(5, [], LIMITS, crash=True) is None


@pytest.mark.parametrize(
    ("segments", "entry", "limits", "number", "why"),
    [
        ([GOOD] * 17, 0, LIMITS, errno.EINVAL, "at most 16"),
        ([GOOD], 0xBE000000, LIMITS, errno.EADDRNOTAVAIL, "entry 0xbe000000 is outside"),
        ([GOOD], 0xAE000000, ImageLimits(), errno.EADDRNOTAVAIL, "entry 0xae000000 is outside"),
        ([GOOD], 1, ImageLimits(), errno.EADDRNOTAVAIL, "entry 0x1 is outside the crash region (there is none)"),
        ([GOOD], 0, ImageLimits(), errno.EADDRNOTAVAIL, "kernel [0xae000000, 0xae002000) is outside the main crash"),
        ([replace(GOOD, mem=2**64 - 4096)], 0xAE000000, LIMITS, errno.EADDRNOTAVAIL, "wraps"),
        ([replace(GOOD, mem=0xAE000010)], 0xAE000000, LIMITS, errno.EADDRNOTAVAIL, "whole pages"),
        ([replace(GOOD, memsz=0x1801)], 0xAE000000, LIMITS, errno.EADDRNOTAVAIL, "whole pages"),
        (
            [replace(GOOD, mem=(1 << 46) - 0x1000)],
            0xAE000000,
            LIMITS,
            errno.EADDRNOTAVAIL,
            "the limit is 0x3fffffffffff",
        ),
        ([GOOD, GOOD], 0xAE000000, LIMITS, errno.EINVAL, "overlaps kernel"),
        ([replace(GOOD, bufsz=0x2001)], 0xAE000000, LIMITS, errno.EINVAL, "of content"),
        ([GOOD], 0xAE000000, replace(LIMITS, total_pages=3), errno.EINVAL, "kernel takes 2 pages, half of RAM is 1"),
        (
            [GOOD, replace(GOOD, mem=0xAF000000)],
            0xAE000000,
            replace(LIMITS, total_pages=7),
            errno.EINVAL,
            "all segments take 4 pages, half of RAM is 3",
        ),
        ([replace(GOOD, mem=0xBDFFF000)], 0xAE000000, LIMITS, errno.EADDRNOTAVAIL, "outside the main crash region"),
        ([replace(GOOD, mem=0x1000)], 0xAE000000, LIMITS, errno.EADDRNOTAVAIL, "outside the main crash region"),
    ],
)
def test_each_limit_has_the_kernels_errno(
    segments: list[RawSegment], entry: int, limits: ImageLimits, number: int, why: str
) -> None:
    """One refusal per check."""
    found = check_kexec_load(entry, segments, limits, crash=True)
    assert found is not None
    assert found.errno == number
    assert why in found.why


def test_order_of_checks_decides_the_errno() -> None:
    """Unaligned and overlapping: the address is looked at first. Overlap before size."""
    unaligned = replace(GOOD, mem=0xAE000010)
    first = check_segments([GOOD, unaligned], LIMITS, crash=True)
    assert first is not None
    assert (first.name, first.segment) == ("EADDRNOTAVAIL", 1)
    both = check_segments([GOOD, replace(GOOD, bufsz=0x3000)], LIMITS, crash=True)
    assert both is not None
    assert both.why == "kernel overlaps kernel"


def test_unknown_memory_leaves_its_check_out() -> None:
    """Nothing is guessed; other limits still hold."""
    huge = RawSegment(MIB, 1 << 40, 1, "huge")
    assert check_segments([huge], ImageLimits(), crash=False) is None
    far = RawSegment(1 << 47, 4096, 1, "far")
    assert check_segments([far], ImageLimits(destination=X86_64_LIMIT_LA57), crash=False) is None
    assert check_segments([far], ImageLimits(destination=NO_LIMIT), crash=False) is None
    assert check_segments([far], ImageLimits(), crash=False) is not None


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (ImageLimits(), (1 << 46) - 1),
        (ImageLimits(destination=X86_64_LIMIT_LA57), (1 << 52) - 1),
        (ImageLimits(destination=NO_LIMIT), (1 << 64) - 1),
    ],
)
def test_the_end_of_a_segment_is_below_the_limit(limits: ImageLimits, limit: int) -> None:
    """MAXMEM - 1 on x86_64, of 46 or 52 bits; elsewhere all of them: the last page that may end is one before.

    Source: arch/x86/include/asm/kexec.h, KEXEC_DESTINATION_MEMORY_LIMIT; include/linux/kexec.h.
    """
    last = (limit + 1) - 0x2000
    assert check_segments([RawSegment(last, 0x1000, 1)], limits, crash=False) is None
    found = check_segments([RawSegment(last, 0x2000, 1)], limits, crash=False)
    assert found is not None
    assert found.errno == errno.EADDRNOTAVAIL


def test_a_segment_that_wraps() -> None:
    """Ends are of 64 bits: one that wraps is refused for that, one that ends at the very last page is not."""
    top = (1 << 64) - 0x3000
    wraps = check_segments([RawSegment(top, 0x4000, 1)], ImageLimits(destination=NO_LIMIT), crash=False)
    assert wraps is not None
    assert "wraps" in wraps.why
    assert check_segments([RawSegment(top, 0x2000, 1)], ImageLimits(destination=NO_LIMIT), crash=False) is None


@pytest.mark.parametrize(("count", "refused"), [(16, False), (17, True)])
def test_a_list_has_at_most_16_segments(count: int, *, refused: bool) -> None:
    """KEXEC_SEGMENT_MAX."""
    segments = [RawSegment(MIB + n * 0x1000, 0x1000, 1) for n in range(count)]
    assert (check_kexec_load(MIB, segments, ImageLimits(), crash=False) is not None) is refused


@pytest.mark.parametrize(
    ("size", "total", "refused"),
    [(10, 20, False), (10, 19, True), (11, 20, True), (5, 20, False), (5, 19, True)],
)
def test_segments_take_at_most_half_of_ram(size: int, total: int, *, refused: bool) -> None:
    """Each alone, and all together: of two of 5 pages, too."""
    count = 1 if size >= 10 else 2
    segments = [RawSegment(MIB + n * 0x100000, size * 4096, 1) for n in range(count)]
    found = check_segments(segments, ImageLimits(total_pages=total), crash=False)
    assert (found is not None) is refused


@pytest.mark.parametrize(
    ("entry", "start", "size", "refused"),
    [
        (CRASH.start, CRASH.start, 0x1000, False),
        (CRASH.start - 1, CRASH.start, 0x1000, True),
        (CRASH.end - 1, CRASH.end - 0x1000, 0x1000, False),
        (CRASH.end, CRASH.end - 0x1000, 0x1000, True),
        (CRASH.start, CRASH.start - 0x1000, 0x1000, True),
        (CRASH.start, CRASH.end - 0x1000, 0x2000, True),
    ],
)
def test_a_crash_image_lies_in_its_region(entry: int, start: int, size: int, *, refused: bool) -> None:
    """Entry and segments, both ends of the region included."""
    found = check_kexec_load(entry, [RawSegment(start, size, 1)], ImageLimits(CRASH), crash=True)
    assert (found is not None) is refused
    if found:
        assert found.name == "EADDRNOTAVAIL"
