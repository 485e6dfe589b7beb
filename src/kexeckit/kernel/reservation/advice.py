"""What follows from a reservation: what would fit where it failed, and what user space makes of two regions.

Source of user space: kexec-tools, kexec/kexec-iomem.c, parse_iomem_single() (old: the first line of that name);
kexec/arch/i386/crashdump-x86.c, get_crash_kernel_load_range() and kexec/arch/arm64/crashdump-arm64.c (the last one).
Of the linear map: arch/arm64/mm/mmu.c, map_mem(), arch_kexec_protect_crashkres().
"""

from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.reservation.early import EarlyMemory
from kexeckit.kernel.reservation.predict import FAILED, Reservation
from kexeckit.kernel.reservation.request import evaluate
from kexeckit.kernel.reservation.search import Placement, Window, largest_fit, low_window, main_windows, place
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, format_size


@dataclass(frozen=True, slots=True)
class Fit:
    """Something that would fit.

    Attributes:
        spec: Words to use instead.
        text: Where they would land, and what bounds them.
    """

    spec: str
    text: str


@dataclass(frozen=True, slots=True)
class UserSpaceView:
    """How user space sees the regions.

    Attributes:
        names: (start, size, name) of each line in /proc/iomem, lowest first.
        old: The region that an old kexec-tools loads into.
        current: The region that a current one loads into.
    """

    names: tuple[tuple[int, int, str], ...]
    old: MemRange | None
    current: MemRange | None

    @property
    def differ(self) -> bool:
        """Say whether the two would load into different regions."""
        return self.old != self.current


def fits(found: Reservation) -> tuple[Fit, ...]:
    """Return what would fit where a reservation failed for lack of room; empty otherwise."""
    if found.outcome != FAILED or not found.placement:
        return ()
    candidates = dict.fromkeys(_specs(found, found.placement))
    return tuple(fit for spec in candidates if (fit := _tested(found, spec)))


def user_space(found: Reservation) -> UserSpaceView:
    """Return how user space sees the regions; the current choice is the highest, the old one the lowest."""
    shown = sorted((r.start, r.size, r.name) for r in found.regions if r.start is not None and r.name)
    ranges = [MemRange.from_size(start, size) for start, size, _ in shown]
    if not ranges or any(r.start is None for r in found.regions if r.name):
        return UserSpaceView(tuple(shown), None, None)
    return UserSpaceView(tuple(shown), ranges[0], ranges[-1])


def linear_map(found: Reservation) -> str:
    """Return how arm64 keeps the region in its linear map; empty for other architectures."""
    rules = found.facts.rules
    if rules.arch != "arm64":
        return ""
    if not rules.protected:
        return (
            "the region stays in the linear map, mapped like other memory (crashkernel= asks for no page mappings), "
            "and is not protected while an image is loaded"
        )
    return (
        "crashkernel= makes the kernel map memory by pages, so that the region can be protected from the running "
        "kernel (arch_kexec_protect_crashkres) while an image is loaded"
    )


def _specs(found: Reservation, placement: Placement) -> list[str]:
    # Ideas in the order of least change; each is tried before it is offered.
    request, rules, limits = found.request, found.facts.rules, found.facts.limits
    size = f"{-(-request.size // MIB)}M"
    ideas = []
    if request.base:
        ideas.append(f"crashkernel={size}")
    if ",high" in rules.suffixes and not request.high:
        ideas.append(f"crashkernel={size},high")
    if request.high:
        ideas.append(f"crashkernel={size}")
    memory = found.early.memory
    if placement.attempts[-1].part == "low":
        room = largest_fit(memory, low_window(rules, limits))
        ideas += [f"crashkernel={size},high crashkernel={room.size // MIB}M,low"] if room else []
    for window in main_windows(replace(request, base=0), rules, limits):
        room = largest_fit(memory, window)
        if room and room.size < request.size:
            high = _is_high(window, rules.middle_limit or rules.low_limit)
            ideas.append(f"crashkernel={room.size // MIB}M{',high' if high else ''}")
    return ideas


def _is_high(window: Window, low_limit: int | None) -> bool:
    return low_limit is not None and window.range.end > low_limit


def _tested(found: Reservation, spec: str) -> Fit | None:
    early: EarlyMemory = found.early
    rules, limits = found.facts.rules, found.facts.limits
    request = evaluate(spec, early.total, rules)
    if request.outcome != "asked":
        return None
    placed = place(early.memory, request, rules, limits)
    if not placed.main:
        return None
    where = f"{format_size(placed.main.size)} at {placed.main.start:#x}"
    low = f", low part {format_size(placed.low.size)} at {placed.low.start:#x}" if placed.low else ""
    return Fit(spec, where + low)
