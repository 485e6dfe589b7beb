"""Every command's document is of its schema: all golden captures, all options that add to a document, errors."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_bench import Commands
from documents import FOLDER, problems, validator
from source_tree import ROOT, modules

CAPTURES = Path(__file__).parent / "captures"
NAMES = sorted(p.name for p in CAPTURES.iterdir())
SCHEMAS = sorted(p.name.removesuffix(".schema.json") for p in FOLDER.iterdir())
LINES = (
    "plan VMLINUZ --page-tables --panic --after EVENT --after EVENT2",
    "plan VMLINUZ --page-tables --initrd INITRD --reuse-cmdline",
    "plan VMLINUZ --syscall file --panic --page-tables --after EVENT",
    "load VMLINUZ --dry-run --panic",
    "crashkernel",
    "crashkernel crashkernel=4G",
    "crashkernel crashkernel=64M,high crashkernel=32M,low",
    "crashkernel crashkernel=64M,cma",
    "crashkernel crashkernel=64M@16M",
    "crashkernel crashkernel=0-:64M --arch ppc64le",
    "zones",
    "zones --afford kernelcore=1G",
    "zones kernelcore=mirror",
    "zones movable_node movablecore=100%",
    "page-tables",
    "page-tables --leaf 4K --levels 5",
    "page-tables --arch aarch64",
    "status",
    "unload --dry-run",
    "exec --dry-run",
    "unload",
    "capture NEW",
)
ERRORS = (
    "--json",
    "frobnicate --json",
    "plan --json",
    "plan VMLINUZ --jsn --json",
    "plan NONE --json",
    "plan INITRD --json --root ROOT",
    "plan VMLINUZ --arch mips --json --root ROOT",
    "crashkernel --root NONE --json",
    "crashkernel 1G --root ROOT --json",
    "exec --root EMPTY --json",
    "load VMLINUZ --root ROOT --json",
    "page-tables --range 5 --json",
    "capture EMPTY --root ROOT --json",
)


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench; its every run is checked."""
    (tmp_path / "empty").mkdir()
    return Commands(tmp_path, capsys)


def run(commands: Commands, line: str, root: str | None) -> tuple[int, dict[str, Any]]:
    """Run a line, with another root than the bench's own."""
    fill = {"EVENT": "add 0x140000000-0x148000000", "EVENT2": "add 8E-16E", "ROOT": root or commands.at("root")}
    fill |= {name: commands.at(name.lower()) for name in ("VMLINUZ", "INITRD", "NEW", "EMPTY", "NONE")}
    words = [fill.get(word, word) for word in line.split()]
    ended = commands.run(*words, *(("--root", root, "--json") if root else ()))
    document: dict[str, Any] = json.loads(ended.out)
    assert problems(document) == []
    return ended.code, document


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", NAMES)
def test_documents_of_the_captures(commands: Commands, name: str, line: str) -> None:
    """A document of the command's own schema, or of an error with the exit code in it."""
    code, document = run(commands, line, str(CAPTURES / name))
    verb = line.split(maxsplit=1)[0]
    own = {"load": "plan"}.get(verb, verb)
    if document["schema"] == "kexeckit/error/1":
        assert document["error"]["exit_code"] == code
        assert code not in (0, 3, 70)
    else:
        assert document["schema"] == f"kexeckit/{own}/1"


@pytest.mark.parametrize("line", ERRORS)
def test_documents_of_errors(commands: Commands, line: str) -> None:
    """One document on standard output, its exit code that of the command."""
    code, document = run(commands, line, None)
    assert document["schema"] == "kexeckit/error/1"
    assert code == document["error"]["exit_code"] != 0


def test_ends_of_the_address_space_are_null(commands: Commands) -> None:
    """No limit and an end of 2^64 are null: a number would not fit, and readers would round it."""
    _, document = run(commands, "plan VMLINUZ --panic --after EVENT2", commands.at("root"))
    assert document["after"][0]["end"] is None
    assert None in [s["max"] for s in document["segments"]]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_closed_and_documented(name: str) -> None:
    """No object takes an unknown name; the man page has the document, and some module makes it."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    validator(name)
    for each in _objects(schema):
        assert each.get("additionalProperties") is False or "properties" not in each
    named = f"kexeckit/{name}/1"
    assert f"**{named}**" in (ROOT / "docs" / "man" / "kexeckit.1.md").read_text("utf-8")
    assert any(f'"{named}"' in m.text for m in modules("src"))


def test_reasons_have_one_shape() -> None:
    """In every schema that has them; only a reservation's may carry a search."""
    found = {}
    for name in SCHEMAS:
        definitions = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8")).get("$defs", {})
        if "reason" in definitions:
            found[name] = definitions["reason"]
    assert set(found) == {"crashkernel", "page-tables", "plan", "zones"}
    for shape in found.values():
        shape["properties"].pop("search", None)
    assert len({json.dumps(shape) for shape in found.values()}) == 1


def test_drift_is_seen(commands: Commands) -> None:
    """A name more, a name less, another type, a number too large: each is found."""
    _, good = run(commands, "plan VMLINUZ --panic", commands.at("root"))
    changes: tuple[Callable[[Any], object], ...] = (
        lambda d: d.update(more=1),
        lambda d: d.pop("entry"),
        lambda d: d["segments"][0].update(start="0x0"),
        lambda d: d["segments"][0].update(max=1 << 64),
        lambda d: d.update(schema="kexeckit/plan/2"),
    )
    for change in changes:
        bad = copy.deepcopy(good)
        change(bad)
        assert problems(bad)


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in value for found in _objects(each)]
    if not isinstance(value, dict):
        return []
    below = [found for each in value.values() for found in _objects(each)]
    return [value, *below] if value.get("type") == "object" else below
