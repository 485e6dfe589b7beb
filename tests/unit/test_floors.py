"""Kernels older than what is modelled: not determined, with the reason, in every command that predicts."""

import json
from pathlib import Path
from typing import Any

import pytest

import zone_logs
from bootlogs import x86_log
from cli_bench import Commands
from kexeckit.kernel.behaviour.behaviours import select_behaviours
from kexeckit.kernel.behaviour.floors import (
    FILE_LOAD,
    PAGE_TABLES,
    RESERVATION,
    SUBJECTS,
    ZONES,
    Floor,
    below_floor,
    floor_of,
    release_text,
)
from kexeckit.machine.version import Release, parse_kernel_version

# Subject, architecture, the last release without an answer, the first one with. Written down from the history of the
# architectures, not from the table.
BORDERS = [
    (RESERVATION, "x86_64", "2.6.31", "2.6.32"),
    (RESERVATION, "i386", "2.6.31", "2.6.32"),
    (RESERVATION, "arm64", "4.11", "4.12"),
    (RESERVATION, "riscv64", "5.12", "5.13"),
    (RESERVATION, "loongarch64", "6.0", "6.1"),
    (ZONES, "x86_64", "3.7", "3.8"),
    (ZONES, "i386", "3.7", "3.8"),
    (ZONES, "arm64", "4.15", "4.16"),
    (ZONES, "ppc64", "4.20", "5.0"),
    (ZONES, "riscv64", "5.9", "5.10"),
    (ZONES, "s390x", "5.9", "5.10"),
    (ZONES, "loongarch64", "5.18", "5.19"),
    (PAGE_TABLES, "x86_64", "3.8", "3.9"),
    (PAGE_TABLES, "arm64", "4.7", "4.8"),
    (FILE_LOAD, "x86_64", "5.9", "5.10"),
    (FILE_LOAD, "arm64", "5.9", "5.10"),
]


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


@pytest.mark.parametrize(("subject", "arch", "below", "first"), BORDERS)
def test_the_first_release_that_is_modelled(subject: str, arch: str, below: str, first: str) -> None:
    """One release lower there is a reason instead, which names the release."""
    assert below_floor(subject, arch, parse_kernel_version(first)) is None
    why = below_floor(subject, arch, parse_kernel_version(below))
    assert why
    assert f"modelled for {arch} from {first} on: before, " in why


@pytest.mark.parametrize("subject", [PAGE_TABLES, FILE_LOAD])
def test_other_architectures_are_not_answered_with_those_that_are_known(subject: str) -> None:
    """riscv64 has tables of its own."""
    why = below_floor(subject, "riscv64", parse_kernel_version("7.2"))
    assert why
    assert why.endswith("modelled for arm64 and x86_64 only, not for riscv64")


@pytest.mark.parametrize("since", [(3, 8), (3, 8, -1), (3, 8, 1)])
def test_a_floor_is_a_release(since: Any) -> None:
    """Of mainline, so its third number is 0."""
    with pytest.raises(ValueError, match="the floor of zones is no release of mainline"):
        Floor(ZONES, ("x86_64",), since, "why", "source")


def test_what_says_so_itself_has_no_floor() -> None:
    """Only the size of a reservation is known of ppc64, and that is said elsewhere."""
    assert floor_of(RESERVATION, "ppc64") is None
    assert below_floor(RESERVATION, "ppc64", parse_kernel_version("2.6.32")) is None
    assert below_floor(ZONES, "mips", parse_kernel_version("2.6.32")) is None


def test_behaviours_carry_what_is_not_modelled() -> None:
    """By subject."""
    old = select_behaviours("x86_64", Release("3.10.0-957.el7.x86_64"))
    assert [subject for subject in SUBJECTS if old.why_not(subject)] == [FILE_LOAD]
    assert old.why_not(FILE_LOAD) == below_floor(FILE_LOAD, "x86_64", old.version)
    assert select_behaviours("x86_64", Release("7.2")).below == ()


def test_releases_as_people_write_them() -> None:
    """A patch of 0 is not written."""
    assert [release_text(n) for n in ((6, 12, 0), (5, 10, 22), (2, 6, 32))] == ["6.12", "5.10.22", "2.6.32"]


@pytest.mark.parametrize(("version", "size"), [("4.10", 100864000), ("4.12.14", 100864000), ("4.13", 200704)])
def test_page_tables_of_the_threads_kernel(commands: Commands, version: str, size: int) -> None:
    """1 GiB leaves came with 4.13: before, 24 TiB take 96 MiB of tables of 2 MiB leaves (and 196 KiB above them)."""
    ended = commands.run("page-tables", "--range", "0-24T", "--kernel-version", version, "--json")
    assert json.loads(ended.out)["bytes"] == size


def test_page_tables_below_the_floor(commands: Commands) -> None:
    """Exit code 3; no number in text or JSON. A size of leaves that the user names needs no kernel."""
    words = ("page-tables", "--range", "0-24T", "--kernel-version", "3.8")
    ended = commands.run(*words)
    assert ended.code == 3
    assert ended.out.startswith("page tables with 4 levels, leaves as the kernel chooses: not determined\n")
    assert "kexec's page tables are modelled for x86_64 from 3.9 on" in ended.out
    document = json.loads(commands.run(*words, "--json").out)
    assert (document["pages"], document["bytes"], document["designs"]) == (None, None, [])
    assert document["reasons"][0]["text"].startswith("not determined: kexec's page tables")
    assert commands.run("page-tables", "--range", "0-24T", "--leaf", "2M").code == 0


