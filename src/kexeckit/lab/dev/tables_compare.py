"""The tables that a guest runs on after the jump, against the ones that were predicted and built here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.load.kimage_check import X86_64_LIMIT, X86_64_LIMIT_LA57, ImageLimits, RawSegment, check_kexec_load
from kexeckit.kernel.page_tables.build import BuiltTables, build_tables
from kexeckit.kernel.page_tables.calls import MappingCalls
from kexeckit.kernel.page_tables.control_pages import CrashControlPages, crash_control_pages
from kexeckit.kernel.page_tables.frames import Frames
from kexeckit.kernel.page_tables.geometry import TableFormat, TablePages
from kexeckit.kernel.page_tables.kernel_count import count_kernel_tables
from kexeckit.kernel.page_tables.rule import LeafRule
from kexeckit.kernel.page_tables.walk import Mapping, TableUse, walk_tables
from kexeckit.lab.compare import Check
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB

__all__ = ["PredictedTables", "SeenTables", "compare_refusals", "compare_tables", "predict_tables", "see_tables"]

_HALF = 256  # entries of the root that cover the lower half of the addresses


@dataclass(frozen=True, slots=True)
class PredictedTables:
    """What is expected.

    Attributes:
        pages: Table pages by level.
        built: Their bytes; at their real addresses for a crash image.
        control: The control pages of a crash image, else None.
        levels: Levels.
    """

    pages: TablePages
    built: BuiltTables
    control: CrashControlPages | None
    levels: int


@dataclass(frozen=True, slots=True)
class SeenTables:
    """What a guest has.

    Attributes:
        root: CR3.
        mappings: What the lower half maps.
        tables: Every table page reachable from the lower half, and the root.
        read: Reads a page of the guest.
    """

    root: int
    mappings: list[Mapping]
    tables: list[TableUse]
    read: Callable[[int], bytes]


def predict_tables(
    calls: MappingCalls, rule: LeafRule, levels: int, behaviour: KernelBehaviour, crash: MemRange | None
) -> PredictedTables:
    """Build what a kernel should build.

    Args:
        calls: What it maps, segments included.
        rule: Its leaves.
        levels: 4 or 5.
        behaviour: The kernel.
        crash: The main crash region for a crash image, None for a normal one.
    """
    form = TableFormat(levels)
    pages = count_kernel_tables(calls.ram, calls.extra_ranges, rule, form)
    segments = [m.range for m in calls.extra if m.why == "segment"]
    control = crash_control_pages(crash, segments, pages.total, behaviour) if crash else None
    # A normal image's table pages come from anywhere; any addresses do for comparing what is mapped.
    frames = control.tables if control else Frames(MemRange.from_size(GIB, pages.size))
    built = build_tables(calls.in_order, rule, pages, frames, form)
    return PredictedTables(pages, built, control, levels)


def see_tables(read: Callable[[int], bytes], root: int, levels: int) -> SeenTables:
    """Walk a guest's tables; the upper half, where the code page is mapped for the switch, is left out."""
    mappings, tables = walk_tables(lambda at: _lower_half(read, at, root), root, levels)
    return SeenTables(root & ~0xFFF, mappings, tables, read)


def _lower_half(read: Callable[[int], bytes], address: int, root: int) -> bytes:
    page = read(address)
    return page[: _HALF * 8] + bytes(_HALF * 8) if address == root & ~0xFFF else page


def compare_tables(predicted: PredictedTables, seen: SeenTables) -> list[Check]:
    """Compare what is mapped, the table pages by level, and for a crash image their places and bytes."""
    ours, _ = walk_tables(predicted.built.page, predicted.built.root, predicted.levels)
    checks = [
        Check("mapped", _shown(ours), _shown(seen.mappings)),
        Check("identity", "True", str(all(m.virtual == m.physical for m in seen.mappings))),
    ]
    names = TableFormat(predicted.levels).names
    for depth, name in enumerate(names):
        count = sum(1 for t in seen.tables if t.depth == depth)
        checks.append(Check(f"{name} pages", str(getattr(predicted.pages, name)), str(count)))
    if predicted.control:
        checks += _compare_places(predicted, predicted.control, seen)
    return checks


def _compare_places(predicted: PredictedTables, control: CrashControlPages, seen: SeenTables) -> list[Check]:
    frames = predicted.built.frames
    ours = sorted(frames.address(i) for i in range(predicted.pages.total))
    places = Check("table addresses", _hex(ours), _hex(sorted(t.address for t in seen.tables)))
    differ = [at for at in ours if not _same_bytes(predicted, seen, at)]
    text = b"" if control.vmcoreinfo is None else seen.read(control.vmcoreinfo)[:10]
    return [
        Check("root", f"{frames.address(0):#x}", f"{seen.root:#x}"),
        places,
        Check("table pages with other bytes", "", _hex(differ)),
        Check("vmcoreinfo copy", "OSRELEASE=", text.decode("latin-1")),
    ]


def _same_bytes(predicted: PredictedTables, seen: SeenTables, at: int) -> bool:
    size = _HALF * 8 if at == predicted.built.root else 4096
    return bytes(predicted.built.page(at)[:size]) == seen.read(at)[:size]


def _shown(mappings: list[Mapping]) -> str:
    return " ".join(f"{m.virtual:#x}+{m.size:#x}/{m.leaf:#x}:{m.flags:#x}" for m in mappings)


def _hex(numbers: list[int]) -> str:
    return " ".join(f"{n:#x}" for n in numbers)


def compare_refusals(
    answers: dict[str, Any], crash_region: MemRange | None, levels: int, *, crash: bool
) -> list[Check]:
    """Compare the errno of each image that should be refused."""
    limit = X86_64_LIMIT if levels == 4 else X86_64_LIMIT_LA57
    limits = ImageLimits(crash_region, answers["memtotal"] // 4, limit)
    checks = []
    for number, (entry, image, seen) in enumerate(answers["refused"]):
        raw = [RawSegment(mem, memsz, bufsz, f"segment {i}") for i, (mem, memsz, bufsz) in enumerate(image)]
        refusal = check_kexec_load(entry, raw, limits, crash=crash)
        checks.append(Check(f"errno of bad image {number}", str(refusal.errno if refusal else 0), str(seen)))
    return checks
