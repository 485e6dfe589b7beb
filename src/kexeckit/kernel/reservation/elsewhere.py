"""Doubts about what somebody else places: the kernel image, the initrd, EFI firmware's memory.

Where a source shows the place, it is that of one boot. The next boot draws it anew: KASLR the image's, the boot loader
the initrd's, firmware its own. Where the source does not even show it, the same is asked about this boot.

    firmware (EFI boot services) memory: given out from the top of each range. If the region's upper bound is
    something that firmware or the boot loader gave out late, what lies below was free; if it is the end of the range
    itself, firmware's own memory lies right there and the region comes to lie lower by its size.
"""

from collections.abc import Iterator

from kexeckit.kernel.certainty import Certainty, of_share
from kexeckit.kernel.reservation.doubt import Candidate, Doubt, Takes
from kexeckit.kernel.reservation.facts import KernelImage
from kexeckit.kernel.reservation.image_places import blocking_places, image_places
from kexeckit.kernel.reservation.trial import Piece, Trial, anywhere_below, in_the_way, placed, single
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, MIB, align_down

_LOADED = (Taker.INITRD, Taker.DEVICE_TREE)
_BY_ADDRESS = (*_LOADED, Taker.FIRMWARE)


def elsewhere(trial: Trial) -> Iterator[Doubt | None]:
    """Yield the doubts, None for what is no doubt here."""
    yield from _firmware(trial)
    yield _kernel(trial)
    yield _hidden_initrd(trial)
    yield _loaded_again(trial)
    yield _free_loader(trial)
    yield _told_by_address(trial)


def upper_bound(trial: Trial, part: str, region: MemRange) -> tuple[int, str]:
    """Return the end of the free room that a region was taken from, and what lies there.

    Returns:
        Address and ``window`` (the window ends there), ``end of RAM`` or the name of what is held there.
    """
    window, room = trial.window(part).range, trial.room(region)
    if window.end <= room.end:
        return window.end, "window"
    holder = next((h.name for h in trial.early.held if h.range.start <= room.end < h.range.end), "")
    return room.end, holder or "end of RAM"


def _firmware(trial: Trial) -> Iterator[Doubt]:
    facts = trial.facts
    if not (facts.unshown.firmware or facts.unshown.firmware_anew):
        return
    late = RangeSet(facts.late)
    ends = {part: upper_bound(trial, part, region) for part, region in trial.regions.items()}
    unsure = [p for p, (end, what) in ends.items() if facts.unshown.firmware and what != "window" and end not in late]
    text = "EFI firmware's boot services memory is still reserved at that moment, and "
    text += (
        "the source does not print it; a boot with efi=debug would show it"
        if facts.unshown.firmware
        else "at the next boot it may lie elsewhere"
    )
    for parts, more in ((unsure, ""), ([p for p in ends if p not in unsure], _LATE if unsure else "")):
        rows = [
            row for part in parts for row in _beside_firmware(trial, part, ends[part][0] if part in unsure else None)
        ]
        address = Certainty.OPEN if parts == unsure and not facts.unshown.firmware_modelled else Certainty.LIKELY
        if parts:
            yield Doubt(
                "firmware", text + more, tuple(parts), address, Certainty.LIKELY, candidates=tuple(rows), takes=None
            )


_LATE = "; what was given out last bounds the region, so that none is likely to lie in its way"


def _beside_firmware(trial: Trial, part: str, end: int | None) -> Iterator[Candidate]:
    when = "no boot services memory lies " + ("in its way" if end is None else f"below {end:#x}")
    yield single(part, trial.regions[part], when)
    yield from anywhere_below(trial, part, "some lies in its way")
    yield from _no_room(trial)


def _no_room(trial: Trial) -> list[Candidate]:
    # At a given address it has been said already.
    return [] if trial.request.base else [single("main", None, "it leaves no room")]


