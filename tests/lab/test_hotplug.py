"""A DIMM is plugged in while a capture kernel is loaded, and what the shipped unit runs puts it right."""

import json
import re
from pathlib import Path

import pytest

from kexeckit.formats.elfcorehdr import PT_LOAD, parse_program_headers
from kexeckit.lab.dev import hotplug_guest
from kexeckit.lab.guest import Guest
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import GuestRun
from kexeckit.lab.second import INITRD, KERNEL, SecondKernel, second_kernel_image
from kexeckit.memory.units import GIB, MIB

pytestmark = pytest.mark.lab
PROGRAM, SCRIPT = "/usr/bin/kexeckit.pyz", "/hotplug_guest.py"
DIMM = 4 * GIB  # QEMU puts hot-plugged memory behind the RAM above 4 GiB, of which there is none
RULES = Path(__file__).resolve().parents[2] / "contrib" / "98-kexeckit.rules"


def plugged(suite: str, syscall: str) -> GuestRun:
    """Load, look again, plug, look again, crash."""
    machine = Machine(fetch_kernel(suite).vmlinuz, memory=GIB, append="crashkernel=256M", slots=1, max_memory=2 * GIB)
    image = f"{KERNEL} --initrd {INITRD} --panic --syscall {syscall} --append console=ttyS0"
    load = f"python3 {PROGRAM} load --quiet --if-changed {image}"
    before = (
        f"run again {load}\npython3 {SCRIPT} {DIMM:#x} >/tmp/events &\n"
        "while [ ! -e /tmp/listening ]; do sleep 0.1; done\nemit_text listening 1\n"
        f"wait $!\nemit_text plugged $?\nemit events /tmp/events\nrun after {load}\nrun last {load}\ncrash"
    )
    script = Path(hotplug_guest.__file__).read_bytes()
    files = ((PROGRAM, pyz_bytes()), (SCRIPT, script))
    with Guest(machine, second_kernel_image(machine, SecondKernel(load, before), files=files)) as guest:
        if guest.wait_for("boot/listening", 200):
            with guest.qmp() as monitor:
                monitor.plug_dimm("dimm0", 256 * MIB)
        ended = guest.wait(200)
        return GuestRun.from_guest(guest, ended, 400)


@pytest.mark.parametrize(
    ("suite", "syscall", "reloads"),
    [("bookworm", "load", True), ("trixie", "load", True), ("trixie", "file", False)],
)
def test_reload_happens_only_where_the_kernel_does_not_help_itself(suite: str, syscall: str, reloads: bool) -> None:
    """After it, a dump has the new memory: put there by the reload, or by the kernel."""
    run = plugged(suite, syscall)
    boot = run.report("boot")
    assert (boot.number("load.status"), boot.number("again.status"), boot.number("plugged")) == (0, 0, 0)
    unchanged = {name: "nothing has changed" in boot.text(f"{name}.out") for name in ("load", "again", "after", "last")}
    assert unchanged == {"load": False, "again": True, "after": not reloads, "last": True}
    headers = parse_program_headers(run.report("capture").data("vmcore_header"), "vmcore")
    assert any(h.type == PT_LOAD and h.paddr == DIMM and h.memsz == 256 * MIB for h in headers)
    assert any(matches_rule(event) for event in json.loads(boot.text("events")))


def matches_rule(event: dict[str, str]) -> bool:
    """Whether the shipped rule would run its program for an event of the kernel."""
    line = next(line for line in RULES.read_text().splitlines() if line.startswith("SUBSYSTEM"))
    wanted = dict(re.findall(r'(\w+)=="([^"]*)"', line))
    return all(event.get(name) in value.split("|") for name, value in wanted.items())
