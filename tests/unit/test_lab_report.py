"""Reports of guests: stages, typed access, and what is said when one is missing."""

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.lab.frames import format_record, parse_records
from kexeckit.lab.guest import Guest, telling_lines
from kexeckit.lab.machine import Machine
from kexeckit.lab.report import GuestReport, GuestRun

MEMMAP = (
    "/sys/firmware/memmap/10/start:0x100000\n/sys/firmware/memmap/10/end:0x1fffff\n"
    "/sys/firmware/memmap/10/type:System RAM\n"
    "/sys/firmware/memmap/2/start:0x0\n/sys/firmware/memmap/2/end:0x9fbff\n/sys/firmware/memmap/2/type:Reserved\n"
)


def _run(stream: bytes, *, ended: bool = True, console: str = "") -> GuestRun:
    guest = SimpleNamespace(records=lambda: parse_records(stream), console=lambda: console, started=0.0)
    return GuestRun.from_guest(cast("Any", guest), ended, 60.0)


def test_stages_are_told_apart() -> None:
    """Two kernels of one run have a report each, in the order in which they ran; packed records are unpacked."""
    run = _run(
        format_record("boot/iomem", b"first")
        + format_record("boot/device_tree.gz", gzip.compress(b"tree"))
        + format_record("boot/reported", b"1.5")
        + format_record("capture/iomem", b"second")
        + format_record("capture/reported", b"2.5")
    )
    assert list(run.reports) == ["boot", "capture"]
    assert run.report("boot").text("iomem") == "first"
    assert run.report("boot").data("device_tree") == b"tree"
    assert run.report("capture").text("iomem") == "second"
    assert "device_tree" not in run.report("capture")


def test_a_cut_stage_is_not_a_report() -> None:
    """A guest that died while it reported has no report; the message says how far it came."""
    run = _run(format_record("boot/iomem", b"x"), console="line 1\n\nPanic: last words\n")
    with pytest.raises(UnavailableError, match=r"(?s)the guest ended.*boot \(cut\).*Panic: last words"):
        run.report("boot")


def test_the_cause_is_shown_before_the_last_lines() -> None:
    """A panic is followed by a long trace; its own line is not lost in the message."""
    console = "".join(["boot\n", "Kernel panic - not syncing: x\n", *(f"frame {n}\n" for n in range(30))])
    assert telling_lines(console)[0].startswith("Kernel panic")
    assert telling_lines(console)[-1] == "frame 29"
    assert "boot" not in telling_lines(console)


def test_a_run_out_of_time_says_so() -> None:
    """A machine that still ran when the time was over is told from one that ended."""
    with pytest.raises(UnavailableError, match=r"still ran after 60 s; reports seen: none"):
        _run(b"", ended=False).report("boot")


def test_missing_records_are_not_empty_ones() -> None:
    """A file that the kernel does not have is an error that lists what there is."""
    report = GuestReport("boot", {"empty": b"", "kexec_crash_size": b"268435456\n"}, complete=True)
    assert report.text("empty") == ""
    assert report.number("kexec_crash_size") == 256 << 20
    with pytest.raises(UnavailableError, match="no iomem; it has: empty, kexec_crash_size"):
        report.text("iomem")


def test_firmware_memmap_in_the_order_of_its_numbers() -> None:
    """Entry 2 comes before entry 10, and ends stay inclusive as the kernel has them."""
    report = GuestReport("boot", {"firmware_memmap": MEMMAP.encode()}, complete=True)
    assert report.firmware_memmap() == [(0, 0x9FBFF, "Reserved"), (0x100000, 0x1FFFFF, "System RAM")]


def test_a_missing_emulator_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without QEMU the message says which package has it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    guest = Guest(Machine(Path("/k"), arch="arm64"), cast("Any", None))
    with pytest.raises(UnavailableError, match="qemu-system-aarch64 is not installed") as caught, guest:
        pass
    assert caught.value.remedy == "apt-get install qemu-system-arm"
