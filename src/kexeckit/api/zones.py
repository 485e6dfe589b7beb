"""Predicting which node gets which memory zone, beside what the machine shows."""

from dataclasses import dataclass

from kexeckit.api.asked import Asked
from kexeckit.api.reason import Reason
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.zones.answer import ZonesAnswer, answer_zones
from kexeckit.kernel.zones.limits import ZoneLimit
from kexeckit.kernel.zones.observed import ObservedZones
from kexeckit.kernel.zones.predict import NodeZones
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True, repr=False)
class ZonesPrediction(Asked):
    """Predicted zones beside the observed ones; attributes have the names of the JSON document's keys.

    Attributes:
        answer: The whole answer, from which all others are taken; its form may change in any release.
    """

    answer: ZonesAnswer

    @property
    def outcome(self) -> str:
        """``determined`` or ``not-determined``."""
        return "determined" if self.determined else "not-determined"

    @property
    def determined(self) -> bool:
        """Whether the zones of nodes are determined."""
        return bool(self.nodes)

    @property
    def nodes(self) -> tuple[NodeZones, ...]:
        """The predicted nodes by rising number, each with ``nid``, ``movable_start`` (bytes) and ``zones`` (pages)."""
        return self.answer.predicted.nodes

    @property
    def ranges(self) -> tuple[ZoneLimit, ...]:
        """The limits of each zone on the whole machine that is not empty, in pages."""
        return tuple(z for z in self.answer.predicted.limits if not z.empty)

    @property
    def page_size(self) -> int:
        """Bytes of a page, in which zones are counted."""
        return self.answer.predicted.page_size

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the kernel warns of, and what it does without a warning."""
        return self.answer.predicted.warnings

    @property
    def observed(self) -> ObservedZones | None:
        """The zones that the kernel made (``zones``, ``ranges``, ``source``); None where no source shows them."""
        return self.answer.observed

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the prediction says what it says."""
        return tuple(Reason(r.about, r.text) for r in self.answer.predicted.reasons)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no source shows and was assumed, one sentence each."""
        return self.answer.question.assumed

    def to_json(self) -> str:
        """Return the document ``kexeckit/zones/1``, as ``kexeckit zones --json`` prints it."""
        from kexeckit.kernel.zones.cost import node_costs
        from kexeckit.render.document import document_text
        from kexeckit.render.zones import zones_document

        question = self.answer.question
        costs = node_costs(question.machine, question.parameters, self.answer.predicted)
        return document_text(zones_document(self.answer, costs))

    def __repr__(self) -> str:
        found = f"{len(self.nodes)} {'node' if len(self.nodes) == 1 else 'nodes'}" if self.determined else self.outcome
        starts = ((n.nid, n.movable_start) for n in self.nodes)
        movable = "".join(f", Movable of node {nid} from {at:#x}" for nid, at in starts if at is not None)
        seen = f" (observed: {self.agreement})" if self.observed else ""
        return f"<ZonesPrediction {found}{movable}{seen}>"


def predict_zones(
    machine: Machine, *words: str, behaviours: Behaviours | None = None, next_boot: bool = False
) -> ZonesPrediction:
    """Predict which node gets which memory zone.

    Args:
        machine: The machine.
        words: Words of the kernel's command line, such as ``"kernelcore=mirror"``; each replaces the words of its name
            in the machine's own. Without words the question is about the boot that the source shows.
        behaviours: What the kernel does, from `behaviours_of`; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No source shows the architecture, or a memory map cannot be understood.
        UnavailableError: No source shows a memory map.
        UsageError: A word is surely a slip; the error's ``remedy`` says what may be meant.
    """
    return ZonesPrediction(answer_zones(machine, words, behaviours, next_boot=next_boot))
