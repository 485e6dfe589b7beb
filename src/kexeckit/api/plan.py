"""Planning a next kernel or a capture kernel; every plan is verified."""

import os
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from kexeckit.errors import UsageError
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.machine.value import Machine
from kexeckit.memory.memmap import MemoryMap
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.segment import Segment
from kexeckit.plan.verify import Finding

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A verified plan: every segment of an image with its address and its reason.

    Attributes:
        made: The plan as the layers below know it; its form may change in any release.
        request: What was asked for, likewise.
        facts: What is known of the machine, likewise.
    """

    made: LoadPlan
    request: LoadRequest = field(repr=False)
    facts: MachineFacts = field(repr=False)

    @property
    def panic(self) -> bool:
        """Whether it is a capture kernel for the crash region, else a next kernel to start on purpose."""
        return self.made.panic

    @property
    def syscall(self) -> str:
        """``load`` (kexec_load) or ``file`` (kexec_file_load)."""
        return str(self.made.syscall)

    @property
    def entry(self) -> int | None:
        """Physical address to which the old kernel jumps; None where the kernel's own loader leaves it open."""
        return self.made.entry

    @property
    def certainty(self) -> str | None:
        """How sure the prediction of kexec_file_load is: ``certain``, ``likely`` or ``open``; None for kexec_load."""
        return self.made.certainty.value if self.made.certainty else None

    @property
    def cmdline(self) -> str:
        """The next kernel's whole command line."""
        return self.made.cmdline

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments in the order in which they were placed."""
        return self.made.segments

    @property
    def e820(self) -> MemoryMap:
        """The memory map that the next kernel is given."""
        return self.made.e820

    @property
    def warnings(self) -> tuple[str, ...]:
        """What you should know, one sentence each."""
        return self.made.warnings

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no source shows and was assumed, one sentence each."""
        return self.made.assumed

    def segment(self, name: str) -> Segment | None:
        """Return the segment of this name, such as ``kernel`` or ``initrd``, or None."""
        return self.made.segment(name)

    def to_json(self) -> str:
        """Return the document ``kexeckit/plan/1``, as ``kexeckit plan --json`` prints it."""
        from kexeckit.render.document import document_text
        from kexeckit.render.plan import plan_document

        return document_text(plan_document(self.made))

    def __repr__(self) -> str:
        what = "capture kernel" if self.panic else "next kernel"
        entry = "not determined" if self.entry is None else f"{self.entry:#x}"
        return f"<Plan {what}, {self.made.call}, entry {entry}, {len(self.segments)} segments>"


class PlanOptions(TypedDict, total=False):
    """More keywords of `plan`; all but `behaviours` are for kexec_load alone.

    Attributes:
        behaviours: What the running kernel does, from `behaviours_of`; None to choose by its version.
        old_ram: How a capture kernel is told of the old kernel's RAM: ``reserved`` (the default) or ``omit``.
        on_damage: What happens if a segment was damaged before the jump: ``halt`` (the default) or ``reset``.
        serial: I/O port for that message, such as ``0x3F8`` or ``"ttyS0"``, 0 for none; None to take it from
            ``console=`` of the next kernel.
        efi_map: The file of a raw EFI memory map to hand over, with a minimal system table; None for what the
            machine's firmware left behind.
    """

    behaviours: Behaviours | None
    old_ram: str | None
    on_damage: str | None
    serial: int | str | None
    efi_map: Path | None


def plan(
    machine: Machine,
    image: Path,
    *,
    initrd: Path | None = None,
    cmdline: str = "",
    panic: bool = False,
    syscall: str = "load",
    **options: Unpack[PlanOptions],
) -> Plan:
    """Plan a next kernel, or a capture kernel, and verify the plan; nothing is loaded.

    Args:
        machine: The machine that it would be loaded on.
        image: The kernel's file, a bzImage.
        initrd: The file of its initial RAM disk, or None.
        cmdline: Its command line, before kexeckit adds to it.
        panic: Plan a capture kernel for the crash region.
        syscall: ``load`` for kexec_load, ``file`` to predict what kexec_file_load chooses.
        options: `behaviours`, `old_ram`, `on_damage`, `serial` and `efi_map`, see `PlanOptions`.

    Raises:
        InputError: A file or a part of the machine cannot be used.
        UnavailableError: A file is not there, or no source shows a memory map.
        PlanError: It does not fit, or the machine's architecture cannot be planned for.
        UsageError: `syscall` is neither, an option has no such value, or kexec_file_load does not use it.
        TypeError: There is no such option.
        KexeckitError: The verifier rejects the plan, or a file cannot be read.
    """
    from kexeckit.plan.from_machine import plan_facts
    from kexeckit.plan.make import check_arch, plan_image
    from kexeckit.system.next_kernel import JumpOptions, open_next_kernel

    calls = tuple(map(str, Syscall))
    if syscall not in calls:
        raise UsageError(f"syscall {syscall!r}: expected one of {', '.join(calls)}")
    given = _given(options, syscall)
    facts = plan_facts(machine, options.get("behaviours"))
    check_arch(facts.arch)
    files = os.fspath(image), os.fspath(initrd) if initrd else None
    request = open_next_kernel(*files, cmdline, panic=panic, options=JumpOptions(**given))
    return Plan(plan_image(request, facts, Syscall(syscall)), request, facts)


def _given(options: PlanOptions, syscall: str) -> dict[str, Any]:
    # The options of the jump that were given.
    for name in options:
        if name not in PlanOptions.__annotations__:
            raise TypeError(f"plan() got an unexpected keyword argument {name!r}")
    given: dict[str, Any] = {k: v for k, v in options.items() if v is not None and k != "behaviours"}
    if given and syscall == Syscall.FILE:
        names = ", ".join(given)
        raise UsageError(f"kexec_file_load does not use {names}", remedy=f"leave {names} out")
    if "efi_map" in given:
        given["efi_map"] = os.fspath(given["efi_map"])
    return given


def verify(plan: Plan, machine: Machine | None = None) -> tuple[Finding, ...]:
    """Check a plan again, by rules that share no code with what made it.

    Args:
        plan: The plan.
        machine: Hold it against this machine, such as the same one after memory was added; None for its own.

    Returns:
        What is wrong, each with ``invariant`` and ``text``; empty for a good plan.

    Raises:
        InputError: A part of the machine cannot be used.
        UnavailableError: No source shows a memory map.
    """
    from kexeckit.plan.from_machine import plan_facts
    from kexeckit.plan.verify import verify as check

    return tuple(check(plan.made, plan.request, plan_facts(machine) if machine else plan.facts))
