"""Roots: a directory, a tar, a single file; absent, not permitted and empty are different answers."""

import bz2
import gzip
import lzma
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kexeckit.errors import FileAccessError, InputError, KexeckitError, NotPermittedError, UnavailableError
from kexeckit.system.sysroot import DirectoryRoot, FileRoot, open_sysroot
from kexeckit.system.tar_root import TarRoot
from kexeckit.system.text import decode_text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with two files."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/iomem").write_bytes(b"00001000-00001fff : A\xff\n")
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/empty").touch()
    return tmp_path


def test_no_path_means_this_machine() -> None:
    """And the root folder given by name does too; a capture is not live."""
    assert open_sysroot(None).live
    assert open_sysroot("/").live
    assert open_sysroot("/../.").live
    assert open_sysroot(None).label("/proc/iomem") == "/proc/iomem"


def test_a_directory_answers_by_name(root: Path) -> None:
    """Bytes that are no UTF-8 survive; names in messages are those of the capture."""
    found = open_sysroot(str(root))
    assert not found.live
    assert found.single_file is None
    assert found.exists("/proc/iomem")
    assert not found.exists("/proc/cmdline")
    assert not found.exists("/proc/iomem/x")
    assert found.read_text("/proc/iomem").encode("utf-8", "surrogateescape").endswith(b"A\xff\n")
    assert found.read_bytes("/proc/iomem", 4) == b"0000"
    assert found.read_bytes("/sys/empty") == b""
    assert found.listdir("/") == ["proc", "sys"]
    assert found.label("/proc/iomem") == f"{root}/proc/iomem"


def test_absent_and_unreadable_are_different_errors(root: Path) -> None:
    """Each with the file's name."""
    found = open_sysroot(str(root))
    with pytest.raises(UnavailableError, match="proc/cmdline: no such file"):
        found.read_bytes("/proc/cmdline")
    with pytest.raises(UnavailableError, match="proc/none: no such file"):
        found.listdir("/proc/none")
    with pytest.raises(FileAccessError, match="proc: Is a directory"):
        found.read_bytes("/proc")
    with pytest.raises(FileAccessError, match="File name too long"):
        open_sysroot("x" * 5000)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_looked_at_is_not_absent(root: Path) -> None:
    """As another user: a closed folder's files exist as far as anybody knows, and reading them is not permitted."""
    (root / "sys").chmod(0o700)
    root.chmod(0o755)
    for parent in root.parents[: len(root.parents) - 2]:
        parent.chmod(0o755)
    program = (
        "import os, sys; os.setuid(65534)\n"
        "from kexeckit.system.sysroot import open_sysroot\n"
        "from kexeckit.errors import NotPermittedError\n"
        f"r = open_sysroot({str(root)!r})\n"
        "assert r.exists('/sys/empty')\n"
        "for act in (r.read_bytes, r.listdir):\n"
        "    try: act('/sys/empty')\n"
        "    except NotPermittedError as e: print(e, '|', e.remedy, e.exit_code)\n"
    )
    # As this user Python may not find its own library any more: load what is needed first.
    program = "import kexeckit.system.sysroot, kexeckit.errors, encodings.idna\n" + program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"{root}/sys/empty: not permitted to read it | run as root 77"] * 2, done.stderr


def test_not_permitted_is_exit_77() -> None:
    """The documented code."""
    assert NotPermittedError("x").exit_code == 77
    assert issubclass(NotPermittedError, KexeckitError)


def test_a_lone_file_is_no_root(tmp_path: Path) -> None:
    """It answers to no name, and says what to give instead."""
    log = tmp_path / "dmesg.txt"
    log.write_bytes(b"[    0.000000] Linux version 6.1\n")
    found = open_sysroot(str(log))
    assert isinstance(found, FileRoot)
    assert found.single_file is not None
    assert found.single_file.data == log.read_bytes()
    assert not found.live
    assert not found.exists("/proc/iomem")
    assert found.label("/proc/iomem") == str(log)
    for act in (found.read_bytes, found.read_text, found.listdir):
        with pytest.raises(UnavailableError, match=r"/proc/iomem is needed, but .*dmesg\.txt is a single file"):
            act("/proc/iomem")