def test_arm64_before_5_16_makes_no_copy(commands: Commands) -> None:
    """By hand and of a machine: zero pages, and why."""
    for version, pages in (("5.15", 0), ("5.16", 515)):
        asked = ("page-tables", "--range", "0-1G", "--arch", "arm64", "--kernel-version", version, "--json")
        found = json.loads(commands.run(*asked).out)
        assert sum(found["pages"].values()) == pages, found
    (commands.folder / "iomem").write_text("40000000-7fffffff : System RAM\n")
    words = ("page-tables", "--root", commands.at("iomem"), "--arch", "aarch64", "--kernel-version", "5.15")
    assert "this kernel makes no copy" in commands.run(*words).out


def test_tables_of_another_architecture(commands: Commands) -> None:
    """Not those of x86_64, whatever the source."""
    assert commands.run("page-tables", "--range", "0-1G", "--arch", "riscv64").code == 69
    (commands.folder / "iomem").write_text("80000000-bfffffff : System RAM\n")
    ended = commands.run("page-tables", "--root", commands.at("iomem"), "--arch", "riscv64")
    assert (ended.code, "on riscv64 is not known here" in ended.err) == (69, True)


def test_a_plan_for_kexec_file_load(commands: Commands) -> None:
    """The prediction is refused; our own plan stands, without a cost where that is not known."""
    ended = commands.plan("--syscall", "file", "--kernel-version", "4.19")
    assert ended.code == 3
    assert "kexec_file_load is modelled for x86_64 from 5.10 on: before, no older source was read" in ended.err
    assert commands.plan("--syscall", "file", "--kernel-version", "5.10").code == 0
    ended = commands.plan("--page-tables", "--kernel-version", "3.8")
    assert (ended.code, "the cost of page tables: not determined" in ended.err) == (0, True)
    assert ended.out.startswith("next kernel, kexec_load, entry ")


def test_an_older_kernel_is_loaded_into_all_the_same(commands: Commands) -> None:
    """What it will do is not shown, and why is said; --if-changed has nothing to compare."""
    image = (commands.at("vmlinuz"), "--initrd", commands.at("initrd"), "--root", commands.at("root"))
    ended = commands.run("load", *image, "--syscall", "file", "--dry-run", "--kernel-version", "4.18", "--if-changed")
    assert ended.code == 0
    assert "what the kernel loads where is not determined: kexec_file_load is modelled for x86_64" in ended.err


def test_a_stated_field_changes_the_plan_for_kexec_file_load(commands: Commands) -> None:
    """The kernel at its preferred address is 6.9's; a distribution may carry it."""
    words = ("--syscall", "file", "--json", "--kernel-version")
    old, new = (json.loads(commands.plan(*words, v).out)["segments"] for v in ("6.8", "6.9"))
    ended = commands.plan(*words, "6.8", "--set", "kernel_min_pref_address=yes")
    assert json.loads(ended.out)["segments"] == new != old


def test_a_reservation_below_the_floor(commands: Commands) -> None:
    """arm64 before 4.12 knows no crashkernel=; without the word, nothing is asked for."""
    (commands.folder / "log").write_text(x86_log(version="2.6.18"))
    words = ("crashkernel", "--root", commands.at("log"), "--json")
    found = json.loads(commands.run(*words, "crashkernel=64M").out)
    assert found["outcome"] == "not-determined"
    assert any("modelled for x86_64 from 2.6.32 on" in r["text"] for r in found["reasons"])
    assert json.loads(commands.run(*words).out)["outcome"] == "none"


def test_zones_below_the_floor(commands: Commands) -> None:
    """No zones, and the reason among the reasons."""
    (commands.folder / "log").write_text(zone_logs.x86_log())
    words = ("zones", "kernelcore=1G", "--afford", "--json", "--root", commands.at("log"), "--kernel-version")
    assert json.loads(commands.run(*words, "3.8").out)["ranges"]
    found = json.loads(commands.run(*words, "3.7").out)
    assert (found["ranges"], found["nodes"]) == ([], [])
    assert any("zones are modelled for x86_64 from 3.8 on" in r["text"] for r in found["reasons"])
    assert "not determined" in commands.run(*(w for w in words if w != "--json"), "3.7").out


@pytest.mark.parametrize(("version", "warned"), [("4.5", True), ("4.6", False)])
def test_kernelcore_mirror_before_4_6(commands: Commands, version: str, warned: bool) -> None:
    """memparse() finds no number in the word and makes it 0, which asks for no ZONE_MOVABLE."""
    (commands.folder / "log").write_text(zone_logs.x86_log())
    words = ("zones", "kernelcore=mirror", "--json", "--root", commands.at("log"), "--kernel-version", version)
    found = json.loads(commands.run(*words).out)
    assert any("reads a size of 0" in w for w in found["warnings"]) is warned
    assert any(n["movable_start"] for n in found["nodes"]) is not warned
    assert json.loads(commands.run(*words, "--set", f"core_mirror={warned}").out)["nodes"] != found["nodes"]


@pytest.mark.parametrize(("version", "known"), [("4.16", False), ("4.17", True)])
def test_percentages_before_4_17(commands: Commands, version: str, known: bool) -> None:
    """30% is 30 bytes, which is not a page."""
    (commands.folder / "log").write_text(zone_logs.x86_log())
    words = ("zones", "kernelcore=30%", "--json", "--root", commands.at("log"), "--kernel-version", version)
    found = json.loads(commands.run(*words).out)
    assert any("does not know percentages" in w for w in found["warnings"]) is not known
    assert any(n["movable_start"] for n in found["nodes"]) is known
