"""docs/python.md: its examples run and print what they show, and its table has every public name as it is."""

import doctest
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import kexeckit
from fakes import INITRD, build_bzimage
from machines import GOLDEN
from source_tree import ROOT

DOCUMENT = ROOT / "docs" / "python.md"
TEXT = DOCUMENT.read_text("utf-8")
EXAMPLES = [(TEXT[: m.start()].count("\n") + 1, m[1]) for m in re.finditer(r"```pycon\n(.*?)```", TEXT, re.DOTALL)]
ROWS = re.findall(r"^\| `(\w+)(\([^`]*\))?` \| (.*) \|$", TEXT, re.MULTILINE)
OF_OTHERS = {"main", "low", "cma", "panic", "invariant", "text", "arch"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the document names, where the examples run."""
    (tmp_path / "captures").symlink_to(GOLDEN / "captures")
    (tmp_path / "machine.toml").write_text((GOLDEN / "mirror_thread.toml").read_text("utf-8"))
    (tmp_path / "vmlinuz").write_bytes(build_bzimage())
    (tmp_path / "initrd.img").write_bytes(INITRD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "text"), EXAMPLES, ids=[f"line-{line}" for line, _ in EXAMPLES])
@pytest.mark.usefixtures("folder")
def test_an_example_prints_what_it_shows(line: int, text: str) -> None:
    """Each stands for itself: it imports all that it uses."""
    assert failures(text, line) == ""


@pytest.mark.parametrize("text", ["from kexeckit import plan", ">>> 1 + 1\n3\n", ">>> nowhere\n1\n"])
def test_an_example_can_fail(text: str) -> None:
    """No example at all, another output, an error: each is seen."""
    assert failures(text, 1)


def test_the_four_scripts_have_at_most_six_lines() -> None:
    """A script that one writes in passing."""
    scripts = [text for line, text in EXAMPLES if line < TEXT[: TEXT.index("## More examples")].count("\n")]
    assert len(scripts) == 4
    assert [s for s in scripts if len(re.findall(r"^(?:>>>|\.\.\.) ", s, re.MULTILINE)) > 6] == []


def test_the_table_has_exactly_the_public_names() -> None:
    """Each once."""
    assert sorted(name for name, _, _ in ROWS) == sorted(kexeckit.__all__)


@pytest.mark.parametrize(("name", "signature", "text"), ROWS, ids=[name for name, _, _ in ROWS])
def test_a_row_of_the_table_is_true(name: str, signature: str, text: str) -> None:
    """A function has the parameters that are shown, with their defaults; a type the attributes that are named."""
    found = getattr(kexeckit, name)
    if signature:
        assert signature.replace('"', "'") == _parameters(found)
    elif isinstance(found, type):
        words = {w for quoted in re.findall(r"`([^`]*)`", text) for w in re.findall(r"^\w+", quoted)}
        known = {*dir(found), *_annotated(found), *kexeckit.__all__}
        assert words - known - OF_OTHERS == set()


def failures(text: str, line: int) -> str:
    """Run one example; return what is wrong with it, empty if nothing."""
    test = doctest.DocTestParser().get_doctest(text, {}, f"{DOCUMENT.name}:{line}", str(DOCUMENT), line)
    out: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=out.append)
    return "".join(out) if test.examples else "there is no example"


def _parameters(function: Callable[..., object]) -> str:
    # As in the document: without annotations, and keywords that a type lists as what they are, None where not given.
    signature = inspect.signature(function)
    bare = []
    for each in signature.parameters.values():
        listed = get_args(each.annotation) if each.kind is each.VAR_KEYWORD else ()
        names = getattr(listed[0], "__annotations__", ()) if listed else ()
        more = [inspect.Parameter(name, each.KEYWORD_ONLY, default=None) for name in names]
        bare += more or [each.replace(annotation=each.empty)]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _annotated(found: type) -> set[str]:
    # What an error sets on itself is described by its class.
    text = inspect.getsource(found)
    return set(re.findall(r"self\.(\w+) = ", text))
