"""Files of a root without a folder, and the facts that they show, for the tests of what reads them."""

from collections.abc import Mapping
from typing import Any

from kexeckit.machine.fact import Fact, How
from kexeckit.machine.sources.files import Files


class Labels(dict[str, str]):
    """Messages name each file with a mark in front, so that a fact without its label shows."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the label."""
        del default
        return f"at {name}"


def root(
    contents: Mapping[str, str | bytes] | None = None,
    folders: Mapping[str, tuple[str, ...]] | None = None,
    *,
    live: bool = False,
    errors: Mapping[str, Any] | None = None,
) -> Files:
    """Return the files of a root."""
    data = {name: text.encode() if isinstance(text, str) else text for name, text in (contents or {}).items()}
    return Files("root", data, folders or {}, errors or {}, Labels(), live)


def shown(value: object, name: str, line: int | None = None, how: How = How.OBSERVED) -> Fact[object]:
    """Return a fact of a file."""
    return Fact(value, f"at {name}", line, how)


def derived(value: object, name: str) -> Fact[object]:
    """Return a fact that follows from a file."""
    return shown(value, name, how=How.DERIVED)
