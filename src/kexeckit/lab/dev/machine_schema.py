"""The JSON Schema of ``kexeckit/machine/1``, made from the same type hints that documents are read by.

python -m kexeckit.lab.dev.machine_schema > docs/schema/machine.schema.json
"""

import inspect
import json
import re
import sys
from typing import Any

from kexeckit.machine.document import SCHEMA
from kexeckit.machine.shape import MOST, Member, Shape, record_of, shape_of
from kexeckit.machine.value import KINDS, Machine
from kexeckit.memory.kind import KNOWN_KINDS, MemoryKind
from kexeckit.memory.range import MemRange

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def machine_schema() -> dict[str, Any]:
    """Return the schema; records stand under ``$defs`` by the names of their classes."""
    defs: dict[str, Any] = {}
    _record(shape_of(Machine), defs)
    machine = defs.pop("Machine")
    machine["properties"] = {"schema": {"const": SCHEMA}, **machine["properties"]}
    machine["properties"]["kind"] = {"enum": list(KINDS)}
    machine["required"] = ["schema", *machine["required"]]
    return {"$schema": _DIALECT, "title": SCHEMA, **machine, "$defs": dict(sorted(defs.items()))}


def _schema(hint: Any, defs: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    shape = shape_of(hint)
    if shape.kind == "optional":
        return {"anyOf": [_schema(shape.of[0], defs), {"type": "null"}]}
    if shape.kind in ("list", "set", "ranges"):
        found = {"type": "array", "items": _schema(MemRange if shape.kind == "ranges" else shape.of[0], defs)}
        return {**found, "uniqueItems": True} if shape.kind == "set" else found
    if shape.kind == "row":
        rows = [_schema(inside, defs) for inside in shape.of]
        return {"type": "array", "prefixItems": rows, "minItems": len(rows), "maxItems": len(rows)}
    if shape.kind == "enum":
        return {"enum": [member.value for member in shape.cls]}
    if shape.kind == "memory kind":
        return {"anyOf": [{"enum": [k.name for k in KNOWN_KINDS]}, _record(record_of(MemoryKind), defs)]}
    return _record(shape, defs, str(hint)) if shape.kind == "record" else _plain(shape.kind)


def _plain(kind: str) -> dict[str, Any]:
    if kind == "int":
        return {"type": "integer", "minimum": 0, "maximum": MOST}
    if kind == "bytes":
        return {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
    return {"type": {"bool": "boolean", "str": "string"}[kind]}


def _record(shape: Shape, defs: dict[str, Any], hint: str = "") -> dict[str, Any]:
    # Fact[int] and Fact[bool] are two records, so the type in brackets is part of the name.
    inside = re.sub(r"[\w.]*\.", "", hint.partition("[")[2].rstrip("]")) if "[" in hint else ""
    name = "_".join([shape.cls.__name__, *re.findall(r"\w+", inside)])
    if name not in defs:
        # Resources hold resources: the name is taken before what is inside is looked at.
        defs[name] = {}
        said = _attributes(shape.cls)
        properties = {m.key: {**_member(shape, m, defs), **said.get(m.key, {})} for m in shape.members}
        required = [m.key for m in shape.members if m.required]
        defs[name] = {"type": "object", "description": _summary(shape.cls), "properties": properties}
        defs[name] |= {"required": required, "additionalProperties": False}
    return {"$ref": f"#/$defs/{name}"}


def _member(shape: Shape, member: Member, defs: dict[str, Any]) -> dict[str, Any]:
    if shape.spans and member.key == "last":
        text = "Last byte that belongs to it; null where it covers no byte."
        return {"anyOf": [_plain("int"), {"type": "null"}], "description": text}
    found = _schema(member.hint, defs)
    return {"anyOf": [found, {"type": "null"}]} if member.nameless else found


def _summary(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _attributes(cls: type) -> dict[str, dict[str, str]]:
    # What the docstring says about each field, in one line.
    found: dict[str, list[str]] = {}
    for line in inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2].splitlines():
        begun = re.match(r" {4}(\w+): (.*)", line)
        if begun:
            found[begun[1]] = [begun[2]]
        elif line.startswith(" " * 8) and found:
            found[next(reversed(found))].append(line.strip())
        else:
            break
    return {name: {"description": " ".join(texts)} for name, texts in found.items()}


def schema_text() -> str:
    """Return the schema as the file has it."""
    return json.dumps(machine_schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
