"""What the source cannot show, and what that does to the answer.

Each doubt is worked out, not just mentioned: the search is run with and without what may be there. Where the address
comes out the same, there is no doubt. Where it does not, the possible addresses are candidates, each with what would
decide for it.

    firmware (EFI boot services) memory: given out from the top of each range. If the region's upper bound is
    something that firmware or the boot loader gave out late, what lies below was free; if it is the end of the range
    itself, firmware's own memory lies right there and the region comes to lie lower by its size.
"""

from collections.abc import Iterator
from dataclasses import replace

from kexeckit.formats.cmdline import values
from kexeckit.frozen import dataclass
from kexeckit.kernel.boot.memblock import fit
from kexeckit.kernel.reservation.cma import cma_variants
from kexeckit.kernel.reservation.early import EarlyMemory, early_memory
from kexeckit.kernel.reservation.facts import KernelImage, ReservationInput
from kexeckit.kernel.reservation.request import Request
from kexeckit.kernel.reservation.search import Attempt, Placement, place
from kexeckit.kernel.reservation.words import unmodelled
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, MIB, align_down, align_up

# Beyond this share of the possible places of the kernel image, the likeliest address is no answer any more.
_TOO_LIKELY = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible start of a region, or a row of them.

    Attributes:
        part: ``main`` or ``low``.
        start: The highest possible start; None for "no region at all".
        last: The lowest start of the row; equal to `start` for a single one.
        step: Distance between neighbours in the row; 0 for a single one.
        when: What would decide for it.
    """

    part: str
    start: int | None
    last: int | None
    step: int
    when: str

    def __repr__(self) -> str:
        if self.start is None or self.last is None:
            return f"<Candidate {self.part}: none, if {self.when}>"
        row = f" down to {self.last:#x} by {self.step:#x}" if self.step else ""
        return f"<Candidate {self.part}: {self.start:#x}{row}, if {self.when}>"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that the source cannot show.

    Attributes:
        what: Short name: ``firmware``, ``kernel``, ``initrd``, ``image-end``, ``tops``, ``early``, ``cma``,
            ``mem``, ``words``, ``placement``; of ``kernel``, also that it is not modelled.
        text: In words, with what would decide.
        parts: Regions concerned.
        decides: The address is not determined because of it; otherwise it is a caveat.
        candidates: The possible addresses.
        both_ends: The search was run with the least and with the most that may hold, so the candidates are all that
            can come out.
    """

    what: str
    text: str
    parts: tuple[str, ...] = ()
    decides: bool = False
    candidates: tuple[Candidate, ...] = ()
    both_ends: bool = False


def doubts(facts: ReservationInput, request: Request, early: EarlyMemory, placement: Placement) -> tuple[Doubt, ...]:
    """Return what bears on the answer and is not shown by the source."""
    return tuple(
        d
        for d in (
            _firmware(facts, early, placement),
            _kernel(facts, early, placement),
            _initrd(facts, placement),
            _image_end(facts, request, placement),
            _tops(facts, request, placement),
            _early(facts, request, early, placement),
            _cma(facts, request),
            _cut_off(facts, early, placement),
            _words(facts, placement),
        )
        if d
    )


def placed(placement: Placement) -> Iterator[tuple[str, MemRange]]:
    """Yield the regions of a placement with their names."""
    if placement.main:
        yield "main", placement.main
    if placement.low:
        yield "low", placement.low


def upper_bound(early: EarlyMemory, placement: Placement, part: str, region: MemRange) -> tuple[int, str]:
    """Return the end of the free room that a region was taken from, and what lies there.

    Returns:
        Address and ``window`` (the window ends there), ``end of RAM`` or the name of what is held there.
    """
    window = _found(placement, part).window.range
    room = next(f for f in early.memory.free() if f.range.contains(region))
    if window.end <= room.range.end:
        return window.end, "window"
    holder = next((h.name for h in early.held if h.range.start <= room.range.end < h.range.end), "")
    return room.range.end, holder or "end of RAM"


