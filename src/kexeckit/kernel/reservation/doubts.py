"""All doubts about one answer, and how sure it is in spite of them."""

from dataclasses import replace

from kexeckit.kernel.certainty import Certainty, least_certain, share_of_all
from kexeckit.kernel.reservation.doubt import Candidate, Doubt, Takes
from kexeckit.kernel.reservation.elsewhere import elsewhere
from kexeckit.kernel.reservation.ends import two_ended
from kexeckit.kernel.reservation.room import always_room
from kexeckit.kernel.reservation.trial import Trial
from kexeckit.machine.taken import Taker


def doubts(trial: Trial) -> tuple[Doubt, ...]:
    """Return what bears on the answer and is not shown by the source."""
    return tuple(_without_low(d, trial) for d in (*elsewhere(trial), *two_ended(trial), _assumed(trial)) if d)


def _without_low(doubt: Doubt, trial: Trial) -> Doubt:
    # Where no main region is reserved, no low one is.
    gone = [replace(c, part="low") for c in doubt.candidates if c.part == "main" and c.start is None]
    if not gone or "low" not in trial.regions or any(c.part == "low" and c.start is None for c in doubt.candidates):
        return doubt
    return replace(doubt, candidates=(*doubt.candidates, *gone[:1]))


def _assumed(trial: Trial) -> Doubt | None:
    # An answer is never surer than what it was made from.
    assumed = trial.facts.assumed
    if not assumed:
        return None
    return Doubt("assumed", "; ".join(assumed), tuple(trial.regions), outcome=Certainty.LIKELY, takes=None)


def outcome_certainty(trial: Trial, found: tuple[Doubt, ...]) -> Certainty:
    """Return how sure it is that the regions are reserved, or that they are not.

    Args:
        trial: The search.
        found: Its doubts.
    """
    if any(d.outcome is Certainty.OPEN for d in found):
        return Certainty.OPEN
    if trial.request.base:
        # Nothing else is tried: what may lie there decides on the outcome.
        return least_certain(d.address for d in found if "main" in d.parts)
    rows = [c for d in found for c in d.candidates if c.part == "main"]
    if all((c.start is None) == (trial.placement.main is None) for c in rows) and len(found) <= 1:
        return least_certain(d.outcome for d in found)
    if trial.placement.main is None:
        return Certainty.LIKELY
    taken = [d.takes for d in found if d.takes is not None]
    if len(taken) < len(found):
        return Certainty.LIKELY
    takes = Takes(sum(t.pieces for t in taken), sum(t.size for t in taken))
    bare = trial.without((Taker.INITRD, Taker.DEVICE_TREE)) if trial.facts.next_boot else trial
    rules, limits = trial.facts.rules, trial.facts.limits
    sure = always_room(bare.early.memory, trial.request, rules, limits, takes)
    return Certainty.CERTAIN if sure else Certainty.LIKELY


def address_certainty(found: tuple[Doubt, ...], part: str) -> tuple[Certainty, float | None]:
    """Return how sure the address of a region is, and in how much of what can be counted it is the one given.

    Returns:
        The certainty, and the share (0 to 1), or None where something cannot be counted.
    """
    mine = [d for d in found if part in d.parts]
    certainty = least_certain(d.address for d in mine)
    return certainty, share_of_all(_share(d, part) for d in mine) if mine else None


def size_certainty(found: tuple[Doubt, ...], part: str, outcome: Certainty) -> Certainty:
    """Return how sure it is that a region has this size where the main one is reserved at all."""
    if part == "main":
        return Certainty.CERTAIN
    gone = [d.address for d in found for c in d.candidates if c.part == part and c.start is None]
    return least_certain(gone) if outcome is not Certainty.CERTAIN or gone else Certainty.CERTAIN


def all_candidates(found: tuple[Doubt, ...]) -> tuple[Candidate, ...]:
    """Return the candidates of all doubts, each once."""
    return tuple(dict.fromkeys(c for d in found for c in d.candidates))


def _share(doubt: Doubt, part: str) -> float | None:
    own = [c.share for c in doubt.candidates if c.part == part and c.share is not None]
    return own[0] if own else doubt.share
