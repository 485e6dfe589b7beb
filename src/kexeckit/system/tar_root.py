"""`TarRoot`: a machine's files in a tar, as sosreport makes them."""

import io
import tarfile
import weakref
from pathlib import Path, PurePosixPath
from typing import IO

from kexeckit.errors import InputError, UnavailableError
from kexeckit.system.text import decode_text

# No file of /proc or /sys is as large; a sparse member of a few bytes may claim any size.
_LARGEST = 1 << 28
# A file below one of these has its name in a root.
_OF_A_ROOT = {"proc", "sys", "var", "dev", "boot", "sos_commands"}


class TarRoot:
    """A tar of a directory laid out like a root, possibly below one leading folder.

    Args:
        path: The file.
        packed: All of its bytes where they have been read; `path` is then only its name for messages.
    """

    live = False
    single_file = None

    def __init__(self, path: str, packed: bytes | None = None) -> None:
        self._path = path
        # Held open for as long as the root is used.
        file: IO[bytes] = Path(path).open("rb") if packed is None else io.BytesIO(packed)  # noqa: SIM115
        weakref.finalize(self, file.close)
        try:
            self._tar = tarfile.open(fileobj=file)  # noqa: SIM115
            self._members = {_clean(m.name): m for m in self._tar.getmembers()}
        except Exception as error:
            # Each decompressor has errors of its own for damaged data.
            raise InputError(path, f"not a readable tar: {error}", expected="a tar of a root") from error
        self._prefix = _leading_folder(self._members)

    def lone_file(self) -> str | None:
        """Return the name of the only file in the archive, or None where it is not the only one or a root's."""
        files = [name for name, member in self._members.items() if member.isfile()]
        return files[0] if len(files) == 1 and not _OF_A_ROOT.intersection(files[0].split("/")) else None

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
        if limit is None and member.size > _LARGEST:
            raise InputError(self.label(name), f"{member.size} bytes", expected=f"a file of at most {_LARGEST}")
        try:
            file = self._tar.extractfile(member)
            data = None if file is None else file.read(-1 if limit is None else limit)
        except Exception as error:
            # As above; a link that leads to itself recurses.
            raise InputError(self.label(name), f"the archive is damaged here: {error}") from error
        if data is None:
            raise UnavailableError(f"{self.label(name)}: not a regular file in the archive")
        return data

    def read_text(self, name: str) -> str:
        """See `Sysroot.read_text`."""
        return decode_text(self.read_bytes(name))

    def listdir(self, name: str) -> list[str]:
        """See `Sysroot.listdir`."""
        below = f"{self._prefix}{name.strip('/')}/".removeprefix("/")
        found = sorted({m[len(below) :].split("/")[0] for m in self._members if m.startswith(below)})
        if not found:
            raise UnavailableError(f"{self.label(name)}: no such folder in the archive")
        return found

    def label(self, name: str) -> str:
        """See `Sysroot.label`."""
        return f"{self._path}:{name.lstrip('/')}"


def _clean(name: str) -> str:
    return str(PurePosixPath(name)).lstrip("/").removeprefix("./")


def _leading_folder(members: dict[str, tarfile.TarInfo]) -> str:
    # A sosreport has everything below one folder: the shortest path above a "proc/" or "sys/" is the root.
    heads = [m[: m.index(mark)] for m in members for mark in ("proc/", "sys/") if _is_root_mark(m, mark)]
    return min(heads, key=len, default="")


def _is_root_mark(member: str, mark: str) -> bool:
    # Only the first such folder counts: "root/proc/1/proc/" marks "root/".
    return member.startswith(mark) or (f"/{mark}" in member and member.index(mark) == member.index(f"/{mark}") + 1)
