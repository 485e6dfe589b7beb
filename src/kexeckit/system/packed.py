"""Compressed files and archives as roots: a tar of a root, or one file that was packed for the way.

dmesg.gz            one file
dmesg.tar.xz        one file, if it holds no other
sosreport.tar.xz    a root
scc_host.txz        a supportconfig: a root in its texts
"""

import bz2
import gzip
import io
import lzma
import zlib
from typing import IO, cast

from kexeckit.errors import InputError
from kexeckit.system.supportconfig import supportconfig_of
from kexeckit.system.sysroot import FileRoot, SingleFile, Sysroot
from kexeckit.system.tar_root import TarRoot

# The place of "ustar" in the first block of a tar.
_MAGIC = slice(257, 262)
_BLOCK = 512
# No boot log is as large; a few bytes may unpack to any size.
_LARGEST = 1 << 28
_OPENERS = ((b"\x1f\x8b\x08", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))


def open_packed(path: str, head: bytes, packed: bytes | None = None) -> Sysroot:
    """Open a compressed file or an archive.

    Args:
        path: The file.
        head: Its first bytes.
        packed: All of its bytes where they have been read; `path` is then only its name for messages.

    Raises:
        InputError: It cannot be unpacked, or is larger than a log can be.
    """
    data = _unpacked(path, head, packed)
    if data is not None:
        return FileRoot(SingleFile(path, data))
    root = TarRoot(path, packed)
    name = root.lone_file()
    if name is None and not root.exists("/proc"):
        return supportconfig_of(root, path) or root
    return root if name is None else FileRoot(SingleFile(root.label(name), root.read_bytes(name)))


def _unpacked(path: str, head: bytes, packed: bytes | None) -> bytes | None:
    # The content of a compressed file that is no tar; None for a tar, and for what the tar's reader has to judge.
    opener = next((opened for magic, opened in _OPENERS if head.startswith(magic)), None)
    if opener is None:
        return None
    with cast("IO[bytes]", opener(path if packed is None else io.BytesIO(packed), "rb")) as file:
        try:
            first = file.read(_BLOCK)
            if not first or first[_MAGIC] == b"ustar":
                return None
            rest = file.read(_LARGEST)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise InputError(path, f"cannot be unpacked: {error}", expected="a whole file") from error
    if len(rest) == _LARGEST:
        raise InputError(path, f"unpacks to more than {_LARGEST} bytes", expected="a boot log or a tar of a root")
    return first + rest
