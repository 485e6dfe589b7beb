"""What holds memory before anything is predicted: an enumeration, and one range that somebody holds."""

from enum import Enum

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange


class Taker(Enum):
    """Who holds a range of memory when a kernel comes up."""

    INITRD = "initrd"
    KERNEL_IMAGE = "kernel image"
    NODE_DATA = "node data"
    CMA = "CMA area"
    PAGE_TABLES = "page tables"
    STRUCT_PAGES = "struct pages"
    MEMBLOCK = "memblock"
    EARLY = "early reservation"
    SETUP_DATA = "setup_data"
    ACPI_TABLE = "ACPI table"
    DEVICE_TREE = "device tree"
    ESRT = "ESRT"
    EFI_TABLE = "EFI table"
    EFI_MAP = "EFI memory map"
    BOOT_CODE = "EFI boot services code"
    BOOT_DATA = "EFI boot services data"
    BOOT_SERVICES = "EFI boot services memory, assumed"
    FIRMWARE = "firmware or boot loader"


@dataclass(frozen=True, slots=True)
class Taken:
    """A range that a source shows to be taken.

    Attributes:
        range: Its bytes.
        by: By whom.
        name: As messages name the holder: ``NODE_DATA(0)``, ``ACPI FACP``, ``EFI table TPMEventLog``.
        line: Line number in the source, 0 where it has none.
        node: Node number where the source names one, else 0.
        loaded: Where the boot loader put it, if the kernel moved it; None where it did not.
    """

    range: MemRange
    by: Taker
    name: str
    line: int = 0
    node: int = 0
    loaded: MemRange | None = None
