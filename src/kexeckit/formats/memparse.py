"""Numbers as the kernel reads them from its command line.

The rule differs from a careful parser's: it never fails. Reading stops at the first character that does not fit, and
no digits at all mean 0. Too large a value wraps at 2^64, and a unit is read even without digits before it: ``M`` is 0
with one character read. A newer kernel stops at the largest value instead, and leaves a lonely unit unread.

Source: lib/cmdline.c, memparse(); lib/vsprintf.c, simple_strtoull(); lib/kstrtox.c, _parse_integer_fixup_radix().
"""

_DIGITS = {c: v for v, c in enumerate("0123456789abcdef")} | {c: v for v, c in enumerate("ABCDEF", 10)}
# In both cases by themselves: lower() makes a k of the Kelvin sign, too.
_SHIFTS = {letter: 10 * n for n, pair in enumerate(("kK", "mM", "gG", "tT", "pP", "eE"), 1) for letter in pair}
_MASK = (1 << 64) - 1


def parse_integer(text: str, at: int = 0, *, checked: bool = False) -> tuple[int, int]:
    """Read an integer of base 10, 16 (``0x``) or 8 (leading ``0``).

    Args:
        text: Any text.
        at: Index of the first character.
        checked: Too large a value becomes 2^64 - 1 instead of wrapping.

    Returns:
        The value and the index of the first character not read; the same index as `at` where there was no digit.
    """
    base = 10
    begin = at
    if text[at : at + 1] == "0":
        base = 8
        if text[at + 1 : at + 2] in ("x", "X") and text[at + 2 : at + 3] in _DIGITS:
            base, begin = 16, at + 2
    value, end = 0, begin
    while end < len(text):
        digit = _DIGITS.get(text[end], 16)
        if digit >= base:
            break
        value, end = value * base + digit, end + 1
    return min(value, _MASK) if checked else value & _MASK, end


def parse_memory(text: str, at: int = 0, *, checked: bool = False) -> tuple[int, int]:
    """Read a size or address: an integer and at most one of K M G T P E, in either case.

    Args:
        text: Any text.
        at: Index of the first character.
        checked: Too large a value becomes 2^64 - 1, and a unit without digits is not read. Source: lib/cmdline.c,
            memparse(), of 7.2.

    Returns:
        Bytes, and the index of the first character not read; the same index as `at` where nothing could be read.
    """
    value, end = parse_integer(text, at, checked=checked)
    shift = _SHIFTS.get(text[end : end + 1])
    if shift is None or (checked and end == at):
        return value, end
    value <<= shift
    return min(value, _MASK) if checked else value & _MASK, end + 1
