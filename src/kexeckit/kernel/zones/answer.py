"""The whole answer about zones: what is predicted, what was observed, and whether the two agree."""

from collections.abc import Sequence

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.zones.from_machine import ZoneQuestion, zone_question
from kexeckit.kernel.zones.observed import ObservedZones, compare_zones, observed_zones
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.value import Machine


@dataclass(frozen=True, slots=True)
class ZonesAnswer:
    """Predicted zones beside the observed ones.

    Attributes:
        question: The machine as zones see it, and the words.
        predicted: What the kernel is predicted to make.
        observed: What it made in the boot that the source shows; None where no source shows it.
        agreement: Whether they agree.
        why: The differences, or why it is not known; one sentence each.
        asked: Words were typed, so that the question may be about another boot than the one that is shown.
    """

    question: ZoneQuestion
    predicted: ZonePrediction
    observed: ObservedZones | None
    agreement: Agreement
    why: tuple[str, ...]
    asked: bool


def answer_zones(machine: Machine, words: Sequence[str] = (), behaviours: Behaviours | None = None) -> ZonesAnswer:
    """Predict zones and hold them against what the machine shows.

    Args:
        machine: What is known.
        words: Words of a kernel command line; they replace those of the same names in the machine's.
        behaviours: What the kernel does; None to choose by its version.

    Raises:
        InputError: No architecture, or a memory map that cannot be understood.
        UnavailableError: No source shows a memory map.
        UsageError: A word is none of a command line's.
    """
    question = zone_question(machine, words, behaviours)
    found = predict_zones(question.machine, question.parameters, question.behaviour, below=question.below)
    seen = observed_zones(machine)
    agreement, why = compare_zones(question, found, seen, machine)
    return ZonesAnswer(question, found, seen, agreement, why, bool(words))
