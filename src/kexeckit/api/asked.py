"""What an answer about a boot has in common: the words, and what the machine shows beside the prediction."""

from kexeckit.kernel.reservation.answer import ReservationAnswer
from kexeckit.kernel.zones.answer import ZonesAnswer


class Asked:
    """An answer to words of a kernel command line, beside what was observed."""

    __slots__ = ()

    answer: ReservationAnswer | ZonesAnswer

    @property
    def words(self) -> tuple[str, ...]:
        """The words that were asked about."""
        return self.answer.words

    @property
    def about(self) -> str:
        """``this-boot``, which the source shows, or ``next-boot``: another one of the same machine."""
        return self.answer.about

    @property
    def certainty(self) -> str:
        """How sure the outcome or the zones are: ``certain`` (never wrong), ``likely`` or ``open``."""
        return self.answer.certainty.value

    @property
    def doubtful_words(self) -> tuple[str, ...]:
        """What the kernel makes of words that are probably not meant so, one sentence each."""
        return self.answer.doubtful

    @property
    def agreement(self) -> str:
        """``agree``, ``differ`` or ``unknown``."""
        return self.answer.agreement.value

    @property
    def explanations(self) -> tuple[str, ...]:
        """The differences and what could explain them, or why agreement is unknown."""
        return self.answer.compared.why
