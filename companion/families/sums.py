r"""What a fit keeps of a sample: a few sums, each with its name.

A sample enters the likelihood of an exponential family through :math:`\sum_i w_i\,u(x_i)` alone. Written as raw sums
(of x and x², say) these lose all digits when the spread is small against the mean. Most kinds therefore take their sums
about a point c near the mean, the `shift`; two samples are brought to one shift before they are added, and that takes
only their sums.

A family names its kind as ``_sums``:

================= ====================================== =============================================================
kind              fields                                 families
================= ====================================== =============================================================
`Totals`          ``total``                              whose fit is a function of the mean of u
`Moments`         ``shift, first, second``               fitted to mean and variance of some y(x)
`Comoments`       ``shift, first, second``               the same for vectors, with products of two coordinates
`Ratios`          ``shift, ratio, remainder``            of positive numbers, fitted to a Jensen gap
================= ====================================== =============================================================

A kind that only one family has stands in the file of that family. A Jensen gap, the mean of a convex function less the
function of the mean, is best taken about that mean: x² for the normal distribution, −log x for the gamma, 1/x for the
inverse Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np

from companion import checks
from companion.families.adding import CHUNK, away_from, count, dot, first_mean, head, weighted_sum

#: Squares below it have lost digits: the smallest normal double over the rounding unit.
_SMALL = np.finfo(float).tiny / np.finfo(float).eps

#: Marks a field that is no sum: two samples have it in common before their sums are added.
CONSTANT = {"constant": True}


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over a weighted sample, by name; immutable.

    A kind declares its sums as fields, those that do not add with ``= field(metadata=CONSTANT)``, and states `start`,
    `update` and `mean`. The `member` that these are given has the fixed parameters of the family.

    Attributes
    ----------
    weight : float
        Sum of the weights: the number of observations n where none were given.
    """

    weight: float

    #: Numbers that are summed at a time. Threads take turns between the steps of a sum: where steps are quick, longer
    #: ones are worth more than the cache.
    chunk: ClassVar[int] = CHUNK

    # --- what a kind states -------------------------------------------------------------------------------------------
    @classmethod
    def start(cls, member: Any, x: np.ndarray, weights: np.ndarray | None) -> Self:
        """The sums of nothing, with the constants chosen for the sample x (n, ...) that is to come."""
        raise NotImplementedError

    def update(self, member: Any, x: np.ndarray, weights: np.ndarray | None, work: np.ndarray) -> Self:
        """With the chunk x (n, ...) added; `work` (2, n, ...) are two buffers."""
        raise NotImplementedError

    def mean(self) -> np.ndarray:
        """Weighted average of u(x), shape (k,)."""
        raise NotImplementedError

    def moved_to(self, other: Self) -> Self:
        """The same sums with the constants of `other`."""
        return self

    def leads(self, other: Self) -> bool:
        """Whether two samples are added with the constants of this one, rather than with those of `other`."""
        return self.weight >= other.weight

    def centred(self) -> Self:
        """The same sums about the best point that they know of."""
        return self

    def size(self) -> Any:
        """What the roundings of these sums are proportional to, in a unit that does not depend on the constants."""
        return 0.0

    def lost_digits(self, largest: Any) -> bool:
        """Whether to pass once more, about the mean that was found; `largest` is the largest size on the way."""
        return bool(np.any(largest > 1e4 * self.centred().size()))

    def check_digits(self, where: str, x: np.ndarray) -> None:
        """Raise an error if terms were so small that they lost digits; x is the whole sample."""

    # --- derived once for all -----------------------------------------------------------------------------------------
    def merge(self, other: Self) -> Self:
        """The sums over both samples."""
        first, second = (self, other) if self.leads(other) else (other, self)
        second = second.moved_to(first)
        return first.plus(second.weight, **second.terms()).centred()

    def plus(self, weight: float, **terms: Any) -> Self:
        """With `weight` and the `terms`, by the names of the fields, added."""
        old = vars(self)
        for name in terms:
            terms[name] = old[name] + terms[name]
        return self.changed(weight=old["weight"] + weight, **terms)

    def changed(self, **values: Any) -> Self:
        """The same with other values of some fields (`dataclasses.replace`, without its cost in every chunk)."""
        new = object.__new__(type(self))
        vars(new).update(vars(self), **_locked(values))
        return new

    def emptied(self) -> Self:
        """The sums of nothing, with the same constants."""
        return self.changed(weight=0.0, **dict.fromkeys(self.terms(), 0.0))

    def terms(self) -> dict[str, Any]:
        """The fields that add, without the weight."""
        names = (f.name for f in fields(self) if f.name != "weight" and not f.metadata)
        return {name: getattr(self, name) for name in names}

    def scaled_to(self, weight: float) -> Self:
        """The same averages as of a sample of another weight."""
        share = weight / self.weight
        return self.changed(weight=weight, **{name: share * term for name, term in self.terms().items()})

    def __post_init__(self) -> None:
        _locked(vars(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    def __reduce__(self):
        return type(self), tuple(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, eq=False)
class Totals(Sums):
    r"""Sums of u(x) as it is.

    Attributes
    ----------
    total : float or ndarray, shape (k,)
        :math:`\sum_i w_i\,u(x_i)`; a number where k is 1.
    """

    total: Any

    @staticmethod
    def variable(member: Any, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """u of a chunk: (n,) where k is 1, else (n, k). It may be written into the buffer `out`, of the shape of x."""
        u = member._statistic(x)
        return u[..., 0] if u.shape[-1] == 1 else u

    @classmethod
    def start(cls, member, x, weights):
        return cls(weight=0.0, total=0.0)

    def update(self, member, x, weights, work):
        return self.plus(count(x, weights), total=weighted_sum(self.variable(member, x, work[0]), weights))

    def mean(self):
        return np.atleast_1d(self.total / self.weight)


@dataclass(frozen=True, eq=False)
class Shifted(Sums):
    """Sums about a point; a kind also states `centre` and `about`.

    Attributes
    ----------
    shift : float or ndarray
        The point c.
    """

    shift: Any = field(metadata=CONSTANT)

    def centre(self) -> Any:
        """The point about which the sums are best taken, as far as they know."""
        raise NotImplementedError

    def about(self, shift: Any) -> Self:
        """The same sums about another point."""
        raise NotImplementedError

    def moved_to(self, other):
        return self.about(other.shift)

    def centred(self):
        return self.about(self.centre())

    def merge_between(self, other: Self) -> Self:
        """Both samples about the mean of the two points: about one of them the terms of the other may cancel."""
        share = other.weight / (self.weight + other.weight)
        shift = (1 - share) * self.shift + share * other.shift
        return self.about(shift).plus(other.weight, **other.about(shift).terms()).centred()


@dataclass(frozen=True, eq=False)
class Moments(Shifted):
    r"""First and second moments of y(x): here x itself. For vectors the squares are taken by coordinate.

    Attributes
    ----------
    shift : float or ndarray, shape (d,)
        The point c, the mean of y once all observations are in.
    first, second : float or ndarray, shape (d,)
        :math:`\sum w\,(y-c)` and :math:`\sum w\,(y-c)^2`.
    """

    chunk = 2**20

    first: Any
    second: Any

    @staticmethod
    def variable(x: np.ndarray, out: np.ndarray | None) -> np.ndarray:
        """y of a chunk; it may be written into the buffer `out`, of the shape of x."""
        return x

    @classmethod
    def start(cls, member, x, weights):
        first, w = head(x, weights)
        return cls(weight=0.0, shift=first_mean(cls.variable(first, None), w), first=0.0, second=0.0)

    def update(self, member, x, weights, work):
        y = self.variable(x, work[0])
        if weights is None and y.ndim == 1 and self.is_near_zero():
            return self.plus(len(y), **self.from_zero(len(y), weighted_sum(y, None), dot(y, y)))
        away = np.subtract(y, self.shift, out=work[0] if y.shape == work[0].shape else None)
        if away.ndim == 1:
            second = dot(away, away if weights is None else np.multiply(away, weights, out=work[1]))
        else:
            second = weighted_sum(away * away, weights)
        return self.plus(count(x, weights), first=weighted_sum(away, weights), second=second)

    def is_near_zero(self) -> bool:
        """Whether 0 is as good a point as the mean, within three standard deviations of it: sums are then taken without
        the differences, and round by at most ten times as much."""
        return bool(self.weight and np.all(self.shift * self.shift * self.weight < 9.0 * self.squares()))

    def from_zero(self, weight: float, first: Any, second: Any) -> dict[str, Any]:
        """Sums about c of a chunk whose sums about 0 are `first` and `second`, by the names of the fields."""
        c = self.shift
        return {"first": first - weight * c, "second": second - c * (2 * first - weight * c)}

    def centre(self):
        return self.shift + self.first / self.weight

    def about(self, shift):
        d = self.shift - shift
        second = self.second + d * (2 * self.first + self.weight * d)
        return self.changed(shift=shift, first=self.first + self.weight * d, second=second)

    def check_digits(self, where, x):
        small = self.squares() < np.maximum(_SMALL * self.weight, np.finfo(float).tiny * len(x))
        if np.any(small):  # or all observations are equal
            lost = np.ptp(self.variable(x + 0.0, None), axis=0) * small
            expected = "0, or a number whose square, with its weight, keeps its digits"
            fix = "Change the unit of measurement; of weights, leave out those that are next to nothing."
            checks.require(where, "spread of x", lost, lost == 0, expected, fix)

    def squares(self) -> Any:
        """Sums of squares, by coordinate."""
        return self.second

    def size(self):
        return self.squares()

    def mean_and_variance(self) -> tuple[Any, Any]:
        """Mean and variance of y; the latter exactly 0 if all observations are equal."""
        first, second = self.first / self.weight, self.second / self.weight
        return self.shift + first, np.maximum(second - first**2, 0.0)

    def mean(self):
        mean, variance = self.mean_and_variance()
        return np.stack([mean, variance + mean**2])


@dataclass(frozen=True, eq=False)
class Comoments(Moments):
    r"""First and second moments of vectors, with the products of two coordinates.

    Attributes
    ----------
    shift, first : ndarray, shape (d,)
        The point c, the mean of x once all observations are in, and :math:`\sum w\,(x-c)`.
    second : ndarray, shape (d, d)
        :math:`\sum w\,(x-c)(x-c)^\top`.
    """

    chunk = CHUNK

    def update(self, member, x, weights, work):
        if weights is None and self.is_near_zero():
            return self.plus(len(x), **self.from_zero(len(x), weighted_sum(x, None), x.T @ x))
        away = away_from(x, self.shift, work[0])
        scaled = away if weights is None else np.multiply(away, weights[:, None], out=work[1])
        return self.plus(count(x, weights), first=weighted_sum(away, weights), second=scaled.T @ away)

    def from_zero(self, weight, first, second):
        first, mixed = first - weight * self.shift, np.outer(self.shift, first)
        return {"first": first, "second": second - mixed - mixed.T + weight * np.outer(self.shift, self.shift)}

    def about(self, shift):
        d = self.shift - shift
        mixed = np.outer(d, self.first)
        second = self.second + mixed + mixed.T + self.weight * np.outer(d, d)
        return self.changed(shift=shift, first=self.first + self.weight * d, second=second)

    def squares(self):
        return np.diagonal(self.second)

    def mean_and_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) and covariance (d, d)."""
        first, second = self.first / self.weight, self.second / self.weight
        cov = second - np.outer(first, first)
        return self.shift + first, (cov + cov.T) / 2

    def mean(self):
        mean, cov = self.mean_and_covariance()
        rows, columns = np.tril_indices(len(mean))
        return np.concatenate([mean, (cov + np.outer(mean, mean))[rows, columns]])


@dataclass(frozen=True, eq=False)
class Ratios(Shifted):
    r"""Positive numbers relative to a point: sums of :math:`t = x/c - 1` and of f(t) ≥ 0, a convex function of x less
    its tangent at c. A kind also states `remainder_of`, `remainder_about` and `mean`.

    Attributes
    ----------
    shift : float
        The point c, the mean of x once all observations are in.
    ratio, remainder : float
        :math:`\sum w\,t` and :math:`\sum w\,f(t)`.
    """

    chunk = 2**18

    ratio: float
    remainder: float

    def remainder_of(self, t: np.ndarray, x: np.ndarray, weights: np.ndarray | None, out: np.ndarray) -> Any:
        """Σ w f(t) of a chunk; `out` is a buffer."""
        raise NotImplementedError

    def remainder_about(self, d: Any, k: Any) -> Any:
        """Σ w f about the point c/k, where k is 1 + d."""
        raise NotImplementedError

    @classmethod
    def start(cls, member, x, weights):
        return cls(weight=0.0, shift=first_mean(*head(x, weights)), ratio=0.0, remainder=0.0)

    def update(self, member, x, weights, work):
        t = np.divide(np.subtract(x, self.shift, out=work[0]), self.shift, out=work[0])
        ratio = weighted_sum(t, weights)
        return self.plus(count(x, weights), ratio=ratio, remainder=self.remainder_of(t, x, weights, work[1]))

    def merge(self, other):
        near = 1e-3 < self.shift / other.shift < 1e3
        return super().merge(other) if near else self.merge_between(other)

    def lost_digits(self, largest):
        return 1 + self.ratio / self.weight < 1e-4 or super().lost_digits(largest)

    def centre(self):
        """The mean, or a nearer point where it is so far below c that rounding leaves nothing of it."""
        return self.shift * max(1 + self.ratio / self.weight, 1e-16)

    def about(self, shift):
        d, k = (self.shift - shift) / shift, self.shift / shift  # x/shift − 1 = k t + d
        ratio = self.ratio * k + self.weight * d
        return self.changed(shift=shift, ratio=ratio, remainder=self.remainder_about(d, k))

    def size(self):
        return self.remainder

    def mean_and_gap(self) -> tuple[Any, Any]:
        """Mean of x, and the mean of f about that mean; the latter exactly 0 if all observations are equal."""
        k = 1 / (1 + self.ratio / self.weight)  # the shift over the mean, which may be no double
        return self.shift / k, self.remainder_about(-self.ratio / self.weight * k, k) / self.weight


# --- helpers ----------------------------------------------------------------------------------------------------------
def _locked(values: dict[str, Any]) -> dict[str, Any]:
    """The same values, arrays among them read-only."""
    for value in values.values():
        if type(value) is np.ndarray:
            value.flags.writeable = False
    return values
