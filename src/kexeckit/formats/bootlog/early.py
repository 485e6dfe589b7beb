"""What a boot log says about memory that is taken before the crash kernel's reservation.

Each function returns the ranges of one kind, with the line they stand on. What a kernel prints has changed its form
more than once, so the patterns accept all of them.

Source: arch/x86/kernel/setup.c, reserve_initrd(), relocate_initrd(); arch/x86/mm/numa.c and drivers/base/arch_numa.c,
alloc_node_data(); drivers/acpi/tables.c; drivers/firmware/efi/esrt.c; mm/cma.c; arch/x86/mm/init.c, alloc_low_pages();
mm/page_alloc.c, mem_init_print_info(); arch/x86/boot/compressed/misc.c.
"""

import re

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import KIB, MIB, align_down, align_up

_HEX = r"(?:0x)?([0-9a-f]{1,16})"
_RANGE = rf"\[?(?:mem )?{_HEX} ?- ?{_HEX}\]?"
_RAMDISK = LinePattern(rf"^RAMDISK: (\[mem )?{_HEX} ?- ?{_HEX}", "ramdisk: ", ignore_case=True)
_NEW_RAMDISK = LinePattern(
    rf"^Allocated new RAMDISK: (\[mem )?{_HEX} ?- ?{_HEX}", "allocated new ramdisk: ", ignore_case=True
)
_INITRD_SIGN = LinePattern(
    r"^(?:Trying to unpack rootfs image as initramfs|Unpacking initramfs|checking if image is initramfs|"
    r"Freeing initrd memory|(?:efi: )?EFI stub: Loaded initrd)",
    "trying to unpack rootfs",
    "unpacking initramfs",
    "checking if image is initramfs",
    "freeing initrd memory",
    "efi stub: loaded initrd",
    ignore_case=True,
)
_INITRD_FREED = LinePattern(r"^Freeing initrd memory: (\d+)[kK]", "freeing initrd memory: ", ignore_case=True)
_NODE_DATA = LinePattern(
    rf"^(?:NUMA:|numa:)?\s*NODE_DATA(?:\((\d+)\))?(?: allocated)?:? (\[?mem )?\[?{_HEX} ?- ?{_HEX}\]?",
    "node_data",
    ignore_case=True,
)
_SETUP_NODE = LinePattern(
    r"^(?:NUMA: )?Initmem setup node (\d+)|^(?:NUMA: )?Setup node (\d+)", "setup node ", ignore_case=True
)
_ACPI = LinePattern(rf"^ACPI: Reserving (\S+) table memory at {_RANGE}", "acpi: reserving ", ignore_case=True)
_ESRT = LinePattern(rf"^esrt: Reserving ESRT space from {_HEX} to {_HEX}", "esrt: reserving ", ignore_case=True)
_CMA = LinePattern(rf"^cma: Reserved (\d+) MiB at {_HEX}", "cma: reserved ", ignore_case=True)
_BRK = LinePattern(rf"^BRK \[{_HEX}, {_HEX}\]", "brk [", ignore_case=True)
_CODE = LinePattern(r"(\d+)[kK] kernel code,(?: \d+k absent, \d+k reserved,)?(.*)", "kernel code,", ignore_case=True)
_IMAGE_PART = re.compile(r"(\d+)[kK] (rwdata|rodata|init|bss|data)\b", re.IGNORECASE)
_MEMORY = LinePattern(r"^Memory: \d+[kK]/\d+[kK] available", "memory: ", ignore_case=True)
_TABLES_AT = LinePattern(
    rf"^ ?kernel direct mapping tables up to [0-9a-fx]+ @ (\[mem )?{_HEX} ?- ?{_HEX}",
    "kernel direct mapping tables up to ",
    ignore_case=True,
)
_INITIAL = LinePattern(
    rf"^initial memory mapped ?: (?:\[mem )?{_HEX} ?- ?{_HEX}", "initial memory mapped", ignore_case=True
)
_OUTPUT = LinePattern(r"^output: 0x([0-9a-f]+)", "output: 0x", ignore_case=True)
_NEEDED = LinePattern(
    r"^(?:needed_size|kernel_total_size): 0x([0-9a-f]+)", "needed_size: 0x", "kernel_total_size: 0x", ignore_case=True
)
_UNWIND = (30, 100)
_SETUP_DATA = LinePattern(
    r"^e820: update \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] +(usable|System RAM) +==> +(?:usable|System RAM)",
    "e820: update ",
)
# To 5.14 the maker comes first, then last: "AMD Memory Encryption Features active: SME", "Memory ... active: AMD SME".
_ENCRYPTION = LinePattern(r"^(?:AMD )?Memory Encryption Features active: ", "memory encryption features active: ")
_SETUP_EFI = 0x70
_BEHIND_VECTORS = LinePattern(r"^ ?BIOS-e820: (?:\[mem 0x0*100-|0{13}100 - )", "bios-e820: ", ignore_case=True)
_EARLY_RES = LinePattern(rf"^ +#\d+ \[{_HEX} - {_HEX}\] +(\S.*?)( ==> \[.*)?$", " #", ignore_case=True)
_NO_KASLR = LinePattern(r"^(?:KASLR disabled|.*KASLR disabled)", "kaslr disabled", ignore_case=True)


