"""Sizes, alignment and page-frame arithmetic: numbers in bytes unless a name says otherwise.

Source of the size grammar: lib/cmdline.c, memparse(): an integer in base 10, 16 (0x) or 8 (0), then at most one of
K M G T P E, in either case, as powers of 1024.
"""

from kexeckit.errors import UsageError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40
PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
ADDRESS_LIMIT = 1 << 64

_SUFFIXES = "KMGTPE"


def is_power_of_two(value: int) -> bool:
    """Say whether `value` is 1, 2, 4, ..."""
    return value > 0 and value & (value - 1) == 0


def align_down(value: int, align: int) -> int:
    """Round `value` down to a multiple of `align` bytes, a power of two."""
    if not is_power_of_two(align):
        raise ValueError(f"alignment {align} is not a power of two")
    return value & ~(align - 1)


def align_up(value: int, align: int) -> int:
    """Round `value` up to a multiple of `align` bytes, a power of two."""
    return align_down(value + align - 1, align)


def pfn_up(address: int) -> int:
    """First page frame that starts at or above a byte address (the kernel's PFN_UP)."""
    return (address + PAGE_SIZE - 1) >> PAGE_SHIFT


def pages(size: int) -> int:
    """Number of 4 KiB pages that `size` bytes need."""
    return pfn_up(size)


def parse_size(text: str) -> int:
    """Read a size or address as a user types it.

    Args:
        text: Like ``256M``, ``24T``, ``0x1000``, ``4096``.

    Returns:
        Bytes.

    Raises:
        UsageError: Not such a number; the message shows the text.
    """
    word = text.strip()
    shift = 0
    if word[-1:].upper() in _SUFFIXES and word[-1:]:
        is_hex = word.lower().startswith("0x") and word[-1] in "eE"
        if not is_hex:
            shift = 10 * (_SUFFIXES.index(word[-1].upper()) + 1)
            word = word[:-1]
    try:
        value = int(word, 16 if word.lower().startswith("0x") else 10)
    except ValueError:
        raise UsageError(f"{text!r} is not a size; expected a number such as 4096, 0x1000, 256M or 24T") from None
    if value < 0:
        raise UsageError(f"{text!r} is negative; expected a size such as 256M")
    return value << shift


def format_size(size: int) -> str:
    """Show a size in the largest binary unit that loses nothing: ``256 MiB``, ``4 KiB``, ``368 B``.

    Sizes that would need five digits for that are shown with one decimal instead: ``51.5 MiB``.
    """
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if 1 << shift <= size < 10_000 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.1f} {unit}"
    return f"{size} B"


def format_address(address: int) -> str:
    """Show a physical address: ``0x`` and at least eight hexadecimal digits."""
    return f"0x{address:08x}"
