"""A `LoadPlan` as text and as JSON; decides nothing."""

from typing import Any

from kexeckit.formats.elfcorehdr import NO_VADDR, ElfCoreHeader
from kexeckit.memory.units import format_address, format_size
from kexeckit.plan.load_plan import LoadPlan
from kexeckit.plan.request import NO_LIMIT
from kexeckit.plan.segment import Segment
from kexeckit.render.table import indented, render_table

SCHEMA = "kexeckit/plan/1"


def plan_document(plan: LoadPlan) -> dict[str, Any]:
    """Return the JSON document of a plan; addresses and sizes are integers, ends are exclusive, no limit is null."""
    return {
        "schema": SCHEMA,
        "syscall": str(plan.syscall),
        "panic": plan.panic,
        "certainty": plan.certainty.value if plan.certainty else None,
        "entry": plan.entry,
        "cmdline": plan.cmdline,
        "segments": [_segment_document(s) for s in plan.segments],
        "e820": [{"start": e.start, "end": e.end, "type": e.kind.name} for e in plan.e820],
        "elfcorehdr": _core_document(plan.elfcorehdr),
        "assumed": list(plan.assumed),
        "warnings": list(plan.warnings),
    }


def render_plan(plan: LoadPlan) -> str:
    """Return a plan as a person reads it: segments, reasons, the next kernel's map, old memory, command line."""
    what = "capture kernel (loaded into the crash region)" if plan.panic else "next kernel"
    parts = [
        f"{what}, kexec{'_file' if plan.syscall == 'file' else ''}_load, entry {_entry(plan.entry)}{_how_sure(plan)}",
        "",
        _segments(plan.segments),
        "",
        "why there",
        indented("\n".join(f"{s.name}: {s.reason}" for s in plan.segments)),
        "",
        f"memory map of the next kernel ({len(plan.e820)} entries)",
        indented(_map(plan)),
    ]
    if plan.elfcorehdr:
        parts += ["", *_core(plan.elfcorehdr)]
    parts += ["", "command line", indented(plan.cmdline or "(empty)")]
    if plan.assumed:
        parts += ["", "assumed", indented("\n".join(plan.assumed))]
    return "\n".join(parts)


def _how_sure(plan: LoadPlan) -> str:
    return f"; what the kernel's own loader chooses: {plan.certainty.value}" if plan.certainty else ""


def _entry(entry: int | None) -> str:
    return "not determined" if entry is None else format_address(entry)


def _segments(segments: tuple[Segment, ...]) -> str:
    head = ("segment", "start", "end", "bufsz", "memsz", "align", "allowed", "search")
    rows = [
        (
            s.name,
            format_address(s.range.start),
            format_address(s.range.end),
            format_size(s.bufsz),
            format_size(s.memsz),
            format_size(s.request.align),
            _allowed(s),
            "top down" if s.request.top_down else "bottom up",
        )
        for s in sorted(segments, key=lambda s: s.range)
    ]
    return render_table(head, rows, right=frozenset((3, 4, 5)))


def _allowed(segment: Segment) -> str:
    high = "" if segment.request.maximum == NO_LIMIT else f" to {format_address(segment.request.maximum)}"
    return f"{format_address(segment.request.minimum)} up{high}"


def _map(plan: LoadPlan) -> str:
    rows = [
        (format_address(e.start), format_address(e.end), format_size(e.range.size), e.kind.label, str(e.kind))
        for e in plan.e820
    ]
    return render_table(("start", "end", "size", "kind", "name"), rows, right=frozenset((2,)))


def _core(core: ElfCoreHeader) -> list[str]:
    loads = [
        (
            format_address(r.range.start),
            format_address(r.range.end),
            format_size(r.range.size),
            "not determined" if r.vaddr == NO_VADDR else format_address(r.vaddr),
            "kernel text and data" if r.executable else "",
        )
        for r in core.loads
    ]
    total = sum(r.range.size for r in core.loads if not r.executable)
    return [
        f"old memory in the dump: {len(core.notes)} notes, {len(core.loads)} PT_LOADs, {format_size(total)}",
        indented(render_table(("start", "end", "size", "virtual", ""), loads, right=frozenset((2,)))),
    ]


def _segment_document(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "start": segment.range.start,
        "bufsz": segment.bufsz,
        "memsz": segment.memsz,
        "align": segment.request.align,
        "min": segment.request.minimum,
        "max": None if segment.request.maximum == NO_LIMIT else segment.request.maximum,
        "top_down": segment.request.top_down,
        "sha256": segment.sha256,
        "reason": segment.reason,
    }


def _core_document(core: ElfCoreHeader | None) -> dict[str, Any] | None:
    if core is None:
        return None
    return {
        "notes": [{"name": n.name, "start": n.range.start, "size": n.range.size} for n in core.notes],
        "loads": [{"start": r.range.start, "end": r.range.end, "vaddr": r.vaddr} for r in core.loads],
    }
