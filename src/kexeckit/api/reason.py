"""What the results of all predictions have in common."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a result is what it is.

    Attributes:
        about: What it is about, one word or two.
        text: One sentence.
    """

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"
