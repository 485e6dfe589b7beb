"""Plain tables."""

import pytest

from kexeckit.render.table import indented, render_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Left by default, right where asked, and no white space at the end of a line."""
    text = render_table(("name", "size"), [("a", "5"), ("longer", "1000000")], right=frozenset((1,)))
    assert text.split("\n") == ["name       size", "a             5", "longer  1000000"]
    assert render_table(("a", "b"), [("x", "")]).split("\n") == ["a  b", "x"]


def test_a_table_without_rows_is_its_head() -> None:
    """One line."""
    assert render_table(("a", "bb"), []) == "a  bb"


def test_a_row_of_another_length_is_an_error() -> None:
    """No cell is lost silently."""
    with pytest.raises((ValueError, IndexError)):
        render_table(("a", "b"), [("x",)])
    with pytest.raises(ValueError, match="zip"):
        render_table(("a",), [("x", "y")])


def test_every_line_is_indented() -> None:
    """The first and the empty ones too."""
    assert indented("a\n\nb") == "  a\n  \n  b"
    assert indented("a", by="> ") == "> a"
