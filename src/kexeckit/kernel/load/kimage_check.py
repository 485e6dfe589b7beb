"""What a kernel refuses in a list of segments, in its own order, with its own errno.

Rules of this file:
    1. The first check that fails decides, as in the kernel; later ones are not looked at.
    2. Numbers that are not known (free memory) leave their check out; nothing is guessed.

Source: kernel/kexec.c, kexec_load_check() and kimage_alloc_init(); kernel/kexec_core.c, sanity_check_segment_list().
"""

import errno
from collections.abc import Sequence

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE, pages

SEGMENT_MAX = 16  # KEXEC_SEGMENT_MAX
X86_64_LIMIT = (1 << 46) - 1  # MAXMEM - 1 with 4 levels
X86_64_LIMIT_LA57 = (1 << 52) - 1
NO_LIMIT = (1 << 64) - 1  # other 64-bit arches
_WRAP = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class RawSegment:
    """One ``struct kexec_segment`` as it is passed, valid or not.

    Attributes:
        mem: Destination, physical address.
        memsz: Bytes of memory.
        bufsz: Bytes of content.
        name: For messages.
    """

    mem: int
    memsz: int
    bufsz: int
    name: str = "segment"

    @property
    def end(self) -> int:
        """First byte after the segment, in 64-bit arithmetic: it may wrap."""
        return (self.mem + self.memsz) & _WRAP


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a kernel measures an image against.

    Attributes:
        crash: The main crash region (crashk_res), or None without a reservation.
        total_pages: totalram_pages(): MemTotal of /proc/meminfo in pages; None where it is not known. The crash region
            is not in it.
        destination: Highest end that is allowed plus one (KEXEC_DESTINATION_MEMORY_LIMIT).
    """

    crash: MemRange | None = None
    total_pages: int | None = None
    destination: int = X86_64_LIMIT


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a kernel says no.

    Attributes:
        errno: Its error number.
        why: In words, with the limit.
        segment: Number of the segment that was found guilty, or None.
    """

    errno: int
    why: str
    segment: int | None = None

    @property
    def name(self) -> str:
        """The error's name, such as ``EINVAL``."""
        return errno.errorcode[self.errno]


def check_kexec_load(entry: int, segments: Sequence[RawSegment], limits: ImageLimits, *, crash: bool) -> Refusal | None:
    """Say why kexec_load(2) would refuse an image, or None.

    Args:
        entry: Physical address to which the kernel jumps.
        segments: In the order in which they are passed; none means "unload".
        limits: The kernel's.
        crash: KEXEC_ON_CRASH.

    Source: kernel/kexec.c, kexec_load_check(), do_kexec_load(), kimage_alloc_init().
    """
    if len(segments) > SEGMENT_MAX:
        return Refusal(errno.EINVAL, f"{len(segments)} segments, at most {SEGMENT_MAX} are taken")
    if not segments:
        return None
    if crash:
        # The comparison is inclusive at both ends; without a reservation the region is 0..0.
        first, last = _crash_bounds(limits)
        if not first <= entry <= last:
            return Refusal(errno.EADDRNOTAVAIL, f"entry {entry:#x} is outside the crash region {_shown(limits)}")
    return check_segments(segments, limits, crash=crash)


def check_segments(segments: Sequence[RawSegment], limits: ImageLimits, *, crash: bool) -> Refusal | None:
    """Say why a list of segments would be refused, whoever made it, or None.

    Source: kernel/kexec_core.c, sanity_check_segment_list().
    """
    checks = (_addresses(segments, limits), _overlaps(segments), _buffers(segments), _memory(segments, limits))
    found = next((c for c in checks if c), None)
    return found or (_inside_crash(segments, limits) if crash else None)


def _addresses(segments: Sequence[RawSegment], limits: ImageLimits) -> Refusal | None:
    for i, s in enumerate(segments):
        if s.mem > s.end:
            return Refusal(errno.EADDRNOTAVAIL, f"{s.name} wraps around the end of the address space", i)
        if s.mem % PAGE_SIZE or s.end % PAGE_SIZE:
            return Refusal(errno.EADDRNOTAVAIL, f"{s.name} [{s.mem:#x}, {s.end:#x}) is not made of whole pages", i)
        if s.end >= limits.destination:
            return Refusal(errno.EADDRNOTAVAIL, f"{s.name} ends at {s.end:#x}, the limit is {limits.destination:#x}", i)
    return None


def _overlaps(segments: Sequence[RawSegment]) -> Refusal | None:
    for i, s in enumerate(segments):
        for other in segments[:i]:
            if s.end > other.mem and s.mem < other.end:
                return Refusal(errno.EINVAL, f"{s.name} overlaps {other.name}", i)
    return None


def _buffers(segments: Sequence[RawSegment]) -> Refusal | None:
    for i, s in enumerate(segments):
        if s.bufsz > s.memsz:
            return Refusal(errno.EINVAL, f"{s.name} has {s.bufsz} bytes of content for {s.memsz} of memory", i)
    return None


def _memory(segments: Sequence[RawSegment], limits: ImageLimits) -> Refusal | None:
    # Applies to crash images too, although they take nothing from this memory.
    if limits.total_pages is None:
        return None
    half = limits.total_pages // 2
    for i, s in enumerate(segments):
        if pages(s.memsz) > half:
            return Refusal(errno.EINVAL, f"{s.name} takes {pages(s.memsz)} pages, half of RAM is {half}", i)
    total = sum(pages(s.memsz) for s in segments)
    if total > half:
        return Refusal(errno.EINVAL, f"all segments take {total} pages, half of RAM is {half}")
    return None


def _inside_crash(segments: Sequence[RawSegment], limits: ImageLimits) -> Refusal | None:
    first, last = _crash_bounds(limits)
    for i, s in enumerate(segments):
        if s.mem < first or ((s.end - 1) & _WRAP) > last:
            why = f"{s.name} [{s.mem:#x}, {s.end:#x}) is outside the main crash region {_shown(limits)}"
            return Refusal(errno.EADDRNOTAVAIL, why, i)
    return None


def _crash_bounds(limits: ImageLimits) -> tuple[int, int]:
    return (limits.crash.start, limits.crash.last) if limits.crash else (0, 0)


def _shown(limits: ImageLimits) -> str:
    return str(limits.crash) if limits.crash else "(there is none)"
