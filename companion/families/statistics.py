"""Sufficient statistics as objects that add: what a fit needs to know of a sample, however large.

The statistics of two samples add up to those of their union. What they hold, by name, is a kind of
`companion.families.sums`; how a sample is read in one pass, over chunks that fit the cache, stands here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from companion import checks
from companion.families.sums import Sums

#: A pass leaves of the distance between point and mean what it rounds by, fifteen digits less: so many reach across all
#: doubles.
_PASSES = 40

#: Weights below it, times squares of relative differences, are not normal doubles.
_LEAST = 1e-290


class Statistics:
    r"""Sufficient statistics of a weighted sample, for one family; immutable. ``a + b`` are those of both samples.

    Made by `ExponentialFamily.statistics`, taken by `ExponentialFamily.fit`.

    Attributes
    ----------
    family : type
        The family.
    fixed : mapping
        The parameters that the family holds fixed, e.g. ``{"n": 12}`` of a binomial.
    sums : companion.families.sums.Sums
        What is kept of the sample, by name: for a normal distribution ``sums.shift``, ``sums.first`` and
        ``sums.second``.

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

    __slots__ = ("family", "fixed", "sums")

    family: Any
    fixed: Mapping[str, Any]
    sums: Sums

    def __init__(self, family: Any, fixed: Mapping[str, Any], sums: Sums):
        for name, value in zip(self.__slots__, (family, MappingProxyType(dict(fixed)), sums)):
            object.__setattr__(self, name, value)

    @property
    def weight(self) -> float:
        """Sum of the weights: the number of observations n where none were given."""
        return self.sums.weight

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
        return Statistics, (self.family, dict(self.fixed), self.sums)

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
        return Statistics(self.family, self.fixed, self.sums.merge(other.sums))

    def __radd__(self, other: Any) -> Statistics:
        """0 + statistics, so that `sum` works."""
        return self if isinstance(other, int) and other == 0 else self.__add__(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self):
        numbers = (np.asarray(getattr(self.sums, f.name), dtype=float) + 0.0 for f in fields(self.sums))
        fixed = tuple(sorted(self.fixed.items()))
        return self.family, fixed, *((v.shape, v.tobytes()) for v in numbers)

    def __repr__(self) -> str:
        fixed = "".join(f", {name}={value!r}" for name, value in self.fixed.items())
        return (
            f"Statistics(family={self.family.__name__}{fixed}, weight={self.weight!r}, mean={self.mean().tolist()!r})"
        )

    def mean(self) -> np.ndarray:
        r"""Weighted average of u(x), shape (k,): :math:`\mathrm{E}_{\mathrm{emp}}[u]`, half of every gradient."""
        return self.sums.mean()


@cache
def _member(family):
    """Any member of a family that holds nothing fixed: immutable, so one is enough."""
    return family._example()


def of_sample(family, x, weights, fixed, method):
    """Statistics of the sample x (n, ...), weights (n,) or None: one pass, no copy of x. Errors name the `method`."""
    where, n = f"{family.__name__}.{method}", len(x)
    member = family._example(**fixed) if fixed else _member(family)
    rows = min(n, max(1, family._sums.chunk * n // x.size))
    work = np.empty((2, rows, *x.shape[1:]))
    weight = float(n if weights is None else weights.sum())
    if weight < _LEAST:
        fix = "Multiply all weights by one number: no estimate depends on it. Leave out those that are next to nothing."
        checks.fail(where, "sum of weights", weight, f"at least {_LEAST:g}, below which products lose digits", fix)
    if x.dtype.kind in "iu" and abs(float(x.flat[0])) > 2.0**53:  # else what rounding loses is small next to the spread
        _require_doubles(where, x)
    with np.errstate(all="ignore"):
        sums = family._sums.start(member, x, weights)
        for number in range(1, _PASSES + 1):
            sums, largest = _added(sums, member, x, weights, work, method, follow=number == 1)
            if number == _PASSES or not sums.lost_digits(largest):
                break
            # the first observations were far from where most of the weight is
            sums = sums.centred().emptied()
    sums = sums.changed(weight=weight)  # all at once, it rounds less
    sums.check_digits(where, x)
    terms = sums.terms().values()
    if not all(np.isfinite(s).all() if np.ndim(s) else math.isfinite(s) for s in terms):
        member._check_sample(x, method)
        checks.fail(
            where,
            "largest sum",
            float(np.max([np.max(s) for s in terms])),
            "a finite number",
            "The sums of these observations leave the range of doubles: change the unit of measurement, or multiply "
            "all weights by one number.",
        )
    return Statistics(family, fixed, sums.centred())


def _added(sums, member, x, weights, work, method, follow):
    """The sums with the sample added, chunk by chunk, and their largest size on the way. The shift may `follow` the
    mean of what was added; where it is that of a pass before, it stays."""
    n, rows, largest = len(x), work.shape[1], 0.0
    first = rows if n == rows else max(1, rows // 16)  # after a short one, point and size of the sums are known
    for i, start in enumerate((0, *range(first, n, rows))):
        end = start + rows if start else first
        part = np.asarray(x[start:end], dtype=float)
        if not member._accepts(part):
            member._check_sample(x, method)
        w = None if weights is None else weights[start:end]
        sums = sums.update(member, part, w, work[:, : len(part)])
        if follow and i & (i + 1) == 0:  # at 1, 2, 4, 8, … chunks
            largest = np.maximum(largest, sums.size())
            sums = sums.centred()
    return sums, np.maximum(largest, sums.size())


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
