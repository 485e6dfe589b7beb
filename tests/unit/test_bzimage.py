"""bzImage headers: what is read, and every way to be no usable kernel."""

import struct

import pytest

from fakes import INITRD, build_bzimage
from kexeckit.errors import InputError
from kexeckit.formats.bzimage import HEADER_START, parse_bzimage, unpacked_size


def patched(at: int, code: str, *values: int) -> bytes:
    """A good kernel with other bytes at one place."""
    data = bytearray(build_bzimage())
    struct.pack_into("<" + code, data, at, *values)
    return bytes(data)


def test_the_header_is_read() -> None:
    """Every field that a plan uses."""
    data = build_bzimage(payload=0x8000, init_size=0x123000, cmdline_size=999, preferred=0x1000000, setup_sects=7)
    image = parse_bzimage(data, "vmlinuz")
    assert (image.file_size, image.setup_size, image.kernel_size) == (0x8000 + 8 * 512, 8 * 512, 0x8000)
    assert (image.init_size, image.cmdline_size, image.pref_address) == (0x123000, 999, 0x1000000)
    assert (image.kernel_alignment, image.protocol, image.release) == (0x200000, 0x20F, "6.1.0-fake")
    assert image.header == data[HEADER_START : 0x202 + 0x6A]


def test_no_setup_sectors_means_four() -> None:
    """As the boot protocol says."""
    assert parse_bzimage(build_bzimage(setup_sects=0), "k").setup_size == 5 * 512


def test_a_view_does_as_well_as_bytes() -> None:
    """Files are mapped, not read."""
    data = build_bzimage()
    assert parse_bzimage(memoryview(data), "k") == parse_bzimage(data, "k")


def test_a_signature_behind_the_kernel_is_no_damage() -> None:
    """The file may be longer than the header declares, never shorter."""
    assert parse_bzimage(build_bzimage() + b"signature", "k").kernel_size == 65536 + 9


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a bzImage: the file is empty"),
        (b"MZ", "not a bzImage"),
        (INITRD, r"not a bzImage: it looks like a cpio archive .*expected an x86 bzImage"),
        (b"\x1f\x8b" + bytes(5000), "not a bzImage: it looks like gzip"),
        (bytes(100_000), "zeros only"),
        (build_bzimage()[:0x230], "not a bzImage"),
        (build_bzimage()[:2560], "truncated: 2560 bytes, but the kernel begins at 2560"),
        (build_bzimage()[:-16384], "truncated: the header declares 65536 bytes of kernel, the file holds 49152"),
        (build_bzimage(protocol=0x20B), r"boot protocol 2\.11 is too old; expected 2\.12"),
        (build_bzimage(xloadflags=0), "no 64-bit entry point"),
        (build_bzimage(xloadflags=1), "no 64-bit entry point"),
        (build_bzimage(relocatable=0), "no 64-bit entry point that may be loaded above"),
        (build_bzimage(alignment=0), "kernel_alignment 0x0 is not a power of two"),
        (build_bzimage(alignment=0x300000), "kernel_alignment 0x300000 is not a power of two"),
        (build_bzimage(init_size=0), "init_size is 0"),
        (patched(0x201, "B", 0xFF), "a setup header of 272 bytes; expected up to 159"),
    ],
)
def test_an_unusable_file_is_refused_by_name_and_cause(data: bytes, message: str) -> None:
    """The message begins with the file and says what it looks like."""
    with pytest.raises(InputError, match=message) as caught:
        parse_bzimage(data, "some/file")
    assert str(caught.value).startswith("some/file: ")
    assert caught.value.exit_code == 65


def test_every_cut_of_a_kernel_is_an_input_error() -> None:
    """No length between nothing and all of it is taken for a kernel."""
    data = build_bzimage(payload=4096)
    for size in [*range(0, 0x300, 7), *range(0x300, len(data) - 16, 97)]:
        with pytest.raises(InputError):
            parse_bzimage(data[:size], "k")


def test_a_release_text_outside_the_file_is_empty() -> None:
    """The pointer is 16 bits wide and may point anywhere."""
    data = bytearray(build_bzimage(payload=1024))
    struct.pack_into("<H", data, 0x20E, 0xFFFF)
    assert parse_bzimage(bytes(data), "k").release == ""
    struct.pack_into("<H", data, 0x20E, 0)
    assert parse_bzimage(bytes(data), "k").release == ""


def test_what_the_payload_unpacks_to() -> None:
    """Its last four bytes; nothing where the header has no payload, or one that is not in the file."""
    data = bytearray(build_bzimage())
    image = parse_bzimage(bytes(data), "vmlinuz")
    struct.pack_into("<II", data, 0x248, 0, 0)
    assert unpacked_size(bytes(data), image) is None
    struct.pack_into("<II", data, 0x248, 0x40, 0x20)
    struct.pack_into("<I", data, image.setup_size + 0x5C, 12345678)
    assert unpacked_size(bytes(data), image) == 12345678
    struct.pack_into("<II", data, 0x248, 0x40, len(data))
    assert unpacked_size(bytes(data), image) is None
