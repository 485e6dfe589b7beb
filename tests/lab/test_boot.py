"""Guests themselves: each kernel under test boots, reports, and can be stopped and looked into."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.lab.dev.boottime import measure_boot
from kexeckit.lab.guest import Guest
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine, NumaNode
from kexeckit.lab.packages import SUITES, KernelPackage, fetch_python
from kexeckit.lab.report import boot_and_report, run_guest
from kexeckit.lab.second import SecondKernel, run_second_kernel

pytestmark = pytest.mark.lab
GIB, MIB = 1 << 30, 1 << 20
Kernels = Callable[..., KernelPackage]


@pytest.mark.parametrize("suite", SUITES)
def test_every_kernel_boots_and_reports(kernel: Kernels, suite: str) -> None:
    """All that predictions are held against arrives, from the kernel that was asked for."""
    package = kernel(suite)
    report = boot_and_report(Machine(package.vmlinuz, memory=2 * GIB, append="crashkernel=128M"))
    assert package.release in report.text("version")
    assert "System RAM" in report.text("iomem")
    assert "crashkernel=128M" in report.text("cmdline").split()
    assert report.number("kexec_crash_size") == 128 * MIB
    assert "Command line:" in report.text("dmesg")
    assert "start_pfn" in report.text("zoneinfo")
    assert (
        report.data("boot_params")[0x1FE:0x206] == b"\x55\xaa\xeb" + report.data("boot_params")[0x201:0x202] + b"HdrS"
    )
    ram = [entry for entry in report.firmware_memmap() if entry[2] == "System RAM"]
    assert ram[0][0] == 0
    assert 2 * GIB - MIB < ram[-1][1] < 2 * GIB


def test_arm64_boots_and_reports(kernel: Kernels) -> None:
    """The other architecture tells its map, its device tree and its memblock."""
    report = boot_and_report(Machine(kernel("trixie", "arm64").vmlinuz, arch="arm64", append="crashkernel=128M"))
    assert "40000000-7fffffff : System RAM" in report.text("iomem")
    assert "Crash kernel" in report.text("iomem")
    assert report.data("device_tree")[:4] == b"\xd0\x0d\xfe\xed"
    assert "0x0000000040000000..0x000000007fffffff" in report.text("memblock_memory")


def test_cost_of_a_boot_is_measured(kernel: Kernels) -> None:
    """The three clocks of the documented figures all run, and one CPU cannot use more than the wall time."""
    wall, used, uptime = measure_boot(Machine(kernel("bookworm").vmlinuz, memory=512 * MIB))
    assert 0 < used < wall * 1.5
    assert uptime > 0


def test_memory_of_uneven_nodes(kernel: Kernels) -> None:
    """Each node has the memory of its description, also where that is none."""
    nodes = (NumaNode(GIB, 1), NumaNode(0, 1), NumaNode(512 * MIB))
    report = boot_and_report(Machine(kernel("trixie").vmlinuz, nodes=nodes))
    totals = [line.split() for line in report.text("node_meminfo").splitlines() if "MemTotal" in line]
    assert sorted(int(words[3]) * 1024 // (256 * MIB) for words in totals) == [0, 1, 3]


def test_a_guest_may_be_larger_than_its_host(kernel: Kernels) -> None:
    """Memory costs something once it is touched, so 48 GiB are no trouble."""
    report = boot_and_report(Machine(kernel("bookworm").vmlinuz, memory=48 * GIB))
    assert "100000000-c3fffffff : System RAM" in report.text("iomem")


def test_job_and_python(kernel: Kernels) -> None:
    """A job's commands send what they print and how they ended; Python runs in the guest."""
    fetch_python()
    image = GuestImage(
        python=True,
        kallsyms=True,
        report=True,
        job="run sum python3 -c 'import ctypes, hashlib; print(40 + 2)'\nrun fail sh -c 'exit 3'\nemit file /data/x\n",
        files=(("/data/x", bytes(range(256))),),
    )
    report = run_guest(Machine(kernel("bookworm").vmlinuz), image).report("boot")
    assert report.text("sum.out") == "42\n"
    assert (report.number("sum.status"), report.number("fail.status")) == (0, 3)
    assert report.data("file") == bytes(range(256))
    assert " T _text" in report.text("kallsyms")


def test_a_panic_without_capture_kernel_ends_the_guest(kernel: Kernels) -> None:
    """The run does not hang, what was reported before is kept, and the console tells why."""
    run = run_guest(Machine(kernel("bookworm").vmlinuz), GuestImage(job="crash\n"))
    assert run.ended
    assert run.report("boot").text("iomem")
    assert "sysrq triggered crash" in run.console
    with pytest.raises(UnavailableError, match=r"(?s)no capture report: the guest ended.*Kernel panic"):
        run.report("capture")