def _found(placement: Placement, part: str) -> Attempt:
    # The search that a region comes from.
    return next(a for a in reversed(placement.attempts) if a.part == part and a.found is not None)


def _firmware(facts: ReservationInput, early: EarlyMemory, placement: Placement) -> Doubt | None:
    if not facts.unshown.firmware:
        return None
    late = RangeSet(facts.late)
    unsure = []
    rows: list[Candidate] = []
    for part, region in placed(placement):
        end, what = upper_bound(early, placement, part, region)
        room = next(f.range for f in early.memory.free() if f.range.contains(region))
        align = placement.attempts[-1].window.align
        lowest = align_up(room.start, align)
        if what != "window" and end not in late:
            unsure.append(part)
            when = f"lower by as much as boot services memory below {end:#x} takes"
            rows.append(Candidate(part, region.start, lowest, align, when))
        else:
            rows.append(Candidate(part, region.start, region.start, 0, "no boot services memory lies in its way"))
            if lowest < region.start:
                rows.append(Candidate(part, region.start - align, lowest, align, "some lies in its way"))
        rows += _lower_rooms(early, placement, part, region)
    text = (
        "EFI boot services memory is still reserved at that moment and the source does not print it; a boot with "
        "efi=debug would show it"
    )
    return Doubt("firmware", text, tuple(unsure), decides=bool(unsure), candidates=tuple(rows))


def _lower_rooms(early: EarlyMemory, placement: Placement, part: str, region: MemRange) -> list[Candidate]:
    # Where boot services memory fills the room that the region is in, the next lower one is taken.
    attempt = _found(placement, part)
    align = attempt.window.align
    rows = []
    for free in early.memory.free():
        highest = fit(free.range, region.size, align, attempt.window.range)
        if highest is not None and free.range.end <= region.start:
            lowest = align_up(max(free.range.start, attempt.window.range.start), align)
            rows.append(Candidate(part, highest, lowest, align, "boot services memory fills the rooms above"))
    return rows


def _kernel(facts: ReservationInput, early: EarlyMemory, placement: Placement) -> Doubt | None:
    image = facts.unshown.kernel
    if not image:
        return None
    hit, total = image_places(early, image, [r for _, r in placed(placement)])
    if not hit:
        return None
    share = hit / total
    parts = tuple(p for p, r in placed(placement) if image_places(early, image, [r])[0])
    align = placement.attempts[-1].window.align
    rows = []
    for part, region in placed(placement):
        if part in parts:
            lowest = max(align_down(max(region.start - image.size - region.size, 0), align), align)
            rows.append(
                Candidate(
                    part,
                    region.start,
                    region.start,
                    0,
                    f"the kernel image lies elsewhere ({1 - share:.1%} of its places)",
                )
            )
            if lowest < region.start:
                rows.append(Candidate(part, region.start - align, lowest, align, "the kernel image lies in its way"))
    text = (
        f"the source does not show where the kernel image lies; in {share:.1%} of its possible places it is in the "
        'way. "Kernel code" in /proc/iomem would decide'
    )
    return Doubt("kernel", text, parts, decides=share > _TOO_LIKELY, candidates=tuple(rows))


