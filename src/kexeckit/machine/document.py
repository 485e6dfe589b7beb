"""``kexeckit/machine/1``: a `Machine` as a JSON document, whole and exact: what is read back is equal.

    {"schema": "kexeckit/machine/1", "source": "boot.log", "kind": "log",
     "kernel": {"arch": {"value": "x86_64", "source": "boot.log", "line": 1, "how": "observed"},
                "config": null},                                                    not shown
     "memory": {"firmware": {"value": [{"start": 0, "last": 654335, "kind": "ram", "line": 4}], ...}}}

Rules of this file:
    1. The keys are the fields of the dataclasses of `value`; `shape` says how each type is written.
    2. All numbers fit in 64 bits, so a range has its `last` byte, which belongs to it.
    3. An absent key and null both say that no source shows the fact.
    4. A document of another version, an unknown key or a value of another type is an error with its path.
"""

from collections.abc import Callable
from typing import Any

from kexeckit.errors import InputError
from kexeckit.formats.json_text import parse_json
from kexeckit.machine.decode import Decoder
from kexeckit.machine.encode import encode
from kexeckit.machine.fact import PROBLEM_KINDS
from kexeckit.machine.value import KINDS, Machine
from kexeckit.memory.units import is_power_of_two

SCHEMA = "kexeckit/machine/1"
_PAGE_SIZES = (4096, 65536)


def to_document(machine: Machine) -> dict[str, Any]:
    """Return the document of a machine.

    Raises:
        InputError: Its source gives a number that does not fit in 64 bits.
    """
    return {"schema": SCHEMA, **encode(machine, "$", machine.source)}


def from_document(document: object, source: str) -> Machine:
    """Return the machine that a document holds; its facts keep the sources that they came from.

    Args:
        document: What `json` made of it.
        source: How messages name the document.

    Raises:
        InputError: It is no such document; the message names the place in it.
    """
    decoder = Decoder(source)
    if not isinstance(document, dict):
        raise decoder.refused("$", "the document is no object", f'an object with "schema": "{SCHEMA}"')
    found = document.get("schema")
    if found != SCHEMA:
        raise decoder.refused("$.schema", f"{ascii(found)[:60]} cannot be read here", SCHEMA)
    machine: Machine = decoder.read(Machine, {k: v for k, v in document.items() if k != "schema"}, "$")
    _check(machine, decoder.refused)
    return machine


def parse_document(text: str, source: str) -> Machine:
    """Return the machine that a text in JSON holds.

    Raises:
        InputError: Not JSON, a key twice in one object, or no such document.
    """
    return from_document(parse_json(text, source, f"a document {SCHEMA}"), source)


def _check(machine: Machine, refused: Callable[..., InputError]) -> None:
    # What a type cannot say, and what everybody who is given a machine relies on.
    if machine.kind not in KINDS:
        raise refused("$.kind", f"{ascii(machine.kind)[:60]} is no kind of source", f"one of {', '.join(KINDS)}")
    for at, problem in enumerate(machine.problems):
        if problem.kind not in PROBLEM_KINDS:
            expected = f"one of {', '.join(PROBLEM_KINDS)}"
            raise refused(f"$.problems[{at}].kind", f"{ascii(problem.kind)[:60]} is no kind of problem", expected)
    size = machine.kernel.page_size
    if size and not (is_power_of_two(size.value) and _PAGE_SIZES[0] <= size.value <= _PAGE_SIZES[1]):
        raise refused("$.kernel.page_size.value", f"a page of {size.value} bytes", "4096, 16384 or 65536")
