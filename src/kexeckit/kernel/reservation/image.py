"""Where the kernel image is: where a source shows it, or where a kernel lies that is not put at random.

The EFI stub does not put a kernel to 16 MiB: it lets it unpack itself where the firmware loaded the file, and from 6.6
on (6.1.y has it, too) it unpacks it into memory of its own, random or not. Either is loader code, and large. Only the
stub's own memory begins and ends at multiples of 2 MiB; a kernel that unpacks itself may still move to a random place.

    loader code  |..|<---------- the file's memory ---------->|
                    ^ kernel image, at the next multiple of 2 MiB

Source: drivers/firmware/efi/libstub/x86-stub.c, efi_main() and efi_decompress_kernel(); arch/x86/boot/compressed/
head_64.S (the aligned start); arch/x86/kernel/setup.c, the order of the resources; vmlinux.lds.S, .brk behind .bss.
"""

from dataclasses import replace

from kexeckit.formats.bootlog.early import ImageSize
from kexeckit.formats.efi_memory_map import LOADER_CODE
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.kernel_range import (
    LARGEST_IMAGE,
    LOAD_ADDRESS,
    SMALLEST_IMAGE,
    goes_where_built,
    kernel_parts,
)
from kexeckit.kernel.boot.next_boot import Boot
from kexeckit.machine.arch import X86
from kexeckit.machine.fact import Fact, yes
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import KIB, MIB, align_down, align_up

_ALIGN = 2 * MIB
# Behind the bss lies the brk area, from which the kernel takes its first page tables.
_BRK = 512 * KIB


def resource_image(machine: Machine) -> Held | None:
    """Return where /proc/iomem shows the kernel image, or None."""
    tree, parts = machine.memory.resources, kernel_parts(machine)
    if not parts or not tree:
        return None
    brk = _BRK if machine.arch in X86 else 0
    return _image(MemRange(parts.start, parts.end + brk), tree.source, brk)


def image_place(machine: Machine, ram: tuple[MemRange, ...], boot: Boot) -> Held | None:
    """Return where the kernel image is in the boot that is asked about; None where it may be anywhere.

    Args:
        machine: The machine.
        ram: memblock.memory as the log prints it.
        boot: Which boot that is.
    """
    shown = resource_image(machine)
    if shown is None and yes(machine.boot.map_log):
        shown = log_image(machine, ram, randomised=boot.seen_random)
    if goes_where_built(machine, boot):
        if not shown:
            return _as_built(machine.boot.image_size)
        built = MemRange.from_size(LOAD_ADDRESS, shown.range.size)
        return replace(shown, range=built, source="at 16 MiB as built")
    return shown if not boot.next or not (boot.random or boot.seen_random) else None


def log_image(machine: Machine, ram: tuple[MemRange, ...], *, randomised: bool) -> Held | None:
    """Return where the boot log shows the kernel image, or where it must be; None where it may be anywhere.

    Args:
        machine: The machine.
        ram: memblock.memory as the log prints it.
        randomised: The kernel may have been put at a random place.
    """
    boot = machine.boot
    efi = yes(boot.efi)
    if machine.arch == "arm64" and not efi and ram:
        most = boot.image_size.value.most if boot.image_size else 64 * MIB
        usual = MemRange.from_size(min(r.start for r in ram), most + _ALIGN)
        return _image(usual, "where boot loaders other than EFI put it", estimate=True)
    if machine.arch not in X86:
        return None
    if boot.image:
        return _image(boot.image.value, boot.image.at)
    size = boot.image_size
    if machine.arch == "i386" and boot.mapped_end and size:
        end = boot.mapped_end.value
        around = clip(max(align_down(max(end - size.value.most - 4 * MIB, 0), MIB), MIB), end)
        return _image(around, "initial memory mapped", estimate=True) if around else None
    if boot.brk and size:
        lowest = max(align_down(max(boot.brk.value.start - size.value.most, 0), _ALIGN), MIB)
        span = clip(lowest if randomised or efi else LOAD_ADDRESS, boot.brk.value.end)
        return _image(span, "memblock=debug: the brk area follows it", estimate=True) if span else None
    if efi:
        return efi_image(machine, randomised=randomised)
    return None if randomised else _as_built(size)


def _as_built(size: Fact[ImageSize] | None) -> Held:
    if size:
        span = MemRange.from_size(LOAD_ADDRESS, size.value.most)
        return _image(span, f"{size.at}, at 16 MiB as built", size.value.most - size.value.least, estimate=True)
    whole, unsure = MemRange.from_size(LOAD_ADDRESS, LARGEST_IMAGE), LARGEST_IMAGE - SMALLEST_IMAGE
    return _image(whole, "at 16 MiB as built, its size not shown", unsure, estimate=True)


def efi_image(machine: Machine, *, randomised: bool) -> Held | None:
    """Return where the EFI memory map shows the kernel, or None where the map leaves it open.

    Args:
        machine: The machine.
        randomised: The kernel may have been put at a random place.
    """
    found, size = machine.efi.map, machine.boot.image_size
    if not found or not size:
        return None
    large = [e for e in found.value if e.type == LOADER_CODE and e.range.size >= size.value.least]
    if len(large) != 1:
        return None
    room = large[0].range
    if randomised and (room.start % _ALIGN or room.end % _ALIGN):
        return None
    start = align_up(room.start, _ALIGN)
    span = clip(start, min(start + size.value.most, room.end))
    if not span or span.size < size.value.least:
        return None
    source = f"{found.source}:{large[0].line}" if large[0].line else found.source
    return _image(span, source, span.size - size.value.least, estimate=True)


def _image(span: MemRange, source: str, unsure: int = 0, *, estimate: bool = False) -> Held:
    return Held(span, Taker.KERNEL_IMAGE, "kernel image", source, unsure=unsure, estimate=estimate)
