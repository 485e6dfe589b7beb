"""`Behaviours`: all that one kernel does, in one value, chosen before anything is derived from the machine.

Source of every field: the tables of the three records. What is stated wins over the distribution, the distribution
over mainline.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kexeckit.kernel.behaviour.fields import own_fields
from kexeckit.kernel.behaviour.floors import floors_below
from kexeckit.kernel.behaviour.loading import KernelBehaviour, behaviour_of
from kexeckit.kernel.behaviour.nodes import NodeRules, node_rules
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules
from kexeckit.kernel.behaviour.zones import ZoneBehaviour, zone_behaviour_of
from kexeckit.machine.version import NEWEST, KernelVersion, Release

ASSUMED = f"the kernel's version is not shown: {NEWEST} is assumed; name it with --kernel-version"


@dataclass(frozen=True, slots=True)
class Behaviours:
    """What one kernel on one architecture does.

    Attributes:
        arch: The kernel's name of the architecture.
        version: The kernel; the assumed one where none was known.
        loading: What it does when it loads an image.
        zones: What it does with zones.
        reservation: What it does with ``crashkernel=``.
        nodes: What it makes of the firmware's nodes.
        stated: Names of the fields that the user stated, sorted.
        assumed: What was assumed, as a sentence, or None where the version was known.
        below: Subjects that are not modelled for this kernel, with the reason.
    """

    arch: str
    version: KernelVersion
    loading: KernelBehaviour
    zones: ZoneBehaviour
    reservation: CrashRules
    nodes: NodeRules
    stated: tuple[str, ...] = ()
    assumed: str | None = None
    below: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        stated = f", stated: {', '.join(self.stated)}" if self.stated else ""
        return f"<Behaviours {self.arch}, kernel {self.version}{' (assumed)' if self.assumed else ''}{stated}>"

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed of the kernel, as a list that may be empty."""
        return (self.assumed,) if self.assumed else ()

    def said(self, record: object) -> tuple[str, ...]:
        """Return a sentence for each stated field of one of the records, for the lists of what an answer rests on."""
        own = (name for name in self.stated if hasattr(record, name))
        return tuple(f"stated by the user: {name} is {getattr(record, name)}" for name in own)

    def why_not(self, subject: str) -> str | None:
        """Say why a subject (see `floors.SUBJECTS`) is not determined for this kernel, or None."""
        return dict(self.below).get(subject)


def select_behaviours(arch: str, release: Release | None, stated: Mapping[str, object] | None = None) -> Behaviours:
    """Choose what a kernel does.

    Args:
        arch: The kernel's name of the architecture.
        release: The kernel's release; None where nothing names it.
        stated: Fields that the user states, from `stated.parse_stated`.

    Raises:
        UsageError: The release does not begin with two numbers.
    """
    known = stated or {}
    version = (release or Release(NEWEST)).version
    return Behaviours(
        arch,
        version,
        behaviour_of(version, arch=arch, stated=own_fields(KernelBehaviour, known)),
        zone_behaviour_of(version, arch=arch, stated=own_fields(ZoneBehaviour, known)),
        crash_rules(arch, version, stated=own_fields(CrashRules, known)),
        node_rules(arch, version, stated=own_fields(NodeRules, known)),
        tuple(sorted(known)),
        None if release else ASSUMED,
        tuple(floors_below(arch, version)),
    )
