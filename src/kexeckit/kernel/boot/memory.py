"""What is memory when a kernel sets up memblock: the firmware's map as words change it, or what stands for it.

    firmware's table -> cleaned up -> mem=, memmap= -> BIOS area out -> what has no cacheable MTRR out -> memory
    without a table:    the kernel's own list of memory ranges, or System RAM of /proc/iomem

Source: arch/x86/kernel/setup.c, setup_arch(); arch/x86/kernel/e820.c; arch/arm64/mm/init.c, early_mem(),
arm64_memblock_init().
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kexeckit.formats.cmdline import values
from kexeckit.formats.memparse import parse_memory
from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.e820 import E820_RAM, E820Entry, Table, early_words, make_table
from kexeckit.machine.arch import X86
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import KIB, PAGE_SIZE, align_down

if TYPE_CHECKING:
    from kexeckit.kernel.behaviour.zones import ZoneBehaviour
    from kexeckit.kernel.boot.x86_memory import X86Memory

_LOW_RESERVE = MemRange(0, 64 * KIB)
_RAM_FOR_TABLE = "no source shows the firmware's map: RAM stands for it, as far as the booted kernel saw it"


@dataclass(frozen=True, slots=True)
class BootMemory:
    """Memory when memblock is set up.

    Attributes:
        memory: What memblock.memory holds, whole pages.
        top: Address after the highest page that the kernel counts (max_pfn), in bytes.
        problem: Why the kernel stops over its map, or empty.
        notes: What the user should know.
        assumed: What was assumed.
    """

    memory: RangeSet = EMPTY
    top: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def memory_at_boot(
    machine: Machine,
    cmdline: str,
    behaviour: "ZoneBehaviour",
    kernel: MemRange | None = None,
    *,
    next_boot: bool = False,
) -> BootMemory:
    """Return what is memory under a command line.

    Args:
        machine: What is known.
        cmdline: The whole command line that is asked about.
        behaviour: What the kernel does.
        kernel: Where the kernel itself lies (x86); None where that is not known, or where it changes nothing.
        next_boot: Another boot is asked about: its kernel may lie elsewhere, and stays RAM there.
    """
    same = _same_words(machine, cmdline)
    table = firmware_table(machine) if machine.arch in X86 else ()
    if table:
        from kexeckit.kernel.boot.x86_memory import x86_memory

        reach = machine.kernel.reach.value if machine.kernel.reach else None
        found = x86_memory(table, cmdline, behaviour, given_up(machine), reach, kernel)
        return _of_table(machine, found, printed=same and not (next_boot and early_words(cmdline)))
    known = known_memory(machine)
    if not known or same:
        return BootMemory(known, _end(known), notes=_shown_notes(machine))
    if machine.arch in X86:
        from kexeckit.kernel.boot.x86_memory import x86_memory

        ram = tuple(E820Entry(r.start, r.end, E820_RAM) for r in known)
        found = x86_memory(ram, cmdline, behaviour, kernel=kernel)
        return BootMemory(found.memory, found.top, found.problem, (), (_RAM_FOR_TABLE,))
    page = machine.kernel.page_size.value if machine.kernel.page_size else PAGE_SIZE
    kept = limited(known, cmdline, page, _added_back(machine)) if machine.arch == "arm64" else known
    return BootMemory(kept, _end(kept), notes=_shown_notes(machine))


def firmware_table(machine: Machine) -> Table:
    """Return the firmware's e820 table, or an empty one."""
    found = machine.memory.firmware
    return make_table((e.start, e.end, e.kind.e820) for e in found.value) if found else ()


def given_up(machine: Machine) -> tuple[MemRange, ...]:
    """Return the RAM that the kernel made reserved before memblock was set up, as the source shows it."""
    found = machine.memory.changes
    return tuple(c.range for c in found.value) if found else ()


def low_reserve(behaviour: "ZoneBehaviour") -> tuple[MemRange, ...]:
    """Return the low memory that a kernel before 3.9 takes out of RAM; later ones have it as RAM that is taken.

    Source: arch/x86/kernel/setup.c, trim_bios_range() before 3.9, with CONFIG_X86_RESERVE_LOW=64, its default;
    trim_low_memory_range() since.
    """
    return () if behaviour.low_64k_is_ram else (_LOW_RESERVE,)


def known_memory(machine: Machine) -> RangeSet:
    """Return the memory that the kernel was seen to know of: its own list, else System RAM.

    On arm64 memory that is not mapped is no System RAM, but a "reserved" of its own at the top level.
    """
    if machine.memory.ranges:
        return RangeSet(r.range for r in machine.memory.ranges.value)
    tree = machine.memory.resources
    if not tree:
        return EMPTY
    extra = tree.value.roots if machine.arch == "arm64" else ()
    return tree.value.ram() | RangeSet(r.range for r in extra if r.name == "reserved")


def limited(memory: RangeSet, cmdline: str, page: int, back: Iterable[MemRange] = ()) -> RangeSet:
    """Return what arm64's mem= leaves: the lowest bytes of all ranges together; the last word counts.

    Args:
        memory: Memory without a limit.
        cmdline: The command line.
        page: Bytes of a page.
        back: What is added back where it was cut off: the kernel image and the initrd.
    """
    sizes = [parse_memory(v)[0] for v in values(cmdline, "mem")]
    left = align_down(sizes[-1], page) if sizes else 0
    if not left:
        return memory
    kept = list(back)
    for part in memory:
        if left:
            kept.append(MemRange.from_size(part.start, min(part.size, left)))
            left -= kept[-1].size
    return RangeSet(kept) & memory


def _of_table(machine: Machine, found: "X86Memory", *, printed: bool) -> BootMemory:
    memory = found.memory
    notes: tuple[str, ...] = ()
    if printed and machine.memory.ranges:
        memory = known_memory(machine)
        if memory != found.memory:
            notes = ("the printed node ranges differ from what the firmware map gives; the printed ones are used",)
    return BootMemory(memory, found.top, found.problem, notes)


def _added_back(machine: Machine) -> list[MemRange]:
    # The kernel image and the initrd, which mem= does not take away.
    found, tree = machine.boot.initrd, machine.memory.resources
    parts = [r.range for r in tree.value.named("Kernel code", "Kernel data")] if tree else []
    image = [MemRange(min(r.start for r in parts), max(r.end for r in parts))] if parts else []
    return [*image, found.value] if found and found.value else image


def _same_words(machine: Machine, cmdline: str) -> bool:
    # Whether the words that change the memory map are those of the boot that was seen.
    seen = [w.text for w in early_words(machine.cmdline)]
    return seen == [w.text for w in early_words(cmdline)]


def _shown_notes(machine: Machine) -> tuple[str, ...]:
    damaged = machine.problem("memory.firmware")
    if damaged and machine.memory.ranges:
        return (f"{damaged}; the early memory node ranges are used instead",)
    if machine.memory.ranges or not early_words(machine.cmdline):
        return ()
    return ("memory is taken from /proc/iomem, where mem= and memmap= of the booted kernel show",)


def _end(memory: RangeSet) -> int:
    return max((r.end for r in memory), default=0)
