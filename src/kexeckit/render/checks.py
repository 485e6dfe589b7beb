"""Prediction against observation as text; decides nothing."""

from collections.abc import Sequence
from typing import Protocol


class Comparable(Protocol):
    """One fact, predicted and observed."""

    @property
    def subject(self) -> str:
        """What it is about."""
        ...

    @property
    def predicted(self) -> str:
        """What was predicted."""
        ...

    @property
    def observed(self) -> str:
        """What was observed."""
        ...

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        ...


def render_checks(checks: Sequence[Comparable]) -> str:
    """Return one line per fact that agrees, and both sides of each that does not."""
    if not checks:
        return "nothing was compared"
    width = max((len(c.subject) for c in checks), default=0)
    lines = []
    for check in checks:
        if check.agrees:
            lines.append(f"  ok       {check.subject:{width}}  {check.predicted}")
        else:
            lines += [
                f"  DIFFERS  {check.subject:{width}}  predicted {check.predicted}",
                f"           {'':{width}}  observed  {check.observed}",
            ]
    wrong = sum(not c.agrees for c in checks)
    lines.append(
        f"{len(checks)} facts compared, {wrong} differ" if wrong else f"{len(checks)} facts compared, all agree"
    )
    return "\n".join(lines)
