"""Every place that the kernel image may be put at in the boot that is asked about, from a `Machine`.

What chooses a place sees the machine as the boot loader hands it over: RAM of the e820 table without initrd and its own
working memory, or the free memory of the EFI map. Where that map is not shown, the places cannot be listed.
"""

from collections.abc import Iterable, Iterator

from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.formats.efi_memory_map import LOADER_CODE
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.boot.efi_room import efi_room
from kexeckit.kernel.boot.kaslr import ImageRoom, image_slots, needed_size
from kexeckit.kernel.boot.kernel_range import LOAD_ADDRESS, kernel_parts
from kexeckit.kernel.boot.slots import Slots
from kexeckit.machine.fact import yes
from kexeckit.machine.value import Machine
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, align_up

_ALIGN = 2 * MIB


def image_places_of(machine: Machine, kernel: Behaviours, cmdline: str, size: int) -> tuple[Slots, ...]:
    """Return the places, or none where they cannot be listed.

    Args:
        machine: The machine.
        kernel: What the next kernel does.
        cmdline: The command line of the boot that is asked about.
        size: Bytes of the image, from its code to the end of its bss.
    """
    room = _room(machine, kernel, cmdline, size)
    if room is None:
        return ()
    shown = machine.boot.init_size
    needed = needed_size(shown.value, size)[1] if shown else align_up(size, _ALIGN)
    return image_slots(room, kernel.kaslr, cmdline, size=needed) or ()


def _room(machine: Machine, kernel: Behaviours, cmdline: str, size: int) -> ImageRoom | None:
    if machine.boot.efi is None:
        return None
    if machine.boot.efi.value:
        found = machine.efi.map
        if not found:
            return None
        return efi_room(found.value, kernel.kaslr, cmdline, given_back=_given_back(machine, found.value))
    table = machine.memory.firmware
    if not table or yes(machine.boot.kexec):
        return None
    working = MemRange.from_size(LOAD_ADDRESS, machine.boot.init_size.value if machine.boot.init_size else size)
    memory = tuple(MemRange(e.start, e.end) for e in table.value if e.kind == RAM and e.start < e.end)
    srat = machine.nodes.srat
    immovable = tuple(a.range for a in srat.value.memory if not a.hotplug) if srat else ()
    return ImageRoom(memory, avoid=(working, *_initrd(machine)), immovable=immovable)


def _initrd(machine: Machine) -> Iterator[MemRange]:
    found = machine.boot.initrd
    if found and found.value:
        yield found.value


def _given_back(machine: Machine, entries: Iterable[EfiMapEntry]) -> Iterator[MemRange]:
    # What the boot that is shown put into free memory after the place was chosen, or by choosing it.
    image = kernel_parts(machine)
    for entry in entries:
        if image and entry.type == LOADER_CODE and entry.range.overlaps(image):
            yield entry.range
    yield from _initrd(machine)
