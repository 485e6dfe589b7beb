"""The crashkernel command: sources, JSON, exit codes.

About kexeckit.kernel.reservation.explain, kexeckit.kernel.reservation.advice, kexeckit.kernel.reservation.predict,
kexeckit.kernel.reservation.from_machine.
"""

import tarfile
from pathlib import Path

import pytest

from bootlogs import GIB, MIB, pc_table, x86_log
from documents import checked
from kexeckit.cli.main import main

IOMEM = """\
00001000-0009fbff : System RAM
00100000-bffdffff : System RAM
  03000000-03ffffff : Kernel code
  04000000-042fffff : Kernel data
100000000-23fffffff : System RAM
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A boot log of a PC with 8 GiB as a file."""
    path = tmp_path / "dmesg.txt"
    path.write_text(x86_log(pc_table(5 * GIB), version="6.12"))
    return path


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture laid out like a root, with KASLR in its command line."""
    root = tmp_path / "root"
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "var/log").mkdir(parents=True)
    cmdline = "root=/dev/vda1 crashkernel=256M"
    (root / "var/log/dmesg").write_text(x86_log(pc_table(5 * GIB), version="6.12", cmdline=cmdline))
    (root / "proc/iomem").write_text(IOMEM)
    (root / "proc/cmdline").write_text(cmdline + "\n")
    (root / "proc/sys/kernel/osrelease").write_text("6.12.0\n")
    return root


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Run the command with --json and return what it printed."""
    main(["crashkernel", *words, "--json"])
    found = checked(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_document(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The contract: schema, boot, outcome and how sure each part is, reasons, candidates, sources."""
    found = document(capsys, "crashkernel=3G", "--root", str(log))
    assert found["schema"] == "kexeckit/crashkernel/1"
    assert (found["about"], found["outcome"], found["certainty"]) == ("next-boot", "reserved", "certain")
    sure, likely = {"size": "certain", "address": "certain"}, {"size": "certain", "address": "likely"}
    low = {"start": 0xAE000000, "size": 256 * MIB, "kind": "low", "certainty": likely}
    main_part = {"start": 0x17F000000, "size": 3 * GIB, "kind": "main", "certainty": sure}
    assert found["regions"] == [{**region, "name": "Crash kernel", "share": None} for region in (low, main_part)]
    assert found["reasons"]
    candidates = found["candidates"]
    assert isinstance(candidates, list)
    assert [row["start"] for row in candidates] == [0xAE000000, 0xAF000000, 0xAE000000]
    assert candidates[2] == {
        "start": 0xAE000000,
        "last": 0x9D000000,
        "step": 16 * MIB,
        "size": 256 * MIB,
        "part": "low",
        "share": None,
        "when": "the initrd lies in its way",
    }
    assert found["sources"]


def test_failed_reservation_is_exit_code_1(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what would fit."""
    assert main(["crashkernel", "crashkernel=6G", "--root", str(log)]) == 1
    assert "would fit" in capsys.readouterr().out


def test_none_is_exit_code_0(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log without crashkernel= reserves nothing, which is an answer."""
    assert main(["crashkernel", "--root", str(log)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "predicted: none"


def test_capture_shows_the_kernel_image(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc/iomem tells where KASLR put the kernel, so nothing is left open of this boot; of the next one it is."""
    found = document(capsys, "--root", str(capture))
    assert (found["about"], found["certainty"], found["candidates"]) == ("this-boot", "certain", [])
    found = document(capsys, "--next-boot", "--root", str(capture))
    assert (found["about"], found["certainty"]) == ("next-boot", "certain")
    assert "the kernel image lies in its way" in str(found["candidates"])


def test_the_kernel_image_is_in_the_way(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fixed address on top of it fails, in the boot that it is shown for; in the next one it is no sure failure."""
    for word, outcome in (("crashkernel=64M@48M", "failed"), ("crashkernel=64M@80M", "reserved")):
        for name in ("var/log/dmesg", "proc/cmdline"):
            path = capture / name
            path.write_text(path.read_text().replace("crashkernel=256M", word))
        found = document(capsys, "--root", str(capture))
        assert (found["outcome"], found["certainty"]) == (outcome, "certain")
        found = document(capsys, "--next-boot", "--root", str(capture))
        assert (found["outcome"], found["certainty"]) == ("reserved", "likely")
        for name in ("var/log/dmesg", "proc/cmdline"):
            path = capture / name
            path.write_text(path.read_text().replace(word, "crashkernel=256M"))


def test_tar_answers_as_the_folder(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a leading folder and compressed."""
    packed = tmp_path / "capture.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(capture, "host-2026")
    one = document(capsys, "crashkernel=256M", "--root", str(capture))
    two = document(capsys, "crashkernel=256M", "--root", str(packed))
    assert one["regions"] == two["regions"]


def test_capture_without_a_log(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was reserved early is unknown then: no address, but size and outcome are given."""
    (capture / "var/log/dmesg").unlink()
    found = document(capsys, "--root", str(capture), "--arch", "amd64")
    assert (found["outcome"], found["certainty"]) == ("reserved", "likely")
    sure = {"size": "likely", "address": "open"}
    region = {"start": None, "size": 256 * MIB, "kind": "main", "name": "Crash kernel", "certainty": sure}
    assert found["regions"] == [{**region, "share": None}]


def test_iomem_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lone iomem file may not show the architecture, never the command line, nor the version, which is assumed."""
    path = tmp_path / "iomem.txt"
    path.write_text(IOMEM)
    assert main(["crashkernel", "crashkernel=64M", "--root", str(path)]) == 65
    capsys.readouterr()
    path.write_text(IOMEM + "fee00000-fee00fff : Local APIC\n")
    assert document(capsys, "--root", str(path))["outcome"] == "not-determined"
    found = document(capsys, "crashkernel=64M", "--root", str(path), "--kernel-version", "6.1")
    assert (found["outcome"], found["certainty"]) == ("reserved", "likely")
    regions = found["regions"]
    assert isinstance(regions, list)
    assert regions[0]["start"] is None


@pytest.mark.parametrize(("words", "code"), [(["512M"], 2), (["crashkernel=64M", "--kernel-version", "new"], 2)])
def test_usage(log: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A bare size is no word of a command line."""
    assert main(["crashkernel", *words, "--root", str(log)]) == code
    assert capsys.readouterr().err


def test_truncated_log_is_refused_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log cut off in the firmware's map."""
    path = tmp_path / "cut.txt"
    text = x86_log(version="6.12")
    path.write_text(text[: text.index("0xf0000") if "0xf0000" in text else text.index("0x00000000000f0000") + 40])
    assert main(["crashkernel", "crashkernel=64M", "--root", str(path)]) == 65
    assert "cut.txt:" in capsys.readouterr().err


def test_version_can_be_overridden(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same machine under an older kernel."""
    found = document(capsys, "crashkernel=256M", "--root", str(log), "--kernel-version", "5.1")
    regions = found["regions"]
    assert isinstance(regions, list)
    assert regions[0]["start"] == 0x28000000
