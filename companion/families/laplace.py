"""Laplace distribution: two exponentials back to back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import place_and_scale
from companion.families.sums import Totals
from companion.special.remainders import expm1_remainder, phi_of, standardised


@dataclass(frozen=True, eq=False)
class Distances(Totals):
    """``total`` is the weighted sum of |x − loc|."""

    @staticmethod
    def variable(member, x, out):
        return np.abs(np.subtract(x, member.loc, out=out), out=out)


class Laplace(ExponentialFamily):
    r"""Laplace distribution on the line; an exponential family with the location m held fixed.

    .. math::

       p(x) = \frac{1}{2b} e^{-|x-m|/b}, \qquad u(x) = |x-m|, \qquad \eta = -\frac1b, \qquad
       A(\eta) = \log 2 - \log(-\eta)

       \mathrm{E}[u] = b, \qquad
       \mathrm{KL}(p\|q) = \varphi\Big(\frac{b_p}{b_q}-1\Big) + \frac{b_p}{b_q}\,e\Big(-\frac{|m_p-m_q|}{b_p}\Big),
       \quad e(y) = e^y - 1 - y

    The KL divergence, the cross-entropy and the fit also vary the location; natural and mean parameters do not.

    Parameters
    ----------
    loc : array_like
        Location m, finite.
    scale : array_like
        Scale b = E|x − m|, positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If loc is not finite or scale not positive; from `fit`, if all observations equal loc (no maximum exists).

    References
    ----------
    Cover and Thomas (2006), chapter 8.

    Examples
    --------
    >>> round(float(Laplace(0, 1).kl_divergence(Laplace(1, 1))), 6)
    0.367879
    >>> Laplace.fit([1.0, 2.0, 6.0])        # location: the median
    Laplace(loc=2.0, scale=1.6666666666666667)
    >>> Laplace.fit([1.0, 2.0, 6.0], loc=3.0)
    Laplace(loc=3.0, scale=2.0)
    """

    parameter_names = ("loc", "scale")
    scipy_name = "laplace"
    _scipy_arguments = staticmethod(place_and_scale)
    fixed_names = kl_across = fit_options = ("loc",)
    support = (-np.inf, np.inf)

    # --- parameters
    def __init__(self, loc: ArrayLike, scale: ArrayLike) -> None:
        loc = checks.finite("Laplace", "loc", loc, "Pass a finite location, e.g. Laplace(0, 1).")
        scale = checks.positive("Laplace", "scale", scale, "Pass the mean distance from loc, e.g. Laplace(0, 1).")
        checks.broadcast("Laplace", loc=loc.shape, scale=scale.shape)
        loc, scale = np.broadcast_arrays(loc, scale)
        self._store(scale.shape, loc=loc, scale=scale)

    def natural_parameters(self):
        return -1 / self.scale[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike, loc: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        checks.require("Laplace.from_natural", "eta", eta, eta < 0, "a negative number", "η = −1/scale.")
        return cls(loc, -1 / eta)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, loc: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require(
            "Laplace.from_mean_parameters", "mu", mu, mu > 0, "a positive mean distance", "E|x − loc| is the scale."
        )
        return cls(loc, mu)

    # --- statistics
    def _statistic(self, x):
        return np.abs(x - self.loc)[..., None]

    def _log_partition_at(self, eta):
        return np.log(2) - np.log(-eta)[..., 0]

    def mean_parameters(self):
        return self.scale[..., None]

    def fisher_information(self):
        return self.scale[..., None, None] ** 2

    # --- evaluation
    def _log_prob(self, x):
        return (-abs(standardised(x, self.loc, self.scale)) - np.log(self.scale) - np.log(2))[()]

    def mean(self):
        return self.loc[()]

    def variance(self):
        return (2 * self.scale**2)[()]

    def _cross_entropy_terms(self, other):
        near = np.exp(-abs(standardised(self.loc, other.loc, self.scale)))
        distance = abs(standardised(self.loc, other.loc, other.scale))
        return distance + self.scale / other.scale * near, np.log(other.scale) + np.log(2)  # E|x − m_q|/s_q

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        scale = self.scale[()]
        with np.errstate(over="ignore"):
            bend = expm1_remainder(-abs(standardised(self.loc, other.loc, scale)))
            shift = bend * scale / other.scale
            if not np.isfinite(shift).all():
                shift = np.where(np.isfinite(shift), shift, bend * (scale / other.scale))
        return phi_of(scale, other.scale) + shift

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        z = standardised(x, self.loc, self.scale)
        part = 0.5 * np.exp(-abs(z))
        return np.where((z < 0) == (name == "cdf"), part, 1 - part)

    def _draw(self, size, rng):
        return rng.laplace(self.loc, self.scale, size)

    def to_scipy(self):
        return stats.laplace(self.loc, self.scale)

    # --- fit
    _sums = Distances

    @classmethod
    def _fixed(cls, method, x, weights, loc=None):
        if loc is None:
            loc = _median(x, weights)
            if not np.isfinite(loc):
                cls(0.0, 1.0)._check_data(x, method)
        return {"loc": checks.scalar(f"Laplace.{method}", "loc", loc, "Pass one location for all observations.")}

    @classmethod
    def _random_member(cls, rng):
        return cls(0.5, np.exp(rng.normal()))

    @classmethod
    def _estimate(cls, sums: Distances, loc: float) -> Self:
        scale = sums.mean()[0]
        checks.require(
            "Laplace.fit",
            "mean distance from loc",
            scale,
            scale > 0,
            "a positive number",
            "With all observations at loc the likelihood grows without bound as the scale falls to 0: "
            "no maximum exists.",
        )
        return cls(loc, scale)


def _median(x, weights):
    """A point with at most half of the weight on either side; between two such observations, their mean."""
    if weights is None:
        return np.median(x)
    order = np.argsort(x)
    x, below = x[order], np.cumsum(weights[order])
    half = 0.5 * below[-1]
    left, right = np.searchsorted(below, half, side="left"), np.searchsorted(below, half, side="right")
    return 0.5 * (x[left] + x[min(right, len(x) - 1)])
