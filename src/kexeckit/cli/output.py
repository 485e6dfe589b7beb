"""Printing, for all commands: documents to standard output, warnings to standard error."""

import sys
from collections.abc import Iterable
from typing import Any


def print_document(document: dict[str, Any]) -> None:
    """Print one JSON document, indented; text that is not UTF-8 is escaped, an end of 2^64 is null."""
    from kexeckit.render.document import document_text

    print(document_text(document))


def print_text(text: str) -> None:
    """Print lines for people; what comes from files cannot act on a terminal."""
    print(printable(text))


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings, one line each."""
    for text in warnings:
        print(f"kexeckit: warning: {one_line(text)}", file=sys.stderr)


def printable(text: str) -> str:
    r"""Return text without control characters and stray bytes, so that no file's content can act on a terminal.

    A stray byte (a surrogate, see `decode_text`) shows as ``\xNN``, other characters that print nothing or turn the
    direction of writing as ``\uNNNN``.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def one_line(text: str) -> str:
    """Return text as `printable` does, line breaks and tabs escaped too."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}"
