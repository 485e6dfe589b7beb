"""`Behaviours`: all that one kernel does, in one value, chosen before anything is derived from the machine.

Source of every field: the tables of the records. What is stated wins over the distribution, the distribution
over mainline.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.fields import own_fields
from kexeckit.kernel.behaviour.floors import floors_below
from kexeckit.machine.version import NEWEST, KernelVersion, Release

# One answer asks one or two of the five records: each is imported where it is asked for.
if TYPE_CHECKING:
    from kexeckit.kernel.behaviour.kaslr import KaslrRules
    from kexeckit.kernel.behaviour.loading import KernelBehaviour
    from kexeckit.kernel.behaviour.nodes import NodeRules
    from kexeckit.kernel.behaviour.reservation import CrashRules
    from kexeckit.kernel.behaviour.zones import ZoneBehaviour

ASSUMED = f"the kernel's version is not shown: {NEWEST} is assumed; name it with --kernel-version"


@dataclass(frozen=True, slots=True)
class Behaviours:
    """What one kernel on one architecture does.

    Attributes:
        arch: The kernel's name of the architecture.
        version: The kernel; the assumed one where none was known.
        fields: The fields that the user stated with their values, sorted by name.
        assumed: What was assumed, as a sentence, or None where the version was known.
        below: Subjects that are not modelled for this kernel, with the reason.
    """

    arch: str
    version: KernelVersion
    fields: tuple[tuple[str, object], ...] = ()
    assumed: str | None = None
    below: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        stated = f", stated: {', '.join(self.stated)}" if self.stated else ""
        return f"<Behaviours {self.arch}, kernel {self.version}{' (assumed)' if self.assumed else ''}{stated}>"

    @property
    def loading(self) -> "KernelBehaviour":
        """What it does when it loads an image."""
        from kexeckit.kernel.behaviour.loading import KernelBehaviour, behaviour_of

        return behaviour_of(self.version, arch=self.arch, stated=own_fields(KernelBehaviour, dict(self.fields)))

    @property
    def zones(self) -> "ZoneBehaviour":
        """What it does with zones."""
        from kexeckit.kernel.behaviour.zones import ZoneBehaviour, zone_behaviour_of

        return zone_behaviour_of(self.version, arch=self.arch, stated=own_fields(ZoneBehaviour, dict(self.fields)))

    @property
    def reservation(self) -> "CrashRules":
        """What it does with ``crashkernel=``."""
        from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules

        return crash_rules(self.arch, self.version, stated=own_fields(CrashRules, dict(self.fields)))

    @property
    def nodes(self) -> "NodeRules":
        """What it makes of the firmware's nodes."""
        from kexeckit.kernel.behaviour.nodes import NodeRules, node_rules

        return node_rules(self.arch, self.version, stated=own_fields(NodeRules, dict(self.fields)))

    @property
    def kaslr(self) -> "KaslrRules":
        """How its image comes to its place."""
        from kexeckit.kernel.behaviour.kaslr import KaslrRules, kaslr_rules

        return kaslr_rules(self.arch, self.version, stated=own_fields(KaslrRules, dict(self.fields)))

    @property
    def stated(self) -> tuple[str, ...]:
        """Names of the fields that the user stated, sorted."""
        return tuple(name for name, _ in self.fields)

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
    version = (release or Release(NEWEST)).version
    return Behaviours(
        arch,
        version,
        tuple(sorted((stated or {}).items())),
        None if release else ASSUMED,
        tuple(floors_below(arch, version)),
    )
