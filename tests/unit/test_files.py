"""Kernel and initrd files: mapped, never copied; and each way not to be a file."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kexeckit.errors import FileAccessError, InputError, KexeckitError, UnavailableError
from kexeckit.system.files import map_file, opened


def test_a_file_is_mapped(tmp_path: Path) -> None:
    """The view has the file's bytes and name."""
    at = tmp_path / "kernel"
    at.write_bytes(b"hello")
    found = map_file(str(at))
    assert (found.source, bytes(found.data)) == (str(at), b"hello")


def test_a_mapping_is_not_a_copy(tmp_path: Path) -> None:
    """A change of the file shows in a page that was not touched yet: the bytes are those of the page cache."""
    at = tmp_path / "kernel"
    at.write_bytes(bytes(8192))
    found = map_file(str(at))
    with at.open("r+b") as file:
        file.seek(4096)
        file.write(b"new")
    assert bytes(found.data[4096:4099]) == b"new"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none", UnavailableError, "none: no such file"),
        ("file/x", UnavailableError, "file/x: no such file"),
        ("empty", InputError, "empty: the file is empty"),
        ("folder", InputError, "folder: not a regular file"),
        ("pipe", InputError, "pipe: not a regular file"),
        ("loop", FileAccessError, "loop: Too many levels of symbolic links"),
        ("x" * 300, FileAccessError, "File name too long"),
        ("nul\0", UnavailableError, "no such file"),
    ],
)
def test_what_is_no_file_says_so(tmp_path: Path, name: str, error: type[KexeckitError], message: str) -> None:
    """A named pipe too, and without waiting for a writer."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(error, match=message):
        map_file(f"{tmp_path}/{name}")


def test_a_device_is_no_file() -> None:
    """It has no size to be mapped by."""
    with pytest.raises(InputError, match="not a regular file"):
        map_file("/dev/zero")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """Exit code 77."""
    at = tmp_path / "secret"
    at.write_bytes(b"x")
    at.chmod(0)
    for parent in at.parents[: len(at.parents) - 2]:
        parent.chmod(0o755)
    program = (
        "import os, kexeckit.errors as e, kexeckit.system.files as f, encodings.idna\nos.setuid(65534)\n"
        f"try: f.map_file({str(at)!r})\n"
        "except e.NotPermittedError as x: print(x, x.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == f"{at}: not permitted to read it 77\n", done.stderr


def test_a_failing_map_is_an_io_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a file system that cannot map."""
    (tmp_path / "k").write_bytes(b"x")

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr("mmap.mmap", refuse)
    with pytest.raises(FileAccessError, match="k: cannot be mapped"):
        map_file(str(tmp_path / "k"))


def test_descriptors_are_closed_whatever_happens(tmp_path: Path) -> None:
    """After success, after an error inside, and where the file was refused."""
    (tmp_path / "k").write_bytes(b"x")
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with opened(str(tmp_path / "k")) as fd:
        assert os.pread(fd, 1, 0) == b"x"
    with pytest.raises(RuntimeError), opened(str(tmp_path / "k")):
        raise RuntimeError
    with pytest.raises(InputError), opened(str(tmp_path)):
        pass
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
