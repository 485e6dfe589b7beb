"""`Sysroot`: every file that kexeckit reads about a machine is read through one of these.

Three forms, opened by `open_sysroot`:
    a directory  ``/`` for this machine, or a capture laid out like a root;
    a tar        plain, gzip, xz or bzip2; a single leading folder (as in a sosreport) is seen through;
    a file       one boot log or one iomem file; it has no names, only `single_file`.

Names are absolute, like ``/proc/iomem``. Not found, not readable and empty are three different answers.
"""

import errno
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from kexeckit.errors import FileAccessError, InputError, NotPermittedError, UnavailableError


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A lone file given as ``--root``.

    Attributes:
        name: As the user gave it.
        data: All of its bytes.
    """

    name: str
    data: bytes


class Sysroot(Protocol):
    """Read access to one machine's files."""

    @property
    def live(self) -> bool:
        """Say whether this is the running machine, so that its state may be changed too."""
        ...

    @property
    def single_file(self) -> SingleFile | None:
        """Return the lone file where the root is one, else None."""
        ...

    def exists(self, name: str) -> bool:
        """Say whether there is a file or folder of this name."""
        ...

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:
        """Return a file's bytes, at most `limit` of them.

        Raises:
            UnavailableError: No such file here.
            NotPermittedError: It may not be read.
            FileAccessError: Reading it failed.
        """
        ...

    def read_text(self, name: str) -> str:
        """Return a file's text; bytes that are not UTF-8 are kept as surrogates, never dropped."""
        ...

    def listdir(self, name: str) -> list[str]:
        """Return the names in a folder, sorted; an absent folder is an error, as for `read_bytes`."""
        ...

    def label(self, name: str) -> str:
        """Return how a message names this file."""
        ...


@dataclass(frozen=True, slots=True)
class DirectoryRoot:
    """A directory laid out like a root."""

    path: Path

    @property
    def live(self) -> bool:
        """True for ``/``."""
        return str(self.path) == "/"

    @property
    def single_file(self) -> SingleFile | None:
        """A directory is never a lone file."""
        return None

    def _at(self, name: str) -> Path:
        return self.path / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """See `Sysroot.exists`."""
        return self._at(name).exists()

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:
        """See `Sysroot.read_bytes`."""
        try:
            with self._at(name).open("rb", buffering=0 if limit is not None else -1) as file:
                return file.read(limit) if limit is not None else file.read()
        except OSError as error:
            raise _translated(error, self.label(name)) from error

    def read_text(self, name: str) -> str:
        """See `Sysroot.read_text`."""
        return decode_text(self.read_bytes(name))

    def listdir(self, name: str) -> list[str]:
        """See `Sysroot.listdir`."""
        try:
            return sorted(os.listdir(self._at(name)))  # noqa: PTH208
        except OSError as error:
            raise _translated(error, self.label(name)) from error

    def label(self, name: str) -> str:
        """See `Sysroot.label`."""
        return name if self.live else str(self._at(name))


