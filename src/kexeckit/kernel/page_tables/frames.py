"""Which physical pages the table pages are: page number i of a build to its address and back."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Pages with consecutive numbers and consecutive addresses.

    Attributes:
        first: Number of the first page, relative to what was asked for.
        address: Its physical address.
        count: How many.
    """

    first: int
    address: int
    count: int


class Frames:
    """Physical pages in the order in which they are used.

    Args:
        runs: Page-aligned ranges, disjoint, in order of use; need not be sorted by address.

    Raises:
        ValueError: A range is not made of whole pages.
    """

    __slots__ = ("_by_address", "_firsts", "_runs", "count")

    def __init__(self, *runs: MemRange) -> None:
        if any(r.start % PAGE_SIZE or r.end % PAGE_SIZE for r in runs):
            raise ValueError("frames are whole pages")
        self._runs = runs
        sizes = list(accumulate(r.size // PAGE_SIZE for r in runs))
        self._firsts = [0, *sizes[:-1]]
        self._by_address = sorted((r.start, i) for i, r in enumerate(runs))
        self.count = sizes[-1] if sizes else 0

    def address(self, number: int) -> int:
        """Return the physical address of page `number`.

        Raises:
            IndexError: There are fewer pages.
        """
        if not 0 <= number < self.count:
            raise IndexError(f"page {number} of {self.count}")
        at = bisect_right(self._firsts, number) - 1
        return self._runs[at].start + (number - self._firsts[at]) * PAGE_SIZE

    def number(self, address: int) -> int:
        """Return the number of the page at a physical address.

        Raises:
            KeyError: No page of the build is there.
        """
        at = bisect_right(self._by_address, (address, len(self._runs))) - 1
        if at >= 0:
            index = self._by_address[at][1]
            if self._runs[index].holds(address):
                return self._firsts[index] + (address - self._runs[index].start) // PAGE_SIZE
        raise KeyError(f"no table page at {address:#x}")

    def runs(self, first: int, count: int) -> Iterator[FrameRun]:
        """Yield the pages `first` to ``first + count - 1`` as runs of consecutive addresses."""
        done = 0
        while done < count:
            at = bisect_right(self._firsts, first + done) - 1
            left = self._runs[at].end - self.address(first + done)
            step = min(count - done, left // PAGE_SIZE)
            yield FrameRun(done, self.address(first + done), step)
            done += step
