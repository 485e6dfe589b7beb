"""Records on the channel of a guest, whole and cut."""

import pytest

from kexeckit.errors import InputError
from kexeckit.lab.frames import Record, RecordStream, format_record, parse_records

RECORDS = (
    Record("boot/iomem", b"00000000-00000fff : Reserved\n"),
    Record("boot/empty", b""),
    Record("boot/binary", bytes(range(256)) + b"\nKKREC fake 3\n"),
    Record("capture/end", b"0"),
)
STREAM = b"".join(format_record(record.name, record.data) for record in RECORDS)


def test_records_come_back_as_sent() -> None:
    """Any bytes may be in a record, even what looks like the head of another."""
    assert parse_records(STREAM) == RecordStream(RECORDS, None)


def test_nothing_is_no_records() -> None:
    """A guest that never came so far is not an error of the stream."""
    assert parse_records(b"") == RecordStream((), None)


def test_a_stream_may_end_at_any_byte() -> None:
    """All records before the cut are there, the one that was cut is named, and none is made up."""
    ends = [len(b"".join(format_record(r.name, r.data) for r in RECORDS[:count])) for count in range(5)]
    for length in range(len(STREAM)):
        found = parse_records(STREAM[:length])
        complete = max(count for count in range(5) if ends[count] <= length)
        assert found.records == RECORDS[:complete]
        assert found.cut == (None if length in ends else found.cut)
        assert found.cut in {None, "", RECORDS[complete].name}
        assert (found.cut is None) == (length in ends)


@pytest.mark.parametrize("noise", [b"[    1.0] oops\n", b"x", b"KKREC boot/x y\n", b"KKREC \n"])
def test_foreign_bytes_are_an_error(noise: bytes) -> None:
    """The channel is nobody else's: bytes that are no record mean that something was lost."""
    with pytest.raises(InputError, match="not the start of a record"):
        parse_records(STREAM + noise)


def test_a_wrong_length_is_an_error() -> None:
    """A record that does not end where its head says is refused."""
    with pytest.raises(InputError, match="does not end at byte"):
        parse_records(b"KKREC boot/x 2\nabc\n" + STREAM)
