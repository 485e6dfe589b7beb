"""A machine as a JSON document: what is written, and what is refused.

About kexeckit.machine.decode, kexeckit.machine.encode, kexeckit.machine.shape, kexeckit.machine.value.
"""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.formats.bootlog.memory import TableEntry
from kexeckit.formats.bootlog.zones import PrintedZone
from kexeckit.formats.kind_of_text import looks_like_document
from kexeckit.machine.document import SCHEMA, from_document, parse_document, to_document
from kexeckit.machine.fact import Fact, How, Problem
from kexeckit.machine.shape import Shape, shape_of
from kexeckit.machine.value import CpuFacts, KernelFacts, Machine, MemoryFacts, ObservedFacts
from kexeckit.memory.kind import RAM, MemoryKind, kind_from_e820
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import Resource, ResourceTree
from machines import read_text

TOP = 1 << 64
BARE = {"schema": SCHEMA, "source": "s", "kind": "log"}


def fact(value: object, **more: object) -> dict[str, object]:
    """Return a fact as JSON."""
    return {"value": value, "source": "s", **more}


def refusal(document: object) -> str:
    """Return what is said of a document that cannot be read."""
    with pytest.raises(InputError) as caught:
        from_document(document, "m.json")
    return str(caught.value)


def test_a_fact_is_written_with_its_source() -> None:
    """Value, source, line and how it is known; what no source shows is null."""
    machine = Machine("s", "log", KernelFacts(release=Fact("6.1", "boot.log", 3, How.DERIVED)))
    kernel = to_document(machine)["kernel"]
    assert kernel["release"] == {"value": "6.1", "source": "boot.log", "line": 3, "how": "derived"}
    assert kernel["arch"] is None


def test_absent_is_not_shown() -> None:
    """Who writes a document leaves out what is not known, and needs to say neither line nor how."""
    found = from_document({**BARE, "kernel": {"arch": fact("x86_64")}}, "m.json")
    assert found == Machine("s", "log", KernelFacts(arch=Fact("x86_64", "s")))


def test_all_numbers_fit_in_64_bits() -> None:
    """The end of the address space, which is 2^64, is written as its last byte; an empty entry has none."""
    table = (TableEntry(0, TOP, RAM, 1), TableEntry(5, 5, kind_from_e820(77), 2))
    machine = Machine(
        "s",
        "log",
        memory=MemoryFacts(
            firmware=Fact(table, "s"), resources=Fact(ResourceTree((Resource(MemRange(0, TOP), "x"),)), "s")
        ),
        observed=ObservedFacts(zones=Fact((PrintedZone("DMA", 0, 0),), "s")),
    )
    document = to_document(machine)
    assert [e["last"] for e in document["memory"]["firmware"]["value"]] == [TOP - 1, None]
    assert document["memory"]["resources"]["value"]["roots"][0]["range"] == {"start": 0, "last": TOP - 1}
    assert from_document(json.loads(json.dumps(document)), "m.json") == machine


def test_a_number_of_more_than_64_bits_cannot_be_written() -> None:
    """A forged log may hold one; the document names the place instead of holding it."""
    machine = Machine("boot.log", "log", memory=MemoryFacts(counted=Fact(TOP, "boot.log")))
    with pytest.raises(InputError, match=r"boot.log: \$.memory.counted.value: 0x10000000000000000"):
        to_document(machine)


def test_memory_kinds_are_named() -> None:
    """A known kind is a word; another keeps its number and what the kernel prints for it."""
    kinds = (RAM, MemoryKind("unknown:x", 2, "x"))
    machine = Machine("s", "log", memory=MemoryFacts(firmware=Fact(tuple(TableEntry(0, 1, k, 0) for k in kinds), "s")))
    written = [e["kind"] for e in to_document(machine)["memory"]["firmware"]["value"]]
    assert written == ["ram", {"name": "unknown:x", "e820": 2, "label": "x"}]


