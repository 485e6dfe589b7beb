"""What a file looks like, in words, for the messages about wrong files."""

import pytest

from fakes import INITRD, build_bzimage
from kexeckit.formats.magic import describe_magic, is_bzimage

LOOKS = {
    "empty": (b"", "the file is empty"),
    "bzimage": (build_bzimage(), "an x86 kernel"),
    "cpio": (INITRD, "cpio archive"),
    "gzip": (b"\x1f\x8b\x08rest", "gzip"),
    "zstd": (b"\x28\xb5\x2f\xfdrest", "zstd"),
    "xz": (b"\xfd7zXZ\0rest", "xz"),
    "bzip2": (b"BZh9", "bzip2"),
    "lz4": (b"\x02\x21\x4c\x18", "lz4"),
    "lzma": (b"\x5d\0\0\1", "lzma"),
    "elf": (b"\x7fELF\2", "ELF"),
    "arm64": (b"MZ" + bytes(54) + b"ARMd", "arm64"),
    "zboot": (b"MZ\0\0zimg", "ZBOOT"),
    "pe": (b"MZ" + b"\1" * 100, "PE file"),
    "script": (b"#!/bin/sh\n", "script"),
    "zeros": (bytes(5000), "zeros only"),
    "text": (b"hello\tworld\r\n", "text"),
    "junk": (b"\x80\x81\x82", "no known kind"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_first_bytes_are_told_in_words(name: str) -> None:
    """A view works as well as bytes."""
    data, words = LOOKS[name]
    assert words in describe_magic(data)
    assert describe_magic(memoryview(data)) == describe_magic(data)


def test_half_a_header_is_no_kernel() -> None:
    """Both marks are needed."""
    assert is_bzimage(build_bzimage())
    assert not is_bzimage(build_bzimage()[:0x202])
    assert not is_bzimage(b"")