def test_time_is_limited(kernel: Kernels) -> None:
    """A guest that does not end is ended, and the progress that was seen is lines."""
    lines: list[str] = []
    run = run_guest(
        Machine(kernel("bookworm").vmlinuz, quiet=False),
        GuestImage(report=False, job="sleep 600\n"),
        timeout=15,
        progress=lines.append,
    )
    assert not run.ended
    assert run.seconds < 25
    assert any("Linux version" in line for line in lines)
    assert not [line for line in lines if "\n" in line or "\r" in line]


def test_a_refused_machine_quotes_the_emulator(kernel: Kernels) -> None:
    """A machine that QEMU does not know is an error in its words."""
    with pytest.raises(UnavailableError, match=r"nosuchdevice"):
        boot_and_report(Machine(kernel("bookworm").vmlinuz, extra=("-device", "nosuchdevice")))


def test_stopped_guest_is_read_and_written(kernel: Kernels) -> None:
    """Monitor and gdb stub see the same physical memory; memory is plugged in; leaving removes everything."""
    machine = Machine(kernel("bookworm").vmlinuz, slots=1, max_memory=2 * GIB, gdb=True)
    job = "emit_text ready 1\nsleep 4\ncopy later /proc/iomem\nemit later /tmp/report/later\n"
    with Guest(machine, GuestImage(job=job)) as guest:
        assert guest.wait_for("boot/ready", 90)
        with guest.qmp() as monitor:
            monitor.stop()
            with guest.gdb() as stub:
                stub.write_physical(0x3000_0FFE, b"written")
                assert stub.read_physical(0x3000_0FFE, 7) == b"written"
            assert monitor.read_physical(0x3000_0FFE, 7) == b"written"
            monitor.resume()
            assert monitor.execute("query-status")["status"] == "running"
            monitor.plug_dimm("d0", 256 * MIB)
            assert "d0" in monitor.human("info memory-devices")
        assert guest.wait(90)
        later = {record.name: record.data for record in guest.records().records}["boot/later"].decode()
        assert "100000000-10fffffff : System RAM" in later
        folder = guest.files.folder
    assert not folder.exists()


LOAD = """
import ctypes, os, sys
kernel, initrd = os.open("/boot/vmlinuz", os.O_RDONLY), os.open("/boot/initrd", os.O_RDONLY)
command = b"console=ttyS0 panic=-1 quiet nokaslr no_timer_check nr_cpus=1" + bytes(1)
call = ctypes.CDLL(None).syscall
sys.exit(call(*map(ctypes.c_long, (320, kernel, initrd, len(command))), command, ctypes.c_long(int(sys.argv[1]))))
"""


@pytest.mark.parametrize(("flags", "stage"), [(2, "capture"), (0, "second")])
def test_both_kernels_of_a_run_report(kernel: Kernels, flags: int, stage: str) -> None:
    """A panic and a plain kexec lead into our own initramfs, which knows which of the two it is in."""
    enter = "run exec python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x45584543)'"
    second = SecondKernel(f"python3 /load.py {flags}", "crash" if flags else enter)
    machine = Machine(kernel("bookworm").vmlinuz, memory=512 * MIB, append="crashkernel=160M")
    run = run_second_kernel(machine, second, files=(("/load.py", LOAD.encode()),))
    assert list(run.reports) == ["boot", stage]
    assert run.report("boot").number("load.status") == 0
    report = run.report(stage)
    assert ("elfcorehdr=" in report.text("cmdline")) == bool(flags)
    if flags:
        header = report.data("vmcore_header")
        assert header[:4] == b"\x7fELF"
        assert report.number("vmcore_size") > 300 * MIB
        assert len(header) >= 64 + 56 * int.from_bytes(header[56:58], "little")


def _fail_in(guest: Guest) -> None:
    with guest:
        raise RuntimeError("in the middle")


def test_leaving_kills_the_emulator(kernel: Kernels) -> None:
    """An exception in the middle of a run leaves no process and no files behind."""
    guest = Guest(Machine(kernel("bookworm").vmlinuz), GuestImage())
    with pytest.raises(RuntimeError, match="in the middle"):
        _fail_in(guest)
    assert guest._process.returncode == -9
    assert not guest.files.folder.exists()


KILLED = """
import sys, time
from pathlib import Path
from kexeckit.lab.guest import Guest
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
with Guest(Machine(Path(sys.argv[1])), GuestImage()) as guest:
    print(guest._process.pid, guest.files.folder, flush=True)
    time.sleep(60)
"""


def test_the_emulator_dies_with_its_starter(kernel: Kernels) -> None:
    """Even where the starter is killed outright, no QEMU is left running."""
    command = [sys.executable, "-c", KILLED, str(kernel("bookworm").vmlinuz)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, folder = starter.stdout.readline().split()
        starter.kill()
    limit = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    shutil.rmtree(folder)
    assert not Path(f"/proc/{pid}").exists()
