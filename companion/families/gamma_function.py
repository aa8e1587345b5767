r"""Stirling's remainder: what is left of log Γ when the terms that cancel in a KL divergence are taken out.

.. math:: \log\Gamma(a) = (a - \tfrac12)\log a - a + \tfrac12\log 2\pi + R(a), \qquad
          R''(a) = \sum_{j \ge 0} \frac{1}{2(a+j)^2(a+j+1)^2} > 0.

The first terms turn into φ of `companion.remainders`. R is positive, decreasing and convex, of the order 1/(12a), and its
Bregman divergence is computed here without cancellation. Everything works elementwise on arrays of positive numbers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, psi

from companion.families.newton import positive_root

_LARGE = 10.0  # from here on the asymptotic series have all digits
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_R = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)  # of a^-1, a^-3, …
_SLOPE = tuple(-(2 * k + 1) * c for k, c in enumerate(_R))  # of a^-2, a^-4, …
_CURVATURE = tuple(-(2 * k + 2) * c for k, c in enumerate(_SLOPE))  # of a^-3, a^-5, …
_FIRST = np.arange(8.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def _series(coefficients, a, power):
    """a^-power (c_0 + c_1 a^-2 + c_2 a^-4 + …)."""
    inverse = 1 / a
    square, total = inverse * inverse, coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * square + c
    return total * inverse**power


def remainder(a):
    """R(a).

    >>> print(f"{remainder(1e8):.12e}")     # gammaln minus Stirling's formula has no digit of it
    8.333333333333e-10
    """
    a = np.asarray(a, dtype=float)
    small = np.minimum(a, _LARGE)
    near = gammaln(small) - (small - 0.5) * np.log(small) + small - _HALF_LOG_2PI
    return np.where(a < _LARGE, near, _series(_R, np.maximum(a, _LARGE), 1))


def log_peak(a):
    r""":math:`a\log a - a - \log\Gamma(a) = \tfrac12\log\tfrac{a}{2\pi} - R(a)`: the log-density of log x at its peak, x gamma of shape a."""
    return 0.5 * np.log(a) - _HALF_LOG_2PI - remainder(a)


def slope(a):
    """R'(a) < 0."""
    a = np.asarray(a, dtype=float)
    small = np.minimum(a, _LARGE)
    near = psi(small) - np.log(small) + 0.5 / small
    return np.where(a < _LARGE, near, _series(_SLOPE, np.maximum(a, _LARGE), 2))


def curvature(a):
    """a² R''(a), between ½ at 0 and 1/(6a) at infinity: eight terms of the sum, and the asymptotic series of the rest."""
    a = np.asarray(a, dtype=float)
    x = a[..., None] + _FIRST
    return 0.5 * np.sum(np.square(a[..., None] / x / (x + 1)), axis=-1) + (a / (a + 8)) ** 2 * _series(
        _CURVATURE, a + 8, 1
    )


def excess(a):
    r""":math:`\log a - \psi(a) = \tfrac{1}{2a} - R'(a) > 0`: log of the mean minus mean of the log, under a gamma of shape a."""
    return 0.5 / np.asarray(a, dtype=float) - slope(a)


def curvature_drop(a, m):
    """a² (R''(a) − R''(a + m)) for m > 0: the differences of the terms of `curvature`, with the factor m taken out."""
    a, m = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(m, dtype=float))
    x, step = a[..., None] + _FIRST, m[..., None]
    here, there = a[..., None] / x / (x + 1), 1 / (x + step) / (x + step + 1)
    terms = here * (step * there) * (2 * x + 1 + step) * (here + a[..., None] * there)
    log_ratio = np.log1p(m / (a + 8))
    rest = sum(c * np.expm1(-(k + 2) * log_ratio) / (a + 8) ** k for k, c in zip(range(1, 17, 2), _CURVATURE))
    return 0.5 * np.sum(terms, axis=-1) - (a / (a + 8)) ** 2 * rest


