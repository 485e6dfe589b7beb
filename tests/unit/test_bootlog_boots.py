"""Where a boot begins in a file that holds more than one: lines that are printed before the kernel's version."""

import pytest

from bootlogs import x86_log
from kexeckit.formats.bootlog.boot import parse_boot_log

EARLIER = "systemd-shutdown[1]: Powering off."


def bare(text: str) -> list[str]:
    """Return the messages of a log without their stamps."""
    return [row.partition("] ")[2] for row in text.splitlines()]


def first_of_the_last(line: str) -> str:
    """Return the first line that counts to the second of two boots, where one more line stands between them."""
    boot = bare(x86_log())
    return parse_boot_log("\n".join([*boot, EARLIER, line, *boot, ""]), "log").lines[0].text


@pytest.mark.parametrize(
    "line",
    [
        "Booting Linux on physical CPU 0x0000000000 [0x410fd083]",
        "Initializing cgroup subsys cpuset",
        "microcode: updated early: 0x1 -> 0x2, date = 2020-01-01",
        "printk: legacy bootconsole [earlycon0] enabled",
    ],
)
def test_lines_before_the_version_belong_to_the_boot(line: str) -> None:
    """Without stamps only their text tells.

    Source: init/main.c, start_kernel(): smp_setup_processor_id() and cgroup_init_early() come before linux_banner;
    arch/x86/kernel/head64.c, load_ucode_bsp(), before start_kernel(). That of the console is no source's: it was seen.
    """
    assert first_of_the_last(line) == line


def test_other_lines_before_the_version_belong_to_the_boot_before() -> None:
    """Whatever they say, if no stamp of zero is on them."""
    assert first_of_the_last("reboot: Restarting system").startswith("Linux version")
