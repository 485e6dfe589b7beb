"""Places of a kernel image that is put at random: how many are in the way, and how many leave no room.

    free room   |--|-------------------------|------|      the region fits nowhere else
    image               |###|                              above it too little, and below it, too: no room
    image                                      |###|       below it is room

Source: arch/x86/boot/compressed/kaslr.c, find_random_phys_addr(): each place is as probable as any other.
"""

from collections.abc import Sequence

from kexeckit.kernel.boot.memblock import fit
from kexeckit.kernel.reservation.facts import KernelImage
from kexeckit.kernel.reservation.search import Window, main_windows
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import align_down, align_up


def image_places(trial: Trial, image: KernelImage, regions: Sequence[MemRange]) -> tuple[int, int]:
    """Count the places that a kernel image can be put at.

    Args:
        trial: The search without the image.
        image: The image.
        regions: Regions that it may be in the way of.

    Returns:
        How many of them share a byte with one of `regions`, and how many there are.
    """
    hit = total = 0
    for free in trial.early.memory.free():
        first, last = _first_and_last(free.range, image)
        total += _count(first, last, image)
        for region in regions:
            hit += _count(max(first, region.start - image.size + 1), min(last, region.end - 1), image)
    return min(hit, total), total


def blocking_places(trial: Trial, image: KernelImage) -> int:
    """Count the places at which a kernel image leaves no room for the main region.

    Args:
        trial: The search without the image.
        image: The image.
    """
    facts, size = trial.facts, trial.request.size
    windows = list(main_windows(trial.request, facts.rules, facts.limits))
    rooms = [free.range for free in trial.early.memory.free()]
    fitting = [room for room in rooms if any(_fits(room, w, size) for w in windows)]
    # Two rooms: it cannot lie in both.
    if len(fitting) != 1:
        return 0
    low, high = _first_and_last(fitting[0], image)
    for window in windows:
        usable = window.range.intersection(fitting[0])
        if usable and _fits(fitting[0], window, size):
            highest = align_down(usable.end - size - window.extra, window.align)
            lowest = align_up(usable.start, window.align)
            low, high = max(low, highest - image.size + 1), min(high, lowest + size + window.extra - 1)
    return _count(low, high, image)


def _fits(room: MemRange, window: Window, size: int) -> bool:
    return fit(room, size + window.extra, window.align, window.range) is not None


def _first_and_last(room: MemRange, image: KernelImage) -> tuple[int, int]:
    end = room.end if image.highest is None else min(room.end, image.highest)
    return align_up(max(room.start, image.lowest), image.align), align_down(max(end - image.size, 0), image.align)


def _count(first: int, last: int, image: KernelImage) -> int:
    # Of its places from first to last, both included.
    low, high = align_up(max(first, 0), image.align), last // image.align * image.align
    return max(0, (high - low) // image.align + 1)
