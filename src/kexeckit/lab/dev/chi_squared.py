"""Pearson's chi-squared test: could counts like these come from these expectations?

The chance of a sum at least as large is the upper regularised gamma function Q(df/2, sum/2), by its series where that
is short and by its continued fraction elsewhere.
Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.5.29 and 6.5.31, 26.4.19.
"""

from collections.abc import Sequence
from math import exp, lgamma, log

__all__ = ["chi_squared", "p_value"]

_PRECISION, _TINY = 1e-14, 1e-300


def chi_squared(counts: Sequence[int], expected: Sequence[float]) -> float:
    """Return the sum of squared differences, each over what was expected.

    Raises:
        ValueError: The two are not of one length.
    """
    return sum((seen - due) ** 2 / due for seen, due in zip(counts, expected, strict=True))


def p_value(total: float, freedom: int) -> float:
    """Return the chance of a sum of at least `total`.

    Args:
        total: As `chi_squared` returns it; not negative.
        freedom: Degrees of freedom, one less than there are bins; at least 1.
    """
    a, x = freedom / 2, total / 2
    if x <= 0:
        return 1.0
    front = exp(a * log(x) - x - lgamma(a))
    return 1 - front * _series(a, x) if x < a + 1 else front * _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    n = a
    while term > total * _PRECISION:
        n += 1
        term *= x / n
        total += term
    return total


# Lentz's way through the continued fraction.
def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value, n, change = d, 0, 0.0
    while abs(change - 1) > _PRECISION:
        n += 1
        b += 2
        step = -n * (n - a)
        d = 1 / (step * d + b or _TINY)
        c = b + step / c or _TINY
        change = c * d
        value *= change
    return value
