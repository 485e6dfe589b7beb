"""The kernel command line: split it, look into it, take words out of it.

Rules, as the kernel has them: words are separated by white space; a double quote switches separation off and on; a
word is ``name`` or ``name=value``; a value or a whole word may be quoted. All other characters, single quotes and
backslashes among them, are ordinary. In names ``-`` and ``_`` are the same letter. Behind a word ``--`` everything is
for init.

The kernel looks at bytes, and its white space includes 0xa0, which is also the second byte of some letters in UTF-8
("\u00e0" is 0xc3 0xa0). So the splitting is done on bytes here too.

Source: lib/cmdline.c, next_arg(); lib/ctype.c, the table for isspace(); kernel/params.c, parse_args(), parameq().
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from kexeckit.errors import UsageError
from kexeckit.frozen import dataclass

_SPACE = " \t\n\v\f\r\xa0"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line.

    Attributes:
        text: As written, quotes included.
        name: What stands before the first ``=``, without the quote that opens the word.
        value: What stands behind it, outer quotes removed; None where there is no ``=``.
    """

    text: str
    name: str
    value: str | None


def split_words(cmdline: str) -> list[Word]:
    """Split a command line as the kernel does; an unclosed quote runs to the end."""
    return list(_words(cmdline))


# One answer asks for a dozen of words of the same line.
@lru_cache(maxsize=16)
def _words(cmdline: str) -> tuple[Word, ...]:
    line = _as_bytes(cmdline)
    return tuple(_word(line[start:end]) for start, end in _spans(line))


def kernel_words(cmdline: str) -> list[Word]:
    """Return the words that are for the kernel: those before a ``--``."""
    words = _words(cmdline)
    stop = next((n for n, w in enumerate(words) if w.name == "--" and w.value is None), len(words))
    return list(words[:stop])


def values(cmdline: str, name: str) -> list[str]:
    """Return the values of the kernel's every ``name=value`` word, in order; words without a value are left out."""
    return [w.value for w in kernel_words(cmdline) if _same(w.name, name) and w.value is not None]


def has_word(cmdline: str, name: str) -> bool:
    """Say whether a word of this name stands in the kernel's part of the line, with or without a value."""
    return any(_same(w.name, name) for w in kernel_words(cmdline))


def with_words(cmdline: str, words: Iterable[str]) -> str:
    """Return a command line in which typed words stand instead of those of the same names.

    They stand behind the others and in front of a ``--``, so that they are for the kernel.

    Args:
        cmdline: The command line that the source was booted with.
        words: Words as typed; each name in them loses its old words.

    Raises:
        UsageError: A word has no name, such as a bare size.
    """
    typed = [w for text in words for w in split_words(text)]
    for word in typed:
        if not word.name or word.name[0].isdigit():
            remedy = "expected one like crashkernel=512M or mem=4G"
            raise UsageError(f"{word.text!r} is no word of a kernel command line", remedy=remedy)
    if not typed:
        return cmdline
    kept = without(cmdline, {w.name for w in typed}) if cmdline.strip() else ""
    added = " ".join(w.text for w in typed)
    line = _as_bytes(kept)
    stop = next((start for start, end in _spans(line) if line[start:end] == "--"), None)
    if stop is None:
        return f"{kept} {added}" if kept else added
    return _as_text(f"{line[:stop]}{_as_bytes(added)} {line[stop:]}")


def without(cmdline: str, names: Iterable[str]) -> str:
    """Return the command line without the words of these names, in init's part too; the rest stays as it is written.

    Only whole names count: ``crashkernel`` leaves ``foo.crashkernel=1`` and ``crashkernel_x=1`` alone.
    """
    gone = tuple(names)
    line = _as_bytes(cmdline)
    spans = list(_spans(line))
    kept = [at for at, span in enumerate(spans) if not _named(_word(line[slice(*span)]), gone)]
    out = []
    for at in kept:
        # Each word with the white space behind it, the last one without.
        after = spans[at + 1][0] if at + 1 < len(spans) and at != kept[-1] else spans[at][1]
        out.append(line[spans[at][0] : after])
    return _as_text("".join(out))


def _spans(line: str) -> Iterator[tuple[int, int]]:
    # Start and end of each word. A quote at the very start of a word counts as any other.
    at = 0
    while at < len(line):
        if line[at] in _SPACE:
            at += 1
            continue
        end = _word_end(line, at)
        yield at, end
        at = end


def _word_end(line: str, start: int) -> int:
    quoted = False
    for at in range(start, len(line)):
        if line[at] == '"':
            quoted = not quoted
        elif line[at] in _SPACE and not quoted:
            return at
    return len(line)


def _word(text: str) -> Word:
    # next_arg(): a quote that opens the value or the whole word is dropped, and one that closes both is dropped once.
    # A "=" at the very start is no separator.
    body = text.removeprefix('"')
    at = body.find("=", 1)
    if at < 0:
        name = body.removesuffix('"') if body != text else body
        return Word(_as_text(text), _as_text(name), None)
    value = body[at + 1 :]
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    elif body != text:
        value = value.removesuffix('"')
    return Word(_as_text(text), _as_text(body[:at]), _as_text(value))


def _named(word: Word, names: tuple[str, ...]) -> bool:
    return any(_same(word.name, name) for name in names)


def _same(name: str, other: str) -> bool:
    return name.replace("-", "_") == other.replace("-", "_")


def _as_bytes(text: str) -> str:
    # One character per byte, so that positions and white space are those of the kernel.
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _as_text(line: str) -> str:
    return line.encode("latin-1").decode("utf-8", "surrogateescape")
