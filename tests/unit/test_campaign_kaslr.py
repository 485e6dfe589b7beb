"""The series of boots with KASLR: how places are numbered, and the test whether they are flat."""

from random import Random
from typing import Any

import pytest

from kexeckit.kernel.boot.slots import Slots
from kexeckit.lab.dev.campaign_kaslr import KaslrCampaign, flatness, place_number
from kexeckit.lab.dev.chi_squared import chi_squared, p_value


@pytest.mark.parametrize(
    ("freedom", "total", "chance"),
    [(1, 3.841, 0.05), (1, 0.0, 1.0), (2, 4.605, 0.1), (10, 18.307, 0.05), (10, 3.940, 0.95), (39, 54.572, 0.05)],
)
def test_the_chances_of_the_tables(freedom: int, total: float, chance: float) -> None:
    """As every book of tables has them, to three digits."""
    assert p_value(total, freedom) == pytest.approx(chance, abs=5e-4)


def test_both_ways_of_the_gamma_function_meet() -> None:
    """Series below, continued fraction above."""
    for freedom in (1, 2, 7, 40, 200):
        below, above = p_value(freedom + 2 - 1e-9, freedom), p_value(freedom + 2 + 1e-9, freedom)
        assert below == pytest.approx(above, abs=1e-8)


def test_the_sum() -> None:
    """Squares over what was expected; both sides are of one length."""
    assert chi_squared([3, 7], [5.0, 5.0]) == pytest.approx(1.6)
    with pytest.raises(ValueError, match="argument"):
        chi_squared([3], [5.0, 5.0])


def test_places_are_numbered_over_all_rows() -> None:
    """In the order of the rows; what is none of them is told apart."""
    rows = (Slots(100, 120, 10), Slots(50, 60, 10))
    assert [place_number(rows, at) for at in (100, 120, 50, 60, 55, 130)] == [0, 2, 3, 4, -1, -1]


def record(place: int, of: int = 100) -> dict[str, Any]:
    """Return a result as the file has it."""
    return {"release": "6.12", "firmware": "bios", "memory": 640, "place": place, "of": of, "problem": ""}


def chance(places: list[int]) -> float:
    """Return the p-value that is printed."""
    return float(list(flatness([record(p) for p in places]))[-1].rpartition("p = ")[2])


def test_a_flat_and_a_bent_series() -> None:
    """Drawn evenly, and drawn from the lower half more often."""
    random = Random(5)
    assert chance([random.randrange(100) for _ in range(200)]) > 0.05
    assert chance([min(random.randrange(100), random.randrange(100)) for _ in range(200)]) < 0.001


@pytest.mark.parametrize(("boots", "of"), [(200, 255), (60, 487), (25, 3), (5, 100), (185, 254)])
def test_every_bin_expects_five_boots(boots: int, of: int) -> None:
    """The test asks for that; the places are all in one bin or another."""
    told = [line for line in flatness([record(n % of, of) for n in range(boots)]) if "expected" in line]
    expected = [float(line.partition(" boots, ")[2].split()[0]) for line in told]
    assert min(expected) >= 5
    assert sum(expected) == pytest.approx(boots, rel=0.02)


def test_few_boots_are_only_told() -> None:
    """One bin has nothing to compare with."""
    assert len(list(flatness([record(1), record(2)]))) == 2


def test_an_image_elsewhere_is_a_difference() -> None:
    """The verdict of a record, and the line of a result."""
    campaign = KaslrCampaign()
    assert campaign.verdict(record(0)) == "equal in all"
    assert campaign.verdict(record(-1)) == "different"
    assert campaign.verdict({**record(-1), "problem": "died"}) == "without a result"
    ((case, *_),) = campaign.draw(2, 1)
    assert "OUTSIDE" in next(campaign.lines(campaign.blank(case)))
