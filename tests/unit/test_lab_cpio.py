"""The archive format of initramfs layers, held against other readers of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kexeckit.lab.cpio import CpioEntry, device, directory, file, format_cpio, symlink

ENTRIES = [
    directory("bin"),
    file("bin/a", b"12345", 0o755),
    file("bin/ab", b"", 0o600),
    symlink("bin/sh", "a"),
    directory("dev", 0o700),
    device("dev/console", 5, 1),
]


def _cpio(*arguments: str, data: bytes) -> str:
    if shutil.which("cpio") is None:
        pytest.skip("the program cpio is not installed")
    return subprocess.run(["cpio", *arguments], input=data, capture_output=True, check=True).stdout.decode()


def test_another_reader_lists_every_member() -> None:
    """GNU cpio finds each name with its type, mode and size."""
    lines = [line.split() for line in _cpio("-tv", "--quiet", data=format_cpio(ENTRIES)).splitlines()]
    assert [(words[0], words[-1] if "->" not in words else words[-3]) for words in lines] == [
        ("drwxr-xr-x", "bin"),
        ("-rwxr-xr-x", "bin/a"),
        ("-rw-------", "bin/ab"),
        ("lrwxrwxrwx", "bin/sh"),
        ("drwx------", "dev"),
        ("crw-------", "dev/console"),
    ]
    assert lines[5][4:6] == ["5,", "1"]


def test_another_reader_extracts_the_content(tmp_path: Path) -> None:
    """What goes in comes out, also where the data does not end on the alignment."""
    if shutil.which("cpio") is None:
        pytest.skip("the program cpio is not installed")
    data = format_cpio([entry for entry in ENTRIES if "console" not in entry.name])
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "bin/a").read_bytes() == b"12345"
    assert (tmp_path / "bin/sh").readlink() == Path("a")


def test_equal_entries_make_equal_bytes() -> None:
    """There is no clock and no user in an archive."""
    assert format_cpio(ENTRIES) == format_cpio(list(ENTRIES))


@pytest.mark.parametrize("size", range(9))
def test_every_part_is_aligned(size: int) -> None:
    """Headers begin on 4 bytes whatever the length of names and data, and archives on 512."""
    archive = format_cpio([file("n" * (size + 1), b"x" * size), file("last", b"y")])
    starts = [index for index in range(len(archive)) if archive.startswith(b"070701", index)]
    assert len(starts) == 3
    assert all(start % 4 == 0 for start in starts)
    assert len(archive) % 512 == 0


def test_archives_can_follow_each_other() -> None:
    """The kernel reads the next archive where the padding of the one before ends."""
    both = format_cpio([file("one", b"1")]) + format_cpio([file("two", b"2")])
    assert both.count(b"TRAILER!!!") == 2
    assert both[512:].lstrip(b"\0").startswith(b"070701")


@pytest.mark.parametrize("name", ["", "/etc", "a\0b", "TRAILER!!!"])
def test_impossible_names_are_refused(name: str) -> None:
    """Absolute names, the end mark and the terminator cannot be the name of a member."""
    with pytest.raises(ValueError, match="not the name"):
        CpioEntry(name, 0o100644)
