"""Which kernel's rules apply to a machine; where no source shows it, the newest that is modelled, and that is said."""

from dataclasses import replace

from kexeckit.errors import InputError, UsageError
from kexeckit.machine.value import Machine
from kexeckit.machine.version import KernelVersion, parse_kernel_version

NEWEST = "7.2"
ASSUMED_VERSION = f"no source shows the kernel's version: {NEWEST} is assumed; --kernel-version names another"


def version_of(machine: Machine) -> tuple[KernelVersion, tuple[str, ...]]:
    """Return the version that rules follow from, and what was assumed.

    The numbers are those of the stable release; the text is that of ``uname -r``, which names the distribution.

    Raises:
        UsageError: What a user states is no version.
    """
    shown, stable = machine.kernel.release, machine.kernel.stable
    if not shown and not stable:
        return parse_kernel_version(NEWEST), (ASSUMED_VERSION,)
    named = shown or stable
    assert named
    try:
        version = parse_kernel_version((stable or named).value)
    except UsageError:
        if named.source == "--kernel-version":
            raise
        return parse_kernel_version(NEWEST), (ASSUMED_VERSION,)
    if "-next-" in named.value:
        # linux-next of 5.10-rc7 holds what 5.11 will be.
        version = replace(version, minor=version.minor + 1)
    return replace(version, release=named.value), ()


def arch_of(machine: Machine) -> str:
    """Return the kernel's name of the machine's architecture.

    Raises:
        InputError: No source shows it; it is never assumed, because all else depends on it.
    """
    if machine.arch:
        return machine.arch
    raise InputError(machine.source, "no source shows the architecture", remedy="name it with --arch")
