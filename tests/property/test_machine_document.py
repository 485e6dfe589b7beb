"""Documents of machines: read back equal, valid by the published schema, and safe to read when damaged."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.errors import InputError, KexeckitError
from kexeckit.lab.dev.machine_schema import schema_text
from kexeckit.machine.document import from_document, parse_document, to_document
from kexeckit.machine.fact import Fact
from kexeckit.machine.value import Machine, MemoryFacts
from kexeckit.memory.resource import ResourceTree
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot
from machines import machines
from source_tree import ROOT
from strategies import resource_trees

FILE = ROOT / "docs" / "schema" / "machine.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(FILE.read_text("utf-8")))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 1 << 65),
    st.just(1.5),
    st.text(max_size=5),
    st.sampled_from(["ram", "observed", "input", "root", [], {}, [[]], {"start": 1, "last": 0}, [None, None]]),
)


def again(machine: Machine) -> Machine:
    """Return a machine by way of its text."""
    return parse_document(json.dumps(to_document(machine)), "m.json")


@pytest.mark.parametrize("at", range(len(machines())), ids=[m.source.rpartition("/")[2] for m in machines()])
def test_a_machine_survives_its_document(at: int) -> None:
    """Captures with all that loading needs, logs, a listing, a description."""
    machine = machines()[at]
    assert again(machine) == machine
    VALIDATOR.validate(to_document(machine))


def test_every_log_of_the_corpus_survives(corpus: Path) -> None:
    """Real logs, whatever is in them."""
    count = 0
    for line in (corpus / "index.jsonl").read_text().splitlines():
        try:
            machine = read_machine(open_sysroot(str(corpus / json.loads(line)["file"])))
        except KexeckitError:
            continue
        count += 1
        assert again(machine) == machine, machine.source
    assert count > 200


@given(resource_trees(limit=1 << 64))
def test_resources_survive(tree: ResourceTree) -> None:
    """Up to the last byte of the address space."""
    machine = Machine("s", "iomem", memory=MemoryFacts(resources=Fact(tree, "s")))
    assert again(machine) == machine


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in a document."""
    inside = document.items() if isinstance(document, dict) else enumerate(document) if _is_list(document) else ()
    return [path, *(p for key, value in inside for p in places(value, (*path, key)))]


def _is_list(value: object) -> bool:
    return isinstance(value, list)


SEEDS = [to_document(m) for m in machines()]
PLACES = [places(seed) for seed in SEEDS]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A document with a few values replaced, removed or under another key."""
    at = draw(st.integers(0, len(SEEDS) - 1))
    document = copy.deepcopy(SEEDS[at])
    for way in draw(st.lists(st.sampled_from(PLACES[at][1:]), min_size=1, max_size=3)):
        holder: Any = document
        try:
            for key in way[:-1]:
                holder = holder[key]
            _damage(holder, way[-1], draw(st.sampled_from(["junk", "gone", "key"])), draw(JUNK))
        except (LookupError, TypeError):
            # An earlier change has taken this place away.
            continue
    return document


def _damage(holder: Any, key: Any, how: str, junk: Any) -> None:
    if how == "gone":
        del holder[key]
    elif how == "key" and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    else:
        holder[key] = junk


def read(document: Any) -> Machine | str:
    """Return the machine, or why the document is refused."""
    try:
        return from_document(document, "m.json")
    except InputError as error:
        return str(error)


@given(damaged())
def test_a_damaged_document_is_read_or_refused(document: Any) -> None:
    """No other exception; what is read can be written, and is valid by the schema."""
    found = read(document)
    if isinstance(found, str):
        assert found.startswith("m.json: $")
    else:
        VALIDATOR.validate(to_document(found))
        assert again(found) == found


BEYOND = ("lies before", "no memory range", "a page of", "kind of problem", "32 bits")


@given(damaged())
def test_what_the_schema_accepts_can_be_read(document: Any) -> None:
    """The other way round, save for what a schema cannot say: that an end lies before a start, and the like."""
    if VALIDATOR.is_valid(document):
        found = read(document)
        assert isinstance(found, Machine) or any(words in found for words in BEYOND)


def test_the_published_schema_is_up_to_date() -> None:
    """The file is what the type hints say now; ``make schema`` writes it anew."""
    assert FILE.read_text("utf-8") == schema_text()
    VALIDATOR.check_schema(VALIDATOR.schema)
