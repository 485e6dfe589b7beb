"""Where the control pages of a crash image lie: a cursor that moves up through the crash region.

A crash image takes its control pages from the reservation itself, never from free memory. The cursor starts at the
region's start and only goes up; it jumps over segments and never comes back to the gaps it left:

    crash region  |elfcorehdr|code|pgd|pud|pmd|...|vmcoreinfo|        initrd | kernel | ...
                              ^ cursor ------------------------->

Source: kernel/kexec_core.c, kimage_alloc_crash_control_pages(); order of use: kernel/kexec.c, do_kexec_load();
kernel/kexec_file.c; arch/x86/kernel/machine_kexec_64.c, machine_kexec_prepare().
"""

from collections.abc import Sequence

from kexeckit.errors import PlanError
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import PAGE_SIZE, align_up, format_size


@dataclass(frozen=True, slots=True)
class CrashControlPages:
    """The control pages of an x86_64 crash image.

    Attributes:
        code: The page that the jump runs in.
        tables: The table pages in order of allocation; the first is the PGD.
        vmcoreinfo: The page for the copy of vmcoreinfo; None where the kernel makes none.
        cursor: Where the next control page would be searched from.
    """

    code: int
    tables: Frames
    vmcoreinfo: int | None
    cursor: int


class ControlCursor:
    """The cursor itself.

    Args:
        region: The main crash region.
        segments: The image's segments.
    """

    def __init__(self, region: MemRange, segments: Sequence[MemRange]) -> None:
        self._region = region
        self._segments = tuple(segments)
        self.at = region.start

    def take(self, size: int) -> MemRange:
        """Take one block.

        Args:
            size: Bytes, a power of two of pages; the block is aligned to it.

        Raises:
            PlanError: The region is used up.
        """
        start = align_up(self.at, size)
        while start + size <= self._region.end:
            block = MemRange.from_size(start, size)
            hit = next((s for s in self._segments if s.overlaps(block)), None)
            if hit is None:
                self.at = block.end
                return block
            start = align_up(hit.end, size)
        free = RangeSet((self._region,)) - RangeSet(self._segments)
        raise PlanError(
            f"a control page of {size} bytes inside {self._region}",
            "the cursor reached the end of the crash region (the kernel gives ENOMEM)",
            fits=f"{format_size(free.size)} are left between the segments, but it never goes back",
            remedy="reserve a larger crash region",
        )


def crash_control_pages(
    region: MemRange, segments: Sequence[MemRange], table_pages: int, behaviour: KernelBehaviour
) -> CrashControlPages:
    """Place the control pages of an x86_64 crash image.

    Args:
        region: The main crash region.
        segments: The image's segments in its order.
        table_pages: All table pages, the PGD included.
        behaviour: The running kernel.

    Raises:
        PlanError: The region is used up.
    """
    cursor = ControlCursor(region, segments)
    if behaviour.pgd_separate_page:
        code = cursor.take(PAGE_SIZE).start
        tables = [cursor.take(PAGE_SIZE)]
    else:
        # One aligned pair: the PGD, then the code.
        pair = cursor.take(2 * PAGE_SIZE)
        code = pair.start + PAGE_SIZE
        tables = [MemRange.from_size(pair.start, PAGE_SIZE)]
    tables += _take_pages(cursor, table_pages - 1)
    vmcoreinfo = cursor.take(PAGE_SIZE).start if behaviour.vmcoreinfo_copied else None
    return CrashControlPages(code, Frames(*tables), vmcoreinfo, cursor.at)


def _take_pages(cursor: ControlCursor, count: int) -> list[MemRange]:
    # Single pages, joined into runs as long as nothing lies between them.
    runs: list[MemRange] = []
    for _ in range(count):
        page = cursor.take(PAGE_SIZE)
        if runs and runs[-1].end == page.start:
            runs[-1] = MemRange(runs[-1].start, page.end)
        else:
            runs.append(page)
    return runs
