"""Which leaf sizes a mapping uses, and which bits its entries carry."""

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.page_tables.geometry import LEAF_1G, LEAF_2M, LEAF_4K

# Present, writable, accessed, dirty, global; with the page-size bit for 2 MiB and 1 GiB.
LARGE_LEAF = 0x1E3  # __PAGE_KERNEL_LARGE_EXEC
SMALL_LEAF = 0x163  # __PAGE_KERNEL_EXEC
LINK = 0x063  # _KERNPG_TABLE_NOENC
NO_PTI_SHADOW = 1 << 58  # _PAGE_NOPTISHADOW


@dataclass(frozen=True, slots=True)
class LeafRule:
    """Which leaves are made.

    Attributes:
        largest: Bytes of the largest leaf; every touched slot of that size gets one, rounded outwards, unless...
        only_full: ...1 GiB leaves are made only where one call covers the whole slot and the slot is empty; the rest
            gets 2 MiB leaves, rounded outwards (6.12+).
        upper_link: Bits of an entry whose slot is 512 GiB or more.
        link: Bits of an entry that points to a lower table.
    """

    largest: int
    only_full: bool = False
    upper_link: int = LINK
    link: int = LINK

    def __post_init__(self) -> None:
        if self.largest not in (LEAF_4K, LEAF_2M, LEAF_1G):
            raise ValueError(f"no x86_64 leaf maps {self.largest} bytes")
        if self.only_full and self.largest != LEAF_1G:
            raise ValueError("only 1 GiB leaves have a rule about full slots")

    @property
    def leaf_bits(self) -> int:
        """Bits of a leaf entry of any size this rule makes."""
        return SMALL_LEAF if self.largest == LEAF_4K else LARGE_LEAF


def kernel_rule(behaviour: KernelBehaviour, *, gbpages: bool) -> LeafRule:
    """Return the rule of a kernel.

    Args:
        behaviour: What the kernel does by version.
        gbpages: Whether it maps with 1 GiB pages at all: the CPU can (pdpe1gb), no ``nogbpages``, no debug_pagealloc.
            Its boot log says "Using GB pages for direct mapping".

    Source: arch/x86/mm/ident_map.c, ident_pud_init(); arch/x86/mm/init.c, probe_page_size_mask().
    """
    upper = LINK | NO_PTI_SHADOW if behaviour.ident_link_no_pti else LINK
    large = gbpages and behaviour.gb_leaves
    return LeafRule(LEAF_1G if large else LEAF_2M, large and behaviour.gb_leaf_only_when_full, upper)
