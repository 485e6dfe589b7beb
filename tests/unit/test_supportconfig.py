"""A supportconfig: a machine's files in sections of texts."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from bootlogs import MIB, x86_log
from kexeckit.cli.main import main
from kexeckit.errors import UnavailableError
from kexeckit.formats.supportconfig import files_of_sections, parse_sections
from kexeckit.system.machine import read_machine
from kexeckit.system.supportconfig import SupportconfigRoot
from kexeckit.system.sysroot import open_sysroot

IOMEM = "00001000-0009fbff : System RAM\n00100000-bffdffff : System RAM\n  ae000000-bdffffff : Crash kernel\n"
CMDLINE = "root=/dev/vda1 nokaslr crashkernel=256M"


def section(kind: str, title: str, text: str) -> str:
    """Return a section as the tool writes it."""
    return f"#==[ {kind} ]{'=' * (40 - len(kind))}#\n# {title}\n{text}\n\n"


def texts() -> dict[str, str]:
    """Return the texts of one machine."""
    uname = "Linux host 6.1.0 #1 SMP PREEMPT_DYNAMIC Thu Jan 1 00:00:00 UTC 2026 x86_64 x86_64 x86_64 GNU/Linux\n"
    return {
        "basic-environment.txt": "=== header ===\n\n" + section("Command", "/usr/bin/uname -a", uname),
        "boot.txt": section("Command", "/usr/bin/dmesg -T | grep taint", "x")
        + section("Command", "/bin/dmesg -T", LOG),
        "proc.txt": section("Configuration File", "/proc/iomem", IOMEM)
        + section("Configuration File", "/proc/cmdline", CMDLINE)
        + "#==[ Configuration File ]===========================#\n# /proc/meminfo - File not found\n\n"
        + "#==[ Note ]===#\nno title\n",
    }


# With the time of day, as the tool asks for it.
LOG = re.sub(
    r"^(?:\[ *\d+\.\d+\] )?", "[Thu Jan  1 10:00:00 2026] ", x86_log(cmdline=CMDLINE).rstrip("\n"), flags=re.MULTILINE
)


def written(folder: Path) -> Path:
    """Write the texts below a folder of the tool's own."""
    base = folder / "scc_host_260101_0000"
    base.mkdir(parents=True)
    for name, text in texts().items():
        (base / name).write_text(text)
    return base


@pytest.mark.parametrize("form", ["folder", "folder above", "archive"])
def test_every_form_is_read(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the folder, as it is unpacked, and as it comes; the answer is that of the log and the listing."""
    base = written(tmp_path / "in")
    root = base if form == "folder" else base.parent
    if form == "archive":
        root = tmp_path / "scc_host_260101_0000.txz"
        with tarfile.open(root, "w:xz") as tar:
            tar.add(base, base.name)
    assert main(["crashkernel", "--root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(r["start"], r["size"]) for r in found["regions"]] == [(0xAE000000, 256 * MIB)]
    assert (found["observed"]["outcome"], found["agreement"]) == ("reserved", "agree")
    machine = read_machine(open_sysroot(str(root)))
    assert machine.kernel.release
    assert (machine.arch, machine.kernel.release.value, machine.cmdline) == ("x86_64", "6.1.0", CMDLINE)
    assert machine.kernel.release.source == f"{root}:basic-environment.txt:/proc/sys/kernel/osrelease"


def test_a_root_with_such_a_file_is_a_root(tmp_path: Path) -> None:
    """What has /proc is a machine's root, whatever else lies there."""
    base = written(tmp_path)
    (base / "proc").mkdir()
    assert not isinstance(open_sysroot(str(base)), SupportconfigRoot)


def test_what_is_not_there(tmp_path: Path) -> None:
    """A file that was not found is absent, not empty; folders follow from the names."""
    root = open_sysroot(str(written(tmp_path)))
    assert isinstance(root, SupportconfigRoot)
    with pytest.raises(UnavailableError, match="/proc/meminfo"):
        root.read_text("/proc/meminfo")
    with pytest.raises(UnavailableError, match="/sys"):
        root.listdir("/sys")
    assert root.listdir("/proc") == ["cmdline", "iomem", "sys"]
    assert (root.exists("/proc/sys"), root.exists("/proc/meminfo")) == (True, False)
    assert root.read_bytes("/proc/cmdline", 4) == b"root"


def test_sections() -> None:
    """The end of a long log is a log; of two of a name the first that holds something counts; indents stay."""
    text = (
        section("Log File", "/var/log/boot.msg - Last 500 Lines", "a\n  b")
        + section("Configuration File", "/proc/cmdline", "")
        + section("Configuration File", "/proc/cmdline", "one")
        + section("Configuration File", "/proc/cmdline", "two")
        + section("Command", "/usr/bin/uname -a", "too short")
    )
    assert files_of_sections(parse_sections(text)) == {"/var/log/boot.msg": "a\n  b\n", "/proc/cmdline": "one\n"}
