r"""The logarithm of the Bessel function I0, whose Bregman divergence is the KL between von Mises distributions.

.. math:: \log I_0(\kappa) = \kappa - \tfrac12\log 2\pi\kappa + \sum_{k\ge1} c_k\kappa^{-k}

for large κ; for moderate κ, I0 is an average over the circle, and averages of positive terms lose nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.special import i0e, i1e

from companion.families.newton import positive_root
from companion.remainders import expm1_remainder, phi

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


def _powers(coefficients, kappa):
    """Σ_k c_k κ^(−k)."""
    total = 0.0
    for c in coefficients[::-1]:
        total = (total + c) / kappa
    return total


def one_minus_ratio(kappa):
    """1 − I1(κ)/I0(κ): the circular variance.

    >>> print(f"{one_minus_ratio(1e8):.12e}")
    5.000000012500e-09
    """
    kappa = np.asarray(kappa, dtype=float)
    small, large = np.minimum(kappa, _LARGE), np.maximum(kappa, _LARGE)
    far = (0.5 + _powers(_C * np.arange(1, 17), large)) / large
    return np.where(kappa < _LARGE, 1 - i1e(small) / i0e(small), far)


def ratio(kappa):
    """r(κ) = I1(κ)/I0(κ), the mean resultant length."""
    kappa = np.asarray(kappa, dtype=float)
    return np.where(kappa < _LARGE, i1e(kappa) / i0e(kappa), 1 - one_minus_ratio(kappa))


def ratio_slope(kappa):
    """r'(κ), the variance of cos x under a von Mises distribution."""
    kappa = np.asarray(kappa, dtype=float)
    small, large = np.minimum(kappa, _LARGE), np.maximum(kappa, _LARGE)
    far = (0.5 + _powers(_C * np.arange(1, 17) * np.arange(2, 18), large)) / large**2
    return np.where(kappa < _LARGE, _cosine_variance(small), far)


def _average(kappa, values):
    """Mean of `values`, given on the angles of the rule, under von Mises distributions of concentration κ."""
    w = _WEIGHTS * np.exp(-kappa[..., None] * _AWAY)
    return np.sum(w * values, axis=-1) / np.sum(w, axis=-1)


def _cosine_variance(kappa):
    mean = _average(kappa, _AWAY)
    return _average(kappa, (_AWAY - mean[..., None]) ** 2)


def bregman(k, l):
    r""":math:`\log I_0(l) - \log I_0(k) - r(k)(l - k) \ge 0`, the KL divergence of concentrations k and l about one mean.

    For two moderate ones it is log E[e^y] with y = (l − k)(cos x − r(k)), which has mean zero under k: log(1 + E[e^y − 1 − y]).
    For two large ones the series gives φ and a sum of positive terms.
    """
    k, l = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(l, dtype=float))
    high, low = np.maximum(k, l), np.minimum(k, l)
    moderate, large = high < 2 * _LARGE, low >= _LARGE
    result = np.empty(k.shape)
    for where, rule in ((moderate, _moderate), (large & ~moderate, _large), (~moderate & ~large, _apart)):
        if where.any():
            result[where] = rule(k[where], l[where])
    return result[()]


def _moderate(k, l):
    y = (l - k)[:, None] * (_average(k, _AWAY)[:, None] - _AWAY)
    return np.log1p(_average(k, expm1_remainder(y)))


def _large(k, l):
    """½φ(s), s = (l − k)/k, and for each power (1 + s)^(−j) − 1 + js = s² g_j with g_(j+1) = (g_j + j + 1)/(1 + s)."""
    s = (l - k) / k
    total, g = 0.0, 0.0
    for j, c in enumerate(_C):
        g = (g + j + 1) * (k / l)
        total = total + c * g / k ** (j + 1)
    return 0.5 * phi(s, l / k) + s * s * total


def _apart(k, l):
    return (l - k) * one_minus_ratio(k) + np.log(i0e(l) / i0e(k))


def inverse_ratio(r, gap):
    """The κ with r(κ) = `r`, given with `gap` = 1 − r: the smaller of the two carries the digits."""
    r, gap = np.asarray(r, dtype=float), np.asarray(gap, dtype=float)
    uniform = r == 0
    r, gap = np.where(uniform, 0.5, r), np.where(uniform, 0.5, gap)

    def difference(kappa):
        return np.where(r < 0.5, ratio(kappa) - r, gap - one_minus_ratio(kappa)), ratio_slope(kappa)

    return np.where(uniform, 0.0, positive_root(difference, r * (2 - r * r) / (gap * (1 + r))))[()]
