"""Printing, for all commands: documents to standard output, warnings to standard error."""

import sys
from collections.abc import Iterable
from typing import Any


def print_document(document: dict[str, Any]) -> None:
    """Print one JSON document, indented; text that is not UTF-8 is escaped."""
    import json

    print(json.dumps(document, indent=1))


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings, one line each."""
    for text in warnings:
        print(f"kexeckit: warning: {text}", file=sys.stderr)