def _kernel(trial: Trial) -> Doubt | None:
    image = trial.facts.unshown.kernel
    if not image:
        return None
    hit, total = image_places(trial, image, list(trial.regions.values()))
    if not hit:
        return None
    rows: list[Candidate] = []
    parts = []
    for part, region in trial.regions.items():
        mine = image_places(trial, image, [region])[0]
        if mine:
            parts.append(part)
            rows.append(single(part, region, "the kernel image lies elsewhere", 1 - mine / total))
            rows += in_the_way(trial, part, _piece(image), "the kernel image lies in its way")
    share = 1 - hit / total
    room = 1 - blocking_places(trial, image) / total
    where = (
        "at the next boot the kernel image lies at another random place"
        if trial.facts.next_boot
        else ("the source does not show where the kernel image lies")
    )
    text = f"{where}; in {hit / total:.1%} of its possible places it is in the way"
    text += "" if trial.facts.next_boot else '. "Kernel code" in /proc/iomem would decide'
    moved = [h.range.size for h in trial.early.held if h.by is Taker.NODE_DATA]
    takes = Takes(1 + len(moved), image.size + sum(moved))
    return Doubt(
        "kernel", text, tuple(parts), of_share(share), of_share(room), share, candidates=tuple(rows), takes=takes
    )


def _piece(image: KernelImage) -> Piece:
    if image.slots:
        return Piece(image.size, min(s.first for s in image.slots), max(s.last for s in image.slots))
    return Piece(image.size, image.lowest, (image.highest or 1 << 64) - image.size)


def _loaded_again(trial: Trial) -> Doubt | None:
    # The boot loader has put the initrd somewhere, and will do so again; the answer has it at the place that was seen.
    facts = trial.facts
    held = [h for h in facts.held if h.by in _LOADED]
    if not facts.next_boot or not held:
        return None
    free = trial.without(_LOADED)
    size = max(h.range.size for h in held)
    reach = facts.unshown.loader_reach
    rows: list[Candidate] = []
    parts = []
    for part in ("main", "low"):
        region, top = trial.regions.get(part), free.regions.get(part)
        piece = Piece(size, 0, max(reach - size, 0))
        lower = list(in_the_way(free, part, piece, "the initrd lies in its way")) if top else []
        if region == top and not lower:
            continue
        parts.append(part)
        rows.append(single(part, region, "the boot loader puts the initrd where it was"))
        if top and top != region:
            rows += _higher(free, part, region, top)
        rows += lower
    if not parts:
        return None
    text = "the boot loader places the initrd anew at every boot; the answer has it where it was"
    takes = Takes(len(held), sum(h.range.size for h in held))
    return Doubt("initrd", text, tuple(parts), candidates=tuple(rows), takes=takes)


def _free_loader(trial: Trial) -> Doubt | None:
    # Where an initrd is placed anew, that is the doubt; without one there is still what else such a loader places.
    facts = trial.facts
    shown = any(h.by in _LOADED for h in facts.held) or facts.unshown.initrd is not None
    if not facts.unshown.loader_anywhere or not facts.next_boot or shown or not trial.regions:
        return None
    rows: list[Candidate] = []
    for part, region in trial.regions.items():
        rows.append(single(part, region, "the boot loader uses the places it used"))
        rows += anywhere_below(trial, part, "something of the boot loader's lies in its way")
    text = "the boot loader places the kernel and what goes with it anew at every boot; the answer has it where it was"
    return Doubt("loader", text, tuple(trial.regions), candidates=tuple(rows), takes=None)


