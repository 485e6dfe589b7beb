"""The text of a log file as lines, without what a terminal, a web page or an editor put into it.

What is taken off: the quoted-printable code of a raw mail, byte order marks, the NUL bytes of UTF-16 and of serial
consoles, terminal colours (also as rsyslog spells them), HTML tags and entities, hard spaces; CR, CRLF and CR CR LF are
line ends.

Source: ECMA-48, control sequences; Unicode standard, byte order mark; rsyslog.conf(5),
$EscapeControlCharactersOnReceive; HTML standard, named character references; RFC 2045, 6.7.
"""

import re

_MARKS = ("\ufeff", "\udcff\udcfe", "\udcfe\udcff")
_COLOUR = re.compile(r"(?:\x1b|#033)(?:\[[0-9;?]*[A-Za-z]|\([A-Z0-9])")
_HTML = re.compile(r"&(?:[gl]t|amp|quot|nbsp|#\d+);|<br ?/?>|</?pre\b", re.IGNORECASE)
_BREAK = re.compile(r"<br ?/?>(?:\r*\n)?", re.IGNORECASE)
# Text that is not a mail ends few lines with "=", and has no word of a command line whose value begins with 3D.
_MAIL_WORD = re.compile(r"\b(?:BOOT_IMAGE|crashkernel|root|console)=3D")
_SOFT_BREAK = re.compile(r"=\r*\n")
_QUOTED = re.compile(r"=([2-7][0-9A-F])")
_ENOUGH = 3
_TAG = re.compile(
    r"</?(?:a|b|body|code|div|em|font|head|html|i|li|p|pre|samp|span|strong|table|tbody|td|tr|tt)(?: [^<>]*)?>",
    re.IGNORECASE,
)


def plain_lines(text: str) -> list[str]:
    """Return the lines of a file, numbered as in the file unless a web page or a raw mail cuts them otherwise.

    Args:
        text: The whole file, as UTF-8 with other bytes as surrogates.
    """
    plain = text.replace("\0", "")
    for mark in _MARKS:
        plain = plain.removeprefix(mark)
    if _MAIL_WORD.search(plain) or ("=3D" in plain and len(_SOFT_BREAK.findall(plain)) >= _ENOUGH):
        plain = _QUOTED.sub(lambda m: chr(int(m[1], 16)), _SOFT_BREAK.sub("", plain))
    plain = plain.replace("\xa0", " ").replace("\udcc2\udca0", " ")
    if "\x1b" in plain or "#033" in plain:
        plain = _COLOUR.sub("", plain)
    if _HTML.search(plain):
        plain = _without_html(plain)
    # str.splitlines() would also split at form feeds and the like.
    return re.sub(r"\r*\n", "\n", plain).replace("\r", "\n").split("\n")


def _without_html(text: str) -> str:
    from html import unescape

    return unescape(_TAG.sub("", _BREAK.sub("\n", text))).replace("\xa0", " ")
