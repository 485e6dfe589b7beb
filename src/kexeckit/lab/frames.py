"""Records that a guest sent over its channel: bytes <-> named results.

A record is ``KKREC NAME LENGTH`` and a newline, LENGTH bytes of anything, and a newline. Names look like
``boot/iomem``: the stage of the run, then what it is. A guest may die at any byte, so a cut last record is
normal and reported as such; anything else that does not fit is an error.
"""

import re
from dataclasses import dataclass

from kexeckit.errors import InputError

__all__ = ["MARK", "Record", "RecordStream", "format_record", "parse_records"]

MARK = b"KKREC "
"""What every record begins with."""

_HEADER = re.compile(rb"KKREC (\S+) (\d+)\n")
_LONGEST_HEADER = 300


@dataclass(frozen=True, slots=True)
class Record:
    """One named result.

    Attributes:
        name: Stage and name, e.g. ``boot/iomem``.
        data: What the guest sent.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RecordStream:
    """All that arrived.

    Attributes:
        records: The complete ones, in the order of arrival.
        cut: Name of the record in whose middle the stream ended, ``""`` if that was within a
            header, or None if the stream ended between records.
    """

    records: tuple[Record, ...]
    cut: str | None


def format_record(name: str, data: bytes) -> bytes:
    """Write one record."""
    return b"KKREC %s %d\n%s\n" % (name.encode(), len(data), data)


def parse_records(stream: bytes, source: str = "record channel") -> RecordStream:
    """Read what came over a channel, which may end anywhere.

    Args:
        stream: All bytes so far.
        source: Name for messages.

    Raises:
        InputError: Bytes between records: somebody else wrote to the channel, or bytes were lost.
    """
    records: list[Record] = []
    position = 0
    while position < len(stream):
        header = _HEADER.match(stream, position)
        if header is None:
            if _may_grow(stream[position:]):
                return RecordStream(tuple(records), "")
            raise InputError(source, f"byte {position} is not the start of a record", expected="KKREC NAME LENGTH")
        name, end = header[1].decode("utf-8", "replace"), header.end() + int(header[2])
        if end >= len(stream):
            return RecordStream(tuple(records), name)
        if stream[end] != 0x0A:
            raise InputError(source, f"record {name} does not end at byte {end}", expected="its length to be right")
        records.append(Record(name, stream[header.end() : end]))
        position = end + 1
    return RecordStream(tuple(records), None)


# Could these last bytes still become a header?
def _may_grow(tail: bytes) -> bool:
    start = MARK
    return b"\n" not in tail and len(tail) < _LONGEST_HEADER and tail[: len(start)] == start[: len(tail)]
