"""Checks a JSON document of a command against its schema in docs/schema, and every integer in it against 64 bits."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from source_tree import ROOT

FOLDER = ROOT / "docs" / "schema"
LARGEST = (1 << 64) - 1


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of a schema, such as ``plan``."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(document: Any) -> list[str]:
    """Return what is wrong with a document, empty if nothing."""
    found = re.fullmatch(r"kexeckit/([a-z-]+)/1", str(document.get("schema")))
    if not found:
        return [f"no schema named in {str(document)[:99]}"]
    wrong = [f"{e.json_path}: {e.message[:300]}" for e in validator(found[1]).iter_errors(document)]
    return wrong + [f"{where}: {value}" for where, value in integers(document) if not 0 <= value <= LARGEST]


def integers(value: Any, where: str = "$") -> Iterator[tuple[str, int]]:
    """Yield the path and value of every integer in a document."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from integers(each, f"{where}.{key}")
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from integers(each, f"{where}[{at}]")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield where, value


def checked(text: str) -> Any:
    """Read the one document of a command; fails where it is not of its schema."""
    document = json.loads(text)
    assert problems(document) == []
    return document
