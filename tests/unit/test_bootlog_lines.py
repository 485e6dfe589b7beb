"""Kernel messages are found under any coat, and wrapped lines are whole again."""

import pytest

from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.lines import clean_lines

MESSAGE = "Linux version 6.1.0 (someone)"


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "[    0.000000] ",
        "[    0.000000][    T0] ",
        "[    0.000000 <    0.000000>] ",
        "<6>[    0.000000] ",
        "6,0,0,-;",
        "kern  :info  : [    0.000000] ",
        "[Mon Jan  5 10:00:00 2026] ",
        "Dec  1 10:39:28 host kernel: ",
        "Dec  1 10:39:28 host kernel: [    0.000000] ",
        "2026-01-05T10:00:00.123456-05:00 host kernel: [    0.000000] ",
        "2026-01-05T10:00:00,123456+00:00 ",
        "Dec 01 10:39:28.123456 host kernel: ",
        "[    0.000000] host kernel: ",
        "host kernel: ",
        "> > [    0.000000] ",
        ">>> [    0.000000] ",
        "root@host:~# [    0.000000] ",
    ],
)
def test_prefixes_come_off(prefix: str) -> None:
    """Time stamps, syslog and journald prefixes, quotes and a shell prompt."""
    assert [line.text for line in clean_lines(f"{prefix}{MESSAGE}\n")] == [MESSAGE]


def test_seconds_are_kept() -> None:
    """A stamp becomes the line's time."""
    assert clean_lines("[   12.345678] hello\n")[0].seconds == 12.345678


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_line_ends(end: str) -> None:
    """CRLF and its relatives; numbers count lines of the file."""
    found = clean_lines(end.join(["[    0.000000] a", "", "[    0.000000] b", ""]))
    assert [line.text for line in found] == ["a", "b"]


def test_wrapped_lines_are_joined() -> None:
    """A line without a stamp belongs to the one before; inside a range there is no blank."""
    text = (
        "> [    0.000000] Command line: root=/dev/sda1 ro\n"
        "> crashkernel=256M quiet\n"
        "> [    0.000000] BIOS-e820: [mem 0x0000000000000000-\n"
        "> 0x000000000009ffff] usable\n"
    )
    found = clean_lines(text)
    assert [line.text for line in found] == [
        "Command line: root=/dev/sda1 ro crashkernel=256M quiet",
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable",
    ]
    assert [line.number for line in found] == [1, 3]


def test_wrapped_command_line_without_stamps() -> None:
    """Without stamps only what is visibly cut is joined."""
    text = (
        "Linux version 6.1.0 (x)\nCommand line: root=/dev/sda1\ncrashkernel=64M ro\nBIOS-provided physical RAM map:\n"
    )
    assert [line.text for line in clean_lines(text)][1:] == [
        "Command line: root=/dev/sda1 crashkernel=64M ro",
        "BIOS-provided physical RAM map:",
    ]


def test_the_kernels_own_wrapping() -> None:
    """Long command lines that the kernel prints in pieces are one again."""
    text = (
        "[    0.000000] Kernel command line: a=1 \\\n[    0.000000]   b=2 \\\n[    0.000000]   c=3\n[    0.100000] x\n"
    )
    assert clean_lines(text)[0].text == "Kernel command line: a=1 b=2 c=3"


def test_reversed_log() -> None:
    """A log that is printed newest first is turned round."""
    rows = ["Linux version 6.1.0 (x)", "BIOS-provided physical RAM map:", "Zone ranges:", "Early memory node ranges"]
    text = "".join(f"Dec 01 10:00:00 host kernel: {row}\n" for row in reversed(rows))
    assert [line.text for line in clean_lines(text)] == rows


def test_last_boot_that_is_no_capture_kernel() -> None:
    """Of several boots, the last with a map that is no capture kernel's; the note says so."""
    boot = "[    0.000000] Linux version {} (x)\n[    0.000000] Command line: {}\n"
    mapped = "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n[    1.000000] x\n"
    text = boot.format("6.1.1", "a") + mapped + boot.format("6.1.2", "b") + mapped
    text += boot.format("6.1.3", "c elfcorehdr=0x1000") + mapped
    log = parse_boot_log(text, "log")
    assert log.release == "6.1.2"
    assert "boot 2 of 3" in log.note


def test_empty_early_command_line() -> None:
    """A built-in command line shows only in the later line."""
    rows = (
        "[    0.000000] Linux version 6.1.0 (x)",
        "[    0.000000] Command line: ",
        "[    0.1000] Kernel command line: a",
    )
    text = "".join(f"{row}\n" for row in rows)
    assert parse_boot_log(text, "log").cmdline == "a"


def test_a_cut_boot_before_another_without_stamps() -> None:
    """What the kernel prints late is the end of an earlier boot, and not the beginning of this one."""
    rows = ("pci 0000:00:1f.0: [8086:a143]", "usb 1-1: new device", "Linux version 6.1.2 (x)", "Command line: a")
    log = parse_boot_log("".join(f"{row}\n" for row in rows), "log")
    assert log.lines[0].number == 3
    assert "boot 2 of 2" in log.note


def test_an_empty_early_command_line_alone_says_nothing() -> None:
    """The built-in one comes later, and a log that ends before it shows none."""
    text = "[    0.000000] Linux version 6.1.0 (x)\n[    0.000000] Command line: \n[    0.000000] BIOS-e820: x\n"
    assert parse_boot_log(text, "log").cmdline is None
