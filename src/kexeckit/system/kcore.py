"""Physical memory of the running kernel, through /proc/kcore.

Source: fs/proc/kcore.c, elf_kcore_store_hdr(): a segment of the direct mapping has its physical address in p_paddr.
"""

from pathlib import Path

from kexeckit.errors import FileAccessError, NotPermittedError, UnavailableError
from kexeckit.formats.elfcorehdr import PT_LOAD, parse_program_headers

_KCORE = "/proc/kcore"
_EHDR, _PHDR = 64, 56
_NO_ADDRESS = (1 << 64) - 1


def read_physical(start: int, size: int) -> bytes:
    """Return bytes of RAM.

    Args:
        start: Physical address.
        size: How many bytes.

    Raises:
        UnavailableError: There is no /proc/kcore, or the address is not in the direct mapping.
        NotPermittedError: It may not be read (rights, lockdown).
        FileAccessError: Reading it failed.
        InputError: It has no program headers that make sense.
    """
    try:
        with Path(_KCORE).open("rb", buffering=0) as file:
            head = file.read(_EHDR)
            head += file.read(_PHDR * int.from_bytes(head[56:58], "little"))
            for load in parse_program_headers(head, _KCORE):
                known = load.type == PT_LOAD and load.paddr != _NO_ADDRESS
                if known and load.paddr <= start and start + size <= load.paddr + load.memsz:
                    file.seek(load.offset + start - load.paddr)
                    return file.read(size)
    except FileNotFoundError as error:
        raise UnavailableError(f"{_KCORE} is absent") from error
    except PermissionError as error:
        raise NotPermittedError(f"{_KCORE} may not be read: {error.strerror}", remedy="run as root") from error
    except OSError as error:
        raise FileAccessError(f"{_KCORE}: {error.strerror}") from error
    raise UnavailableError(f"physical memory at {start:#x} is no RAM, and {_KCORE} has only that")
