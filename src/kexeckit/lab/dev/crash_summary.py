"""The results of reservation campaigns as tables: ``python -m kexeckit.lab.dev.crash_summary FILE... [--write]``.

One has a row per kernel, one a row per form of words. With ``--write`` they replace those between their marks in
docs/accuracy.md.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kexeckit.errors import InputError
from kexeckit.lab.dev.crash_cases import CRASH_FORMS

__all__ = ["put_table", "summarise", "summarise_forms"]

_DOC = Path("docs/accuracy.md")


def summarise(records: Iterable[dict[str, Any]]) -> str:
    """Return a table with a row per kernel: boots, regions seen, predictions that were equal, open and different.

    Args:
        records: The lines that campaigns wrote.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record["problem"]:
            continue
        row = rows.setdefault((record["arch"], record["release"]), [0] * 5)
        wrong, unsure = len(record["differ"]), record.get("left_open", 0)
        for at, value in enumerate((1, len(record["observed"]), record["predictions"] - wrong - unsure, unsure, wrong)):
            row[at] += value
    lines = ["| architecture | kernel | boots | regions | equal | open | different |", "|---|---|--:|--:|--:|--:|--:|"]
    for (arch, release), row in sorted(rows.items()):
        lines.append(f"| {arch} | {release} | " + " | ".join(str(v) for v in row) + " |")
    totals = [sum(r[at] for r in rows.values()) for at in range(5)]
    lines.append("| all | | " + " | ".join(str(v) for v in totals) + " |")
    return "\n".join(lines)


def summarise_forms(records: Iterable[dict[str, Any]]) -> str:
    """Return a table with a row per form of words: boots, by architecture. A form that no boot had is a row of zeros.

    Args:
        records: The lines that campaigns wrote.
    """
    boots = Counter((record["form"], record["arch"]) for record in records if not record["problem"])
    arches = sorted({arch for _, arch in boots})
    forms = dict.fromkeys((*CRASH_FORMS, *sorted({form for form, _ in boots})))
    lines = [f"| form of words | {' | '.join([*arches, 'all'])} |", "|---|" + "--:|" * (len(arches) + 1)]
    for form in forms:
        row = [boots[form, arch] for arch in arches]
        lines.append(f"| {form} | {' | '.join(map(str, [*row, sum(row)]))} |")
    return "\n".join(lines)


def put_table(text: str, name: str, table: str) -> str:
    """Return a document with a table put between its marks, ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``.

    Args:
        text: The document.
        name: Name of the marks.
        table: The table.

    Raises:
        InputError: The document has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise InputError(str(_DOC), "no place for the table", expected=f"{begin} and {end}")
    return f"{head}{begin}\n{table}\n{end}{tail}"


def main(argv: list[str] | None = None) -> int:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {_DOC}")
    args = parser.parse_args(argv)
    records = [json.loads(line) for file in args.files for line in file.read_text().splitlines()]
    tables = {"reservations": summarise(records), "forms of reservations": summarise_forms(records)}
    sys.stdout.write("\n\n".join(tables.values()) + "\n")
    if args.write:
        text = _DOC.read_text()
        for name, table in tables.items():
            text = put_table(text, name, table)
        _DOC.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
