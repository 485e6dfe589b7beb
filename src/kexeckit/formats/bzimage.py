"""bzImage: the header of an x86 kernel file. Nothing is loaded or decompressed here.

    0 ........ 0x1f1 ...... 0x202 + byte[0x201] ...... (setup_sects + 1) * 512 ............ end of file
    | boot sector | setup header                | real-mode code | protected-mode kernel         |

The 64-bit entry is 0x200 bytes into the protected-mode kernel.

Source: Documentation/arch/x86/boot.rst; arch/x86/boot/header.S; arch/x86/include/uapi/asm/bootparam.h.
"""

import struct

from kexeckit.errors import InputError
from kexeckit.formats.magic import describe_magic
from kexeckit.frozen import dataclass

HEADER_START = 0x1F1
# In boot_params the EDD signatures follow the setup header.
HEADER_ROOM = 0x290 - HEADER_START
SECTOR = 512
ENTRY_64 = 0x200
MINIMUM_PROTOCOL = 0x020C
XLF_KERNEL_64 = 1
XLF_CAN_BE_LOADED_ABOVE_4G = 2
_EXPECTED = "an x86 bzImage (vmlinuz)"


@dataclass(frozen=True, slots=True)
class BzImage:
    """What the header of a bzImage says; sizes and addresses in bytes.

    Attributes:
        source: File name, for messages.
        file_size: Size of the whole file.
        setup_size: Bytes before the protected-mode kernel.
        header: The setup header, from offset 0x1f1 of the file to its declared end.
        protocol: Boot protocol version, e.g. 0x20f for 2.15.
        xloadflags: XLF_* bits.
        kernel_alignment: Required alignment of the load address.
        pref_address: Load address that the kernel would like best.
        init_size: Contiguous memory that the kernel needs from its load address on.
        cmdline_size: Longest command line, without the NUL.
        relocatable: Whether it runs elsewhere than at `pref_address`.
        release: The version text in the file, or empty.
    """

    source: str
    file_size: int
    setup_size: int
    header: bytes
    protocol: int
    xloadflags: int
    kernel_alignment: int
    pref_address: int
    init_size: int
    cmdline_size: int
    relocatable: bool
    release: str

    @property
    def kernel_size(self) -> int:
        """Bytes of the protected-mode kernel in the file."""
        return self.file_size - self.setup_size


def parse_bzimage(data: bytes | memoryview, source: str) -> BzImage:
    """Read the header of a bzImage.

    Args:
        data: The whole file; a memory map will do, only the first few pages are touched.
        source: How messages name it.

    Raises:
        InputError: Not a bzImage (the message says what the file looks like), truncated, or one without a 64-bit
            entry point that may be loaded anywhere.
    """
    size = len(data)
    if size < HEADER_START + 0x80 or bytes(data[0x202:0x206]) != b"HdrS" or bytes(data[0x1FE:0x200]) != b"\x55\xaa":
        raise InputError(source, f"not a bzImage: {describe_magic(data)}", expected=_EXPECTED)
    protocol = _u16(data, 0x206)
    if protocol < MINIMUM_PROTOCOL:
        raise InputError(source, f"boot protocol {_version(protocol)} is too old", expected="2.12 or newer (Linux 3.8)")
    image = _image(data, source, protocol)
    if image.kernel_size <= ENTRY_64:
        raise InputError(
            source, f"truncated: {size} bytes, but the kernel begins at {image.setup_size}", expected=_EXPECTED
        )
    _check_whole(data, image)
    _check_fields(image)
    return image


def unpacked_size(data: bytes | memoryview, image: BzImage) -> int | None:
    """Return the bytes that the packed kernel has once it is unpacked, or None where the file does not say.

    Args:
        data: The whole file.
        image: Its header.

    Source: scripts/Makefile.lib, size_append; arch/x86/boot/compressed/mkpiggy.c, which takes the size from there.
    """
    offset, length = _u32(data, 0x248), _u32(data, 0x24C)
    end = image.setup_size + offset + length
    return _u32(data, end - 4) if length >= 4 and end <= len(data) else None


def _image(data: bytes | memoryview, source: str, protocol: int) -> BzImage:
    setup_size = ((data[0x1F1] or 4) + 1) * SECTOR
    header_end = 0x202 + data[0x201]
    return BzImage(
        source=source,
        file_size=len(data),
        setup_size=setup_size,
        header=bytes(data[HEADER_START:header_end]),
        protocol=protocol,
        xloadflags=_u16(data, 0x236),
        kernel_alignment=_alignment(_u32(data, 0x230), source),
        pref_address=_u64(data, 0x258),
        init_size=_u32(data, 0x260),
        cmdline_size=_u32(data, 0x238),
        relocatable=bool(data[0x234]),
        release=_release(data),
    )


def _check_whole(data: bytes | memoryview, image: BzImage) -> None:
    # syssize counts 16-byte units of the protected-mode kernel; a signature may follow it, nothing may be missing.
    declared = _u32(data, 0x1F4) * 16
    if image.kernel_size < declared - 15:
        raise InputError(
            image.source,
            f"truncated: the header declares {declared} bytes of kernel, the file holds {image.kernel_size}",
        )


def _check_fields(image: BzImage) -> None:
    needed = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G
    if image.xloadflags & needed != needed or not image.relocatable:
        raise InputError(image.source, "this kernel has no 64-bit entry point that may be loaded above 4 GiB")
    if image.init_size == 0:
        raise InputError(image.source, "the header's init_size is 0", expected="the memory that the kernel needs")
    if len(image.header) > HEADER_ROOM:
        raise InputError(image.source, f"a setup header of {len(image.header)} bytes", expected=f"up to {HEADER_ROOM}")


def _alignment(value: int, source: str) -> int:
    if value == 0 or value & (value - 1):
        raise InputError(source, f"the header's kernel_alignment {value:#x} is not a power of two")
    return value


def _release(data: bytes | memoryview) -> str:
    at = _u16(data, 0x20E)
    if not at:
        return ""
    text = bytes(data[at + 0x200 : at + 0x200 + 256]).split(b"\0")[0]
    return text.decode("ascii", "replace").split(" ")[0]


def _version(protocol: int) -> str:
    return f"{protocol >> 8}.{protocol & 0xFF:02d}"


def _u16(data: bytes | memoryview, at: int) -> int:
    return int(struct.unpack_from("<H", data, at)[0])


def _u32(data: bytes | memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _u64(data: bytes | memoryview, at: int) -> int:
    return int(struct.unpack_from("<Q", data, at)[0])
