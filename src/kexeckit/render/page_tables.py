"""The cost of page tables as text and as JSON; decides nothing."""

from typing import Any

from kexeckit.kernel.page_tables.cost import TableCost, UnknownCost
from kexeckit.kernel.page_tables.designs import Design
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.memory.units import format_size
from kexeckit.render.document import reason_document
from kexeckit.render.table import indented, render_table

SCHEMA = "kexeckit/page-tables/1"
_LEVELS = ("pgd", "p4d", "pud", "pmd", "pte")
_RIGHT = frozenset((1, 2))


def _not_determined(cost: UnknownCost) -> dict[str, Any]:
    return reason_document("kernel", f"not determined: {cost.why}", finding=True)


def page_tables_document(cost: TableCost | UnknownCost) -> dict[str, Any]:
    """Return the JSON document; sizes are bytes, and null where they are not determined."""
    head = {"schema": SCHEMA, "leaf": cost.leaf, "levels": cost.levels, "certainty": cost.certainty.value}
    if isinstance(cost, UnknownCost):
        return {**head, "pages": None, "bytes": None, "reasons": [_not_determined(cost)], "assumed": [], "designs": []}
    return {
        **head,
        "pages": _by_level(cost.pages),
        "bytes": cost.pages.size,
        "reasons": [reason_document("page tables", text) for text in cost.reasons],
        "assumed": list(cost.assumed),
        "designs": [design_document(d) for d in cost.designs],
    }


def render_page_tables(cost: TableCost | UnknownCost) -> str:
    """Return the cost as a person reads it: pages by level, why, and the designs side by side."""
    leaf = "as the kernel chooses" if cost.leaf == "kernel" else f"of {cost.leaf}"
    head = f"page tables with {cost.levels} levels, leaves {leaf}"
    if isinstance(cost, UnknownCost):
        return f"{head}: not determined\n\nreasons:\n" + indented(cost.why)
    rows = [[name, str(count), format_size(count * cost.pages.page_size)] for name, count in _used(cost.pages)]
    rows.append(["all", str(cost.pages.total), format_size(cost.pages.size)])
    parts = [
        f"{head}: {_amount(cost)}",
        render_table(("table", "pages", "size"), rows, _RIGHT),
        "reasons:\n" + indented("\n".join(cost.reasons)),
    ]
    if cost.assumed:
        parts.append("assumed:\n" + indented("\n".join(cost.assumed)))
    if cost.designs:
        parts.append("designs:\n" + indented(render_designs(cost.designs)))
    return "\n\n".join(parts)


def _amount(cost: TableCost) -> str:
    return f"{'at least ' if cost.least else ''}{format_size(cost.pages.size)}, {cost.certainty.value}"


def render_designs(designs: tuple[Design, ...]) -> str:
    """Return a table of designs side by side."""
    head = ("design", "pages", "size", "pud", "pmd", "what")
    rows = [
        [
            d.name,
            str(d.pages.total),
            format_size(d.pages.size),
            str(d.pages.pud),
            str(d.pages.pmd),
            d.what + (f"; needs {d.condition}" if d.condition else ""),
        ]
        for d in designs
    ]
    return render_table(head, rows, frozenset((1, 2, 3, 4)))


def _by_level(pages: TablePages) -> dict[str, int]:
    return {name: getattr(pages, name) for name in _LEVELS}


def _used(pages: TablePages) -> list[tuple[str, int]]:
    return [(name, count) for name, count in _by_level(pages).items() if count]


def design_document(design: Design) -> dict[str, Any]:
    """Return one design as JSON; pages by level, sizes in bytes."""
    return {
        "name": design.name,
        "what": design.what,
        "condition": design.condition,
        "pages": _by_level(design.pages),
        "bytes": design.pages.size,
    }
