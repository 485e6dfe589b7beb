"""Opening what a next kernel is made from: its files, and chance for its random seed."""

import os

from kexeckit.plan.load_plan import LoadRequest
from kexeckit.system.files import map_file

SEED_SIZE = 32


def open_next_kernel(kernel: str, initrd: str | None, cmdline: str, *, panic: bool) -> LoadRequest:
    """Map the files of a next kernel.

    Args:
        kernel: Path of the kernel.
        initrd: Path of its initial RAM disk, or None.
        cmdline: Its command line, before kexeckit adds to it.
        panic: It is a capture kernel.

    Raises:
        UnavailableError: A file is not there.
        InputError: A file is empty, or no regular file.
        NotPermittedError, FileAccessError: A file cannot be read.
    """
    return LoadRequest(
        kernel=map_file(kernel),
        initrd=map_file(initrd) if initrd else None,
        cmdline=cmdline,
        panic=panic,
        rng_seed=os.urandom(SEED_SIZE),
    )
