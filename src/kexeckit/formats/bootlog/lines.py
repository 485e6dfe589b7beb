"""Kernel messages out of any text that holds a boot log: prefixes off, wrapped lines joined.

A boot log reaches us in many coats. Each is taken off, from the outside in:

    > > Nov 05 09:48:25 host kernel: [    0.000000][    T0] Linux version ...
    quote   syslog or journald       time stamp    caller   message

Lines that a mail program wrapped are joined to the one they continue. A line keeps the number it has in the file.

Source: kernel/printk/printk.c, info_print_prefix() and msg_print_ext_header(); util-linux dmesg(1); journalctl(1),
output modes short, short-iso, short-monotonic; syslog, RFC 3164 and RFC 5424 file formats.
"""

import re
from dataclasses import dataclass

_QUOTE = re.compile(r"^(?:[>|] ?)+")
_LEVEL = re.compile(r"^<\d{1,3}>")
_KMSG = re.compile(r"^\d{1,3},\d+,(\d+),[^;\s]*;")
_DECODED = re.compile(
    r"^(?:kern|user|mail|daemon|auth|syslog)\s*:\s*(?:emerg|alert|crit|err|warn|notice|info|debug)\s*: ?"
)
_CALENDAR = r"(?:[A-Z][a-z]{2} +\d{1,2} [\d:.]{5,}|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)"
_SYSLOG = re.compile(rf"^{_CALENDAR}(?: \S+)?? (?:kernel|kern|klogd)(?:\[\d+\])?: ?")
_TAGGED = re.compile(r"^(?:\S+ )?kernel(?:\[\d+\])?: ?")
_STAMP = re.compile(r"^.{0,100}?\[ *(\d+)\.(\d{3,9})(?: <[^>]*>)?\](?:\[ *[TCP]\d+\])?(?: \S+ kernel: ?)? ?")
_DATED = re.compile(
    r"^\[(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d(?::\d\d)?(?: \d{4})?\](?:\[ *[TCP]\d+\])? ?"
    rf"|^\[ +\+\d+\.\d+\] ?|^{_CALENDAR} "
)
_COMMAND_LINE = re.compile(r"(?:^|\b)(?:Kernel command|Command) line:", re.IGNORECASE)
_OPEN_RANGE = re.compile(r"\[mem [^\]]*$|\b0x[0-9a-f]+ ?-\s*$", re.IGNORECASE)
_ORDERED = (
    "Linux version ",
    "BIOS-provided physical RAM map",
    "Zone ranges",
    "Movable zone start",
    "Early memory node",
)
_PARAMETER = re.compile(r"^\s*\S*(?:=\S*|\b(?:ro|rw|quiet|splash|debug|rhgb))(?:\s|$)")


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


def clean_lines(text: str) -> list[LogLine]:
    """Take prefixes off and join wrapped lines.

    Args:
        text: A whole file, or any part of one; CRLF, CR and NUL bytes are accepted.

    Returns:
        The messages in file order, empty lines left out.
    """
    found = [_bare(number, line) for number, line in enumerate(_split(text), 1)]
    stamped = sum(1 for line, marked in found if marked)
    mostly = 2 * stamped > sum(1 for line, _ in found if line.text.strip())
    out: list[LogLine] = []
    open_line = head_marked = False
    for line, marked in found:
        if not line.text.strip():
            open_line = False
            continue
        if open_line and _continues(out[-1].text, line.text, marked=marked, mostly=mostly, after_mark=head_marked):
            out[-1] = _joined(out[-1], line.text)
        else:
            out.append(line)
            open_line, head_marked = marked or not mostly, marked
    return _forward(out)


def _split(text: str) -> list[str]:
    # Serial consoles leave CR CR LF and NUL behind, mail programs hard spaces. str.splitlines() would also split at
    # form feeds and the like.
    plain = text.replace("\0", "").replace("\xa0", " ").replace("\udcc2\udca0", " ")
    return plain.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _bare(number: int, line: str) -> tuple[LogLine, bool]:
    # The message of one line, and whether anything marked it as the beginning of a message.
    text = _QUOTE.sub("", line) if line[:1] in (">", "|") else line
    kmsg = _KMSG.match(text)
    if kmsg:
        return LogLine(number, text[kmsg.end() :], int(kmsg[1]) / 1e6), True
    marked = False
    for prefix in (_LEVEL, _DECODED, _SYSLOG, _TAGGED, _LEVEL):
        shorter = prefix.sub("", text, count=1)
        marked = marked or shorter != text
        text = shorter
    stamp = _STAMP.match(text)
    if stamp:
        return LogLine(number, text[stamp.end() :], float(f"{stamp[1]}.{stamp[2]}")), True
    dated = _DATED.match(text)
    if dated:
        return LogLine(number, text[dated.end() :]), True
    return LogLine(number, text), marked


def _continues(before: str, text: str, *, marked: bool, mostly: bool, after_mark: bool) -> bool:
    # Whether `text` belongs to the message before it. In a log with stamps, whatever has none does; without stamps
    # only what is visibly cut counts, and what follows a command line that has one. Since 6.19 the kernel itself
    # wraps its command line with a backslash.
    if before.endswith(" \\") and _COMMAND_LINE.search(before):
        return True
    if marked:
        return False
    if mostly:
        return True
    if _OPEN_RANGE.search(before):
        return True
    return bool(_COMMAND_LINE.search(before)) and ": " not in text[:40] and bool(after_mark or _PARAMETER.match(text))


def _joined(before: LogLine, text: str) -> LogLine:
    # A break after "-" lies inside a range; any other lies between two words.
    head = before.text.removesuffix("\\").rstrip()
    glue = "" if head.endswith("-") else " "
    return LogLine(before.number, head + glue + text.strip(), before.seconds)


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
