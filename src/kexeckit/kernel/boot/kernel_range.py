"""The kernel's own memory, [_text, _end): it stays RAM whatever mem= and memmap= say.

    | code | rodata | data | bss | brk |
    ^_text                    |    |   ^_end
                              |    64 KiB of slack, 64 KiB for DMI, the first page tables
                              "Kernel bss" in /proc/iomem ends here

Compared with the sizes in /proc/kcore of 5.10, 6.1, 6.12 and 7.2, all built with CONFIG_XEN_PV, which adds nothing.

Source: arch/x86/kernel/setup.c, e820_add_kernel_range(), RESERVE_BRK(dmi_alloc); arch/x86/kernel/vmlinux.lds.S, .brk;
arch/x86/mm/init.c, INIT_PGT_BUF_SIZE.
"""

from kexeckit.kernel.boot.next_boot import Boot, placed_by_others
from kexeckit.machine.arch import X86
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import KIB, MIB, PAGE_SIZE, align_down, align_up

__all__ = [
    "LARGEST_IMAGE",
    "LOAD_ADDRESS",
    "SMALLEST_IMAGE",
    "goes_where_built",
    "kernel_parts",
    "kernel_range",
    "shown_kernel_range",
]

LOAD_ADDRESS = 16 * MIB
"""CONFIG_PHYSICAL_START of x86, which no distribution changes."""
SMALLEST_IMAGE, LARGEST_IMAGE = 8 * MIB, 96 * MIB
"""Between these lie the sizes of kernel images, of 2.6 with few drivers and of 7.x with debugging."""
_RESOURCES = ("Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")
_SLACK, _DMI = 64 * KIB, 64 * KIB
# INIT_PGD_PAGE_COUNT without CONFIG_RANDOMIZE_MEMORY, which came with 4.8.
_LEAST_TABLES = 6


def kernel_parts(machine: Machine) -> MemRange | None:
    """Return where /proc/iomem shows the kernel, from its code to the end of its bss in whole pages, or None."""
    tree = machine.memory.resources
    parts = [r.range for r in tree.value.named(*_RESOURCES)] if tree else []
    if not parts:
        return None
    return MemRange(align_down(min(r.start for r in parts), PAGE_SIZE), align_up(max(r.end for r in parts), PAGE_SIZE))


def goes_where_built(machine: Machine, boot: Boot) -> bool:
    """Say whether a kernel that was put at random will be at `LOAD_ADDRESS` in the boot that is asked about."""
    anew = boot.next and boot.seen_random and not boot.random
    return anew and machine.arch in X86 and not placed_by_others(machine)


def shown_kernel_range(machine: Machine, tables: int) -> MemRange | None:
    """Return where /proc/iomem shows the x86 kernel, with the brk area; None where it does not.

    Args:
        machine: The machine.
        tables: Pages for the first page tables, `CrashRules.table_buffer`; 0 where that is not modelled.
    """
    parts = kernel_parts(machine)
    brk = _SLACK + _DMI + (tables or _LEAST_TABLES) * PAGE_SIZE
    return MemRange(parts.start, parts.end + brk) if parts else None


def kernel_range(machine: Machine, boot: Boot, tables: int) -> MemRange | None:
    """Return where the x86 kernel is expected in the boot that is asked about; None where that is not known.

    Args:
        machine: The machine.
        boot: Which boot that is.
        tables: As `shown_kernel_range` takes them.
    """
    shown = shown_kernel_range(machine, tables)
    if shown and goes_where_built(machine, boot):
        return MemRange.from_size(LOAD_ADDRESS, shown.size)
    return shown if not boot.next or not (boot.random or boot.seen_random) else None
