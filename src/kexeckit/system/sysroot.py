"""`Sysroot`: every file that kexeckit reads about a machine is read through one of these.

Three forms, opened by `open_sysroot`:
    a directory  ``/`` for this machine, or a capture laid out like a root;
    a tar        plain, gzip, xz or bzip2; a single leading folder (as in a sosreport) is seen through;
    a file       one boot log, iomem file, description or document of a machine; it has no names, only `single_file`.
                 It may be compressed, or alone in a tar.

``-`` is standard input, which may be any of these but a directory. A machine that is described in words is a file, too.

Names are absolute, like ``/proc/iomem``. Not found, not readable and empty are three different answers.

Every command begins here, so pathlib and tarfile, together a fifth of its start-up time, stay out of this file.
"""

import os
from typing import Protocol

from kexeckit.errors import InputError, UnavailableError, file_error
from kexeckit.frozen import dataclass
from kexeckit.system.text import decode_text

_HEAD = 265
_STANDARD_INPUT = "standard input"
_FOREIGN = ((b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"))


@dataclass(frozen=True, slots=True)
class SingleFile:
    """A lone file given as ``--root``.

    Attributes:
        name: As the user gave it.
        data: All of its bytes.
        words: They are no file's, but a machine that was described in words.
    """

    name: str
    data: bytes
    words: bool = False


@dataclass(frozen=True, slots=True)
class MachineWords:
    """A machine that was described in words, in place of a root: ``x86_64 node:2 ram:64G kernel:6.12``.

    Attributes:
        text: The words.
        name: How messages name where they came from.
    """

    text: str
    name: str = "--machine"


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
    """A directory laid out like a root; its path is absolute."""

    path: str

    @property
    def live(self) -> bool:
        """True for ``/``."""
        return self.path == "/"

    @property
    def single_file(self) -> SingleFile | None:
        """A directory is never a lone file."""
        return None

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name.lstrip("/"))

    def exists(self, name: str) -> bool:
        """See `Sysroot.exists`."""
        try:
            os.stat(self._at(name))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # What may not be looked at is not absent: reading it will say so.
            return True
        return True

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:
        """See `Sysroot.read_bytes`."""
        try:
            with open(self._at(name), "rb", buffering=0 if limit is not None else -1) as file:
                return file.read(limit) if limit is not None else file.read()
        except OSError as error:
            raise file_error(error, self.label(name)) from error

    def read_text(self, name: str) -> str:
        """See `Sysroot.read_text`."""
        return decode_text(self.read_bytes(name))

    def listdir(self, name: str) -> list[str]:
        """See `Sysroot.listdir`."""
        try:
            return sorted(os.listdir(self._at(name)))
        except OSError as error:
            raise file_error(error, self.label(name)) from error

    def label(self, name: str) -> str:
        """See `Sysroot.label`."""
        return name if self.live else self._at(name)


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


def open_sysroot(path: str | MachineWords | None) -> Sysroot:
    """Open a root.

    Args:
        path: A directory, a tar or a single file; ``-`` for standard input; a description in words; None for the
            running machine.

    Raises:
        UnavailableError: Nothing is there.
        NotPermittedError: It may not be read.
        InputError: An empty file, or a damaged tar.
    """
    if path is None:
        return DirectoryRoot("/")
    if isinstance(path, MachineWords):
        return FileRoot(SingleFile(path.name, path.text.encode("utf-8", "surrogateescape"), words=True))
    name = _STANDARD_INPUT if path == "-" else path
    try:
        if path != "-" and os.path.isdir(path):
            return _of_folder(DirectoryRoot(os.path.realpath(path)), path)
        # Opened once: what has been read from a pipe does not come again.
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            head = file.read(_HEAD)
            data = None if _looks_like_tar(head) and path != "-" else head + file.read()
    except OSError as error:
        raise file_error(error, name) from error
    except ValueError as error:
        raise UnavailableError(f"{path!r}: no such file or directory") from error
    return _of_bytes(name, head, data)


def _of_folder(root: DirectoryRoot, name: str) -> Sysroot:
    # Only what has none of a root's folders may be the texts of a supportconfig.
    if root.live or root.exists("/proc") or root.exists("/sys"):
        return root
    from kexeckit.system.supportconfig import supportconfig_of

    return supportconfig_of(root, name) or root


def _of_bytes(name: str, head: bytes, data: bytes | None) -> Sysroot:
    # `data` is None where a packed file is read piece by piece.
    if data == b"":
        raise InputError(name, "the file is empty", expected="a directory, a tar, a boot log or an iomem file")
    packing = next((name for magic, name in _FOREIGN if head.startswith(magic)), None)
    if packing:
        raise InputError(name, f"packed by {packing}, which is not read here", remedy="unpack it first")
    if data is not None and not _looks_like_tar(head):
        return FileRoot(SingleFile(name, data))
    from kexeckit.system.packed import open_packed

    return open_packed(name, head, data)


def _looks_like_tar(head: bytes) -> bool:
    # tarfile.is_tarfile() takes an all-zero file for an empty tar, so the magic decides: a compressed file is taken
    # for a tar, any other must carry "ustar" where tar has it.
    return head[:3] in (b"\x1f\x8b\x08", b"BZh") or head[:6] == b"\xfd7zXZ\x00" or head[257:262] == b"ustar"
