"""How sure an answer is: three words for all predictions.

    certain   follows from what the source shows and from the kernel's code; never wrong
    likely    the one most probable answer; what would change it is named
    open      several answers are possible, none of them is likely; they are listed

`LIKELY_SHARE` is not a measured number but the meaning of the word here: where possibilities can be counted, an answer
that holds in more than half of them is likely. How often likely answers were right is measured: docs/accuracy.md.
"""

from collections.abc import Iterable
from enum import Enum

LIKELY_SHARE = 0.5


class Certainty(Enum):
    """How sure an answer is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    OPEN = "open"


_ORDER = (Certainty.CERTAIN, Certainty.LIKELY, Certainty.OPEN)


def least_certain(found: Iterable[Certainty]) -> Certainty:
    """Return the least certain of several; CERTAIN of none, since nothing speaks against it."""
    return max(found, key=_ORDER.index, default=Certainty.CERTAIN)


def of_share(share: float) -> Certainty:
    """Return how sure an answer is that holds in a share (0 to 1) of all possibilities."""
    if share >= 1:
        return Certainty.CERTAIN
    return Certainty.LIKELY if share > LIKELY_SHARE else Certainty.OPEN


def share_of_all(shares: Iterable[float | None]) -> float | None:
    """Return the share that is left where several things have to hold; None where one of them cannot be counted.

    They are taken to be independent of each other.
    """
    out = 1.0
    for share in shares:
        if share is None:
            return None
        out *= share
    return out