def test_flags_are_sorted() -> None:
    """Two documents of one machine are the same text."""
    machine = Machine("s", "log", cpus=CpuFacts(flags=Fact(frozenset({"nx", "lm", "la57"}), "s")))
    assert to_document(machine)["cpus"]["flags"]["value"] == ["la57", "lm", "nx"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"schema": "kexeckit/machine/2"}, "$.schema: 'kexeckit/machine/2' cannot be read here; expected kexeckit/machi"),
    ({"schema": None}, "$.schema: None"),
    ({"kind": "moon"}, "$.kind: 'moon' is no kind of source"),
    ({"kind": 3}, "$.kind: 3 does not belong here; expected a text"),
    ({"colour": 1}, "$: unknown key 'colour'; expected one of source, kind,"),
    ({"kernel": None}, "$.kernel: null does not belong here; expected an object"),
    ({"kernel": {"arch": "x86_64"}}, "$.kernel.arch: 'x86_64' does not belong here; expected an object"),
    ({"kernel": {"arch": {"value": "x"}}}, "$.kernel.arch: no 'source'"),
    ({"kernel": {"arch": fact("x", how="maybe")}}, "$.kernel.arch.how: 'maybe' does not belong here; expected one of"),
    ({"kernel": {"arch": fact("x", how=[])}}, "$.kernel.arch.how: a list of 0 does not belong here"),
    ({"kernel": {"arch": fact("x", line=True)}}, "$.kernel.arch.line: true does not belong here"),
    ({"kernel": {"arch": fact("x", line=-1)}}, "$.kernel.arch.line: -1 does not belong here"),
    ({"kernel": {"page_size": fact(3)}}, "$.kernel.page_size.value: a page of 3 bytes; expected 4096"),
    ({"kernel": {"page_size": fact(1 << 17)}}, "$.kernel.page_size.value: a page of 131072"),
    ({"kernel": {"zone_dma": fact(1)}}, "$.kernel.zone_dma.value: 1 does not belong here; expected true or false"),
    ({"kernel": {"config": fact([["A"]])}}, "$.kernel.config.value[0]: a list of 1 does not belong here; expected a l"),
    ({"memory": {"counted": fact(TOP)}}, "$.memory.counted.value: 18446744073709551616 does not belong"),
    ({"memory": {"counted": fact(1.5)}}, "$.memory.counted.value: 1.5 does not"),
    ({"boot": {"brk": fact({"start": 5, "last": 4})}}, "$.boot.brk.value.last: 0x4 lies before the start 0x5"),
    ({"boot": {"brk": fact({"start": 5, "last": None})}}, "$.boot.brk.value: no memory range"),
    ({"boot": {"brk": fact({"start": "5", "last": 9})}}, "$.boot.brk.value.start: '5' does not"),
    ({"boot": {"brk": fact({"start": 5, "end": 9})}}, "$.boot.brk.value: unknown key 'end'; expected one of start,"),
    (
        {"efi": {"mirrored": fact({"start": 5})}},
        "$.efi.mirrored.value: an object does not belong here; expected a list",
    ),
    ({"memory": {"firmware": fact([{"start": 0, "last": 1, "kind": "rum", "line": 0}])}}, "value[0].kind: 'rum'"),
    ({"cpus": {"flags": fact(["a", "a"])}}, "$.cpus.flags.value: the same entry twice"),
    (
        {"handover": {"boot_params": fact("0")}},
        "$.handover.boot_params.value: '0' does not belong here; expected an ev",
    ),
    ({"handover": {"boot_params": fact("0G")}}, "boot_params.value: '0G'"),
    ({"taken": fact([{"range": {"start": 0, "last": 1}, "by": "me", "name": "x"}])}, "$.taken.value[0].by: 'me'"),
    ({"problems": [{"about": "a", "text": "t", "kind": "bad"}]}, "$.problems[0].kind: 'bad' is no kind of problem"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str) -> None:
    """Every error names the document and the path in it."""
    found = refusal({**BARE, **change})
    assert found.startswith("m.json: ")
    assert said in found


@pytest.mark.parametrize("document", [None, [], "x", 3, {}, {"schema": []}])
def test_other_json_is_refused(document: object) -> None:
    """Only an object of this schema is a machine."""
    assert SCHEMA in refusal(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        (json.dumps(BARE)[:-1] + ', "source": "t"}', "the key 'source' stands twice"),
        (json.dumps({**BARE, "cpus": {"most": fact(1)}}).replace('"value": 1', '"value": NaN'), "NaN is no number"),
        (json.dumps({**BARE, "cpus": {"most": fact(1)}}).replace('"value": 1', '"value": ' + "9" * 9999), "not JSON"),
    ],
    ids=["cut", "deep", "twice", "nan", "long"],
)
def test_text_that_is_no_json_is_refused(text: str, said: str) -> None:
    """The parser's own limits and what JSON leaves open end in an error, too."""
    with pytest.raises(InputError, match=said):
        parse_document(text, "m.json")


def nested(levels: int) -> dict[str, Any]:
    """Return resources in resources."""
    found: dict[str, Any] = {"range": {"start": 0, "last": 9}, "name": "x"}
    for _ in range(levels - 1):
        found = {"range": {"start": 0, "last": 9}, "name": "x", "children": [found]}
    return {**BARE, "memory": {"resources": fact({"roots": [found]})}}


def test_resources_are_as_deep_as_a_listing_can_be() -> None:
    """A listing of 100 levels is read and written; one more is refused, and so are many more."""
    listing = "".join(f"{'  ' * depth}00001000-00001fff : x\n" for depth in range(100))
    machine = read_text(listing, "iomem")
    assert parse_document(json.dumps(to_document(machine)), "m.json") == machine
    assert from_document(nested(100), "m.json")
    assert "nested too deep" in refusal(nested(101))
    assert "nested too deep" in refusal(nested(5000))


