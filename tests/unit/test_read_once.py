"""One machine is read once: no command that predicts opens a file twice."""

from collections import Counter
from pathlib import Path

import pytest

from cli_bench import Commands
from fakes import FakeMachine
from kexeckit.formats.srat import format_srat
from kexeckit.memory.range import MemRange
from kexeckit.system.sysroot import DirectoryRoot
from zone_logs import x86_log

FILES = {
    "/dmesg": x86_log("").encode(),
    "/proc/cpuinfo": b"flags\t: fpu pdpe1gb\n",
    "/proc/meminfo": b"MemTotal: 4000000 kB\nDirectMap1G: 4 kB\n",
    "/proc/version": b"Linux version 6.1.0-53-cloud-amd64 (x) (gcc) #1 SMP Debian 6.1.176-1 (d)\n",
    "/sys/firmware/acpi/tables/SRAT": format_srat([(0, MemRange(0, 1 << 32), False)]),
    "/sys/firmware/efi/config_table": b"0x7f000000\n",
    "/boot/config-6.1.0-53-cloud-amd64": b"CONFIG_KEXEC=y\n",
}
PLAN = ("plan", "VMLINUZ", "--initrd", "INITRD")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of a root was opened."""
    seen: Counter[str] = Counter()
    plain = DirectoryRoot.read_bytes

    def counted(self: DirectoryRoot, name: str, limit: int | None = None) -> bytes:
        seen[name] += 1
        return plain(self, name, limit)

    monkeypatch.setattr(DirectoryRoot, "read_bytes", counted)
    return seen


@pytest.mark.parametrize(
    "words",
    [
        PLAN,
        (*PLAN, "--panic"),
        (*PLAN, "--panic", "--page-tables", "--after", "add 5G-6G"),
        (*PLAN, "--syscall", "file", "--panic", "--page-tables"),
        ("page-tables",),
        ("page-tables", "--range", "0-24T"),
        ("status",),
        ("crashkernel",),
        ("crashkernel", "crashkernel=256M"),
        ("zones",),
        ("zones", "kernelcore=50%"),
        ("machine",),
    ],
)
def test_no_file_is_opened_twice(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], read: Counter[str]
) -> None:
    """Neither by what answers nor by what it costs."""
    commands = Commands(tmp_path, capsys, FakeMachine(files=FILES))
    filled = [commands.at(w.lower()) if w in ("VMLINUZ", "INITRD") else w for w in words]
    ended = commands.run(*filled, "--root", commands.at("root"))
    assert ended.code in (0, 1, 3), ended.err
    assert {name: n for name, n in read.items() if n > 1} == {}
    assert read["/sys/kernel/kexec_loaded"] == 1


def test_a_machine_read_twice_is_seen(tmp_path: Path, read: Counter[str]) -> None:
    """The counting can fail."""
    root = DirectoryRoot(str(FakeMachine().write(tmp_path)))
    for _ in range(2):
        root.read_text("/proc/iomem")
    assert read["/proc/iomem"] == 2
