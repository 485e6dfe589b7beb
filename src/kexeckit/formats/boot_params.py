"""boot_params: the "zero page" that an x86 kernel is started with, read and written.

One 4 KiB page. The offsets below are those of struct boot_params; the setup header of the kernel file lies at 0x1f1.

    0x000 screen_info      0x1c0 efi_info        0x2d0 e820_table, 128 entries of 20 bytes
    0x070 acpi_rsdp_addr   0x1e8 e820_entries    0xd00 eddbuf
    0x0c0 ext_* (high 32)  0x1f1 setup header    0x1000 end

Source: arch/x86/include/uapi/asm/bootparam.h; Documentation/arch/x86/zero-page.rst; what a loader fills in and what it
takes over from the running kernel: arch/x86/kernel/kexec-bzimage64.c, setup_boot_parameters().
"""

import struct
from dataclasses import field

from kexeckit.errors import InputError
from kexeckit.formats.e820_table import E820_ENTRY_SIZE, E820_MAX_INLINE, parse_e820_entries
from kexeckit.frozen import dataclass
from kexeckit.memory.memmap import MemoryEntry

BOOT_PARAMS_SIZE = 4096
LOADER_TYPE_KEXEC = 0xD0
# Of loadflags: set by the code that chose a random place.
_KASLR_FLAG = 1 << 1
E820_TABLE = 0x2D0
# Parts of the running kernel's page that describe the machine and stay true for the next kernel:
# screen_info, olpc's and ist_info's, hd0_info and hd1_info, edid_info, the EDD signatures and the EDD buffer.
_INHERITED = ((0x000, 0x40), (0x060, 0x10), (0x080, 0x20), (0x140, 0x80), (0x1E9, 0x2), (0x290, 0x40), (0xD00, 0x1EC))


@dataclass(frozen=True, slots=True)
class EfiInfo:
    """struct efi_info: where the EFI system table and memory map lie; addresses in bytes."""

    signature: bytes = b"\0\0\0\0"
    systab: int = 0
    memdesc_size: int = 0
    memdesc_version: int = 0
    memmap: int = 0
    memmap_size: int = 0

    @property
    def present(self) -> bool:
        """Whether the machine was booted by 64-bit EFI."""
        return self.signature == b"EL64" and self.systab != 0


@dataclass(frozen=True, slots=True)
class BootParams:
    """What a boot_params page says that matters here; addresses and sizes in bytes.

    `init_size` is of the setup header: contiguous memory that the kernel needs while it starts, more than it keeps.
    It is 0 where the kernel's EFI stub made the page (6.1.81, 6.6): that fills in few fields of the header.
    `kaslr` says that the kernel was put at a random place (since 4.1), `by_kexec` that kexec loaded it.
    """

    raw: bytes = field(repr=False)
    rsdp: int
    efi: EfiInfo
    e820: tuple[MemoryEntry, ...]
    setup_data: int
    cmdline_address: int
    initrd_address: int
    initrd_size: int
    secure_boot: int
    init_size: int
    kaslr: bool
    by_kexec: bool


@dataclass(frozen=True, slots=True)
class HandoverFields:
    """What a loader writes into the page of the next kernel; addresses and sizes in bytes, 0 for none."""

    header: bytes
    cmdline_address: int
    initrd_address: int
    initrd_size: int
    setup_data: int
    rsdp: int
    efi: EfiInfo
    e820: bytes


def parse_boot_params(data: bytes, source: str) -> BootParams:
    """Read a boot_params page, such as /sys/kernel/boot_params/data.

    Raises:
        InputError: It is not one page long, or declares more e820 entries than fit.
    """
    if len(data) != BOOT_PARAMS_SIZE:
        raise InputError(source, f"{len(data)} bytes", expected=f"a boot_params page of {BOOT_PARAMS_SIZE} bytes")
    count = data[0x1E8]
    if count > E820_MAX_INLINE:
        raise InputError(source, f"{count} e820 entries", expected=f"at most {E820_MAX_INLINE}")
    table = data[E820_TABLE : E820_TABLE + count * E820_ENTRY_SIZE]
    return BootParams(
        raw=data,
        rsdp=_u64(data, 0x70),
        efi=_efi_info(data),
        e820=tuple(parse_e820_entries(table, source)),
        setup_data=_u64(data, 0x250),
        cmdline_address=_u32(data, 0x228) | _u32(data, 0xC8) << 32,
        initrd_address=_u32(data, 0x218) | _u32(data, 0xC0) << 32,
        initrd_size=_u32(data, 0x21C) | _u32(data, 0xC4) << 32,
        secure_boot=data[0x1EC],
        init_size=_u32(data, 0x260),
        kaslr=bool(data[0x211] & _KASLR_FLAG),
        by_kexec=data[0x210] & 0xF0 == LOADER_TYPE_KEXEC,
    )


def build_boot_params(fields: HandoverFields, running: bytes | None) -> bytes:
    """Make the page for the next kernel.

    Args:
        fields: What the loader decides.
        running: The running kernel's page, from which the facts about the machine are taken over, or None.

    Returns:
        4096 bytes.
    """
    page = bytearray(BOOT_PARAMS_SIZE)
    if running is not None:
        for start, size in _INHERITED:
            page[start : start + size] = running[start : start + size]
        page[0x1EC] = running[0x1EC]
    page[0x1F1 : 0x1F1 + len(fields.header)] = fields.header
    page[0x210] = LOADER_TYPE_KEXEC
    _put_split(page, 0x228, 0xC8, fields.cmdline_address)
    _put_split(page, 0x218, 0xC0, fields.initrd_address)
    _put_split(page, 0x21C, 0xC4, fields.initrd_size)
    struct.pack_into("<Q", page, 0x250, fields.setup_data)
    struct.pack_into("<Q", page, 0x70, fields.rsdp)
    _put_efi_info(page, fields.efi)
    inline = fields.e820[: E820_MAX_INLINE * E820_ENTRY_SIZE]
    page[0x1E8] = len(inline) // E820_ENTRY_SIZE
    page[E820_TABLE : E820_TABLE + len(inline)] = inline
    return bytes(page)


def _efi_info(data: bytes) -> EfiInfo:
    signature, systab, size, version, memmap, map_size, systab_hi, memmap_hi = struct.unpack_from("<4s7I", data, 0x1C0)
    return EfiInfo(signature, systab | systab_hi << 32, size, version, memmap | memmap_hi << 32, map_size)


def _put_efi_info(page: bytearray, efi: EfiInfo) -> None:
    low = 0xFFFFFFFF
    struct.pack_into(
        "<4s7I",
        page,
        0x1C0,
        efi.signature,
        efi.systab & low,
        efi.memdesc_size,
        efi.memdesc_version,
        efi.memmap & low,
        efi.memmap_size,
        efi.systab >> 32,
        efi.memmap >> 32,
    )


def _put_split(page: bytearray, low_at: int, high_at: int, value: int) -> None:
    struct.pack_into("<I", page, low_at, value & 0xFFFFFFFF)
    struct.pack_into("<I", page, high_at, value >> 32)


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _u64(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", data, at)[0])
