"""The history of a kernel's behaviour as text and as JSON; decides nothing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kexeckit.kernel.behaviour.catalogue import RECORDS, FieldHistory, field_type
from kexeckit.kernel.behaviour.change import Change, VendorChange
from kexeckit.kernel.behaviour.floors import Floor, release_text
from kexeckit.kernel.behaviour.stated import accepted
from kexeckit.render.table import render_table

SCHEMA = "kexeckit/explain/1"
_CHECKED = {
    "booted": "compared with a running kernel",
    "read": "read in the source",
    "logs": "seen in logs of real machines",
}


def behaviours_document(fields: Iterable[FieldHistory], floors: Iterable[Floor] = ()) -> dict[str, Any]:
    """Return the JSON document: each field with its changes, and from which release on what is modelled."""
    return {
        "schema": SCHEMA,
        "behaviours": [_field(f) for f in fields],
        "floors": [
            {
                "subject": floor.subject,
                "arches": list(floor.arches),
                "since": release_text(floor.since),
                "why": floor.why,
                "source": floor.source,
            }
            for floor in floors
        ],
    }


def _field(field: FieldHistory) -> dict[str, Any]:
    return {
        "field": field.name,
        "record": field.record,
        "type": type_name(field.name),
        "text": field.what,
        "before": [{"arches": list(arches), "value": value} for arches, value in field.before],
        "changes": [_change(c, field.name) for c in field.changes],
        "vendors": [_vendor(v, field.name) for v in field.vendors],
    }


def _change(change: Change, name: str) -> dict[str, Any]:
    return {
        "value": change.fields[name],
        "since": release_text(change.since),
        "until": release_text(change.until) if change.until else None,
        "backports": [release_text(b) for b in change.backports],
        "reverted": [release_text(r) for r in change.reverted],
        "arches": list(change.arches),
        "source": change.source,
        "checked": change.checked,
    }


def _vendor(vendor: VendorChange, name: str) -> dict[str, Any]:
    return {
        "value": vendor.fields[name],
        "release": _vendor_text(vendor),
        "arches": list(vendor.arches),
        "source": vendor.source,
        "read_in": list(vendor.read_in),
        "checked": vendor.checked,
    }


def type_name(name: str) -> str:
    """Return the type of a field's values as JSON names it: ``bool``, ``int``, ``str``, ``int|null``, ``[str]``."""
    found = field_type(name)
    if isinstance(found, type) and not hasattr(found, "__args__"):
        return found.__name__
    return "[str]" if getattr(found, "__origin__", None) is tuple else "int|null"


def render_behaviours(fields: Sequence[FieldHistory]) -> str:
    """Return a table for each record, a line for each value of a field."""
    parts = []
    for record in dict.fromkeys(f.record for f in fields):
        rows = [row for f in fields if f.record == record for row in _rows(f)]
        parts.append(f"{record}:\n{render_table(_HEAD, rows, frozenset())}")
    return "\n\n".join((*parts, '"kexeckit explain FIELD" says what a field means, with sources.'))


def _rows(field: FieldHistory) -> Iterator[list[str]]:
    for at, (arches, value) in enumerate(field.before):
        yield ["" if at else field.name, _short(value), "before", _arches(arches), ""]
    for change in field.changes:
        value = _short(change.fields[field.name])
        for date in _dates(change):
            yield ["", value, date, _arches(change.arches), change.checked]
    for vendor in field.vendors:
        yield ["", _short(vendor.fields[field.name]), _vendor_text(vendor), _arches(vendor.arches), vendor.checked]


def _short(value: object) -> str:
    # One long value must not make every line long; `explain FIELD` and --json have it whole.
    text = value_text(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def render_field(field: FieldHistory) -> str:
    """Return one field in words: what it says, its value before, and each change with source."""
    lines = [f"{field.name} ({field.record})", f"  {field.what}", f"  It takes {accepted(field.name)}.", "before:"]
    lines += [f"  {value_text(value)} on {_arches(arches)}" for arches, value in field.before]
    lines += _changes_in_words(field)
    lines.append(f"State another value with --set {field.name}=VALUE.")
    return "\n".join(lines)


def _changes_in_words(field: FieldHistory) -> Iterator[str]:
    if not field.changes and not field.vendors:
        yield "changes: none is known"
        return
    if field.changes:
        yield "changes:"
    for change in field.changes:
        dates = "; ".join(_dates(change))
        yield f"  {value_text(change.fields[field.name])} since {dates}, on {_arches(change.arches)}"
        yield f"    {change.source} ({_CHECKED[change.checked]})"
    if field.vendors:
        yield "distributions:"
    for vendor in field.vendors:
        yield f"  {value_text(vendor.fields[field.name])} in {_vendor_text(vendor)}, on {_arches(vendor.arches)}"
        yield f"    {vendor.source} ({_CHECKED[vendor.checked]})"


def _dates(change: Change) -> Iterator[str]:
    # Mainline's release, then each stable branch; where a branch took it back, up to which release it has it.
    for date in (change.since, *change.backports):
        ends = [r for r in change.reverted if r[:2] == date[:2]]
        if date == change.since and change.until:
            ends.append(change.until)
        yield release_text(date) + (f" (not {', '.join(map(release_text, ends))})" if ends else "")


def _vendor_text(vendor: VendorChange) -> str:
    builds = f"build {vendor.build} and later" if vendor.build else "every build"
    return f"{vendor.version}*{vendor.mark}, {builds}"


def _arches(arches: Sequence[str]) -> str:
    every = set(RECORDS["reservation"].bases) <= set(arches)
    return " ".join(arches) if any(arches) and not every else "all"


def value_text(value: object) -> str:
    """Return a value as ``--set`` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(str(v).lstrip(",") for v in value) or "(nothing)"
    if isinstance(value, int):
        return f"{value:#x}" if value >= _HEX_FROM else str(value)
    return str(value) or "(empty)"


_HEX_FROM = 4096
_WIDTH = 24
_HEAD = ("field", "value", "since", "architectures", "checked")
