"""The bytes of table pages: one buffer, one row of 512 entries per page, filled row-wise.

Two ways with one result: NumPy, at memory speed; and plain Python, where NumPy is not installed. Neither makes a
temporary larger than a few pages per call, so the buffer is all the memory a build needs.
"""

from array import array
from types import ModuleType
from typing import Any, Protocol

from kexeckit.kernel.page_tables.count import numpy_or_none

ENTRIES = 512
_BATCH = 4096  # rows per NumPy call: bounds its temporaries
_ONES = sum(1 << 64 * i for i in range(ENTRIES))
_COUNTING = sum(i << 64 * i for i in range(ENTRIES))


class Rows(Protocol):
    """Table pages as rows of 64-bit entries."""

    def get(self, row: int, index: int) -> int:
        """Return one entry."""

    def put(self, row: int, index: int, value: int) -> None:
        """Set one entry."""

    def is_empty(self, row: int, index: int, count: int) -> bool:
        """Say whether `count` entries are all zero."""

    def put_run(self, row: int, index: int, count: int, value: int, step: int) -> None:
        """Set `count` entries of one row to ``value``, ``value + step``, ..."""

    def fill(self, row: int, count: int, value: int, step: int) -> None:
        """Set all entries of `count` rows to ``value``, ``value + step``, ..., going on from row to row."""

    def data(self) -> memoryview:
        """Return all bytes, row by row, little-endian."""


def make_rows(count: int, *, numpy: bool = True) -> Rows:
    """Make zeroed rows.

    Args:
        count: Number of table pages.
        numpy: Whether NumPy may be used where it is installed.
    """
    module = numpy_or_none() if numpy else None
    return PlainRows(count) if module is None else NumpyRows(module, count)


class PlainRows:
    """Rows in a ``bytearray``."""

    __slots__ = ("_bytes", "_words")

    def __init__(self, count: int) -> None:
        self._bytes = bytearray(count * ENTRIES * 8)
        self._words = memoryview(self._bytes).cast("Q")

    def get(self, row: int, index: int) -> int:
        """Return one entry."""
        return self._words[row * ENTRIES + index]

    def put(self, row: int, index: int, value: int) -> None:
        """Set one entry."""
        self._words[row * ENTRIES + index] = value

    def is_empty(self, row: int, index: int, count: int) -> bool:
        """Say whether `count` entries are all zero."""
        at = row * ENTRIES + index
        return not any(self._words[at : at + count])

    def put_run(self, row: int, index: int, count: int, value: int, step: int) -> None:
        """Set `count` entries of one row."""
        at = row * ENTRIES + index
        self._words[at : at + count] = array("Q", range(value, value + count * step, step))

    def fill(self, row: int, count: int, value: int, step: int) -> None:
        """Set all entries of `count` rows."""
        # A row is one large number with 64-bit digits; adding to all digits at once is much faster than entry by entry.
        digits = _ONES * value + _COUNTING * step
        for at in range(row * ENTRIES * 8, (row + count) * ENTRIES * 8, ENTRIES * 8):
            self._bytes[at : at + ENTRIES * 8] = digits.to_bytes(ENTRIES * 8, "little")
            digits += _ONES * (ENTRIES * step)

    def data(self) -> memoryview:
        """Return all bytes."""
        return memoryview(self._bytes)


class NumpyRows:
    """Rows in an array."""

    __slots__ = ("_np", "_rows")

    def __init__(self, numpy: ModuleType, count: int) -> None:
        self._np = numpy
        self._rows: Any = numpy.zeros((count, ENTRIES), dtype="<u8")

    def get(self, row: int, index: int) -> int:
        """Return one entry."""
        return int(self._rows[row, index])

    def put(self, row: int, index: int, value: int) -> None:
        """Set one entry."""
        self._rows[row, index] = value

    def is_empty(self, row: int, index: int, count: int) -> bool:
        """Say whether `count` entries are all zero."""
        return not self._rows[row, index : index + count].any()

    def put_run(self, row: int, index: int, count: int, value: int, step: int) -> None:
        """Set `count` entries of one row."""
        self._rows[row, index : index + count] = self._progression(value, count, step)

    def fill(self, row: int, count: int, value: int, step: int) -> None:
        """Set all entries of `count` rows."""
        inside = self._progression(0, ENTRIES, step)
        for done in range(0, count, _BATCH):
            n = min(_BATCH, count - done)
            firsts = self._progression(value + done * ENTRIES * step, n, ENTRIES * step)
            out = self._rows[row + done : row + done + n]
            self._np.add(firsts[:, None], inside[None, :], out=out)

    def _progression(self, value: int, count: int, step: int) -> Any:  # noqa: ANN401
        return self._np.arange(value, value + count * step, step, dtype="<u8")

    def data(self) -> memoryview:
        """Return all bytes."""
        return memoryview(self._rows).cast("B")
