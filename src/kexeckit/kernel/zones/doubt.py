"""`ZoneDoubt`: one thing that the source cannot show, and what it leaves of an answer about zones."""

from kexeckit.frozen import dataclass
from kexeckit.kernel.certainty import Certainty

RANGES, NODES, MOVABLE = "ranges", "nodes", "movable"
ALL = frozenset((RANGES, NODES, MOVABLE))
"""Parts of an answer: the zones of the machine, those of each node, where ZONE_MOVABLE begins."""
NO_NODES = "no source shows nodes: all memory is taken for node 0"


@dataclass(frozen=True, slots=True)
class ZoneDoubt:
    """One thing that the source cannot show.

    Attributes:
        text: In words: what it is, and what else would come.
        certainty: What it leaves of the answer: likely or open.
        touches: The parts of the answer that may come otherwise.
        told: It is among the reasons or the assumptions already.
    """

    text: str
    certainty: Certainty = Certainty.LIKELY
    touches: frozenset[str] = ALL
    told: bool = False


def assumption(text: str) -> ZoneDoubt:
    """Return the doubt that an assumption leaves: with another machine or kernel all of the answer may differ."""
    return ZoneDoubt(text, touches=frozenset((NODES, MOVABLE)) if text == NO_NODES else ALL, told=True)
