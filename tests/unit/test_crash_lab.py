"""The parts of the reservations lab that boot nothing: drawing, summing up, bisecting."""

import json
from pathlib import Path
from random import Random

import pytest

from kexeckit.errors import InputError, PlanError
from kexeckit.lab.dev.crash_cases import CRASH_FORMS, random_crash_machine, random_crash_words
from kexeckit.lab.dev.crash_summary import main, put_table, summarise, summarise_forms
from kexeckit.lab.measure_reservation import smallest
from kexeckit.memory.units import MIB
from source_tree import ROOT


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_drawn_machines_are_sound(arch: str) -> None:
    """Nodes add up, every form has words, and the same seed draws the same."""
    for seed in range(200):
        machine = random_crash_machine(Random(seed), arch)
        assert machine == random_crash_machine(Random(seed), arch)
        assert machine.memory >= 512 * MIB
        assert all(n.memory >= 32 * MIB for n in machine.nodes)
        for form in CRASH_FORMS:
            words = random_crash_words(Random(seed), machine, form)
            assert any(w.startswith("crashkernel=") for w in words)


def test_summary() -> None:
    """A row per kernel and one for all; boots without a result do not count."""
    record = {"arch": "x86_64", "release": "6.1", "problem": "", "observed": [[1, 2]], "predictions": 3, "left_open": 1}
    rows = summarise([{**record, "differ": []}, {**record, "differ": [["log", "x"]]}, {**record, "problem": "no"}])
    assert "| x86_64 | 6.1 | 2 | 2 | 3 | 2 | 1 |" in rows
    assert rows.splitlines()[-1].startswith("| all | | 2 |")


def test_summary_of_forms() -> None:
    """A row per form, with boots per architecture; what was never booted shows, and so does a form of other times."""
    boots = [("x86_64", "plain", ""), ("arm64", "plain", ""), ("arm64", "plain", ""), ("x86_64", "cma", "died")]
    boots.append(("arm64", "older", ""))
    rows = summarise_forms({"arch": a, "form": f, "problem": p} for a, f, p in boots).splitlines()
    assert rows[0] == "| form of words | arm64 | x86_64 | all |"
    assert "| plain | 2 | 1 | 3 |" in rows
    assert "| cma | 0 | 0 | 0 |" in rows
    assert rows[-1] == "| older | 1 | 0 | 1 |"
    assert len(rows) == 2 + len(CRASH_FORMS) + 1


def test_a_table_goes_between_its_marks() -> None:
    """What stood there is replaced, the rest stays; without marks nothing is written anywhere."""
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"
    assert put_table(text, "x", "new") == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(InputError, match="no place for the table"):
        put_table(text, "y", "new")


def test_the_document_has_a_place_for_each_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--write` finds both in docs/accuracy.md, and changes nothing else of it."""
    doc, results = tmp_path / "accuracy.md", tmp_path / "results"
    doc.write_text((ROOT / "docs/accuracy.md").read_text())
    record = {"arch": "x86_64", "release": "9.9", "form": "plain", "problem": "", "observed": [], "predictions": 3}
    results.write_text(json.dumps({**record, "left_open": 0, "differ": []}) + "\n")
    monkeypatch.setattr("kexeckit.lab.dev.crash_summary._DOC", doc)
    assert main([str(results), "--write"]) == 0
    written = doc.read_text()
    assert "| x86_64 | 9.9 | 1 | 0 | 3 | 0 | 0 |" in written
    assert "| plain | 1 | 1 |" in written
    assert written.count("##") == (ROOT / "docs/accuracy.md").read_text().count("##")


@pytest.mark.parametrize("first", [4, 60, 80, 200])
@pytest.mark.parametrize("needed", [5, 50, 77, 128])
def test_bisection(needed: int, first: int) -> None:
    """The smallest multiple of the step that works, from any first guess, and no number is tried twice."""
    asked: list[int] = []

    def works(mib: int) -> bool:
        asked.append(mib)
        return mib >= needed

    assert needed <= smallest(works, first, 4) < needed + 4
    assert len(asked) == len(set(asked)) <= 14


def test_bisection_gives_up() -> None:
    """Where nothing works the search ends, with the limit in the message."""
    with pytest.raises(PlanError, match="512 MiB"):
        smallest(lambda _: False, 64, 4, most=512)
