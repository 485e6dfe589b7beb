"""What a kernel reserved, as /proc/iomem or its boot log show it, beside what is predicted.

/proc/iomem comes first: it has addresses to the byte, and both regions. A log tells of a failure, which a listing shows
as nothing. What user space makes of the names:

    "Crash kernel"          taken by every kexec-tools: an old one takes the first, a current one the last of them
    "Crash kernel (low)"    taken by none: the search is for the name and the end of the line

Source: arch/x86/kernel/setup.c, arch/arm64/mm/init.c (to 6.6), kernel/crash_reserve.c (resources and messages);
kexec-tools kexec/kexec-iomem.c, parse_iomem_single(), kexec_iomem_for_each_line().
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.observed import NO_CMDLINE, OTHER_WORDS, Agreement, Compared, not_compared
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.predict import FAILED, NONE, NOT_DETERMINED, RESERVED, CrashRegion, Reservation
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import Machine
from kexeckit.memory.resource import CRASH_KERNEL, CRASH_KERNEL_LOW, ResourceTree
from kexeckit.memory.units import MIB


@dataclass(frozen=True, slots=True)
class ObservedReservation:
    """What the kernel did.

    Attributes:
        outcome: ``reserved``, ``failed`` (the log says so) or ``none`` (there is no region).
        regions: The regions, lowest first; the highest is the main one.
        source: Where that is seen.
        exact: Addresses are known to the byte; otherwise they are whole MiB, rounded down.
        message: The kernel's words for a failure, or empty.
    """

    outcome: str
    regions: tuple[CrashRegion, ...]
    source: str
    exact: bool = True
    message: str = ""

    def __repr__(self) -> str:
        places = "; ".join(map(str, self.regions))
        return f"<ObservedReservation {self.outcome}{': ' if places else ''}{places} (seen in {self.source})>"


def observed_reservation(machine: Machine) -> ObservedReservation | None:
    """Return what the source shows the kernel to have done, or None where it shows nothing of it."""
    tree, log = _listing(machine), machine.observed
    shown = _of_resources(machine)
    if shown:
        return shown
    if log.regions:
        regions = tuple(
            CrashRegion(r.start, r.size, r.kind, CRASH_KERNEL) for r in sorted(log.regions.value, key=lambda r: r.start)
        )
        exact = all(r.exact for r in log.regions.value)
        return ObservedReservation(RESERVED, regions, log.regions.source, exact)
    if log.failed:
        return ObservedReservation(FAILED, (), log.failed.at, message=log.failed.value)
    early = machine.boot.map_log
    if early and early.value and machine.boot.late_log:
        return ObservedReservation(NONE, (), early.source)
    return ObservedReservation(NONE, (), tree.source) if tree else None


def _listing(machine: Machine) -> Fact[ResourceTree] | None:
    # A listing that was derived from something else shows nothing that a kernel did.
    tree = machine.memory.resources
    return tree if tree and tree.how is How.OBSERVED else None


def _of_resources(machine: Machine) -> ObservedReservation | None:
    tree = _listing(machine)
    named = tree.value.named(CRASH_KERNEL, CRASH_KERNEL_LOW) if tree else []
    if not named or not tree:
        return None
    ordered = sorted(named, key=lambda r: r.range)
    mains = [r for r in ordered if r.name == CRASH_KERNEL]
    main = mains[-1] if mains else None
    regions = tuple(CrashRegion(r.range.start, r.range.size, "main" if r is main else "low", r.name) for r in ordered)
    return ObservedReservation(RESERVED, regions, tree.source)


def compare_reservation(found: Reservation, observed: ObservedReservation | None) -> Compared:
    """Hold a prediction against what was observed.

    Args:
        found: The prediction.
        observed: What was observed, in the boot whose command line is `found.facts.seen_cmdline`.
    """
    if observed is None:
        return not_compared("the source does not show what the kernel reserved")
    if not found.facts.cmdline_known:
        return NO_CMDLINE
    if found.facts.next_boot:
        return OTHER_WORDS
    if found.outcome == NOT_DETERMINED and not observed.regions:
        return not_compared("whether anything is reserved is not determined", *(d.text for d in found.doubts))
    unit = 1 if observed.exact else MIB
    parts = [_compared_part(found, observed, part, unit) for part in ("main", "low")]
    if len({r.kind for r in observed.regions}) < len(observed.regions) or any(p is Agreement.DIFFER for p in parts):
        return Compared(Agreement.DIFFER, tuple(_explanations(found, observed)))
    if all(p is Agreement.AGREE for p in parts):
        return Compared(Agreement.AGREE)
    return not_compared(*dict.fromkeys(text for p in parts if isinstance(p, tuple) for text in p))


def _compared_part(
    found: Reservation, observed: ObservedReservation, part: str, unit: int
) -> Agreement | tuple[str, ...]:
    # Whether one region is as predicted. Where it is not, but as a doubt has it, the texts of what may be the cause.
    predicted = next((r for r in found.regions if r.kind == part), None)
    seen = next((r for r in observed.regions if r.kind == part), None)
    if predicted is None and seen is None:
        return Agreement.AGREE
    if predicted and seen and predicted.size // unit != seen.size // unit:
        return Agreement.DIFFER
    start = seen.start if seen else None
    if predicted and predicted.start is not None and start is not None and predicted.start // unit == start // unit:
        return Agreement.AGREE
    if found.outcome == NOT_DETERMINED and not any(c.part == part for c in found.candidates):
        # Nothing is said of it that could differ.
        return tuple(d.text for d in found.doubts)
    why = tuple(d.text for d in found.doubts if any(_is(c, part, start, unit) for c in d.candidates))
    if not why or _surely(found, predicted, seen) is Certainty.CERTAIN:
        return Agreement.DIFFER
    # An address that was left open agrees with any that was named as possible.
    return Agreement.AGREE if predicted and seen and predicted.start is None else why


def _is(row: Candidate, part: str, start: int | None, unit: int) -> bool:
    return row.part == part and (row.start is None if start is None else row.holds(start, unit))


def _surely(found: Reservation, predicted: CrashRegion | None, seen: CrashRegion | None) -> Certainty:
    # How sure what was not observed is: where the region is, that there is one, or that there is none.
    if predicted is None:
        return found.certainty if found.outcome == FAILED else Certainty.LIKELY
    if seen is None:
        return found.certainty if predicted.kind == "main" else predicted.size_certainty
    return predicted.address_certainty


def _explanations(found: Reservation, observed: ObservedReservation) -> list[str]:
    out = [f"{d.text}" for d in found.doubts]
    total, predicted = sum(r.size for r in observed.regions), sum(r.size for r in found.regions if r.name)
    if found.outcome == RESERVED and not observed.regions:
        out.append("the reservation may have been given back, or the kernel is built without it")
    elif total < predicted:
        out.append("the reservation may have been shrunk by a write to /sys/kernel/kexec_crash_size")
    if observed.regions and found.outcome in (FAILED, NONE):
        out.append("the regions may be of a boot with another command line")
    out += found.facts.assumed
    out.append(
        "the kernel may carry a change that its version does not show; "
        '"kexeckit explain behaviours" lists them, and --set states one'
    )
    return out


def taken_by_user_space(observed: ObservedReservation) -> tuple[CrashRegion | None, CrashRegion | None]:
    """Return the regions that an old and a current kexec-tools load into; None where they find none.

    An old one takes the first line of the name in /proc/iomem, which is the lowest; a current one the last.
    """
    named = [r for r in observed.regions if r.name == CRASH_KERNEL]
    return (named[0], named[-1]) if named else (None, None)
