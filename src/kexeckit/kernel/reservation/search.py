"""The search itself: windows in order, a main region, a low region, and what bound each.

    plain size   [low window] -> no room -> [high window], if this kernel falls back
    ,high        [high window] -> no room -> [low window], if this kernel falls back
    @offset      [offset, offset + size), nothing else
    main at or above the low window's end -> also a low region for DMA, or nothing at all

Source: arch/x86/kernel/setup.c, reserve_crashkernel() and reserve_crashkernel_low() (to 6.6); kernel/crash_reserve.c,
reserve_crashkernel_generic() (6.7 on); arch/arm64/mm/init.c, reserve_crashkernel() (to 6.6).
"""

from collections.abc import Iterator
from dataclasses import field, replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Free, Memblock, fit
from kexeckit.kernel.reservation.request import Request
from kexeckit.memory.range import MemRange, clip
from kexeckit.memory.units import GIB, MIB, align_up, format_size, is_power_of_two


@dataclass(frozen=True, slots=True)
class Window:
    """One window of addresses that a search looks in.

    Attributes:
        name: In words: ``below 4 GiB``.
        range: Its addresses.
        align: Alignment of the start.
        extra: Bytes wanted here on top of what was asked for.
    """

    name: str
    range: MemRange
    align: int
    extra: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One search.

    Attributes:
        part: ``main`` or ``low``.
        window: Where.
        size: Bytes wanted.
        found: Start, or None.
        memory: What was free at that moment.
    """

    part: str
    window: Window
    size: int
    found: int | None
    memory: Memblock = field(repr=False)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the regions end up.

    Attributes:
        main: The region for the capture kernel, or None.
        low: The region below for DMA, or None.
        attempts: Every search in order.
        problem: Why nothing is reserved, or empty.
        reads_low: The kernel came to look at a ``,low`` word whose messages `Request.late` holds.
    """

    main: MemRange | None
    low: MemRange | None
    attempts: tuple[Attempt, ...]
    problem: str = ""
    reads_low: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What the search needs to know of the machine.

    Attributes:
        dma_limit: End of the memory that 32-bit DMA reaches; stands in where a rule says None.
        swiotlb: Bytes of the swiotlb that the kernel would set up.
        encrypted: Memory encryption (AMD's SME or SEV) is on.
    """

    dma_limit: int = 4 * GIB
    swiotlb: int = 64 * MIB
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What one free range had to offer to a search.

    Attributes:
        free: The free range.
        usable: Its part inside the window, or None.
        start: The aligned start that was considered, or None.
        bound: What decided, in words.
    """

    free: Free
    usable: MemRange | None
    start: int | None
    bound: str


def place(memory: Memblock, request: Request, rules: CrashRules, limits: Limits) -> Placement:
    """Search for a request's regions.

    Args:
        memory: memblock at the moment of the reservation.
        request: What is asked for; its outcome must be ``asked``.
        rules: The kernel's rules.
        limits: The machine's limits.
    """
    if request.base and rules.fixed_checks:
        return _looked_at(memory, request, rules, limits)
    attempts: list[Attempt] = []
    base, wanted = None, request.size
    for window in main_windows(request, rules, limits):
        wanted = request.size + window.extra
        base = memory.find(wanted, window.align, window.range, bottom_up=rules.bottom_up)
        if base is not None and request.base and base != request.base:
            base = None
        attempts.append(Attempt("main", window, wanted, base, memory))
        if base is not None:
            break
    if base is None:
        why = "memory is in use" if request.base else "no suitable area"
        return Placement(None, None, tuple(attempts), why)
    main = MemRange.from_size(base, wanted)
    size = low_size(request, rules, limits, base)
    late = rules.words == "plain-then-high" and base >= low_window(rules, limits).range.end
    if not size:
        return Placement(main, None, tuple(attempts), reads_low=late)
    return replace(_with_low(memory.reserve((main,)), main, size, attempts, rules, limits), reads_low=late)


def _looked_at(memory: Memblock, request: Request, rules: CrashRules, limits: Limits) -> Placement:
    # A given address is not searched for: flags of its region (not mapped, hotpluggable) do not count.
    window = next(main_windows(request, rules, limits))
    problem = ""
    if not memory.in_one_region(window.range):
        problem = "region is not memory"
    elif memory.reserved.overlapping(window.range):
        problem = "region overlaps reserved memory"
    elif request.base % window.align:
        problem = f"base address is not {window.align // MIB}MB aligned"
    attempt = Attempt("main", window, request.size, None if problem else request.base, memory)
    return Placement(None if problem else window.range, None, (attempt,), problem)


def _with_low(
    memory: Memblock, main: MemRange, size: int, attempts: list[Attempt], rules: CrashRules, limits: Limits
) -> Placement:
    window = low_window(rules, limits, size)
    at = memory.find(size, window.align, window.range)
    attempts.append(Attempt("low", window, size, at, memory))
    if at is None and rules.low_optional:
        return Placement(main, None, tuple(attempts))
    if at is None:
        return Placement(None, None, tuple(attempts), "no room for the low part")
    return Placement(main, MemRange.from_size(at, size), tuple(attempts))


def main_windows(request: Request, rules: CrashRules, limits: Limits) -> Iterator[Window]:
    """Yield the windows for the main region in the order they are tried."""
    low_end = rules.low_limit if rules.low_limit is not None else limits.dma_limit - rules.limit_exclusive
    if request.base:
        span = clip(request.base, min(request.base + request.size, 1 << 64))
        aligned = rules.fixed_align
        if span:
            yield Window("at the given address", span, aligned)
        return
    extra = 0 if request.high else encryption_extra(rules, limits)
    low = _window("below", rules.low_start, low_end, rules.align, extra)
    middle = _window("below", rules.low_start, rules.middle_limit or 0, rules.align, extra)
    up_start = rules.high_start if request.high else rules.fallback_start
    high = _window(
        "anywhere" if up_start == rules.low_start else "above", _or(up_start, low_end), rules.high_limit, rules.align
    )
    order = (high, low) if request.high else (low, middle, high)
    falls = rules.high_falls_down if request.high else rules.plain_falls_up
    for window in order if falls else order[:1]:
        if window:
            yield window


def encryption_extra(rules: CrashRules, limits: Limits) -> int:
    """Return the bytes that a plain size grows by below 4 GiB, so that a swiotlb fits into it; 0 mostly."""
    if not limits.encrypted or not rules.encrypted_extra:
        return 0
    extra = align_up(limits.swiotlb, MIB)
    return min(extra, 64 * MIB) if rules.encrypted_extra == "swiotlb-64M" else extra


def low_window(rules: CrashRules, limits: Limits, size: int = 0) -> Window:
    """Return the window for the low region.

    Args:
        rules: The kernel's rules.
        limits: The machine's limits.
        size: Bytes of the low region; some kernels begin to search there.
    """
    end = _or(4 * GIB if rules.low_limit_is_4g else rules.low_limit, limits.dma_limit)
    found = _window("below", min(size, end - 1) if rules.low_from_own_size else 0, end, rules.align)
    assert found
    return found


def low_size(request: Request, rules: CrashRules, limits: Limits, base: int) -> int:
    """Return the bytes of the low region that go with a main region at `base`; 0 for none."""
    if request.base and not rules.low_by_word:
        return 0
    end = low_window(rules, limits).range.end
    size = request.low if request.low is not None else _default_low(rules, limits)
    threshold = end - size + 1 if rules.low_needs_room_below and size else end
    if rules.low_always and request.low:
        return size
    return size if base >= threshold else 0


def tried(attempt: Attempt) -> Iterator[Tried]:
    """Yield what each free range had to offer, in the order of the search, up to the one that was taken.

    A window that no free range touches yields nothing.
    """
    for free in attempt.memory.free():
        usable = attempt.window.range.intersection(free.range)
        if usable is None:
            yield Tried(free, None, None, f"outside the window {attempt.window.name}")
            continue
        at = fit(free.range, attempt.size, attempt.window.align, attempt.window.range)
        taken = at is not None and at == attempt.found
        yield Tried(free, usable, at, "taken" if taken else _why_not(usable, attempt, at))
        if taken:
            return


def largest_fit(memory: Memblock, window: Window) -> MemRange | None:
    """Return the largest aligned region that fits into a window, whole MiB, or None; the highest of equals."""
    best: MemRange | None = None
    for free in memory.free():
        usable = window.range.intersection(free.range)
        part = clip(-(-usable.start // window.align) * window.align, usable.end // MIB * MIB) if usable else None
        if part and (best is None or part.size > best.size):
            best = part
    return best


def _why_not(usable: MemRange, attempt: Attempt, at: int | None) -> str:
    if at is not None:
        return "other memory comes first"
    if usable.size < attempt.size:
        return f"too small: {format_size(usable.size)} of {format_size(attempt.size)}"
    return f"too small once the start is a multiple of {format_size(attempt.window.align)}"


def _default_low(rules: CrashRules, limits: Limits) -> int:
    if rules.words == "plain":
        return 0
    if rules.low_default == "128M":
        return 128 * MIB
    if rules.low_default == "swiotlb-72M":
        return limits.swiotlb + 8 * MIB
    if rules.low_default == "swiotlb-256M":
        return max(limits.swiotlb + 8 * MIB, 256 * MIB)
    return 0


def _window(kind: str, start: int, end: int, align: int, extra: int = 0) -> Window | None:
    span = clip(start, end)
    if not span:
        return None
    limit = start if kind == "above" else end
    return Window("anywhere" if kind == "anywhere" else f"{kind} {_amount(limit)}", span, align, extra)


def _amount(value: int) -> str:
    # A limit in words: 4 GiB, 896 MiB; an odd one (the end of RAM) as an address.
    if value and is_power_of_two(value) and value >= GIB:
        return f"{value // GIB} GiB"
    return f"{value // MIB} MiB" if value % MIB == 0 else f"{value:#x}"


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