def bregman(a, b, difference=None):
    r""":math:`B_R(b, a) = R(b) - R(a) - R'(a)(b - a) \ge 0`.

    Unless a and b differ by more than a factor of 7 it is the integral of (b − x) R''(x) from a to b. With
    :math:`x = ae^{lu}`, :math:`l = \log(b/a)`, that is

    .. math:: B_R(b, a) = \int_0^1 l\,\big(e^{l(1-u)} - 1\big)\,x^2R''(x)\,\mathrm{d}u,

    a positive integrand, by ten Gauss–Legendre nodes. Pass the `difference` b − a where it is known more accurately.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    difference = b - a if difference is None else difference
    return _choose(_comparable(a, b), _bregman_near, _bregman_far, a, b, difference)


def bregman_drop(a, b, m, n, step):
    """B_R(b, a) − B_R(b + n, a + m) for m, n > 0 with n − m = `step`; nothing is lost if m and n are tiny next to a and b."""
    a, b, m, n, step = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (a, b, m, n, step)))
    slight = _comparable(a, b) & (10 * m < a) & (10 * n < b)
    return _choose(slight, _drop_slight, _drop, a, b, m, n, step)


def _comparable(a, b):
    return (a < 7 * b) & (b < 7 * a)


def _choose(near, close, apart, *arguments):
    """`close` where `near`, in blocks that fit the cache, and `apart` elsewhere."""
    result = np.empty(near.shape)
    if near.any():
        inside = [v[near] for v in arguments]
        blocks = [slice(i, i + 512) for i in range(0, inside[0].size, 512)]
        result[near] = np.concatenate([close(*(v[k] for v in inside)) for k in blocks])
    if not near.all():
        result[~near] = apart(*(v[~near] for v in arguments))
    return result[()]


def _bregman_near(a, b, difference):
    l = np.log1p(difference / a)[:, None]
    return (l * np.expm1(l * (1 - _NODES)) * curvature(a[:, None] * np.exp(l * _NODES))) @ _WEIGHTS


def _bregman_far(a, b, difference):
    return remainder(b) - remainder(a) - slope(a) * difference


def _drop_slight(a, b, m, n, step):
    """Both integrals over t from 0 to 1, x = a + t(b − a) and y = x + m + t step, with t = (e^(lu) − 1)/(e^l − 1)."""
    a, m, step, d = a[:, None], m[:, None], step[:, None], (b - a)[:, None]
    s = np.where(d == 0, 1e-300, d / a)
    l = np.log1p(s)
    x, t = a * np.exp(l * _NODES), np.expm1(l * _NODES) / s
    rest = m + step * t
    weight = l / s * (np.expm1(l * (1 - _NODES)) / s) * np.exp(2 * l * _NODES)  # (1 − t) dt/du (x/a)²
    y = x + rest
    drop = np.square(d / x) * curvature_drop(x, rest) - (step / y) * ((2 * d + step) / y) * curvature(y)
    return (weight * drop) @ _WEIGHTS


def _drop(a, b, m, n, step):
    """The two terms one by one where both are integrals, else all differences between a and a + m, b and b + n first."""
    near = _comparable(a, b) & _comparable(a + m, b + n)
    return _choose(near, _drop_near, _drop_far, a, b, m, n, step)


def _drop_near(a, b, m, n, step):
    part, total = bregman([a, a + m], [b, b + n], np.stack([b - a, b - a + step]))
    return part - total


def _drop_far(a, b, m, n, step):
    rise = _rise(slope, lambda x: curvature(x) / (x * x), a, m)
    return _rise(remainder, slope, a, m) - _rise(remainder, slope, b, n) + (b - a) * rise + step * slope(a + m)


def _rise(function, derivative, a, m):
    """function(a + m) − function(a), for small m by integrating the derivative."""
    inside = m * (derivative(a[:, None] + m[:, None] * _NODES) @ _WEIGHTS)
    return np.where(m < 0.5 * a, inside, function(a + m) - function(a))


def inverse_excess(s):
    """The shape a with log a − ψ(a) = s > 0."""
    s = np.asarray(s, dtype=float)
    start = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    return positive_root(lambda a: (s - excess(a), (0.5 + curvature(a)) / a**2), start)
