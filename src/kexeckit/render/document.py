"""What all JSON documents have in common: the shape of a reason, and integers that fit 64 bits."""

from typing import Any

_TOO_LARGE = 1 << 64


def reason_document(about: str, text: str, source: str = "", *, finding: bool = False) -> dict[str, Any]:
    """Return one reason, in the shape that it has in every document.

    Args:
        about: What it is about, one word or two.
        text: One sentence.
        source: Where the fact or the rule comes from, or empty; null in the document then.
        finding: The user should act on it.
    """
    return {"about": about, "text": text, "source": source or None, "finding": finding}


def document_text(document: dict[str, Any]) -> str:
    """Return a document as text, indented; text that is not UTF-8 is escaped, an end of 2^64 is null."""
    from kexeckit.formats.json_text import format_json

    return format_json(fitted(document))


def fitted(value: Any) -> Any:  # noqa: ANN401
    """Return a document whose integers fit an unsigned 64-bit number; readers round larger ones, or refuse them.

    An exclusive end of 2^64 becomes null: there is no end below the end of the address space.

    Raises:
        ValueError: A number is larger still, which no address or size is.
    """
    if isinstance(value, dict):
        return {key: fitted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [fitted(each) for each in value]
    if isinstance(value, int) and value >= _TOO_LARGE:
        if value > _TOO_LARGE:
            raise ValueError(f"{value} is no 64-bit number")
        return None
    return value
