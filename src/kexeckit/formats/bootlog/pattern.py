"""`LinePattern`: a regular expression for one kind of message, tried and compiled only for a log that may hold one.

Most logs hold few of the many kinds of messages that are asked for. To look for a piece of text in the whole log takes
a tenth of the time of trying an expression on each of its lines, and a compiled expression costs as much as a log.
"""

import re


class LinePattern:
    """A regular expression with texts of which every message that it matches has at least one.

    Attributes:
        regex: The expression.
        signs: The texts, in lower case: the case of a message does not count for them.
    """

    __slots__ = ("_compiled", "_flags", "regex", "signs")

    def __init__(self, regex: str, *signs: str, ignore_case: bool = False) -> None:
        self.regex = regex
        self.signs = signs
        self._flags = re.IGNORECASE if ignore_case else re.NOFLAG
        self._compiled: re.Pattern[str] | None = None

    @property
    def compiled(self) -> re.Pattern[str]:
        """The expression, compiled when it is asked for first."""
        if self._compiled is None:
            self._compiled = re.compile(self.regex, self._flags)
        return self._compiled

    def match(self, text: str) -> re.Match[str] | None:
        """Match at the beginning of a message."""
        return self.compiled.match(text)

    def search(self, text: str) -> re.Match[str] | None:
        """Match anywhere in a message."""
        return self.compiled.search(text)
