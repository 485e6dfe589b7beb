"""Text that comes from files and goes to a terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.cli.output import one_line, print_document, print_text, print_warnings, printable

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_what_is_printed_is_printable(text: str) -> None:
    """Any code point at all; line breaks and tabs stay in text and not in a line."""
    assert one_line(text).isprintable()
    assert all(line.replace("\t", "").isprintable() for line in printable(text).split("\n"))
    printable(text).encode("utf-8")


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Letters of every script."""
    assert printable(text) == one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\udcff\udc80", r"\xff\x80"),
        ("\u202e", r"\u202e"),
        ("\ud800", r"\ud800"),
        ("\u0100\u200b", "\u0100" + r"\u200b"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_escapes_tell_bytes_from_characters(text: str, shown: str) -> None:
    """A stray byte is a byte, a character of the higher planes is not cut to one."""
    assert printable(text) == shown


def test_documents_are_json_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    """ASCII, and the same value comes back."""
    document = {"a": "\udcff\x1b\u00e4", "n": (1 << 64) - 1}
    print_document(document)
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == document


def test_integers_of_a_document_fit_64_bits(capsys: pytest.CaptureFixture[str]) -> None:
    """An end of 2^64 is null, wherever it stands; a larger number is a defect."""
    print_document({"a": [{"end": 1 << 64, "start": 0}], "b": (True, 1.5)})
    assert json.loads(capsys.readouterr().out) == {"a": [{"end": None, "start": 0}], "b": [True, 1.5]}
    with pytest.raises(ValueError, match="no 64-bit number"):
        print_document({"a": [(1 << 64) + 1]})


def test_warnings_are_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """One each."""
    print_warnings(["a\nb", "c"])
    print_text("x\x07")
    seen = capsys.readouterr()
    assert seen.err == "kexeckit: warning: a\\x0ab\nkexeckit: warning: c\n"
    assert seen.out == "x\\x07\n"
