"""`BufferRequest`: what has to be placed and under which limits, before it has an address."""

from kexeckit.frozen import dataclass
from kexeckit.memory.units import PAGE_SIZE, is_power_of_two

NO_LIMIT = 1 << 64


@dataclass(frozen=True, slots=True)
class BufferRequest:
    """A buffer that wants a place; all numbers in bytes.

    Attributes:
        name: What it is: ``kernel``, ``initrd``, ...
        bufsz: Bytes that are filled from the buffer.
        memsz: Bytes of memory it takes; a multiple of the page size, at least `bufsz`.
        align: Alignment of its start; a power of two, at least the page size.
        minimum: Lowest start.
        maximum: Its end may not lie above this (exclusive).
        top_down: Take the highest possible start, else the lowest.
        why: Where the limits come from, in words.
    """

    name: str
    bufsz: int
    memsz: int
    align: int
    minimum: int
    maximum: int
    top_down: bool
    why: str

    def __post_init__(self) -> None:
        if not 0 <= self.bufsz <= self.memsz or self.memsz % PAGE_SIZE or self.memsz == 0:
            raise ValueError(f"{self.name}: bufsz {self.bufsz} and memsz {self.memsz} do not go together")
        if not is_power_of_two(self.align) or self.align < PAGE_SIZE:
            raise ValueError(f"{self.name}: alignment {self.align} is not a power of two of at least a page")
        if not 0 <= self.minimum < self.maximum <= NO_LIMIT:
            raise ValueError(f"{self.name}: limits {self.minimum:#x} and {self.maximum:#x} leave nothing")
