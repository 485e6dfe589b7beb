"""Whether there is room wherever unknown things lie: what makes an outcome certain although an address is not.

    room    |---------------------------------------------|   5 regions fit side by side
    worst   |----- x|----- x|-----...                         a piece in each gap leaves none of them room

A room is only closed by pieces that leave no gap of a region's size between them. So it takes a number of pieces, and
bytes: each byte of a piece makes the gaps smaller, too. Where fewer pieces are unknown than it takes, a region fits.
"""

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.doubt import Takes
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.search import Limits, Window, low_size, low_window, main_windows
from kexeckit.memory.units import PAGE_SIZE

# Above every address: a main region that surely lies too high for DMA.
_HIGH = 1 << 63


def always_room(memory: Memblock, request: Request, rules: CrashRules, limits: Limits, takes: Takes) -> bool:
    """Say whether a search succeeds wherever a number of pieces lie.

    Args:
        memory: memblock without them.
        request: What is asked for, at no given address.
        rules: The kernel's rules.
        limits: The machine's limits.
        takes: The pieces.
    """
    for window in main_windows(request, rules, limits):
        if not fits_beside(memory, window, request.size + window.extra, takes):
            continue
        low = low_window(rules, limits)
        size = low_size(request, rules, limits, _HIGH)
        below = window.range.end <= low.range.end and not (rules.low_needs_room_below or rules.low_always)
        if not size or below or rules.low_optional:
            return True
        # The main region may itself be one more piece in the low part's way.
        more = Takes(takes.pieces + 1, takes.size + request.size)
        return fits_beside(
            memory, low_window(rules, limits, size), size, more if low.range.overlaps(window.range) else takes
        )
    return False


def fits_beside(memory: Memblock, window: Window, size: int, takes: Takes) -> bool:
    """Say whether so many bytes fit into a window wherever a number of pieces lie.

    Args:
        memory: memblock without the pieces.
        window: The window.
        size: Bytes of what is to fit.
        takes: The pieces.
    """
    rooms = (window.range.intersection(free.range) for free in memory.free())
    return pieces_to_fill([r.size for r in rooms if r], size + window.align - PAGE_SIZE, takes.size) > takes.pieces


def pieces_to_fill(rooms: list[int], size: int, taken: int) -> int:
    """Return how many pieces it takes at least until nothing of `size` bytes fits into any of some rooms.

    Args:
        rooms: Bytes of each room.
        size: Bytes of what is to fit, alignment included.
        taken: Bytes of all pieces together.
    """
    # A room with pieces of s bytes in it is closed by no fewer than (room - s) // size of them; s is spent where it
    # saves most: first what is left over in each room.
    pieces = sum(room // size for room in rooms)
    for spare in sorted(room % size + 1 for room in rooms if room >= size):
        if spare > taken or not pieces:
            break
        taken, pieces = taken - spare, pieces - 1
    return max(pieces - taken // size, 0)