class TarRoot:
    """A tar of a directory laid out like a root, possibly below one leading folder."""

    live = False
    single_file = None

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 -- held open for as long as the root is used
            self._members = {_clean(m.name): m for m in self._tar.getmembers()}
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise InputError(str(path), f"not a readable tar: {error}", expected="a tar of a root") from error
        self._prefix = _leading_folder(self._members)

    def _member(self, name: str) -> tarfile.TarInfo:
        wanted = f"{self._prefix}{name.lstrip('/')}"
        if wanted not in self._members:
            raise UnavailableError(f"{self.label(name)}: no such file in the archive")
        return self._members[wanted]

    def exists(self, name: str) -> bool:
        """See `Sysroot.exists`."""
        wanted = f"{self._prefix}{name.lstrip('/')}"
        return wanted in self._members or any(m.startswith(wanted + "/") for m in self._members)

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:
        """See `Sysroot.read_bytes`."""
        member = self._member(name)
        try:
            file = self._tar.extractfile(member)
            if file is None:
                raise UnavailableError(f"{self.label(name)}: not a regular file in the archive")
            return file.read(limit) if limit is not None else file.read()
        except (tarfile.TarError, EOFError, OSError, KeyError) as error:
            raise InputError(self.label(name), f"the archive is damaged here: {error}") from error

    def read_text(self, name: str) -> str:
        """See `Sysroot.read_text`."""
        return decode_text(self.read_bytes(name))

    def listdir(self, name: str) -> list[str]:
        """See `Sysroot.listdir`."""
        below = f"{self._prefix}{name.strip('/')}/"
        found = sorted({m[len(below) :].split("/")[0] for m in self._members if m.startswith(below)})
        if not found:
            raise UnavailableError(f"{self.label(name)}: no such folder in the archive")
        return found

    def label(self, name: str) -> str:
        """See `Sysroot.label`."""
        return f"{self._path}:{name.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class FileRoot:
    """One file instead of a root: it answers to no name."""

    file: SingleFile
    live = False

    @property
    def single_file(self) -> SingleFile | None:
        """The file."""
        return self.file

    def exists(self, name: str) -> bool:  # noqa: ARG002
        """Nothing exists by name in a lone file."""
        return False

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:  # noqa: ARG002
        """Refuse: see `single_file`."""
        raise UnavailableError(
            f"{name} is needed, but {self.file.name} is a single file",
            remedy="give a capture: a directory or tar laid out like a root",
        )

    def read_text(self, name: str) -> str:
        """Refuse: see `single_file`."""
        return decode_text(self.read_bytes(name))

    def listdir(self, name: str) -> list[str]:
        """Refuse: see `single_file`."""
        self.read_bytes(name)
        return []

    def label(self, name: str) -> str:  # noqa: ARG002
        """Return the name of the lone file."""
        return self.file.name


def open_sysroot(path: str | None) -> Sysroot:
    """Open a root.

    Args:
        path: A directory, a tar or a single file; None for the running machine.

    Raises:
        UnavailableError: Nothing is there.
        NotPermittedError: It may not be read.
        InputError: An empty file, or a damaged tar.
    """
    if path is None:
        return DirectoryRoot(Path("/"))
    at = Path(path)
    try:
        if at.is_dir():
            return DirectoryRoot(at.resolve())
        if not _looks_like_tar(at):
            data = at.read_bytes()
            if not data:
                raise InputError(path, "the file is empty", expected="a directory, a tar, a boot log or an iomem file")
            return FileRoot(SingleFile(path, data))
    except OSError as error:
        raise _translated(error, path) from error
    return TarRoot(at)


def decode_text(data: bytes) -> str:
    """Decode text of unknown origin without losing a byte: UTF-8, other bytes as surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _translated(error: OSError, label: str) -> UnavailableError | NotPermittedError | FileAccessError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return UnavailableError(f"{label}: no such file or directory")
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermittedError(f"{label}: not permitted to read it", remedy="run as root")
    return FileAccessError(f"{label}: {error.strerror}")


def _looks_like_tar(path: Path) -> bool:
    # tarfile.is_tarfile() takes an all-zero file for an empty tar, so the magic decides: a compressed file is taken
    # for a tar, any other must carry "ustar" where tar has it.
    with path.open("rb") as file:
        head = file.read(265)
    return head[:3] in (b"\x1f\x8b\x08", b"BZh") or head[:6] == b"\xfd7zXZ\x00" or head[257:262] == b"ustar"


def _clean(name: str) -> str:
    return str(PurePosixPath(name)).lstrip("/").removeprefix("./")


def _leading_folder(members: dict[str, tarfile.TarInfo]) -> str:
    # A sosreport has everything below one folder: the shortest path above a "proc/" or "sys/" is the root.
    heads = [m[: m.index(mark)] for m in members for mark in ("proc/", "sys/") if _is_root_mark(m, mark)]
    return min(heads, key=len, default="")


def _is_root_mark(member: str, mark: str) -> bool:
    # Only the first such folder counts: "root/proc/1/proc/" marks "root/".
    return member.startswith(mark) or (f"/{mark}" in member and member.index(mark) == member.index(f"/{mark}") + 1)
