"""The prediction: from a machine's facts to an outcome, its regions, and what they depend on.

Source: see `search`, `request` and `early`; random placement of the x86 kernel: arch/x86/boot/compressed/kaslr.c,
find_random_phys_addr(); boot services memory: arch/x86/platform/efi/quirks.c, efi_reserve_boot_services().
"""

from collections.abc import Iterator
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.certainty import Certainty, least_certain
from kexeckit.kernel.reservation.boot_services import without_assumed
from kexeckit.kernel.reservation.cma import crash_areas
from kexeckit.kernel.reservation.doubt import Candidate, Doubt
from kexeckit.kernel.reservation.doubts import (
    address_certainty,
    all_candidates,
    doubts,
    outcome_certainty,
    size_certainty,
)
from kexeckit.kernel.reservation.early import EarlyMemory, early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.kernel.reservation.search import Placement, low_size, place
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, align_down, align_up, format_size

RESERVED = "reserved"
FAILED = "failed"
NONE = "none"
NOT_DETERMINED = "not-determined"
_NO_CMDLINE = "no source shows the command line that this kernel was booted with"


@dataclass(frozen=True, slots=True)
class CrashRegion:
    """One region of the reservation.

    Attributes:
        start: First byte, or None where the address is not determined.
        size: Bytes; exact, not rounded.
        kind: ``main``, ``low`` or ``cma``.
        name: Its name in /proc/iomem; empty where it does not appear there.
        size_certainty: How sure the size is.
        address_certainty: How sure the start is; open where there is none.
        share: In how much of what can be counted (0 to 1) the start is the one given; None where nothing can be.
    """

    start: int | None
    size: int
    kind: str
    name: str
    size_certainty: Certainty = Certainty.CERTAIN
    address_certainty: Certainty = Certainty.CERTAIN
    share: float | None = None

    @property
    def range(self) -> MemRange | None:
        """Its addresses, or None where they are not determined."""
        return None if self.start is None else MemRange.from_size(self.start, self.size)

    def __str__(self) -> str:
        return f"{self.kind} {self.range or 'at an address that is not determined'}, {format_size(self.size)}"

    def __repr__(self) -> str:
        return f"<Region {self}>"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a kernel reserves.

    Attributes:
        outcome: ``reserved``, ``failed`` (asked for, not given), ``none`` (not asked for) or ``not-determined``.
        certainty: How sure the outcome is; open where it is not determined.
        regions: The regions whose size is known, with a start where one is at least likely.
        problem: Why nothing is reserved, or empty.
        candidates: Possible addresses where the source cannot show which.
        doubts: What the source cannot show and what would decide; also caveats to a determined answer.
        request: What the kernel made of the words.
        early: memblock before the search.
        placement: The search, or None where it did not come to one.
        facts: What the prediction was made from.
    """

    outcome: str
    certainty: Certainty
    regions: tuple[CrashRegion, ...]
    problem: str
    candidates: tuple[Candidate, ...]
    doubts: tuple[Doubt, ...]
    request: Request
    early: EarlyMemory
    placement: Placement | None
    facts: ReservationInput


def predict_reservation(facts: ReservationInput) -> Reservation:
    """Predict what a kernel reserves for crashkernel=.

    Args:
        facts: The machine, its kernel and its command line.
    """
    early = early_memory(facts)
    request = evaluate(facts.cmdline, early.total, facts.rules)
    # What the words alone decide depends on the kernel, too, and that may be assumed.
    sure = Certainty.LIKELY if facts.assumed else Certainty.CERTAIN
    blank = Reservation(NONE, sure, (), "", (), (), request, early, None, facts)
    if facts.below and request.outcome != "none":
        doubt = Doubt("kernel", f"not determined: {facts.below}", ("main",), Certainty.OPEN, Certainty.OPEN)
        return _open(replace(blank, doubts=(doubt,)))
    if early.problem:
        return replace(blank, outcome=FAILED, problem=f"the kernel stops: {early.problem}")
    if facts.lacks and request.outcome != "none":
        return replace(blank, outcome=FAILED, problem=f"the kernel is built without {facts.lacks}: it reserves nothing")
    if request.outcome == "refused":
        return replace(blank, outcome=FAILED, problem=_refusal(request, facts.rules))
    if request.outcome == "none":
        return blank if facts.cmdline_known else _open(replace(blank, problem=_NO_CMDLINE))
    if facts.xen_pv and facts.rules.arch in ("x86_64", "i386"):
        return replace(blank, outcome=FAILED, problem="Ignoring crashkernel for a Xen PV domain")
    if not facts.rules.modelled:
        return _unmodelled(blank)
    return _searched(blank)


def _searched(blank: Reservation) -> Reservation:
    facts, request, early = blank.facts, blank.request, blank.early
    placement = place(early.memory, request, facts.rules, facts.limits)
    lighter = without_assumed(facts)
    if placement.main is None and lighter is not facts:
        # What is only assumed must not be what leaves no room.
        return _searched(replace(blank, facts=lighter, early=early_memory(lighter)))
    trial = Trial(facts, request, early, placement)
    found = doubts(trial)
    certainty = outcome_certainty(trial, found)
    done = replace(
        blank, certainty=certainty, candidates=all_candidates(found), doubts=found, placement=placement
    )  # fmt: skip
    if placement.main is None and certainty is not Certainty.OPEN:
        # ,cma is reserved even so.
        return replace(done, outcome=FAILED, problem=placement.problem, regions=_cma_regions(done, placement))
    areas = _cma_regions(done, placement)
    done = replace(done, candidates=(*done.candidates, *_cma_rows(done, areas)))
    regions = (*_regions(done, placement), *areas)
    return replace(done, outcome=NOT_DETERMINED if certainty is Certainty.OPEN else RESERVED, regions=regions)


def _open(blank: Reservation) -> Reservation:
    return replace(blank, outcome=NOT_DETERMINED, certainty=Certainty.OPEN)


def _regions(done: Reservation, placement: Placement) -> tuple[CrashRegion, ...]:
    request, facts = done.request, done.facts
    out = []
    if placement.low:
        out.append(_sure(done, CrashRegion(placement.low.start, placement.low.size, "low", "Crash kernel")))
    main = placement.main
    if main:
        out.append(_sure(done, CrashRegion(main.start, main.size, "main", "Crash kernel")))
        return tuple(out)
    out.append(_nowhere(request.size, "main"))
    low = low_size(request, facts.rules, facts.limits, 1 << 63) if request.high else 0
    return (_nowhere(low, "low"), *out) if low else tuple(out)


def _sure(done: Reservation, region: CrashRegion) -> CrashRegion:
    # Neither size nor address is surer than that there is a region.
    address, share = address_certainty(done.doubts, region.kind)
    address = least_certain((address, done.certainty))
    size = least_certain((size_certainty(done.doubts, region.kind, done.certainty), done.certainty))
    start = None if address is Certainty.OPEN else region.start
    return replace(region, start=start, size_certainty=size, address_certainty=address, share=share)


def _nowhere(size: int, kind: str) -> CrashRegion:
    return CrashRegion(None, size, kind, "Crash kernel", Certainty.OPEN, Certainty.OPEN)


def _cma_regions(done: Reservation, placement: Placement) -> tuple[CrashRegion, ...]:
    # Wherever anything else may lie elsewhere, these may, too.
    asked = done.request.cma
    if not asked:
        return ()
    if any(d.decides for d in done.doubts):
        return (CrashRegion(None, asked, "cma", "", Certainty.OPEN, Certainty.OPEN),)
    memory = done.early.memory.reserve(r for r in (placement.main, placement.low) if r)
    sure = Certainty.LIKELY if done.doubts or done.facts.next_boot else Certainty.CERTAIN
    return tuple(
        CrashRegion(a.start, a.size, "cma", "", sure, sure) for a in crash_areas(memory, asked, done.facts)
    )  # fmt: skip


def _cma_rows(done: Reservation, areas: tuple[CrashRegion, ...]) -> Iterator[Candidate]:
    # Areas take what room the other regions leave, anywhere.
    memory, align = done.early.memory, done.facts.rules.cma_align
    for size in sorted({a.size for a in areas if a.address_certainty is Certainty.LIKELY}):
        highest = align_down(max(memory.end - size, 0), align)
        lowest = align_up(memory.start, align)
        if lowest <= highest:
            when = "what is placed before lies elsewhere"
            yield Candidate("cma", highest, lowest, align if lowest < highest else 0, when)


def _unmodelled(blank: Reservation) -> Reservation:
    # The size follows from the rule alone; the place is only documented.
    arch, base = blank.facts.rules.arch, blank.request.base
    doubt = Doubt(
        "placement", _DOCUMENTED.get(arch, "its placement is not modelled"), ("main",), Certainty.OPEN, Certainty.OPEN
    )
    start = base or None
    usual = (128, 256, 384, 512) if arch == "ppc64" else ()
    candidates = tuple(Candidate("main", m * MIB, m * MIB, 0, f"half the RMA, or its cap, is {m} MiB") for m in usual)
    if start:
        candidates = (Candidate("main", start, start, 0, "the address that was asked for is free"),)
    region = CrashRegion(None, blank.request.size, "main", "Crash kernel", Certainty.CERTAIN, Certainty.OPEN)
    doubt = replace(doubt, candidates=candidates)
    return _open(replace(blank, regions=(region,), doubts=(doubt,), candidates=candidates))


_DOCUMENTED = {
    "riscv64": "riscv64: highest 2 MiB aligned room below 4 GiB, else above; what was reserved before is not modelled",
    "ppc64": "ppc64: half of the first memory area (RMA), at most 512 MiB on an LPAR and 128 MiB elsewhere; the size "
    "of the RMA is not known here",
    "s390x": "s390x: highest 1 MiB aligned room of the identity mapping; what was reserved before is not modelled",
    "loongarch64": "loongarch64: highest 2 MiB aligned room below 4 GiB, else above; what was reserved before is not "
    "modelled",
}


def _refusal(request: Request, rules: CrashRules) -> str:
    if request.messages:
        return request.messages[-1]
    if rules.words == "plain" and request.word.endswith(rules.suffixes or "\0"):
        return "this kernel passes over words with a suffix, without a message"
    return "the value is refused without a message: the size is zero, or not smaller than RAM"
