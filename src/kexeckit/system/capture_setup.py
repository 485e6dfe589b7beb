"""From a kernel file and an initramfs file to what a capture kernel needs: sizes, nothing is started.

Source: Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c, unpack_to_rootfs().
"""

import struct
from collections.abc import Iterator

from kexeckit.errors import InputError, UsageError
from kexeckit.formats.bzimage import BzImage, parse_bzimage
from kexeckit.formats.vmlinux import parse_vmlinux
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour, behaviour_of
from kexeckit.kernel.sizing.estimate import CaptureSetup, kernel_size
from kexeckit.machine.version import parse_kernel_version
from kexeckit.system.files import map_file
from kexeckit.system.unpack import compression, unpack

_CPIO = b"070701"
_CPIO_CRC = b"070702"
_HEAD = 110
_PAYLOAD = 0x248
_SIZE = 4
_ELF = b"\x7fELF"
# What dracut and initramfs-tools make grows about so much, where it cannot be unpacked.
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
        UnavailableError, NotPermittedError, FileAccessError: As for `map_file`.
    """
    archive = bytes(map_file(initrd).data) if initrd else b""
    return capture_setup_of(bytes(map_file(kernel).data), kernel, archive, initrd or "", machine)


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
    starting, about_kernel = _kernel_memory(kernel, image)
    unpacked, about_archive = unpacked_size(archive, archive_name)
    return CaptureSetup(
        unpacking=image.init_size,
        kernel=starting,
        initrd=len(archive),
        unpacked=unpacked,
        cpus=machine.cpus,
        ram=machine.ram,
        low=machine.low,
        luks=machine.luks,
        trace_files=not behaviour.trace_files_on_demand,
        hotplug_room=behaviour.elfcorehdr_hotplug_room,
        half=machine.half,
        assumed=tuple(text for text in (about_kernel, about_archive) if text),
    )


def _behaviour(release: str) -> KernelBehaviour:
    # An image that does not say its release is taken for a new one.
    try:
        return behaviour_of(parse_kernel_version(release))
    except UsageError:
        return KernelBehaviour(trace_files_on_demand=True, elfcorehdr_hotplug_room=True)


def _kernel_memory(data: bytes, image: BzImage) -> tuple[int, str]:
    # Memory while it starts, and what had to be assumed.
    offset, length = struct.unpack_from("<II", data, _PAYLOAD)
    payload = data[image.setup_size + offset : image.setup_size + offset + length]
    inner: bytes | None = payload if payload.startswith(_ELF) else None
    if compression(payload):
        # All formats but gzip's have the size appended, which their programs take for garbage.
        inner, _ = unpack(payload if compression(payload) == "gzip" else payload[:-_SIZE], image.source)
    if inner is not None:
        return parse_vmlinux(inner, image.source), ""
    kind = compression(payload) or "an unknown format"
    return (
        kernel_size(_unpacked_kernel(data, image)),
        f"{image.source}: packed as {kind}, which nothing here unpacks: its usual share is assumed",
    )


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


def unpacked_size(archive: bytes, source: str) -> tuple[int, str]:
    """Return the bytes that an initramfs takes once unpacked, whole pages for each file; and what had to be assumed.

    Concatenated archives (early microcode in front) are followed. Where nothing on this machine can unpack it, three
    times the packed size is assumed, and the text says so; else it is empty.

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
        rest = archive[at:] if at else archive
        inner, taken = unpack(rest, source)
        if inner is None:
            kind = compression(rest) or "an unknown format"
            assumed = (
                f"{source}: packed as {kind}, which nothing here unpacks: {_USUAL_GROWTH} times its size is assumed"
            )
            return total + len(rest) * _USUAL_GROWTH, assumed
        total += sum(_all(inner, source))
        at += taken
    return total, ""


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
