"""The kernel's own memory, [_text, _end): it stays RAM whatever mem= and memmap= say.

    | code | rodata | data | bss | brk |
    ^_text                    |    |   ^_end
                              |    64 KiB of slack, 64 KiB for DMI, the first page tables
                              "Kernel bss" in /proc/iomem ends here

Compared with the sizes in /proc/kcore of 5.10, 6.1, 6.12 and 7.2, all built with CONFIG_XEN_PV, which adds nothing.

Source: arch/x86/kernel/setup.c, e820_add_kernel_range(), RESERVE_BRK(dmi_alloc); arch/x86/kernel/vmlinux.lds.S, .brk;
arch/x86/mm/init.c, INIT_PGT_BUF_SIZE.
"""

from kexeckit.kernel.boot.next_boot import Boot, may_be_efi
from kexeckit.machine.fact import yes
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import KIB, PAGE_SIZE, align_up

__all__ = ["kernel_range", "shown_kernel_range"]

_RESOURCES = ("Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")
_SLACK, _DMI = 64 * KIB, 64 * KIB
# INIT_PGD_PAGE_COUNT without CONFIG_RANDOMIZE_MEMORY, which came with 4.8.
_LEAST_TABLES = 6


def shown_kernel_range(machine: Machine, tables: int) -> MemRange | None:
    """Return where /proc/iomem shows the x86 kernel, with the brk area; None where it does not.

    Args:
        machine: The machine.
        tables: Pages for the first page tables, `CrashRules.table_buffer`; 0 where that is not modelled.
    """
    tree = machine.memory.resources
    parts = [r.range for r in tree.value.named(*_RESOURCES)] if tree else []
    if not parts:
        return None
    brk = _SLACK + _DMI + (tables or _LEAST_TABLES) * PAGE_SIZE
    return MemRange(min(r.start for r in parts), align_up(max(r.end for r in parts), PAGE_SIZE) + brk)


def kernel_range(machine: Machine, boot: Boot, tables: int) -> MemRange | None:
    """Return where the x86 kernel is expected in the boot that is asked about; None where that is not known.

    Args:
        machine: The machine.
        boot: Which boot that is.
        tables: As `shown_kernel_range` takes them.
    """
    shown = shown_kernel_range(machine, tables)
    if shown is None or not boot.next:
        return shown
    if boot.random:
        return None
    if not boot.seen_random:
        return shown
    # It was put at random, and will not be: it goes where it is built for, if nobody else places it.
    if may_be_efi(machine) or yes(machine.boot.kexec):
        return None
    from kexeckit.kernel.boot.kaslr import LOAD_ADDRESS

    return MemRange.from_size(LOAD_ADDRESS, shown.size)
