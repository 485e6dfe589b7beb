"""What a text is, by a look at it: a document of this program, or a machine described in TOML."""

import re

_DOCUMENT = re.compile(r'"schema"\s*:\s*"kexeckit/')
_TOML = re.compile(r"^[ \t]*(?:\[\[[ \t]*nodes[ \t]*\]\]|firmware[ \t]*=[ \t]*\[)", re.MULTILINE)


def looks_like_document(text: str) -> bool:
    """Say whether a text is an object in JSON that names a schema of this program, if not of the right version."""
    return text.lstrip("\ufeff \t\r\n").startswith("{") and bool(_DOCUMENT.search(text))


def looks_like_machine_toml(text: str) -> bool:
    """Say whether a text has a line that begins a description's memory."""
    return bool(_TOML.search(text))
