"""Lines that a mail program or a terminal wrapped are joined again.

    [    0.000000] Command line: root=/dev/sda1 ro       a message begins where something marks it: a stamp, "kernel:"
    crashkernel=256M quiet                               what nothing marks belongs to the message before it

Three ways of wrapping are told apart:
    between words   by mail programs; the pieces are joined by a blank
    hard            by terminals and serial consoles at one column, also inside a word: all cut lines are equally long
    by the kernel   its own long command line since 6.19, with a backslash

In a log without marks only what is visibly cut is joined: an open range, a command line, everything where lines are cut
hard, and where no line is longer than a mail's, what had no room on the line before.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kexeckit.formats.bootlog.line import LogLine
from kexeckit.frozen import dataclass

_COMMAND_LINE = re.compile(r"(?:^|\b)(?:Kernel command|Command) line:", re.IGNORECASE)
_OPEN_RANGE = re.compile(r"\[mem [^\]]*$|\b0x[0-9a-f]+ ?-\s*$", re.IGNORECASE)
_PARAMETER = re.compile(r"^\s*\S*(?:=\S*|\b(?:ro|rw|quiet|splash|debug|rhgb))(?:\s|$)")
_BEGINS = re.compile(r"^(?:Linux version \d| ?BIOS-e820: |(?:e820: )?BIOS-provided physical RAM map|Command line: )")
# What most messages begin with, and few lines that are cut off from one: a name and a colon.
_HEAD = re.compile(r"^ *[\w./()-]+(?: [\w./()-]+)?: ")
# Terminals have at least 40 and seldom more than 240 columns; mail is wrapped at 65 to 100.
_COLUMNS = range(40, 241)
_MAIL = 100
# A message may be cut into so many pieces: 4096 characters of command line in short lines.
_PIECES = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of the file, before it is known whether it is a message or the continuation of one.

    Attributes:
        line: Its number, text and stamp.
        marked: Something marks it as the beginning of a message.
        width: Characters of the whole line in the file.
    """

    line: LogLine
    marked: bool
    width: int


@dataclass(frozen=True, slots=True)
class _Layout:
    # How the file as a whole is wrapped. mostly: messages are marked; hard: column at which lines are cut, or 0;
    # soft: length that next to no line exceeds.
    mostly: bool
    hard: int
    soft: int


def unwrapped(pieces: Sequence[Piece]) -> list[LogLine]:
    """Return the messages of a file, empty ones left out.

    Args:
        pieces: All lines of the file in order.
    """
    layout = _layout(pieces)
    out: list[LogLine] = []
    opened: Piece | None = None
    head_marked = bare_mark = False
    count = 0
    for given in pieces:
        # A mark alone on its line: the message that it belongs to was wrapped to the next one.
        piece = replace(given, marked=True) if bare_mark and not given.marked else given
        bare_mark = piece.marked and not piece.line.text.strip()
        if not piece.line.text.strip():
            opened = None
            continue
        if opened and count < _PIECES and _continues(out[-1].text, opened, piece, layout, after_mark=head_marked):
            out[-1] = _joined(out[-1], piece.line.text, hard=bool(layout.hard) and opened.width == layout.hard)
            opened, count = piece, count + 1
        else:
            out.append(piece.line)
            opened, count = (piece if piece.marked or not layout.mostly else None), 0
            head_marked = piece.marked
    return out


def _layout(pieces: Sequence[Piece]) -> _Layout:
    full = [p for p in pieces if p.line.text.strip()]
    stamped = sum(p.marked for p in full)
    # Wrapped to several lines, most lines of a log whose messages are all marked have no mark themselves.
    mostly = (stamped >= 8 and 5 * stamped > len(full)) or 2 * stamped > len(full)
    widths = sorted(p.width for p in full)
    soft = widths[len(widths) * 99 // 100] if widths else 0
    return _Layout(mostly, _hard_column(pieces, marked=mostly), soft)


def _hard_column(pieces: Sequence[Piece], *, marked: bool) -> int:
    # The longest line of the file, where many are so long. Between words hardly one cut line in six is the longest; a
    # log without marks gives no sign of which lines are cut, so many more must be.
    longest = max((p.width for p in pieces), default=0)
    pairs = ((a, b) for a, b in pairwise(pieces) if a.line.text.strip() and b.line.text.strip())
    cut = [a.width for a, b in pairs if not (marked and b.marked)]
    same = cut.count(longest)
    enough = same >= 2 and same == len(cut) if marked else same >= 3 and 50 * same > len(cut)
    enough = enough or (marked and same >= 5 and 5 * same > len(cut))
    return longest if enough and longest in _COLUMNS else 0


def _continues(before: str, last: Piece, piece: Piece, layout: _Layout, *, after_mark: bool) -> bool:
    # `before` is the message as joined so far, `last` its last line in the file.
    text = piece.line.text
    if before.endswith(" \\") and _COMMAND_LINE.search(before):
        return True
    if piece.marked or _BEGINS.match(text):
        return False
    if layout.mostly:
        return True
    if _OPEN_RANGE.search(before) or (layout.hard and last.width == layout.hard):
        return True
    no_room = layout.soft <= _MAIL and last.width + 1 + len(text.split()[0]) > layout.soft
    if not _COMMAND_LINE.search(before) or ": " in text[:40]:
        return no_room and not _HEAD.match(text)
    return no_room or bool(after_mark or _PARAMETER.match(text))


def _joined(before: LogLine, text: str, *, hard: bool) -> LogLine:
    if hard:
        return replace(before, text=before.text + text)
    # A break after "-" lies inside a range; any other lies between two words.
    head = before.text.removesuffix("\\").rstrip()
    return replace(before, text=head + ("" if head.endswith("-") else " ") + text.strip())
