"""What was observed, held against what is predicted: three answers, and what could explain a difference."""

from enum import Enum

from kexeckit.frozen import dataclass


class Agreement(Enum):
    """Whether a prediction and an observation agree."""

    AGREE = "agree"
    DIFFER = "differ"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction beside an observation.

    Attributes:
        agreement: Whether they agree.
        why: Why that is not known, or the differences and what could explain them; one sentence each.
    """

    agreement: Agreement
    why: tuple[str, ...] = ()


class Answered:
    """An answer to words of a command line, beside what was observed.

    Attributes:
        compared: Whether prediction and observation agree, and why not.
        words: The words that were typed, as `check_words` passes them.
    """

    __slots__ = ()

    compared: Compared
    words: tuple[str, ...]

    @property
    def agreement(self) -> Agreement:
        """Whether prediction and observation agree."""
        return self.compared.agreement

    @property
    def next_boot(self) -> bool:
        """The question is about another boot than the source shows."""
        raise NotImplementedError

    @property
    def about(self) -> str:
        """``this-boot``, which the source shows, or ``next-boot``: another one of the same machine."""
        return "next-boot" if self.next_boot else "this-boot"


def not_compared(*why: str) -> Compared:
    """Return that prediction and observation cannot be compared, and why."""
    return Compared(Agreement.UNKNOWN, why)


# The comparison is between one boot and itself.
NO_CMDLINE = not_compared("the source does not show the command line of the boot that it shows")
OTHER_WORDS = not_compared("the question is about another boot than the one that is shown")
