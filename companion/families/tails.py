"""Cumulative probabilities and quantiles that keep their digits in both tails.

``name`` is "cdf" for P(X ≤ x) or "sf" for P(X > x): neither is taken as 1 less the other where that would be small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betainc, betaincc, erfcx, gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, i0e, ndtr

from companion.special.counts import product
from companion.special.gamma_function import log_peak
from companion.special.remainders import expm1_remainder, phi

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # of the integral from 0 to 1
#: Below it P(a, z) is z^a/Γ(a + 1) to all digits.
_TINY = np.finfo(float).tiny
#: Above it SciPy's P(a, z) loses digits from four standard deviations on, from 1e8 on all of them.
_LARGE = 1e4
#: Above it Boost's incomplete beta function loses digits in the middle, from 1e11 on most of them.
_HUGE = 1e8


def exponential(name: str, hazard: Any) -> Any:
    """The tail whose P(X > x) is exp(−hazard)."""
    return -np.expm1(-hazard) if name == "cdf" else np.exp(-hazard)


def gamma(name: str, shape: Any, rate: Any, x: Any) -> Any:
    """A gamma distribution; also where rate times x underflows and its power does not."""
    x = np.maximum(x, 0.0)
    z = rate * x
    regular = gammainc(shape, z) if name == "cdf" else gammaincc(shape, z)
    if np.any(shape > _LARGE):
        regular = np.where(shape > _LARGE, _large_gamma(name, np.maximum(shape, _LARGE), z), regular)
    log_gamma = np.where(shape < 1e-5, shape * (shape * (np.pi**2 / 12) - np.euler_gamma), gammaln(shape + 1))
    log_cdf = shape * (np.log(rate) + np.log(x)) - log_gamma
    return np.where((x > 0) & (z < _TINY), np.exp(log_cdf) if name == "cdf" else -np.expm1(log_cdf), regular)


def _large_gamma(name, a, z):
    r"""Where SciPy's series end too early. The tail beyond z, seen from a, is :math:`z^ae^{-z}/\Gamma(a)` times
    :math:`\int_0^\infty e^{-|a-z|s-z\,e(\pm s)}\,ds`, e(y) = e^y − 1 − y, of u = z e^(±s)."""
    inner = np.where((z > 0) & np.isfinite(z), z, a)
    away = inner - a
    reach = np.minimum(np.sqrt(100 / inner), 40 / abs(away))
    s = reach[..., None] * _NODES
    steep = abs(away)[..., None] * s + inner[..., None] * expm1_remainder(np.where(away < 0, -1.0, 1.0)[..., None] * s)
    part = np.exp(log_peak(a) - a * phi(away / a, inner / a)) * reach * (np.exp(-steep) @ _WEIGHTS)
    part = np.where(z == inner, part, 0.0)
    return np.where((z < a) == (name == "cdf"), part, 1 - part)


def gamma_quantile(shape: Any, rate: Any, q: Any) -> Any:
    """By SciPy's inverse of P(a, z), and of z^a/Γ(a + 1) where z is too small for it."""
    z = np.where(q < 0.5, gammaincinv(shape, q), gammainccinv(shape, 1 - q))
    return np.where(z < _TINY, np.exp((np.log(q) + gammaln(shape + 1)) / shape - np.log(rate)), z / rate)


def beta(name: str, a: Any, b: Any, x: Any, beyond: Any) -> Any:
    """A beta distribution at x in [0, 1]; `beyond` is 1 − x, which may have more digits."""
    if name == "sf":
        return beta("cdf", b, a, beyond, x)
    regular = np.where(x <= 0.5, betainc(a, b, x), betaincc(b, a, beyond))
    huge = np.minimum(a, b) > _HUGE
    if not np.any(huge):
        return regular
    a, b, x, beyond = np.broadcast_arrays(np.maximum(a, _HUGE), np.maximum(b, _HUGE), x, beyond)
    inner, above = (x > 0) & (x < 1), x > beyond
    near, far = np.where(inner, np.minimum(x, beyond), 0.5), np.where(inner, np.maximum(x, beyond), 0.5)
    first, second = np.where(above, (b, a), (a, b))
    return np.where(huge & inner, _huge_beta(above, first, second, near, far), regular)


