"""Which kernel's behaviour holds on a machine: by its release, its distribution, and what the user states."""

from collections.abc import Mapping
from dataclasses import replace

from kexeckit.errors import UsageError
from kexeckit.kernel.assumed import known_arch
from kexeckit.kernel.behaviour.behaviours import Behaviours, select_behaviours
from kexeckit.machine.fact import How
from kexeckit.machine.value import Machine
from kexeckit.machine.version import NEWEST, Release


def behaviours_of(machine: Machine, stated: Mapping[str, object] | None = None) -> Behaviours:
    """Choose what a machine's kernel does; where no source shows its version, the newest is assumed, and that is said.

    Args:
        machine: What is known.
        stated: Fields of behaviour that the user states.

    Raises:
        InputError: No source shows the architecture; it is never assumed, because all else depends on it.
        UsageError: What the user states is no version.
    """
    arch = known_arch(machine)
    named, stable = machine.kernel.release, machine.kernel.stable
    if not named and not stable:
        return select_behaviours(arch, None, stated)
    release = Release(named.value if named else "", stable.value if stable else "")
    try:
        return select_behaviours(arch, release, stated)
    except UsageError:
        # What a user types must be a version; what a source says may be anything.
        if named and named.how is How.STATED and named.source == "--kernel-version":
            raise
        said = f"{release.stable or release.uname!r} is no kernel version: {NEWEST} is assumed"
        return replace(select_behaviours(arch, None, stated), assumed=f"{said}; name it with --kernel-version")
