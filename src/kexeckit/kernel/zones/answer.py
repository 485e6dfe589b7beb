"""The whole answer about zones: what is predicted, what was observed, and whether the two agree."""

from collections.abc import Sequence
from dataclasses import replace

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.certainty import Certainty, least_certain
from kexeckit.kernel.observed import Answered, Compared
from kexeckit.kernel.zones.doubt import RANGES
from kexeckit.kernel.zones.from_machine import ZoneQuestion, zone_question
from kexeckit.kernel.zones.machine import Reason
from kexeckit.kernel.zones.observed import ObservedZones, compare_zones, observed_zones
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True)
class ZonesAnswer(Answered):
    """Predicted zones beside the observed ones.

    Attributes:
        question: The machine as zones see it, and the words.
        predicted: What the kernel is predicted to make.
        observed: What it made in the boot that the source shows; None where no source shows it.
        compared: Whether they agree, and why not.
        words: The words that were typed, as `check_words` passes them.
    """

    question: ZoneQuestion
    predicted: ZonePrediction
    observed: ObservedZones | None
    compared: Compared
    words: tuple[str, ...] = ()

    @property
    def next_boot(self) -> bool:
        """The question is about another boot than the source shows."""
        return self.question.next_boot

    @property
    def certainty(self) -> Certainty:
        """How sure the answer is; what is not determined is open."""
        if not self.predicted.determined or not self.predicted.nodes:
            return Certainty.OPEN
        return least_certain(d.certainty for d in self.question.doubts)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """What the kernel makes of words that are probably not meant so, one sentence each."""
        if not self.words:
            return ()
        from kexeckit.formats.word_check import value_doubts

        return tuple(value_doubts(self.words))


def answer_zones(
    machine: Machine, words: Sequence[str] = (), behaviours: Behaviours | None = None, *, next_boot: bool = False
) -> ZonesAnswer:
    """Predict zones and hold them against what the machine shows.

    Args:
        machine: What is known.
        words: Words of a kernel command line; they replace those of the same names in the machine's.
        behaviours: What the kernel does; None to choose by its version.
        next_boot: Ask about the next boot even if the words change nothing.

    Raises:
        InputError: No architecture, or a memory map that cannot be understood.
        UnavailableError: No source shows a memory map.
        UsageError: A word is surely a slip, see `check_words`.
    """
    if words:
        from kexeckit.formats.word_check import check_words
        from kexeckit.kernel.zones.vocabulary import VOCABULARY

        check_words(words, VOCABULARY)
    question = zone_question(machine, words, behaviours, next_boot=next_boot)
    found = _as_sure(
        predict_zones(question.machine, question.parameters, question.behaviour, below=question.below), question
    )
    seen = observed_zones(machine)
    return ZonesAnswer(question, found, seen, compare_zones(question, found, seen, machine), tuple(words))


def _as_sure(found: ZonePrediction, question: ZoneQuestion) -> ZonePrediction:
    # What is open is not told as an answer; the reasons say what is possible.
    told = tuple(Reason("doubt", d.text) for d in question.doubts if not d.told)
    touched = frozenset(part for d in question.doubts if d.certainty is Certainty.OPEN for part in d.touches)
    return replace(
        found,
        limits=() if RANGES in touched else found.limits,
        nodes=() if touched else found.nodes,
        reasons=(*found.reasons, *told),
    )
