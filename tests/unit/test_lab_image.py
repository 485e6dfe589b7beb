"""Layers of an initramfs."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kexeckit.lab import image as images
from kexeckit.lab.image import GuestImage, format_image

INIT = Path(images.__file__).with_name("init.sh")


@pytest.fixture
def no_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stands in for what would come from the network."""
    program = tmp_path / "busybox"
    program.write_bytes(b"BUSYBOX")
    monkeypatch.setattr(images, "fetch_busybox", lambda _: program)
    monkeypatch.setattr(images, "python_layer", lambda _: b"PYTHON--" * 64)
    images._base_layer.cache_clear()
    yield
    images._base_layer.cache_clear()


@pytest.mark.usefixtures("no_packages")
def test_layers_of_a_guest(tmp_path: Path) -> None:
    """The base comes first, Python only where asked for, and the run's own files last so that they win."""
    (tmp_path / "kernel").write_bytes(b"KERNEL")
    image = GuestImage(
        python=True, job="run x true\n", files=(("/boot/vmlinuz", tmp_path / "kernel"), ("/a/b/c", b"C"))
    )
    archive = format_image(image)
    places = [archive.index(word) for word in (b"BUSYBOX", b"PYTHON", b"CHANNEL=/dev/ttyS1", b"run x true", b"KERNEL")]
    assert places == sorted(places)
    assert b"PYTHON" not in format_image(GuestImage())
    assert len(archive) % 4 == 0


@pytest.mark.usefixtures("no_packages")
def test_folders_of_files_are_made_once(tmp_path: Path) -> None:
    """Parents that the base does not have come before the files in them."""
    if shutil.which("cpio") is None:
        pytest.skip("the program cpio is not installed")
    own = images._own_layer(GuestImage(files=(("/a/b/c", b"C"), ("/a/b/d", b"D"), ("/boot/x", b"X"))))
    listing = subprocess.run(["cpio", "-t", "--quiet"], input=own, capture_output=True, check=True, cwd=tmp_path)
    assert listing.stdout.decode().split() == ["etc/kexeckit.conf", "a", "a/b", "a/b/c", "a/b/d", "boot/x"]


@pytest.mark.usefixtures("no_packages")
def test_settings_reach_the_guest() -> None:
    """Stage, channel and wishes stand in the configuration that /init reads."""
    own = images._own_layer(GuestImage(arch="arm64", stage="second", report=False, read_vmcore=True))
    for line in (b"CHANNEL=/dev/ttyS0\n", b"STAGE=second\n", b"REPORT=\n", b"READ_VMCORE=1\n", b"KALLSYMS=\n"):
        assert line in own


@pytest.mark.parametrize("wrong", [{"stage": "a/b"}, {"files": (("a", b""),)}, {"files": (("/a/../b", b""),)}])
def test_impossible_images_are_refused(wrong: dict[str, object]) -> None:
    """A stage is one word and files have absolute places."""
    with pytest.raises(ValueError, match=r"."):
        GuestImage(**wrong)  # type: ignore[arg-type]


def test_init_is_a_shell_script() -> None:
    """The shell accepts it; a slip there would only show in a guest."""
    subprocess.run(["sh", "-n", INIT], check=True)


def test_every_setting_is_read_by_init() -> None:
    """What is written into the configuration is used."""
    text = INIT.read_text()
    for name in ("CHANNEL", "STAGE", "REPORT", "KALLSYMS", "READ_VMCORE"):
        assert f"${name}" in text
