"""The results of reservation campaigns as a table: ``python -m kexeckit.lab.crash_summary FILE... [--write]``.

With ``--write`` the table replaces the one between the marks in docs/accuracy.md.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["summarise"]

_BEGIN, _END = "<!-- reservations: begin -->", "<!-- reservations: end -->"
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


def main(argv: list[str] | None = None) -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help=f"put the table into {_DOC}")
    args = parser.parse_args(argv)
    table = summarise(json.loads(line) for file in args.files for line in file.read_text().splitlines())
    sys.stdout.write(table + "\n")
    if args.write:
        text = _DOC.read_text()
        head, _, rest = text.partition(_BEGIN)
        _, _, tail = rest.partition(_END)
        _DOC.write_text(f"{head}{_BEGIN}\n{table}\n{_END}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
