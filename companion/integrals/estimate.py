"""What an integral returns, and how it fails."""

from __future__ import annotations

from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """A number, an estimate of its error, and how it was found: "exact sum", "sum with bounded tail", "sum with
    Euler–Maclaurin tail", "quadrature" or "support" (infinite because q does not cover p).

    The error of an exact sum is a bound for its rounding; the others also contain the estimated error of the rule.
    Of several integrals at once, `value` and `error` are arrays."""

    value: Any
    error: Any
    method: str


class QuadratureError(ArithmeticError):
    """The requested accuracy could not be reached, or not within the budget of evaluations."""


class Uncovered(Exception):
    """q is zero where p is not, so that an integral of log q is infinite: `quadrature` answers with "support"."""
