"""The fields of the three records, by name: what a record has, and what of a set of stated fields is its own."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NOT_STATABLE = ("arch", "modelled")
"""Fields that say what a record is about, not what a kernel does."""


def field_types(record: "type[DataclassInstance]") -> dict[str, Any]:
    """Return the fields of a record that a user can state, with the types of their values."""
    return {f.name: f.type for f in fields(record) if f.name not in NOT_STATABLE}


def own_fields(record: "type[DataclassInstance]", stated: Mapping[str, object]) -> dict[str, object]:
    """Return those of the stated fields that this record has."""
    known = field_types(record)
    return {name: value for name, value in stated.items() if name in known}
