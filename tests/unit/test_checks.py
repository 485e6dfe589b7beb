"""Checks as text."""

from kexeckit.lab.compare import Check
from kexeckit.render.checks import render_checks

GOOD, BAD = Check("e820", "x", "x"), Check("PT_LOAD", "a", "b")


def test_agreement_is_one_line_and_a_difference_two() -> None:
    """Both sides of a difference, and a count."""
    assert render_checks([GOOD, BAD]).split("\n") == [
        "  ok       e820     x",
        "  DIFFERS  PT_LOAD  predicted a",
        "                    observed  b",
        "2 facts compared, 1 differ",
    ]


def test_all_agree_only_where_all_do() -> None:
    """In the last line."""
    assert render_checks([GOOD]).endswith("1 facts compared, all agree")
    assert "all agree" not in render_checks([GOOD, BAD, GOOD])


def test_nothing_compared_is_no_agreement() -> None:
    """An empty list proves nothing."""
    assert render_checks([]) == "nothing was compared"
