"""What a plan costs, as text and as JSON; decides nothing."""

from typing import Any

from kexeckit.kernel.page_tables.control_pages import CrashControlPages
from kexeckit.memory.units import PAGE_SIZE, format_address, format_size
from kexeckit.plan.cost import PlanCost
from kexeckit.render.page_tables import design_document, page_tables_document, render_designs
from kexeckit.render.table import indented, render_table


def cost_document(cost: PlanCost) -> dict[str, Any]:
    """Return the cost as JSON; pages of 4 KiB, sizes in bytes."""
    image = cost.image
    return {
        "page_tables": {**page_tables_document(cost.tables), "designs": [design_document(d) for d in cost.designs]},
        "copy": {
            "source_pages": image.source_pages,
            "indirection_pages": image.indirection_pages,
            "entries": image.entries,
            "code_pages": image.code_pages,
            "table_pages": image.table_pages,
            "swap_pages": image.swap_pages,
            "vmcoreinfo_pages": image.vmcoreinfo_pages,
            "bytes_placed": image.bytes_placed,
            "bytes_copied": image.bytes_copied,
            "from_crash_region": image.from_region,
        },
        "control_pages": _control_document(cost.control) if cost.control else None,
    }


def render_cost(cost: PlanCost) -> str:
    """Return the cost as a person reads it."""
    image, pages = cost.image, cost.tables.pages
    where = "the crash reservation" if image.from_region else "free memory"
    rows = [
        ("page tables", pages.total, f"{pages.pud} pud, {pages.pmd} pmd{f', {pages.p4d} p4d' if pages.p4d else ''}"),
        ("code, swap, vmcoreinfo", image.control_pages - pages.total, "control pages besides the tables"),
        ("waiting pages", image.source_pages, "hold the segments until the jump"),
        ("entry pages", image.indirection_pages, f"{image.entries} entries"),
    ]
    shown = [(what, str(count), format_size(count * PAGE_SIZE), why) for what, count, why in rows if count]
    parts = [
        f"what it takes out of {where}: {format_size(image.total_pages * PAGE_SIZE)}",
        indented(render_table(("what", "pages", "size", ""), shown, right=frozenset((1, 2)))),
    ]
    if image.bytes_copied:
        again = image.bytes_copied // image.bytes_placed
        times = "" if again == 1 else f", each page {again} times: this kernel exchanges pages"
        parts.append(f"copied at the jump: {format_size(image.bytes_placed)}{times}")
    parts += ["page tables: why", indented("\n".join(cost.tables.reasons))]
    if cost.tables.assumed:
        parts += ["page tables: assumed", indented("\n".join(cost.tables.assumed))]
    if cost.control:
        parts.append(_control(cost.control))
    if cost.designs:
        parts += ["designs side by side", indented(render_designs(cost.designs))]
    return "\n".join(parts)


def render_taken(cost: PlanCost) -> str:
    """Return in one line what kexec itself takes out of a crash reservation, and below it what was assumed for that."""
    image, tables = cost.image, cost.tables.pages.total
    line = (
        f"kexec takes {format_size(image.total_pages * PAGE_SIZE)} more out of the crash reservation, "
        f"{tables} pages of page tables and {image.total_pages - tables} other control pages (see --page-tables)"
    )
    return "\n".join((line, *(f"  assumed: {text}" for text in cost.tables.assumed)))


def _control(control: CrashControlPages) -> str:
    copy = "" if control.vmcoreinfo is None else f"vmcoreinfo {format_address(control.vmcoreinfo)}, "
    return (
        f"control pages: code {format_address(control.code)}, root table {format_address(control.tables.address(0))}, "
        f"{copy}end {format_address(control.cursor)}"
    )


def _control_document(control: CrashControlPages) -> dict[str, Any]:
    return {
        "code": control.code,
        "tables": [control.tables.address(i) for i in range(control.tables.count)],
        "vmcoreinfo": control.vmcoreinfo,
        "end": control.cursor,
    }
