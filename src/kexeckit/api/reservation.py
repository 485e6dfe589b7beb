"""Predicting where a ``crashkernel=`` reservation lands, beside what the machine shows."""

from dataclasses import dataclass

from kexeckit.api.reason import Reason
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.reservation.answer import ReservationAnswer, answer_reservation
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.observed import ObservedReservation
from kexeckit.kernel.reservation.predict import NOT_DETERMINED, CrashRegion
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True, repr=False)
class ReservationPrediction:
    """A predicted reservation beside the observed one; attributes have the names of the JSON document's keys.

    Attributes:
        answer: The whole answer, from which all others are taken; its form may change in any release.
        words: The words that were asked about.
    """

    answer: ReservationAnswer
    words: tuple[str, ...] = ()

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
        """The predicted regions; ``start`` is None where an address is not determined."""
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
    def agreement(self) -> str:
        """``agree``, ``differ`` or ``unknown``."""
        return self.answer.agreement.value

    @property
    def explanations(self) -> tuple[str, ...]:
        """What could explain a difference, or why agreement is unknown."""
        return self.answer.compared.why

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the prediction says what it says."""
        from kexeckit.kernel.reservation.explain import explain

        return tuple(Reason(r.about, r.text) for r in explain(self.answer.predicted))

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no source shows and was assumed, one sentence each."""
        return self.answer.predicted.facts.assumed

    @property
    def doubtful_words(self) -> tuple[str, ...]:
        """What the kernel makes of words that are probably not meant so, one sentence each."""
        from kexeckit.formats.word_check import unknown_words, value_doubts
        from kexeckit.kernel.reservation.vocabulary import VOCABULARY

        unknown = (f"{w}: no effect on a reservation is known" for w in unknown_words(self.words, VOCABULARY))
        return (*value_doubts(self.words, auto=bool(self.answer.predicted.facts.rules.auto)), *unknown)

    def to_json(self) -> str:
        """Return the document ``kexeckit/crashkernel/1``, as ``kexeckit crashkernel --json`` prints it."""
        from kexeckit.render.crashkernel import crashkernel_document
        from kexeckit.render.document import document_text

        return document_text(crashkernel_document(self.answer))

    def __repr__(self) -> str:
        places = "; ".join(map(str, self.regions))
        seen = f" (observed: {self.agreement})" if self.observed else ""
        return f"<ReservationPrediction {self.outcome}{': ' if places else ''}{places}{seen}>"


def predict_reservation(machine: Machine, *words: str, behaviours: Behaviours | None = None) -> ReservationPrediction:
    """Predict what a kernel reserves for a capture kernel.

    Args:
        machine: The machine.
        words: Words of the kernel's command line, such as ``"crashkernel=512M"``; each replaces the words of its name
            in the machine's own. Without words the question is about the boot that the source shows.
        behaviours: What the kernel does, from `behaviours_of`; None to choose by its version.

    Raises:
        InputError: No source shows the architecture or a memory map, or the map contradicts the rest.
        UsageError: A word is surely a slip; the error's ``remedy`` says what may be meant.
    """
    from kexeckit.formats.word_check import check_words
    from kexeckit.kernel.reservation.vocabulary import VOCABULARY

    check_words(words, VOCABULARY)
    return ReservationPrediction(answer_reservation(machine, words, behaviours), words)
