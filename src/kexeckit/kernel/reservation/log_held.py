"""What a boot log shows to be taken before the reservation.

    top of a node
... | early page tables and the like | <- nothing here is left: NODE_DATA was put into the highest room
    | NODE_DATA                      |
    | free                           |
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.early import (
    Taken,
    cma_areas,
    early_reservations,
    image_size,
    initially_mapped_end,
    initrd,
    kernel_place,
    loaded_initrd,
    mapping_tables,
    node_data,
    reserved_tables,
    setup_data,
)
from kexeckit.formats.bootlog.efi import booted_by_efi, efi_map, efi_tables
from kexeckit.formats.bootlog.memblock_debug import MemblockStep, memblock_steps
from kexeckit.formats.bootlog.outcome import search_line
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.reservation.boot_services import ASSUMED, boot_services
from kexeckit.kernel.reservation.efi_image import efi_image
from kexeckit.kernel.reservation.facts import Held
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE, align_down, align_up

# Tables that the kernel reserves by their address, drivers/firmware/efi: memattr.c, tpm.c, mokvar-table.c, efi.c. Their
# sizes are not printed; a page stands for each, because only where it begins bounds what lies below.
_EFI_RESERVED = ("MEMATTR", "TPMEventLog", "TPMFinalLog", "MOKvar", "RNG", "MEMRESERVE", "Unaccepted", "INITRD")
# CONFIG_PHYSICAL_START, which no distribution changes.
_LOAD = 16 * MIB
# Between these lie the sizes of kernel images, of 2.6 with few drivers and of 7.x with debugging.
_SMALLEST, _LARGEST = 8 * MIB, 96 * MIB
# Those of the list of early reservations that are read elsewhere.
_NAMED = ("TEXT DATA BSS", "RAMDISK", "NEW RAMDISK")
_EARLY = ("EFI table", "ACPI ")


def held_by_log(log: BootLog, rules: CrashRules, ram: Sequence[MemRange], *, randomised: bool) -> list[Held]:
    """Return what the log shows to be taken, sorted by address.

    Args:
        log: The boot.
        rules: Which of it comes before the reservation on this kernel.
        ram: memblock.memory as the log prints it, to find the top of a node's range.
        randomised: The kernel may have been put at a random place.
    """
    out = [_held(log, t, _pages(t.range)) for t in (*reserved_tables(log), *setup_data(log), *mapping_tables(log))]
    disk, loaded = initrd(log), loaded_initrd(log)
    if disk:
        moved = _pages(loaded.range) if loaded and loaded.range != disk.range else None
        out.append(replace(_held(log, disk, _pages(disk.range), "initrd"), origin=moved))
    if rules.after_numa:
        others = sorted(h.range.start for h in out)
        out += [_held(log, t, _to_top(t.range, ram, others), "node-data") for t in node_data(log)]
    out += [_held(log, t, t.range, "cma") for t in _cma_before(log, rules)]
    out += [_held(log, t, t.range) for t in early_reservations(log) if t.range.start >= MIB and t.what not in _NAMED]
    for name, (address, line) in efi_tables(log).items():
        if name in _EFI_RESERVED and address:
            span = MemRange.from_size(align_down(address, PAGE_SIZE), PAGE_SIZE)
            out.append(Held(span, f"EFI table {name}", _at(log, line)))
    image = kernel_image(log, rules, ram, randomised=randomised)
    out += [image] if image else []
    out += boot_services(out, ((e.type, e.range, _at(log, e.line)) for e in efi_map(log)))
    out += _by_memblock(log, rules)
    return sorted(out, key=lambda h: h.range)


def assumed_firmware(held: Iterable[Held], ram: Sequence[MemRange]) -> list[Held]:
    """Return where EFI boot services memory must be taken to lie, although the log does not print it.

    Firmware hands memory out from the top of a range down. The ESRT and setup_data are among the last that it hands
    out before the kernel runs, so what lies above the lowest of them in the same range was handed out before, and
    what lies below was not. Seen in logs of one machine that differ by boot: the region follows the ESRT.
    """
    marks = [h for h in held if h.what in ("ESRT", "setup_data")]
    out = []
    for span in ram:
        lowest = min((h.range.start for h in marks if span.holds(h.range.start)), default=None)
        if lowest is not None:
            out.append(Held(MemRange(lowest, span.end), ASSUMED, "above the ESRT or setup_data"))
    return out


def late_of(held: Iterable[Held]) -> tuple[MemRange, ...]:
    """Return what was given out last before the kernel ran, or by the kernel: no firmware memory lies right below.

    What the kernel itself puts at the top of memory below 4 GiB does not count: it is small enough to fit between
    pieces of firmware memory, which lie there.
    """
    return tuple(
        h.range
        for h in held
        if not h.what.startswith(_EARLY) and not (h.kind == "node-data" and h.range.start < 4 * GIB)
    )


def kernel_image(log: BootLog, rules: CrashRules, ram: Sequence[MemRange], *, randomised: bool) -> Held | None:
    """Return where the kernel image is: where the log shows it, or where a kernel lies that is not put at random."""
    if rules.arch == "arm64" and not booted_by_efi(log) and ram:
        found = image_size(log)
        usual = MemRange.from_size(min(r.start for r in ram), (found.most if found else 64 * MIB) + 2 * MIB)
        return Held(usual, "kernel image", "where boot loaders other than EFI put it")
    if rules.arch not in ("x86_64", "i386"):
        return None
    place = kernel_place(log)
    if place:
        return _held(log, place, place.range)
    end, size = initially_mapped_end(log), image_size(log)
    if rules.arch == "i386" and end and size:
        around = clip(max(align_down(max(end - size.most - 4 * MIB, 0), MIB), MIB), end)
        return Held(around, "kernel image", "initial memory mapped") if around else None
    brk, efi = _brk(log), booted_by_efi(log)
    if brk and size:
        start = max(align_down(max(brk.start - size.most, 0), 2 * MIB), MIB) if randomised or efi else _LOAD
        span = clip(start, brk.end)
        return Held(span, "kernel image", "memblock=debug: the brk area follows it") if span else None
    if efi:
        return efi_image(efi_map(log), size, log.source, randomised=randomised)
    if size and not randomised:
        whole = MemRange.from_size(_LOAD, size.most)
        source = f"{_at(log, size.line)}, at 16 MiB as built"
        return Held(whole, "kernel image", source, unsure=size.most - size.least)
    if not randomised:
        whole = MemRange.from_size(_LOAD, _LARGEST)
        return Held(whole, "kernel image", "at 16 MiB as built, its size not shown", unsure=_LARGEST - _SMALLEST)
    return None


def _by_memblock(log: BootLog, rules: CrashRules) -> list[Held]:
    # memblock=debug: what is reserved and not freed again until the crash kernel's turn.
    if rules.arch not in ("x86_64", "i386"):
        return []
    kept: list[MemblockStep] = []
    for step in memblock_steps(log):
        if step.reserved:
            kept.append(step)
        else:
            kept = [k for k in kept if not step.range.contains(k.range)]
    return [Held(k.range, f"memblock ({k.caller})" if k.caller else "memblock", _at(log, k.line)) for k in kept]


def _brk(log: BootLog) -> MemRange | None:
    # The first thing that setup_arch() itself reserves above 1 MiB is the brk area, right behind the kernel image.
    for step in memblock_steps(log):
        if step.caller == "setup_arch" and step.range.start >= MIB:
            return step.range
    return None


def _cma_before(log: BootLog, rules: CrashRules) -> list[Taken]:
    if not rules.cma_first:
        return []
    # What is printed behind is the crash kernel's own.
    last = search_line(log)
    return [t for t in cma_areas(log) if last is None or t.line < last]


def _to_top(span: MemRange, ram: Sequence[MemRange], others: Sequence[int]) -> MemRange:
    # Up to the end of RAM, or to what else is known to lie there.
    around = next((r for r in ram if r.contains(span)), span)
    end = min([around.end, *(start for start in others if start >= span.end)])
    return MemRange(align_down(span.start, PAGE_SIZE), end)


def _pages(span: MemRange) -> MemRange:
    # The initrd is reserved in whole pages at its end; the rest to the byte, which whole pages do not change.
    return MemRange(span.start, min(align_up(span.end, PAGE_SIZE), 1 << 64))


def _held(log: BootLog, taken: Taken, span: MemRange, kind: str = "fixed") -> Held:
    return Held(span, taken.what, _at(log, taken.line), kind, taken.node)


def _at(log: BootLog, line: int) -> str:
    return f"{log.source}:{line}" if line else log.source
