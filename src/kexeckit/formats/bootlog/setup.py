"""What a boot log says about the kernel's set-up: what it is built with, what it runs on, how far the log reaches.

Source: arch/x86/kernel/setup.c, setup_arch(), e820__end_of_ram_pfn(); arch/x86/mm/init.c, probe_page_size_mask();
arch/x86/xen/enlighten_pv.c; arch/x86/kernel/cpu/mtrr/cleanup.c, mtrr_trim_uncached_memory(); drivers/firmware/efi/
memmap.c and fake_mem.c, efi_find_mirror(); init/main.c and init/initramfs.c.
"""

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.line import LogLine
from kexeckit.formats.bootlog.memory import TableChange, table_changes
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.units import PAGE_SIZE

_AUTO = LinePattern(r"Using crashkernel=auto\b", "using crashkernel=auto")
_PFNS = LinePattern(r"^(?:e820: )?last_pfn = 0x([0-9a-f]{1,12}) max_arch_pfn = 0x([0-9a-f]{1,12})", "max_arch_pfn = ")
_LAST_PFN = LinePattern(r"^last_pfn = 0x([0-9a-f]{1,12})", "last_pfn = ")
_GIGABYTE = LinePattern(r"^Using GB pages for direct mapping", "using gb pages")
_MAPPING = LinePattern(
    r"^(?:kernel direct mapping tables|init_memory_mapping: |Kernel command line: |Zone (?:PFN )?ranges)",
    "kernel direct mapping tables",
    "init_memory_mapping: ",
    "kernel command line: ",
    "zone ranges",
    "zone pfn ranges",
)
_PRODUCT = LinePattern(r"^DMI: (\S.*, BIOS .*)$", "dmi: ")
_XEN = LinePattern(r"^Booting paravirtualized kernel on Xen PV", "on xen pv")
_MIRROR = LinePattern(r"^efi: Memory: \d+M/\d+M mirrored memory", "mirrored memory")
_TRIM_BEGINS = ("last_pfn =", "e820: remove [mem 0x000a0000", "e820 remove range: 00000000000a0000")
_TRIM_ENDS = ("found SMP", "RAMDISK:", "Using GB pages", "init_memory_mapping", "check: Scanning", "Zone ranges")
# What every kernel prints soon after the reservation: a log without any of it may end before its line of the initrd.
_AFTERWARDS = LinePattern(
    r"\s*(?:Zone (?:PFN )?ranges|Early memory node|Kernel command line|Memory: |Reserving \d+MB of |crashkernel)",
    "zone ranges",
    "zone pfn ranges",
    "early memory node",
    "kernel command line",
    "memory: ",
    "reserving ",
    "crashkernel",
)
# Printed after an initrd is unpacked, which is printed too: init/initramfs.c, do_populate_rootfs(); init/main.c.
_UNPACKED = LinePattern(
    r"Freeing unused (?:kernel|decrypted)|Run /\S+ as init process|Write protecting the kernel ",
    "freeing unused ",
    "as init process",
    "write protecting the kernel ",
)


def product(log: BootLog) -> str | None:
    """Return vendor, product and firmware version as the firmware names them; None where the log does not show it.

    Source: drivers/firmware/dmi_scan.c, dmi_format_ids().
    """
    return next((found[1].strip() for _, found in log.matches(_PRODUCT)), None)


def says_auto(log: BootLog) -> LogLine | None:
    """Return the line with which a vendor's kernel says that it knows ``crashkernel=auto``, or None."""
    return next((line for line, _ in log.matches(_AUTO)), None)


def address_reach(log: BootLog) -> tuple[int, LogLine] | None:
    """Return the address after the highest one that the build can use, in bytes, and its line; x86 only."""
    found = next(log.matches(_PFNS), None)
    return (int(found[1][2], 16) * PAGE_SIZE, found[0]) if found else None


def last_pfn(log: BootLog) -> int:
    """Return the highest page frame that a ``last_pfn`` line names, 0 where there is none."""
    return max((int(found[1], 16) for _, found in log.matches(_LAST_PFN)), default=0)


def uses_gigabyte_pages(log: BootLog) -> bool | None:
    """Say whether the kernel maps memory with 1 GiB pages; None where the log does not reach that far."""
    if log.find(_GIGABYTE):
        return True
    return False if log.find(_MAPPING) else None


def is_xen_pv(log: BootLog) -> bool:
    """Say whether the kernel runs as a paravirtualised Xen domain."""
    return bool(log.find(_XEN))


def has_mirror_line(log: BootLog) -> bool:
    """Say whether the kernel says that some memory is mirrored."""
    return bool(log.find(_MIRROR))


def late_trims(log: BootLog) -> tuple[TableChange, ...]:
    """Return what became reserved between the trimming of the BIOS area and the set-up of memblock.

    Ranges that no MTRR makes cacheable, and the GART's.
    """
    numbers = [line.number for line in log.lines if line.text.startswith(_TRIM_BEGINS)]
    ends = [
        line.number for line in log.lines if line.text.startswith(_TRIM_ENDS) and numbers and line.number > numbers[0]
    ]
    if not numbers:
        return ()
    first, last = numbers[0], ends[0] if ends else log.lines[-1].number
    changes = (c for c in table_changes(log) if first < c.line < last and c.old == RAM and c.new == RESERVED)
    return tuple(c for c in changes if c.range.end > PAGE_SIZE)


def reaches_zones(log: BootLog) -> bool:
    """Say whether the log goes on behind the reservation."""
    return bool(log.find(_AFTERWARDS))


def reaches_init(log: BootLog) -> bool:
    """Say whether the log goes on behind the unpacking of an initrd."""
    return bool(log.find(_UNPACKED))
