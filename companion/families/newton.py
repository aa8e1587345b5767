"""Roots of increasing functions: the inverse mean maps that have no closed form."""

from __future__ import annotations

import numpy as np

_EPS = np.finfo(float).eps


def positive_root(function, start):
    r"""The root x > 0 of an increasing function, for every entry of `start` at once.

    Newton's method in log x. A step changes x by a factor of at most 20 and stays inside the bracket found so far. It
    ends when a step is below 4 units of the last digit of x, or is small and no longer shrinks (rounding).

    Parameters
    ----------
    function : callable
        x -> (value, slope), arrays of the shape of `start`.
    start : array_like
        Positive starting values.

    Raises
    ------
    ArithmeticError
        If 200 steps are not enough.

    Examples
    --------
    >>> positive_root(lambda x: (x**2 - [2.0, 1e-20], 2 * x), [1.0, 1.0])
    array([1.41421356e+00, 1.00000000e-10])
    """
    x = np.array(start, dtype=float)
    low, high, before = np.zeros_like(x), np.full_like(x, np.inf), np.full_like(x, np.inf)
    done = np.zeros(x.shape, dtype=bool)
    for _ in range(200):
        value, slope = function(x)
        low, high = np.where(value < 0, x, low), np.where(value > 0, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = np.clip(-value / (slope * x), -3.0, 3.0)
            new = x * np.exp(step)
            middle = np.sqrt(low) * np.sqrt(high)
        size = np.abs(step)
        new = np.where((new > low) & (new < high) | (size < 1e-9), new, middle)
        x, done = np.where(done, x, new), done | (size <= 4 * _EPS) | (size < 1e-6) & (size >= before / 2)
        before = size
        if done.all():
            return x[()]
    raise ArithmeticError(
        f"positive_root: last relative step = {size.max():.1e} after 200 steps; expected less than 1e-15."
    )
