"""The page-tables command, and what it reads from which source."""

from pathlib import Path

import pytest

from documents import checked
from fakes import FakeMachine
from kexeckit.cli.main import main
from kexeckit.errors import InputError, UnavailableError
from kexeckit.kernel.assumed import GBPAGES, LEVELS, PAGE_SIZE
from kexeckit.kernel.behaviour.behaviours import ASSUMED as VERSION
from kexeckit.kernel.page_tables.from_machine import MappingQuestion, mapping_question
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot

MIB = 1 << 20
LOG = """\
[    0.000000] Linux version 6.1.0-50-cloud-amd64 (a@b) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.176-1
[    0.000000] Command line: console=ttyS0
[    0.000000] BIOS-provided physical RAM map:
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000bffdffff] usable
[    0.000000] BIOS-e820: [mem 0x00000000bffe0000-0x00000000bfffffff] reserved
[    0.010000] Using GB pages for direct mapping
"""


def asked(at: Path, **stated: str) -> MappingQuestion:
    """The question that a source asks."""
    return mapping_question(read_machine(open_sysroot(str(at)), handover=True, **stated))


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """The JSON document of a run."""
    assert main(["page-tables", "--json", *words]) == 0
    found: dict[str, object] = checked(capsys.readouterr().out)
    return found


def test_thread_numbers_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """24 TiB: 96 MiB and a little with 2 MiB leaves, 192 KiB and the root with 1 GiB leaves."""
    two = document(capsys, "--range", "0-24T", "--leaf", "2M")
    assert two["schema"] == "kexeckit/page-tables/1"
    assert (two["leaf"], two["levels"]) == ("2M", 4)
    assert two["pages"] == {"pgd": 1, "p4d": 0, "pud": 48, "pmd": 24576, "pte": 0}
    assert two["bytes"] == 96 * MIB + 49 * 4096
    one = document(capsys, "--range", "0-24T", "--leaf", "1G", "--levels", "5")
    assert one["pages"] == {"pgd": 1, "p4d": 1, "pud": 48, "pmd": 0, "pte": 0}


def test_kernel_rule_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """A partial GiB costs a page since 6.12; without 1 GiB pages each GiB does."""
    ranges = ("--range", "0-1G", "--range", "0x40000000-0x60000000", "--range", "4G-6G")
    old = document(capsys, *ranges, "--kernel-version", "6.1")
    new = document(capsys, *ranges, "--kernel-version", "6.12.107")
    without = document(capsys, *ranges, "--kernel-version", "6.12.107", "--no-gbpages")
    assert [d["pages"]["pmd"] for d in (old, new, without)] == [0, 1, 4]  # type: ignore[index]


