"""Roots of increasing functions: the inverse mean maps that have no closed form, and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_EPS = np.finfo(float).eps


def positive_root(function: Callable, start: ArrayLike) -> Any:
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


def tail_root(function: Callable, low: ArrayLike, high: ArrayLike, start: ArrayLike) -> np.ndarray:
    """Where the logarithm of an increasing tail is that of its target, for every entry at once.

    Newton's method, kept inside the bracket found so far. An entry is done when its step is below 4 units of the last
    digit of x, or is small and no longer shrinks (rounding). After 60 steps what is no root is left for the caller.

    Parameters
    ----------
    function : callable
        x -> (logarithm of the tail over its target, its slope).
    low, high : array_like
        Ends, which may be infinite.
    start : array_like
        Where to begin, between them.

    Examples
    --------
    >>> tail_root(lambda x: (np.log(-np.expm1(-x) / 0.5), 1 / np.expm1(x)), 0.0, np.inf, 3.0)
    array(0.69314718)
    """
    low, high, x = (np.array(v, dtype=float) for v in np.broadcast_arrays(low, high, start))
    done, before = np.zeros(x.shape, dtype=bool), np.full_like(x, np.inf)
    for _ in range(60):
        with np.errstate(all="ignore"):
            value, slope = function(x)
            low, high = np.where(value < 0, x, low), np.where(value > 0, x, high)
            new, size = x - value / slope, abs(value / slope)
            near = (size <= 4 * _EPS * abs(x)) | (abs(value) < 1e-8) & (size >= before / 2)  # or rounding is all
            done, before = done | (value == 0) | near, size
            x = np.where(done, x, np.where((new > low) & (new < high), new, _between(low, high)))
        if np.all(done):
            break
    return x


def _between(low, high):
    """A number between the ends; far from both, also where they differ by many powers of ten or one is infinite."""
    far_out = np.where(low == -np.inf, np.where(high == np.inf, 0.0, np.fmin(4 * high, high / 4) - 1), 4 * abs(low) + 1)
    ratio = np.where(low > 0, high / low, np.where(low == 0, np.inf, 1.0))
    scaled = np.where(low > 0, np.sqrt(low) * np.sqrt(high), high / 16)
    middle = np.where(ratio > 16, scaled, low / 2 + high / 2)
    return np.where(np.isfinite(low) & np.isfinite(high), middle, far_out)


def first_at_least(
    function: Callable, target: ArrayLike, low: ArrayLike, high: ArrayLike, whole: bool = False
) -> np.ndarray:
    """The smallest x from `low` to `high` with function(x) ≥ target, for every entry at once, by bisection.

    The function does not decrease. It ends at neighbouring doubles or, if `whole`, at neighbouring whole numbers.
    `high` may be infinite: numbers that grow fourfold are tried before.

    Examples
    --------
    >>> first_at_least(lambda x: x**2, [2.0, 9.0], 0.0, np.inf)
    array([1.41421356, 3.        ])
    >>> first_at_least(lambda x: x**2, [2.0, 9.0], 0.0, np.inf, whole=True)
    array([2., 3.])
    """
    target, low, high = np.broadcast_arrays(target, low, high)
    largest = np.finfo(float).max / 4
    reach = np.where(np.isfinite(high), high, np.fmax(low, 0.0) + 1.0)
    while np.any(short := (function(reach) < target) & (reach < high) & (reach < largest)):
        low, reach = np.where(short, reach, low), np.where(short, 4 * np.fmin(reach, largest), reach)
    below, high = low, np.where(function(low) >= target, low, reach)
    while True:
        middle = below / 2 + high / 2
        middle = np.floor(middle) if whole else middle
        if np.all((middle <= below) | (middle >= high)):
            return high
        reached = function(middle) >= target
        below, high = np.where(reached, below, np.fmax(middle, below)), np.where(reached, np.fmin(middle, high), high)
