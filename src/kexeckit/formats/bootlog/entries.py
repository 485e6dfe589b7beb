"""An entry of an e820 table, for those who have a table and no boot log: without any parser."""

from kexeckit.frozen import dataclass
from kexeckit.memory.kind import MemoryKind


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One line of an e820 table, in the table's own order; entries may overlap.

    Attributes:
        start: First byte.
        end: First byte after the entry; equal to `start` for an entry that covers nothing.
        kind: What it is.
        line: Line number in the file.
    """

    start: int
    end: int
    kind: MemoryKind
    line: int
