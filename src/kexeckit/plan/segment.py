"""`Segment`: a buffer with its place and its bytes, as kexec_load(2) takes it."""

import hashlib
from dataclasses import field

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.plan.request import BufferRequest

Content = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of an image.

    Attributes:
        request: What was asked for.
        range: Where it goes: `memsz` bytes of physical memory.
        reason: Why there.
        content: Its `bufsz` bytes: built, or a view of the pages of a file; None where the kernel makes them.
        sha256: Digest of the content in hexadecimal, or None where the content changes after loading or is unknown.
    """

    request: BufferRequest
    range: MemRange
    reason: str
    content: Content | None = field(default=None, repr=False)
    sha256: str | None = None

    @property
    def name(self) -> str:
        """What it is."""
        return self.request.name

    @property
    def bufsz(self) -> int:
        """Bytes that are filled."""
        return self.request.bufsz

    def __repr__(self) -> str:
        return f"<Segment {self.name} {self.range}, {self.bufsz:#x} bytes filled>"

    @property
    def memsz(self) -> int:
        """Bytes of memory it takes."""
        return self.request.memsz


def digest(content: Content) -> str:
    """Return the SHA-256 of a buffer in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def filled(place: Segment, content: Content) -> Segment:
    """Return a placed segment with its bytes and their digest.

    Raises:
        ValueError: The content is not `bufsz` bytes long.
    """
    if len(content) != place.bufsz:
        raise ValueError(f"{place.name}: {len(content)} bytes for a buffer of {place.bufsz}")
    return Segment(place.request, place.range, place.reason, content, digest(content))
