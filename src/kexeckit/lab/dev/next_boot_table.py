"""Answers about next boots as reliability tables: how often what was certain, likely or open came so.

A pure part of the lab.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from kexeckit.lab.dev.next_boot_cases import BIOS, DEVICE_TREE, EFI, EFI_ACPI, EFI_DEVICE_TREE, NextMachine
from kexeckit.lab.dev.next_boot_judge import CERTAIN, LIKELY, OPEN, Judged, JudgedBoot

__all__ = ["counts_of", "false_certainties", "reliability", "report", "table"]

_FIRMWARE = {
    BIOS: "x86_64, BIOS",
    EFI: "x86_64, EFI",
    DEVICE_TREE: "arm64, device tree",
    EFI_ACPI: "arm64, EFI and ACPI",
    EFI_DEVICE_TREE: "arm64, EFI and device tree",
}
_COLUMNS = (*(f"{sure} {came}" for sure in (CERTAIN, LIKELY) for came in ("right", "wrong")), OPEN, "not among")


def reliability(boots: Iterable[JudgedBoot]) -> str:
    """Return two tables: addresses by source and kind of machine, and everything by source.

    "not among" counts answers that are neither right nor name what came; "exact" is the share of right ones.
    """
    by_kind: dict[tuple[str, ...], Counter[str]] = {}
    by_what: dict[tuple[str, ...], Counter[str]] = {}
    for boot in boots:
        for judged in boot.judged:
            by_what.setdefault((boot.source, judged.what), Counter()).update(counts_of(judged))
            if judged.what == "address":
                for kind in (_kind(boot.machine), ("all", "")):
                    by_kind.setdefault((boot.source, *kind), Counter()).update(counts_of(judged))
    head = ("source", "machine", "KASLR"), ("source", "answer")
    return "\n\n".join(table(names, rows) for names, rows in zip(head, (by_kind, by_what), strict=True))


def false_certainties(boots: Iterable[JudgedBoot]) -> Iterator[str]:
    """Yield a line for each answer that was certain and wrong, and for each that names nothing of what came."""
    for boot in boots:
        for judged in boot.judged:
            fault = "wrong" if judged.certainty == CERTAIN and not judged.right else "not among"
            if not judged.possible or fault == "wrong":
                what = f"{judged.what} {judged.part}".strip()
                yield f"{boot.name} {boot.source}: {judged.certainty} {what} {fault}: {_told(boot, judged)}"
        if boot.problem:
            yield f"{boot.name} {boot.source}: no answer: {boot.problem}"


def report(boots: Iterable[JudgedBoot]) -> str:
    """Return the tables, then the list of what must not be."""
    kept = list(boots)
    asked = len({boot.name for boot in kept})
    lines = list(false_certainties(kept))
    return "\n".join([f"{asked} boots with words\n", reliability(kept), "", *lines, f"{len(lines)} faults"])


def _told(boot: JudgedBoot, judged: Judged) -> str:
    machine = boot.machine
    return f"told {judged.told}, came {judged.seen} ({machine.suite} {machine.layout}: {' '.join(boot.words)})"


def _kind(machine: NextMachine) -> tuple[str, str]:
    shown = ", map printed" if machine.efi_debug else ""
    return _FIRMWARE[machine.firmware] + shown, "on" if machine.kaslr else "off"


def counts_of(judged: Judged) -> dict[str, int]:
    """Return the columns of the table that an answer counts in."""
    column = OPEN if judged.certainty == OPEN else f"{judged.certainty} {'right' if judged.right else 'wrong'}"
    return {column: 1, "not among": int(not judged.possible), "exact": int(judged.right), "all": 1}


def table(names: tuple[str, ...], rows: Mapping[tuple[str, ...], Counter[str]]) -> str:
    """Return a table in Markdown.

    Args:
        names: Heads of the first columns.
        rows: Counts by `counts_of`, under the texts of the first columns.
    """
    lines = [f"| {' | '.join(names)} | {' | '.join(_COLUMNS)} | exact |"]
    lines.append("|" + "---|" * len(names) + "--:|" * (len(_COLUMNS) + 1))
    for names_of_row, counts in sorted(rows.items()):
        cells = [*names_of_row, *(str(counts[c]) for c in _COLUMNS), f"{counts['exact'] / counts['all']:.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
