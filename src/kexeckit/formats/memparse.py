"""Numbers as the kernel reads them from its command line.

The rule differs from a careful parser's: it never fails. Reading stops at the first character that does not fit, no
digits at all mean 0 with nothing read, and too large a value wraps at 2^64.

Source: lib/cmdline.c, memparse(); lib/vsprintf.c, simple_strtoull(); lib/kstrtox.c, _parse_integer_fixup_radix().
"""

_DIGITS = {c: v for v, c in enumerate("0123456789abcdef")}
_SHIFTS = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_MASK = (1 << 64) - 1


def parse_integer(text: str, at: int = 0) -> tuple[int, int]:
    """Read an integer of base 10, 16 (``0x``) or 8 (leading ``0``).

    Args:
        text: Any text.
        at: Index of the first character.

    Returns:
        The value and the index of the first character not read; the same index as `at` where there was no digit.
    """
    base = 10
    begin = at
    if text[at : at + 1] == "0":
        base = 8
        if text[at + 1 : at + 2] in ("x", "X") and text[at + 2 : at + 3].lower() in _DIGITS:
            base, begin = 16, at + 2
    value, end = 0, begin
    while end < len(text):
        digit = _DIGITS.get(text[end].lower(), 16)
        if digit >= base:
            break
        value, end = value * base + digit, end + 1
    return value & _MASK, end


def parse_memory(text: str, at: int = 0) -> tuple[int, int]:
    """Read a size or address: an integer and at most one of K M G T P E, in either case.

    Args:
        text: Any text.
        at: Index of the first character.

    Returns:
        Bytes, and the index of the first character not read; the same index as `at` where there was no digit.
    """
    value, end = parse_integer(text, at)
    if end == at:
        return 0, at
    shift = _SHIFTS.get(text[end : end + 1].lower())
    if shift is None:
        return value, end
    return (value << shift) & _MASK, end + 1
