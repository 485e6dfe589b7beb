"""JSON, read strictly: each key once in an object, no numbers that JSON has not, and every failure an `InputError`."""

from typing import Any

from kexeckit.errors import InputError


def parse_json(text: str, source: str, expected: str) -> Any:  # noqa: ANN401
    """Return what a text in JSON says.

    Args:
        text: The whole text.
        source: How messages name it.
        expected: What it should hold, for messages.

    Raises:
        InputError: Not JSON, nested deeper than Python reads, a key twice in one object.
    """
    # Few commands read JSON, and the module is slow to import.
    import json

    try:
        return json.loads(text.lstrip("\ufeff"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError(source, f"not JSON: {problem}", expected=expected) from error


def format_json(document: dict[str, Any]) -> str:
    """Return a document as text in JSON, indented; text that is not UTF-8 is escaped."""
    import json

    return json.dumps(document, indent=1)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise ValueError(f"the key {ascii(twice)[:60]} stands twice in one object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
