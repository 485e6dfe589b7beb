"""Plain text tables for people: padded columns, nothing else."""

from collections.abc import Sequence


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Lay rows out under a head.

    Args:
        head: Column names.
        rows: Cells; every row is as long as the head.
        right: Numbers of the columns that are aligned to the right.

    Returns:
        Lines, without a newline at the end.
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def indented(text: str, by: str = "  ") -> str:
    """Put `by` in front of every line."""
    return "\n".join(by + line for line in text.split("\n"))
