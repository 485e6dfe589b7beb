"""vmlinux: how much memory an x86_64 kernel takes, from the ELF file that a bzImage holds packed.

    text | rodata | data | [ init: per-CPU template, init text and data, ... ] | bss | brk | scratch
                           freed once the kernel runs                                      only while it starts

Source: arch/x86/kernel/vmlinux.lds.S (__init_begin, __init_end, .init.scratch); elf(5).
"""

import struct

from kexeckit.errors import InputError
from kexeckit.formats.elfcorehdr import PT_LOAD, parse_program_headers
from kexeckit.frozen import dataclass
from kexeckit.memory.units import PAGE_SIZE, align_down, align_up

_EXPECTED = "a 64-bit ELF kernel"
_SCRATCH = b".init.scratch"


@dataclass(frozen=True, slots=True)
class KernelMemory:
    """Memory of a kernel in bytes.

    Attributes:
        whole: With its init part, without the scratch area behind its end.
        init: What it frees once it is up; 0 where the file has no sections.
    """

    whole: int
    init: int


def parse_vmlinux(data: bytes, source: str) -> KernelMemory:
    """Read the sizes of a kernel.

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
    return KernelMemory(whole - (align_up(scratch[1], PAGE_SIZE) if scratch else 0), _init(sections))


def _sections(data: bytes) -> dict[bytes, tuple[int, int]]:
    # Name to address and size.
    (at,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, at + size * n) for n in range(count)]
    if names >= len(heads):
        return {}
    text = data[heads[names][4] : heads[names][4] + heads[names][5]]
    return {text[h[0] : text.find(b"\0", h[0])]: (h[3], h[5]) for h in heads}


def _init(sections: dict[bytes, tuple[int, int]]) -> int:
    # The per-CPU template has address 0 up to 6.13, so its size counts; from then on it lies among the others.
    text, bss = sections.get(b".init.text"), sections.get(b".bss")
    if not text or not bss or bss[0] < text[0]:
        return 0
    percpu = sections.get(b".data..percpu", (0, 0))
    apart = align_up(percpu[1], PAGE_SIZE) if percpu[0] == 0 else 0
    return align_down(bss[0], PAGE_SIZE) - align_down(text[0], PAGE_SIZE) + apart
