r"""The logarithm of the Bessel function I0, whose Bregman divergence is the KL between von Mises distributions.

.. math:: \log I_0(\kappa) = \kappa - \tfrac12\log 2\pi\kappa + \sum_{k\ge1} c_k\kappa^{-k}

for large κ; for moderate κ, I0 is an average over the circle, and averages of positive terms lose nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import i0e, i1e

from companion.special.newton import positive_root
from companion.special.remainders import as_numbers, choose, expm1_remainder, phi_of

_LARGE = 25.0  # from here on the asymptotic series have all digits
# 1 − cos on half of the circle, and the trapezoidal rule there: for periodic functions its error falls exponentially
_ANGLES = np.linspace(0.0, np.pi, 49)
_AWAY = 2 * np.sin(_ANGLES / 2) ** 2
_WEIGHTS = np.r_[0.5, np.ones(47), 0.5]


def _coefficients(n):
    """c_1 … c_n: the logarithm of the asymptotic power series of I0."""
    a = np.cumprod([1.0, *((2 * k - 1) ** 2 / (8 * k) for k in range(1, n + 1))])
    c = np.zeros(n + 1)
    for k in range(1, n + 1):
        c[k] = a[k] - sum(j * c[j] * a[k - j] for j in range(1, k)) / k
    return c[1:]


_C = _coefficients(16)
_SLOPE, _CURVATURE = _C * np.arange(1, 17), _C * np.arange(1, 17) * np.arange(2, 18)


def _powers(coefficients, kappa):
    """Σ_k c_k κ^(−k)."""
    total = 0.0
    for c in coefficients[::-1]:
        total = (total + c) / kappa
    return total


def one_minus_ratio(kappa: ArrayLike) -> np.ndarray | np.float64:
    """1 − I1(κ)/I0(κ): the circular variance.

    >>> print(f"{one_minus_ratio(1e8):.12e}")
    5.000000012500e-09
    """
    kappa = as_numbers(kappa)
    return choose(kappa < _LARGE, lambda k: 1 - i1e(k) / i0e(k), lambda k: (0.5 + _powers(_SLOPE, k)) / k, kappa)


def ratio(kappa: ArrayLike) -> np.ndarray | np.float64:
    """r(κ) = I1(κ)/I0(κ), the mean resultant length."""
    kappa = as_numbers(kappa)
    return choose(kappa < _LARGE, lambda k: i1e(k) / i0e(k), lambda k: 1 - one_minus_ratio(k), kappa)


def ratio_slope(kappa: ArrayLike) -> np.ndarray | np.float64:
    """r'(κ), the variance of cos x under a von Mises distribution."""
    kappa = as_numbers(kappa)
    return choose(kappa < _LARGE, _cosine_variance, lambda k: (0.5 + _powers(_CURVATURE, k)) / k**2, kappa)


def _average_under(kappa):
    """The function that takes the mean of values on the angles of the rule, under concentrations κ."""
    w = _WEIGHTS * np.exp(-kappa[..., None] * _AWAY)
    total = np.add.reduce(w, axis=-1)
    return lambda values: np.add.reduce(w * values, axis=-1) / total


def _cosine_variance(kappa):
    average = _average_under(kappa)
    return average((_AWAY - average(_AWAY)[..., None]) ** 2)


def bregman(k: ArrayLike, l: ArrayLike) -> np.ndarray | np.float64:
    r""":math:`\log I_0(l) - \log I_0(k) - r(k)(l - k) \ge 0`, the KL divergence of concentrations k and l about one
    mean.

    For two moderate ones it is log E[e^y] with y = (l − k)(cos x − r(k)), which has mean zero under k: log(1 + E[e^y
    − 1 − y]).
    For two large ones the series gives φ and a sum of positive terms.
    """
    k, l = as_numbers(k), as_numbers(l)
    high, low = np.maximum(k, l), np.minimum(k, l)
    return choose(high < 2 * _LARGE, _moderate, _not_moderate, k, l, low)


def _not_moderate(k, l, low):
    return choose(low >= _LARGE, _large, _apart, k, l)


def _moderate(k, l, low):
    average = _average_under(k)
    y = (l - k)[..., None] * (average(_AWAY)[..., None] - _AWAY)
    return np.log1p(average(expm1_remainder(y)))


def _large(k, l):
    """½φ(s), s = (l − k)/k, and for each power ((1 + s)^(−j) − 1 + js) k^(−j) = s² g_j with
    g_(j+1) = (g_j + (j + 1) k^(−j))/l."""
    total, g, power = 0.0, 0.0, 1.0
    for j, c in enumerate(_C):
        g = (g + (j + 1) * power) / l
        power = power / k
        total = total + c * g
    with np.errstate(over="ignore"):
        return 0.5 * phi_of(l, k) + ((l - k) / k) * ((l - k) / k * total)


def _apart(k, l):
    return (l - k) * one_minus_ratio(k) + np.log(i0e(l) / i0e(k))


def inverse_ratio(r: ArrayLike, gap: ArrayLike) -> np.ndarray | np.float64:
    """The κ with r(κ) = `r`, given with `gap` = 1 − r: the smaller of the two carries the digits."""
    r, gap = np.asarray(r, dtype=float), np.asarray(gap, dtype=float)
    uniform = r == 0
    r, gap = np.where(uniform, 0.5, r), np.where(uniform, 0.5, gap)

    def difference(kappa):
        return np.where(r < 0.5, ratio(kappa) - r, gap - one_minus_ratio(kappa)), ratio_slope(kappa)

    return np.where(uniform, 0.0, positive_root(difference, r * (2 - r * r) / (gap * (1 + r))))[()]
