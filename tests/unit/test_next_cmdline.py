"""The next kernel's command line."""

from dataclasses import replace

import pytest

from fakes import build_boot_params as running_page
from fakes import build_bzimage, make_facts, make_request
from kexeckit.errors import PlanError
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import EfiFacts
from kexeckit.plan.next_cmdline import check_characters, complete_cmdline, encoded, reused_cmdline, serial_port

IMAGE = parse_bzimage(build_bzimage(cmdline_size=100), "vmlinuz")
FACTS = make_facts()
HEADER = MemRange(0xA0000000, 0xA0001000)
RUNNING = "BOOT_IMAGE=/vmlinuz root=/dev/vda1\tcrashkernel=256M quiet elfcorehdr=0x1 acpi_rsdp=0x2 crashkernel=1M,low"


def completed(cmdline: str, elfcorehdr: MemRange | None = None) -> str:
    """The whole line."""
    return complete_cmdline(make_request(cmdline=cmdline), FACTS, IMAGE, elfcorehdr)[0]


def test_a_reused_line_loses_what_a_loader_wrote() -> None:
    """crashkernel= stays for a next kernel and goes for a capture kernel."""
    assert reused_cmdline(RUNNING, panic=False) == "root=/dev/vda1\tcrashkernel=256M quiet crashkernel=1M,low"
    assert reused_cmdline(RUNNING, panic=True) == "root=/dev/vda1\tquiet"


def test_elfcorehdr_stands_in_front() -> None:
    """What is behind -- is for init."""
    assert completed("a -- b", HEADER) == "elfcorehdr=0xa0000000 a -- b"
    assert completed("a") == "a"
    assert completed("", HEADER) == "elfcorehdr=0xa0000000"


def test_the_rsdp_is_named_only_where_efi_is_lost() -> None:
    """An EFI machine without runtime services finds ACPI by acpi_rsdp=; others by their boot_params or EFI."""
    page = parse_boot_params(running_page(efi_systab=0x7F000000), "p")
    lost = replace(FACTS, rsdp=0x7F7FE014, boot_params=page)
    assert complete_cmdline(make_request(cmdline="a"), lost, IMAGE, None)[0] == "acpi_rsdp=0x7f7fe014 a"
    kept = replace(lost, efi=EfiFacts(1, 2, 3, 4, ()))
    assert complete_cmdline(make_request(cmdline="a"), kept, IMAGE, None)[0] == "a"
    bios = replace(FACTS, rsdp=0xF0000)
    assert complete_cmdline(make_request(cmdline="a"), bios, IMAGE, None)[0] == "a"


@pytest.mark.parametrize(("size", "elfcorehdr"), [(100, None), (100 - len("elfcorehdr=0xa0000000 "), HEADER)])
def test_the_longest_line_fits_and_one_byte_more_does_not(size: int, elfcorehdr: MemRange | None) -> None:
    """The refusal says how many bytes would have fitted, and they do."""
    assert len(completed("x" * size, elfcorehdr)) == 100
    with pytest.raises(PlanError, match="101 bytes: vmlinuz takes at most 100") as caught:
        completed("x" * (size + 1), elfcorehdr)
    assert f"{size} bytes would fit" in str(caught.value)


def test_bytes_are_counted_and_not_characters() -> None:
    """A letter of two bytes counts twice, a stray byte once."""
    assert len(completed("\u00e4" * 50)) == 50
    assert encoded("\u00e4\udcff") == b"\xc3\xa4\xff"
    with pytest.raises(PlanError, match="102 bytes"):
        completed("\u00e4" * 51)


def test_a_header_that_leaves_no_room_says_so() -> None:
    """Not a negative number of bytes."""
    with pytest.raises(PlanError, match=r"; 0 bytes would fit"):
        complete_cmdline(make_request(cmdline="x"), FACTS, replace(IMAGE, cmdline_size=5), HEADER)


def test_a_nul_is_refused() -> None:
    """The kernel would cut the line there without a word."""
    with pytest.raises(PlanError, match="NUL"):
        completed("a\0b")
    with pytest.raises(PlanError, match="NUL"):
        check_characters("\0")
    check_characters("\x01\x7f")


@pytest.mark.parametrize(
    ("cmdline", "panic", "words"),
    [
        ("mem=1G memmap=1M@1M", True, "mem= and memmap= on the capture kernel's"),
        ("mem=1G", False, None),
        ("crashkernel=1M", True, "takes memory from its own reservation"),
        ("foo.crashkernel=1M", True, "takes memory from its own reservation"),
        ('foo="crashkernel=1M"', True, "takes memory from its own reservation"),
        ("-- crashkernel=1M", True, "takes memory from its own reservation"),
        ("crashkernel=1M", False, None),
        ("elfcorehdr=0x5", True, "beats the one that kexeckit adds"),
        ("-- elfcorehdr=0x5", True, None),
        ("quiet", True, None),
    ],
)
def test_words_that_will_surprise_are_noted(cmdline: str, panic: bool, words: str | None) -> None:
    """One note each; the kernel searches for the text crashkernel= anywhere."""
    request = make_request(cmdline=cmdline, panic=panic)
    _, notes = complete_cmdline(request, FACTS, IMAGE, HEADER if panic else None)
    assert [words in note for note in notes if words] == ([True] if words else [])
    assert bool(notes) == bool(words)


@pytest.mark.parametrize(
    ("cmdline", "port"),
    [
        ("console=ttyS0", 0x3F8),
        ("console=ttyS1,115200n8 console=tty0", 0x2F8),
        ("console=ttyS0 console=ttyS3", 0x2E8),
        ('console="ttyS2"', 0x3E8),
        ("console=ttyS4", 0),
        ("console=ttyS", 0),
        ("console=tty0", 0),
        ("quiet", 0),
        ("-- console=ttyS0", 0),
        ("console", 0),
    ],
)
def test_the_serial_port_is_that_of_the_last_serial_console(cmdline: str, port: int) -> None:
    """0 for none; an argument of init is no console."""
    assert serial_port(cmdline) == port