def test_a_pipe_is_read_once_and_whole(tmp_path: Path) -> None:
    """As the shell's <(...) gives one: no byte of the beginning is lost."""
    os.mkfifo(tmp_path / "pipe")
    text = b"".join(b"%08x-%08x : x\n" % (n, n) for n in range(5000))
    with subprocess.Popen(["sh", "-c", f"cat > {tmp_path}/pipe"], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        reader = threading.Thread(target=lambda: (writer.stdin.write(text), writer.stdin.close()))  # type: ignore[union-attr]
        reader.start()
        found = open_sysroot(str(tmp_path / "pipe")).single_file
        reader.join()
    assert found is not None
    assert found.data == text


def test_nothing_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    """Absent and empty, each by its own words."""
    with pytest.raises(UnavailableError, match="no such file or directory"):
        open_sysroot(str(tmp_path / "none"))
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="the file is empty; expected a directory, a tar"):
        open_sysroot(str(tmp_path / "empty"))


def test_a_name_with_a_nul_is_no_file(tmp_path: Path) -> None:
    """Not a ValueError."""
    with pytest.raises(UnavailableError):
        open_sysroot(str(tmp_path) + "/a\0b")


def test_something_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    """A socket: neither a root nor a file."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "s"))
        with pytest.raises(FileAccessError):
            open_sysroot(str(tmp_path / "s"))


def test_zeros_are_no_empty_archive(tmp_path: Path) -> None:
    """A file of zeros is a lone file."""
    (tmp_path / "zeros").write_bytes(bytes(10240))
    assert isinstance(open_sysroot(str(tmp_path / "zeros")), FileRoot)


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    """One file that was compressed for the way is that file; cut off, it is refused."""
    data = packed(b"a log\n" * 200)
    (tmp_path / "log").write_bytes(data)
    found = open_sysroot(str(tmp_path / "log")).single_file
    assert found is not None
    assert found.data == b"a log\n" * 200
    (tmp_path / "cut").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match=r"cut: cannot be unpacked"):
        open_sysroot(str(tmp_path / "cut"))


def test_damaged_bytes_of_a_compressed_file(tmp_path: Path) -> None:
    """Each library has errors of its own; all are the input's fault."""
    path = tmp_path / "log.gz"
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0" + b"\xff" * 40)
    with pytest.raises(InputError, match=r"log.gz: cannot be unpacked"):
        open_sysroot(str(path))


def test_what_no_one_unpacks(tmp_path: Path) -> None:
    """Zip and zstd are named instead of being read as text."""
    (tmp_path / "log.zip").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match=r"log.zip: packed by zip"):
        open_sysroot(str(tmp_path / "log.zip"))


def test_text_of_unknown_origin_loses_no_byte() -> None:
    """Whatever the bytes."""
    data = bytes(range(256))
    assert decode_text(data).encode("utf-8", "surrogateescape") == data


def test_both_kinds_of_root_are_roots(root: Path) -> None:
    """Same answers from a directory and from the tar of it."""
    subprocess.run(["tar", "-C", root, "-cf", root / "t.tar", "proc", "sys"], check=True)
    a, b = open_sysroot(str(root)), open_sysroot(str(root / "t.tar"))
    assert isinstance(a, DirectoryRoot)
    assert isinstance(b, TarRoot)
    for name in ("/proc/iomem", "/sys/empty"):
        assert a.read_bytes(name) == b.read_bytes(name)
        assert a.exists(name)
        assert b.exists(name)
    assert a.listdir("/proc") == b.listdir("/proc")
    assert b.exists("/proc")
    assert not b.exists("/pro")
