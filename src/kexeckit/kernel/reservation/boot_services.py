"""EFI boot services memory: still reserved when the crash kernel's turn comes, freed much later.

    EFI map     | conventional | boot data | conventional | boot code ... [table] ... | conventional |
    reserved                   |###########|                      only  |#|

A descriptor that touches anything reserved before is not reserved once more, not even the rest of it. Tables whose
reservation cuts the map (ESRT, MOK variables) are descriptors of their own by then.

Source: arch/x86/platform/efi/quirks.c, efi_reserve_boot_services(), efi_arch_mem_reserve(); drivers/firmware/efi/
memattr.c, tpm.c, efi.c: reserved by memblock_reserve(), before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

# EFI's memory types, by number.
_TAKERS = {3: Taker.BOOT_CODE, 4: Taker.BOOT_DATA}
_NAMES = {3: "EFI Boot Code", 4: "EFI Boot Data"}
# Reserved by address, without cutting the map.
_PLAIN = (Taker.KERNEL_IMAGE, Taker.INITRD, Taker.SETUP_DATA, Taker.EFI_TABLE, Taker.EFI_MAP)
_CUTTING = "EFI table MOKvar"


def boot_services(held: Sequence[Held], memory: Iterable[tuple[int, MemRange, str]]) -> list[Held]:
    """Return what the kernel reserves of boot services memory.

    Args:
        held: What is reserved otherwise.
        memory: (type, range, source) of the EFI map's descriptors.
    """
    before = RangeSet(h.origin or h.range for h in held if h.by in _PLAIN and h.name != _CUTTING)
    return [
        Held(span, _TAKERS[kind], _NAMES[kind], source)
        for kind, span, source in memory
        if kind in _TAKERS and not before.overlapping(span)
    ]


def without_assumed(facts: ReservationInput) -> ReservationInput:
    """Return the facts without what is only assumed to be boot services memory; the same object if there is none."""
    assumed = {h.range for h in facts.held if h.by is Taker.BOOT_SERVICES}
    if not assumed:
        return facts
    held = tuple(h for h in facts.held if h.by is not Taker.BOOT_SERVICES)
    return replace(facts, held=held, late=tuple(r for r in facts.late if r not in assumed))
