"""Words of a kernel command line as a person types them: what is surely a slip is refused, what is odd is said.

A kernel takes no offence: it passes over a word that it does not know, and reads as much of a number as it can. So a
slip would be answered as if nothing had been asked for. What is refused here is no question: a misspelt or bare word.
What the kernel itself makes something of stays a question, and the answer comes with a warning.
"""

from collections.abc import Iterable, Iterator

from kexeckit.errors import UsageError
from kexeckit.formats.cmdline import Word, split_words
from kexeckit.formats.memparse import parse_memory
from kexeckit.frozen import dataclass
from kexeckit.memory.units import MIB, format_size

# Names shorter than this have too many neighbours: mem, cma and numa are near to words of other subsystems.
_LONG_ENOUGH = 5
_SIZES = ("crashkernel", "kernelcore", "movablecore", "mem", "cma")
_NEED_A_VALUE = ("crashkernel", "kernelcore", "movablecore", "mem", "memmap", "cma")
_SUFFIXES = (",high", ",low", ",cma")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that one prediction looks at.

    Attributes:
        main: The name that a bare value most likely lacks, such as ``crashkernel``.
        known: All names, with ``_`` for ``-``.
        values: Values of `main` that are words themselves, such as ``auto``.
    """

    main: str
    known: frozenset[str]
    values: tuple[str, ...] = ()


def check_words(texts: Iterable[str], vocabulary: Vocabulary) -> None:
    """Refuse words that are surely a slip; what is merely unknown passes, see `unknown_words`.

    Raises:
        UsageError: A bare value, a known name without its value, or a name that is nearly a known one.
    """
    for text in texts:
        if not text.strip():
            raise UsageError("an empty word", remedy="leave it out")
        for word in split_words(text):
            _check(word, vocabulary)


def unknown_words(texts: Iterable[str], vocabulary: Vocabulary) -> list[str]:
    """Return the words that the prediction does not look at."""
    return [w.text for text in texts for w in split_words(text) if _plain(w.name) not in vocabulary.known]


def value_doubts(texts: Iterable[str], *, auto: bool = True) -> Iterator[str]:
    """Yield what a kernel makes of values that are probably not meant so.

    Args:
        texts: Words as typed.
        auto: This kernel knows ``crashkernel=auto``.

    Source: lib/cmdline.c, memparse(), which stops at the first character that is no part of a size;
    kernel/crash_reserve.c, parse_crashkernel_simple(), which refuses what then follows.
    """
    for word in (w for text in texts for w in split_words(text)):
        name, value = _plain(word.name), word.value or ""
        if name not in _SIZES or "%" in value or value.startswith("mirror") or ":" in value:
            continue
        if name == "crashkernel" and value.startswith("auto"):
            if not auto:
                yield f"{word.text}: only some vendors' kernels know auto, and this one is none; a size is needed"
            continue
        doubt = _size_doubt(name, value)
        if doubt:
            yield f"{word.text}: {doubt}"


def distance(one: str, other: str) -> int:
    """Return how many letters to add, drop, change or swap with a neighbour make one word the other."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def _check(word: Word, vocabulary: Vocabulary) -> None:
    name = _plain(word.name)
    tail = "" if word.value is None else f"={word.value}"
    if not name or name[0].isdigit() or (word.value is None and name in vocabulary.values):
        raise _refused(word, f"{vocabulary.main}={word.text}")
    if name in vocabulary.known:
        if word.value is None and name in _NEED_A_VALUE:
            raise UsageError(f"{word.text!r} has no value", remedy=f"give one, such as {word.name}=512M")
        return
    for known in _NEED_A_VALUE:
        # crashkernel:1G, crashkernel1G
        rest = name[len(known) :].lstrip(":")
        if word.value is None and name.startswith(known) and rest[:1].isdigit():
            raise _refused(word, f"{known}={rest}")
    meant = _nearest(name, vocabulary.known)
    if meant:
        raise _refused(word, f"{meant}{tail}")


def _refused(word: Word, meant: str) -> UsageError:
    return UsageError(f"{word.text!r} is no word of a kernel command line", remedy=f"did you mean {meant}?")


def _nearest(name: str, known: Iterable[str]) -> str:
    # Names are told by case: the kernel passes over Crashkernel=. One slip in a long name, two in a very long one.
    lower = name.lower()
    for each in sorted(known):
        slips = 0 if len(each) < _LONG_ENOUGH else 1 if len(each) < 2 * _LONG_ENOUGH else 2
        if abs(len(each) - len(lower)) <= slips and distance(lower, each) <= slips:
            return each
    return ""


def _size_doubt(name: str, value: str) -> str:
    size, at = parse_memory(value, checked=True)
    rest = value[at:]
    if not at:
        return "" if name == "crashkernel" else f"no number, which the kernel reads as 0{_mirror(name, value)}"
    if name == "crashkernel" and (rest in _SUFFIXES or rest.startswith("@")):
        rest = ""
    if rest and name == "cma" and rest[0] in "@-,":
        rest = ""
    if rest:
        return _rest_doubt(name, value[:at], rest)
    # A kernel alone takes several MiB, so a number below 1 MiB without a unit lacks one.
    if 0 < size < MIB and value.isdigit():
        return f"that is {format_size(size)}; a unit (K, M, G) is probably missing"
    return ""


def _rest_doubt(name: str, read: str, rest: str) -> str:
    makes = f"the kernel reads {read} and passes over {rest!r}"
    if name == "crashkernel":
        makes = f"the kernel refuses it, because {rest!r} follows {read}"
    if rest[0] == ".":
        return f"{makes}; it knows whole numbers only"
    meant = next((s for s in _SUFFIXES if len(rest) > 2 and distance(rest.lower(), s) <= 1), "")
    return f"{makes}; {read}{meant} is probably meant" if meant or name == "crashkernel" else makes


def _mirror(name: str, value: str) -> str:
    return "; mirror is probably meant" if name == "kernelcore" and distance(value.lower(), "mirror") <= 2 else ""


def _plain(name: str) -> str:
    return name.replace("-", "_")
