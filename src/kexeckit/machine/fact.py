"""`Fact`: something that is known of a machine, with where it is known from. Not shown is None, never a default.

machine.kernel.release            None                         no source shows it
machine.kernel.release.value      "6.1.0-53-cloud-amd64"
machine.kernel.release.at         "boot.log:1"                 for messages
machine.kernel.release.how        How.OBSERVED                 how certain it is
"""

from enum import Enum
from typing import Generic, TypeVar

from kexeckit.errors import (
    FileAccessError,
    InputError,
    KexeckitError,
    MaskedAddressesError,
    NotPermittedError,
    UnavailableError,
)
from kexeckit.frozen import dataclass

T = TypeVar("T")


class How(Enum):
    """How a fact is known."""

    OBSERVED = "observed"
    DERIVED = "derived"
    STATED = "stated"


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """One fact.

    Attributes:
        value: What is known.
        source: How messages name the file or interface that shows it.
        line: 1-based line number there, or None where there are no lines or the value has many.
        how: ``OBSERVED`` in the source, ``DERIVED`` from what the source shows, ``STATED`` by the user.
    """

    value: T
    source: str
    line: int | None = None
    how: How = How.OBSERVED

    @property
    def at(self) -> str:
        """Source and line as messages name them."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


def yes(fact: Fact[bool] | None) -> bool:
    """Say whether a fact is shown, and true."""
    return fact is not None and fact.value


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a source that is there and cannot be used.

    Attributes:
        about: What it would have shown, as ``memory.firmware``.
        text: What is wrong, with the file, as a message says it.
        kind: ``input``, ``masked``, ``permission`` or ``io``: which error it is for whoever needs that part.
        remedy: What to do, or empty.
    """

    about: str
    text: str
    kind: str = "input"
    remedy: str = ""

    @classmethod
    def of(cls, about: str, error: KexeckitError) -> "Problem":
        """Keep an error for whoever needs what the damaged part would have shown."""
        kind = next(name for name, family in _KINDS.items() if isinstance(error, family))
        return cls(about, str(error), kind, error.remedy)

    def error(self) -> KexeckitError:
        """Return the error again, to be raised."""
        return _KINDS[self.kind].again(self.text, self.remedy)

    def __str__(self) -> str:
        return self.text


# The first family that fits counts: hidden addresses are an input error, too.
_KINDS: dict[str, type[KexeckitError]] = {
    "masked": MaskedAddressesError,
    "input": InputError,
    "permission": NotPermittedError,
    "io": FileAccessError,
    "absent": UnavailableError,
}
PROBLEM_KINDS = tuple(_KINDS)
