"""An oracle: a kernel's identity mapping, entry by entry and page by page, with no short cut."""

from collections.abc import Iterable

from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.memory.range import MemRange

GIB = 1 << 30
BITS = 9


class SlowTables:
    """Tables as a dictionary: (depth, first address) of a page to its entries by index."""

    def __init__(self, rule: LeafRule, levels: int) -> None:
        self.rule = rule
        self.levels = levels
        self.pages: dict[tuple[int, int], dict[int, str]] = {(levels - 1, 0): {}}

    def map(self, calls: Iterable[MemRange]) -> "SlowTables":
        """Map each range in order."""
        for call in calls:
            self._map(self.levels - 1, 0, call.start, call.end)
        return self

    def _map(self, depth: int, base: int, start: int, end: int) -> None:
        size = 1 << (12 + BITS * depth)
        page = self.pages[depth, base]
        at = start
        while at < end:
            slot = at // size * size
            behind = min(slot + size, end)
            index = slot // size % 512
            entry = page.get(index, "")
            if entry == "leaf":
                pass
            elif self._is_leaf(depth, size, at, behind, entry):
                page[index] = "leaf"
            else:
                if not entry:
                    page[index] = "link"
                    self.pages[depth - 1, slot] = {}
                self._map(depth - 1, slot, at, behind)
            at = behind

    def _is_leaf(self, depth: int, size: int, at: int, behind: int, entry: str) -> bool:
        if self.rule.only_full and size == GIB:
            return behind - at == GIB and not entry
        return size == self.rule.largest or depth == 0 or (self.rule.only_full and size == 1 << 21)

    def count(self, depth: int) -> int:
        """How many pages of one level there are."""
        return sum(1 for d, _ in self.pages if d == depth)

    def order(self) -> list[tuple[int, int]]:
        """Depth and first address of each page in the order in which they were made."""
        return list(self.pages)

    def leaves(self) -> set[tuple[int, int]]:
        """Address and size of each leaf."""
        return {
            (base + (i << (12 + BITS * d)), 1 << (12 + BITS * d))
            for (d, base), page in self.pages.items()
            for i, entry in page.items()
            if entry == "leaf"
        }