def _huge_beta(above, a, b, x, beyond):
    r"""Where continued fractions end too early: for x below ½ the probability of less, or of more where `above`. With
    odds of t those of x times e^(±s) the tail on one side is :math:`x^a(1-x)^b/B(a,b)` times
    :math:`\int_0^\infty e^{-|(a+b)x-a|s-(a+b)[x\,e(\pm s)-\varphi(x(e^{\pm s}-1))]}\,ds`."""
    total = a + b
    high, low = product(total, x)
    away = (high - a) + low
    log_peaks = log_peak(a) + log_peak(b) - log_peak(total)
    height = np.exp(log_peaks - a * phi(away / a, total * x / a) - b * phi(-away / b, total * beyond / b))
    reach = np.minimum(10 / np.sqrt(total * x * beyond), 40 / abs(away))
    s = reach[..., None] * _NODES
    turn, x = np.where(away < 0, -1.0, 1.0)[..., None] * s, x[..., None]
    curved = total[..., None] * (x * expm1_remainder(turn) - phi(x * np.expm1(turn)))
    part = height * reach * (np.exp(-abs(away)[..., None] * s - curved) @ _WEIGHTS)
    return np.where((away < 0) != above, part, 1 - part)


def inverse_gaussian_away(mean: Any, shape: Any, x: Any) -> Any:
    r""":math:`\sqrt{\lambda/x}\,(x/\mu-1)`, no part of which leaves the range of doubles before it does."""
    ahead = np.sqrt(x) / np.sqrt(mean) * (np.sqrt(shape) / np.sqrt(mean))
    return (x - mean) / np.maximum(x, mean) * np.where(x > mean, ahead, np.sqrt(shape) / np.sqrt(x))


def inverse_gaussian(name: str, mean: Any, shape: Any, x: Any) -> Any:
    r"""With a and b = :math:`\sqrt{\lambda/x}\,(x/\mu\mp1)` and Mills' ratio M, P(X ≤ x) is Φ(a) + φ(a) M(b), and
    P(X > x) is φ(a) [M(a) − M(b)]: where a and b are close, with :math:`M(t) = \int_0^\infty e^{-ts-s^2/2}\,ds`."""
    z = np.where((x > 0) & np.isfinite(x), x, mean)
    root, gap = np.sqrt(shape) / np.sqrt(mean), 2 * np.sqrt(shape) / np.sqrt(z)
    a = inverse_gaussian_away(mean, shape, z)
    b = root * (np.sqrt(z) / np.sqrt(mean) + np.sqrt(mean) / np.sqrt(z))
    half, beyond = 0.5 * np.exp(-0.5 * a * a), erfcx(b / np.sqrt(2))
    if name == "cdf":
        return np.where(x <= 0, 0.0, np.where(x == np.inf, 1.0, ndtr(a) + half * beyond))
    apart = np.where(a < 0, ndtr(-a) - half * beyond, half * (erfcx(np.maximum(a, 0.0) / np.sqrt(2)) - beyond))
    at = np.clip(a, -1.0, 1e150)
    reach = np.minimum(9.0, 40 / np.maximum(at, 1.0))
    s = reach[..., None] * _NODES
    integral = reach * (np.exp(-s * (at[..., None] + s / 2)) * -np.expm1(-s * gap[..., None]) @ _WEIGHTS)
    close = (a > -1) & (gap < np.maximum(1.0, a))
    inside = np.where(close, np.sqrt(2 / np.pi) * half * integral, apart)
    return np.where(x <= 0, 1.0, np.where(x == np.inf, 0.0, inside))


def von_mises(kappa: Any, away: Any) -> Any:
    """The probability of a turn from −π to `away` ≤ 0, an angle from the mean: an integral over what is left of it, or
    over as much as counts, of the density at s less than `away` over that at `away`."""
    reach = np.minimum(np.pi + away, 2 * np.arcsin(np.minimum(1.0, np.sqrt(20 / np.maximum(kappa, 20.0)))))
    reach = np.maximum(np.minimum(reach, 100 / (kappa * np.sin(-away))), 0.0)
    s = reach[..., None] * _NODES / 2
    integral = reach * (np.exp(-kappa[..., None] * (2 * np.sin(s) * np.sin(s - away[..., None]))) @ _WEIGHTS)
    return integral * np.exp(-kappa * (2 * np.sin(away / 2) ** 2)) / (2 * np.pi * i0e(kappa))
