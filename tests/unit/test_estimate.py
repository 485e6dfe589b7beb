"""How much a capture kernel needs: the parts add up, and an initramfs is measured through its compression."""

import gzip
import json
import lzma
from pathlib import Path

import pytest

from kexeckit.cli.main import main
from kexeckit.errors import InputError
from kexeckit.kernel.crashkernel.estimate import CaptureSetup, defaults_for, estimate, running_size
from kexeckit.lab.cpio import file, format_cpio
from kexeckit.system.capture_setup import unpacked_size

MIB = 1 << 20
GIB = 1 << 30


def setup(**values: int) -> CaptureSetup:
    """Return a setup with a kernel of 44 MiB and a small initramfs."""
    usual = {"unpacking": 56 * MIB, "kernel": 44 * MIB, "initrd": 8 * MIB, "unpacked": 24 * MIB}
    return CaptureSetup(**{**usual, **values})


def test_the_parts_add_up() -> None:
    """To the byte, with and without what is only recommended."""
    found = estimate(setup(cpus=4, ram=64 * GIB, low=64 * MIB, luks=GIB))
    assert sum(p.size for p in found.parts) == found.recommended
    assert sum(p.size for p in found.parts if p.least) == found.least
    assert found.recommended % (16 * MIB) == 0


def test_every_part_counts() -> None:
    """More of anything needs more."""
    least, recommended = estimate(setup()).least, estimate(setup()).recommended
    assert estimate(setup(cpus=8)).least > least
    assert estimate(setup(initrd=40 * MIB)).least >= least + 32 * MIB
    assert estimate(setup(luks=GIB)).recommended >= recommended + GIB


def test_unpacking_can_be_the_worst_moment() -> None:
    """A kernel that needs much while it unpacks itself and little afterwards."""
    found = estimate(setup(unpacking=200 * MIB))
    assert "unpacking" in [p.name for p in found.parts]
    assert found.least > 200 * MIB


def test_the_running_kernel_is_smaller() -> None:
    """By most of its compressed form."""
    assert running_size(56 * MIB, 12 * MIB) < 46 * MIB + MIB


def test_defaults_of_distributions() -> None:
    """Each table for this much RAM; none for an architecture without tables."""
    assert ("Debian", 128 * MIB) in [(t.name, size) for t, size in defaults_for("x86_64", 8 * GIB)]
    assert defaults_for("mips", 8 * GIB) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_unpacked_size(pack: object) -> None:
    """Whole pages for each file, plain or compressed, behind an early archive."""
    early = format_cpio([file("kernel/x86/microcode/a.bin", b"x" * 100)])
    main_part = format_cpio([file("init", b"y" * 5000), file("empty", b"")])
    assert callable(pack)
    assert unpacked_size(early + pack(main_part), "initrd") == 4096 + 8192


def test_unknown_compression_is_assumed() -> None:
    """What cannot be unpacked here counts three times."""
    assert unpacked_size(b"\x28\xb5\x2f\xfd" + b"z" * 996, "initrd") == 3000


@pytest.mark.parametrize("data", [b"070701" + b"0" * 20, b"070701" + b"x" * 120, b"\x1f\x8b\x08" + b"a" * 30])
def test_damaged_archive(data: bytes) -> None:
    """A cut header, a header of other letters, a broken stream."""
    with pytest.raises(InputError):
        unpacked_size(data, "initrd")


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing kernel is an I/O error that names it."""
    assert main(["crashkernel", "--estimate", str(tmp_path / "vmlinuz")]) == 74
    assert "vmlinuz" in capsys.readouterr().err


def test_not_a_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a file that is none is unusable input."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(json.dumps({}).encode())
    assert main(["crashkernel", "--estimate", str(path)]) == 65
    assert capsys.readouterr().err
