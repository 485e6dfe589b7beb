"""What was observed, held against what is predicted: three answers, and what could explain a difference."""

from enum import Enum


class Agreement(Enum):
    """Whether a prediction and an observation agree."""

    AGREE = "agree"
    DIFFER = "differ"
    UNKNOWN = "unknown"
