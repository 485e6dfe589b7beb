"""What a kernel said about one kexec_file_load, and how a prediction of it compares."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kexeckit.kernel.load.file_load import FileLoadPlan
from kexeckit.kernel.load.file_load_handover import HandoverMap
from kexeckit.lab.compare import Check

__all__ = ["ObservedLoad", "compare_load", "parse_observed"]

_SEGMENT = re.compile(r"segment ?\[?\d+\]?: buf=0x\S+ bufsz=(0x)?(\w+) mem=0x(\w+) memsz=(0x)?(\w+)")
_LOAD = re.compile(r"Crash PT_LOAD ELF header\..* paddr=0x(\w+), sz=0x(\w+)")
_E820 = re.compile(r"^(?:\S+: )?([0-9a-f]{16})-([0-9a-f]{16}) \((\d+)\)$")
_CMDLINE = re.compile(r"Final command line is: (.*)$")
_KERNEL = re.compile(r"Loaded 64bit kernel at 0x(\w+)")


@dataclass(frozen=True, slots=True)
class ObservedLoad:
    """The kernel's messages as values; numbers are bytes.

    Attributes:
        segments: (start, bufsz, memsz) in the kernel's order.
        loads: (start, size) of each PT_LOAD of RAM.
        e820: (start, last, type) of the next kernel's map, or empty where this kernel does not print it.
        cmdline: The next kernel's command line, or None where it is not printed.
        kernel: Address of the kernel, or None.
        lost: Messages were lost, so the lists are not whole.
    """

    segments: tuple[tuple[int, int, int], ...]
    loads: tuple[tuple[int, int], ...]
    e820: tuple[tuple[int, int, int], ...]
    cmdline: str | None
    kernel: int | None
    lost: bool


def parse_observed(lines: Sequence[str]) -> ObservedLoad:
    """Read the kernel's messages about one load."""
    found = _matches(_SEGMENT, lines)
    kernel = _matches(_KERNEL, lines)
    cmdline = _matches(_CMDLINE, lines)
    return ObservedLoad(
        tuple((int(m[3], 16), int(m[2], 16), int(m[5], 16)) for m in found),
        tuple((int(m[1], 16), int(m[2], 16)) for m in _matches(_LOAD, lines)),
        tuple((int(m[1], 16), int(m[2], 16), int(m[3])) for m in _matches(_E820, lines)),
        cmdline[0][1] if cmdline else None,
        int(kernel[0][1], 16) if kernel else None,
        any("messages were lost" in line for line in lines),
    )


def _matches(pattern: re.Pattern[str], lines: Iterable[str]) -> list[re.Match[str]]:
    return [m for line in lines if (m := pattern.search(line))]


def compare_load(plan: FileLoadPlan, handed: HandoverMap, seen: ObservedLoad) -> list[Check]:
    """Compare a prediction with what the kernel did, piece by piece."""
    predicted = [(b.start, b.bufsz, b.memsz) for b in plan.buffers]
    checks = [Check("number of segments", str(len(predicted)), str(len(seen.segments)))]
    for buffer, ours, theirs in zip(plan.buffers, predicted, seen.segments, strict=False):
        checks.append(Check(buffer.name, _shown(ours), _shown(theirs)))
    checks.append(_dumped(plan, seen))
    if seen.e820:
        ours_e820 = [f"{e.start:#x}-{e.range.last:#x} {e.kind.e820}" for e in handed.entries]
        checks.append(Check("e820", ", ".join(ours_e820), ", ".join(f"{a:#x}-{b:#x} {t}" for a, b, t in seen.e820)))
    if seen.cmdline is not None:
        checks.append(Check("command line", _start_of(plan.cmdline or ""), _start_of(seen.cmdline)))
    if seen.kernel is not None:
        entry = None if plan.entry is None else plan.entry - 0x200
        checks.append(Check("kernel address", f"{entry:#x}" if entry is not None else "none", f"{seen.kernel:#x}"))
    return checks


def _start_of(line: str) -> str:
    # A kernel message ends after about a thousand characters, and blanks at its end are lost.
    return line[:200].rstrip()


def _shown(values: tuple[int | None, int, int]) -> str:
    return " ".join("none" if v is None else f"{v:#x}" for v in values)


def _dumped(plan: FileLoadPlan, seen: ObservedLoad) -> Check:
    ours = [f"{r.start:#x}+{r.size:#x}" for r in plan.dumped]
    return Check("PT_LOADs", " ".join(ours), " ".join(f"{start:#x}+{size:#x}" for start, size in seen.loads))
