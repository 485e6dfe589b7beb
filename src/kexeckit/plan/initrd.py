"""Is a file an initial RAM disk? Decided by its first bytes, before anything is loaded."""

from kexeckit.errors import InputError
from kexeckit.formats.magic import describe_magic
from kexeckit.plan.load_plan import NamedContent

# Source: init/initramfs.c and lib/decompress.c: what a kernel can unpack; an early cpio may be preceded by zeros.
_ACCEPTED = (
    b"070701",
    b"070702",
    b"\x1f\x8b",
    b"\x1f\x9e",
    b"BZh",
    b"\x5d\0\0",
    b"\xfd7zXZ\0",
    b"\x89LZO",
    b"\x02\x21\x4c\x18",
    b"\x28\xb5\x2f\xfd",
)


def check_initrd(initrd: NamedContent) -> None:
    """Refuse a file that no kernel could unpack as an initramfs.

    Raises:
        InputError: Empty, a kernel (swapped arguments?), or no archive that Linux knows.
    """
    head = bytes(initrd.data[:16])
    if head.startswith(_ACCEPTED):
        return
    expected = "a cpio archive, plain or compressed by gzip, bzip2, lzma, xz, lzo, lz4 or zstd"
    words = describe_magic(initrd.data)
    if "bzImage" in words:
        words += "; are kernel and initrd swapped?"
    raise InputError(initrd.source, f"not an initrd: {words}", expected=expected)