@dataclass(frozen=True, slots=True)
class Taken:
    """Memory that a line of the log says is taken.

    Attributes:
        range: Its bytes.
        what: By what.
        line: Line number in the file.
        node: Node number where the line names one, else 0.
    """

    range: MemRange
    what: str
    line: int
    node: int = 0


def initrd(log: BootLog) -> Taken | None:
    """Return where the initrd is, after the kernel moved it where it did; None where no line says so."""
    found = loaded_initrd(log)
    for line, m in log.matches(_NEW_RAMDISK):
        found = _taken(m[2], m[3], "initrd", line.number, inclusive=bool(m[1])) or found
    return found


def loaded_initrd(log: BootLog) -> Taken | None:
    """Return where the boot loader put the initrd, whether the kernel moved it or not."""
    found = (_taken(m[2], m[3], "initrd", at.number, inclusive=bool(m[1])) for at, m in log.matches(_RAMDISK))
    return next((taken for taken in found if taken), None)


def initrd_size(log: BootLog) -> int | None:
    """Return the size of the initrd that the log shows some sign of (0: size unknown), or None for no sign."""
    sized = log.find(_INITRD_FREED)
    if sized:
        return int(sized[1]) * KIB
    return 0 if log.find(_INITRD_SIGN) else None


def node_data(log: BootLog) -> list[Taken]:
    """Return each node's data area."""
    out: list[Taken] = []
    node = 0
    if not log.may_match(_NODE_DATA):
        return []
    of_setup, of_data = _SETUP_NODE.compiled.match, _NODE_DATA.compiled.match
    for line in log.lines:
        setup = of_setup(line.text)
        if setup:
            node = int(setup[1] or setup[2])
        m = of_data(line.text)
        if m:
            number = int(m[1]) if m[1] else node
            found = _taken(m[3], m[4], f"NODE_DATA({number})", line.number, node=number)
            out += [found] if found else []
    return out


def reserved_tables(log: BootLog) -> list[Taken]:
    """Return ACPI tables and the ESRT, as far as the kernel says that it reserves them."""
    out = []
    for line, m in log.matches(_ACPI):
        out.append(_taken(m[2], m[3], f"ACPI {m[1]}", line.number))
    for line, m in log.matches(_ESRT):
        out.append(_taken(m[1], m[2], "ESRT", line.number, inclusive=False))
    return [t for t in out if t]


def setup_data(log: BootLog) -> list[Taken]:
    """Return the setup_data that the boot loader passed, as the kernel marks it in its map."""
    out = (_taken(m[1], m[2], "setup_data", line.number) for line, m in log.matches(_SETUP_DATA))
    return [t for t in out if t]


def booted_by_kexec(log: BootLog) -> bool:
    """Say whether another kernel started this one: kexec leaves its marks in the map that it hands over.

    Its setup_data carries EFI's addresses, which firmware's own never does, and is known by its size; kexec-tools lets
    memory begin behind the interrupt table.

    Source: arch/x86/include/asm/efi.h, struct efi_setup_data; arch/x86/kernel/kexec-bzimage64.c, setup_efi_state();
    kexec-tools kexec/arch/i386/kexec-x86-common.c, get_memory_ranges_proc_iomem().
    """
    return bool(log.find(_BEHIND_VECTORS)) or any(t.range.size == _SETUP_EFI for t in setup_data(log))


def mapping_tables(log: BootLog) -> list[Taken]:
    """Return the room that kernels before 3.8 set aside for the page tables of the direct mapping."""
    out = (_taken(m[2], m[3], "page tables", line.number, inclusive=bool(m[1])) for line, m in log.matches(_TABLES_AT))
    return [t for t in out if t]


