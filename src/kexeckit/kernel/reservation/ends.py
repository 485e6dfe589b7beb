"""Doubts with two ends: the search is run with the least and with the most that may hold, and the answers compared.

Where both answers are equal there is no doubt, if both ends have a source. An end that is only an estimate leaves the
answer likely, as long as what it stands for may come to lie in the region's way.
"""

from collections.abc import Iterator
from dataclasses import replace

from kexeckit.formats.cmdline import values
from kexeckit.kernel.boot.held import Held
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.reservation.cma import cma_variants
from kexeckit.kernel.reservation.doubt import Candidate, Doubt, Takes
from kexeckit.kernel.reservation.trial import Regions, Trial, anywhere_below, single
from kexeckit.kernel.reservation.words import unmodelled
from kexeckit.machine.arch import X86
from kexeckit.machine.taken import Taker
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, align_up

# No image of x86 is larger: arch/x86/include/asm/page_64_types.h, KERNEL_IMAGE_SIZE with RANDOMIZE_BASE.
_LARGEST_IMAGE = GIB


def two_ended(trial: Trial) -> Iterator[Doubt | None]:
    """Yield the doubts, None for what is no doubt here."""
    yield _image_end(trial)
    yield _tops(trial)
    yield _early(trial)
    yield _cma(trial)
    yield _cut_off(trial)
    yield _words(trial)


def _image_end(trial: Trial) -> Doubt | None:
    # Run the search again with the shortest kernel image that the source allows.
    facts = trial.facts
    if not any((h.unsure or h.estimate) and _matters(trial, h) for h in facts.held):
        return None
    short = tuple(replace(h, range=MemRange(h.range.start, h.range.end - h.unsure)) for h in facts.held)
    other = trial.of(replace(facts, held=short))
    text = 'the end of the kernel image is an estimate; "Kernel bss" in /proc/iomem would decide'
    found = _differing("image-end", text, (trial.regions, "the image is long"), (other.regions, "the image is short"))
    if found or all(h.by is not Taker.KERNEL_IMAGE or not h.estimate for h in facts.held):
        return found
    image = next(h.range for h in facts.held if h.by is Taker.KERNEL_IMAGE)
    limit = image.start + _LARGEST_IMAGE if facts.rules.arch in X86 else 1 << 64
    parts = tuple(p for p, r in trial.regions.items() if image.start < r.start < limit)
    rows = _estimated(trial, parts, "the image ends below it", "the image is longer and lies in its way")
    if not trial.request.base:
        rows += (single("main", None, "the image leaves no room"),)
    takes = Takes(1, _LARGEST_IMAGE) if facts.rules.arch in X86 else None
    return Doubt("image-end", text, parts, candidates=rows, takes=takes) if parts else None


def _matters(trial: Trial, held: Held) -> bool:
    # The search takes the highest room, so what ends below the regions has no part in it, unless it reaches them.
    below = held.estimate or trial.facts.rules.bottom_up or trial.request.base or not trial.placement.main
    return bool(below) or any(r.start < held.range.end for r in trial.regions.values())


def _tops(trial: Trial) -> Doubt | None:
    # Run the search again with the most that early allocations can take at the top of memory, and with nothing.
    facts, size = trial.facts, trial.facts.unshown.tops
    if not size and not facts.node_data:
        return None
    sides = [(trial.regions, "they take what is usual")]
    if facts.node_data:
        sides.append((trial.of(replace(facts, node_data=0)).regions, "they take nothing"))
    if size:
        sides.append((trial.of(facts, tops=size).regions, f"they take {size >> 10} KiB more"))
    text = (
        "node data, early page tables and the like lie at the top of memory, and the source does not show how much "
        "they take; memblock=debug would"
    )
    found = _differing("tops", text, *sides)
    if found:
        return replace(found, takes=Takes(*_at_tops(trial, size + facts.node_data)))
    # Equal at both ends, but the upper one is an estimate: they grow downwards from the top of each node.
    bare = trial.of(replace(facts, node_data=0)) if facts.node_data else trial
    ends = {r.range.end for r in bare.early.memory.regions}
    parts = tuple(
        p for p, r in bare.regions.items() if bare.room(r).end in ends and bare.window(p).range.end >= bare.room(r).end
    )
    shown = tuple(p for p in parts if p in trial.regions)
    rows = _estimated(trial, shown, "they take no more than is usual", "they take more")
    return Doubt("tops", text, shown, candidates=rows, takes=Takes(*_at_tops(trial, size))) if rows else None


