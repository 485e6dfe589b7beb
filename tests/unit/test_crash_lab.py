"""The parts of the reservations lab that boot nothing: drawing, summing up, bisecting."""

from random import Random

import pytest

from kexeckit.errors import PlanError
from kexeckit.lab.crash_cases import CRASH_FORMS, random_crash_machine, random_crash_words
from kexeckit.lab.crash_summary import summarise
from kexeckit.lab.measure_reservation import smallest
from kexeckit.memory.units import MIB


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
