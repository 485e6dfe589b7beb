"""From a kernel file and an initramfs file to what a capture kernel needs: sizes, nothing is started.

Source: Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c, unpack_to_rootfs().
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

from kexeckit.errors import FileAccessError, InputError
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.kernel.crashkernel.estimate import CaptureSetup, running_size
from kexeckit.memory.units import MIB

_CPIO = b"070701"
_CPIO_CRC = b"070702"
_HEAD = 110
_LIMIT = 4096 * MIB
# What dracut and initramfs-tools make grows about so much where the standard library cannot unpack it (zstd, lz4).
_USUAL_GROWTH = 3


def read_capture_setup(kernel: str, initrd: str | None, *, cpus: int, ram: int, low: int, luks: int) -> CaptureSetup:
    """Read the files and put a setup together.

    Args:
        kernel: A bzImage.
        initrd: An initramfs, or None.
        cpus: CPUs that the capture kernel starts.
        ram: Bytes of RAM of the machine.
        low: Bytes for swiotlb and DMA.
        luks: Bytes of key derivation.

    Raises:
        InputError: The kernel is no bzImage.
        FileAccessError: A file cannot be read.
    """
    image = parse_bzimage(_bytes(kernel), kernel)
    archive = _bytes(initrd) if initrd else b""
    return CaptureSetup(
        unpacking=image.init_size,
        kernel=running_size(image.init_size, image.kernel_size),
        initrd=len(archive),
        unpacked=unpacked_size(archive, initrd or ""),
        cpus=cpus,
        ram=ram,
        low=low,
        luks=luks,
    )


def unpacked_size(archive: bytes, source: str) -> int:
    """Return the bytes that an initramfs takes once unpacked, whole pages for each file.

    Concatenated archives (early microcode in front) are followed. Where the compression is one that the standard
    library does not know, three times the compressed size is assumed.

    Raises:
        InputError: The archive is damaged.
    """
    total = at = 0
    while at < len(archive):
        if archive[at : at + 1] == b"\0":
            at += 1
            continue
        if archive[at : at + 6] in (_CPIO, _CPIO_CRC):
            size, at = _cpio(archive, at, source)
            total += size
            continue
        inner, at = _unpacked(archive, at, source)
        if inner is None:
            return total + (len(archive) - at) * _USUAL_GROWTH
        total += sum(_all(inner, source))
    return total


def _all(archive: bytes, source: str) -> Iterator[int]:
    at = 0
    while at < len(archive):
        if archive[at : at + 1] == b"\0":
            at += 1
            continue
        size, at = _cpio(archive, at, source)
        yield size


def _cpio(data: bytes, at: int, source: str) -> tuple[int, int]:
    # One archive: its size in pages, and where it ends.
    total = 0
    while True:
        head = data[at : at + _HEAD]
        if len(head) < _HEAD or head[:6] not in (_CPIO, _CPIO_CRC):
            raise InputError(source, f"no cpio header at byte {at}", expected="an initramfs")
        try:
            size, name = int(head[54:62], 16), int(head[94:102], 16)
        except ValueError as error:
            raise InputError(source, f"a damaged cpio header at byte {at}") from error
        begin = at + _HEAD
        body = -(-(begin + name) // 4) * 4
        at = -(-(body + size) // 4) * 4
        if data[begin : begin + name].rstrip(b"\0") == b"TRAILER!!!":
            return total, at
        total += -(-size // 4096) * 4096


def _unpacked(data: bytes, at: int, source: str) -> tuple[bytes | None, int]:
    # The archive inside a compressed one and where that ends; None where it cannot be unpacked here.
    head = data[at : at + 6]
    tool: zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor
    if head[:2] == b"\x1f\x8b":
        tool = zlib.decompressobj(31)
    elif head[:3] == b"BZh":
        tool = bz2.BZ2Decompressor()
    elif head == b"\xfd7zXZ\0" or head[:3] == b"]\0\0":
        tool = lzma.LZMADecompressor()
    else:
        return None, at
    try:
        inner = tool.decompress(data[at:], _LIMIT)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise InputError(source, f"the compressed part at byte {at} is damaged: {error}") from error
    return inner, len(data) - len(tool.unused_data)


def _bytes(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise FileAccessError(f"{name}: {error.strerror}") from error
