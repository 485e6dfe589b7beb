"""An error as a JSON document; decides nothing."""

from typing import Any

from kexeckit.errors import InputError, KexeckitError

SCHEMA = "kexeckit/error/1"


def error_document(error: KexeckitError) -> dict[str, Any]:
    """Return the JSON document; what does not apply to an error is null."""
    found = error if isinstance(error, InputError) else None
    return {
        "schema": SCHEMA,
        "error": {
            "kind": error.kind,
            "message": str(error),
            "source": found.location.source if found else None,
            "line": found.location.line if found else None,
            "expected": (found.expected or None) if found else None,
            "remedy": error.remedy or None,
            "exit_code": error.exit_code,
        },
    }
