"""The whole answer about a reservation: what is predicted, what was observed, and whether the two agree."""

from collections.abc import Sequence

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.observed import Answered, Compared
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.observed import ObservedReservation, compare_reservation, observed_reservation
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True)
class ReservationAnswer(Answered):
    """A predicted reservation beside the observed one.

    Attributes:
        predicted: What the kernel is predicted to do under the command line that is asked about.
        observed: What it did in the boot that the source shows; None where no source shows it.
        compared: Whether they agree, and why not.
        words: The words that were typed, as `check_words` passes them.
    """

    predicted: Reservation
    observed: ObservedReservation | None
    compared: Compared
    words: tuple[str, ...] = ()

    @property
    def next_boot(self) -> bool:
        """The question is about another boot than the source shows."""
        return self.predicted.facts.next_boot

    @property
    def certainty(self) -> Certainty:
        """How sure the outcome is."""
        return self.predicted.certainty

    @property
    def doubtful(self) -> tuple[str, ...]:
        """What the kernel makes of words that are probably not meant so, one sentence each."""
        if not self.words:
            return ()
        from kexeckit.formats.word_check import unknown_words, value_doubts
        from kexeckit.kernel.reservation.vocabulary import VOCABULARY

        unknown = (f"{w}: no effect on a reservation is known" for w in unknown_words(self.words, VOCABULARY))
        return (*value_doubts(self.words, auto=bool(self.predicted.facts.rules.auto)), *unknown)


def answer_reservation(
    machine: Machine, words: Sequence[str] = (), behaviours: Behaviours | None = None, *, next_boot: bool = False
) -> ReservationAnswer:
    """Predict a reservation and hold it against what the machine shows.

    Args:
        machine: What is known.
        words: Words of a kernel command line; a name that is here replaces that name in the machine's.
        behaviours: What the kernel does; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No memory map, no architecture, or a map that the rest of the source contradicts.
        UsageError: A word is surely a slip, see `check_words`.
    """
    if words:
        from kexeckit.formats.word_check import check_words
        from kexeckit.kernel.reservation.vocabulary import VOCABULARY

        check_words(words, VOCABULARY)
    found = predict_reservation(reservation_input(machine, words, behaviours, next_boot=next_boot))
    seen = observed_reservation(machine)
    return ReservationAnswer(found, seen, compare_reservation(found, seen), tuple(words))
