"""The one place where a release is compared with a date: from tables of changes to one kernel's record.

Order of application: the value before all changes, mainline's changes in order, the distribution's own, what the user
states. What comes later wins.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from kexeckit.kernel.behaviour.change import Change, Numbers, VendorChange
from kexeckit.machine.version import KernelVersion

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
_BUILD = re.compile(r"^[^-]*-(\d+)")


def concerns(arches: Sequence[str], arch: str | None) -> bool:
    """Say whether an entry for `arches` (empty: all) holds on an architecture; None stands for any."""
    return not arches or arch is None or arch in arches


def has_change(version: KernelVersion, change: Change) -> bool:
    """Say whether a release has a change.

    A stable branch has it from its backport's patch level on. A change that ended is gone from `until` on, and from a
    branch that took it back; what it set is then what earlier changes set.
    """
    if change.until is not None and version.at_least(*change.until):
        return False
    if any(_carries(version, revert) for revert in change.reverted):
        return False
    return version.at_least(*change.since) or any(_carries(version, backport) for backport in change.backports)


def _carries(version: KernelVersion, backport: Numbers) -> bool:
    return (version.major, version.minor) == backport[:2] and version.patch >= backport[2]


def selected(
    base: Record,
    changes: Iterable[Change],
    vendor: Iterable[VendorChange],
    arch: str | None,
    version: KernelVersion,
) -> Record:
    """Return a record of `base`'s type as one kernel has it, before anything is stated.

    Args:
        base: The record before all changes.
        changes: Mainline's changes, in order of release.
        vendor: What distributions carry, in order of build.
        arch: The kernel's name of the architecture; None for what is done on any architecture.
        version: The kernel; its text tells the distribution.
    """
    values: dict[str, Any] = {}
    for change in changes:
        if concerns(change.arches, arch) and has_change(version, change):
            values.update(change.fields)
    for fields in vendor_fields(vendor, arch, version.release):
        values.update(fields)
    return replace(base, **values)


def vendor_fields(vendor: Iterable[VendorChange], arch: str | None, release: str) -> Iterator[Mapping[str, Any]]:
    """Yield the fields that a distribution's kernel has otherwise, in the order in which they apply.

    Args:
        vendor: The table.
        arch: Architecture; None for any.
        release: What ``uname -r`` prints.
    """
    build = build_number(release)
    for entry in vendor:
        # ".el7" is not ".el7a", and Oracle's own kernels end in ".el8uek".
        own = entry.mark in release and not release.partition(entry.mark)[2][:1].isalpha()
        if own and release.startswith(entry.version) and concerns(entry.arches, arch) and build >= entry.build:
            yield entry.fields


def build_number(release: str) -> int:
    """Return the first number after the dash (147 in 4.18.0-147.el8.x86_64), or 0 where there is none."""
    found = _BUILD.match(release)
    return int(found[1]) if found else 0
