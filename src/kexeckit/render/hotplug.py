"""What memory hotplug does to an image, as text and as JSON; decides nothing."""

from collections.abc import Sequence
from typing import Any

from kexeckit.plan.hotplug import HotplugEffect
from kexeckit.render.document import reason_document
from kexeckit.render.table import indented


def hotplug_document(effects: Sequence[HotplugEffect]) -> list[dict[str, Any]]:
    """Return the effects as JSON; ends are exclusive."""
    return [
        {
            "action": e.event.action,
            "start": e.event.range.start,
            "end": e.event.range.end,
            "verdict": str(e.verdict),
            "by": e.by,
            "reasons": [reason_document("image", text) for text in e.reasons],
        }
        for e in effects
    ]


def render_hotplug(effects: Sequence[HotplugEffect]) -> str:
    """Return one paragraph per event."""
    words = {"valid": "still valid", "update": "elfcorehdr to be updated", "reload": "to be loaded again"}
    who = {"kernel": " (the kernel does it)", "reload": " (`kexeckit load --if-changed`)", "nobody": ""}
    parts = []
    for e in effects:
        head = f"after {e.event}: {words[e.verdict]}{who[e.by]}"
        parts.append(head + "\n" + indented("\n".join(e.reasons)))
    return "\n".join(parts)
