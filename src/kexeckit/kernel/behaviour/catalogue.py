"""All fields of the five records as one list: record, type, words that explain, values before, changes.

What `explain` prints and what `stated` accepts come from the same tables that decide a kernel's behaviour.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour import kaslr, loading, nodes, reservation, zones
from kexeckit.kernel.behaviour.change import Change, VendorChange
from kexeckit.kernel.behaviour.fields import field_types
from kexeckit.kernel.behaviour.reservation_changes import CHANGES as RESERVATION_CHANGES
from kexeckit.kernel.behaviour.vendors_loading import VENDORS as LOADING_VENDORS
from kexeckit.kernel.behaviour.vendors_reservation import VENDORS as RESERVATION_VENDORS
from kexeckit.kernel.behaviour.vendors_zones import VENDORS as ZONE_VENDORS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_ATTRIBUTE = re.compile(r"^        (\w+): (.*(?:\n            .*)*)", re.MULTILINE)
# A range rule of crashkernel= can be any text.
_OPEN = ("auto",)


@dataclass(frozen=True, slots=True)
class Table:
    """One record's type, values before all changes by architecture (empty: all), and tables."""

    record: "type[DataclassInstance]"
    bases: Mapping[str, "DataclassInstance"]
    changes: tuple[Change, ...]
    vendors: tuple[VendorChange, ...]


RECORDS = {
    "loading": Table(loading.KernelBehaviour, {"": loading.BASE}, loading.CHANGES, LOADING_VENDORS),
    "zones": Table(zones.ZoneBehaviour, {"": zones.BASE}, zones.CHANGES, ZONE_VENDORS),
    "nodes": Table(nodes.NodeRules, nodes.BASES, nodes.CHANGES, ()),
    "kaslr": Table(kaslr.KaslrRules, kaslr.BASES, kaslr.CHANGES, ()),
    "reservation": Table(reservation.CrashRules, reservation.BASES, RESERVATION_CHANGES, RESERVATION_VENDORS),
}
"""The five records by the name that users give them."""


@dataclass(frozen=True, slots=True)
class FieldHistory:
    """One field's history.

    Attributes:
        name: The field.
        record: ``loading``, ``zones``, ``nodes``, ``kaslr`` or ``reservation``.
        what: What it says, in a sentence.
        before: Value before all changes: (architectures, value), architectures empty for all.
        changes: Mainline's changes of this field, in order of release.
        vendors: What distributions carry of it, in order of build.
    """

    name: str
    record: str
    what: str
    before: tuple[tuple[tuple[str, ...], object], ...]
    changes: tuple[Change, ...]
    vendors: tuple[VendorChange, ...]


@cache
def stated_fields() -> dict[str, str]:
    """Return every field that a user can state, with the name of its record."""
    return {name: key for key, table in RECORDS.items() for name in field_types(table.record)}


def field_type(name: str) -> object:
    """Return the type of a field's values."""
    return field_types(RECORDS[stated_fields()[name]].record)[name]


def choices_of(name: str) -> tuple[str, ...]:
    """Return the values that a field of words can have, or nothing where any text is one."""
    return () if name in _OPEN else tuple(sorted(set(_texts(name))))


def _texts(name: str) -> Iterator[str]:
    table = RECORDS[stated_fields()[name]]
    found = [getattr(base, name) for base in table.bases.values()]
    found += [fields[name] for fields in _every_fields(table) if name in fields]
    for value in found:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from value


def _every_fields(table: Table) -> Iterator[Mapping[str, Any]]:
    yield from (change.fields for change in table.changes)
    yield from (vendor.fields for vendor in table.vendors)


def history_of(name: str) -> FieldHistory:
    """Return a field's history; the field must be one of `stated_fields`."""
    key = stated_fields()[name]
    table = RECORDS[key]
    return FieldHistory(
        name,
        key,
        _words(table.record).get(name, ""),
        _before(table, name),
        tuple(c for c in table.changes if name in c.fields),
        tuple(v for v in table.vendors if name in v.fields),
    )


def histories() -> tuple[FieldHistory, ...]:
    """Return the history of every field, record by record."""
    return tuple(map(history_of, stated_fields()))


def _before(table: Table, name: str) -> tuple[tuple[tuple[str, ...], object], ...]:
    # Architectures with the same value stand together.
    groups: dict[object, list[str]] = {}
    for arch, base in table.bases.items():
        groups.setdefault(getattr(base, name), []).append(arch)
    if len(groups) == 1:
        return (((), next(iter(groups))),)
    return tuple((tuple(arches), value) for value, arches in groups.items())


@cache
def _words(record: "type[DataclassInstance]") -> dict[str, str]:
    # The Attributes of the record's docstring; Python run with -OO has none.
    found = _ATTRIBUTE.findall(f"{record.__doc__ or ''}")
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in found}
