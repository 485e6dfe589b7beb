"""Where the kernel's image can be at the next boot: all places that the code which chooses one could choose.

Three programs choose, and each sees another map:

    BIOS, x86          decompressor    e820's RAM, without itself, initrd, command line, boot_params, setup_data
    EFI, x86, old      decompressor    free memory of the EFI map as it is when firmware has ended
    EFI, new; arm64    EFI stub        free memory of the EFI map, before the initrd is loaded

Each cuts that memory into rows of places, counts them, and draws one number: every place is as likely as any other.
Without KASLR the decompressor leaves the image where it would have been (16 MiB, or where a boot loader put it), and
the stub takes the lowest place. An arm64 kernel whose stub cannot draw a number stays where firmware loaded it.

A place has room for `size` bytes: the larger of the unpacked file and the kernel with bss and brk, in whole 2 MiB;
`needed_size` bounds it where only the boot header is known. The kernel reserves less of it afterwards.

Source: arch/x86/boot/compressed/kaslr.c, choose_random_location(), find_random_phys_addr(), process_mem_region(),
process_gb_huge_pages(); misc.c, extract_kernel(); drivers/firmware/efi/libstub/randomalloc.c, efi_random_alloc();
x86-stub.c, efi_decompress_kernel(); kaslr.c, efi_kaslr_relocate_kernel(); arch/x86/boot/header.S, INIT_SIZE.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.kaslr import KaslrRules
from kexeckit.kernel.boot.kaslr_words import KaslrWords, Span, kaslr_off, kaslr_words, pinned
from kexeckit.kernel.boot.kernel_range import LOAD_ADDRESS
from kexeckit.kernel.boot.slots import Slots
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, TIB, align_down, align_up

__all__ = ["ImageRoom", "image_slots", "needed_size"]

_ALIGN = 2 * MIB
_HIGHEST_MINIMUM = 512 * MIB
_MOST_ROWS = 100
# Beside its data the unpacker has 128 KiB of slack and a 256th of them, its heap and stack (64 KiB at least), its code.
_SLACK, _LEAST_CODE, _MOST_CODE, _PER_BYTE = 128 * KIB, 64 * KIB, 1536 * KIB, 256
_MOST_BRK = 2 * MIB


@dataclass(frozen=True, slots=True)
class ImageRoom:
    """The memory that the image may be put in.

    Attributes:
        memory: RAM of the boot_params' e820 table, or what `efi_room` returns, in the order of the map.
        efi: EFI firmware starts the kernel.
        load: Where the image would be without KASLR (BIOS), or where firmware or boot loader put it.
        avoid: What boot loader and decompressor hold of it; for the decompressor only.
        immovable: Memory that the SRAT does not call hot-pluggable, in its order; empty where there is no SRAT.
        mirrored: What of it the firmware mirrors; for the stub only.
        reach: Address after the highest that the decompressor can use; 4 PiB where it runs with five levels of tables.
    """

    memory: tuple[MemRange, ...]
    efi: bool = False
    load: int = LOAD_ADDRESS
    avoid: tuple[MemRange, ...] = ()
    immovable: tuple[MemRange, ...] = ()
    mirrored: RangeSet = field(default=EMPTY)
    reach: int = 64 * TIB


def image_slots(room: ImageRoom, rules: KaslrRules, cmdline: str, *, size: int) -> tuple[Slots, ...] | None:
    """Return every place at which the image can begin at the next boot, in the order in which the kernel finds them.

    Args:
        room: The memory.
        rules: What the kernel does.
        cmdline: The next boot's command line.
        size: Bytes that the image needs at its place, as `needed_size` has it.

    Returns:
        Rows of starts, each start as likely as any other; one start where the place is not random. None where it is not
        modelled: an old kernel, or the stub finds no room. An arm64 kernel without KASLR is at `room.load`.
    """
    if not rules.anywhere:
        return None
    if room.efi and rules.stub_places:
        return _stub(room, rules, cmdline, size)
    if not rules.unpacks_itself or kaslr_off(cmdline):
        return _at(room.load)
    words = kaslr_words(cmdline, rules)
    rows = () if words.refused else tuple(_Decompressor(room, rules, words, size).rows())
    return rows or _at(room.load)


def needed_size(init_size: int, image_size: int = 0) -> tuple[int, int]:
    """Bound the bytes that an x86 image needs at its place.

    Args:
        init_size: Of the boot header: the larger of what unpacking and running need. The file has it; boot_params have
            0 there where the EFI stub placed the kernel.
        image_size: Of the running kernel from its code to the end of its bss, or 0 where it is not known.

    Returns:
        At least, and at most; both are multiples of 2 MiB, and they are often the same.

    Raises:
        ValueError: There is no such size.
    """
    if init_size <= 0:
        raise ValueError(f"a kernel needs more than {init_size} bytes to start")
    unpacked = [(init_size - _SLACK - code) * _PER_BYTE // (_PER_BYTE + 1) for code in (_MOST_CODE, _LEAST_CODE)]
    # Behind the bss is the brk area. Where both nearly fill init_size, that is what it comes from.
    running = not image_size or image_size + _MOST_BRK >= init_size
    least = align_up(max(unpacked[0], image_size, _ALIGN), _ALIGN)
    return least, max(least, align_up(init_size if running else unpacked[1], _ALIGN))


def _at(start: int) -> tuple[Slots, ...]:
    return (Slots(start, start, _ALIGN),)


# The stub: rows in each piece of free memory; only mirrored pieces where such a piece has a place.
def _stub(room: ImageRoom, rules: KaslrRules, cmdline: str, size: int) -> tuple[Slots, ...] | None:
    if not rules.unpacks_itself and kaslr_off(cmdline):
        return _at(room.load)
    pieces = room.memory
    rows = tuple(_rows(pieces, rules, size))
    mirrored = tuple(_rows((p for p in pieces if p in room.mirrored), rules, size)) if rules.stub_mirrored_first else ()
    rows = mirrored or rows
    if rows and (kaslr_off(cmdline) or pinned(cmdline, rules)):
        return (Slots(rows[0].first, rows[0].first, rules.stub_step),)
    return rows or None


def _rows(pieces: Iterable[MemRange], rules: KaslrRules, size: int) -> Iterator[Slots]:
    step = rules.stub_step
    for piece in pieces:
        first = align_up(max(piece.start, rules.stub_lowest), step)
        last = align_down(max(piece.end - align_up(size, step), 0), step)
        # No entry that begins at 0 and holds the image just so: its last byte is compared with the size.
        if first <= last and piece.last >= align_up(size, step):
            yield Slots(first, last, step)


class _Decompressor:
    """One run of it: it counts the 1 GiB pages that are left, and gives up when its list of rows is full."""

    def __init__(self, room: ImageRoom, rules: KaslrRules, words: KaslrWords, size: int) -> None:
        self._room = room
        self._whole_gibs = rules.last_gib_counts
        self._size = size
        self._limit = min(words.limit or room.reach, room.reach)
        self._lowest = align_up(min(room.load, _HIGHEST_MINIMUM), _ALIGN)
        self._pages = words.gib_pages
        self._avoid: tuple[Span, ...] = (*((r.start, r.end) for r in room.avoid), *words.avoid)
        self._immovable = room.immovable if rules.immovable_only else ()

    def rows(self) -> Iterator[Slots]:
        """Yield rows of places, at most as many as the kernel's list has room for."""
        if self._lowest + self._size > self._limit:
            return
        found = (row for entry in self._entries() for span in self._free(entry) for row in self._beside_pages(*span))
        for number, row in enumerate(found, 1):
            yield row
            if number == _MOST_ROWS:
                return

    def _entries(self) -> Iterator[MemRange]:
        for entry in self._room.memory:
            if self._immovable:
                yield from (part for r in self._immovable if (part := entry.intersection(r)))
            else:
                yield entry

    # Pieces of an entry that hold the image and nothing to avoid; each begins at a multiple of 2 MiB.
    def _free(self, entry: MemRange) -> Iterator[Span]:
        at, end = max(entry.start, self._lowest), min(entry.end, self._limit)
        while (at := align_up(at, _ALIGN)) + self._size <= end:
            taken = min(((start, stop) for start, stop in self._avoid if start < end and at < stop), default=None)
            if taken is None:
                yield at, end
                return
            if taken[0] >= at + self._size:
                yield at, taken[0]
            at = taken[1]

    def _beside_pages(self, start: int, end: int) -> Iterator[Slots]:
        inner = clip(align_up(start, GIB), align_down(end, GIB)) if self._pages else None
        fit = (end - inner.start - (0 if self._whole_gibs else 1)) // GIB if inner else 0
        pages = min(fit, self._pages)
        if not inner or not pages:
            yield self._row(start, end)
            return
        self._pages -= pages
        if inner.start >= start + self._size:
            yield self._row(start, inner.start)
        behind = inner.start + pages * GIB
        if end >= behind + self._size:
            yield self._row(behind, end)

    def _row(self, start: int, end: int) -> Slots:
        return Slots(start, start + align_down(end - start - self._size, _ALIGN), _ALIGN)