def image_places(early: EarlyMemory, image: KernelImage, regions: list[MemRange]) -> tuple[int, int]:
    """Count the places that a kernel image can be put at.

    Returns:
        How many of them share a byte with one of `regions`, and how many there are.
    """
    hit = total = 0
    for free in early.memory.free():
        first = align_up(max(free.range.start, image.lowest), image.align)
        limit = free.range.end if image.highest is None else min(free.range.end, image.highest)
        last = align_down(max(limit - image.size, 0), image.align)
        if last < first:
            continue
        total += (last - first) // image.align + 1
        for region in regions:
            low = max(first, align_up(max(region.start - image.size + 1, 0), image.align))
            high = min(last, align_down(region.end - 1, image.align))
            hit += max(0, (high - low) // image.align + 1)
    return min(hit, total), total


def _initrd(facts: ReservationInput, placement: Placement) -> Doubt | None:
    # It can only take room away: where nothing fits without it, nothing fits.
    if facts.unshown.initrd is None or not placement.main:
        return None
    near = facts.rules.arch == "arm64" and not facts.unshown.initrd_high
    parts = tuple(p for p, r in placed(placement) if not near or _near_kernel(facts, r))
    if not parts:
        return None
    rows = []
    for part, region in placed(placement):
        align = placement.attempts[-1].window.align
        rows.append(Candidate(part, region.start, region.start, 0, "the initrd does not lie in its way"))
        if region.start >= 2 * align:
            rows.append(Candidate(part, region.start - align, align, align, "it lies in its way"))
        rows.append(Candidate(part, None, None, 0, "it leaves no room"))
    text = "there is an initrd, but the source does not show where; the RAMDISK line of the boot log would decide"
    if facts.unshown.initrd_high:
        text = (
            "there is an initrd, which EFI puts high and the log does not show; /proc/iomem in a capture would decide"
        )
    low = max((r.range.end for r in facts.regions), default=0) <= 4 * GIB
    decides = not facts.unshown.initrd_high or low or any(_near_firmware(facts, r) for _, r in placed(placement))
    if facts.unshown.initrd_high and decides:
        # It may also be in the way of what the kernel places before, and leave room above that.
        rows += [
            Candidate(p, align_down(max(top, r.end) - r.size, align), r.start + align, align, "it is in the way of CMA")
            for p, r in placed(placement)
            if (top := _room_end(facts, placement, p, r)) - r.size >= r.start + align
        ]
    return Doubt("initrd", text, parts, decides=decides, candidates=tuple(rows))


def _room_end(facts: ReservationInput, placement: Placement, part: str, region: MemRange) -> int:
    window = _found(placement, part).window.range
    return min(window.end, max((r.range.end for r in facts.regions), default=region.end))


def _near_firmware(facts: ReservationInput, region: MemRange) -> bool:
    # EFI hands out memory from the top down, first to itself. What it keeps (regions that are not mapped, its tables)
    # shows where that was; kernel and initrd lie below, within what its own memory, free again by now, may take.
    kept = [r.range for r in facts.regions if r.nomap]
    kept += [h.range for h in facts.held if h.by is Taker.EFI_TABLE]
    return any(region.start < span.end < region.end + GIB for span in kept)


def _tops(facts: ReservationInput, request: Request, placement: Placement) -> Doubt | None:
    # Run the search again with the most that early allocations can take at the top of memory.
    size = facts.unshown.tops
    if not size:
        return None
    other = place(early_memory(facts, tops=size).memory, request, facts.rules, facts.limits)
    text = (
        "early page tables and the like lie at the top of memory, and the source does not show how much they take; "
        "memblock=debug would"
    )
    return _differing("tops", text, (placement, "they take next to nothing"), (other, f"they take {size >> 10} KiB"))


def _early(facts: ReservationInput, request: Request, early: EarlyMemory, placement: Placement) -> Doubt | None:
    # The region lies at most where it lies with nothing else taken, and at least where it lies with all taken that is
    # reserved at the end of boot.
    if not facts.unshown.early or not placement.main:
        return None
    full = early.memory.reserve(facts.end_of_boot)
    lowest = dict(placed(place(full, request, facts.rules, facts.limits))) if facts.end_of_boot else {}
    align = placement.attempts[-1].window.align
    rows = []
    for part, region in placed(placement):
        low = lowest.get(part)
        if low == region:
            continue
        last = min(low.start, region.start) if low else min(region.start, align_up(early.memory.start, align))
        step = align if last < region.start else 0
        rows.append(Candidate(part, region.start, last, step, "lower by as much as the kernel takes before"))
        rows += [] if low else [Candidate(part, None, None, 0, "what the kernel takes before leaves no room")]
    text = (
        "what the kernel itself takes before (page tables, node data, CMA) only stands in the boot log; a capture with "
        "the log would decide"
    )
    parts = tuple(dict.fromkeys(row.part for row in rows))
    return Doubt("early", text, parts, decides=True, candidates=tuple(rows)) if rows else None


def _cma(facts: ReservationInput, request: Request) -> Doubt | None:
    # Run the search again for each thing that the kernel may make of cma=.
    sides = [
        (place(early_memory(other).memory, request, other.rules, other.limits), when)
        for when, other in cma_variants(facts)
    ]
    text = (
        "what cma= does depends on CONFIG_DMA_CMA and CONFIG_CMA_SIZE_PERNUMA, and the source does not show whether "
        "the kernel has them; its configuration (/proc/config.gz, /boot/config-*) or a boot with the word would"
    )
    return _differing("cma", text, *sides) if sides else None


def _cut_off(facts: ReservationInput, early: EarlyMemory, placement: Placement) -> Doubt | None:
    # mem= cuts off what EFI put high; the kernel adds it back, wherever it is, with struct pages of its own.
    if not facts.unshown.initrd_high or facts.cmdline == facts.seen_cmdline or not placement.main:
        return None
    hidden = facts.unshown.kernel is not None or facts.unshown.initrd is not None
    if not hidden or values(facts.cmdline, "mem") == values(facts.seen_cmdline, "mem"):
        return None
    align = placement.attempts[-1].window.align
    lowest = align_up(early.memory.start, align)
    parts = tuple(part for part, _ in placed(placement))
    rows = tuple(
        Candidate(p, r.start, min(lowest, r.start), align, "lower by what is added") for p, r in placed(placement)
    )
    text = (
        "mem= cuts off the kernel or the initrd, which EFI puts high and which are added back, and the source does not "
        "show where they are; /proc/iomem in a capture would decide"
    )
    return Doubt("mem", text, parts, decides=True, candidates=rows)


def _words(facts: ReservationInput, placement: Placement) -> Doubt | None:
    found = list(unmodelled(facts))
    if not found:
        return None
    parts = tuple(part for part, _ in placed(placement)) or ("main",)
    rows = tuple(Candidate(p, r.start, r.start, 0, "the word changes nothing there") for p, r in placed(placement))
    text = "; ".join(f"{name}: {effect}, which is not modelled" for name, effect in found)
    return Doubt("words", f"{text}. A boot with the word would decide", parts, decides=True, candidates=rows)


def _near_kernel(facts: ReservationInput, region: MemRange) -> bool:
    # Boot loaders of arm64 put the initrd within the first 128 MiB or right behind them; the device tree follows.
    start = min((r.range.start for r in facts.regions), default=0)
    return region.start < start + 136 * MIB + (facts.unshown.initrd or 64 * MIB)


def _image_end(facts: ReservationInput, request: Request, placement: Placement) -> Doubt | None:
    # Run the search again with the shortest kernel image that the source allows.
    if not any(h.unsure for h in facts.held):
        return None
    short = tuple(replace(h, range=MemRange(h.range.start, h.range.end - h.unsure)) for h in facts.held)
    early = early_memory(replace(facts, held=short))
    other = place(early.memory, request, facts.rules, facts.limits)
    text = 'the end of the kernel image is an estimate; "Kernel bss" in /proc/iomem would decide'
    return _differing("image-end", text, (placement, "the image is long"), (other, "the image is short"))


def _differing(what: str, text: str, *answers: tuple[Placement, str]) -> Doubt | None:
    # A doubt with all answers as candidates, or None where they are the same.
    sides = [(dict(placed(p)), when) for p, when in answers]
    parts = tuple(p for p in ("main", "low") if any(found.get(p) != sides[0][0].get(p) for found, _ in sides))
    rows: list[Candidate] = []
    for part in parts:
        for found, when in sides:
            region = found.get(part)
            start = region.start if region else None
            if start not in [row.start for row in rows if row.part == part]:
                rows.append(Candidate(part, start, start, 0, when))
    return Doubt(what, text, parts, decides=True, candidates=tuple(rows), both_ends=True) if parts else None
