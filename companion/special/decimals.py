"""The gamma function and its derivative in as many decimal digits as the context has: values to judge doubles by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import lru_cache

#: From here on Stirling's series has more than eighty digits; below, one goes there step by step.
FAR = 150


@lru_cache(maxsize=1)
def _bernoulli_numbers() -> list[Fraction]:
    """B_2, B_4, …, B_80, by Σ_j C(m+1, j) B_j = 0."""
    b = [Fraction(1)]
    for m in range(1, 81):
        b.append(-sum((math.comb(m + 1, j) * b[j] for j in range(m)), Fraction(0)) / (m + 1))
    return b[2::2]


@lru_cache
def _stirling_coefficients(digits: int) -> list[Decimal]:
    """B_k / (k (k − 1)) for k = 2, 4, …, 80, in so many digits."""
    fractions = (b / (k * (k - 1)) for k, b in zip(range(2, 82, 2), _bernoulli_numbers()))
    return [Decimal(c.numerator) / c.denominator for c in fractions]


def _stirling_terms() -> Iterator[tuple[int, Decimal]]:
    return zip(range(1, 81, 2), _stirling_coefficients(getcontext().prec))


def _steps(a: Decimal) -> tuple[list[Decimal], Decimal]:
    """a, a + 1, … as long as they are below `FAR`, and the number after them."""
    count = max(0, FAR - int(a))
    return [a + j for j in range(count)], a + count


def log_gamma(a: Decimal) -> Decimal:
    """log Γ(a) − ½ log 2π, for a > 0; the constant cancels in every KL divergence.

    >>> print(f"{log_gamma(Decimal(3)) - log_gamma(Decimal(2)):.12f}")      # log 2
    0.693147180560
    """
    before, x = _steps(a)
    series = sum((c / x**k for k, c in _stirling_terms()), Decimal(0))
    return (x - Decimal("0.5")) * x.ln() - x + series - math.prod(before, start=Decimal(1)).ln()


def log_beta(a: Decimal, b: Decimal) -> Decimal:
    """log B(a, b) − ½ log 2π, for positive a and b."""
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def psi(a: Decimal) -> Decimal:
    """The derivative of log Γ, for a > 0.

    >>> print(f"{psi(Decimal(2)) - psi(Decimal(1)):.12f}")
    1.000000000000
    """
    before, x = _steps(a)
    series = sum((k * c / x ** (k + 1) for k, c in _stirling_terms()), Decimal(0))
    return x.ln() - 1 / (2 * x) - series - sum((1 / v for v in before), Decimal(0))


def cell(p: Decimal, q: Decimal) -> Decimal:
    """p log(p/q) with 0 log 0 = 0, infinite where q = 0 < p.

    >>> print(cell(Decimal(0), Decimal(1)), cell(Decimal(1), Decimal(0)))
    0 Infinity
    """
    return p * (p / q).ln() if p and q else Decimal("Infinity") if p else p
