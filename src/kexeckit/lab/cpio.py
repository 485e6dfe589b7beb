"""cpio archives in the newc format, as the kernel unpacks them for its first root file system.

Only what an initramfs needs, and deterministic: equal entries make equal bytes, with no clock and no user in them.
Source: Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c, do_header() and friends.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["CpioEntry", "device", "directory", "file", "format_cpio", "symlink"]

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class CpioEntry:
    """One member of an archive.

    Attributes:
        name: Path without a leading slash.
        mode: Type and permissions as in stat(2).
        data: Content of a file, target of a symlink, else empty.
        major: Major number of a device, else 0.
        minor: Minor number of a device, else 0.
    """

    name: str
    mode: int
    data: bytes = b""
    major: int = 0
    minor: int = 0

    def __post_init__(self) -> None:
        if not self.name or self.name.startswith("/") or "\0" in self.name or self.name == _TRAILER:
            raise ValueError(f"not the name of an archive member: {self.name!r}")
        if len(self.data) > 0xFFFF_FFFF:
            raise ValueError(f"{self.name}: the newc format holds files below 4 GiB")


def directory(name: str, mode: int = 0o755) -> CpioEntry:
    """Return a folder."""
    return CpioEntry(name, stat.S_IFDIR | mode)


def file(name: str, data: bytes, mode: int = 0o644) -> CpioEntry:
    """Return a regular file."""
    return CpioEntry(name, stat.S_IFREG | mode, data)


def symlink(name: str, target: str) -> CpioEntry:
    """Return a symbolic link."""
    return CpioEntry(name, stat.S_IFLNK | 0o777, target.encode())


def device(name: str, major: int, minor: int, mode: int = 0o600) -> CpioEntry:
    """Return a character device node."""
    return CpioEntry(name, stat.S_IFCHR | mode, b"", major, minor)


def format_cpio(entries: Iterable[CpioEntry]) -> bytes:
    """Write an archive.

    Missing parent folders are not added: the kernel creates members in the order given.

    Returns:
        The archive, padded to 512 bytes, so that archives may be concatenated.
    """
    parts: list[bytes] = []
    for inode, entry in enumerate(entries, 1):
        parts += _member(inode, entry.name, entry.mode, entry.data, entry.major, entry.minor)
    parts += _member(0, _TRAILER, 0, b"", 0, 0)
    size = sum(map(len, parts))
    parts.append(bytes(-size % 512))
    return b"".join(parts)


# Header: magic and 13 fields of 8 hexadecimal digits; name (with its NUL) and data each end on 4 bytes.
def _member(inode: int, name: str, mode: int, data: bytes, major: int, minor: int) -> list[bytes]:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, major, minor, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return [header, encoded, bytes(-(len(header) + len(encoded)) % 4), data, bytes(-len(data) % 4)]
