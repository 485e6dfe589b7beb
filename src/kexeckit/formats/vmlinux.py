"""vmlinux: how much memory an x86_64 kernel takes, from the ELF file that a bzImage holds packed.

    text | rodata | data | init | bss | brk | scratch
                                              only while the kernel unpacks itself

Source: arch/x86/kernel/vmlinux.lds.S (.init.scratch); elf(5).
"""

import struct

from kexeckit.errors import InputError
from kexeckit.formats.elfcorehdr import PT_LOAD, parse_program_headers
from kexeckit.memory.units import PAGE_SIZE, align_up

_EXPECTED = "a 64-bit ELF kernel"
_SCRATCH = b".init.scratch"


def parse_vmlinux(data: bytes, source: str) -> int:
    """Return the bytes of memory that a kernel takes with its init part, without the scratch area behind its end.

    Args:
        data: The ELF file; the relocations that a build appends may follow.
        source: How messages name it.

    Raises:
        InputError: No ELF file of a kernel, or its tables lie outside of it.
    """
    loads = [head.memsz for head in parse_program_headers(data, source) if head.type == PT_LOAD]
    whole = sum(align_up(size, PAGE_SIZE) for size in loads)
    try:
        sections = _sections(data)
    except struct.error as error:
        raise InputError(source, "its tables lie outside the file", expected=_EXPECTED) from error
    if not whole:
        raise InputError(source, "nothing to load in it", expected=_EXPECTED)
    scratch = sections.get(_SCRATCH)
    return whole - (align_up(scratch, PAGE_SIZE) if scratch else 0)


def _sections(data: bytes) -> dict[bytes, int]:
    # Name to size.
    (at,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, at + size * n) for n in range(count)]
    if names >= len(heads):
        return {}
    text = data[heads[names][4] : heads[names][4] + heads[names][5]]
    return {text[h[0] : text.find(b"\0", h[0])]: h[5] for h in heads}
