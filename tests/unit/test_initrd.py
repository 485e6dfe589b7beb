"""What is accepted as an initrd, and what a refusal says."""

import pytest

from fakes import INITRD, build_bzimage
from kexeckit.errors import InputError
from kexeckit.plan.initrd import check_initrd
from kexeckit.plan.load_plan import NamedContent


@pytest.mark.parametrize(
    "head",
    [
        b"070701",
        b"070702",
        b"\x1f\x8b",
        b"BZh9",
        b"\x5d\0\0",
        b"\xfd7zXZ\0",
        b"\x89LZO",
        b"\x02\x21\x4c\x18",
        b"\x28\xb5\x2f\xfd",
    ],
)
def test_archives_that_linux_unpacks_are_accepted(head: bytes) -> None:
    """cpio, plain or compressed by any of the kernel's methods; a view does as well."""
    check_initrd(NamedContent("i", head + bytes(100)))
    check_initrd(NamedContent("i", memoryview(head)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (build_bzimage(), "an x86 kernel (bzImage); are kernel and initrd swapped?"),
        (b"root=/dev/sda1\n", "it is text"),
        (bytes(4096), "it begins with zeros only"),
        (b"", "the file is empty"),
        (b"\x7fELF", "it is an ELF file"),
        (INITRD[:3], "it is text"),
        (b"\xff\xfe\x80", "of no known kind"),
    ],
)
def test_other_files_are_refused_with_what_they_look_like(data: bytes, words: str) -> None:
    """Named, with what would have been accepted."""
    with pytest.raises(InputError) as caught:
        check_initrd(NamedContent("the/initrd", data))
    text = str(caught.value)
    assert text.startswith("the/initrd: not an initrd: ")
    assert words in text
    assert "expected a cpio archive" in text


def test_an_archive_of_the_old_gzip_is_accepted() -> None:
    """lib/decompress.c takes its second magic number, too."""
    check_initrd(NamedContent("i", b"\x1f\x9e" + bytes(100)))


def test_only_a_kernel_is_told_to_be_swapped() -> None:
    """Of other files that would mislead."""
    with pytest.raises(InputError) as caught:
        check_initrd(NamedContent("i", b"root=/dev/sda1\n"))
    assert "swapped" not in str(caught.value)
