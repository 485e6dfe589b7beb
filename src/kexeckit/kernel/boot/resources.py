"""The resources of a machine: /proc/iomem, or what stands for it where a source has none.

    /proc/iomem                  as it is
    the firmware's table (x86)   cleaned up, with mem= and memmap=, as the kernel makes resources of it
    memory ranges of a boot log, of memblock or of a description   each is System RAM

What is derived so knows no kernel image and no device; crash regions are those that a boot log announces.

Source: arch/x86/kernel/e820.c, e820__reserve_resources(); arch/x86/kernel/setup.c, setup_arch().
"""

from collections.abc import Iterable
from dataclasses import replace

from kexeckit.errors import InputError, UnavailableError
from kexeckit.kernel.boot.e820 import early_words, memory_map, table_at_boot
from kexeckit.kernel.boot.memory import firmware_table, given_up
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import CRASH_KERNEL, SYSTEM_RAM, Resource, ResourceTree

_NONE_RESERVED = "where memory is reserved for a capture kernel is not shown: it is assumed that none is"


def resources_of(machine: Machine) -> tuple[ResourceTree, tuple[str, ...]]:
    """Return a machine's resources, and what is assumed of them in words.

    Raises:
        MaskedAddressesError: /proc/iomem hides its addresses.
        InputError: The source of memory is damaged.
        UnavailableError: There is none; or the running machine has no /proc/iomem, for which nothing stands in.
    """
    shown = machine.memory.resources
    if shown:
        return shown.value, machine.assumed
    _raise_problem(machine, "memory.resources")
    if machine.kind == "live":
        raise UnavailableError("/proc/iomem: no such file or directory")
    roots, words = _derived(machine)
    if not roots:
        raise UnavailableError(
            f"{machine.source}: no memory map in it", remedy="give a whole boot log or a capture with /proc/iomem"
        )
    crash, more = _crash_regions(machine)
    return _with_regions(roots, crash), (*machine.assumed, words, *more)


def _derived(machine: Machine) -> tuple[list[Resource], str]:
    memory = machine.memory
    if memory.firmware:
        edited = ", changed by mem= and memmap= of the command line" if early_words(machine.cmdline) else ""
        return _of_firmware(machine), f"RAM is taken from the firmware's table in {memory.firmware.source}{edited}"
    _raise_problem(machine, "memory.firmware")
    if memory.ranges:
        _raise_problem(machine, "memory.ranges")
        how = "as described" if machine.kind == "described" else "taken from the early memory node ranges"
        return _as_ram(r.range for r in memory.ranges.value), f"RAM is {how} in {memory.ranges.source}"
    if memory.memblock:
        return _as_ram(e.range for e in memory.memblock.value), f"RAM is taken from {memory.memblock.source}"
    return [], ""


def _of_firmware(machine: Machine) -> list[Resource]:
    edited = table_at_boot(firmware_table(machine), machine.cmdline, given_up(machine))
    try:
        return [Resource(e.range, e.kind.label) for e in memory_map(edited.table)]
    except ValueError as error:
        assert machine.memory.firmware
        raise InputError(machine.memory.firmware.source, f"the firmware's table: {error}") from error


def _as_ram(ranges: Iterable[MemRange]) -> list[Resource]:
    return [Resource(r, SYSTEM_RAM) for r in RangeSet(ranges)]


def _crash_regions(machine: Machine) -> tuple[list[MemRange], tuple[str, ...]]:
    seen = machine.observed
    if not seen.regions:
        silent = "crashkernel=" in machine.cmdline and not seen.failed
        return [], (_NONE_RESERVED,) if silent else ()
    found = [clip(r.start, min(r.start + r.size, 1 << 64)) for r in seen.regions.value]
    whole = f"what is reserved for a capture kernel begins and ends at whole MiB, as {seen.regions.source} says it"
    return [r for r in found if r], () if all(r.exact for r in seen.regions.value) else (whole,)


def _with_regions(roots: list[Resource], crash: list[MemRange]) -> ResourceTree:
    out = list(roots)
    for region in sorted(crash):
        child = Resource(region, CRASH_KERNEL)
        at = next((i for i, r in enumerate(out) if r.name == SYSTEM_RAM and r.range.contains(region)), None)
        if at is None:
            out.append(child)
        else:
            out[at] = replace(out[at], children=(*out[at].children, child))
    return ResourceTree(tuple(sorted(out, key=lambda r: r.range)))


def _raise_problem(machine: Machine, about: str) -> None:
    problem = machine.problem(about)
    if problem:
        raise problem.error()
