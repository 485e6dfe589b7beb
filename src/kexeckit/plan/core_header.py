"""Which old memory a capture kernel is told about: the contents of the elfcorehdr.

Source: arch/x86/kernel/crash.c, elf_header_exclude_ranges(): System RAM without the low 1 MiB and the crash regions;
kernel/crash_core.c, crash_prepare_elf64_headers(): the notes, the kernel's text, then the ranges.
"""

from collections.abc import Iterable

from kexeckit.errors import PlanError
from kexeckit.formats.elfcorehdr import (
    EM_AARCH64,
    EM_X86_64,
    MAX_PROGRAM_HEADERS,
    NO_VADDR,
    ElfCoreHeader,
    LoadRange,
    NoteRange,
)
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.handover import LOW_MEMORY

_MACHINES = {"x86_64": EM_X86_64, "arm64": EM_AARCH64}


def old_memory(facts: MachineFacts) -> RangeSet:
    """Return the old kernel's memory as a dump has it."""
    return facts.resources.ram() - RangeSet((LOW_MEMORY,)) - facts.crash_memory()


def plan_core_header(facts: MachineFacts, dumped: Iterable[MemRange] | None = None) -> ElfCoreHeader:
    """Return the contents of the elfcorehdr.

    Args:
        facts: The machine.
        dumped: The ranges that get a PT_LOAD, where another loader chooses them; None for `old_memory`.

    Raises:
        PlanError: The source does not say where the CPUs' registers will be saved, or there are more ranges than an
            ELF header can count.
    """
    if not facts.crash_notes:
        raise PlanError(
            "an elfcorehdr for this machine",
            "no CPU's crash_notes could be read (/sys/devices/system/cpu/cpu*/crash_notes)",
            remedy="run as root, or capture these files too",
        )
    notes = facts.crash_notes
    if facts.vmcoreinfo:
        notes = (*notes, NoteRange("vmcoreinfo", facts.vmcoreinfo))
    offset = facts.page_offset
    ranges = old_memory(facts) if dumped is None else dumped
    loads = tuple(LoadRange(r, NO_VADDR if offset is None else r.start + offset) for r in ranges)
    text = (facts.kernel_text,) if facts.kernel_text else ()
    count = len(notes) + len(text) + len(loads)
    if count > MAX_PROGRAM_HEADERS:
        # fs/proc/vmcore.c reads e_phnum, 16 bits wide, and knows no PN_XNUM.
        raise PlanError(
            f"an elfcorehdr with {count} program headers",
            f"an ELF header counts at most {MAX_PROGRAM_HEADERS}",
            fits=f"{MAX_PROGRAM_HEADERS - len(notes) - len(text)} ranges of old memory would fit",
        )
    return ElfCoreHeader(_MACHINES[facts.arch], notes, (*text, *loads))
