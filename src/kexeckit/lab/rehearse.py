"""Rehearse a load in a guest: plan and load there, start the second kernel, and compare.

    host                        guest: first kernel                 guest: second kernel
    boot it        ------->     report
                                kexeckit load --json  (the plan)
    stop it, read the segments
    in its memory, go on
                                panic, or kexeckit exec  ------->   report
    compare the plan with both

The guest's own kexeckit makes the plan, from the guest's own files; the host only reads what is there afterwards.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.lab.compare import Check, compare_capture, compare_common, compare_memory, compare_reservation
from kexeckit.lab.guest import Guest, Progress
from kexeckit.lab.machine import Machine
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.qmp import Qmp
from kexeckit.lab.report import GuestRun
from kexeckit.lab.second import INITRD, KERNEL, SecondKernel, second_kernel_image

__all__ = ["Meddle", "Observation", "Outcome", "Rehearsal", "observe", "rehearse"]

_PROGRAM = "/usr/bin/kexeckit.pyz"
# How long the guest waits after the load for the host to look at its memory, in seconds of guest time.
_PAUSE = 3
_LOADED = "boot/load.status"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed.

    Attributes:
        machine: The guest; its `append` has the reservation where there is a crash.
        append: Command line of the second kernel.
        syscall: ``load`` or ``file``.
        panic: Crash into a capture kernel, else a plain kexec.
        kernel: The second kernel, or None for the machine's own.
        options: More words for ``kexeckit load``.
        read_vmcore: Have the capture kernel read all of /proc/vmcore, and compare its length.
        timeout: Seconds for all of it.
    """

    machine: Machine
    append: str = "console=ttyS0"
    syscall: str = "load"
    panic: bool = True
    kernel: Path | None = None
    options: str = ""
    read_vmcore: bool = False
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What could be seen of a rehearsal.

    Attributes:
        plan: The plan's JSON document, as the guest's kexeckit printed it.
        memory: Segment name -> SHA-256 of what lay in the guest's memory after the load.
        run: The guest's reports and console.
    """

    plan: Mapping[str, Any]
    memory: Mapping[str, str]
    run: GuestRun


Meddle = Callable[[Guest, Mapping[str, Any]], None]
"""What a test does to a guest that stands still with an image loaded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        plan: The plan's JSON document, as the guest's kexeckit printed it.
        checks: Every fact, predicted and observed.
        run: The guest's reports and console.
    """

    plan: Mapping[str, Any]
    checks: tuple[Check, ...]
    run: GuestRun

    @property
    def agrees(self) -> bool:
        """Whether all facts agree."""
        return all(c.agrees for c in self.checks)


def rehearse(what: Rehearsal, progress: Progress | None = None) -> Outcome:
    """Rehearse, and compare.

    Raises:
        UnavailableError: QEMU is missing, or a stage did not happen; the message has the console's last lines.
        KexeckitError: kexeckit in the guest refused to load; the message is its own.
    """
    seen = observe(what, progress)
    return Outcome(seen.plan, tuple(_checks(what, seen)), seen.run)


def observe(what: Rehearsal, progress: Progress | None = None, meddle: Meddle | None = None) -> Observation:
    """Run a rehearsal and collect what can be seen.

    Args:
        what: What is rehearsed.
        progress: Called with each line of the console.
        meddle: Called with the guest and the plan while the guest stands still with the image loaded; tests use it
            to damage what was loaded.

    Raises:
        UnavailableError, KexeckitError: As for `rehearse`.
    """
    image = second_kernel_image(what.machine, _second(what), files=((_PROGRAM, pyz_bytes()),))
    found: dict[str, str] = {}
    with Guest(what.machine, image, progress) as guest:
        plan = _await_plan(guest, what)
        with Qmp(guest.files.monitor) as monitor:
            monitor.stop()
            if what.panic:
                found = _memory(plan, monitor)
            if meddle:
                meddle(guest, plan)
            monitor.resume()
        ended = guest.wait(max(1.0, what.timeout - (time.monotonic() - guest.started)))
        return Observation(plan, found, GuestRun.from_guest(guest, ended, what.timeout))


def _second(what: Rehearsal) -> SecondKernel:
    slot = "--panic" if what.panic else ""
    load = (
        f"python3 {_PROGRAM} load {slot} --json --syscall {what.syscall} {what.options} "
        f"{KERNEL} --initrd {INITRD} --append '{what.append}'"
    )
    start = "crash" if what.panic else f"run exec python3 {_PROGRAM} exec --now --yes"
    return SecondKernel(load, f"sleep {_PAUSE}\n{start}", what.kernel, what.read_vmcore)


def _await_plan(guest: Guest, what: Rehearsal) -> Mapping[str, Any]:
    # The plan is there once the load has said how it ended.
    limit = guest.started + what.timeout
    while time.monotonic() < limit:
        records = {r.name: r.data for r in guest.records().records}
        if _LOADED in records:
            return _plan_in(
                records["boot/load.out"].decode("utf-8", "replace"), loaded=records[_LOADED].strip() == b"0"
            )
        if guest.wait(0.1):
            break
    raise UnavailableError(f"the guest never came to load a kernel; last lines of its console:\n{guest.console_tail()}")


def _plan_in(text: str, *, loaded: bool) -> Mapping[str, Any]:
    if not loaded:
        lines = [line for line in text.splitlines() if line.startswith(("kexeckit:", "  hint:"))]
        raise KexeckitError("\n".join(lines) or f"kexeckit in the guest failed: {text[-400:]}")
    document, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return dict(document)


def _memory(plan: Mapping[str, Any], monitor: Qmp) -> dict[str, str]:
    # A crash image lies at its destination from the load on.
    return {
        s["name"]: hashlib.sha256(monitor.read_physical(s["start"], s["bufsz"])).hexdigest() for s in plan["segments"]
    }


def _checks(what: Rehearsal, seen: Observation) -> Iterator[Check]:
    report = seen.run.report("capture" if what.panic else "second")
    if what.panic:
        yield from compare_reservation(seen.run.report("boot"))
        yield from compare_memory(seen.plan, seen.memory)
    yield from compare_common(seen.plan, report)
    if what.panic:
        yield from compare_capture(seen.plan, report)
    if what.read_vmcore:
        yield Check("bytes of /proc/vmcore read", str(report.number("vmcore_size")), str(report.number("vmcore_read")))
