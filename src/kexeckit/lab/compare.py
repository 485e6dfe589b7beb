"""Prediction against observation, one line per fact.

A pure part of the lab: the plan that kexeckit made in the guest on one side, what the second kernel reported on the
other. Nothing is rounded or forgiven except what the kernel itself rounds, and that is said where it is done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.elfcorehdr import loads_of, parse_program_headers
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.lab.report import GuestReport
from kexeckit.memory.kind import KNOWN_KINDS
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB, PAGE_SIZE, align_down, align_up
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile

__all__ = ["Check", "compare_capture", "compare_common", "compare_memory", "compare_reservation"]

_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Check:
    """One fact.

    Attributes:
        subject: What it is about: ``e820``, ``segment kernel``, ``PT_LOAD``, ...
        predicted: What the plan says.
        observed: What the real kernel or its memory says.
    """

    subject: str
    predicted: str
    observed: str

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.predicted == self.observed


def compare_common(plan: Mapping[str, Any], report: GuestReport) -> Iterator[Check]:
    """Compare what any second kernel shows: its command line, memory map and initrd.

    Args:
        plan: The plan's JSON document.
        report: The second kernel's report.
    """
    yield Check("command line", plan["cmdline"], report.text("cmdline").rstrip("\n"))
    predicted = [_entry(e["start"], e["end"], _label(e["type"])) for e in plan["e820"]]
    observed = [_entry(start, last + 1, label) for start, last, label in sorted(report.firmware_memmap())]
    yield from _paired("e820", predicted, observed)
    yield from _initrd(plan, report)


def compare_capture(plan: Mapping[str, Any], report: GuestReport) -> Iterator[Check]:
    """Compare what only a capture kernel shows: its own memory and the old one's.

    Args:
        plan: The plan's JSON document.
        report: The capture kernel's report.
    """
    iomem = parse_iomem(report.text("iomem"), "the capture kernel's /proc/iomem")
    own = iomem.ram() - RangeSet((MemRange(0, MIB),))
    handed = RangeSet(MemRange(e["start"], e["end"]) for e in plan["e820"] if e["type"] == "ram")
    # e820__memblock_setup() and the resources keep whole bytes, memory management whole pages: compare in pages.
    expected = handed.aligned_inwards(PAGE_SIZE) - RangeSet((MemRange(0, MIB),))
    yield from _paired("System RAM", _ranges(expected), _ranges(own.aligned_inwards(PAGE_SIZE)))
    headers = parse_program_headers(report.data("vmcore_header"), "/proc/vmcore")
    loads = plan["elfcorehdr"]["loads"]
    predicted = [_load(_page_out(r["start"], r["end"]), r["vaddr"]) for r in loads]
    observed = [_load(r.range, r.vaddr) for r in loads_of(headers)]
    yield from _paired("PT_LOAD", predicted, observed)


def compare_reservation(report: GuestReport) -> Iterator[Check]:
    """Compare where the first kernel's reservation lies with the prediction from its own boot log.

    Args:
        report: The first kernel's report.
    """
    log = SingleFile("the guest's boot log", report.data("dmesg"))
    found = predict_reservation(reservation_input(read_machine(FileRoot(log))))
    predicted = [_region(r.start, r.size) for r in found.regions if r.kind != "cma"]
    tree = parse_iomem(report.text("iomem"), "the guest's /proc/iomem")
    observed = [_region(r.start, r.size) for r in tree.crash_regions()]
    yield from _paired("crash region", sorted(predicted), sorted(observed))


def compare_memory(plan: Mapping[str, Any], found: Mapping[str, str]) -> Iterator[Check]:
    """Compare the segments' digests with what lies in the guest's memory after the load.

    Args:
        plan: The plan's JSON document.
        found: Segment name -> SHA-256 of its `bufsz` bytes in memory.
    """
    for segment in plan["segments"]:
        at = f"{segment['start']:#x}, {segment['bufsz']} bytes"
        if segment["sha256"] is not None:
            observed = found.get(segment["name"], _NOTHING)
            yield Check(f"segment {segment['name']}", f"{at}, {segment['sha256'][:16]}", f"{at}, {observed[:16]}")


def _initrd(plan: Mapping[str, Any], report: GuestReport) -> Iterator[Check]:
    segment = next((s for s in plan["segments"] if s["name"] == "initrd"), None)
    if segment is None:
        return
    params = parse_boot_params(report.data("boot_params"), "the second kernel's boot_params")
    yield Check(
        "initrd",
        f"{segment['start']:#x}, {segment['bufsz']} bytes",
        f"{params.initrd_address:#x}, {params.initrd_size} bytes",
    )


def _paired(subject: str, predicted: Sequence[str], observed: Sequence[str]) -> Iterator[Check]:
    # Equal lists pair up line by line; where they differ, each line stands beside its own equal or beside nothing.
    if len(predicted) == len(observed):
        yield from (Check(subject, p, o) for p, o in zip(predicted, observed, strict=True))
        return
    ours, theirs = Counter(predicted), Counter(observed)
    for line in sorted({*predicted, *observed}):
        for number in range(max(ours[line], theirs[line])):
            yield Check(subject, line if number < ours[line] else _NOTHING, line if number < theirs[line] else _NOTHING)


def _entry(start: int, end: int, label: str) -> str:
    return f"[{start:#010x}, {end:#010x}) {label}"


def _label(name: str) -> str:
    # sysfs prints every number that the kernel does not know by the same words.
    return next((k.label for k in KNOWN_KINDS if k.name == name), "Unknown E820 type")


def _region(start: int | None, size: int) -> str:
    return f"{size} bytes, place not determined" if start is None else str(MemRange.from_size(start, size))


def _load(found: MemRange, vaddr: int) -> str:
    return f"{found} virtual {vaddr:#x}"


def _ranges(ranges: RangeSet) -> list[str]:
    return [str(r) for r in ranges]


def _page_out(start: int, end: int) -> MemRange:
    # fs/proc/vmcore.c, process_ptload_program_headers_elf64(): old memory is read in whole pages.
    return MemRange(align_down(start, PAGE_SIZE), align_up(end, PAGE_SIZE))
