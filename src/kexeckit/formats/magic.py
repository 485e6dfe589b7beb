"""What a file looks like from its first bytes, in words, for messages about wrong files."""

_MAGICS = (
    (0, b"070701", "it looks like a cpio archive (an initramfs?)"),
    (0, b"070702", "it looks like a cpio archive (an initramfs?)"),
    (0, b"\x1f\x8b", "it looks like gzip data (an initramfs, or a compressed kernel?)"),
    (0, b"\x28\xb5\x2f\xfd", "it looks like zstd data (an initramfs?)"),
    (0, b"\xfd7zXZ\0", "it looks like xz data (an initramfs?)"),
    (0, b"BZh", "it looks like bzip2 data (an initramfs?)"),
    (0, b"\x02\x21\x4c\x18", "it looks like lz4 data (an initramfs?)"),
    (0, b"\x5d\0\0", "it looks like lzma data (an initramfs?)"),
    (0, b"\x7fELF", "it is an ELF file"),
    (56, b"ARMd", "it is an arm64 kernel Image"),
    (56, b"RSC\x05", "it is a riscv kernel Image"),
    (4, b"zimg", "it is an EFI ZBOOT image"),
    (0, b"MZ", "it is a PE file without a Linux boot header"),
    (0, b"#!", "it is a script"),
)


def describe_magic(data: bytes | memoryview) -> str:
    """Say in words what bytes look like: ``the file is empty``, ``it looks like gzip data ...``."""
    if not len(data):
        return "the file is empty"
    head = bytes(data[:1024])
    if is_bzimage(head):
        return "it is an x86 kernel (bzImage)"
    for at, magic, words in _MAGICS:
        if head[at : at + len(magic)] == magic:
            return words
    if not any(head):
        return "it begins with zeros only"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "it is text"
    return "its first bytes are of no known kind"


def is_bzimage(data: bytes | memoryview) -> bool:
    """Say whether bytes begin like an x86 kernel."""
    return bytes(data[0x1FE:0x200]) == b"\x55\xaa" and bytes(data[0x202:0x206]) == b"HdrS"
