"""The cost of page tables as text and as JSON; decides nothing."""

from typing import Any

from kexeckit.kernel.page_tables.cost import TableCost
from kexeckit.kernel.page_tables.designs import Design
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.memory.units import format_size
from kexeckit.render.table import indented, render_table

SCHEMA = "kexeckit/page-tables/1"
_LEVELS = ("pgd", "p4d", "pud", "pmd", "pte")
_RIGHT = frozenset((1, 2))


def page_tables_document(cost: TableCost) -> dict[str, Any]:
    """Return the JSON document; sizes are bytes."""
    return {
        "schema": SCHEMA,
        "leaf": cost.leaf,
        "levels": cost.levels,
        "pages": _by_level(cost.pages),
        "bytes": cost.pages.size,
        "reasons": list(cost.reasons),
        "assumed": list(cost.assumed),
        "designs": [_design_document(d) for d in cost.designs],
    }


def render_page_tables(cost: TableCost) -> str:
    """Return the cost as a person reads it: pages by level, why, and the designs side by side."""
    rows = [[name, str(count), format_size(count * cost.pages.page_size)] for name, count in _used(cost.pages)]
    rows.append(["all", str(cost.pages.total), format_size(cost.pages.size)])
    leaf = "as the kernel chooses" if cost.leaf == "kernel" else f"of {cost.leaf}"
    parts = [
        f"page tables with {cost.levels} levels, leaves {leaf}: {format_size(cost.pages.size)}",
        render_table(("table", "pages", "size"), rows, _RIGHT),
        "reasons:\n" + indented("\n".join(cost.reasons)),
    ]
    if cost.assumed:
        parts.append("assumed:\n" + indented("\n".join(cost.assumed)))
    if cost.designs:
        parts.append("designs:\n" + indented(render_designs(cost.designs)))
    return "\n\n".join(parts)


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


def _design_document(design: Design) -> dict[str, Any]:
    return {
        "name": design.name,
        "what": design.what,
        "condition": design.condition,
        "pages": _by_level(design.pages),
        "bytes": design.pages.size,
    }
