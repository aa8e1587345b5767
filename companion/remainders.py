r"""Non-negative remainders from which every accurate KL in this package is built.

A KL divergence between close distributions is tiny, and the textbook formulas get it by subtracting numbers that are
not. Here the difference of parameters is taken first, and the KL is a sum of the remainders of three Taylor
expansions, each of them non-negative and each computed without cancellation:

* :math:`\varphi(t) = t - \log(1 + t)`, the gap in :math:`\log(1+t) \le t`;
* :math:`e(y) = e^y - 1 - y`, the gap in :math:`e^y \ge 1 + y`;
* :math:`p\log(p/q) - p + q`, the gap in :math:`\log t \le t - 1` at :math:`t = q/p`, times :math:`p`.
"""

from __future__ import annotations

import numpy as np

_SMALL = 0.3  # inside, the series; outside, subtraction costs at most three bits


def phi(t, ratio=None, log_ratio=None):
    r""":math:`\varphi(t) = t - \log(1+t) \ge 0`, to full relative accuracy for every :math:`t > -1`.

    Near zero the series in :math:`z = t/(2+t)` is used,
    :math:`\varphi = z\,(t - 2z^2(\tfrac13 + \tfrac15 z^2 + \tfrac17 z^4 + \dots))`.

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

    Examples
    --------
    >>> print(f"{phi(1e-9):.12e}")     # t - log1p(t) keeps six digits here, t - log(1 + t) none
    4.999999996667e-19
    >>> float(phi(0.0))
    0.0
    """
    t = np.asarray(t, dtype=float)
    small = np.abs(t) < _SMALL
    s = np.where(small, t, 0.0)
    z = s / (2.0 + s)
    z2 = z * z
    series = np.zeros_like(z)
    for k in range(21, 1, -2):  # 1/3 + z^2/5 + ... + z^18/21; |z| < 0.18 leaves 1e-17 of the first term
        series = series * z2 + 1.0 / k
    near = z * (s - 2.0 * z2 * series)
    with np.errstate(divide="ignore", invalid="ignore"):
        if log_ratio is None:
            log_ratio = np.log1p(np.where(small, 0.0, t)) if ratio is None else np.log(np.where(small, 1.0, ratio))
        far = np.where(np.isposinf(t), np.inf, t - log_ratio)
    return np.where(small, near, far)[()]


def expm1_remainder(y):
    r""":math:`e(y) = e^y - 1 - y \ge 0`, to full relative accuracy.

    Examples
    --------
    >>> float(expm1_remainder(1e-9))
    5.000000001666667e-19
    >>> float(expm1_remainder(-np.inf))
    inf
    """
    y = np.asarray(y, dtype=float)
    small = np.abs(y) < 0.5
    s = np.where(small, y, 0.0)
    series = np.zeros_like(s)
    for k in range(17, 2, -1):  # 1 + y/3 (1 + y/4 (1 + ...))
        series = (1.0 + series) * s / k
    near = 0.5 * s * s * (1.0 + series)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.expm1(y) - y
    far = np.where(np.isposinf(y), np.inf, far)
    return np.where(small, near, far)[()]


def kl_term(p, q, difference=None, log_q=None):
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
    p, q = np.broadcast_arrays(np.asarray(p, dtype=float), np.asarray(q, dtype=float))
    difference = q - p if difference is None else np.asarray(difference, dtype=float)
    near = np.abs(difference) < _SMALL * p
    safe = np.where(near, p, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        inside = p * phi(np.where(near, difference, 0.0) / safe)
        ratio = p / q
        log_q = np.log(q) if log_q is None else np.asarray(log_q, dtype=float)
        # one rounding instead of two large logarithms, unless q is too small to have all its digits
        direct = (ratio > 1e-300) & np.isfinite(ratio) & (q > 1e-300)
        log_ratio = np.where(direct, np.log(np.where(direct, ratio, 1.0)), np.log(p) - log_q)
        outside = np.where(p > 0, p * log_ratio, 0.0) + difference
    return np.where(near, inside, outside)[()]
