"""What is taken for granted where no source shows it, and the words that say so: the same ones everywhere.

An answer that stands on an assumption lists it under ``assumed``, so that nobody takes it for a fact.
"""

from kexeckit.errors import InputError
from kexeckit.machine.value import Machine

LEVELS = "the number of page table levels is not shown: 4 are assumed"
GBPAGES = "whether the kernel maps with 1 GiB pages is not shown: it is assumed that it does"
PAGE_SIZE = "the size of a page is not shown: 4 KiB are assumed"


def known_arch(machine: Machine) -> str:
    """Return the kernel's name of a machine's architecture. It is never assumed: nothing would be right then.

    Raises:
        InputError: No source shows it.
    """
    if not machine.arch:
        raise InputError(machine.source, "the architecture is not shown", remedy="name it with --arch")
    return machine.arch
