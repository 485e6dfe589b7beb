"""boot_params: what is read back is what was put in, and what is inherited."""

import struct

import pytest

from fakes import build_boot_params as running_page
from kexeckit.errors import InputError
from kexeckit.formats.boot_params import EfiInfo, HandoverFields, build_boot_params, parse_boot_params
from kexeckit.formats.e820_table import format_e820_entries
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange

EFI = EfiInfo(b"EL64", 0x1_2345_6000, 48, 1, 0x2_0000_0010, 960)


def handover(count: int = 2) -> HandoverFields:
    """All fields set to values above 4 GiB."""
    entries = [MemoryEntry(MemRange(n << 20, (n + 1) << 20), RESERVED if n % 2 else RAM) for n in range(count)]
    return HandoverFields(
        header=bytes(range(0x7B)),
        cmdline_address=0x1_0000_1000,
        initrd_address=0x2_0000_2000,
        initrd_size=0x1_0000_0003,
        setup_data=0x3_0000_4000,
        rsdp=0xF05B0,
        efi=EFI,
        e820=format_e820_entries(entries),
    )


def test_what_is_built_is_read_back() -> None:
    """Addresses and sizes above 32 bits go through their split fields."""
    found = parse_boot_params(build_boot_params(handover(), None), "p")
    assert (found.cmdline_address, found.initrd_address) == (0x1_0000_1000, 0x2_0000_2000)
    assert (found.initrd_size, found.setup_data, found.rsdp) == (0x1_0000_0003, 0x3_0000_4000, 0xF05B0)
    assert found.efi == EFI
    assert found.efi.present
    assert [(e.start, str(e.kind)) for e in found.e820] == [(0, "ram"), (1 << 20, "reserved")]


def test_the_loader_type_is_kexecs_and_the_header_is_the_kernels() -> None:
    """0xd0 at 0x210; the rest of the header as in the file, except what a loader fills in."""
    page = build_boot_params(handover(), None)
    assert page[0x210] == 0xD0
    assert page[0x1F1:0x210] == bytes(range(0x1F))


@pytest.mark.parametrize(("count", "inline"), [(0, 0), (127, 127), (128, 128), (129, 128), (400, 128)])
def test_at_most_128_entries_are_in_the_page(count: int, inline: int) -> None:
    """The table neither overflows nor reaches the EDD buffer behind it."""
    page = build_boot_params(handover(count), None)
    assert len(parse_boot_params(page, "p").e820) == inline
    assert page[0xCD0:0xD00] == bytes(0x30)
    assert len(page) == 4096


def test_the_machine_is_inherited_and_the_old_loader_is_not() -> None:
    """screen_info and the EDD buffer come along; the old initrd, command line, setup_data and map do not."""
    old = bytearray(running_page(((0, 1 << 20, 1),) * 3, rsdp=0x111))
    old[0xD00:0xD08] = b"EDD data"
    old[0x1EC] = 3
    struct.pack_into("<I", old, 0x218, 0xDEAD0000)
    struct.pack_into("<Q", old, 0x250, 0xBEEF0000)
    none = HandoverFields(b"", 0, 0, 0, 0, 0, EfiInfo(), b"")
    page = build_boot_params(none, bytes(old))
    assert page[0:8] == bytes(old[0:8])
    assert page[0xD00:0xD08] == b"EDD data"
    found = parse_boot_params(page, "p")
    assert (found.initrd_address, found.setup_data, found.rsdp, found.e820) == (0, 0, 0, ())
    assert found.secure_boot == 3


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 8192])
def test_a_page_of_another_size_is_refused(size: int) -> None:
    """The message says both sizes."""
    with pytest.raises(InputError, match=f"{size} bytes; expected a boot_params page of 4096 bytes"):
        parse_boot_params(bytes(size), "p")


def test_more_entries_than_fit_and_entries_beyond_2_64_are_refused() -> None:
    """A page of garbage does not become a map."""
    page = bytearray(4096)
    page[0x1E8] = 129
    with pytest.raises(InputError, match="129 e820 entries; expected at most 128"):
        parse_boot_params(bytes(page), "p")
    with pytest.raises(InputError, match="beyond 2\\^64"):
        parse_boot_params(b"\xff" * 0x1E8 + b"\x01" + b"\xff" * (4096 - 0x1E9), "p")


@pytest.mark.parametrize(
    ("signature", "systab", "present"), [(b"EL64", 1, True), (b"EL32", 1, False), (b"EL64", 0, False)]
)
def test_efi_is_present_only_as_64_bit_with_a_system_table(signature: bytes, systab: int, present: bool) -> None:
    """Anything else is a machine without EFI for us."""
    assert EfiInfo(signature, systab).present is present


def test_the_headers_init_size_is_read() -> None:
    """More than the kernel keeps, and what its place is chosen by."""
    page = bytearray(4096)
    struct.pack_into("<I", page, 0x260, 0x37DD000)
    assert parse_boot_params(bytes(page), "page").init_size == 0x37DD000
