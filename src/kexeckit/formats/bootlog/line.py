"""`LogLine`: one kernel message."""

from kexeckit.frozen import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """One kernel message.

    Attributes:
        number: 1-based line number in the file.
        text: The message without any prefix; leading blanks of the message itself are kept.
        seconds: Its time stamp since boot, or None where it carries none.
    """

    number: int
    text: str
    seconds: float | None = None