def _estimated(trial: Trial, parts: tuple[str, ...], holds: str, more: str) -> tuple[Candidate, ...]:
    # The answer, and where the region goes if what no source bounds takes more than its estimate.
    rows: list[Candidate] = []
    for part in parts:
        rows.append(single(part, trial.regions[part], holds))
        rows += anywhere_below(trial, part, more)
    return tuple(rows)


def _at_tops(trial: Trial, size: int) -> tuple[int, int]:
    nodes = {r.node for r in trial.early.memory.regions}
    return len(nodes), len(nodes) * size


def _early(trial: Trial) -> Doubt | None:
    # The region lies at most where it lies with nothing else taken, and at least where it lies with all taken that is
    # reserved at the end of boot.
    facts, memory = trial.facts, trial.early.memory
    if not facts.unshown.early or not trial.placement.main:
        return None
    lowest = trial.again(memory.reserve(facts.end_of_boot)) if facts.end_of_boot else {}
    rows: list[Candidate] = []
    for part, region in trial.regions.items():
        align = trial.window(part).align
        low = lowest.get(part)
        if low == region:
            continue
        last = min(low.start, region.start) if low else min(region.start, align_up(memory.start, align))
        step = align if last < region.start else 0
        rows.append(Candidate(part, region.start, last, step, "lower by as much as the kernel takes before"))
        rows += [] if low else [single(part, None, "what the kernel takes before leaves no room")]
    text = (
        "what the kernel itself takes before (page tables, node data, CMA) only stands in the boot log; a capture with "
        "the log would decide"
    )
    parts = tuple(dict.fromkeys(row.part for row in rows))
    outcome = Certainty.CERTAIN if all(row.start is not None for row in rows) else Certainty.OPEN
    return Doubt("early", text, parts, Certainty.OPEN, outcome, candidates=tuple(rows)) if rows else None


def _cma(trial: Trial) -> Doubt | None:
    # Run the search again for each thing that the kernel may make of cma=.
    sides = [(trial.of(other).regions, when) for when, other in cma_variants(trial.facts)]
    text = (
        "what cma= does depends on CONFIG_DMA_CMA and CONFIG_CMA_SIZE_PERNUMA, and the source does not show whether "
        "the kernel has them; its configuration (/proc/config.gz, /boot/config-*) or a boot with the word would"
    )
    return _differing("cma", text, *sides) if sides else None


def _cut_off(trial: Trial) -> Doubt | None:
    # mem= cuts off what EFI put high; the kernel adds it back, wherever it is, with struct pages of its own.
    facts = trial.facts
    if not facts.unshown.initrd_high or facts.cmdline == facts.seen_cmdline or not trial.placement.main:
        return None
    hidden = facts.unshown.kernel is not None or facts.unshown.initrd is not None
    if not hidden or values(facts.cmdline, "mem") == values(facts.seen_cmdline, "mem"):
        return None
    rows = []
    for part, region in trial.regions.items():
        align = trial.window(part).align
        lowest = min(align_up(trial.early.memory.start, align), region.start)
        rows.append(Candidate(part, region.start, lowest, align, "lower by what is added"))
    text = (
        "mem= cuts off the kernel or the initrd, which EFI puts high and which are added back, and the source does not "
        "show where they are; /proc/iomem in a capture would decide"
    )
    return Doubt("mem", text, tuple(trial.regions), Certainty.OPEN, Certainty.OPEN, candidates=tuple(rows))


def _words(trial: Trial) -> Doubt | None:
    found = list(unmodelled(trial.facts))
    if not found:
        return None
    parts = tuple(trial.regions) or ("main",)
    rows = tuple(single(p, r, "the word changes nothing there") for p, r in trial.regions.items())
    text = "; ".join(f"{name}: {effect}, which is not modelled" for name, effect in found)
    text += ". A boot with the word would decide"
    return Doubt("words", text, parts, Certainty.OPEN, Certainty.OPEN, candidates=rows)


def _differing(what: str, text: str, *sides: tuple[Regions, str]) -> Doubt | None:
    # A doubt with all answers as candidates, or None where they are the same.
    first = sides[0][0]
    parts = tuple(p for p in ("main", "low") if any(found.get(p) != first.get(p) for found, _ in sides))
    rows: list[Candidate] = []
    for part in parts:
        for found, when in sides:
            row = single(part, found.get(part), when)
            if row.start not in [r.start for r in rows if r.part == part]:
                rows.append(row)
    if not parts:
        return None
    fits = [found.get("main") is not None for found, _ in sides]
    outcome = Certainty.CERTAIN if len(set(fits)) == 1 else Certainty.OPEN
    return Doubt(what, text, parts, Certainty.OPEN, outcome, candidates=tuple(rows))
