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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.lab.compare import Check, compare_capture, compare_common, compare_memory
from kexeckit.lab.guest import Guest, Progress
from kexeckit.lab.machine import Machine
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.qmp import Monitor
from kexeckit.lab.report import GuestReport, GuestRun
from kexeckit.lab.second import INITRD, KERNEL, SecondKernel, second_kernel_image

__all__ = ["Outcome", "Rehearsal", "rehearse"]

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
        timeout: Seconds for all of it.
    """

    machine: Machine
    append: str = "console=ttyS0"
    syscall: str = "load"
    panic: bool = True
    kernel: Path | None = None
    options: str = ""
    timeout: float = 300.0


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
    """Rehearse.

    Raises:
        UnavailableError: QEMU is missing, or a stage did not happen; the message has the console's last lines.
        KexeckitError: kexeckit in the guest refused to load; the message is its own.
    """
    image = second_kernel_image(what.machine, _second(what), files=((_PROGRAM, pyz_bytes()),))
    found: dict[str, str] = {}
    with Guest(what.machine, image, progress) as guest:
        plan = _await_plan(guest, what)
        with Monitor.connect(guest.files.monitor) as monitor:
            monitor.execute("stop")
            if what.panic:
                found = _memory(plan, monitor, guest.files.folder)
            monitor.execute("cont")
        ended = guest.wait(max(1.0, what.timeout - (time.monotonic() - guest.started)))
        run = GuestRun.from_guest(guest, ended, what.timeout)
    return Outcome(plan, tuple(_checks(what, plan, found, run)), run)


def _second(what: Rehearsal) -> SecondKernel:
    slot = "--panic" if what.panic else ""
    load = (
        f"python3 {_PROGRAM} load {slot} --json --syscall {what.syscall} {what.options} "
        f"{KERNEL} --initrd {INITRD} --append '{what.append}'"
    )
    start = "crash" if what.panic else f"run exec python3 {_PROGRAM} exec --now --yes"
    return SecondKernel(load=load, start=f"sleep {_PAUSE}\n{start}", kernel=what.kernel)


def _await_plan(guest: Guest, what: Rehearsal) -> Mapping[str, Any]:
    # The plan is there once the load has said how it ended.
    limit = guest.started + what.timeout
    while time.monotonic() < limit:
        records = {r.name: r.data for r in guest.records().records}
        if _LOADED in records:
            return _plan_in(records["boot/load.out"].decode("utf-8", "replace"), records[_LOADED].strip() == b"0")
        if guest.wait(0.1):
            break
    raise UnavailableError(f"the guest never came to load a kernel; last lines of its console:\n{guest.console_tail()}")


def _plan_in(text: str, loaded: bool) -> Mapping[str, Any]:
    if not loaded:
        lines = [line for line in text.splitlines() if line.startswith(("kexeckit:", "  hint:"))]
        raise KexeckitError("\n".join(lines) or f"kexeckit in the guest failed: {text[-400:]}")
    document, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return dict(document)


def _memory(plan: Mapping[str, Any], monitor: Monitor, folder: Path) -> dict[str, str]:
    # A crash image lies at its destination from the load on; what QEMU saves is the guest's physical memory.
    found = {}
    for segment in plan["segments"]:
        at = folder / "memory"
        monitor.execute("pmemsave", val=segment["start"], size=segment["bufsz"], filename=str(at))
        found[segment["name"]] = hashlib.sha256(at.read_bytes()).hexdigest()
        at.unlink()
    return found


def _checks(what: Rehearsal, plan: Mapping[str, Any], found: Mapping[str, str], run: GuestRun) -> Iterator[Check]:
    report: GuestReport = run.report("capture" if what.panic else "second")
    if what.panic:
        yield from compare_memory(plan, found)
    yield from compare_common(plan, report)
    if what.panic:
        yield from compare_capture(plan, report)
