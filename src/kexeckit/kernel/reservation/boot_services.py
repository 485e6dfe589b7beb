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

from kexeckit.kernel.reservation.facts import Held, ReservationInput
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

BOOT_CODE, BOOT_DATA = 3, 4
ASSUMED = "EFI boot services memory, assumed"
_NAMES = {BOOT_CODE: "EFI Boot Code", BOOT_DATA: "EFI Boot Data"}
# Reserved by address, without cutting the map.
_PLAIN = ("kernel image", "initrd", "setup_data", "EFI table ", "EFI memory map")
_CUTTING = ("EFI table MOKvar",)


def boot_services(held: Sequence[Held], memory: Iterable[tuple[int, MemRange, str]]) -> list[Held]:
    """Return what the kernel reserves of boot services memory.

    Args:
        held: What is reserved otherwise.
        memory: (type, range, source) of the EFI map's descriptors.
    """
    before = RangeSet(
        h.origin or h.range for h in held if h.what.startswith(_PLAIN) and not h.what.startswith(_CUTTING)
    )
    return [
        Held(span, _NAMES[kind], source)
        for kind, span, source in memory
        if kind in _NAMES and not before.overlapping(span)
    ]


def without_assumed(facts: ReservationInput) -> ReservationInput:
    """Return the facts without what is only assumed to be boot services memory; the same object if there is none."""
    assumed = {h.range for h in facts.held if h.what == ASSUMED}
    if not assumed:
        return facts
    held = tuple(h for h in facts.held if h.what != ASSUMED)
    return replace(facts, held=held, late=tuple(r for r in facts.late if r not in assumed))


def with_efi_map(
    facts: ReservationInput, memory: Sequence[tuple[int, MemRange]], at: MemRange | None, source: str
) -> ReservationInput:
    """Return the facts with the EFI map that the kernel was booted with.

    Args:
        facts: What is known so far.
        memory: (type, range) of its descriptors.
        at: Where the map itself lies, which stays reserved; None for unknown.
        source: How messages name it.
    """
    held = [h for h in facts.held if h.what != ASSUMED]
    held += [Held(at, "EFI memory map", source)] if at else []
    held += boot_services(held, ((kind, span, source) for kind, span in memory))
    unshown = replace(facts.unshown, firmware=False)
    ordered = tuple(sorted(held, key=lambda h: h.range))
    return replace(facts, held=ordered, unshown=unshown, sources=(*facts.sources, source))
