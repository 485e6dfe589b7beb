"""Predicting where a ``crashkernel=`` reservation lands, beside what the machine shows."""

from dataclasses import dataclass

from kexeckit.api.asked import Asked
from kexeckit.api.reason import Reason
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.reservation.answer import ReservationAnswer, answer_reservation
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.observed import ObservedReservation
from kexeckit.kernel.reservation.predict import NOT_DETERMINED, CrashRegion
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True, repr=False)
class ReservationPrediction(Asked):
    """A predicted reservation beside the observed one; attributes have the names of the JSON document's keys.

    Attributes:
        answer: The whole answer, from which all others are taken; its form may change in any release.
    """

    answer: ReservationAnswer

    @property
    def outcome(self) -> str:
        """``reserved``, ``failed`` (asked for, not given), ``none`` (not asked for) or ``not-determined``."""
        return self.answer.predicted.outcome

    @property
    def determined(self) -> bool:
        """Whether the outcome is determined; an address may be open even so."""
        return self.outcome != NOT_DETERMINED

    @property
    def regions(self) -> tuple[CrashRegion, ...]:
        """The predicted regions; ``start`` is None where an address is open, and likely or certain elsewhere."""
        return self.answer.predicted.regions

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Possible addresses where the source does not show which."""
        return self.answer.predicted.candidates

    @property
    def observed(self) -> ObservedReservation | None:
        """What the kernel did (``outcome``, ``regions``, ``source``); None where the source does not show it."""
        return self.answer.observed

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the prediction says what it says."""
        from kexeckit.kernel.reservation.explain import explain

        return tuple(Reason(r.about, r.text) for r in explain(self.answer.predicted))

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no source shows and was assumed, one sentence each."""
        return self.answer.predicted.facts.assumed

    def to_json(self) -> str:
        """Return the document ``kexeckit/crashkernel/1``, as ``kexeckit crashkernel --json`` prints it."""
        from kexeckit.render.crashkernel import crashkernel_document
        from kexeckit.render.document import document_text

        return document_text(crashkernel_document(self.answer))

    def __repr__(self) -> str:
        places = "; ".join(map(str, self.regions))
        seen = f" (observed: {self.agreement})" if self.observed else ""
        return f"<ReservationPrediction {self.outcome}{': ' if places else ''}{places}{seen}>"


def predict_reservation(
    machine: Machine, *words: str, behaviours: Behaviours | None = None, next_boot: bool = False
) -> ReservationPrediction:
    """Predict what a kernel reserves for a capture kernel.

    Args:
        machine: The machine.
        words: Words of the kernel's command line, such as ``"crashkernel=512M"``; each replaces the words of its name
            in the machine's own. Without words the question is about the boot that the source shows.
        behaviours: What the kernel does, from `behaviours_of`; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No source shows the architecture or a memory map, or the map contradicts the rest.
        UsageError: A word is surely a slip; the error's ``remedy`` says what may be meant.
    """
    return ReservationPrediction(answer_reservation(machine, words, behaviours, next_boot=next_boot))
