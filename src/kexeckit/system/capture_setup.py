"""From a kernel file and an initramfs file to what a capture kernel needs: sizes, nothing is started.

Source: Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c, unpack_to_rootfs().
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import FileAccessError, InputError, UsageError
from kexeckit.formats.bzimage import BzImage, parse_bzimage
from kexeckit.kernel.behaviour import KernelBehaviour, behaviour_of
from kexeckit.kernel.crashkernel.estimate import CaptureSetup, kernel_sizes
from kexeckit.kernel.version import parse_kernel_version
from kexeckit.memory.units import MIB

_CPIO = b"070701"
_CPIO_CRC = b"070702"
_HEAD = 110
_PAYLOAD = 0x248
_SIZE = 4
_LIMIT = 4096 * MIB
# What dracut and initramfs-tools make grows about so much where the standard library cannot unpack it (zstd, lz4).
_USUAL_GROWTH = 3


@dataclass(frozen=True, slots=True)
class CaptureMachine:
    """What the files do not say.

    Attributes:
        cpus: CPUs that the capture kernel starts.
        ram: Bytes of RAM of the machine.
        low: Bytes for swiotlb and DMA.
        luks: Bytes of key derivation.
        half: The initramfs goes to a tmpfs, see `CaptureSetup`.
    """

    cpus: int = 1
    ram: int = 0
    low: int = 0
    luks: int = 0
    half: bool = True


def read_capture_setup(kernel: str, initrd: str | None, machine: CaptureMachine) -> CaptureSetup:
    """Read the files and put a setup together.

    Args:
        kernel: A bzImage.
        initrd: An initramfs, or None.
        machine: What the files do not say.

    Raises:
        InputError: The kernel is no bzImage, or the archive is damaged.
        FileAccessError: A file cannot be read.
    """
    archive = _bytes(initrd) if initrd else b""
    return capture_setup_of(_bytes(kernel), kernel, archive, initrd or "", machine)


def capture_setup_of(
    kernel: bytes, name: str, archive: bytes, archive_name: str, machine: CaptureMachine
) -> CaptureSetup:
    """Do the same with the files' contents.

    Args:
        kernel: Content of a bzImage.
        name: Its name, for messages.
        archive: Content of the initramfs, or empty.
        archive_name: Its name.
        machine: What the files do not say.

    Raises:
        InputError: The kernel is no bzImage, or the archive is damaged.
    """
    image = parse_bzimage(kernel, name)
    behaviour = _behaviour(image.release)
    starting, running = kernel_sizes(_unpacked_kernel(kernel, image))
    return CaptureSetup(
        unpacking=image.init_size,
        kernel=starting,
        running=running,
        initrd=len(archive),
        unpacked=unpacked_size(archive, archive_name),
        cpus=machine.cpus,
        ram=machine.ram,
        low=machine.low,
        luks=machine.luks,
        trace_files=not behaviour.trace_files_on_demand,
        hotplug_room=behaviour.elfcorehdr_hotplug_room,
        half=machine.half,
    )


def _behaviour(release: str) -> KernelBehaviour:
    # An image that does not say its release is taken for a new one.
    try:
        return behaviour_of(parse_kernel_version(release))
    except UsageError:
        return KernelBehaviour(trace_files_on_demand=True, elfcorehdr_hotplug_room=True)


def _unpacked_kernel(data: bytes, image: BzImage) -> int:
    # The build appends the unpacked size to the payload where the format has none at its end (gzip has it there, too).
    # It can be no more than init_size, which the boot protocol promises; an uncompressed kernel has no such number.
    # Source: Documentation/arch/x86/boot.rst, payload_offset; scripts/Makefile.lib, size_append.
    offset, length = struct.unpack_from("<II", data, _PAYLOAD)
    end = image.setup_size + offset + length
    if length < _SIZE or end > len(data):
        return image.init_size
    size: int = struct.unpack_from("<I", data, end - _SIZE)[0]
    return size if length < size <= image.init_size else image.init_size


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
