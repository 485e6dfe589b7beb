"""Kernel messages out of any text that holds a boot log: prefixes off, wrapped lines joined.

A boot log reaches us in many coats. Each is taken off, from the outside in:

    > > Nov 05 09:48:25 host kernel: [    0.000000][    T0] Linux version ...
    quote   syslog or journald       time stamp    caller   message

Lines that a mail program wrapped are joined to the one they continue (see `wrapped`); colours and HTML come off first
(see `plain`). A line keeps the number it has in the file.

Source: kernel/printk/printk.c, info_print_prefix() and msg_print_ext_header(); util-linux dmesg(1); journalctl(1),
output modes short, short-iso, short-monotonic; syslog, RFC 3164 and RFC 5424 file formats.
"""

import re

from kexeckit.formats.bootlog.line import LogLine
from kexeckit.formats.bootlog.plain import plain_lines
from kexeckit.formats.bootlog.wrapped import Piece, unwrapped

__all__ = ["LogLine", "clean_lines"]

_QUOTE = re.compile(r"^(?:[>|] ?)+")
_LEVEL = re.compile(r"^<\d{1,3}>")
_KMSG = re.compile(r"^\d{1,3},\d+,(\d+),[^;\s]*;")
_DECODED = re.compile(
    r"^(?:kern|user|mail|daemon|auth|syslog)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*: ?"
)
_CALENDAR = r"(?:[A-Z][a-z]{2} +\d{1,2} [\d:.]{5,}|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)"
_SYSLOG = re.compile(rf"^{_CALENDAR}(?: \S+)?? (?:kernel|kern|klogd)(?:\[\d+\])?: ?")
_TAGGED = re.compile(r"^(?:\S+ )?kernel(?:\[\d+\])?: ?")
_STAMP = re.compile(r"^.{0,100}?\[ *(\d+)\.(\d{3,9})(?: <[^>]*>)?\](?: ?\[ *[TCP]\d+\])?(?: \S+ kernel: ?)? ?")
_DATED = re.compile(
    r"^\[[^][]{1,32} \d\d:\d\d(?::\d\d)?(?: \d{4})?(?: *< *[\d.]+>)?\](?: ?\[ *[TCP]\d+\])? ?"
    rf"|^\[ +\+\d+\.\d+\] ?|^{_CALENDAR} "
)
# In the order in which they are taken off.
_PREFIXES = (_LEVEL, _DECODED, _SYSLOG, _TAGGED, _LEVEL)
_ORDERED = (
    "Linux version ",
    "BIOS-provided physical RAM map",
    "Zone ranges",
    "Movable zone start",
    "Early memory node",
)


def clean_lines(text: str) -> list[LogLine]:
    """Take prefixes off and join wrapped lines.

    Args:
        text: A whole file, or any part of one; CRLF, CR and NUL bytes are accepted.

    Returns:
        The messages in file order, empty lines left out.
    """
    pieces = [_bare(number, line) for number, line in enumerate(plain_lines(text), 1)]
    return _forward(unwrapped(pieces))


def _bare(number: int, line: str) -> Piece:
    # The message of one line, and whether anything marked it as the beginning of a message.
    text = _QUOTE.sub("", line) if line[:1] in (">", "|") else line
    kmsg = _KMSG.match(text)
    if kmsg:
        return Piece(LogLine(number, text[kmsg.end() :], int(kmsg[1]) / 1e6), True, len(line))
    marked = False
    # A line that begins with its time stamp has none of the prefixes, unless a name and "kernel:" follow.
    prefixes = _PREFIXES if text[:1] != "[" or _TAGGED.match(text) else ()
    for prefix in prefixes:
        shorter = prefix.sub("", text, count=1)
        marked = marked or shorter != text
        text = shorter
    stamp = _STAMP.match(text)
    if stamp:
        return Piece(LogLine(number, text[stamp.end() :], float(f"{stamp[1]}.{stamp[2]}")), True, len(line))
    dated = _DATED.match(text)
    if dated:
        return Piece(LogLine(number, text[dated.end() :]), True, len(line))
    return Piece(LogLine(number, text), marked, len(line))


def _forward(lines: list[LogLine]) -> list[LogLine]:
    # `journalctl -r` prints the newest message first: known neighbours then stand in the wrong order throughout.
    at: dict[str, int] = {}
    for index, line in enumerate(lines):
        for mark in _ORDERED:
            if mark not in at and line.text.lstrip().startswith(mark):
                at[mark] = index
    found = [at[mark] for mark in _ORDERED if mark in at]
    reverse = len(found) > 1 and found == sorted(found, reverse=True)
    return lines[::-1] if reverse else lines
