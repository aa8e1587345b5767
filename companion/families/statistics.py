r"""Sufficient statistics as objects that add: what a fit needs to know of a sample, however large.

A sample enters the likelihood of an exponential family through :math:`\sum_i w_i\,u(x_i)` alone, so the statistics of
two samples add up to those of their union. Written as raw sums (of x and x², say) they lose all digits when the spread
is small against the mean. Here sums are taken about a *shift* near the mean, :math:`\sum(x-c)` and
:math:`\sum(x-c)^2`, in one pass over chunks that fit the cache; two samples are brought to one shift before they are
added, and that takes only their sums.

`ExponentialFamily` adds up u(x) as it is. `ShiftedMoments` and `ShiftedRatios` are for the families whose fit is a
small difference of averages. Each is a Jensen gap, the mean of a convex function less the function of the mean, best
taken about that mean: x² for the normal distribution, −log x for the gamma, 1/x for the inverse Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from companion import checks

#: Observations that are summed at a time: two buffers of this length stay in a processor's cache.
CHUNK = 65536

#: Squares below it have lost digits: the smallest normal double over the rounding unit.
_SMALL = np.finfo(float).tiny / np.finfo(float).eps


class Statistics:
    r"""Sufficient statistics of a weighted sample, for one family; immutable. ``a + b`` are those of both samples.

    Made by `ExponentialFamily.statistics`, taken by `ExponentialFamily.fit`.

    Attributes
    ----------
    family : type
        The family.
    fixed : mapping
        The parameters that the family holds fixed, e.g. ``{"n": 12}`` of a binomial.
    weight : float
        Sum of the weights: the number of observations n where none were given.
    shift, sums
        The sums that are kept, and the point about which they are taken (None for sums of u itself).

    Raises
    ------
    TypeError
        If the two that are added are not statistics of one family.
    ValueError
        If the two have other values of the fixed parameters.

    References
    ----------
    Chan, Golub and LeVeque (1983).

    Examples
    --------
    >>> from companion.families import Normal
    >>> morning, evening = Normal.statistics([1.0, 2.0]), Normal.statistics([3.0, 6.0])
    >>> morning + evening
    Statistics(family=Normal, weight=4.0, mean=[3.0, 12.5])
    >>> Normal.fit(morning + evening) == Normal.fit([1.0, 2.0, 3.0, 6.0])
    True
    >>> chunks = (np.random.default_rng(seed).normal(1e9, 0.1, 10_000) for seed in range(20))
    >>> round(float(Normal.fit(sum(Normal.statistics(chunk) for chunk in chunks)).sd), 3)
    0.1
    """

    __slots__ = ("family", "fixed", "weight", "shift", "sums")

    family: Any
    fixed: Mapping[str, Any]
    weight: float
    shift: Any
    sums: tuple[Any, ...]

    def __init__(self, family: Any, fixed: Mapping[str, Any], weight: float, shift: Any, sums: tuple[Any, ...]):
        for array in (shift, *sums):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        for name, value in zip(self.__slots__, (family, MappingProxyType(dict(fixed)), weight, shift, sums)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(f"Statistics.{name} cannot be assigned: statistics are immutable. Add to them with a + b.")

    def __delattr__(self, name):
        raise AttributeError(f"Statistics.{name} cannot be deleted: statistics are immutable.")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """Statistics travel between processes."""
        return Statistics, (self.family, dict(self.fixed), self.weight, self.shift, self.sums)

    def __add__(self, other: Statistics) -> Statistics:
        if not isinstance(other, Statistics) or other.family is not self.family:
            checks.fail(
                "Statistics",
                "other",
                other,
                f"statistics of {self.family.__name__}",
                f"Make them with {self.family.__name__}.statistics(x).",
                TypeError,
            )
        if self.fixed != other.fixed:
            checks.fail(
                "Statistics",
                "fixed parameters",
                dict(other.fixed),
                str(dict(self.fixed)),
                "Take the statistics of all chunks with the same ones.",
            )
        heavy, light = (self, other) if self.weight >= other.weight else (other, self)
        shift = self.family._shift_for_both(heavy.shift, light.shift)
        sums = tuple(a + b for a, b in zip(heavy._about(shift), light._about(shift)))
        return Statistics(self.family, self.fixed, heavy.weight + light.weight, shift, sums)._centred()

    def __radd__(self, other: Any) -> Statistics:
        """0 + statistics, so that `sum` works."""
        return self if isinstance(other, int) and other == 0 else self.__add__(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self):
        numbers = (np.asarray(v, dtype=float) + 0.0 for v in (self.shift, *self.sums) if v is not None)
        fixed = tuple(sorted(self.fixed.items()))
        return self.family, fixed, self.weight, *((v.shape, v.tobytes()) for v in numbers)

    def __repr__(self) -> str:
        fixed = "".join(f", {name}={value!r}" for name, value in self.fixed.items())
        return (
            f"Statistics(family={self.family.__name__}{fixed}, weight={self.weight!r}, mean={self.mean().tolist()!r})"
        )

    def mean(self) -> np.ndarray:
        r"""Weighted average of u(x), shape (k,): :math:`\mathrm{E}_{\mathrm{emp}}[u]`, half of every gradient."""
        return np.atleast_1d(self.family._mean_statistic(self))

    def _about(self, shift):
        """The sums about another shift."""
        return self.family._moved(self.weight, self.shift, self.sums, shift, **self.fixed)

    def _centred(self):
        """The same statistics about the mean of the sample."""
        shift = self.family._centre(self.weight, self.shift, self.sums)
        return Statistics(self.family, self.fixed, self.weight, shift, self._about(shift))


@cache
def _example(family):
    """The example of a family that holds nothing fixed: immutable, so one is enough."""
    return family._example()


def of_sample(family, x, weights, fixed, method):
    """Statistics of the sample x (n, ...), weights (n,) or None: one pass, no copy of x. Errors name the `method`."""
    n, example = len(x), family._example(**fixed) if fixed else _example(family)
    rows = min(n, max(1, CHUNK * n // x.size))
    work = np.empty((2, rows, *x.shape[1:]))
    total = float(n if weights is None else weights.sum())
    if x.dtype.kind in "iu" and abs(float(x.flat[0])) > 2.0**53:  # else what rounding loses is small next to the spread
        _require_doubles(f"{family.__name__}.{method}", x)
    with np.errstate(all="ignore"):
        shift, sums, done = example._first_shift(x, weights), None, 0.0
        for i, start in enumerate(range(0, n, rows)):
            part = np.asarray(x[start : start + rows], dtype=float)
            w = None if weights is None else weights[start : start + rows]
            if not example._accepts(part):
                example._check_sample(x, method)
            new = example._sums_about(shift, part, w, work[:, : len(part)])
            sums = new if sums is None else tuple(a + b for a, b in zip(sums, new))
            done += len(part) if w is None else w.sum()
            if i & (i + 1) == 0 and shift is not None:  # the shift follows the mean: at 1, 2, 4, 8, … chunks
                running = Statistics(family, fixed, done, shift, sums)._centred()
                shift, sums = running.shift, running.sums
    if np.any(small := example._underflows(sums, total)):  # or all observations are equal
        lost = np.ptp(example._moment_variable(x + 0.0, None), axis=0) * small
        expected, fix = "0, or a number whose square keeps its digits", "Change the unit of measurement."
        checks.require(f"{family.__name__}.{method}", "spread of x", lost, lost == 0, expected, fix)
    if not all(np.isfinite(s).all() if np.ndim(s) else math.isfinite(s) for s in sums):
        example._check_sample(x, method)
        checks.fail(
            f"{family.__name__}.{method}",
            "largest sum",
            float(np.max([np.max(s) for s in sums])),
            "a finite number",
            "The sums of these observations overflow: change the unit of measurement.",
        )
    return Statistics(family, fixed, total, shift, sums)._centred()


def _require_doubles(where, x):
    """Fail if a whole number is changed by its conversion to a double."""
    exact = [int(v) == int(float(v)) for v in x.flat]
    if not all(exact):
        checks.fail(
            where,
            "x",
            int(x.flat[exact.index(False)]),
            "whole numbers that doubles hold: all those up to 2**53",
            "Subtract a whole number from all of them before.",
        )


def weighted_sum(values, weights):
    """Σ w v over the first axis; `values` (n,) or (n, d)."""
    if weights is None:
        return values.sum() if values.ndim == 1 else np.ones(len(values)) @ values
    return weights @ values


def head(x):
    """The first observations: a sixteenth of a chunk, so that their mean is at most four sd from that of the chunk."""
    return np.array(x[: max(1, CHUNK // 16)], dtype=float)


def first_mean(y, weights):
    """The mean of the first observations, exactly theirs if all are equal."""
    away, weights = y - y[0], None if weights is None else weights[: len(y)]
    return y[0] + weighted_sum(away, weights) / (len(y) if weights is None else weights.sum())


class ShiftedMoments:
    r"""Families whose statistics are first and second moments of some y(x): sums of :math:`y-c` and :math:`(y-c)^2`.

    `_moment_variable` is y; for vectors the squares are taken by coordinate.
    """

    def _moment_variable(self, x, out):
        return x

    def _first_shift(self, x, weights):
        return first_mean(self._moment_variable(head(x), None), weights)

    def _underflows(self, sums, weight):
        """Where the squares are so small that they have lost digits, or are all zero."""
        return sums[1] < _SMALL * weight

    def _sums_about(self, shift, x, weights, work):
        away = self._moment_variable(x, work[0])
        away = np.subtract(away, shift, out=work[0] if away.shape == work[0].shape else None)
        if away.ndim == 1:
            return weighted_sum(away, weights), away @ (
                away if weights is None else np.multiply(away, weights, out=work[1])
            )
        return weighted_sum(away, weights), weighted_sum(away * away, weights)

    @classmethod
    def _centre(cls, weight, shift, sums):
        return shift + sums[0] / weight

    @classmethod
    def _moved(cls, weight, shift, sums, new, **fixed):
        first, second = sums
        d = shift - new
        return first + weight * d, second + d * (2 * first + weight * d)

    @classmethod
    def _mean_and_variance(cls, statistics):
        """Mean and variance of y; exactly 0 if all observations are equal."""
        first, second = (s / statistics.weight for s in statistics.sums)
        return statistics.shift + first, np.maximum(second - first**2, 0.0)

    @classmethod
    def _mean_statistic(cls, statistics):
        mean, variance = cls._mean_and_variance(statistics)
        return np.stack([mean, variance + mean**2])


class ShiftedRatios:
    r"""Families of positive numbers whose fit needs the Jensen gap of a convex function: sums of :math:`t = x/c - 1`
    and of a remainder f(t) ≥ 0, the function less its tangent at c.

    `_remainder` gives Σ f(t), and `_remainder_moved` the same about another shift.
    """

    def _first_shift(self, x, weights):
        return first_mean(head(x), weights)

    def _sums_about(self, shift, x, weights, work):
        t = np.divide(np.subtract(x, shift, out=work[0]), shift, out=work[0])
        return weighted_sum(t, weights), self._remainder(t, x, shift, weights, work[1])

    @classmethod
    def _centre(cls, weight, shift, sums):
        return shift * (1 + sums[0] / weight)

    @classmethod
    def _moved(cls, weight, shift, sums, new, **fixed):
        d = (shift - new) / new  # x/new − 1 = (1 + d) t + d
        return sums[0] * (1 + d) + weight * d, cls._remainder_moved(weight, d, *sums)

    @classmethod
    def _mean_and_gap(cls, statistics):
        """Mean of x, and the mean of f about that mean; the latter exactly 0 if all observations are equal."""
        first, second = (s / statistics.weight for s in statistics.sums)
        return statistics.shift * (1 + first), second
