"""The one placement algorithm of kexeckit: where a buffer goes, or why it goes nowhere.

Theory: free memory is RAM minus what is taken, as ranges that do not touch. In one free range, the highest start of a
buffer that ends at or below `maximum` is ``align_down(min(end, maximum) - memsz)``, the lowest one is
``align_up(max(start, minimum))``. So a hole exists in a range exactly if that start is in bounds, and the first range
in the direction of the search that has one is the answer. No address is ever tried twice.

    minimum        free          taken      free        maximum
       |     |================|########|==============|    |
       top_down = False  ^ lowest start       ^ top_down = True: highest start

Source: the same question in the kernel, kernel/kexec_file.c, locate_mem_hole_top_down() and _bottom_up(); what the
kernel itself would choose is modelled in kernel/, not here.
"""

from kexeckit.errors import PlanError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import PAGE_SIZE, align_down, align_up, format_address, format_size
from kexeckit.plan.request import NO_LIMIT, BufferRequest


class NoHoleError(PlanError):
    """No place meets all limits; the message names the limit that bound and what would fit."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place for a buffer.

    Attributes:
        range: Exactly `memsz` bytes.
        reason: Why there, in words.
    """

    range: MemRange
    reason: str


def find_hole(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> MemRange | None:
    """Choose where a buffer goes.

    Args:
        ram: Usable RAM.
        request: Size, alignment and limits.
        taken: Ranges already given away; they may lie outside `ram`.

    Returns:
        A range of `request.memsz` bytes inside `ram`, clear of `taken`, or None where there is none.
    """
    free = list(ram - taken)
    for candidate in reversed(free) if request.top_down else free:
        start = _start_in(candidate, request)
        if start is not None:
            return MemRange.from_size(start, request.memsz)
    return None


def locate_hole(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> Hole:
    """Choose where a buffer goes, and say why.

    Raises:
        NoHoleError: No such range.
    """
    found = find_hole(ram, request, taken)
    if found is None:
        raise _no_hole(ram, request, taken)
    direction = "highest" if request.top_down else "lowest"
    return Hole(found, f"{direction} free {format_size(request.memsz)}{_bounds(request)}: {request.why}")


def _start_in(free: MemRange, request: BufferRequest) -> int | None:
    low = max(free.start, request.minimum)
    high = min(free.end, request.maximum)
    start = align_down(high - request.memsz, request.align) if request.top_down else align_up(low, request.align)
    return start if low <= start and start + request.memsz <= high else None


def _bounds(request: BufferRequest) -> str:
    parts = [f" aligned to {format_size(request.align)}"]
    if request.minimum:
        parts.append(f" at or above {format_address(request.minimum)}")
    if request.maximum != NO_LIMIT:
        parts.append(f" below {format_address(request.maximum)}")
    return ",".join(parts)


def _no_hole(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> NoHoleError:
    # Relax one limit after another to find the one that binds; the first relaxation that helps names it.
    asked = f"no place for {request.name} ({format_size(request.memsz)}{_bounds(request)})"
    largest = (ram - taken).largest()
    if not ram:
        return NoHoleError(asked, "there is no usable RAM at all")
    fits = f"the largest free range is {format_size(largest.size)} at {largest}" if largest else "nothing is free"
    limit = _binding_limit(ram, request, taken)
    return NoHoleError(asked, limit, fits=fits)


def _binding_limit(ram: RangeSet, request: BufferRequest, taken: RangeSet) -> str:
    def fits(*, minimum: int = request.minimum, maximum: int = request.maximum, align: int = request.align) -> bool:
        relaxed = BufferRequest(
            request.name, request.bufsz, request.memsz, align, minimum, maximum, request.top_down, request.why
        )
        return find_hole(ram, relaxed, taken) is not None

    if fits(align=PAGE_SIZE):
        return f"its alignment of {format_size(request.align)} leaves no start in any free range"
    if fits(minimum=0):
        return f"nothing fits at or above {format_address(request.minimum)} ({request.why})"
    if fits(maximum=NO_LIMIT):
        return f"nothing fits below {format_address(request.maximum)} ({request.why})"
    if find_hole(ram, request, RangeSet()):
        return "what is placed already takes the room"
    whole = ram.largest()
    if whole and whole.size < request.memsz:
        return f"it is larger than any usable range of RAM ({format_size(whole.size)})"
    return "its limits and what is placed already leave no room together"
