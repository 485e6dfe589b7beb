"""The EFI memory map that a kernel was booted with: the one source of where boot services memory was.

No file of sysfs has it. But the kernel keeps the pages reserved that the boot loader or EFI stub left it in, and
boot_params says where; so a running kernel's map is read from its memory, if that is RAM. It is where the EFI stub took
loader data for it, as 5.10's does; 6.1's and later take ACPI data, which no file shows. A capture carries the map as
/efi_memmap.

Source: arch/x86/platform/efi/efi.c, efi_memblock_x86_reserve_range(); arch/x86/platform/efi/memmap.c,
__efi_memmap_free(): what came from the boot loader is never freed; drivers/firmware/efi/libstub/mem.c,
efi_get_memory_map().
"""

from kexeckit.errors import InputError
from kexeckit.formats.efi_memory_map import parse_efi_memory_map
from kexeckit.formats.sysfs_crash import EfiDescriptor
from kexeckit.system.boot_files import read_boot_params
from kexeckit.system.kcore import read_physical
from kexeckit.system.sysroot import Sysroot

EFI_MEMMAP = "/efi_memmap"
# 48 bytes a descriptor; the largest machines have some thousand.
_MOST = 1 << 20


def read_boot_efi_map(root: Sysroot) -> tuple[EfiDescriptor, ...]:
    """Return the map's descriptors; none where the root has no map or the machine was not booted by EFI.

    Raises:
        KexeckitError: It is there, and cannot be read or understood.
    """
    if root.live:
        data, step = efi_map_bytes(root)
        return parse_efi_memory_map(data, "the EFI memory map in /proc/kcore", step) if data else ()
    if not root.exists(EFI_MEMMAP):
        return ()
    return parse_efi_memory_map(root.read_bytes(EFI_MEMMAP), root.label(EFI_MEMMAP))


def efi_map_bytes(root: Sysroot) -> tuple[bytes, int]:
    """Return the running kernel's map as bytes, and the size of a descriptor; nothing where EFI did not boot it.

    Raises:
        KexeckitError: It cannot be read.
    """
    params = read_boot_params(root)
    if not params or not params.efi.present or not params.efi.memmap:
        return b"", 0
    efi = params.efi
    if not 0 < efi.memmap_size <= _MOST or efi.memmap_size % max(efi.memdesc_size, 1):
        raise InputError("boot_params", f"an EFI memory map of {efi.memmap_size} bytes by {efi.memdesc_size}")
    return read_physical(efi.memmap, efi.memmap_size), efi.memdesc_size