def test_a_document_is_told_from_other_texts() -> None:
    """By its schema wherever it stands in the object, so that a tool may have sorted the keys; not by a brace alone."""
    assert looks_like_document(json.dumps(BARE, sort_keys=True))
    assert looks_like_document('\ufeff\n {"schema": "kexeckit/plan/1"}')
    assert not looks_like_document('{"MESSAGE": "Linux version 6.1"}')
    assert not looks_like_document(f'[{{"schema": "{SCHEMA}"}}]')


def test_an_efi_type_may_have_no_number() -> None:
    """A type that the log does not name is null; no number in a document is negative."""
    entry = {"range": {"start": 0, "last": 9}, "type": None, "name": "x", "attributes": 0, "line": 1}
    found = from_document({**BARE, "efi": {"map": fact([entry])}}, "m.json")
    assert found.efi.map is not None
    assert found.efi.map.value[0].type == -1
    assert to_document(found)["efi"]["map"]["value"] == [entry]
    assert "type: -1 does not belong" in refusal({**BARE, "efi": {"map": fact([{**entry, "type": -1}])}})
    assert "attributes: null" in refusal({**BARE, "efi": {"map": fact([{**entry, "attributes": None}])}})
    assert "attributes: -1" in refusal({**BARE, "efi": {"map": fact([{**entry, "attributes": -1}])}})


def test_a_machine_with_an_unusual_source_is_itself() -> None:
    """Stray bytes of a file's name survive."""
    machine = replace(Machine("s", "log"), source="a\udcffb")
    assert parse_document(json.dumps(to_document(machine)), "m.json") == machine


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_pages_of_all_sizes_that_kernels_have(size: int) -> None:
    """From 4 KiB to 64 KiB, both included."""
    found = from_document({**BARE, "kernel": {"page_size": fact(size)}}, "m.json")
    assert found.kernel.page_size == Fact(size, "s")
    for wrong in (2048, 131072, 4096 + 16384):
        assert f"a page of {wrong} bytes" in refusal({**BARE, "kernel": {"page_size": fact(wrong)}})


def test_a_problem_of_a_known_kind_is_read() -> None:
    """A document that was written of a damaged source says what is damaged."""
    for kind in ("input", "masked", "permission", "io", "absent"):
        found = from_document({**BARE, "problems": [{"about": "efi", "text": "t", "kind": kind}]}, "m.json")
        assert found.problems == (Problem("efi", "t", kind),)


def test_what_does_not_belong_is_shown_short() -> None:
    """60 characters, quotes included; of more, the first 57 and three dots."""
    for length, end in ((58, "x' does"), (59, "x... does")):
        said = refusal({**BARE, "cpus": {"most": fact("x" * length)}})
        assert f"value: '{'x' * 50}" in said
        assert end in said
        assert len(said.partition("value: ")[2].partition(" does")[0]) == 60


def test_a_pointer_that_is_left_out_is_none() -> None:
    """0 stands for no table."""
    found = from_document({**BARE, "handover": {"efi": fact({})}}, "m.json")
    assert found.handover
    assert found.handover.efi
    assert set(asdict(found.handover.efi.value).values()) == {0}


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (bool, Shape("bool")),
        (int, Shape("int")),
        (str, Shape("str")),
        (bytes, Shape("bytes")),
        (RangeSet, Shape("ranges")),
        (MemoryKind, Shape("memory kind")),
        (int | None, Shape("optional", (int,))),
        (tuple[bytes, ...], Shape("list", (bytes,))),
        (tuple[bytes, str], Shape("row", (bytes, str))),
        (frozenset[str], Shape("set", (str,))),
        (How, Shape("enum", cls=How)),
    ],
)
def test_the_json_of_a_type(hint: object, shape: Shape) -> None:
    """One shape for each kind of hint; `Shape` has nothing inside by default."""
    assert shape_of(hint) == shape
    assert Shape("int") == Shape("int", (), None, (), spans=False)


@pytest.mark.parametrize("hint", [float, list[int], dict[str, int], int | str, int | str | None, None])
def test_a_type_without_json(hint: object) -> None:
    """A field of it would be a decision that nobody has made."""
    with pytest.raises(TypeError, match="no JSON is defined"):
        shape_of(hint)


def test_the_json_of_a_range() -> None:
    """The last byte in place of the end; required are those without a default."""
    shape = shape_of(MemRange)
    assert (shape.kind, shape.cls, shape.spans) == ("record", MemRange, True)
    assert [(m.name, m.key, m.hint, m.required, m.nameless) for m in shape.members] == [
        ("start", "start", int, True, False),
        ("end", "last", int, True, False),
    ]
    fact = shape_of(Fact[int])
    assert [(m.key, m.required) for m in fact.members] == [
        ("value", True),
        ("source", True),
        ("line", False),
        ("how", False),
    ]
    assert (fact.members[0].hint, fact.spans) == (int, False)
    assert [m.name for m in shape_of(EfiMapEntry).members if m.nameless] == ["type"]
