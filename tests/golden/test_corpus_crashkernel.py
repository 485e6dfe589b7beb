"""Reservations of real machines: every log that can be checked exactly, and every size."""

import json
import re
from pathlib import Path
from typing import Any

from kexeckit.errors import KexeckitError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.outcome import logged_regions
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.memory.units import MIB
from kexeckit.system.sysroot import FileRoot, SingleFile
from readings import facts_of_root
from source_tree import ROOT

# With its outcome taken out, a log must still be predicted: the answer is not to be found in the source.
OUTCOME = re.compile(
    r"Reserving \d+MB of (low )?memory at|crashkernel[: ].*reserved|crashkernel: |crashkernel res|cannot al"
)

Regions = list[tuple[int | None, int]]


def records(corpus: Path, kind: str) -> list[dict[str, Any]]:
    """Return the index's records of one kind."""
    rows = (json.loads(line) for line in (corpus / "index.jsonl").read_text().splitlines())
    return [r for r in rows if r["kind"] == kind]


def text_of(corpus: Path, record: dict[str, Any]) -> str:
    """Return a log's text."""
    return (corpus / str(record["file"])).read_bytes().decode("utf-8", "surrogateescape")


def predicted(text: str, record: dict[str, Any]) -> Reservation:
    """Return the prediction for a log."""
    words = (record["crash_auto_replaced_by"],) if record.get("crash_auto_replaced_by") else ()
    root = FileRoot(SingleFile(record["file"], text.encode("utf-8", "surrogateescape")))
    return predict_reservation(facts_of_root(root, words))


def told(text: str, record: dict[str, Any]) -> tuple[Regions, bool]:
    """Return what the log says, and whether to the byte."""
    found = logged_regions(parse_boot_log(text, record["file"]))
    return [(r.start, r.size) for r in found], all(r.exact for r in found)


def shown(found: Reservation, *, exact: bool) -> Regions:
    """Return the predicted regions as precisely as the log prints them."""
    unit = 1 if exact else MIB
    return [
        (None if r.start is None else r.start // unit * unit, r.size // unit * unit) for r in found.regions if r.name
    ]


def differing(corpus: Path, *, blind: bool) -> tuple[list[str], int]:
    """Return the exact logs whose outcome is not predicted, and how many were checked."""
    wrong, checked = [], 0
    for record in records(corpus, "dmesg-crash"):
        if record["crash_checkable"] != "exact":
            continue
        text = text_of(corpus, record)
        want, exact = told(text, record)
        source = "\n".join(row for row in text.split("\n") if not OUTCOME.search(row)) if blind else text
        found = predicted(source, record)
        checked += 1
        good = shown(found, exact=exact) == want if want else found.outcome in ("none", "failed")
        if not good:
            wrong.append(f"{record['file']}: {found.outcome} {found.regions}")
    return wrong, checked


def answered(root: FileRoot) -> str:
    """Return the outcome of a prediction, or the message of the refusal."""
    try:
        return predict_reservation(facts_of_root(root, ("crashkernel=256M",))).outcome
    except KexeckitError as error:
        return str(error)


def test_exact_logs_are_predicted(corpus: Path) -> None:
    """Start and size of every region of the logs that hold the whole input, as docs/accuracy.md says."""
    wrong, checked = differing(corpus, blind=False)
    assert wrong == []
    told = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
    assert f"| start and size follow from the log | {checked} | {checked} |" in told


def test_exact_logs_are_predicted_without_their_outcome(corpus: Path) -> None:
    """The same with all lines about the reservation taken out."""
    wrong, checked = differing(corpus, blind=True)
    assert checked >= 20
    assert wrong == []


def test_every_size_is_right(corpus: Path) -> None:
    """The size is owed also where the address is not determined."""
    wrong = []
    for record in records(corpus, "dmesg-crash"):
        if record["crash_checkable"] not in ("exact", "size-only"):
            continue
        text = text_of(corpus, record)
        want, exact = told(text, record)
        found = predicted(text, record)
        if [s for _, s in want] != [s for _, s in shown(found, exact=exact)]:
            wrong.append(f"{record['file']}: {want} {found.regions}")
    assert wrong == []


def test_what_is_not_determined_names_its_reason(corpus: Path) -> None:
    """A region without a start comes with a doubt that decides."""
    open_ones = 0
    for record in records(corpus, "dmesg-crash"):
        if record["crash_checkable"] == "none":
            continue
        found = predicted(text_of(corpus, record), record)
        if any(r.start is None for r in found.regions if r.name):
            open_ones += 1
            assert all(r.address_certainty is Certainty.OPEN for r in found.regions if r.name and r.start is None)
            assert any(d.decides and d.text for d in found.doubts), record["file"]
    assert open_ones


def test_what_happened_is_among_the_candidates(corpus: Path) -> None:
    """An address that is left open is one of those that the answer lists."""
    for record in records(corpus, "dmesg-crash"):
        if record["crash_checkable"] != "size-only":
            continue
        text = text_of(corpus, record)
        want, _ = told(text, record)
        rows = predicted(text, record).candidates
        for start, _ in want:
            assert start is not None
            possible = [c for c in rows if c.start is not None and c.last is not None and c.last <= start <= c.start]
            assert any(not c.step or ((c.start or 0) - start) % c.step == 0 for c in possible), record["file"]


def test_partial_logs_are_answered_or_refused(corpus: Path) -> None:
    """An excerpt leads to an answer or to an error of ours with a message."""
    for kind in ("dmesg-partial", "dmesg-zone"):
        for record in records(corpus, kind):
            root = FileRoot(SingleFile(record["file"], (corpus / record["file"]).read_bytes()))
            answer = answered(root)
            known = answer in ("reserved", "failed", "none", "not-determined")
            assert known or record["file"] in answer
