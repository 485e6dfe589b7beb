"""Cuts what some functions need out of C files: their own text, and that of what they name, however far.

The files are the kernel's, and keep its style: a definition at the left margin, its closing brace there too. Comments
and #include lines go, conditional compilation stays, macros and declarations stay where something names them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["cut", "defines"]

_COMMENT = re.compile(
    r"""/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])')""",
    re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_CALL = re.compile(r"\b(?!(?:if|for|while|switch|return|sizeof)\b)(\w+)\s*\(")
_CONDITION = ("#if", "#el", "#endif")


@dataclass(frozen=True, slots=True)
class _Piece:
    # A definition, a macro or a conditional (which has no names and always stays). A function's name ends with a
    # parenthesis, so that a variable of the same name elsewhere does not ask for it.
    text: str
    names: frozenset[str]

    def needs(self) -> set[str]:
        return {*_WORD.findall(self.text), *(f"{name}(" for name in _CALL.findall(self.text))}


def cut(files: Iterable[str], wanted: Iterable[str], given: Iterable[str]) -> list[str]:
    """Return what is left of each file.

    Args:
        files: Texts of C files; what one defines may be needed by any.
        wanted: Names to start from.
        given: Names that are defined elsewhere: no piece that defines one of them is taken.
    """
    known = {form for name in given for form in (name, f"{name}(")}
    pieces = [[p for p in _pieces(text) if not p.names & known] for text in files]
    places: dict[str, list[_Piece]] = {}
    for piece in (p for file in pieces for p in file):
        for name in piece.names:
            places.setdefault(name, []).append(piece)
    taken: set[int] = set()
    open_names = [form for name in wanted for form in (name, f"{name}(")]
    seen = set(open_names)
    while open_names:
        for piece in places.get(open_names.pop(), ()):
            if id(piece) not in taken:
                taken.add(id(piece))
                fresh = piece.needs() - seen
                seen |= fresh
                open_names += fresh
    return ["\n".join(p.text for p in file if not p.names or id(p) in taken) + "\n" for file in pieces]


def defines(text: str, name: str) -> bool:
    """Say whether a C file has a function of this name, and not only names it."""
    return any(f"{name}(" in piece.names and "{" in piece.text for piece in _pieces(text))


def _pieces(text: str) -> Iterator[_Piece]:
    lines = iter(_COMMENT.sub(lambda match: match[1] or " ", text).split("\n"))
    for line in lines:
        if line.startswith("#"):
            whole = [line]
            while whole[-1].endswith("\\"):
                whole.append(next(lines))
            yield from _directive("\n".join(whole))
        elif line[:1].isalpha() or line.startswith("_"):
            yield _definition(line, lines)


def _directive(text: str) -> Iterator[_Piece]:
    squeezed = re.sub(r"^#\s*", "#", text)
    if squeezed.startswith(_CONDITION):
        yield _Piece(squeezed, frozenset())
    elif squeezed.startswith("#define"):
        yield _Piece(squeezed, frozenset(_WORD.findall(squeezed)[1:2]))


def _definition(line: str, lines: Iterator[str]) -> _Piece:
    whole = [line]
    body = False
    while True:
        last = whole[-1].rstrip()
        opens = not body and "{" in last
        body = body or opens
        if last.startswith("}") or (opens and last.endswith(("}", "};"))) or (not body and last.endswith(";")):
            break
        more = next(lines, None)
        if more is None:
            break
        whole.append(more)
    text = "\n".join(whole)
    head = re.split(r"[={;]", text, maxsplit=1)[0]
    return _Piece(text, frozenset(_declared(head, text)))


def _declared(head: str, text: str) -> Iterable[str]:
    # An enum declares its values, too.
    if head.startswith("enum"):
        return _WORD.findall(text)
    call = _CALL.search(head)
    return [f"{call[1]}("] if call else _names(head)


def _names(head: str) -> Iterator[str]:
    # What a declaration declares: the last name of each part, marks of the kernel's aside.
    for part in re.sub(r"\[[^]]*\]", "", head).split(","):
        words = [name for name in _WORD.findall(part) if not name.startswith("__")]
        yield from words[-1:]
