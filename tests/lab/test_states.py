"""What the state-changing commands say and do on real kernels: slots, refusals, and what stays as it was."""

import pytest

from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import GuestReport, run_guest

pytestmark = pytest.mark.lab

_PYZ = "/usr/bin/kexeckit.pyz"
_KEXECKIT = f"python3 {_PYZ}"
_LOAD = f"{_KEXECKIT} load --quiet /boot/vmlinuz"


def _boot(suite: str, append: str, job: list[tuple[str, str]]) -> GuestReport:
    kernel = fetch_kernel(suite, "x86_64").vmlinuz
    lines = "\n".join(f"run {name} sh -c '{command}'" for name, command in job)
    files = ((_PYZ, pyz_bytes()), ("/boot/vmlinuz", kernel))
    image = GuestImage(python=True, report=False, job=lines, files=files)
    machine = Machine(kernel=kernel, memory=1 << 30, append=append)
    return run_guest(machine, image, timeout=240).report("boot")


def _status(report: GuestReport, name: str) -> int:
    return report.number(f"{name}.status")


def test_slots_are_filled_and_emptied() -> None:
    """Both slots: load, status, unload; each command says what is so."""
    job = [
        ("before", f"{_KEXECKIT} status --require normal"),
        ("load", f"{_LOAD} --reuse-cmdline"),
        ("panic", f"{_LOAD} --panic"),
        ("both", f"{_KEXECKIT} status --require crash && {_KEXECKIT} status --require normal"),
        ("dry", f"{_KEXECKIT} unload --dry-run && {_KEXECKIT} exec --dry-run"),
        ("unload", f"{_KEXECKIT} unload && {_KEXECKIT} unload --panic && {_KEXECKIT} unload"),
        ("after", f"cat /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded; {_KEXECKIT} exec --now --yes"),
    ]
    report = _boot("trixie", "crashkernel=256M", job)
    assert [_status(report, name) for name, _ in job] == [1, 0, 0, 0, 0, 0, 69]
    assert "next kernel: not loaded" in report.text("before.out")
    assert "256 MiB" in report.text("both.out")
    assert "capture kernel: loaded, /boot/vmlinuz" in report.text("both.out")
    assert "no next kernel is loaded" in report.text("unload.out")
    assert report.text("after.out").startswith("0\n0\n")


def test_refusals_name_cause_and_remedy() -> None:
    """Every refusal is one line with its cause, and the slot is as before."""
    job = [
        ("load", _LOAD),
        ("nothing_reserved", f"{_LOAD} --panic"),
        ("junk", f"head -c 100000 /dev/urandom >/tmp/junk; {_KEXECKIT} load /tmp/junk"),
        ("swapped", f"{_KEXECKIT} load {_PYZ} --initrd /boot/vmlinuz"),
        ("no_memory", f"ulimit -v 30000; {_LOAD}"),
        ("disabled", f"echo 1 >/proc/sys/kernel/kexec_load_disabled; {_LOAD}"),
        ("still", "cat /sys/kernel/kexec_loaded"),
    ]
    report = _boot("bookworm", "", job)
    assert [_status(report, name) for name, _ in job[:4]] == [0, 1, 65, 65]
    assert "Crash kernel" in report.text("nothing_reserved.out")
    assert "/tmp/junk: not a bzImage" in report.text("junk.out")
    assert _status(report, "no_memory") != 0
    assert _status(report, "disabled") == 77
    assert "kexec_load_disabled=1" in report.text("disabled.out")
    assert report.text("still.out") == "1\n"


def test_lockdown_leads_to_the_other_call() -> None:
    """A locked-down kernel refuses kexec_load; `auto` says so and takes kexec_file_load."""
    job = [
        ("unknown", _LOAD),
        ("by_hand", f"mount -t securityfs none /sys/kernel/security; {_LOAD} --syscall load"),
        ("auto", _LOAD),
    ]
    report = _boot("trixie", "lockdown=integrity", job)
    assert "kexec_file_load is tried, because kexec_load: " in report.text("unknown.out")
    assert "securityfs is not mounted" in report.text("unknown.out")
    assert _status(report, "by_hand") == 77
    assert "locked down (integrity)" in report.text("by_hand.out")
    assert "kexec_file_load is used: the kernel is locked down (integrity)" in report.text("auto.out")
    assert _status(report, "auto") == 77
    assert "does not accept the signature" in report.text("auto.out")
