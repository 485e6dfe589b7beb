"""`MemoryMap`: a flat, typed, discontiguous map of physical memory (what e820 and memblock are).

Rules of this file:
    1. Entries are sorted and disjoint; anything else cannot be built, with a different error for each.
    2. Touching entries of one kind stay two entries. Merging is `coalesced()`, never a side effect.
    3. What no entry covers is a gap: not RAM, not reserved, simply not described.
"""

from collections.abc import Callable, Iterable, Iterator

from kexeckit.frozen import dataclass
from kexeckit.memory.kind import RAM, MemoryKind
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """One range and what it is."""

    range: MemRange
    kind: MemoryKind

    @property
    def start(self) -> int:
        """First byte."""
        return self.range.start

    @property
    def end(self) -> int:
        """First byte after the entry."""
        return self.range.end

    def __str__(self) -> str:
        return f"{self.range} {self.kind}"


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """Sorted, disjoint entries.

    Raises:
        ValueError: Entries unsorted, or overlapping; the message names the two entries.
    """

    entries: tuple[MemoryEntry, ...] = ()

    def __post_init__(self) -> None:
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            if after.start < before.start:
                raise ValueError(f"memory map is not sorted: {after} comes after {before}")
            if after.start < before.end:
                raise ValueError(f"memory map entries overlap: {before} and {after}")

    def __iter__(self) -> Iterator[MemoryEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @classmethod
    def of(cls, entries: Iterable[MemoryEntry]) -> "MemoryMap":
        """Sort entries into a map; overlapping ones are an error."""
        return cls(tuple(sorted(entries, key=lambda e: e.range)))

    def of_kind(self, *kinds: MemoryKind) -> RangeSet:
        """Return the addresses of the given kinds."""
        return RangeSet(e.range for e in self.entries if e.kind in kinds)

    def ram(self) -> RangeSet:
        """Return the addresses that are RAM."""
        return self.of_kind(RAM)

    def without(self, gone: RangeSet) -> "MemoryMap":
        """Return the map with the addresses of `gone` described by nothing."""
        parts = (MemoryEntry(r, e.kind) for e in self.entries for r in RangeSet((e.range,)) - _near(e, gone))
        return MemoryMap(tuple(parts))

    def painted(self, ranges: RangeSet, kind: MemoryKind) -> "MemoryMap":
        """Return the map with `ranges` described as `kind`, over whatever was there."""
        kept = self.without(ranges).entries
        return MemoryMap.of((*kept, *(MemoryEntry(r, kind) for r in ranges)))

    def retyped(self, change: Callable[[MemoryKind], MemoryKind]) -> "MemoryMap":
        """Return the map with each entry's kind replaced by `change(kind)`."""
        return MemoryMap(tuple(MemoryEntry(e.range, change(e.kind)) for e in self.entries))

    def coalesced(self) -> "MemoryMap":
        """Merge touching entries of one kind."""
        out: list[MemoryEntry] = []
        for entry in self.entries:
            if out and out[-1].end == entry.start and out[-1].kind == entry.kind:
                out[-1] = MemoryEntry(MemRange(out[-1].start, entry.end), entry.kind)
            else:
                out.append(entry)
        return MemoryMap(tuple(out))


def _near(entry: MemoryEntry, ranges: RangeSet) -> RangeSet:
    # Only what touches an entry can change it: a map of n entries against m ranges stays O((n + m) log m).
    return RangeSet(ranges.overlapping(entry.range))
