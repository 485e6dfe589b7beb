"""Where EFI boot services memory must be taken to lie where no source prints the EFI map: likely, never certain.

Two things tell: what firmware handed out last (the ESRT, setup_data), and in QEMU's guests what EDK II leaves behind
(`kernel/boot/edk2.py`).

Source: arch/x86/platform/efi/quirks.c, efi_reserve_boot_services().
"""

from collections.abc import Iterable, Iterator, Sequence

from kexeckit.kernel.boot.edk2 import old_stacks
from kexeckit.kernel.boot.held import Held
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange

_OVMF = ("EDK II", "QEMU ")
# Addresses that QEMU's CPUs have unless it is told otherwise: target/i386/cpu.c, phys-bits.
_ADDRESS_BITS = 40


def assumed_firmware(machine: Machine, held: Sequence[Held], ram: Sequence[MemRange]) -> list[Held]:
    """Return what firmware is taken to keep.

    Args:
        machine: The machine.
        held: What is shown to be taken.
        ram: RAM.
    """
    return [*_above_marks(held, ram), *_pei_stack(machine, ram)]


def is_modelled(machine: Machine) -> bool:
    """Say whether it is the firmware of QEMU's guests, which has all of its own memory below 4 GiB.

    Source: edk2 MdeModulePkg/Core/Dxe/Mem/Page.c, FindFreePages().
    """
    vendor, product = machine.efi.vendor, machine.boot.product
    if not vendor or not product:
        return False
    return _OVMF[0] in vendor.value and product.value.startswith(_OVMF[1])


def _above_marks(held: Iterable[Held], ram: Sequence[MemRange]) -> Iterator[Held]:
    # Firmware hands memory out from the top of a range down. The ESRT and setup_data are among the last that it hands
    # out before the kernel runs, so what lies above the lowest of them in the same range was handed out before, and
    # what lies below was not. Seen in logs of one machine that differ by boot: the region follows the ESRT.
    marks = [h for h in held if h.by in (Taker.ESRT, Taker.SETUP_DATA)]
    for span in ram:
        lowest = min((h.range.start for h in marks if span.holds(h.range.start)), default=None)
        if lowest is not None:
            yield _assumed(MemRange(lowest, span.end), "above the ESRT or setup_data")


def _pei_stack(machine: Machine, ram: Sequence[MemRange]) -> Iterator[Held]:
    table = machine.memory.firmware
    if not table or not is_modelled(machine):
        return
    entries = [MemoryEntry(MemRange(e.start, e.end), e.kind) for e in table.value if e.start < e.end]
    gib_pages = machine.kernel.gbpages is None or machine.kernel.gbpages.value
    stack = old_stacks(entries, address_bits=_ADDRESS_BITS, gib_pages=gib_pages)
    if stack and any(span.contains(stack) for span in ram):
        yield _assumed(stack, "the old stack of EDK II's first phase")


def _assumed(span: MemRange, source: str) -> Held:
    return Held(span, Taker.BOOT_SERVICES, Taker.BOOT_SERVICES.value, source)
