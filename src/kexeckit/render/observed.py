"""Whether a prediction and what was observed agree, as text."""

from collections.abc import Sequence

from kexeckit.kernel.observed import Agreement

_WORDS = {
    Agreement.AGREE: "prediction and observation agree",
    Agreement.DIFFER: "prediction and observation differ",
    Agreement.UNKNOWN: "not compared",
}


def agreement_lines(agreement: Agreement, why: Sequence[str]) -> list[str]:
    """Return whether prediction and observation agree, and why not."""
    if agreement is Agreement.UNKNOWN:
        return [f"{_WORDS[agreement]}: {'; '.join(why)}"]
    head = "what could explain it:" if agreement is Agreement.DIFFER else ""
    return [_WORDS[agreement], *([f"  {head}"] if head and why else []), *(f"    {text}" for text in why)]
