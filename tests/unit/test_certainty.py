"""How sure an answer is: the least sure of its parts, and what a share of the possibilities makes of it."""

import pytest

from kexeckit.kernel.certainty import LIKELY_SHARE, Certainty, least_certain, of_share, share_of_all

CERTAIN, LIKELY, OPEN = Certainty


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((), CERTAIN),
        ((CERTAIN,), CERTAIN),
        ((CERTAIN, LIKELY), LIKELY),
        ((LIKELY, CERTAIN, CERTAIN), LIKELY),
        ((LIKELY, OPEN, CERTAIN), OPEN),
        ((OPEN, LIKELY), OPEN),
    ],
)
def test_the_least_sure_part_decides(parts: tuple[Certainty, ...], whole: Certainty) -> None:
    """In any order; of no parts nothing is in doubt."""
    assert least_certain(parts) is whole
    assert least_certain(iter(parts)) is whole


@pytest.mark.parametrize(
    ("share", "sure"),
    [
        (1.0, CERTAIN),
        (1 - 1e-12, LIKELY),
        (LIKELY_SHARE + 1e-12, LIKELY),
        (LIKELY_SHARE, OPEN),
        (0.0, OPEN),
    ],
)
def test_a_share_of_all_possibilities(share: float, sure: Certainty) -> None:
    """Only all of them are certain; half of them or less is open."""
    assert LIKELY_SHARE == 0.5
    assert of_share(share) is sure


def test_shares_of_things_that_all_have_to_hold() -> None:
    """They are multiplied; where one cannot be counted, neither can all."""
    assert share_of_all([]) == 1.0
    assert share_of_all([0.5, 0.5, 1.0]) == 0.25
    assert share_of_all([0.5, None, 1.0]) is None
    assert share_of_all([None]) is None
    assert share_of_all([0.0, 0.5]) == 0.0
