"""What is taken for granted where no source shows it, and the words that say so: the same ones everywhere.

An answer that stands on an assumption lists it under ``assumed``, so that nobody takes it for a fact.
"""

from kexeckit.errors import InputError, UsageError
from kexeckit.machine.fact import How
from kexeckit.machine.value import Machine
from kexeckit.machine.version import KernelVersion, parse_kernel_version

# The newest kernel whose rules are known here.
NEWEST = "7.2"
VERSION = f"the kernel's version is not shown: {NEWEST} is assumed; name it with --kernel-version"
LEVELS = "the number of page table levels is not shown: 4 are assumed"
GBPAGES = "whether the kernel maps with 1 GiB pages is not shown: it is assumed that it does"
PAGE_SIZE = "the size of a page is not shown: 4 KiB are assumed"


def version_or_newest(release: str) -> tuple[KernelVersion, tuple[str, ...]]:
    """Return the version of a release and what is assumed of it; an empty text stands for the newest known one.

    Raises:
        InputError: A source calls something a release that is none.
    """
    if not release:
        return parse_kernel_version(NEWEST), (VERSION,)
    try:
        return parse_kernel_version(release), ()
    except UsageError as error:
        raise InputError("the kernel's release", str(error), remedy="name it with --kernel-version") from error


def kernel_version(machine: Machine) -> tuple[KernelVersion, tuple[str, ...]]:
    """Return the version that a machine's rules follow from, and what is assumed of it.

    Raises:
        InputError: A source calls something a release that is none.
        UsageError: The user does.
    """
    shown = machine.kernel.release
    if shown and shown.how is How.STATED:
        parse_kernel_version(shown.value)
    return version_or_newest(machine.release)


def known_arch(machine: Machine) -> str:
    """Return the kernel's name of a machine's architecture. It is never assumed: nothing would be right then.

    Raises:
        InputError: No source shows it.
    """
    if not machine.arch:
        raise InputError(machine.source, "the architecture is not shown", remedy="name it with --arch")
    return machine.arch
