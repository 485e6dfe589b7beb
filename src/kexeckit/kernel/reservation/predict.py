"""The prediction: from a machine's facts to an outcome, its regions, and what they depend on.

Source: see `search`, `request` and `early`; random placement of the x86 kernel: arch/x86/boot/compressed/kaslr.c,
find_random_phys_addr(); boot services memory: arch/x86/platform/efi/quirks.c, efi_reserve_boot_services().
"""

from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.reservation.boot_services import without_assumed
from kexeckit.kernel.reservation.cma import crash_areas
from kexeckit.kernel.reservation.doubt import Candidate, Doubt, doubts
from kexeckit.kernel.reservation.early import EarlyMemory, early_memory
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.kernel.reservation.search import Placement, low_size, place
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, format_size

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
    """

    start: int | None
    size: int
    kind: str
    name: str

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
        regions: The regions whose size is known, with a start where that is known, too. A region that is reserved
            wherever it comes to lie has none.
        problem: Why nothing is reserved, or empty.
        candidates: Possible addresses where the source cannot show which.
        doubts: What the source cannot show and what would decide; also caveats to a determined answer.
        request: What the kernel made of the words.
        early: memblock before the search.
        placement: The search, or None where it did not come to one.
        facts: What the prediction was made from.
    """

    outcome: str
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
    blank = Reservation(NONE, (), "", (), (), request, early, None, facts)
    if facts.below and request.outcome != "none":
        doubt = Doubt("kernel", f"not determined: {facts.below}", ("main",), decides=True)
        return replace(blank, outcome=NOT_DETERMINED, doubts=(doubt,))
    if early.problem:
        return replace(blank, outcome=FAILED, problem=f"the kernel stops: {early.problem}")
    if facts.lacks and request.outcome != "none":
        return replace(blank, outcome=FAILED, problem=f"the kernel is built without {facts.lacks}: it reserves nothing")
    if request.outcome == "refused":
        return replace(blank, outcome=FAILED, problem=_refusal(request, facts.rules))
    if request.outcome == "none":
        return blank if facts.cmdline_known else replace(blank, outcome=NOT_DETERMINED, problem=_NO_CMDLINE)
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
    found = doubts(facts, request, early, placement)
    serious = any(d.decides for d in found)
    candidates = tuple(c for d in found for c in d.candidates)
    if placement.main is None and not serious:
        # ,cma is reserved even so.
        failed = replace(blank, outcome=FAILED, problem=placement.problem, placement=placement)
        return replace(failed, doubts=found, candidates=candidates, regions=_cma_regions(blank, placement, known=True))
    unsure = frozenset(part for d in found if d.decides for part in d.parts)
    regions = (*_regions(placement, request, facts, unsure), *_cma_regions(blank, placement, known=not serious))
    outcome = NOT_DETERMINED if serious and not _fits_anyway(found) else RESERVED
    return replace(blank, outcome=outcome, regions=regions, candidates=candidates, doubts=found, placement=placement)


def _fits_anyway(found: tuple[Doubt, ...]) -> bool:
    # One thing is open, both of its ends were searched with, and each found room: only the address is not determined.
    # Two open things may leave no room together, though neither does alone.
    deciding = [d for d in found if d.decides]
    return len(deciding) == 1 and deciding[0].both_ends and all(c.start is not None for c in deciding[0].candidates)


def _regions(
    placement: Placement, request: Request, facts: ReservationInput, unsure: frozenset[str]
) -> tuple[CrashRegion, ...]:
    out = []
    main = placement.main
    if placement.low:
        start = None if "low" in unsure else placement.low.start
        out.append(CrashRegion(start, placement.low.size, "low", "Crash kernel"))
    start = None if main is None or "main" in unsure else main.start
    out.append(CrashRegion(start, main.size if main else request.size, "main", "Crash kernel"))
    if main is None and request.high:
        low = low_size(request, facts.rules, facts.limits, 1 << 63)
        if low:
            out.insert(0, CrashRegion(None, low, "low", "Crash kernel"))
    return tuple(out)


def _cma_regions(blank: Reservation, placement: Placement, *, known: bool) -> tuple[CrashRegion, ...]:
    if not blank.request.cma:
        return ()
    if not known:
        return (CrashRegion(None, blank.request.cma, "cma", ""),)
    memory = blank.early.memory.reserve(r for r in (placement.main, placement.low) if r)
    areas = crash_areas(memory, blank.request.cma, blank.facts)
    return tuple(CrashRegion(a.start, a.size, "cma", "") for a in areas)


def _unmodelled(blank: Reservation) -> Reservation:
    # The size follows from the rule alone; the place is only documented.
    arch, base = blank.facts.rules.arch, blank.request.base
    doubt = Doubt("placement", _DOCUMENTED.get(arch, "its placement is not modelled"), ("main",), decides=True)
    start = base or None
    usual = (128, 256, 384, 512) if arch == "ppc64" else ()
    candidates = tuple(Candidate("main", m * MIB, m * MIB, 0, f"half the RMA, or its cap, is {m} MiB") for m in usual)
    if start:
        candidates = (Candidate("main", start, start, 0, "the address that was asked for is free"),)
    region = CrashRegion(None, blank.request.size, "main", "Crash kernel")
    return replace(
        blank, outcome=NOT_DETERMINED, regions=(region,), doubts=(replace(doubt, candidates=candidates),),
        candidates=candidates,
    )  # fmt: skip


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
