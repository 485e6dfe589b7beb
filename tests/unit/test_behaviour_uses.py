"""Where code asks for a dated field: the answer differs at its date."""

from pathlib import Path

import pytest

from bootlogs import pc_table, x86_log
from cli_bench import Commands
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.behaviour.reservation import crash_rules, with_pages
from kexeckit.kernel.boot.next_boot import may_be_randomised
from kexeckit.kernel.load.kimage import image_cost
from kexeckit.kernel.page_tables.calls import EfiTables, kernel_calls
from kexeckit.kernel.page_tables.control_pages import crash_control_pages
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.machine import merge
from kexeckit.machine.sources.log import machine_from_log
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree
from kexeckit.memory.units import GIB, KIB, MIB
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot
from readings import facts_of_root


@pytest.mark.parametrize(
    ("release", "random"),
    [("3.13.11", False), ("3.14", True), ("3.10.0-957.el7.x86_64", True), ("3.10.108-1.el7.elrepo.x86_64", False)],
)
def test_random_placement_of_the_kernel(release: str, random: bool) -> None:
    """Since 3.14, and in RHEL 7; nokaslr forbids it."""
    machine = machine_from_log(parse_boot_log(x86_log(version=release, cmdline="root=/dev/vda1"), "log"))
    rules = crash_rules("x86_64", parse_kernel_version(release))
    assert may_be_randomised(machine, rules, "root=/dev/vda1") is random
    assert not may_be_randomised(machine, rules, "root=/dev/vda1 nokaslr")


@pytest.mark.parametrize(
    ("arch", "release", "highest"), [("x86_64", "4.7", GIB), ("x86_64", "4.8", None), ("i386", "4.8", 512 * MIB)]
)
def test_how_high_the_kernel_can_be(arch: str, release: str, highest: int | None) -> None:
    """Below 1 GiB before 4.8; i386 never above its directly mapped half GiB."""
    text = x86_log(pc_table(4 * GIB), version=release, cmdline="root=/dev/vda1")
    machine = merge.stated(machine_from_log(parse_boot_log(text, "log")), arch)
    kernel = reservation_input(machine, ("root=/dev/vda1",)).unshown.kernel
    assert kernel
    assert kernel.highest == highest


@pytest.mark.parametrize(("release", "names"), [("5.2", []), ("5.3", ["EFI system table", "ACPI Tables"])])
def test_tables_of_the_firmware_are_mapped_since_5_3(release: str, names: list[str]) -> None:
    """Before, only RAM and segments; what is not known of them is no gap then."""
    tree = ResourceTree((Resource(MemRange(MIB, GIB), "System RAM"), Resource(MemRange(GIB, GIB + MIB), "ACPI Tables")))
    behaviour = behaviour_of(parse_kernel_version(release))
    assert [m.why for m in kernel_calls(tree, behaviour, (), EfiTables(2 * GIB, 2 * GIB, 1)).extra] == names
    assert bool(kernel_calls(tree, behaviour, efi_unknown=True).not_determined) is bool(names)


@pytest.mark.parametrize(("release", "pages"), [("4.12", 0), ("4.13", 1)])
def test_a_copy_of_vmcoreinfo_since_4_13(release: str, pages: int) -> None:
    """A control page of a crash image."""
    behaviour = behaviour_of(parse_kernel_version(release))
    region = MemRange(GIB, GIB + 64 * MIB)
    cost = image_cost([MemRange(GIB, GIB + MIB)], TablePages(pgd=1, pud=1), behaviour, crash=True)
    assert cost.vmcoreinfo_pages == pages
    control = crash_control_pages(region, (), 2, behaviour)
    assert (control.vmcoreinfo is not None, control.cursor) == (bool(pages), GIB + (3 + pages) * 4 * KIB)


def test_a_log_of_debian_is_dated_by_its_stable_release() -> None:
    """The text of uname stays, for the distribution."""
    text = x86_log(version="5.10.0-32-amd64").replace("#1 SMP", "#1 SMP Debian 5.10.223-1 (2024-08-10)")
    version = behaviours_of(machine_from_log(parse_boot_log(text, "log"))).version
    assert (version.patch, version.release) == (223, "5.10.0-32-amd64")


def test_a_root_of_debian_is_dated_by_its_stable_release(tmp_path: Path) -> None:
    """The same from /proc: 5.10.13 reserves before NUMA, 5.10.223 after."""
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("5.10.0-3-arm64\n")
    (tmp_path / "proc/sys/kernel/arch").write_text("aarch64\n")
    (tmp_path / "proc/iomem").write_text("40000000-7fffffff : System RAM\n")
    for stable, after in (("5.10.13", False), ("5.10.223", True)):
        banner = f"Linux version 5.10.0-3-arm64 (a@b) (gcc) #1 SMP Debian {stable}-1 (2021-02-08)\n"
        (tmp_path / "proc/version").write_text(banner)
        facts = facts_of_root(open_sysroot(str(tmp_path)), ("crashkernel=64M",))
        assert facts.rules.after_numa is after, stable


def test_a_listing_of_resources_takes_floor_and_stated_fields(tmp_path: Path) -> None:
    """As a boot log does."""
    (tmp_path / "iomem").write_text("00100000-3fffffff : System RAM\n")
    root = open_sysroot(str(tmp_path / "iomem"))
    machine = read_machine(root, arch="x86_64", release="2.6.18")
    found = reservation_input(machine, ("crashkernel=64M",), behaviours_of(machine, {"align": MIB}))
    assert (found.rules.align, bool(found.below)) == (MIB, True)
    assert "stated by the user: align is 1048576" in found.notes
    newer = read_machine(root, arch="x86_64", release="6.1")
    assert reservation_input(newer, ("crashkernel=64M",)).below is None


def test_stated_fields_stand_against_the_size_of_a_page() -> None:
    """Pages of 64 KiB would give other areas."""
    rules = crash_rules("arm64", parse_kernel_version("6.12"), stated={"cma_align": 4 * MIB})
    assert with_pages(rules, 64 * KIB, wide=False, stated=("cma_align",)).cma_align == 4 * MIB


def test_other_names_of_arm64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What uname prints has the behaviour of the kernel's."""
    commands = Commands(tmp_path, capsys)
    for arch in ("arm64", "aarch64"):
        ended = commands.run("page-tables", "--range", "0-1G", "--arch", arch, "--kernel-version", "5.16")
        assert "pte      512     2 MiB" in ended.out


def test_movablecore_in_percent_before_4_17(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """30 bytes are no page, so nothing is asked for."""
    import zone_logs

    commands = Commands(tmp_path, capsys)
    (tmp_path / "log").write_text(zone_logs.x86_log())
    words = ("zones", "movablecore=30%", "--root", commands.at("log"), "--kernel-version")
    assert "Node 1:" not in commands.run(*words, "4.16").out
    assert "Node 1:" in commands.run(*words, "4.17").out
