"""`Change`: the one form in which a kernel's history is written down, for loading, zones and reservation.

Rules of the tables:
    1. A table is in order of `since`; where two entries set the same field, the later entry wins.
    2. Every entry names its source and how it was checked. A date that was not found is not written down.
    3. Nothing here compares a release; `select` does.
"""

from collections.abc import Mapping
from typing import Any

from kexeckit.frozen import dataclass

Numbers = tuple[int, int, int]
"""A release as (major, minor, patch)."""

CHECKED = ("booted", "read")


def is_mainline(numbers: Numbers) -> bool:
    """Say whether numbers are a release of mainline: their patch level is 0, but for 2.6.x."""
    return _is_release(numbers) and (numbers[2] == 0 or numbers[:2] == (2, 6))


def _is_release(numbers: Numbers) -> bool:
    return len(numbers) == 3 and min(numbers) >= 0


@dataclass(frozen=True, slots=True)
class Change:
    """What one mainline release did otherwise than the one before it.

    Attributes:
        since: First mainline release that does so.
        fields: Field of the record to its value from then on; one change may set several.
        source: Kernel file and function.
        checked: ``booted`` (compared with a running kernel) or ``read`` (in the source before and after).
        arches: Architectures concerned, by the kernel's names; empty for all.
        backports: Stable releases that took the change over; each holds for its own branch from that patch on.
        until: First mainline release that no longer does so; None where the change stayed.
        reverted: Stable releases that took it back; each holds for its own branch from that patch on.

    Raises:
        ValueError: The entry contradicts itself.
    """

    since: Numbers
    fields: Mapping[str, Any]
    source: str
    checked: str
    arches: tuple[str, ...] = ()
    backports: tuple[Numbers, ...] = ()
    until: Numbers | None = None
    reverted: tuple[Numbers, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(is_mainline, (self.since, *([self.until] if self.until else [])))):
            raise ValueError(f"a change of {self.since} begins or ends with what is no release of mainline")
        if not all(_is_release(stable) and stable[2] for stable in (*self.backports, *self.reverted)):
            raise ValueError(f"a change of {self.since} has a backport or a revert in what is no stable release")
        if not self.fields or not self.source or self.checked not in CHECKED:
            raise ValueError(f"a change of {self.since} lacks fields, source or a word for how it was checked")
        if self.until is not None and self.until <= self.since:
            raise ValueError(f"a change of {self.since} ends before it begins")
        if any(b >= self.since for b in self.backports):
            raise ValueError(f"a change of {self.since} has a backport to a release that has it anyway")
        for stable in (self.backports, self.reverted):
            if len({b[:2] for b in stable}) < len(stable):
                raise ValueError(f"a change of {self.since} names a stable branch twice")
        carried = {*self.backports, self.since}
        if not all(any(b[:2] == r[:2] and b < r for b in carried) for r in self.reverted):
            raise ValueError(f"a change of {self.since} is taken back in a branch that never had it")


@dataclass(frozen=True, slots=True)
class VendorChange:
    """What a distribution's kernels do apart from their version.

    Attributes:
        version: Beginning of the release, like ``4.18.0-``; kernels of other versions are not this vendor's own.
        mark: Text in the release, like ``.el8``.
        build: Lowest build number (``147`` in ``4.18.0-147.el8``) that does so.
        arches: Architectures concerned.
        fields: Field to value.
        source: Kernel file and function.
        read_in: Builds in which it was read, ascending, the last one without it among them.
        checked: ``read`` (in the source) or ``logs`` (of real machines, too).

    Raises:
        ValueError: A build below 0.
    """

    version: str
    mark: str
    build: int
    arches: tuple[str, ...]
    fields: Mapping[str, Any]
    source: str
    read_in: tuple[int, ...]
    checked: str = "read"

    def __post_init__(self) -> None:
        if min((self.build, *self.read_in)) < 0:
            raise ValueError(f"a change of {self.version}*{self.mark} has a build below 0")
