"""An EFI memory map of our own choice for the next kernel, with the least system table that makes it believed.

This is how a machine without mirrored memory, or without EFI, gets to show a kernel what mirrored memory is:

    "efi" segment   | system table | vendor | EFI memory map |
                     ^ boot_params.efi_info.efi_systab        ^ efi_memmap

The map must not name memory of boot services or runtime services: the next kernel would map or call what is not there.
Without any, it switches runtime services off by itself, after zones are made.

Source: arch/x86/platform/efi/efi.c, efi_memblock_x86_reserve_range(), efi_init(), __efi_enter_virtual_mode().
"""

from kexeckit.formats.boot_params import EfiInfo
from kexeckit.formats.efi_memory_map import DESCRIPTOR_SIZE, DESCRIPTOR_VERSION, EFI_MEMORY_RUNTIME
from kexeckit.formats.efi_system_table import format_efi_system_table
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.frozen import dataclass
from kexeckit.memory.units import align_up

_ALIGN = 16
_BOOT_SERVICES = (3, 4)


@dataclass(frozen=True, slots=True)
class EfiHandover:
    """A memory map to hand over.

    Attributes:
        descriptors: In the order in which the next kernel sees them.

    Raises:
        ValueError: No descriptor, or one of boot or runtime services.
    """

    descriptors: tuple[EfiDescriptor, ...]

    def __post_init__(self) -> None:
        if not self.descriptors:
            raise ValueError("an EFI memory map has at least one descriptor")
        for d in self.descriptors:
            if d.attribute & EFI_MEMORY_RUNTIME or d.type in _BOOT_SERVICES:
                raise ValueError(f"the descriptor at {d.phys:#x} belongs to services that are not there")

    @property
    def size(self) -> int:
        """Bytes of the segment."""
        return len(self.content(0))

    def content(self, base: int) -> bytes:
        """Return the segment's bytes for the address at which it will lie."""
        return self._table(base) + format_efi_map(self.descriptors, DESCRIPTOR_SIZE)

    def info(self, base: int) -> EfiInfo:
        """Return what boot_params says about it."""
        return EfiInfo(
            signature=b"EL64",
            systab=base,
            memdesc_size=DESCRIPTOR_SIZE,
            memdesc_version=DESCRIPTOR_VERSION,
            memmap=base + len(self._table(base)),
            memmap_size=DESCRIPTOR_SIZE * len(self.descriptors),
        )

    def _table(self, base: int) -> bytes:
        table = format_efi_system_table(base)
        return table.ljust(align_up(len(table), _ALIGN), b"\0")
