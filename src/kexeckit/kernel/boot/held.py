"""`Held`: memory that is taken when the crash region's turn comes, by whom, and how that is known."""

from kexeckit.frozen import dataclass
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange

# What the kernel places itself, so that it may lie elsewhere when words change.
PLACED = (Taker.INITRD, Taker.NODE_DATA, Taker.CMA)


@dataclass(frozen=True, slots=True)
class Held:
    """Memory that is taken before the reservation.

    Attributes:
        range: Its bytes.
        by: Who has it. An initrd is moved by the kernel where its place is no RAM; node data is put at the top of its
            node, wherever that is; CMA areas are placed by the kernel and depend on the command line; all else stays.
        name: The holder as messages name it: ``initrd``, ``kernel image``, ``NODE_DATA(0)``, ...
        source: Where that is known from, like ``dmesg:12``.
        node: The node of node data.
        unsure: Bytes at its end that may be free, because its size is an estimate.
        estimate: Its end may also lie higher: no source bounds the estimate.
        origin: Where the boot loader put it, if the kernel moved it; None where it did not.
    """

    range: MemRange
    by: Taker
    name: str
    source: str
    node: int = 0
    unsure: int = 0
    estimate: bool = False
    origin: MemRange | None = None
