"""The kernel command line: split it, look into it, take words out of it.

Rules, as the kernel has them: words are separated by white space (space, tab, newline and the like); a double quote
switches separation off and on; a word is ``name`` or ``name=value``; a value or a whole word may be quoted. All other
characters, single quotes and backslashes among them, are ordinary.

Source: lib/cmdline.c, next_arg(); kernel/params.c, parse_args().
"""

from collections.abc import Iterable
from dataclasses import dataclass

_SPACE = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line.

    Attributes:
        text: As written, quotes included.
        name: What stands before the first ``=``, without quotes.
        value: What stands behind it, outer quotes removed; None where there is no ``=``.
    """

    text: str
    name: str
    value: str | None


def split_words(cmdline: str) -> list[Word]:
    """Split a command line as the kernel does; an unclosed quote runs to the end."""
    words: list[Word] = []
    at = 0
    while at < len(cmdline):
        if cmdline[at] in _SPACE:
            at += 1
            continue
        end = _word_end(cmdline, at)
        words.append(_word(cmdline[at:end]))
        at = end
    return words


def values(cmdline: str, name: str) -> list[str]:
    """Return the values of every ``name=value`` word, in order; words without a value are left out."""
    return [w.value for w in split_words(cmdline) if w.name == name and w.value is not None]


def has_word(cmdline: str, name: str) -> bool:
    """Say whether a word of this name stands in the command line, with or without a value."""
    return any(w.name == name for w in split_words(cmdline))


def without(cmdline: str, names: Iterable[str]) -> str:
    """Return the command line without the words of these names; the rest is joined by single spaces.

    Only whole names count: ``crashkernel`` leaves ``foo.crashkernel=1`` and ``crashkernel_x=1`` alone.
    """
    gone = frozenset(names)
    return " ".join(w.text for w in split_words(cmdline) if w.name not in gone)


def _word_end(cmdline: str, start: int) -> int:
    quoted = False
    for at in range(start, len(cmdline)):
        if cmdline[at] == '"':
            quoted = not quoted
        elif cmdline[at] in _SPACE and not quoted:
            return at
    return len(cmdline)


def _word(text: str) -> Word:
    # next_arg(): a quote that opens the whole word is dropped with the one that closes it, and so is one that opens
    # the value.
    body = text.removeprefix('"')
    if body != text:
        body = body.removesuffix('"')
    name, equals, value = body.partition("=")
    if not equals:
        return Word(text, name, None)
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Word(text, name, value)
