"""An estimate of what a capture kernel needs, as text and as a JSON document; decides nothing."""

from collections.abc import Sequence
from typing import Any

from kexeckit.kernel.sizing.defaults import ComputedDefault, DefaultTable
from kexeckit.kernel.sizing.estimate import Estimate
from kexeckit.memory.units import MIB, format_size
from kexeckit.render.crashkernel import SCHEMA
from kexeckit.render.table import render_table


def estimate_document(
    found: Estimate, defaults: list[tuple[DefaultTable, int]], computed: Sequence[ComputedDefault] = ()
) -> dict[str, Any]:
    """Return the JSON document; sizes are bytes, and the parts add up to `recommended`.

    Args:
        found: The estimate.
        defaults: What distributions would reserve.
        computed: Defaults that only the machine itself can compute; their size is null.
    """
    numbers = {
        "least": found.least,
        "recommended": found.recommended,
        "moment": found.moment,
        "parts": _parts(found),
        "assumed": list(found.assumed),
        "defaults": [
            {"name": t.name, "spec": t.spec, "size": size, "enough": size >= found.least, "source": t.source}
            for t, size in defaults
        ]
        + [
            {"name": c.name, "spec": None, "size": None, "enough": None, "rule": c.rule, "source": c.source}
            for c in computed
        ],
    }
    return {"schema": SCHEMA, "estimate": numbers}


def measured_document(
    smallest: int, step: int, found: Estimate, tries: Sequence[tuple[int, bool, str]]
) -> dict[str, Any]:
    """Return the JSON document of a measurement; sizes are bytes, but `mib` of a try.

    Args:
        smallest: What worked.
        step: Its precision.
        found: The estimate for the same.
        tries: (MiB, whether it worked, how it ended if not).
    """
    return {
        "schema": "kexeckit/rehearse/1",
        "measured": {
            "smallest": smallest,
            "step": step,
            "estimated": found.least,
            "difference_percent": _difference(smallest, found),
            "moment": found.moment,
            "parts": [p for p in _parts(found) if p["least"]],
            "tries": [{"mib": mib, "works": works, "why": why} for mib, works, why in tries],
        },
    }


def render_measured(smallest: int, step: int, found: Estimate) -> str:
    """Return the text of a measurement: arguments as for `measured_document`."""
    rows = [(p.name, f"{p.size / MIB:.1f}", p.why) for p in found.parts if p.least]
    rows.append(("sum", f"{found.least / MIB:.1f}", f"what binds: {found.moment}"))
    return "\n".join(
        [
            f"smallest that completes a dump: {format_size(smallest)} ({format_size(step)} less does not)",
            f"estimated: {found.least / MIB:.1f} MiB, {_difference(smallest, found):+.1f} %",
            "",
            render_table(("part", "MiB", "why"), rows, frozenset((1,))),
        ]
    )


def _parts(found: Estimate) -> list[dict[str, Any]]:
    return [{"name": p.name, "size": p.size, "why": p.why, "least": p.least} for p in found.parts]


def _verdict(size: int, found: Estimate) -> str:
    if size >= found.recommended:
        return "enough"
    return "tight" if size >= found.least else "not enough"


def _difference(smallest: int, found: Estimate) -> float:
    return round(100 * (found.least - smallest) / smallest, 1)


def render_estimate(
    found: Estimate, defaults: list[tuple[DefaultTable, int]], computed: Sequence[ComputedDefault] = ()
) -> str:
    """Return the text: the sum, then what distributions would reserve; arguments as for `estimate_document`."""
    rows = [(p.name, f"{p.size / MIB:.1f}", p.why) for p in found.parts]
    rows.append(
        (
            "sum",
            f"{found.recommended / MIB:.1f}",
            f"without dump and margin: {found.least / MIB:.1f} MiB; what binds: {found.moment}",
        )
    )
    lines = [
        f"crashkernel={found.recommended // MIB}M",
        "",
        render_table(("part", "MiB", "why"), rows, frozenset((1,))),
        *found.assumed,
    ]
    if defaults or computed:
        verdict = [
            (t.name, format_size(size) if size else "nothing", _verdict(size, found), t.spec, t.source)
            for t, size in defaults
        ]
        verdict += [(c.name, "not determined", "", "computed on the machine", c.source) for c in computed]
        lines += ["", render_table(("default of", "here", "", "table", "source"), verdict)]
        lines += [f"{c.name}: {c.rule}" for c in computed]
    return "\n".join(lines)
