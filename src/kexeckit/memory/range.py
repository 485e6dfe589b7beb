"""`MemRange`: one range of physical addresses that is never empty.

Rules of this file:
    1. A range is half-open, ``[start, end)``, in bytes. ``last`` is the last byte that belongs to it.
    2. There is no empty range: an operation that could yield one returns ``None`` instead.
    3. Data with inclusive ends (iomem, e820 logs, EFI logs) enters by `from_inclusive` and by nothing else.
"""

from dataclasses import dataclass
from typing import Self

from kexeckit.memory.units import ADDRESS_LIMIT, align_down, align_up


@dataclass(frozen=True, slots=True, order=True)
class MemRange:
    """Physical addresses ``[start, end)``, in bytes.

    Attributes:
        start: First byte.
        end: First byte that no longer belongs to the range.

    Raises:
        ValueError: Empty, reversed, negative or beyond 2^64.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= ADDRESS_LIMIT:
            raise ValueError(f"no memory range: start {self.start:#x}, end {self.end:#x} (end is exclusive)")

    @classmethod
    def from_inclusive(cls, first: int, last: int) -> Self:
        """Make a range from the first and the last byte, as kernels print them."""
        return cls(first, last + 1)

    @classmethod
    def from_size(cls, start: int, size: int) -> Self:
        """Make a range from its first byte and its size in bytes."""
        return cls(start, start + size)

    @property
    def size(self) -> int:
        """Bytes in the range; at least 1."""
        return self.end - self.start

    @property
    def last(self) -> int:
        """Last byte that belongs to the range."""
        return self.end - 1

    def contains(self, other: "MemRange") -> bool:
        """Say whether every byte of `other` is in this range."""
        return self.start <= other.start and other.end <= self.end

    def holds(self, address: int) -> bool:
        """Say whether one byte is in this range."""
        return self.start <= address < self.end

    def overlaps(self, other: "MemRange") -> bool:
        """Say whether any byte is in both ranges. Touching is not overlapping."""
        return self.start < other.end and other.start < self.end

    def intersection(self, other: "MemRange") -> "MemRange | None":
        """Return the bytes in both ranges, or None where there are none."""
        return clip(max(self.start, other.start), min(self.end, other.end))

    def aligned_inwards(self, align: int) -> "MemRange | None":
        """Return the largest part whose ends are multiples of `align` bytes, or None."""
        return clip(align_up(self.start, align), align_down(self.end, align))

    def aligned_outwards(self, align: int) -> "MemRange":
        """Return the smallest range around this one whose ends are multiples of `align` bytes."""
        return MemRange(align_down(self.start, align), align_up(self.end, align))

    def __repr__(self) -> str:
        return f"Range({self.start:#010x}, {self.end:#010x})"

    def __str__(self) -> str:
        return f"[{self.start:#010x}, {self.end:#010x})"


def clip(start: int, end: int) -> MemRange | None:
    """Return ``[start, end)``, or None where that would be empty or reversed."""
    return MemRange(start, end) if start < end else None
