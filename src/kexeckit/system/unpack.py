"""Unpack a compressed kernel or initramfs: by the standard library, or by the program that made it.

gzip, bzip2, xz and lzma are known to the library; zstd is from Python 3.14 on. For zstd, lz4 and lzo the machine's own
program is asked, which is there wherever such an initramfs is made.

Source: lib/decompress.c, compressed_formats; Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import bz2
import importlib
import lzma
import shutil
import subprocess
import zlib

from kexeckit.errors import InputError

_LIMIT = 4 << 30
_ZSTD = b"\x28\xb5\x2f\xfd"
# First bytes, name of the format, command that reads it from standard input.
_PROGRAMS = (
    (_ZSTD, "zstd", ("zstd", "-dc", "--long=31")),
    (b"\x02\x21\x4c\x18", "lz4", ("lz4", "-dc")),
    (b"\x04\x22\x4d\x18", "lz4", ("lz4", "-dc")),
    (b"\x89LZO", "lzo", ("lzop", "-dc")),
)


def compression(data: bytes) -> str:
    """Return the name of the format that bytes are packed in, or an empty text for none that Linux knows."""
    if data[:2] == b"\x1f\x8b":
        return "gzip"
    if data[:3] == b"BZh":
        return "bzip2"
    if data[:6] == b"\xfd7zXZ\0":
        return "xz"
    if data[:3] == b"]\0\0":
        return "lzma"
    return next((name for magic, name, _ in _PROGRAMS if data.startswith(magic)), "")


def unpack(data: bytes, source: str) -> tuple[bytes | None, int]:
    """Unpack what data begins with.

    Args:
        data: Packed bytes; others may follow.
        source: How messages name them.

    Returns:
        The content, and how many bytes of data it took; (None, 0) where nothing on this machine can unpack it.

    Raises:
        InputError: The data is damaged.
    """
    kind = compression(data)
    try:
        if kind == "gzip":
            return _stream(zlib.decompressobj(31), data)
        if kind == "bzip2":
            return _stream(bz2.BZ2Decompressor(), data)
        if kind in ("xz", "lzma"):
            return _stream(lzma.LZMADecompressor(), data)
        if kind == "zstd" and shutil.which("zstd") is None:
            return _by_module(data)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise InputError(source, f"damaged {kind} data: {error}") from error
    command = next((c for magic, _, c in _PROGRAMS if data.startswith(magic)), None)
    return _by_program(command, data, source) if command and shutil.which(command[0]) else (None, 0)


def _stream(
    tool: "zlib._Decompress | bz2.BZ2Decompressor | lzma.LZMADecompressor", data: bytes
) -> tuple[bytes | None, int]:
    inner = tool.decompress(data, _LIMIT)
    if not tool.eof:
        raise EOFError("it ends too early")
    return inner, len(data) - len(tool.unused_data)


def _by_module(data: bytes) -> tuple[bytes | None, int]:
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        return None, 0
    content: bytes = module.decompress(data)
    return content, len(data)


def _by_program(command: tuple[str, ...], data: bytes, source: str) -> tuple[bytes | None, int]:
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(source, f"damaged {compression(data)} data: {why[-1] if why else 'no reason given'}")
    return done.stdout, len(data)
