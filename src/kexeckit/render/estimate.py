"""An estimate of what a capture kernel needs, as text and as a JSON document; decides nothing."""

from typing import Any

from kexeckit.kernel.crashkernel.estimate import DefaultTable, Estimate
from kexeckit.memory.units import MIB, format_size
from kexeckit.render.crashkernel import SCHEMA
from kexeckit.render.table import render_table


def estimate_document(found: Estimate, defaults: list[tuple[DefaultTable, int]]) -> dict[str, Any]:
    """Return the JSON document; sizes are bytes, and the parts add up to `recommended`."""
    numbers = {
        "least": found.least,
        "recommended": found.recommended,
        "parts": [{"name": p.name, "size": p.size, "why": p.why, "least": p.least} for p in found.parts],
        "defaults": [
            {"name": t.name, "spec": t.spec, "size": size, "enough": size >= found.least, "source": t.source}
            for t, size in defaults
        ],
    }
    return {"schema": SCHEMA, "estimate": numbers}


def render_estimate(found: Estimate, defaults: list[tuple[DefaultTable, int]]) -> str:
    """Return the text: the sum, then what distributions would reserve."""
    rows = [(p.name, f"{p.size / MIB:.1f}", p.why) for p in found.parts]
    rows.append(("sum", f"{found.recommended / MIB:.1f}", f"without dump and margin: {found.least / MIB:.1f} MiB"))
    lines = [
        f"crashkernel={found.recommended // MIB}M",
        "",
        render_table(("part", "MiB", "why"), rows, frozenset((1,))),
    ]
    if defaults:
        verdict = (
            (
                t.name,
                format_size(size) if size else "nothing",
                "enough" if size >= found.least else "not enough",
                t.spec,
            )
            for t, size in defaults
        )
        lines += ["", render_table(("default of", "here", "", "table"), list(verdict))]
    return "\n".join(lines)
