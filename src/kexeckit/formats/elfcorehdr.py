"""elfcorehdr: the ELF64 core header that tells a capture kernel where the old kernel's memory is; read and write.

    ELF header, 64 bytes
    PT_NOTE    one per CPU: where that CPU's registers will be saved
    PT_NOTE    vmcoreinfo
    PT_LOAD    the old kernel's text and data, at their own virtual addresses
    PT_LOAD    one per range of old RAM; p_offset = p_paddr = physical start

Source: kernel/crash_core.c (kernel/kexec_file.c before 6.6), crash_prepare_elf64_headers(); fs/proc/vmcore.c, which
reads it.
"""

import struct
from collections.abc import Sequence

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import ADDRESS_LIMIT

EHDR_SIZE = 64
PHDR_SIZE = 56
PT_LOAD = 1
PT_NOTE = 4
EM_X86_64 = 62
EM_AARCH64 = 183
MAX_PROGRAM_HEADERS = 0xFFFF
NO_VADDR = (1 << 64) - 1
"""p_vaddr where no virtual address is known; readers of cores take it for that (makedumpfile's NOT_KV_ADDR)."""
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_IDENT = b"\x7fELF\x02\x01\x01" + bytes(9)


@dataclass(frozen=True, slots=True)
class NoteRange:
    """A PT_NOTE: where notes lie in old memory.

    Attributes:
        name: ``cpu0``, ``vmcoreinfo``; not in the file, for people.
        range: Physical addresses.
    """

    name: str
    range: MemRange


@dataclass(frozen=True, slots=True)
class LoadRange:
    """A PT_LOAD: old memory and the virtual address it had.

    Attributes:
        range: Physical addresses.
        vaddr: Virtual address of the first byte, or `NO_VADDR`.
        executable: Whether it holds the old kernel's text.
    """

    range: MemRange
    vaddr: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class ProgramHeader:
    """One ELF64 program header as it stands in a file."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class ElfCoreHeader:
    """The contents of an elfcorehdr."""

    machine: int
    notes: tuple[NoteRange, ...]
    loads: tuple[LoadRange, ...]

    @property
    def size(self) -> int:
        """Bytes of the header."""
        return EHDR_SIZE + PHDR_SIZE * (len(self.notes) + len(self.loads))


def format_elfcorehdr(header: ElfCoreHeader) -> bytes:
    """Return the header's bytes."""
    count = len(header.notes) + len(header.loads)
    ehdr = _EHDR.pack(_IDENT, 4, header.machine, 1, 0, EHDR_SIZE, 0, 0, EHDR_SIZE, PHDR_SIZE, count, 0, 0, 0)
    notes = (
        _PHDR.pack(PT_NOTE, 0, n.range.start, 0, n.range.start, n.range.size, n.range.size, 0) for n in header.notes
    )
    loads = (
        _PHDR.pack(PT_LOAD, 7, r.range.start, r.vaddr, r.range.start, r.range.size, r.range.size, 0)
        for r in header.loads
    )
    return b"".join((ehdr, *notes, *loads))


def parse_program_headers(data: bytes, source: str) -> list[ProgramHeader]:
    """Read the program headers of an ELF64 little-endian core, such as an elfcorehdr or /proc/vmcore.

    Args:
        data: The beginning of the file, with all program headers.
        source: How messages name it.

    Raises:
        InputError: Not such a file, or cut off before the last header.
    """
    if len(data) < EHDR_SIZE or data[:6] != _IDENT[:6]:
        raise InputError(source, "not an ELF64 little-endian file", expected="a core header")
    fields = _EHDR.unpack_from(data)
    at, size, count = fields[5], fields[9], fields[10]
    if size != PHDR_SIZE or at + size * count > len(data):
        raise InputError(source, f"{count} program headers of {size} bytes at {at:#x} are not all in {len(data)} bytes")
    return [ProgramHeader(*_PHDR.unpack_from(data, at + i * size)) for i in range(count)]


def loads_of(headers: Sequence[ProgramHeader], source: str = "a core header") -> list[LoadRange]:
    """Return the PT_LOADs with a size, as physical ranges.

    Args:
        headers: Program headers of a core.
        source: How messages name it.

    Raises:
        InputError: A PT_LOAD reaches beyond 2^64, as one without a physical address does.
    """
    loads = [h for h in headers if h.type == PT_LOAD and h.memsz]
    wild = next((h for h in loads if h.paddr + h.memsz > ADDRESS_LIMIT), None)
    if wild:
        raise InputError(source, f"a PT_LOAD of {wild.memsz:#x} bytes at {wild.paddr:#x} reaches beyond 2^64")
    return [LoadRange(MemRange.from_size(h.paddr, h.memsz), h.vaddr, bool(h.flags & 1)) for h in loads]
