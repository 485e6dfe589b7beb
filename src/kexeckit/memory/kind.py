"""`MemoryKind`: what a range of physical memory is, in the words of firmware and kernel.

A closed list would have to guess about the rest, so a kind is a small value: the known ones are constants, and any
other keeps the text or number it came with. An unknown kind is never taken for RAM and never dropped.

Source: include/uapi/asm/setup_data.h and bootparam.h (numbers); arch/x86/kernel/e820.c, e820_type_to_string()
(names in /proc/iomem and /sys/firmware/memmap).
"""

from kexeckit.frozen import dataclass


@dataclass(frozen=True, slots=True)
class MemoryKind:
    """One kind of memory.

    Attributes:
        name: Short stable name, used in JSON: ``ram``, ``reserved``, ``acpi``, ... or ``type-N``.
        e820: Its number in an e820 table.
        label: What Linux prints for it in /proc/iomem and /sys/firmware/memmap.
    """

    name: str
    e820: int
    label: str

    def __post_init__(self) -> None:
        if not 0 <= self.e820 < 1 << 32:
            raise ValueError(f"an e820 type is 32 bits wide, not {self.e820}")

    def __str__(self) -> str:
        return self.name


RAM = MemoryKind("ram", 1, "System RAM")
RESERVED = MemoryKind("reserved", 2, "Reserved")
ACPI = MemoryKind("acpi", 3, "ACPI Tables")
NVS = MemoryKind("nvs", 4, "ACPI Non-volatile Storage")
UNUSABLE = MemoryKind("unusable", 5, "Unusable memory")
PMEM = MemoryKind("pmem", 7, "Persistent Memory")
PRAM = MemoryKind("pram", 12, "Persistent Memory (legacy)")
RESERVED_KERN = MemoryKind("reserved-kern", 128, "System RAM")
SOFT_RESERVED = MemoryKind("soft-reserved", 0xEFFFFFFF, "Soft Reserved")

KNOWN_KINDS = (RAM, RESERVED, ACPI, NVS, UNUSABLE, PMEM, PRAM, RESERVED_KERN, SOFT_RESERVED)
_BY_NUMBER = {kind.e820: kind for kind in KNOWN_KINDS}
# RESERVED_KERN shares its label with RAM and never appears in a file by that label.
_BY_LABEL = {kind.label.lower(): kind for kind in KNOWN_KINDS if kind is not RESERVED_KERN}


def kind_from_e820(number: int) -> MemoryKind:
    """Return the kind of an e820 type number; an unknown number becomes ``type-N`` and keeps its number."""
    return _BY_NUMBER.get(number) or MemoryKind(f"type-{number}", number, "Unknown E820 type")


def kind_from_label(label: str) -> MemoryKind | None:
    """Return the kind that Linux prints as `label`, or None for text that names no e820 type.

    ``reserved`` in lower case is arm64's spelling of the same thing.
    """
    return _BY_LABEL.get(label.strip().lower())
