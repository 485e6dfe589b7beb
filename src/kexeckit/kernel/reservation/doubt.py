"""`Doubt`: one thing that the source cannot show, what it leaves of the answer, and the addresses that are possible.

Each doubt is worked out, not just mentioned: the search is run with and without what may be there. Where the address
comes out the same, there is no doubt.
"""

from kexeckit.frozen import dataclass
from kexeckit.kernel.certainty import Certainty


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible start of a region, or a row of them.

    Attributes:
        part: ``main``, ``low`` or ``cma``.
        start: The highest possible start; None for "no region at all".
        last: The lowest start of the row; equal to `start` for a single one.
        step: Distance between neighbours in the row; 0 for a single one.
        when: What would decide for it.
        share: In how much of what was counted (0 to 1) it is one of this row; None where nothing can be counted.
    """

    part: str
    start: int | None
    last: int | None
    step: int
    when: str
    share: float | None = None

    def __repr__(self) -> str:
        if self.start is None or self.last is None:
            return f"<Candidate {self.part}: none, if {self.when}>"
        row = f" down to {self.last:#x} by {self.step:#x}" if self.step else ""
        return f"<Candidate {self.part}: {self.start:#x}{row}, if {self.when}>"

    def holds(self, start: int, unit: int = 1) -> bool:
        """Say whether a start is one of the row.

        Args:
            start: The start.
            unit: It is only known as rounded down to a multiple of this.
        """
        if self.start is None or self.last is None:
            return False
        highest = min(self.start, start + unit - 1)
        if self.step:
            highest -= -(self.start - highest) % self.step
        return highest >= max(self.last, start)


@dataclass(frozen=True, slots=True)
class Takes:
    """The most that an unknown thing can take out of the room for a region.

    Attributes:
        pieces: In how many pieces.
        size: Bytes of them together.
    """

    pieces: int
    size: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that the source cannot show.

    Attributes:
        what: Short name: ``firmware``, ``kernel`` (also for one that is not modelled), ``initrd``, ``loader``,
            ``by-address``, ``image-end``, ``tops``, ``early``, ``cma``, ``mem``, ``words``, ``placement``, ``assumed``.
        text: In words, with what would decide.
        parts: Regions whose address depends on it.
        address: What it leaves of their addresses: likely or open.
        outcome: What it leaves of the outcome, of itself.
        share: In how much of what was counted (0 to 1) the answer holds; None where nothing can be counted.
        candidates: The possible addresses.
        takes: The most that it takes away from what the search was given; None without limit.
    """

    what: str
    text: str
    parts: tuple[str, ...] = ()
    address: Certainty = Certainty.LIKELY
    outcome: Certainty = Certainty.CERTAIN
    share: float | None = None
    candidates: tuple[Candidate, ...] = ()
    takes: Takes | None = Takes(0, 0)

    @property
    def decides(self) -> bool:
        """Whether an address, or even the outcome, is open because of it."""
        return Certainty.OPEN in (self.address, self.outcome)