@pytest.mark.parametrize("text", ["5-3", "1G", "1G-", "0-0", "x-1G"])
def test_wrong_ranges_are_usage_errors(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Exit code 2 and the text in the message."""
    assert main(["page-tables", "--range", text]) == 2
    assert text.partition("-")[0] in capsys.readouterr().err


def test_range_beyond_the_levels_says_what_they_reach(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and a hint."""
    assert main(["page-tables", "--range", "0-200T", "--leaf", "2M"]) == 1
    assert "use 5 levels" in capsys.readouterr().err


def test_machine_with_a_crash_region_shows_the_designs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text: levels, reasons, four designs; levels and 1 GiB pages from the machine's files."""
    files = {"/proc/cpuinfo": b"flags\t: fpu la57 pdpe1gb\n", "/proc/meminfo": b"DirectMap4k: 1 kB\n"}
    root = FakeMachine(files=files).write(tmp_path)
    assert main(["page-tables", "--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert "page tables with 5 levels" in text
    assert "does not use 1 GiB pages" in text
    assert all(name in text for name in ("all-2m", "all-1g", "crash-only", "this-kernel"))


def test_machine_with_a_given_leaf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machine's ranges, the user's leaf."""
    root = FakeMachine().write(tmp_path)
    found = document(capsys, "--root", str(root), "--leaf", "2M")
    assert found["pages"] == {"pgd": 1, "p4d": 0, "pud": 1, "pmd": 4, "pte": 0}
    assert found["assumed"] == [LEVELS, GBPAGES]
    shown = document(capsys, "--root", str(root), "--levels", "5", "--no-gbpages")
    assert (shown["levels"], shown["assumed"]) == (5, [])


def test_arm64_machine_is_a_copy_of_the_linear_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 GiB in pages."""
    at = tmp_path / "iomem"
    at.write_text("40000000-7fffffff : System RAM\n")
    found = document(capsys, "--root", str(at), "--arch", "aarch64", "--kernel-version", "6.12")
    assert found["pages"] == {"pgd": 1, "p4d": 0, "pud": 1, "pmd": 1, "pte": 512}


def test_boot_log_is_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The firmware's table, the kernel's version, its line about 1 GiB pages."""
    at = tmp_path / "dmesg"
    at.write_text(LOG)
    assert document(capsys, "--root", str(at))["pages"] == {"pgd": 1, "p4d": 0, "pud": 1, "pmd": 0, "pte": 0}
    question = asked(at)
    assert question.gbpages
    assert question.behaviour.efi_config_mapped


def test_log_without_a_map_is_unavailable(tmp_path: Path) -> None:
    """There is nothing to map."""
    at = tmp_path / "dmesg"
    at.write_text("\n".join(LOG.splitlines()[:2]))
    with pytest.raises(UnavailableError, match="no memory map"):
        asked(at)


def test_iomem_without_a_version_assumes_the_newest(tmp_path: Path) -> None:
    """And says so."""
    at = tmp_path / "iomem"
    at.write_text("00100000-bffdffff : System RAM\n")
    question = asked(at, arch="x86_64")
    assert question.behaviour.gb_leaf_only_when_full
    assert question.assumed == (VERSION, LEVELS, GBPAGES)


def test_debian_release_is_the_last_word_of_the_version(tmp_path: Path) -> None:
    """Not the compiler's: that is a Debian version, too."""
    version = (
        b"Linux version 5.10.0-32-cloud-amd64 (x) (gcc-10 (Debian 10.2.1-6) 10.2.1) #1 SMP Debian 5.10.223-1 (d)\n"
    )
    machine = read_machine(open_sysroot(str(FakeMachine(files={"/proc/version": version}).write(tmp_path))))
    assert machine.release == "5.10.223"


def test_efi_tables_come_from_two_files(tmp_path: Path) -> None:
    """boot_params has the system table, sysfs the configuration tables; rubbish is an error."""
    from fakes import build_boot_params

    files = {"/sys/firmware/efi/config_table": b"0x7f000000\n"}
    machine = FakeMachine(boot_params=build_boot_params(efi_systab=0x7E000018), files=files)
    found = asked(machine.write(tmp_path / "good"), release="6.12").calls.extra
    assert [m.range.start for m in found if m.why.startswith("EFI")] == [0x7E000018, 0x7F000000]
    wrong = FakeMachine(files={"/sys/firmware/efi/config_table": b"soon\n"})
    with pytest.raises(InputError, match="soon"):
        asked(wrong.write(tmp_path / "wrong"))
    lost = FakeMachine(files={"/sys/firmware/efi/runtime": b"0x7f000000\n"}).write(tmp_path / "lost")
    assert asked(lost).calls.not_determined


@pytest.mark.parametrize("arch", ["riscv64", "i686", "ppc64le"])
@pytest.mark.parametrize("ranges", [(), ("--range", "0-24T"), ("--range", "0-24T", "--leaf", "2M")])
def test_other_architectures_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arch: str, ranges: tuple[str, ...]
) -> None:
    """Their tables are no x86 tables."""
    root = FakeMachine().write(tmp_path)
    assert main(["page-tables", "--root", str(root), "--arch", arch, *ranges]) == 69
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "is not known here" in seen.err


def test_arm64_with_large_pages_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the tables of 4 KiB pages are known; a size that is not shown is assumed, and said."""
    text = 'arch = "aarch64"\npage_size = 65536\n[[nodes]]\nid = 0\nmemory = [["1G", "3G"]]\n'
    (tmp_path / "m.toml").write_text(text)
    assert main(["page-tables", "--root", str(tmp_path / "m.toml")]) == 69
    assert "64 KiB" in capsys.readouterr().err
    (tmp_path / "iomem").write_text("40000000-7fffffff : System RAM\n")
    assert asked(tmp_path / "iomem", arch="arm64").assumed == (VERSION, LEVELS, PAGE_SIZE)
    assert asked(tmp_path / "iomem", arch="arm64", release="6.12").assumed == (LEVELS, PAGE_SIZE)


def test_without_an_architecture_nothing_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 65 and the remedy."""
    (tmp_path / "iomem").write_text("40000000-7fffffff : System RAM\n")
    assert main(["page-tables", "--root", str(tmp_path / "iomem")]) == 65
    assert "--arch" in capsys.readouterr().err
