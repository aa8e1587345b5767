r"""Stirling's remainder: what is left of log Γ when the terms that cancel in a KL divergence are taken out.

.. math:: \log\Gamma(a) = (a - \tfrac12)\log a - a + \tfrac12\log 2\pi + R(a), \qquad
          R''(a) = \sum_{j \ge 0} \frac{1}{2(a+j)^2(a+j+1)^2} > 0.

The first terms turn into φ of `companion.special.remainders`. R is positive, decreasing and convex, of the order
1/(12a), and its Bregman divergence is computed here without cancellation. Everything works
elementwise on positive numbers.
"""

from __future__ import annotations

import math
from functools import wraps
from itertools import zip_longest

import numpy as np
from numpy.polynomial.chebyshev import chebval
from numpy.typing import ArrayLike
from scipy.special import loggamma, psi, zeta

from companion.special.newton import positive_root
from companion.special.remainders import STIRLING, as_numbers, choose, horner, stirling

_LARGE = 10.0  # from here on the asymptotic series have all digits
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_SLOPE = -(2 * np.arange(8) + 1) * STIRLING  # of a^-2, a^-4, …
_CURVATURE = -(2 * np.arange(8) + 2) * _SLOPE  # of a^-3, a^-5, …
_SLOPE_DOWN, _CURVATURE_DOWN = _SLOPE[::-1].tolist(), _CURVATURE[::-1].tolist()  # from the highest power
# Chebyshev coefficients of (1 + a) a² R''(a) as a function of x = (1 − a)/(1 + a), that is, on (−1, 1):
# interpolation at 26 nodes of a²ψ'(a) − a − ½ in 50 digits.
_CHEBYSHEV = np.array(
    [
        *(0.31182933746603186, 0.1667186128497306, 0.021731066698439605, -7.994013906176893e-05),
        *(-0.00022886205923410057, 2.934774034567737e-05, 1.5456769732232591e-06, -1.3534807492387477e-06),
        *(2.5879917149491074e-07, -4.591861775093548e-09, -1.2626971828194129e-08, 4.360606691645741e-09),
        *(-6.958084373151352e-10, -4.760459842828081e-11, 7.047222162270723e-11, -2.503783592951608e-11),
        *(4.790953643368386e-12, 7.533348133573062e-14, -4.756382129807337e-13, 2.1870500840562756e-13),
        *(-5.95331488594397e-14, 7.289545278126299e-15, 2.6252263013759183e-15, -2.2012082308709747e-15),
        *(9.00317115098133e-16, -2.4784066622832474e-16),
    ]
)
_NEAR_ONE = np.array(
    [(-1) ** k * zeta(k) / k for k in range(40, 1, -1)]
)  # log Γ(1 + x) = −γx + ζ(2)x²/2 − ζ(3)x³/3 + …
_DEGREES, _FIRST, _POWERS = np.arange(26.0), np.arange(8.0), np.arange(1.0, 17.0, 2.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _AHEAD, _WEIGHTS = (_NODES + 1) / 2, (1 - _NODES) / 2, _WEIGHTS / 2


def _series(coefficients, a, power):
    """a^-power (c_0 + c_1 a^-2 + c_2 a^-4 + …)."""
    inverse = 1 / a
    return horner(coefficients[::-1], inverse * inverse) * inverse**power


def log_gamma(a: ArrayLike) -> np.ndarray | np.float64:
    """log Γ(a), to full relative accuracy also beside its root 1, where SciPy's keeps half of the digits.

    >>> print(f"{log_gamma(1.0000000001):.10e}")      # −γx, x = 1.00000008274e-10
    -5.7721571258e-11
    """
    a = as_numbers(a)
    return choose(abs(a - 1) < 0.3, _log_gamma_series, loggamma, a)


def _log_gamma_series(a):
    return (a - 1) * ((a - 1) * horner(_NEAR_ONE, a - 1) - np.euler_gamma)


def log_peak(a: ArrayLike) -> np.ndarray | np.float64:
    r""":math:`a\log a - a - \log\Gamma(a) = \tfrac12\log\tfrac{a}{2\pi} - R(a)`: the log-density of log x at its
    peak, x gamma of shape a."""
    return 0.5 * np.log(a) - _HALF_LOG_2PI - stirling(a)


def slope(a: ArrayLike) -> np.ndarray | np.float64:
    """R'(a) < 0."""
    return choose(
        as_numbers(a) < _LARGE, lambda a: psi(a) - np.log(a) + 0.5 / a, lambda a: _series(_SLOPE, a, 2), as_numbers(a)
    )


def curvature(a: ArrayLike) -> np.ndarray | np.float64:
    """a² R''(a), between ½ at 0 and 1/(6a) at infinity."""
    a = np.asarray(a, dtype=float)
    if a.size > 64:
        return chebval((1 - a) / (1 + a), _CHEBYSHEV) / (1 + a)
    angle = 2 * np.arctan(np.sqrt(a))  # of which (1 − a)/(1 + a) is the cosine
    return np.cos(angle[..., None] * _DEGREES) @ _CHEBYSHEV / (1 + a)


def excess(a: ArrayLike) -> np.ndarray | np.float64:
    r""":math:`\log a - \psi(a) = \tfrac{1}{2a} - R'(a) > 0`: log of the mean minus mean of the log, under a gamma of
    shape a."""
    return 0.5 / np.asarray(a, dtype=float) - slope(a)


def curvature_drop(a: ArrayLike, m: ArrayLike) -> np.ndarray | np.float64:
    """a² (R''(a) − R''(a + m)) for m > 0: the differences of the terms of `curvature`, with the factor m taken out."""
    a, m = np.asarray(a, dtype=float), np.asarray(m, dtype=float)
    if a.shape != m.shape:
        a, m = np.broadcast_arrays(a, m)
    x, step = a[..., None] + _FIRST, m[..., None]
    here, there = a[..., None] / x / (x + 1), 1 / (x + step) / (x + step + 1)
    terms = here * (step * there) * (2 * x + 1 + step) * (here + a[..., None] * there)
    beyond = a + 8
    log_ratio = np.log1p(m / beyond)
    rest = (np.expm1(-log_ratio[..., None] * (_POWERS + 2)) * beyond[..., None] ** -_POWERS) @ _CURVATURE
    return 0.5 * np.add.reduce(terms, axis=-1) - np.square(a / beyond) * rest


def bregman(a: ArrayLike, b: ArrayLike, difference: ArrayLike | None = None) -> np.ndarray | np.float64:
    r""":math:`B_R(b, a) = R(b) - R(a) - R'(a)(b - a) \ge 0`.

    Unless a and b differ by more than a factor of 7 it is the integral of (b − x) R''(x) from a to b. With
    :math:`x = ae^{lu}`, :math:`l = \log(b/a)`, that is

    .. math:: B_R(b, a) = \int_0^1 l\,\big(e^{l(1-u)} - 1\big)\,x^2R''(x)\,\mathrm{d}u,

    a positive integrand, by ten Gauss–Legendre nodes. Pass the `difference` b − a where it is known more accurately.
    """
    a, b = as_numbers(a), as_numbers(b)
    return choose(_comparable(a, b), _bregman_near, _bregman_far, a, b, b - a if difference is None else difference)


def bregman_drop(
    a: float | np.ndarray, b: float | np.ndarray, m: float | np.ndarray, n: float | np.ndarray, step: ArrayLike
) -> np.ndarray | np.float64:
    """B_R(b, a) − B_R(b + n, a + m) for m, n > 0 with n − m = `step`; nothing is lost if m and n are tiny next to a
    and b."""
    slight = _comparable(a, b) & (10 * m < a) & (10 * n < b)
    return choose(slight, _drop_slight, _drop, a, b, m, n, step)


def _comparable(a, b):
    return (a < 7 * b) & (b < 7 * a)


def _in_blocks(rule):
    """The rule, which adds an axis for its nodes, applied to blocks of long arrays that fit the cache."""

    @wraps(rule)
    def in_blocks(*arguments):
        if all(isinstance(v, np.float64) or v.size <= 512 for v in arguments):
            return rule(*arguments)
        shape = np.broadcast_shapes(*map(np.shape, arguments))
        flat = [np.broadcast_to(v, shape).ravel() for v in arguments]
        blocks = [rule(*(v[i : i + 512] for v in flat)) for i in range(0, flat[0].size, 512)]
        return np.concatenate(blocks).reshape(shape)

    return in_blocks


def bregman_integral(a, b, difference):
    """`bregman` of few numbers that differ by less than a factor of 7."""
    l = np.log1p(difference / a)[..., None]
    return (l * np.expm1(l * _AHEAD) * curvature(a[..., None] * np.exp(l * _NODES))) @ _WEIGHTS


_bregman_near = _in_blocks(bregman_integral)


def _bregman_far(a, b, difference):
    return stirling(b) - stirling(a) - slope(a) * difference


@_in_blocks
def _drop_slight(a, b, m, n, step):
    """Both integrals over t from 0 to 1, x = a + t(b − a) and y = x + m + t step, with t = (e^(lu) − 1)/(e^l − 1)."""
    a, m, step, d = a[..., None], m[..., None], step[..., None], (b - a)[..., None]
    s = np.where(d == 0, 1e-300, d / a)
    l = np.log1p(s)
    x, t = a * np.exp(l * _NODES), np.expm1(l * _NODES) / s
    rest = m + step * t
    weight = l / s * (np.expm1(l * (1 - _NODES)) / s) * np.exp(2 * l * _NODES)  # (1 − t) dt/du (x/a)²
    y = x + rest
    drop = np.square(d / x) * curvature_drop(x, rest) - (step / y) * ((2 * d + step) / y) * curvature(y)
    return (weight * drop) @ _WEIGHTS


def _drop(a, b, m, n, step):
    """The two terms one by one where both are integrals, else all differences between a and a + m, b and b + n
    first."""
    near = _comparable(a, b) & _comparable(a + m, b + n)
    return choose(near, _drop_near, _drop_far, a, b, m, n, step)


def _drop_near(a, b, m, n, step):
    part, total = bregman(np.stack([a, a + m]), np.stack([b, b + n]), np.stack([b - a, b - a + step]))
    return part - total


def _drop_far(a, b, m, n, step):
    rise = _rise(slope, lambda x: curvature(x) / (x * x), a, m)
    return _rise(stirling, slope, a, m) - _rise(stirling, slope, b, n) + (b - a) * rise + step * slope(a + m)


def _rise(function, derivative, a, m):
    """function(a + m) − function(a), for small m by integrating the derivative."""

    def integral(a, m):
        return m * (derivative(a[..., None] + m[..., None] * _NODES) @ _WEIGHTS)

    return choose(m < 0.5 * a, integral, lambda a, m: function(a + m) - function(a), a, m)


def smaller_terms(one, other):
    """Of two ways to write the same sum the one with the smaller terms, which loses fewer digits; elementwise."""
    with np.errstate(all="ignore"):
        first = sum(map(np.abs, one)) <= sum(map(np.abs, other))
    return tuple(np.where(first, a, b) for a, b in zip_longest(one, other, fillvalue=0.0))


def inverse_excess(s: ArrayLike) -> np.ndarray | np.float64:
    """The shape a with log a − ψ(a) = s > 0."""
    s = np.asarray(s, dtype=float)
    if s.ndim == 0 and (shape := _inverse_excess_of_one(float(s))) is not None:
        return np.float64(shape)
    near = np.maximum(s, 1e-100)  # below it a is 1/(2s), with all digits
    start = (3 - near + np.sqrt((near - 3) ** 2 + 24 * near)) / (12 * near)
    root = positive_root(lambda a: (near - excess(a), (0.5 + curvature(a)) / a**2), start)
    with np.errstate(over="ignore"):
        return np.where(s < near, 0.5 / s, root)[()]


def _inverse_excess_of_one(s):
    """`inverse_excess` of a plain number: the same steps without arrays, a tenth of the time; None at extreme ones."""
    if not 1e-100 < s < 1e10:
        return None
    a, before = (3 - s + math.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s), math.inf
    for _ in range(30):
        if a < _LARGE:
            value, slope = math.log(a) - float(psi(a)), float(zeta(2, a)) - 1 / a
        else:
            inverse = 1 / a
            square = inverse * inverse
            value = 0.5 * inverse - horner(_SLOPE_DOWN, square) * square
            slope = (0.5 + horner(_CURVATURE_DOWN, square) * inverse) * square
        step = (value - s) / (slope * a)
        size = abs(step)
        a *= math.exp(max(-3.0, min(step, 3.0)))
        if size < 1e-9 or (size < 1e-6 and size >= before / 2):  # Newton's next step would be its square
            return a
        before = size
    return None
