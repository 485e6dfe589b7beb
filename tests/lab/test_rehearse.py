"""The main job on real kernels: load, crash, capture; load and enter; and what happens when the image is damaged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kexeckit.lab.guest import Guest
from kexeckit.lab.machine import EFI_FIRMWARE, Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.rehearse import Rehearsal, observe, rehearse
from kexeckit.memory.units import MIB

pytestmark = pytest.mark.lab

_FIRMWARE = Path(EFI_FIRMWARE[1])


def _machine(suite: str, *, memory: int = 1024, append: str = "crashkernel=256M", gdb: bool = False) -> Machine:
    kernel = fetch_kernel(suite, "x86_64").vmlinuz
    return Machine(kernel=kernel, memory=memory * MIB, append=append, gdb=gdb)


def _differences(what: Rehearsal) -> list[str]:
    outcome = rehearse(what)
    assert outcome.checks
    return [f"{c.subject}: predicted {c.predicted}, observed {c.observed}" for c in outcome.checks if not c.agrees]


@pytest.mark.parametrize("syscall", ["load", "file"])
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_crash_is_captured_as_predicted(suite: str, syscall: str) -> None:
    """A capture kernel loaded by either call starts after a panic and finds all as planned."""
    assert _differences(Rehearsal(_machine(suite), syscall=syscall)) == []


@pytest.mark.parametrize("suite", ["bullseye", "sid"])
def test_oldest_and_newest_kernel_capture_too(suite: str) -> None:
    """The oldest and the newest kernel under test accept the old RAM as reserved as well."""
    assert _differences(Rehearsal(_machine(suite))) == []


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_plain_kexec_enters_the_next_kernel(suite: str) -> None:
    """A normal image is entered by `exec`, and the next kernel sees the planned map."""
    assert _differences(Rehearsal(_machine(suite, append=""), panic=False)) == []


def test_old_memory_is_readable_in_full() -> None:
    """With the old RAM handed over as reserved, every byte of /proc/vmcore can be read."""
    machine = _machine("bookworm", memory=512, append="crashkernel=192M")
    assert _differences(Rehearsal(machine, read_vmcore=True)) == []


def test_omitted_old_ram_is_captured_as_planned() -> None:
    """The map with holes instead of reserved old RAM, as the in-kernel loader makes it, works too."""
    assert _differences(Rehearsal(_machine("trixie"), options="--old-ram omit")) == []


def test_two_regions_are_both_handed_over() -> None:
    """With a high and a low reservation the image goes into the high one and both are the capture kernel's RAM."""
    machine = _machine("trixie", memory=6144, append="crashkernel=256M,high crashkernel=64M,low")
    assert _differences(Rehearsal(machine)) == []


@pytest.mark.parametrize("name", ["kernel", "initrd", "elfcorehdr"])
def test_damaged_segment_is_named_and_not_entered(name: str) -> None:
    """One flipped byte: the purgatory names the segment on the serial port and does not enter the kernel."""

    def damage(guest: Guest, plan: Mapping[str, Any]) -> None:
        segment = next(s for s in plan["segments"] if s["name"] == name)
        at = segment["start"] + segment["bufsz"] // 2
        with guest.gdb() as debugger:
            old = debugger.read_physical(at, 1)
            debugger.write_physical(at, bytes([old[0] ^ 1]))

    what = Rehearsal(_machine("bookworm", gdb=True), options="--on-damage reset", timeout=120)
    run = observe(what, meddle=damage).run
    assert f'segment "{name}"' in run.console
    assert "not entering it" in run.console
    assert "capture" not in run.reports
    assert run.ended


@pytest.mark.parametrize(("suite", "panic"), [("bookworm", True), ("trixie", False)])
def test_efi_machine_hands_over_its_firmware(suite: str, *, panic: bool) -> None:
    """On a machine booted by EFI the next kernel finds EFI and ACPI where they were left."""
    if not _FIRMWARE.exists():
        pytest.skip(f"{_FIRMWARE} is absent: apt-get install ovmf")
    machine = replace(_machine(suite), extra=EFI_FIRMWARE)
    outcome = rehearse(Rehearsal(machine, panic=panic))
    assert [c for c in outcome.checks if not c.agrees] == []
    log = outcome.run.report("capture" if panic else "second").text("dmesg")
    assert "efi: EFI v2" in log
    assert "Registered efivars operations" in log
