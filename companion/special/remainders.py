r"""Non-negative remainders from which every accurate KL in this package is built.

A KL divergence between close distributions is tiny, and the textbook formulas get it by subtracting numbers that are
not. Here the difference of parameters is taken first, and the KL is a sum of the remainders of three Taylor
expansions, each of them non-negative and each computed without cancellation:

* :math:`\varphi(t) = t - \log(1 + t)`, the gap in :math:`\log(1+t) \le t`;
* :math:`e(y) = e^y - 1 - y`, the gap in :math:`e^y \ge 1 + y`;
* :math:`p\log(p/q) - p + q`, the gap in :math:`\log t \le t - 1` at :math:`t = q/p`, times :math:`p`.

Beside them stands Stirling's remainder, what is left of log Γ when its large terms are taken out: it does the same for
factorials, in the log-probabilities of counts and in the KL of gamma and Dirichlet distributions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

_SMALL = 0.5  # inside, the series; outside, subtraction costs at most two bits
_PHI = np.array([1.0 / k for k in range(37, 1, -2)])
_E = np.array([1.0 / math.factorial(k) for k in range(17, 1, -1)])
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_LARGE = 10.0  # from here on Stirling's series has all digits
#: Coefficients of a^-1, a^-3, … in the asymptotic series of Stirling's remainder.
STIRLING = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400])


def as_numbers(value: ArrayLike) -> Any:
    """`value` as a float array, a single number as a NumPy scalar: its arithmetic is ten times as fast."""
    return np.asarray(value, dtype=float)[()]


def choose(holds, near, far, *arguments, inner=0):
    """``near(*arguments)`` where `holds`, ``far(*arguments)`` elsewhere; of long arrays each only where it is
    wanted. The arguments may have `inner` more axes, the last ones, which the functions sum over.

    >>> choose(np.array([True, False]), np.negative, np.sqrt, np.array([4.0, 9.0]))
    array([-4.,  3.])
    """
    if not isinstance(holds, np.ndarray):
        return near(*arguments) if holds else far(*arguments)
    wanted = np.count_nonzero(holds)
    if wanted in (0, holds.size):
        return (near if wanted else far)(*arguments)
    if holds.size <= 16 and not inner:  # to compute both costs less than to sort them apart
        with np.errstate(all="ignore"):
            return np.where(holds, near(*arguments), far(*arguments))
    result, others = np.empty(holds.shape), ~holds
    shape = holds.shape + np.shape(arguments[0])[np.ndim(arguments[0]) - inner :]
    arguments = [a if np.shape(a) == shape else np.broadcast_to(a, shape) for a in arguments]
    result[holds] = near(*(a[holds] for a in arguments))
    result[others] = far(*(a[others] for a in arguments))
    return result


def horner(coefficients, x):
    """The polynomial with `coefficients` from the highest power down."""
    if not isinstance(x, np.ndarray):
        x = float(x)
    elif x.size <= 16:  # one product of matrices instead of many small steps
        return x[..., None] ** np.arange(len(coefficients))[::-1] @ coefficients
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def standardised(x: Any, centre: Any, scale: Any) -> Any:
    """(x − centre)/scale, also where the difference alone leaves the range of doubles."""
    with np.errstate(over="ignore", invalid="ignore"):
        z = (x - centre) / scale
        if np.isfinite(z).all():
            return z
        return np.where(np.isfinite(z), z, (x / 2 - centre / 2) / scale * 2)


def phi(t: ArrayLike, ratio: ArrayLike | None = None, log_ratio: ArrayLike | None = None) -> np.ndarray | np.float64:
    r""":math:`\varphi(t) = t - \log(1+t) \ge 0`, to full relative accuracy for every :math:`t > -1`.

    Near zero the series in :math:`z = t/(2+t)` is used,
    :math:`\varphi = z\,(t - 2z^2(\tfrac13 + \tfrac15 z^2 + \tfrac17 z^4 + \dots))`, elsewhere the difference.

    Parameters
    ----------
    t : array_like
        Relative difference. It may be infinite; it must be at least -1.
    ratio, log_ratio : array_like, optional
        The value of 1 + t, or its logarithm, where the caller has one more accurately than the sum (close to t = -1).

    Returns
    -------
    ndarray or float
        Same shape as `t`; `inf` at t = -1.

    Notes
    -----
    The error, counted in roundings u to first order, with the series where \|t\| < 0.3: z is a sum and a quotient, 2u.
    Then z² has 5u, and the inner series 3u: its last coefficient and its last addition have u each, and all before
    them is less than a fiftieth of it. So the second term in the brackets has 9u; but it is at most 0.071 of the
    first, which makes less than 1.7u for the brackets. With 2u of z, u of the last product and less than 0.1u of the
    terms left out the sum is below 5u. With the series up to \|t\| = 0.5, as here, the second term is at most 0.16 of
    the first: 6u.

    Elsewhere, if log1p is off by a u, the error is a u \|log(1 + t)\| + u φ, and \|log(1 + t)\|/φ falls on both sides
    of zero. It is below 7 at ±0.3, which makes (7a + 1)u, or 15u with a log1p that is right to one unit in the last
    place (a = 2); it is below 4.3 at ±0.5, which makes 10u.

    Examples
    --------
    >>> print(f"{phi(1e-9):.12e}")     # t - log1p(t) keeps six digits here, t - log(1 + t) none
    4.999999996667e-19
    >>> float(phi(0.0))
    0.0
    """
    t = as_numbers(t)
    given, log = (ratio, np.log) if log_ratio is None else (log_ratio, np.asarray)
    given, log = (t, np.log1p) if given is None else (as_numbers(given), log)
    with np.errstate(divide="ignore", invalid="ignore"):
        return choose(abs(t) < _SMALL, _phi_series, lambda t, given: _less_log(t, log(given)), t, given)


def _phi_series(t, *_):
    z = t / (2.0 + t)
    z2 = z * z
    return z * (t - 2.0 * z2 * horner(_PHI, z2))


def _less_log(t, log_ratio):
    return t - np.where(t == np.inf, 0.0, log_ratio)


def phi_of(q: ArrayLike, p: ArrayLike, difference: ArrayLike | None = None) -> np.ndarray | np.float64:
    r""":math:`\varphi\big(\tfrac{q-p}{p}\big) = \tfrac qp - 1 - \log\tfrac qp` for positive p and q, however far apart.

    The KL divergence of two exponential distributions with rates p and q, and a part of most others.

    >>> print(f"{phi_of(1.0 + 1e-9, 1.0):.6e}")
    5.000001e-19
    >>> round(float(phi_of(1e-200, 1e200)), 3)      # the ratio is below all doubles, its logarithm is not
    920.034
    """
    q, p = as_numbers(q), as_numbers(p)
    difference = q - p if difference is None else as_numbers(difference)
    with np.errstate(all="ignore"):
        return _phi_of_power(1, difference / p, q / p, q, p)


def phi_of_squares(q: ArrayLike, p: ArrayLike) -> np.ndarray | np.float64:
    """φ(q²/p² − 1) for positive p and q, however far apart: twice the KL divergence of centred normal distributions.

    >>> print(f"{phi_of_squares(1.0 + 2**-30, 1.0):.6e}")
    1.734723e-18
    """
    q, p = as_numbers(q), as_numbers(p)
    with np.errstate(all="ignore"):
        ratio = q / p
        return _phi_of_power(2, (q - p) / p * (ratio + 1), ratio, q, p)


def _phi_of_power(power, t, ratio, q, p):
    """φ(t) for 1 + t = (q/p)^power."""
    if ((ratio > 1e-300) & (ratio < 1e300)).all():
        return choose(abs(t) < _SMALL, _phi_series, lambda t, r: t - power * np.log(r), t, ratio)
    return choose(
        abs(t) < _SMALL, _phi_series, lambda t, r, q, p: _less_log(t, power * _log_of(r, q, p)), t, ratio, q, p
    )


def log_ratio(q: ArrayLike, p: ArrayLike) -> np.ndarray | np.float64:
    """log(q/p) for positive p and q, to full relative accuracy however close or far apart.

    >>> print(f"{log_ratio(1.0 + 2**-52, 1.0):.12e}, {log_ratio(1e-200, 1e200):.12f}")
    2.220446049250e-16, -921.034037197618
    """
    q, p = as_numbers(q), as_numbers(p)
    with np.errstate(all="ignore"):
        t = (q - p) / p
        return choose(abs(t) < _SMALL, lambda t, q, p: np.log1p(t), lambda t, q, p: _log_of(q / p, q, p), t, q, p)


def _log_of(ratio, q, p):
    """log(q/p): one rounding instead of two large logarithms, unless the ratio is out of the range of doubles."""
    whole = (ratio > 1e-300) & (ratio < 1e300)
    return choose(whole, lambda r, q, p: np.log(r), lambda r, q, p: np.log(q) - np.log(p), ratio, q, p)


def expm1_remainder(y: ArrayLike) -> np.ndarray | np.float64:
    r""":math:`e(y) = e^y - 1 - y \ge 0`, to full relative accuracy.

    Examples
    --------
    >>> float(expm1_remainder(1e-9))
    5.000000001666667e-19
    >>> float(expm1_remainder(-np.inf))
    inf
    """
    y = as_numbers(y)
    with np.errstate(over="ignore", invalid="ignore"):
        return choose(abs(y) < 0.5, _e_series, lambda y: np.expm1(y) - np.where(y == np.inf, 0.0, y), y)


def _e_series(y):
    return y * y * horner(_E, y)


def kl_term(
    p: ArrayLike, q: ArrayLike, difference: ArrayLike | None = None, log_q: ArrayLike | None = None
) -> np.ndarray | np.float64:
    r""":math:`p\log(p/q) - p + q \ge 0` for :math:`p, q \ge 0`; 0 log 0 = 0, and `inf` where q = 0 < p.

    Summed over the cells of two probability vectors it is KL(p‖q), since the cells of p and q have equal sums;
    every term is non-negative, so that nothing cancels.

    Parameters
    ----------
    p, q : array_like
        Non-negative numbers, broadcast against each other.
    difference : array_like, optional
        q - p, where the caller knows it more accurately than the subtraction.
    log_q : array_like, optional
        log q, where the caller knows it although q is too small for a double.

    Examples
    --------
    >>> kl_term([0.5, 0.0, 0.5], [0.5, 0.25, 0.0])
    array([0.  , 0.25,  inf])
    """
    p, q = as_numbers(p), as_numbers(q)
    difference = q - p if difference is None else as_numbers(difference)
    near = abs(difference) < _SMALL * p
    if log_q is None:
        return choose(near, _near_term, _far_term, p, q, difference)
    return choose(near, _near_term, _far_term, p, q, difference, as_numbers(log_q))


def _near_term(p, q, difference, log_q=None):
    return p * _phi_series(difference / p)


def _far_term(p, q, difference, log_q=None):
    with np.errstate(all="ignore"):
        log_q = np.log(q) if log_q is None else log_q
        return choose((q > 1e-300) & (p > 0), _inner_term, _edge_term, p, q, log_q) + difference


def _inner_term(p, q, log_q):
    return p * _log_of(p / q, p, q)


def _edge_term(p, q, log_q):
    """p log(p/q) where p = 0 or q is too small to have all its digits."""
    return np.where(p > 0, p * (np.log(p) - log_q), 0.0)


def stirling(a: ArrayLike) -> np.ndarray | np.float64:
    r"""Stirling's remainder R(a) > 0, :math:`\log\Gamma(a) = (a - \tfrac12)\log a - a + \tfrac12\log 2\pi + R(a)`;
    for a = k also that of :math:`\log k! = (k + \tfrac12)\log k - k + \tfrac12\log 2\pi + R(k)`.

    >>> print(f"{stirling(1e8):.12e}")     # gammaln minus Stirling's formula has no digit of it
    8.333333333333e-10
    """
    a = as_numbers(a)
    return choose(a >= _LARGE, _stirling_series, _stirling_near, a)


def _stirling_series(a):
    inverse = 1 / a
    return inverse * horner(STIRLING[::-1], inverse * inverse)


def _stirling_near(a):
    with np.errstate(divide="ignore", invalid="ignore"):
        return gammaln(a) - (a - 0.5) * np.log(a) + a - _HALF_LOG_2PI
