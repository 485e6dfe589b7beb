"""Segments and their bytes."""

import hashlib

import pytest

from kexeckit.memory.range import MemRange
from kexeckit.plan.request import NO_LIMIT, BufferRequest
from kexeckit.plan.segment import Segment, digest, filled

REQUEST = BufferRequest("initrd", 5, 4096, 4096, 0, NO_LIMIT, True, "")
PLACE = Segment(REQUEST, MemRange(0x1000, 0x2000), "here")


def test_filling_adds_bytes_and_their_digest() -> None:
    """The place stays."""
    made = filled(PLACE, memoryview(b"hello"))
    assert (made.name, made.bufsz, made.memsz, made.range) == ("initrd", 5, 4096, PLACE.range)
    assert made.sha256 == hashlib.sha256(b"hello").hexdigest() == digest(b"hello")


@pytest.mark.parametrize("content", [b"", b"hell", b"hello!"])
def test_content_of_another_length_is_refused(content: bytes) -> None:
    """A kernel would read beyond it, or leave the rest."""
    with pytest.raises(ValueError, match="for a buffer of 5"):
        filled(PLACE, content)


def test_content_is_not_in_the_text_of_a_segment() -> None:
    """A message about a segment does not print an initrd."""
    assert "hello" not in repr(filled(PLACE, b"hello"))
