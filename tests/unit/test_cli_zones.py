"""The zones command: text, JSON and mistakes."""

from pathlib import Path

import pytest

from documents import checked
from kexeckit.cli.main import main
from kexeckit.formats.efi_memory_map import EFI_MEMORY_MORE_RELIABLE, EFI_MEMORY_WB
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from zone_logs import NODES, x86_log


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A boot log as a file."""
    path = tmp_path / "dmesg.txt"
    path.write_text(x86_log())
    return str(path)


def test_document(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON document has the agreed names; limits in bytes, zones of nodes in page frames."""
    assert main(["zones", "kernelcore=1G", "--root", log, "--json"]) == 0
    found = checked(capsys.readouterr().out)
    assert found["schema"] == "kexeckit/zones/1"
    assert found["ranges"][1] == {"zone": "DMA32", "start": 0x1000000, "end": 0x100000000}
    assert found["nodes"][1]["nid"] == 1
    assert found["nodes"][1]["movable_start"] == 0x100000000
    zone = found["nodes"][1]["zones"][0]
    assert {k: zone[k] for k in ("zone", "start_pfn", "spanned", "present")} == {
        "zone": "Movable",
        "start_pfn": 1048576,
        "spanned": 262144,
        "present": 262144,
    }
    assert found["warnings"] == []
    assert [r["about"] for r in found["reasons"]] == ["movable"]


def test_text_has_the_lines_the_kernel_prints(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The text begins with the kernel's own lines, as a prediction."""
    assert main(["zones", "kernelcore=1G", "--root", log]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:7] == [
        "predicted for the next boot: certain",
        "  Zone ranges:",
        "    DMA      [mem 0x0000000000001000-0x0000000000ffffff]",
        "    DMA32    [mem 0x0000000001000000-0x00000000ffffffff]",
        "    Normal   [mem 0x0000000100000000-0x000000013fffffff]",
        "  Movable zone start for each node",
        "    Node 1: 0x0000000100000000",
    ]


def test_afford(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--afford says how much kernelcore leaves movable memory."""
    assert main(["zones", "mem=8G", "--afford", "--root", log, "--json"]) == 0
    # Memory is 0xfff8e000 bytes; what is left must still hold a whole block of 4 MiB.
    assert checked(capsys.readouterr().out)["affordable"]["any_node"] == 0xFF800000
    assert main(["zones", "mem=8G", "--afford", "--root", log]) == 0
    assert "leaves a ZONE_MOVABLE" in capsys.readouterr().out


def test_efi_map(log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--efi-map says what is mirrored."""
    mirror = EfiDescriptor(7, 4 << 30, 0, 0x8000, EFI_MEMORY_WB | EFI_MEMORY_MORE_RELIABLE)
    raw = tmp_path / "map"
    raw.write_bytes(format_efi_map((mirror,), 40))
    assert main(["zones", "kernelcore=mirror", "--efi-map", str(raw), "--root", log, "--json"]) == 0
    assert checked(capsys.readouterr().out)["nodes"][1]["movable_start"] == 0x108000000
    assert main(["zones", "--efi-map", str(tmp_path), "--root", log]) == 65


def test_not_determined_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An architecture whose limits are not known gives no ranges and a reason, not a guess: exit 3."""
    path = tmp_path / "dmesg"
    path.write_text("[    0.000000] Linux version 6.1.0\n" + NODES)
    assert main(["zones", "--root", str(path), "--arch", "i386", "--json"]) == 3
    found = checked(capsys.readouterr().out)
    assert (found["ranges"], found["nodes"]) == ([], [])
    assert "not determined" in found["reasons"][-1]["text"]
    assert main(["zones", "--root", str(path), "--arch", "i386"]) == 3
    assert capsys.readouterr().out.startswith("predicted: not determined")


def test_nodes_without_memory_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A node without memory has no zones, and the table says so."""
    path = tmp_path / "m.toml"
    path.write_text(
        'arch = "x86_64"\nkernel = "6.1"\n[[nodes]]\nid = 0\nmemory = [[0x1000, "1G"]]\n[[nodes]]\nid = 3\n'
    )
    assert main(["zones", "--root", str(path)]) == 0
    assert "(no memory)" in capsys.readouterr().out


def test_missing_source(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there ends with the exit code for that."""
    assert main(["zones", "--root", "/nonexistent/log"]) == 69
    assert "no such file" in capsys.readouterr().err
