"""Options that a command would pass over are refused: exit 2, the option's name, and what to do instead."""

from pathlib import Path

import pytest

from bootlogs import pc_table, x86_log
from cli_bench import Commands

REFUSED = {
    # Only our own segments have these.
    "plan VMLINUZ --root ROOT --syscall file --on-damage reset": "--on-damage",
    "plan VMLINUZ --root ROOT --syscall file --serial 0x3f8": "--serial",
    "plan VMLINUZ --root ROOT --syscall file --panic --old-ram omit": "--old-ram",
    "plan VMLINUZ --root ROOT --syscall file --efi-map VMLINUZ": "--efi-map",
    "load VMLINUZ --root ROOT --syscall file --spin": "--spin",
    # An estimate reads the files that it is given, and nothing else does.
    "crashkernel --estimate VMLINUZ --root ROOT": "--root",
    "crashkernel --estimate VMLINUZ --kernel-version 6.1": "--kernel-version",
    "crashkernel --estimate VMLINUZ --arch x86_64": "--arch",
    "crashkernel crashkernel=1G --estimate VMLINUZ": "crashkernel=1G",
    "crashkernel --root ROOT --initrd VMLINUZ": "--initrd",
    "crashkernel --root ROOT --append root=/dev/vda": "--append",
    "crashkernel --root ROOT --cpus 2": "--cpus",
    "crashkernel --root ROOT --ram 1G": "--ram",
    "crashkernel --root ROOT --low 1G": "--low",
    "crashkernel --root ROOT --luks 1G": "--luks",
    # Numbers that no machine has.
    "crashkernel --estimate VMLINUZ --cpus 0": "--cpus 0",
    "crashkernel --estimate VMLINUZ --ram 8E": "--ram 8E",
    # Ranges by hand, and what is counted for them.
    "page-tables --range 0-1G --leaf 2M --root ROOT": "--root",
    "page-tables --range 0-1G --leaf 2M --kernel-version 6.1": "--kernel-version",
    "page-tables --range 0-1G --leaf 2M --no-gbpages": "--no-gbpages",
    "page-tables --range 0-1G --kernel-version 6.1 --root ROOT": "--root",
    # What a command never looks at.
    "status --root ROOT --arch x86_64": "--arch",
    "status --root ROOT --kernel-version 6.1": "--kernel-version",
    "unload --root ROOT --kernel-version 6.1": "--kernel-version",
    "exec --root ROOT --kernel-version 6.1": "--kernel-version",
    "capture NEW --root ROOT --arch x86_64": "--arch",
    "rehearse --root ROOT": "--root",
}


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


@pytest.mark.parametrize("line", REFUSED)
def test_what_would_be_passed_over_is_refused(commands: Commands, line: str) -> None:
    """One line that names it, and a remedy."""
    at = {"VMLINUZ": "vmlinuz", "ROOT": "root", "NEW": "new"}
    before = commands.snapshot()
    ended = commands.run(*(commands.at(at[word]) if word in at else word for word in line.split()))
    assert ended.code == 2
    assert REFUSED[line] in ended.message
    assert commands.snapshot() == before


@pytest.mark.parametrize(
    "line",
    [
        "plan VMLINUZ --root ROOT --syscall file",
        "plan VMLINUZ --root ROOT --on-damage reset --serial 0x3f8 --old-ram omit",
        "page-tables --range 0-1G --leaf 2M --levels 5",
        "page-tables --range 0-1G --no-gbpages --kernel-version 6.1",
        "capture NEW --root ROOT",
    ],
)
def test_what_is_used_is_taken(commands: Commands, line: str) -> None:
    """The same options where they mean something."""
    at = {"VMLINUZ": "vmlinuz", "ROOT": "root", "NEW": "new"}
    assert commands.run(*(commands.at(at[word]) if word in at else word for word in line.split())).code == 0


def test_outcomes_that_are_not_determined_are_exit_3(commands: Commands) -> None:
    """A reservation, and page tables of a machine whose EFI tables' places are not shown."""
    text = x86_log(pc_table(1 << 32), version="6.12")
    log = commands.put("log", text.encode())
    assert commands.run("page-tables", "--root", log).code == 0
    log = commands.put("log", (text + "[    0.000000] efi: EFI v2.70 by EDK II\n").encode())
    assert commands.run("page-tables", "--root", log).code == 3
    iomem = commands.put("iomem", b"00100000-bffdffff : System RAM\nfee00000-fee00fff : Local APIC\n")
    words = ("crashkernel", "crashkernel=64M", "numa=off", "--kernel-version", "6.1")
    assert commands.run(*words, "--root", iomem).code == 3
