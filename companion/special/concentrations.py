"""KL divergence of two single Dirichlet distributions by plain numbers, for which NumPy takes five times as long.

The formulas are those of `companion.families.dirichlet.divergence`, which is for batches and explains them.
"""

from __future__ import annotations

from math import fsum, isfinite, log

import numpy as np
from scipy.special import gammaln, psi

from companion.special import gamma_function
from companion.special.remainders import STIRLING

_MOST = 16  # coordinates: beyond, arrays are as fast
_PHI = [1.0 / k for k in range(37, 1, -2)]
_STIRLING = STIRLING[::-1].tolist()
_SLOPE = [-(2 * k + 1) * c for k, c in enumerate(STIRLING.tolist())][::-1]
_HALF_LOG_2PI = 0.5 * log(2 * np.pi)


def single_divergence(p: np.ndarray, q: np.ndarray) -> float | None:
    """KL divergence of the concentrations p and q of shape (d,); None where numbers leave the range of doubles or d is
    large, and arrays have to do it.

    >>> print(f"{single_divergence(np.array([1.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0])):.6f}")
    0.401388
    """
    if len(p) > _MOST:
        return None
    try:
        value = _divergence(sorted(zip(p.tolist(), q.tolist(), strict=True)))
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return value if isfinite(value) else None


def _divergence(cells):
    """From pairs (p_i, q_i), the largest p_i last."""
    (top, top_after), others = cells[-1], cells[:-1]
    rest, rest_after = fsum(p for p, _ in others), fsum(q for _, q in others)
    rest_step = fsum(q - p for p, q in others)
    before, after = rest + top, rest_after + top_after
    shrink, last = before / after, (top_after - top) / top
    near = abs(last) < 0.5 and all(abs(q - p) < 0.5 * p for p, q in others)
    if near:
        shared = fsum(p / before * ((q - p) / p - last) for p, q in others)
        odds = (rest_step - rest * last) / top_after
    else:
        shared, odds = 0.0, rest_after / top_after - rest / top
    total = 0.0
    for p, q in others:
        s, growth, w = (q - p) / p, q / p, p / before
        ratio = growth * shrink
        y = (shared - (s - last)) / growth if near else 1 / ratio - 1
        x = -y / (1 + y) if near else ratio - 1
        total += q * _phi(y, 1 / ratio) + 0.5 * ((1 - w) * _phi(s, growth) + w * _phi(x, ratio))
    w, growth = top / before, top_after / top
    ratio, y = growth * shrink, odds * w
    total += top_after * _phi(y, 1 / ratio)
    total += 0.5 * (rest / before * _phi(last, growth) + w * _phi(-y / (1 + y), ratio))
    terms = [(p, q, q - p) for p, q in others]
    if rest > 0.05 * before:  # the B_R of the last cell and of the total do not cancel
        parts = _bregman([*terms, (top, top_after, top_after - top), (before, after, rest_step + (top_after - top))])
        return total + (fsum(parts[:-1]) - parts[-1])
    numbers = map(np.float64, (top, top_after, rest, rest_after, rest_step))
    return total + (fsum(_bregman(terms)) + float(gamma_function.bregman_drop(*numbers)))


def _phi(t, ratio):
    """t − log(1 + t), 1 + t = ratio, as `companion.special.remainders.phi`."""
    if not -0.5 < t < 0.5:
        return t - log(ratio)
    z = t / (2.0 + t)
    square, series = z * z, 0.0
    for c in _PHI:
        series = series * square + c
    return z * (t - 2.0 * square * series)


def _bregman(terms):
    """B_R(b, a) of each (a, b, b − a) as `gamma_function.bregman`: all integrals in one call."""
    near = [a < 7 * b and b < 7 * a for a, b, _ in terms]
    integrals = iter(())
    if any(near):
        integrals = iter(gamma_function.bregman_integral(*np.array([t for t, n in zip(terms, near) if n]).T).tolist())
    return [
        next(integrals) if n else _remainder(b) - _remainder(a) - _slope(a) * d for (a, b, d), n in zip(terms, near)
    ]


def _remainder(a):
    if a < 10.0:
        return float(gammaln(a)) - (a - 0.5) * log(a) + a - _HALF_LOG_2PI
    inverse = 1 / a
    return inverse * _polynomial(_STIRLING, inverse * inverse)


def _slope(a):
    if a < 10.0:
        return float(psi(a)) - log(a) + 0.5 / a
    inverse = 1 / a
    return inverse * inverse * _polynomial(_SLOPE, inverse * inverse)


def _polynomial(coefficients, x):
    total = 0.0
    for c in coefficients:
        total = total * x + c
    return total
