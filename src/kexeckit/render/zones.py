"""A prediction of zones as text for people and as a JSON document; decides nothing."""

from collections.abc import Iterable
from typing import Any

from kexeckit.kernel.zones.answer import ZonesAnswer
from kexeckit.kernel.zones.cost import Affordable, NodeCost
from kexeckit.kernel.zones.predict import NodeZones, ZonePrediction
from kexeckit.kernel.zones.spans import ZoneSpan
from kexeckit.memory.units import format_size
from kexeckit.render.document import reason_document
from kexeckit.render.observed import agreement_lines
from kexeckit.render.observed_zones import observed_zones_document, observed_zones_lines
from kexeckit.render.table import indented, render_table

SCHEMA = "kexeckit/zones/1"
_RIGHT = frozenset((2, 3, 4, 5, 6))


def zones_document(
    answer: ZonesAnswer, costs: Iterable[NodeCost] = (), affordable: Affordable | None = None
) -> dict[str, Any]:
    """Return the JSON document; `ranges` are bytes with exclusive ends, zones of nodes count page frames."""
    prediction = answer.predicted
    size = prediction.page_size
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "about": answer.about,
        "certainty": answer.certainty.value,
        "ranges": [
            {"zone": z.zone, "start": z.start_pfn * size, "end": z.end_pfn * size}
            for z in prediction.limits
            if not z.empty
        ],
        "nodes": [_node_document(node) for node in prediction.nodes],
        "warnings": list(prediction.warnings),
        "reasons": [
            reason_document(r.about, r.text, r.source, finding=r.about == "doubt" and not prediction.nodes)
            for r in prediction.reasons
        ],
        "observed": observed_zones_document(answer.observed),
        "agreement": answer.agreement.value,
        "explanations": list(answer.compared.why),
        "assumed": list(answer.question.assumed),
        "doubtful_words": list(answer.doubtful),
        "page_size": size,
        "costs": [
            {
                "nid": c.nid,
                "kernel": c.kernel,
                "movable": c.movable,
                "mirrored": c.mirrored,
                "mirrored_movable": c.mirrored_movable,
                "unmirrored_kernel": c.unmirrored_kernel,
                "lost": c.lost,
            }
            for c in costs
        ],
    }
    if affordable:
        document["affordable"] = {"every_node": affordable.every_node, "any_node": affordable.any_node}
    return document


def render_zones(answer: ZonesAnswer, costs: Iterable[NodeCost] = (), affordable: Affordable | None = None) -> str:
    """Return the text: what the kernel prints, zones per node, what they cost, warnings, reasons."""
    prediction = answer.predicted
    other = answer.question.next_boot
    boot = " for the next boot" if other else ""
    head = f"predicted{boot}: {answer.certainty.value}\n" + indented(kernel_messages(prediction))
    parts = [head] if prediction.determined else [f"predicted{boot}: not determined"]
    if prediction.nodes:
        parts.append(_zone_table(prediction))
    rows = list(costs)
    if rows:
        parts.append(_cost_table(rows))
    if affordable:
        parts.append(_affordable(affordable))
    if prediction.warnings:
        parts.append("warnings:\n" + indented("\n".join(prediction.warnings)))
    if answer.observed and not other:
        parts.insert(0, "\n".join(observed_zones_lines(answer.observed)))
        parts.append("\n".join(agreement_lines(answer.agreement, answer.compared.why)))
    if answer.question.assumed:
        parts.append("assumed:\n" + indented("\n".join(answer.question.assumed)))
    if prediction.reasons:
        lines = [f"{r.about}: {r.text}" + (f"  [{r.source}]" if r.source else "") for r in prediction.reasons]
        parts.append("reasons:\n" + indented("\n".join(lines)))
    return "\n\n".join(parts)


def kernel_messages(prediction: ZonePrediction) -> str:
    """Return the lines that the kernel prints about zones at boot."""
    size = prediction.page_size
    lines = ["Zone ranges:"]
    for z in prediction.limits:
        span = f"[mem {z.start_pfn * size:#018x}-{z.end_pfn * size - 1:#018x}]"
        lines.append(f"  {z.zone:<8} {'empty' if z.empty else span}")
    lines.append("Movable zone start for each node")
    starts = ((n.nid, n.movable_start) for n in prediction.nodes)
    lines.extend(f"  Node {nid}: {start:#018x}" for nid, start in starts if start is not None)
    return "\n".join(lines)


def _node_document(node: NodeZones) -> dict[str, Any]:
    return {
        "nid": node.nid,
        "movable_start": node.movable_start,
        "zones": [
            {"zone": z.zone, "start_pfn": z.start_pfn, "spanned": z.spanned, "present": z.present, "absent": z.absent}
            for z in node.zones
        ],
    }


def _zone_table(prediction: ZonePrediction) -> str:
    rows: list[list[str]] = []
    for node in prediction.nodes:
        rows.extend(_zone_row(node.nid, z, prediction.page_size) for z in node.zones)
        if not node.zones:
            rows.append([str(node.nid), "(no memory)", "", "", "", "", "", ""])
    return render_table(("node", "zone", "start_pfn", "spanned", "present", "absent", "present", "from"), rows, _RIGHT)


def _zone_row(nid: int, z: ZoneSpan, size: int) -> list[str]:
    numbers = [str(n) for n in (z.start_pfn, z.spanned, z.present, z.absent)]
    return [str(nid), z.zone, *numbers, format_size(z.present * size), f"{z.start_pfn * size:#018x}"]


def _cost_table(costs: list[NodeCost]) -> str:
    head = (
        "node",
        "kernel can use",
        "movable only",
        "mirrored",
        "mirrored but movable",
        "kernel, unmirrored",
        "unused",
    )
    rows = [
        [
            str(c.nid),
            *(
                format_size(n)
                for n in (c.kernel, c.movable, c.mirrored, c.mirrored_movable, c.unmirrored_kernel, c.lost)
            ),
        ]
        for c in costs
    ]
    return render_table(head, rows, frozenset(range(1, 7)))


def _affordable(affordable: Affordable) -> str:
    if affordable.any_node is None:
        return "no kernelcore= leaves a ZONE_MOVABLE on this machine"
    every = (
        "" if affordable.every_node is None else f", up to {format_size(affordable.every_node)} on every node that can"
    )
    return f"kernelcore= up to {format_size(affordable.any_node)} leaves a ZONE_MOVABLE{every}"
