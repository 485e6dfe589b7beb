"""Shapes: table levels, leaf sizes, slots, and a count of table pages by level.

A table page of one level has 512 entries (x86_64, 4 KiB pages); an entry maps one *slot*:

    level   an entry maps   a table page spans
    pte     4 KiB           2 MiB
    pmd     2 MiB           1 GiB
    pud     1 GiB           512 GiB
    p4d     512 GiB         256 TiB                5-level paging only
    pgd     512 GiB         256 TiB (4 levels)
            256 TiB         128 PiB (5 levels)

Source: arch/x86/include/asm/pgtable_64_types.h; arch/arm64/include/asm/pgtable-hwdef.h.
"""

from kexeckit.errors import PlanError
from kexeckit.frozen import dataclass
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE, format_size

LEVEL_NAMES = ("pte", "pmd", "pud", "p4d", "pgd")
PTE, PMD, PUD, P4D, PGD = range(5)
LEAF_4K = 4 * KIB
LEAF_2M = 2 * MIB
LEAF_1G = GIB
LEAF_SIZES = {"4K": LEAF_4K, "2M": LEAF_2M, "1G": LEAF_1G}


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The geometry of one kind of page table.

    Attributes:
        levels: 4 or 5 levels of tables; 3 too where all addresses can be used (arm64).
        page_shift: Bits of an offset in a page: 12, 14 or 16.
        half: Whether an identity map can only use the lower half of the addresses (x86: the rest is not canonical).
    """

    levels: int = 4
    page_shift: int = 12
    half: bool = True

    def __post_init__(self) -> None:
        if self.levels not in ((4, 5) if self.half else (3, 4, 5)):
            raise ValueError(f"page tables have 4 or 5 levels (arm64's 3 too), not {self.levels}")
        if self.page_shift not in (12, 14, 16):
            raise ValueError(f"pages are 4, 16 or 64 KiB, not {1 << self.page_shift} bytes")

    @property
    def index_bits(self) -> int:
        """Bits of an index into one table page of 8-byte entries."""
        return self.page_shift - 3

    @property
    def page_size(self) -> int:
        """Bytes of one table page."""
        return 1 << self.page_shift

    def entry_shift(self, depth: int) -> int:
        """Bits of what one entry maps, `depth` levels above the last (0: pte)."""
        return self.page_shift + self.index_bits * depth

    @property
    def limit(self) -> int:
        """First address that cannot be mapped."""
        return 1 << (self.entry_shift(self.levels) - self.half)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the levels from the last to the first; a folded level has none."""
        return (*LEVEL_NAMES[: self.levels - 1], "pgd")

    def check(self, end: int) -> None:
        """Refuse addresses that the tables cannot express.

        Args:
            end: First byte behind the last range.

        Raises:
            PlanError: `end` is beyond the limit.
        """
        if end > self.limit:
            raise PlanError(
                f"mapping up to {end:#x} with {self.levels} levels",
                f"they reach {format_size(self.limit)}",
                remedy="" if self.levels == 5 else "use 5 levels (--levels 5)",
            )


FOUR_LEVELS = TableFormat(4)


@dataclass(frozen=True, slots=True)
class TablePages:
    """Table pages by level.

    Attributes:
        pgd: The root: 1, or 0 for "no table".
        p4d: 5-level paging only.
        pud: Tables whose entries map 1 GiB each (x86_64).
        pmd: Tables whose entries map 2 MiB each.
        pte: Tables whose entries map 4 KiB each.
        page_size: Bytes of a table page.
    """

    pgd: int = 0
    p4d: int = 0
    pud: int = 0
    pmd: int = 0
    pte: int = 0
    page_size: int = PAGE_SIZE

    def __post_init__(self) -> None:
        if min(self.pgd, self.p4d, self.pud, self.pmd, self.pte) < 0:
            raise ValueError(f"negative number of table pages: {self}")

    @property
    def total(self) -> int:
        """All pages."""
        return self.pgd + self.p4d + self.pud + self.pmd + self.pte

    @property
    def size(self) -> int:
        """Bytes of all pages."""
        return self.total * self.page_size
