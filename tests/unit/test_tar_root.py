"""Archives as others make them: leading folders, compression, damage."""

import io
import tarfile
from pathlib import Path

import pytest

from kexeckit.errors import InputError, UnavailableError
from kexeckit.system.sysroot import Sysroot, open_sysroot
from kexeckit.system.tar_root import _LARGEST

IOMEM = b"00001000-00001fff : System RAM\n"


def archive(at: Path, names: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> Sysroot:
    """Write a plain tar and open it."""
    with tarfile.open(at, "w") as tar:
        for name, data in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in extra or []:
            tar.addfile(member)
    return open_sysroot(str(at))


@pytest.mark.parametrize("head", ["", "./", "/", "sosreport-host-2026/", "./deep/er/"])
def test_a_leading_folder_is_seen_through(tmp_path: Path, head: str) -> None:
    """Also where a process's own proc folder lies deeper in it."""
    names = {f"{head}proc/iomem": IOMEM, f"{head}sys/kernel/kexec_loaded": b"0\n", f"{head}root/proc/iomem": b"no"}
    root = archive(tmp_path / "t.tar", names)
    assert root.read_bytes("/proc/iomem") == IOMEM
    assert root.listdir("/sys/kernel") == ["kexec_loaded"]
    assert root.read_bytes("/proc/iomem", 3) == b"000"


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_compressed_archives(tmp_path: Path, kind: str) -> None:
    """By content, not by name."""
    at = tmp_path / "capture"
    with tarfile.open(at, f"w:{kind}") as tar:  # type: ignore[call-overload]
        member = tarfile.TarInfo("proc/iomem")
        member.size = len(IOMEM)
        tar.addfile(member, io.BytesIO(IOMEM))
    assert open_sysroot(str(at)).read_bytes("/proc/iomem") == IOMEM


def test_absent_names_and_folders(tmp_path: Path) -> None:
    """Named with the archive."""
    root = archive(tmp_path / "t.tar", {"proc/iomem": IOMEM})
    with pytest.raises(UnavailableError, match=r"t.tar:proc/cmdline: no such file in the archive"):
        root.read_bytes("/proc/cmdline")
    with pytest.raises(UnavailableError, match="no such folder in the archive"):
        root.listdir("/sys")
    assert not root.live
    assert root.single_file is None


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """And says so."""
    folder = tarfile.TarInfo("proc/iomem")
    folder.type = tarfile.DIRTYPE
    root = archive(tmp_path / "t.tar", {}, [folder])
    with pytest.raises(UnavailableError, match="not a regular file in the archive"):
        root.read_bytes("/proc/iomem")


def test_a_link_to_itself_is_damage(tmp_path: Path) -> None:
    """Not endless recursion; and a link to nothing is no KeyError."""
    links = []
    for name, target in (("proc/iomem", "iomem"), ("proc/cmdline", "nothing")):
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, target
        links.append(link)
    root = archive(tmp_path / "t.tar", {}, links)
    for name in ("/proc/iomem", "/proc/cmdline"):
        with pytest.raises(InputError, match="the archive is damaged here"):
            root.read_bytes(name)


def test_a_member_that_claims_any_size_is_not_read(tmp_path: Path) -> None:
    """A sparse member of some bytes would otherwise fill all memory."""
    root = archive(tmp_path / "t.tar", {"proc/iomem": IOMEM})
    root._members["proc/iomem"].size = _LARGEST + 1  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="expected a file of at most"):
        root.read_bytes("/proc/iomem")


def test_a_cut_archive_is_an_input_error(tmp_path: Path) -> None:
    """Where it is cut inside a member, when that is read."""
    names = {"proc/iomem": IOMEM, "proc/big": bytes(100_000)}
    archive(tmp_path / "t.tar", names)
    data = (tmp_path / "t.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[:3000])
    with pytest.raises(InputError):
        open_sysroot(str(tmp_path / "cut.tar")).read_bytes("/proc/big")


def test_a_lone_file(tmp_path: Path) -> None:
    """An archive of one log is that log, unless its name is one of a root's."""
    lone = archive(tmp_path / "a.tar", {"logs/dmesg.txt": b"a log"}).single_file
    assert lone is not None
    assert (lone.name, lone.data) == (f"{tmp_path}/a.tar:logs/dmesg.txt", b"a log")
    assert archive(tmp_path / "b.tar", {"host/proc/iomem": IOMEM}).single_file is None
    assert archive(tmp_path / "c.tar", {"dmesg.1": b"a", "dmesg.2": b"b"}).single_file is None
