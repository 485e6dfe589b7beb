"""The image in the running kernel's memory: what it costs to load and what is copied at the jump.

Theory: a normal image cannot be put in its place while the old kernel lives there. Each of its pages is kept in a
*source page* that is not a destination; a chain of *entries* says what goes where, read by the code that runs last:

    head -> | DEST a | SRC p0 | SRC p1 | ... | DEST b | SRC q0 | ... | INDIRECTION ->
         -> | SRC qn | DEST c | SRC r0 | ... | DONE |

A page of entries holds 512 words: 511 entries and the link to the next page. DONE goes into the next free word, which
may be the link's, so it never needs a page of its own.

A crash image needs none of this: its segments are filled in place, inside the reservation.

Source: kernel/kexec_core.c, kimage_add_entry(), kimage_load_normal_segment(), kimage_load_crash_segment(),
kimage_terminate(); arch/x86/kernel/relocate_kernel_64.S, swap_pages.
"""

from collections.abc import Sequence

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE

ENTRIES_PER_PAGE = 511


@dataclass(frozen=True, slots=True)
class ImageCost:
    """What one loaded image costs; pages of 4 KiB.

    Attributes:
        source_pages: Pages that hold the content until the jump; 0 for a crash image.
        indirection_pages: Pages of entries; 0 for a crash image.
        code_pages: The control code (x86_64 before 6.14: with the PGD).
        table_pages: Page tables besides that.
        swap_pages: The page through which pages are exchanged; 1 for a normal image.
        vmcoreinfo_pages: The safe copy of vmcoreinfo; 1 for a crash image since 4.13.
        entries: Entries without DONE.
        bytes_placed: Bytes that the jump puts into their places.
        bytes_copied: Bytes that it moves for that: kernels that exchange pages copy each one three times.
        from_region: Whether control pages come out of the crash reservation instead of free memory.
    """

    source_pages: int
    indirection_pages: int
    code_pages: int
    table_pages: int
    swap_pages: int
    vmcoreinfo_pages: int
    entries: int
    bytes_placed: int
    bytes_copied: int
    from_region: bool

    @property
    def control_pages(self) -> int:
        """Pages that the jump itself needs."""
        return self.code_pages + self.table_pages + self.swap_pages + self.vmcoreinfo_pages

    @property
    def total_pages(self) -> int:
        """All pages that loading takes besides the segments of a crash image."""
        return self.source_pages + self.indirection_pages + self.control_pages


def indirection_pages(segments: Sequence[MemRange]) -> int:
    """Return how many pages of entries a normal image needs.

    Source: kernel/kexec_core.c, kimage_add_entry().
    """
    return -(-_entries(segments) // ENTRIES_PER_PAGE)


def _entries(segments: Sequence[MemRange]) -> int:
    # One destination for each segment, one source for each of its pages.
    return sum(1 + s.size // PAGE_SIZE for s in segments)


def image_cost(
    segments: Sequence[MemRange], tables: TablePages, behaviour: KernelBehaviour, *, crash: bool
) -> ImageCost:
    """Count what an x86_64 image costs.

    Args:
        segments: Destinations, whole pages.
        tables: Its identity tables, the root included.
        behaviour: The running kernel.
        crash: Whether it is a capture kernel.

    Source: kernel/kexec.c, do_kexec_load(); kernel/kexec_file.c, kimage_file_alloc_init().
    """
    placed = 0 if crash else sum(s.size for s in segments)
    # Before 6.14 the root is the first of two pages that are allocated together with the code.
    code = 1 if behaviour.pgd_separate_page else 2
    return ImageCost(
        source_pages=placed // PAGE_SIZE,
        indirection_pages=0 if crash else indirection_pages(segments),
        code_pages=code,
        table_pages=tables.total - (code - 1),
        swap_pages=0 if crash else 1,
        vmcoreinfo_pages=int(crash and behaviour.vmcoreinfo_copied),
        entries=0 if crash else _entries(segments),
        bytes_placed=placed,
        bytes_copied=placed * behaviour.jump_copies_per_page,
        from_region=crash,
    )
