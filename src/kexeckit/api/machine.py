"""Opening a machine, what its kernel does, and the crash regions that it shows."""

import os

from kexeckit.errors import NotDeterminedError
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.reservation.predict import CrashRegion
from kexeckit.machine.value import Machine


def open_machine(
    source: str | os.PathLike[str] | None = None, *, arch: str | None = None, release: str | None = None
) -> Machine:
    """Read a machine.

    Args:
        source: A path, as the commands take it behind ``--root``: a capture, sosreport or supportconfig (folder or
            tar), a boot log, an iomem file, a description in TOML, a document ``kexeckit/machine/1``; ``-`` is standard
            input. Or a description in words, such as ``"x86_64 node:2 ram:64G kernel:6.12"``: a text of several words
            whose first one is the name of an architecture. None is this machine.
        arch: Architecture, to override what the source says; any usual name of it.
        release: Kernel release as ``uname -r`` prints it, likewise.

    Raises:
        UnavailableError: There is no such file.
        InputError: The source cannot be understood.
        UsageError: A word of a description, or `arch`, cannot be understood.
        KexeckitError: Reading failed in another way.
    """
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import MachineWords, open_sysroot

    words = isinstance(source, str) and _is_description(source)
    place = None if source is None else os.fspath(source)
    root = open_sysroot(MachineWords(place, "the description") if words and place else place)
    return read_machine(root, arch=arch, release=release, handover=True)


def _is_description(text: str) -> bool:
    # A file of such a name is reached by `Path`, or with ./ before it.
    from kexeckit.machine.arch import KNOWN, kernel_arch

    first, *more = text.split() or [""]
    return bool(more) and kernel_arch(first) in KNOWN


def behaviours_of(machine: Machine, **stated: object) -> Behaviours:
    """Choose what a machine's kernel does: by its release and distribution, and by what you state of it.

    Args:
        machine: The machine.
        stated: Fields of behaviour that its version does not tell, such as ``gb_leaves=True`` or ``cma_align="4M"``;
            ``kexeckit explain behaviours`` lists them.

    Raises:
        InputError: No source shows the architecture.
        UsageError: A field is not known, or a value is not of its type.
    """
    from kexeckit.kernel.behaviour.of_machine import behaviours_of as chosen

    if not stated:
        return chosen(machine)
    from kexeckit.kernel.behaviour.stated import stated_values

    return chosen(machine, stated_values(stated, "behaviours_of()"))


def crash_regions(machine: Machine) -> tuple[CrashRegion, ...]:
    """Return the crash kernel regions that the machine's source shows, lowest first; empty where it shows none.

    Raises:
        NotDeterminedError: The source does not show what the kernel reserved.
    """
    from kexeckit.kernel.reservation.observed import observed_reservation

    seen = observed_reservation(machine)
    if seen is None:
        raise NotDeterminedError("the crash regions", f"{machine.source} does not show what the kernel reserved")
    return seen.regions