def _told_by_address(trial: Trial) -> Doubt | None:
    # What of /proc/iomem's reserved ranges was there before is told by its place alone. It does not matter where the
    # region is the same without it, and no reserved range lies in it.
    facts = trial.facts
    if facts.rules.arch != "arm64" or facts.next_boot or not any(h.by in _BY_ADDRESS for h in facts.held):
        return None
    free = trial.without(_BY_ADDRESS)
    parts = []
    rows: list[Candidate] = []
    for part in ("main", "low"):
        region, top = trial.regions.get(part), free.regions.get(part)
        if region == top and not (region and facts.reserved_later.overlapping(region)):
            continue
        parts.append(part)
        rows.append(single(part, region, "what was reserved first is what its place tells"))
        rows += [single(part, top, "that was reserved later")] if top != region else []
    text = (
        "/proc/iomem does not tell what was reserved before the crash kernel's turn came; what cannot be the kernel's "
        "own by its place is taken for it; memblock=debug would show it"
    )
    return Doubt("by-address", text, tuple(parts), candidates=tuple(rows), takes=None) if parts else None


def _higher(free: Trial, part: str, region: MemRange | None, top: MemRange) -> Iterator[Candidate]:
    align = free.window(part).align
    when = "the initrd lies elsewhere"
    if region and region.start < top.start and region.size == top.size:
        last = region.start + align
        yield Candidate(part, top.start, min(last, top.start), align if last < top.start else 0, when)
    else:
        yield single(part, top, when)


def _hidden_initrd(trial: Trial) -> Doubt | None:
    # It can only take room away: where nothing fits without it, nothing fits.
    unshown, regions = trial.facts.unshown, trial.regions
    if unshown.initrd is None or not trial.placement.main:
        return None
    rows: list[Candidate] = []
    for part, region in regions.items():
        rows.append(single(part, region, "the initrd does not lie in its way"))
        rows += anywhere_below(trial, part, "it lies in its way")
        rows += _no_room(trial)
    text = "there is an initrd, but the source does not show where; the RAMDISK line of the boot log would decide"
    if unshown.initrd_high:
        text = (
            "there is an initrd, which EFI puts high and the log does not show; /proc/iomem in a capture would decide"
        )
    likely = _far_from_loader(trial)
    if unshown.initrd_high and not likely:
        # It may also be in the way of what the kernel places before, and leave room above that.
        rows += _above(trial)
    takes = Takes(1, unshown.initrd) if unshown.initrd else None
    address = Certainty.LIKELY if likely else Certainty.OPEN
    return Doubt("initrd", text, tuple(regions), address, candidates=tuple(rows), takes=takes)


def _far_from_loader(trial: Trial) -> bool:
    # Where loaders of arm64 usually put an initrd: within the first 128 MiB or right behind them, the device tree
    # behind it; with EFI, below what firmware keeps for itself. None of it is a rule, so the answer is never certain.
    unshown, regions = trial.facts.unshown, trial.regions
    if trial.facts.rules.arch != "arm64":
        return False
    if not unshown.initrd_high:
        return not any(_near_kernel(trial, r) for r in regions.values())
    low = max((r.range.end for r in trial.facts.regions), default=0) <= 4 * GIB
    return not low and not any(_near_firmware(trial, r) for r in regions.values())


def _near_kernel(trial: Trial, region: MemRange) -> bool:
    start = min((r.range.start for r in trial.facts.regions), default=0)
    return region.start < start + 136 * MIB + (trial.facts.unshown.initrd or 64 * MIB)


def _near_firmware(trial: Trial, region: MemRange) -> bool:
    # EFI hands out memory from the top down, first to itself. What it keeps (regions that are not mapped, its tables)
    # shows where that was; kernel and initrd lie below, within what its own memory, free again by now, may take.
    kept = [r.range for r in trial.facts.regions if r.nomap]
    kept += [h.range for h in trial.facts.held if h.by is Taker.EFI_TABLE]
    return any(region.start < span.end < region.end + GIB for span in kept)


def _above(trial: Trial) -> Iterator[Candidate]:
    for part, region in placed(trial.placement):
        window = trial.window(part)
        top = min(window.range.end, max((r.range.end for r in trial.facts.regions), default=region.end))
        highest, last = align_down(max(top, region.end) - region.size, window.align), region.start + window.align
        if highest >= last:
            yield Candidate(part, highest, last, window.align, "it is in the way of CMA")
