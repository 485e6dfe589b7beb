"""Where EFI boot services memory must be taken to lie where no source prints the EFI map: likely, never certain.

The firmware of QEMU's virtual machines is EDK II's OVMF, whose own memory follows from its source. Before it can run
from RAM it publishes one piece of it, puts its permanent stack at the bottom, and takes everything else from the top.
The stack stays boot services data to the end, so a kernel keeps it reserved until after the reservation.

    RAM below 4 GiB   ... free |stack| free, or a copy of the initrd | firmware's own, many pieces | S3, ACPI NVS |
                               |<------- 64 MiB and the page tables ------------------------------>|

Source: edk2 OvmfPkg/PlatformPei/MemDetect.c, PublishPeiMemory(), GetPeiMemoryCap(); MdeModulePkg/Core/Pei/Dispatcher/
Dispatcher.c, PeiCheckAndSwitchStack(); MdeModulePkg.dec, PcdPeiCoreMaxPeiStackSize. The kernel:
arch/x86/platform/efi/quirks.c, efi_reserve_boot_services().
"""

from collections.abc import Iterable, Iterator, Sequence

from kexeckit.kernel.boot.held import Held
from kexeckit.machine.taken import Taker
from kexeckit.machine.value import Machine
from kexeckit.memory.kind import NVS, RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, KIB, MIB, PAGE_SIZE

_OVMF = ("EDK II", "QEMU ")
# GetPeiMemoryCap(): 64 MiB and its page tables. These are 3 pages on CPUs that have pages of 1 GiB and 40 bits of
# addresses, as QEMU gives its guests; others have up to 4 MiB of them.
_PEI_MEMORY = 64 * MIB + 3 * PAGE_SIZE
_PEI_STACK = 128 * KIB


def assumed_firmware(machine: Machine, held: Sequence[Held], ram: Sequence[MemRange]) -> list[Held]:
    """Return what firmware is taken to keep.

    Args:
        machine: The machine.
        held: What is shown to be taken.
        ram: RAM.
    """
    return [*_above_marks(held, ram), *_pei_stack(machine, ram)]


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
    vendor, product, table = machine.efi.vendor, machine.boot.product, machine.memory.firmware
    if not (vendor and product and table) or not (_OVMF[0] in vendor.value and product.value.startswith(_OVMF[1])):
        return
    low = [e for e in table.value if e.start < e.end <= 4 * GIB and e.kind in (RAM, NVS)]
    top = max(low, key=lambda e: e.end, default=None)
    if top is None:
        return
    # What S3 needs lies at the very top, where the machine has S3.
    bottom = (top.start if top.kind == NVS else top.end) - _PEI_MEMORY
    if any(span.start <= bottom and bottom + _PEI_STACK <= span.end for span in ram):
        yield _assumed(MemRange.from_size(bottom, _PEI_STACK), "the stack of EDK II's PEI phase")


def _assumed(span: MemRange, source: str) -> Held:
    return Held(span, Taker.BOOT_SERVICES, Taker.BOOT_SERVICES.value, source)
