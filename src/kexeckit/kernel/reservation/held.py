"""What is taken before the reservation, as far as the machine shows it.

    top of a node
... | early page tables and the like | <- nothing here is left: NODE_DATA was put into the highest room
    | NODE_DATA                      |
    | free                           |
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.boot.next_boot import Boot
from kexeckit.kernel.reservation.boot_services import boot_services
from kexeckit.kernel.reservation.by_address import reserved_by_address
from kexeckit.kernel.reservation.image import image_place
from kexeckit.kernel.reservation.unshown import has_early_log
from kexeckit.machine.fact import Fact
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE, align_down, align_up

_FIXED = (Taker.ACPI_TABLE, Taker.ESRT, Taker.SETUP_DATA, Taker.PAGE_TABLES)


def held_before(
    machine: Machine, rules: CrashRules, regions: Sequence[Region], dma_limit: int, boot: Boot
) -> tuple[Held, ...]:
    """Return what is taken, by address: what the boot log shows, and what files show better.

    Args:
        machine: The machine.
        rules: Which of it comes before the reservation on this kernel.
        regions: memblock.memory of arm64.
        dma_limit: End of the memory that 32-bit DMA reaches.
        boot: Which boot is asked about.
    """
    ram = tuple(n.range for n in machine.memory.ranges.value) if machine.memory.ranges else ()
    found = _of_log(machine, rules, ram) if has_early_log(machine) else []
    image = image_place(machine, ram, boot)
    found += [image] if image else []
    if rules.arch == "arm64":
        found = [_on_its_node(h, regions) for h in found]
        found += _of_arm64_resources(machine, found, regions, dma_limit)
    if not any(h.by is Taker.INITRD for h in found):
        found += _initrd(machine)
    found += _efi_map(machine, found)
    return tuple(sorted(found, key=lambda h: h.range))


def _of_log(machine: Machine, rules: CrashRules, ram: Sequence[MemRange]) -> list[Held]:
    out = [_held(machine, t, _pages(t.range)) for t in machine.taken_by(*_FIXED)]
    for disk in machine.taken_by(Taker.INITRD):
        moved = _pages(disk.loaded) if disk.loaded else None
        out.append(replace(_held(machine, disk, _pages(disk.range)), origin=moved))
    if rules.after_numa:
        others = sorted(h.range.start for h in out)
        out += [_held(machine, t, _to_top(t.range, ram, others)) for t in machine.taken_by(Taker.NODE_DATA)]
    if rules.cma_first:
        # What is printed behind the search is the crash kernel's own.
        last = machine.boot.search_line
        areas = machine.taken_by(Taker.CMA)
        out += [_held(machine, t, t.range) for t in areas if last is None or t.line < last.value]
    others_taken = (Taker.EARLY, Taker.EFI_TABLE, *((Taker.MEMBLOCK,) if rules.arch in ("x86_64", "i386") else ()))
    return out + [_held(machine, t, t.range) for t in machine.taken_by(*others_taken)]


def _efi_map(machine: Machine, held: Sequence[Held]) -> list[Held]:
    # The EFI map that the kernel was booted with, and what it shows to be boot services memory.
    found = machine.efi.map
    if not found or machine.arch not in ("x86_64", "i386"):
        return []
    at, lines = machine.efi.map_at, any(e.line for e in found.value)
    own = [Held(at.value, Taker.EFI_MAP, "EFI memory map", found.source)] if at and not lines else []
    memory = [(e.type, e.range, _at(found.source, e.line)) for e in found.value]
    return own + boot_services([*held, *own], memory)


def _initrd(machine: Machine) -> list[Held]:
    # Where the boot loader's parameters say that it is.
    found = machine.boot.initrd
    return [Held(found.value, Taker.INITRD, "initrd", found.source)] if found and found.value else []


def _of_arm64_resources(
    machine: Machine, held: Sequence[Held], regions: Sequence[Region], dma_limit: int
) -> list[Held]:
    tree = machine.memory.resources
    if not tree:
        return []
    added = _arm64_initrd(machine, tree)
    known = RangeSet(h.range for h in (*added, *(h for h in held if h.by is Taker.KERNEL_IMAGE)))
    for span in reserved_by_address(tree.value, regions, dma_limit):
        if not known.overlapping(span):
            added.append(Held(span, Taker.FIRMWARE, "firmware or boot loader", tree.source))
    return added


def _arm64_initrd(machine: Machine, tree: Fact[ResourceTree]) -> list[Held]:
    # Where the device tree has it; or the boot log prints its size when its whole pages are freed, and the reserved
    # range of that size, give or take the pages at its ends, is where it was. The device tree follows it.
    told, size = machine.boot.initrd, machine.boot.initrd_size.value if machine.boot.initrd_size else 0
    reserved = [r.range for r in tree.value.named("reserved")]
    if told and told.value:
        span = MemRange(align_down(told.value.start, PAGE_SIZE), align_up(told.value.end, PAGE_SIZE))
        found = Held(span, Taker.INITRD, "initrd", told.source)
    else:
        fitting = [r for r in reserved if size and 0 <= align_up(r.size, PAGE_SIZE) - size <= 2 * PAGE_SIZE]
        if len(fitting) != 1:
            return []
        found = Held(fitting[0], Taker.INITRD, "initrd", tree.source)
    near = [r for r in reserved if found.range.end <= r.start < found.range.end + 4 * MIB]
    return [found, *(Held(r, Taker.DEVICE_TREE, "device tree", tree.source) for r in near[:1])]


def late_of(held: Iterable[Held]) -> tuple[MemRange, ...]:
    """Return what was given out last before the kernel ran, or by the kernel: no firmware memory lies right below.

    What the kernel itself puts at the top of memory below 4 GiB does not count: it is small enough to fit between
    pieces of firmware memory, which lie there.
    """
    return tuple(
        h.range
        for h in held
        if h.by not in (Taker.EFI_TABLE, Taker.ACPI_TABLE) and not (h.by is Taker.NODE_DATA and h.range.start < 4 * GIB)
    )


def _to_top(span: MemRange, ram: Sequence[MemRange], others: Sequence[int]) -> MemRange:
    # Up to the end of RAM, or to what else is known to lie there.
    around = next((r for r in ram if r.contains(span)), span)
    end = min([around.end, *(start for start in others if start >= span.end)])
    return MemRange(align_down(span.start, PAGE_SIZE), end)


def _on_its_node(held: Held, regions: Sequence[Region]) -> Held:
    # arm64's lines up to 6.11 do not number the nodes whose data they place; each lies on its own.
    if held.by is not Taker.NODE_DATA:
        return held
    node = next((r.node for r in regions if r.range.holds(held.range.start)), None) or 0
    return replace(held, node=node, name=f"NODE_DATA({node})")


def _pages(span: MemRange) -> MemRange:
    # The initrd is reserved in whole pages at its end; the rest to the byte, which whole pages do not change.
    return MemRange(span.start, min(align_up(span.end, PAGE_SIZE), 1 << 64))


def _held(machine: Machine, taken: Taken, span: MemRange) -> Held:
    assert machine.taken
    return Held(span, taken.by, taken.name, _at(machine.taken.source, taken.line), taken.node)


def _at(source: str, line: int) -> str:
    return f"{source}:{line}" if line else source
