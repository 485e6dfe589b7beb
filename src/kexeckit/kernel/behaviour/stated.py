"""What a user states about a kernel: ``--set field=value`` and a TOML file, read into values of the right type.

A distribution's kernel carries backports that no table here knows. A user who knows better states the field; what is
stated wins over version and distribution, and it does so before anything is derived from the machine.

    gb_leaves = true            # any field, of any of the three records
    cma_align = "4M"            # sizes as text or as numbers
    [reservation]               # a table for a record is optional
    suffixes = ["high", "low"]
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from kexeckit.errors import InputError, UsageError
from kexeckit.kernel.behaviour.catalogue import RECORDS, choices_of, field_type, stated_fields
from kexeckit.memory.units import parse_size

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
# Sizes that a division or a mask is made from.
_POWERS = ("align", "fixed_align", "cma_align", "section", "page", "stub_step")


def parse_stated(words: Iterable[str], text: str = "", source: str = "") -> dict[str, object]:
    """Return the fields that a user states, with their values.

    Args:
        words: ``field=value`` each, as typed behind ``--set``; they win over the file, a later one over an earlier.
        text: The file's text, or empty.
        source: How messages name the file.

    Raises:
        InputError: The file is no TOML.
        UsageError: A field is not known, or a value is not of its type.
    """
    stated = dict(_of_file(text, source)) if text else {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"cannot read --set {word}: expected field=value", remedy=_REMEDY)
        field = _known(name.strip(), "--set")
        stated[field] = _value(field, value.strip(), f"--set {word}")
    return stated


def stated_values(values: Mapping[str, object], where: str) -> dict[str, object]:
    """Check fields that a program states.

    Args:
        values: Field to value; texts are read as behind ``--set``.
        where: How messages name where they stand.

    Raises:
        UsageError: A field is not known, or a value is not of its type.
    """
    return {_known(name, where): _value(name, value, where) for name, value in values.items()}


_REMEDY = '"kexeckit explain behaviours" lists all fields'


def _of_file(text: str, source: str) -> Iterable[tuple[str, object]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(source, f"unusable text: {error}", expected="TOML") from error
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _of_table(name, value, source)
        else:
            yield _known(name, source), _value(name, value, f"{source}: {name}")


def _of_table(record: str, table: Mapping[str, Any], source: str) -> Iterable[tuple[str, object]]:
    if record not in RECORDS:
        raise UsageError(f"{source}: there is no table [{record}]; tables are {', '.join(RECORDS)}", remedy=_REMEDY)
    for name, value in table.items():
        if stated_fields()[_known(name, source)] != record:
            raise UsageError(f"{source}: {name} is a field of [{stated_fields()[name]}], not of [{record}]")
        yield name, _value(name, value, f"{source}: {name}")


def _known(name: str, where: str) -> str:
    if name in stated_fields():
        return name
    raise UsageError(unknown_field(name, where), remedy=_REMEDY)


def unknown_field(name: str, where: str) -> str:
    """Return a message that says which field may have been meant."""
    close = get_close_matches(name, stated_fields(), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{where}: there is no behaviour {name!r}{meant}"


def _value(name: str, value: object, where: str) -> object:
    # A field of several types takes the first that fits: a size or none.
    wanted = field_type(name)
    try:
        if wanted is bool:
            return _bool(value)
        if wanted is str:
            return _choice(name, value)
        if wanted == tuple[str, ...]:
            return _words(name, value)
        return _size(name, value, optional=wanted is not int)
    except (ValueError, UsageError) as error:
        raise UsageError(f"{where}: {name} takes {accepted(name)}", remedy=_REMEDY) from error


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in (*_TRUE, *_FALSE):
        return value.lower() in _TRUE
    raise ValueError


def _size(name: str, value: object, *, optional: bool) -> int | None:
    if optional and value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError  # noqa: TRY004 - both kinds of mistake become the same message
    number = parse_size(value) if isinstance(value, str) else value
    if number < 0 or (name in _POWERS and (number < 1 or number & (number - 1))):
        raise ValueError
    return number


def _choice(name: str, value: object) -> str:
    known = choices_of(name)
    if isinstance(value, str) and (not known or value in known):
        return value
    raise ValueError


def _words(name: str, value: object) -> tuple[str, ...]:
    # A list in a file, words behind --set: high,low. The comma in front of a suffix may be left out.
    parts = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
        raise ValueError
    known = {choice.lstrip(","): choice for choice in choices_of(name)}
    if not {part.lstrip(",") for part in parts} <= set(known):
        raise ValueError
    return tuple(known[part.lstrip(",")] for part in parts)


def accepted(name: str) -> str:
    """Return in words what a field takes."""
    wanted = field_type(name)
    if wanted is bool:
        return "true or false"
    known = choices_of(name)
    if wanted is str:
        return f"one of {', '.join(c or 'an empty text' for c in known)}" if known else "a text"
    if wanted == tuple[str, ...]:
        return f"some of {' '.join(c.lstrip(',') for c in known)}, separated by commas"
    number = "a power of two" if name in _POWERS else "a number"
    return f"{number}, such as 16777216, 0x1000000 or 16M" + ("" if wanted is int else ", or none")
