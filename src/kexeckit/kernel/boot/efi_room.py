"""What of an EFI memory map the kernel's image may be put in.

The map that a kernel prints is the one of the end of the firmware. The EFI stub chose from an earlier one: the image's
own memory was free then, and so was the initrd's, which the stub loads afterwards. Both are given back here, so that
the map of one boot tells about the next:

    printed   | free |loader code: image| free |loader data: initrd|boot data|
    the stub  | free                                               |boot data|

Source: drivers/firmware/efi/libstub/x86-stub.c, efi_stub_entry(): efi_decompress_kernel(), then efi_load_initrd();
randomalloc.c, get_entry_num_slots(); arch/x86/boot/compressed/kaslr.c, process_efi_entries().
"""

from collections.abc import Iterable, Iterator

from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.formats.efi_memory_map import CONVENTIONAL
from kexeckit.kernel.behaviour.kaslr import KaslrRules
from kexeckit.kernel.boot.kaslr import ImageRoom
from kexeckit.kernel.boot.kaslr_words import takes_special
from kexeckit.kernel.boot.kernel_range import LOAD_ADDRESS
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

__all__ = ["efi_room"]


def efi_room(
    entries: Iterable[EfiMapEntry],
    rules: KaslrRules,
    cmdline: str,
    *,
    given_back: Iterable[MemRange] = (),
    load: int = LOAD_ADDRESS,
) -> ImageRoom:
    """Return the room for the image that a printed EFI map leaves at the next boot.

    Args:
        entries: The map, in the firmware's order.
        rules: What the next kernel does.
        cmdline: The next boot's command line.
        given_back: What the printed boot put into free memory after, or by, choosing a place: image and initrd.
        load: Where firmware loads the image, for a kernel that the stub does not place.
    """
    usable = [e for e in entries if e.type == CONVENTIONAL and not _left_out(e, rules, cmdline)]
    mirrored = RangeSet(e.range for e in entries if e.mirrored)
    if not rules.stub_places:
        # Mirrored memory of any type makes the decompressor take mirrored memory only.
        free = tuple(e.range for e in usable if e.mirrored or not mirrored)
        return ImageRoom(free, efi=True, load=load)
    back = RangeSet(given_back)
    return ImageRoom(tuple(_joined(usable, back, mirrored)), efi=True, load=load, mirrored=mirrored)


def _left_out(entry: EfiMapEntry, rules: KaslrRules, cmdline: str) -> bool:
    special = entry.special and rules.leaves_special and not takes_special(cmdline)
    return special or (entry.hot_pluggable and rules.stub_leaves_hot_pluggable)


# Free entries with what is given back between them. The firmware merges neighbours of the same attributes.
def _joined(usable: list[EfiMapEntry], back: RangeSet, mirrored: RangeSet) -> Iterator[MemRange]:
    if not back:
        yield from (e.range for e in usable)
        return
    free = RangeSet((*(e.range for e in usable), *back))
    yield from sorted((*(free & mirrored), *(free - mirrored)))
