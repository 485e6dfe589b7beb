"""elfcorehdr bytes, read back by us, by pyelftools and by readelf."""

import io
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from kexeckit.errors import InputError
from kexeckit.formats.elfcorehdr import (
    EM_AARCH64,
    EM_X86_64,
    NO_VADDR,
    PT_LOAD,
    PT_NOTE,
    ElfCoreHeader,
    LoadRange,
    NoteRange,
    ProgramHeader,
    format_elfcorehdr,
    loads_of,
    parse_program_headers,
)
from kexeckit.memory.range import MemRange

HEADER = ElfCoreHeader(
    EM_X86_64,
    (
        NoteRange("cpu0", MemRange.from_size(0x3F000000, 368)),
        NoteRange("cpu1", MemRange.from_size(0x3F001000, 368)),
        NoteRange("vmcoreinfo", MemRange.from_size(0x3FE00000, 4096)),
    ),
    (
        LoadRange(MemRange(0x1000000, 0x2C00000), 0xFFFFFFFF81000000, executable=True),
        LoadRange(MemRange(0x100000, 0xA0000000), 0xFFFF888000100000),
        LoadRange(MemRange(0x1_0000_0000, 0x1_4000_0000), NO_VADDR),
    ),
)
BYTES = format_elfcorehdr(HEADER)


def test_the_size_is_foretold() -> None:
    """64 bytes and 56 for each program header."""
    assert len(BYTES) == HEADER.size == 64 + 56 * 6


def test_our_reader_finds_what_was_written() -> None:
    """Notes first, then loads, each at its physical address."""
    headers = parse_program_headers(BYTES, "h")
    assert [h.type for h in headers] == [PT_NOTE] * 3 + [PT_LOAD] * 3
    found = [(r.range, r.vaddr) for r in loads_of(headers)]
    assert found == [(r.range, r.vaddr) for r in HEADER.loads]


def test_pyelftools_reads_the_same() -> None:
    """An ELF64 little-endian core, its offsets equal to its physical addresses."""
    elf = ELFFile(io.BytesIO(BYTES))
    assert (elf["e_type"], elf["e_machine"], elf["e_phnum"]) == ("ET_CORE", "EM_X86_64", 6)
    segments = list(elf.iter_segments())
    assert [s["p_type"] for s in segments] == ["PT_NOTE"] * 3 + ["PT_LOAD"] * 3
    ranges = [*(n.range for n in HEADER.notes), *(r.range for r in HEADER.loads)]
    for segment, expected in zip(segments, ranges, strict=True):
        assert segment["p_offset"] == segment["p_paddr"] == expected.start
        assert segment["p_filesz"] == segment["p_memsz"] == expected.size
    assert [s["p_vaddr"] for s in segments[3:]] == [r.vaddr for r in HEADER.loads]


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed")
def test_readelf_reads_the_same(tmp_path: Path) -> None:
    """Binutils' own reader, from its text."""
    at = tmp_path / "elfcorehdr"
    at.write_bytes(BYTES)
    text = subprocess.run(["readelf", "-lW", at], capture_output=True, text=True, check=True).stdout
    assert "CORE (Core file)" in text
    rows = re.findall(r"^  (NOTE|LOAD) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+)", text, re.MULTILINE)
    seen = [(kind, *(int(n, 16) for n in numbers)) for kind, *numbers in rows]
    notes = [("NOTE", n.range.start, 0, n.range.start, n.range.size) for n in HEADER.notes]
    loads = [("LOAD", r.range.start, r.vaddr, r.range.start, r.range.size) for r in HEADER.loads]
    assert seen == notes + loads


def test_the_machine_is_in_the_header() -> None:
    """aarch64 is 183."""
    made = format_elfcorehdr(ElfCoreHeader(EM_AARCH64, (), ()))
    assert ELFFile(io.BytesIO(made))["e_machine"] == "EM_AARCH64"
    assert parse_program_headers(made, "h") == []


@pytest.mark.parametrize("size", [0, 3, 63, 64, 64 + 56 * 6 - 1])
def test_a_cut_header_is_refused(size: int) -> None:
    """Before or after the ELF header's own end."""
    with pytest.raises(InputError, match=r"^h: "):
        parse_program_headers(BYTES[:size], "h")


@pytest.mark.parametrize(("at", "value"), [(0, b"X"), (4, b"\x01"), (5, b"\x02"), (54, b"\x20\0")])
def test_another_kind_of_file_is_refused(at: int, value: bytes) -> None:
    """No ELF, 32 bits, big-endian, other header sizes."""
    with pytest.raises(InputError):
        parse_program_headers(BYTES[:at] + value + BYTES[at + len(value) :], "h")


def test_program_headers_may_lie_elsewhere() -> None:
    """e_phoff decides, and may point nowhere."""
    moved = bytearray(BYTES[:64] + bytes(100) + BYTES[64:])
    struct.pack_into("<Q", moved, 32, 164)
    assert parse_program_headers(bytes(moved), "h") == parse_program_headers(BYTES, "h")
    struct.pack_into("<Q", moved, 32, 1 << 63)
    with pytest.raises(InputError, match="are not all in"):
        parse_program_headers(bytes(moved), "h")


def test_a_load_without_a_physical_address_is_refused_by_name() -> None:
    """As /proc/kcore has it for vmalloc: paddr of all ones."""
    wild = ProgramHeader(PT_LOAD, 7, 0, 0, (1 << 64) - 1, 0x1000, 0x1000, 0)
    with pytest.raises(InputError, match=r"core: a PT_LOAD of 0x1000 bytes .* beyond 2\^64"):
        loads_of([wild], "core")


def test_loads_of_leaves_out_what_holds_nothing_and_knows_text() -> None:
    """Size zero is no memory; the x flag marks executable ones."""
    empty = ProgramHeader(PT_LOAD, 7, 0, 0, 0, 0, 0, 0)
    data = ProgramHeader(PT_LOAD, 6, 0, 5, 0x1000, 0x1000, 0x1000, 0)
    text = ProgramHeader(PT_LOAD, 5, 0, 5, 0x3000, 0x1000, 0x1000, 0)
    assert [(r.range.start, r.executable) for r in loads_of([empty, data, text])] == [(0x1000, False), (0x3000, True)]
