"""Logs of real machines, asked with their outcome cut out: is what is certain right, and how often what is likely?

    python -m kexeckit.lab.dev.corpus_certainty FOLDER

FOLDER has an index.jsonl, one record for each file, and the logs that it names. Those of the kind ``dmesg-crash`` show
what was reserved. Each is asked twice: about the boot that it shows, and as if that boot were still to come, where what
a boot draws anew is not taken from it.
"""

import json
import re
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kexeckit.errors import KexeckitError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.outcome import logged_regions
from kexeckit.kernel.reservation.answer import answer_reservation
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.lab.dev.next_boot_judge import CERTAIN, Answer, Judged, answer_of, judge_reservation
from kexeckit.lab.dev.next_boot_table import counts_of, table
from kexeckit.memory.units import MIB, align_down
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile

__all__ = ["judge_corpus"]

THIS_BOOT, NEXT_BOOT = "this boot", "next boot"
# Every message that tells what became of a reservation.
_OUTCOME = re.compile(
    rb"Reserving \d+MB of (low )?memory at|crashkernel[: ].*reserved|crashkernel: |crashkernel res|cannot al"
)


def judge_corpus(folder: Path) -> Iterator[tuple[str, str, Judged]]:
    """Ask about each log without its outcome, and judge the answers.

    Args:
        folder: The corpus.

    Yields:
        The file, what was asked (this boot or the next), and what was said.
    """
    for text in (folder / "index.jsonl").read_text().splitlines():
        record = json.loads(text)
        if record["kind"] == "dmesg-crash":
            yield from _judged(folder, record["file"], record.get("crash_auto_replaced_by"))


def _judged(folder: Path, name: str, auto: str | None) -> Iterator[tuple[str, str, Judged]]:
    data = (folder / name).read_bytes()
    blind = b"".join(line for line in data.splitlines(keepends=True) if not _OUTCOME.search(line))
    seen = logged_regions(parse_boot_log(data.decode("utf-8", "surrogateescape"), name))
    unit = 1 if all(r.exact for r in seen) else MIB
    came = tuple(sorted((align_down(r.start, unit), align_down(r.size, unit)) for r in seen))
    for question in (THIS_BOOT, NEXT_BOOT):
        try:
            machine = read_machine(FileRoot(SingleFile(name, blind)))
            words = (auto,) if auto else ()
            found = answer_reservation(machine, words, next_boot=question == NEXT_BOOT)
        except KexeckitError:
            continue
        if question == found.about.replace("-", " "):
            for judged in judge_reservation(_rounded(answer_of(found), unit), came):
                yield name, question, judged


def _rounded(answer: Answer, unit: int) -> Answer:
    regions = (
        replace(r, size=align_down(r.size, unit), start=None if r.start is None else align_down(r.start, unit))
        for r in answer.regions
    )
    return replace(answer, regions=tuple(regions), candidates=tuple(_row(c, unit) for c in answer.candidates))


def _row(row: Candidate, unit: int) -> Candidate:
    if row.start is None or row.last is None:
        return row
    return replace(row, start=align_down(row.start, unit), last=align_down(row.last, unit))


def main(argv: list[str] | None = None) -> int:
    """Print the table, and 1 where something was certain and wrong, or named nothing of what came."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    rows: dict[tuple[str, ...], Counter[str]] = {}
    faults = 0
    for name, question, judged in judge_corpus(parser.parse_args(argv).folder):
        rows.setdefault((question, judged.what), Counter()).update(counts_of(judged))
        if not judged.possible or (judged.certainty == CERTAIN and not judged.right):
            faults += 1
            what = f"{judged.certainty} {judged.what} {judged.part}"
            sys.stdout.write(f"{name}, {question}: {what}: {judged.told}; came {judged.seen}\n")
    sys.stdout.write(table(("asked about", "answer"), rows) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
