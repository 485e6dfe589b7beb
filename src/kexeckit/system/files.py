"""Kernel and initrd files: opened, mapped, never copied."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from kexeckit.errors import FileAccessError, InputError, UnavailableError, file_error
from kexeckit.plan.load_plan import NamedContent


def map_file(path: str) -> NamedContent:
    """Map a file into memory.

    The mapping is private and writable only because ctypes can take the address of nothing else; nobody writes, so
    the pages stay those of the page cache.

    Raises:
        UnavailableError: There is no such file.
        NotPermittedError: It may not be read.
        InputError: It is empty, or no regular file.
        FileAccessError: Another I/O error.
    """
    with opened(path) as fd:
        size = os.fstat(fd).st_size
        if size == 0:
            raise InputError(path, "the file is empty")
        try:
            mapping = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        except (OSError, ValueError) as error:
            raise FileAccessError(f"{path}: cannot be mapped: {error}") from error
        return NamedContent(path, memoryview(mapping))


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a regular file for reading and yield its descriptor.

    Raises:
        UnavailableError, NotPermittedError, InputError, FileAccessError: As for `map_file`.
    """
    try:
        # Without O_NONBLOCK a named pipe would be waited on for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise file_error(error, path) from error
    except ValueError as error:
        raise UnavailableError(f"{path!r}: no such file or directory") from error
    try:
        if not _regular(fd):
            raise InputError(path, "not a regular file")
        yield fd
    finally:
        os.close(fd)


def _regular(fd: int) -> bool:
    import stat

    return stat.S_ISREG(os.fstat(fd).st_mode)
