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
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.system.kcore import read_physical

EFI_MEMMAP = "/efi_memmap"
# 48 bytes a descriptor; the largest machines have some thousand.
_MOST = 1 << 20


def live_efi_map(boot_params: bytes | None) -> bytes:
    """Return the running kernel's map as bytes; nothing where EFI did not boot it.

    Args:
        boot_params: The page that the boot loader passed, or None where there is none.

    Raises:
        KexeckitError: It cannot be read.
    """
    if boot_params is None:
        return b""
    efi = parse_boot_params(boot_params, "boot_params").efi
    if not efi.present or not efi.memmap:
        return b""
    if not 0 < efi.memmap_size <= _MOST or efi.memmap_size % max(efi.memdesc_size, 1):
        raise InputError("boot_params", f"an EFI memory map of {efi.memmap_size} bytes by {efi.memdesc_size}")
    return read_physical(efi.memmap, efi.memmap_size)