def early_reservations(log: BootLog) -> list[Taken]:
    """Return the list of all reservations that kernels up to 2.6.33 print before the crash kernel's.

    Later ones print it with everything that came after, too; only the kernel image is of use there.

    Source: arch/x86/kernel/e820.c, early_res_to_bootmem(); kernel/early_res.c, subtract_early_res() from 2.6.34 on.
    """
    rows = ((line, m) for line, m in log.matches(_EARLY_RES) if m[4] or m[3] == "TEXT DATA BSS")
    out = (_taken(m[1], m[2], m[3], line.number, inclusive=False) for line, m in rows)
    return [t for t in out if t]


def cma_areas(log: BootLog) -> list[Taken]:
    """Return the CMA areas that the log prints, in order."""
    out = []
    for line, m in log.matches(_CMA):
        start = int(m[2], 16)
        span = clip(start, min(start + int(m[1]) * MIB, 1 << 64))
        out += [Taken(span, "CMA area", line.number)] if span else []
    return out


@dataclass(frozen=True, slots=True)
class ImageSize:
    """How much memory the kernel image takes, as far as the "Memory:" line tells.

    Attributes:
        least: Bytes that the named sections take at least.
        most: Bytes with unwind tables, which the line does not name (measured: 23 to 29 % of the code).
        line: Line number in the file.
    """

    least: int
    most: int
    line: int


def image_size(log: BootLog) -> ImageSize | None:
    """Return the size of the kernel image from the "Memory:" line; sections begin and the image ends at 2 MiB steps."""
    for line, _ in log.matches(_MEMORY):
        text = _CODE.search(line.text)
        if not text:
            continue
        code = int(text[1]) * KIB
        parts = {name.lower(): int(size) * KIB for size, name in _IMAGE_PART.findall(text[2])}
        head = align_up(code, 2 * MIB) + align_up(parts.get("rodata", 0), 2 * MIB)
        rest = head + sum(size for name, size in parts.items() if name != "rodata")
        tables = code * _UNWIND[0] // _UNWIND[1]
        return ImageSize(align_up(rest, 2 * MIB), align_up(rest + tables, 2 * MIB) + 128 * KIB, line.number)
    return None


def kernel_place(log: BootLog) -> Taken | None:
    """Return where the kernel image is, from a list, the decompressor's messages or the BRK lines, or None.

    BRK pages follow the image, so they give its end; its size gives the beginning.
    """
    listed = next((t for t in early_reservations(log) if t.what == "TEXT DATA BSS"), None)
    if listed:
        return _place(listed.range.start, listed.range.end, listed.line)
    size = image_size(log)
    output, needed = log.find(_OUTPUT), log.find(_NEEDED)
    if output and needed:
        start = int(output[1], 16) & ((1 << 64) - 1)
        return _place(start, start + int(needed[1], 16), 0)
    pages = [(line.number, int(m[1], 16), int(m[2], 16)) for line, m in log.matches(_BRK)]
    if not pages:
        return None
    end = align_up(max(last for _, _, last in pages) + 1, 2 * MIB)
    begin = min(first for _, first, _ in pages)
    length = size.most if size else 32 * MIB
    return _place(max(align_down(max(begin - length, 0), 2 * MIB), MIB), end, pages[0][0])


def initially_mapped_end(log: BootLog) -> int | None:
    """Return the end of what was mapped first: on i386 just behind the kernel image; None where it is not printed."""
    m = log.find(_INITIAL)
    return int(m[2], 16) if m else None


def says_kaslr_disabled(log: BootLog) -> bool:
    """Say whether a line tells that the kernel was not put at a random place."""
    return bool(log.find(_NO_KASLR))


def encrypts_memory(log: BootLog) -> bool:
    """Say whether a line tells that memory encryption (AMD's SME or SEV) is on."""
    return bool(log.find(_ENCRYPTION))


def _place(start: int, end: int, line: int) -> Taken | None:
    span = clip(start, min(end, 1 << 64))
    return Taken(span, "kernel image", line) if span else None


def _taken(first: str, last: str, what: str, line: int, *, inclusive: bool = True, node: int = 0) -> Taken | None:
    span = clip(int(first, 16), min(int(last, 16) + (1 if inclusive else 0), 1 << 64))
    return Taken(span, what, line, node) if span else None
