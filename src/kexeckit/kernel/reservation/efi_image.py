"""Where the kernel image lies on an EFI machine, from the EFI map that its boot log prints.

The EFI stub does not put a kernel to 16 MiB: it lets it unpack itself where the firmware loaded the file, and from 6.6
on (6.1.y has it, too) it unpacks it into memory of its own, random or not. Either is loader code, and large. Only the
stub's own memory begins and ends at multiples of 2 MiB; a kernel that unpacks itself may still move to a random place.

    loader code  |..|<---------- the file's memory ---------->|
                    ^ kernel image, at the next multiple of 2 MiB

Source: drivers/firmware/efi/libstub/x86-stub.c, efi_main() and efi_decompress_kernel(); arch/x86/boot/compressed/
head_64.S (the aligned start).
"""

from collections.abc import Iterable

from kexeckit.formats.bootlog.early import ImageSize
from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.kernel.reservation.facts import Held
from kexeckit.memory.range import clip
from kexeckit.memory.units import MIB, align_up

_LOADER_CODE = 1
_ALIGN = 2 * MIB


def efi_image(entries: Iterable[EfiMapEntry], size: ImageSize | None, source: str, *, randomised: bool) -> Held | None:
    """Return where the kernel is, or None where the map leaves it open.

    Args:
        entries: The map.
        size: Size of the image.
        source: How messages name the log.
        randomised: The kernel may have been put at a random place.
    """
    if size is None:
        return None
    large = [e for e in entries if e.type == _LOADER_CODE and e.range.size >= size.least]
    if len(large) != 1:
        return None
    room = large[0].range
    if randomised and (room.start % _ALIGN or room.end % _ALIGN):
        return None
    start = align_up(room.start, _ALIGN)
    span = clip(start, min(start + size.most, room.end))
    if not span or span.size < size.least:
        return None
    return Held(span, "kernel image", f"{source}:{large[0].line}", unsure=span.size - size.least)
