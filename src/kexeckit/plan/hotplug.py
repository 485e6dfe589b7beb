"""What plugging memory in or out does to a loaded image: still valid, to be updated (by whom), or to be loaded again.

    capture kernel   its memory is reserved and stays; but its elfcorehdr lists the old kernel's RAM, which has changed
    next kernel      its destinations are RAM that the kernel does not hold for it: a segment's place can be unplugged,
                     and the memory map that is handed over goes out of date

Source: kernel/crash_core.c, crash_handle_hotplug_event(); arch/x86/kernel/crash.c, arch_crash_handle_hotplug_event();
mm/memory_hotplug.c, add_memory_resource() and try_remove_memory(); the thread "kexec_file: Load kernel at top of system
RAM if required" (2018): "@mem we searched in the whole system RAM might be lost along with hotplug".
"""

from enum import StrEnum

from kexeckit.errors import PlanError, UsageError
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.load.crash_ranges import elfcorehdr_size
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import ADDRESS_LIMIT, parse_size
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, Syscall


class Verdict(StrEnum):
    """What an event means for an image."""

    VALID = "valid"
    UPDATE = "update"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class HotplugEvent:
    """Memory that comes or goes.

    Attributes:
        action: ``add`` or ``remove``.
        range: Its physical addresses.
    """

    action: str
    range: MemRange

    def __post_init__(self) -> None:
        if self.action not in ("add", "remove"):
            raise ValueError(f"memory is added or removed, not {self.action!r}")

    def __str__(self) -> str:
        return f"{self.action} {self.range}"


@dataclass(frozen=True, slots=True)
class HotplugEffect:
    """What an event does to an image.

    Attributes:
        event: The event.
        verdict: What has to happen.
        by: Who does it: ``kernel``, ``reload`` (user space loads again), or ``nobody`` (nothing has to be done).
        reasons: Why, one sentence each.
    """

    event: HotplugEvent
    verdict: Verdict
    by: str
    reasons: tuple[str, ...]


def parse_event(text: str) -> HotplugEvent:
    """Read an event: ``add START-END`` or ``remove START-END``, half-open.

    Raises:
        UsageError: Anything else.
    """
    action, _, where = text.strip().partition(" ")
    first, dash, last = where.strip().partition("-")
    if action not in ("add", "remove") or not dash:
        raise UsageError(f"{text!r} is no event; expected 'add START-END' or 'remove START-END'")
    start, end = parse_size(first), parse_size(last)
    if not start < end <= ADDRESS_LIMIT:
        raise UsageError(f"{text!r}: the end is exclusive and must lie above the start")
    return HotplugEvent(action, MemRange(start, end))


def effect_of(event: HotplugEvent, plan: LoadPlan, facts: MachineFacts, behaviour: KernelBehaviour) -> HotplugEffect:
    """Say what an event does to a loaded image.

    Args:
        event: The event.
        plan: The image that is loaded.
        facts: The machine before the event.
        behaviour: The running kernel.

    Raises:
        PlanError: The event cannot happen: RAM is there already, or not there, or reserved for a capture kernel.
    """
    _check_possible(event, facts)
    if plan.panic:
        return _on_capture_kernel(event, plan, facts, behaviour)
    return _on_next_kernel(event, plan)


def _check_possible(event: HotplugEvent, facts: MachineFacts) -> None:
    ram = facts.resources.ram()
    if event.action == "add" and ram.overlapping(event.range):
        raise PlanError(f"to add {event.range}", f"{ram.overlapping(event.range)[0]} is RAM already")
    if event.action == "remove":
        if RangeSet((event.range,)) - ram:
            raise PlanError(f"to remove {event.range}", "not all of it is RAM")
        held = facts.crash_memory() & RangeSet((event.range,))
        if held:
            kept = ", ".join(map(str, held))
            raise PlanError(f"to remove {event.range}", f"the kernel does not give up reserved memory: {kept}")


def _on_capture_kernel(
    event: HotplugEvent, plan: LoadPlan, facts: MachineFacts, behaviour: KernelBehaviour
) -> HotplugEffect:
    what = "does not list the new memory, so a dump would lack it"
    if event.action == "remove":
        what = "lists memory that is gone, so reading a dump would fail there"
    stale = f"the elfcorehdr {what}"
    why_not = _no_update_by_kernel(plan, facts, behaviour)
    if why_not:
        return HotplugEffect(event, Verdict.RELOAD, "reload", (stale, why_not))
    header = plan.segment("elfcorehdr")
    room = header.memsz if header else 0
    needed = elfcorehdr_size(facts.loader.possible_cpus, len(_dumped_after(event, plan)))
    if needed > room:
        full = f"the headers would need {needed} bytes and have {room}"
        return HotplugEffect(event, Verdict.RELOAD, "reload", (stale, full))
    done = f"the kernel writes it anew by itself: it has room ({needed} of {room} bytes), and its digest is not checked"
    return HotplugEffect(event, Verdict.UPDATE, "kernel", (stale, done))


def _no_update_by_kernel(plan: LoadPlan, facts: MachineFacts, behaviour: KernelBehaviour) -> str:
    # Returns why the kernel will not update the headers, or an empty text.
    if facts.arch != "x86_64" or not behaviour.elfcorehdr_hotplug_room:
        return "this kernel does not update the elfcorehdr of a loaded image (x86_64 kernels do since 6.6)"
    if not facts.loader.crash_hotplug:
        return "this kernel was built without CONFIG_CRASH_HOTPLUG"
    if plan.syscall is Syscall.LOAD:
        return "the kernel updates only images whose segments it may change: those loaded by kexec_file_load"
    return ""


def _dumped_after(event: HotplugEvent, plan: LoadPlan) -> list[MemRange]:
    # Borders between neighbours count: RAM that is plugged in is a resource of its own.
    loads = plan.elfcorehdr.loads if plan.elfcorehdr else ()
    ranges = [load.range for load in loads if not load.executable]
    if event.action == "add":
        return sorted([*ranges, event.range])
    gone = RangeSet((event.range,))
    return [part for r in ranges for part in RangeSet((r,)) - gone]


def _on_next_kernel(event: HotplugEvent, plan: LoadPlan) -> HotplugEffect:
    if event.action == "add":
        told = "the next kernel is not told of the new memory; it finds it by ACPI, or after a reload in its map"
        if plan.syscall is Syscall.FILE:
            told = "the in-kernel loader never hands over memory that was plugged in; the next kernel finds it by ACPI"
        return HotplugEffect(event, Verdict.VALID, "nobody", ("every segment's place is still RAM", told))
    lost = [s.name for s in plan.segments if s.range.overlaps(event.range)]
    reasons = [f"the place of {', '.join(lost)} would be gone"] if lost else []
    if plan.e820.ram() & RangeSet((event.range,)):
        reasons.append("the map that is handed over calls the memory RAM, and the next kernel would use it")
    if not reasons:
        return HotplugEffect(event, Verdict.VALID, "nobody", ("neither a segment nor the handed-over map uses it",))
    return HotplugEffect(event, Verdict.RELOAD, "reload", tuple(reasons))
