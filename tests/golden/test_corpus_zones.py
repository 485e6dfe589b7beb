"""Zone ranges of real machines: at least 98 % of the logs that can be checked are predicted exactly."""

import json
import re
from pathlib import Path

import pytest

from kexeckit.errors import KexeckitError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.zones import printed_movable, printed_zones
from kexeckit.kernel.zones.predict import predict_zones
from kexeckit.system.sysroot import FileRoot, SingleFile
from readings import zones_of_root

TARGET = 0.98
OUTCOME = re.compile(
    r"Zone (PFN )?ranges:|\b(DMA|DMA32|Normal|HighMem|Movable|Device|ExtMem)\s+(\[mem |empty|0x[0-9a-f]+ -> )"
    r"|Movable zone start"
)

Outcome = tuple[list[tuple[str, int, int]], dict[int, int] | None]


def told(text: str, name: str) -> Outcome:
    """Return the ranges and movable starts that a log prints."""
    log = parse_boot_log(text, name)
    ranges = [(z.zone, z.start, z.end) for z in printed_zones(log) if z.end and z.zone not in ("Device", "Movable")]
    return ranges, printed_movable(log)


def predicted(text: str, name: str) -> Outcome | str:
    """Return the same as predicted from a log's text, or why there is no answer."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        question = zones_of_root(FileRoot(SingleFile(name, data)), [])
    except KexeckitError as error:
        return str(error)
    found = predict_zones(question.machine, question.parameters, question.behaviour)
    size = found.page_size
    ranges = [(z.zone, z.start_pfn * size, z.end_pfn * size) for z in found.limits if not z.empty]
    return ranges, {n.nid: n.movable_start for n in found.nodes if n.movable_start is not None}


def differing(corpus: Path, *, blind: bool) -> tuple[list[str], int]:
    """Return the logs whose outcome is not predicted, and how many were checked."""
    wrong, checked = [], 0
    for line in (corpus / "index.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record.get("zone_checkable") != "exact":
            continue
        text = (corpus / record["file"]).read_bytes().decode("utf-8", "surrogateescape")
        ranges, starts = told(text, record["file"])
        source = "\n".join(row for row in text.split("\n") if not OUTCOME.search(row)) if blind else text
        answer = predicted(source, record["file"])
        checked += 1
        if isinstance(answer, str) or answer[0] != ranges or (starts is not None and answer[1] != starts):
            wrong.append(f"{record['file']}: {answer}")
    return wrong, checked


@pytest.mark.parametrize("blind", [False, True], ids=["whole log", "outcome cut out"])
def test_ranges_of_real_machines(corpus: Path, blind: bool) -> None:
    """Ranges and movable starts are those of the log, with its outcome lines in the input and without them."""
    wrong, checked = differing(corpus, blind=blind)
    assert checked >= 100
    assert 1 - len(wrong) / checked >= TARGET, "\n".join(wrong)
