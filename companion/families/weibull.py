"""Weibull distribution: lifetimes whose hazard is a power of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gamma, gammaln, xlogy

from companion import checks
from companion.families import tails
from companion.families.adding import count, weighted_sum
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import CONSTANT, Shifted
from companion.special.remainders import expm1_remainder, log_ratio


@dataclass(frozen=True, eq=False)
class Powers(Shifted):
    """Powers relative to the largest observation, so that nothing overflows.

    Attributes
    ----------
    shift : float
        The largest observation c.
    k : float
        The power.
    total : float
        The weighted sum of (x/c)^k; 0 if c is.
    """

    k: float = field(metadata=CONSTANT)
    total: float

    @classmethod
    def start(cls, member, x, weights):
        largest = float(np.max(x))  # a pass of its own: about any smaller c the powers might overflow
        return cls(weight=0.0, shift=largest, k=member.k, total=0.0)

    def update(self, member, x, weights, work):
        if self.shift == 0:
            return self.plus(count(x, weights), total=0.0)
        powers = np.power(np.divide(x, self.shift, out=work[0]), self.k, out=work[0])
        return self.plus(count(x, weights), total=weighted_sum(powers, weights))

    def leads(self, other):
        return self.shift >= other.shift

    def centre(self):
        return self.shift

    def about(self, shift):
        return (
            self
            if shift == self.shift
            else self.changed(shift=shift, total=self.total * (self.shift / shift) ** self.k)
        )

    def mean(self):
        with np.errstate(over="ignore", under="ignore"):
            return np.atleast_1d(self.total / self.weight * np.float64(self.shift) ** self.k)


class Weibull(ExponentialFamily):
    r"""Weibull distribution on [0, ∞); an exponential family with the shape k held fixed.

    .. math::

       p(x) = \frac{k}{\lambda}\Big(\frac x\lambda\Big)^{k-1} e^{-(x/\lambda)^k}, \qquad u(x) = x^k, \qquad
       \eta = -\lambda^{-k}, \qquad A(\eta) = -\log(-\eta), \qquad h(x) = k x^{k-1}

       \mathrm{E}[u] = \lambda^k, \qquad
       \mathrm{KL}(p\|q) = e\Big(k\log\frac{\lambda_p}{\lambda_q}\Big), \quad e(y) = e^y - 1 - y

    Parameters
    ----------
    k : array_like
        Shape, positive.
    scale : array_like
        Scale λ, positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a parameter is not a positive finite number; from `kl_divergence`, if the two k differ
        (`companion.kl_divergence` integrates then); from `fit`, if all observations are zero (no maximum exists).

    References
    ----------
    Cox and Hinkley (1974), chapter 2.

    Examples
    --------
    >>> Weibull.fit([1.0, 2.0, 2.0], k=2.0)
    Weibull(k=2.0, scale=1.7320508075688772)
    >>> round(float(Weibull(2.0, 1.0).kl_divergence(Weibull(2.0, 3.0))), 6)
    1.308336
    """

    parameter_names = ("k", "scale")
    scipy_name = "weibull_min"
    _scipy_arguments = staticmethod(unshifted("c", "scale"))
    fixed_names = ("k",)
    support = (0, np.inf)

    # --- parameters
    def __init__(self, k: ArrayLike, scale: ArrayLike) -> None:
        k = checks.positive("Weibull", "k", k, "Pass a positive shape, e.g. Weibull(2, 1).")
        scale = checks.positive("Weibull", "scale", scale, "Pass a positive scale, e.g. Weibull(2, 1).")
        checks.broadcast("Weibull", k=k.shape, scale=scale.shape)
        k, scale = np.broadcast_arrays(k, scale)
        self._store(k.shape, k=k, scale=scale)

    def natural_parameters(self):
        return -(self.scale**-self.k)[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike, k: ArrayLike) -> Self:
        eta, k = cls._natural_column(eta)[..., 0], cls._shape("from_natural", k)
        checks.require("Weibull.from_natural", "eta", eta, eta < 0, "a negative number", "η = −scale^(−k).")
        with np.errstate(over="ignore", under="ignore"):  # a scale of 0 or infinity is refused
            return cls(k, (-eta) ** (-1 / k))

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, k: ArrayLike) -> Self:
        mu, k = cls._mean_column(mu)[..., 0], cls._shape("from_mean_parameters", k)
        checks.require("Weibull.from_mean_parameters", "mu", mu, mu > 0, "a positive mean", "E[x^k] = scale^k.")
        with np.errstate(over="ignore", under="ignore"):
            return cls(k, mu ** (1 / k))

    @staticmethod
    def _shape(method, k):
        return checks.positive(f"Weibull.{method}", "k", k, "Pass the shape, which is held fixed.")

    # --- statistics
    def _statistic(self, x):
        return (x**self.k)[..., None]

    def _log_partition_at(self, eta):
        return -np.log(-eta)[..., 0]

    def _log_base_measure(self, x):
        return np.log(self.k) + xlogy(self.k - 1, x)

    def _mean_log_base_measure(self):
        return (np.log(self.k) + (self.k - 1) * (np.log(self.scale) - np.euler_gamma / self.k))[()]

    def mean_parameters(self):
        return (self.scale**self.k)[..., None]

    def _expected_sums(self):
        return Powers(weight=1.0, shift=self.scale, k=self.k, total=1.0)

    def fisher_information(self):
        return (self.scale ** (2 * self.k))[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        log = log_ratio(x, self.scale)
        power = np.where(self.k == 1, 0.0, (self.k - 1) * np.where(self.k == 1, 0.0, log))
        return (log_ratio(self.k, self.scale) + power - np.exp(self.k * log))[()]

    def mean(self):
        return (self.scale * gamma(1 + 1 / self.k))[()]

    def variance(self):
        first, second = gammaln(1 + 1 / self.k), gammaln(1 + 2 / self.k)
        with np.errstate(over="ignore"):
            return (self.scale**2 * np.exp(2 * first) * np.expm1(second - 2 * first))[()]

    def _cross_entropy_terms(self, other):
        k, log = self.k, log_ratio(self.scale, other.scale)
        return np.log(other.scale / k), (1 - k) * log, np.euler_gamma * (1 - 1 / k), np.exp(k * log)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return expm1_remainder(self.k * log_ratio(self.scale, other.scale))

    def _kl_error(self, other, value):
        return self._amplified(other) * super()._kl_error(other, value)

    def _cross_entropy_error(self, other):
        return self._amplified(other) * super()._cross_entropy_error(other)

    def _amplified(self, other):
        """A relative error of y = k log(λ_p/λ_q) is y times as large in e^y."""
        return 1 + np.maximum(self.k * log_ratio(self.scale, other.scale), 0.0)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return tails.exponential(name, np.exp(self.k * log_ratio(np.maximum(x, 0.0), self.scale)))

    def _quantile(self, q):
        return self.scale * (-np.log1p(-q)) ** (1 / self.k)

    def _draw(self, size, rng):
        return self.scale * rng.standard_exponential(size) ** (1 / self.k)

    def to_scipy(self):
        return stats.weibull_min(self.k, scale=self.scale)

    # --- fit
    _sums = Powers

    @classmethod
    def _fixed(cls, method, x, weights, k):
        return {
            "k": checks.scalar(f"Weibull.{method}", "k", cls._shape(method, k), "Pass one shape for all observations.")
        }

    @classmethod
    def _random_member(cls, rng):
        return cls(1.7, np.exp(rng.normal()))

    @classmethod
    def _estimate(cls, sums: Powers, k: float) -> Self:
        top = sums.shift
        checks.require(
            "Weibull.fit",
            "largest x",
            top,
            top > 0,
            "a positive number",
            "With only zeros the likelihood grows without bound as the scale falls to 0: no maximum exists.",
        )
        mean, fix = sums.total / sums.weight, "A step beyond the data's mean has left the space of means."
        checks.require("Weibull.fit", "mean of (x/largest x)^k", mean, mean > 0, "a positive number", fix)
        return cls(k, top * mean ** (1 / k))
