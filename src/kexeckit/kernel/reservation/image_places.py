"""Places of a kernel image that is put at random: how many are in the way, and how many leave no room.

    free room   |--|-------------------------|------|      the region fits nowhere else
    image               |###|                              above it too little, and below it, too: no room
    image                                      |###|       below it is room

Source: arch/x86/boot/compressed/kaslr.c, find_random_phys_addr(): each place is as probable as any other.
"""

from collections.abc import Iterator, Sequence

from kexeckit.kernel.boot.memblock import fit
from kexeckit.kernel.boot.slots import Slots, count, overlapping
from kexeckit.kernel.reservation.facts import KernelImage
from kexeckit.kernel.reservation.search import Window, main_windows
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.memory.range import MemRange, clip
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
    rows = tuple(_slots(trial, image))
    return overlapping(rows, image.size, regions), count(rows)


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
    low, end = 0, 1 << 64
    for window in windows:
        usable = window.range.intersection(fitting[0])
        if usable and _fits(fitting[0], window, size):
            highest = align_down(usable.end - size - window.extra, window.align)
            lowest = align_up(usable.start, window.align)
            low, end = max(low, highest - image.size + 1), min(end, lowest + size + window.extra)
    between = clip(low, end)
    return overlapping(_slots(trial, image), 1, (between,)) if between else 0


def _fits(room: MemRange, window: Window, size: int) -> bool:
    return fit(room, size + window.extra, window.align, window.range) is not None


def _slots(trial: Trial, image: KernelImage) -> Iterator[Slots]:
    # Its places as they are listed, or all that free memory has.
    if image.slots:
        yield from image.slots
        return
    for free in trial.early.memory.free():
        end = free.range.end if image.highest is None else min(free.range.end, image.highest)
        first, last = align_up(max(free.range.start, image.lowest), image.align), max(end - image.size, 0)
        if first <= last:
            yield Slots(first, align_down(last, image.align), image.align)
