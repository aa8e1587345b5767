"""Log-normal distribution: the logarithm is normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families.adding import CHUNK, count, dot, first_mean, head, weighted_sum
from companion.families.exponential_family import ExponentialFamily
from companion.families.normal import Normal
from companion.families.sums import Moments


@dataclass(frozen=True, eq=False)
class LogMoments(Moments):
    r"""Moments of y = log x. In units in which log x is large its differences lose digits: the point c is one of x, and
    x close to it enters by :math:`\log(1 + \frac{x-c}c)`.

    Attributes
    ----------
    shift : float
        The point c, the geometric mean of x once all observations are in.
    first, second : float
        :math:`\sum w\log\tfrac xc` and :math:`\sum w\log^2\tfrac xc`.
    """

    chunk = CHUNK

    @staticmethod
    def variable(x, out):
        return np.log(x, out=out)

    @classmethod
    def start(cls, member, x, weights):
        first, w = head(x, weights)
        logs = np.log(first)
        c = first_mean(first, w) if np.ptp(logs) < 1 else np.inf  # exactly x if all are equal
        return cls(weight=0.0, shift=c if c < np.inf else np.exp(first_mean(logs, w)), first=0.0, second=0.0)

    def update(self, member, x, weights, work):
        away = np.divide(np.subtract(x, self.shift, out=work[0]), self.shift, out=work[0])
        if np.minimum.reduce(away) > -0.5 and np.maximum.reduce(away) < 1:
            away = np.log1p(away, out=away)
        else:
            away = np.subtract(np.log(x, out=away), np.log(self.shift), out=away)
        second = dot(away, away if weights is None else np.multiply(away, weights, out=work[1]))
        return self.plus(count(x, weights), first=weighted_sum(away, weights), second=second)

    def centre(self):
        c = self.shift * np.exp(self.first / self.weight)
        return c if 0 < c < np.inf else self.shift

    def about(self, shift):
        c = self.shift
        d = np.log1p((c - shift) / shift) if 0.5 < c / shift < 2 else np.log(c) - np.log(shift)
        second = self.second + d * (2 * self.first + self.weight * d)
        return self.changed(shift=shift, first=self.first + self.weight * d, second=second)

    def mean_and_variance(self):
        first, second = self.first / self.weight, self.second / self.weight
        return np.log(self.shift) + first, np.maximum(second - first**2, 0.0)


class LogNormal(ExponentialFamily):
    r"""Log-normal distribution on (0, ∞): log x is normal with mean μ and standard deviation σ.

    .. math::

       p(x) = \frac{1}{\sqrt{2\pi}\,\sigma x} e^{-(\log x-\mu)^2/2\sigma^2}, \qquad u(x) = (\log x, \log^2 x), \qquad
       \eta = \Big(\frac{\mu}{\sigma^2}, -\frac{1}{2\sigma^2}\Big), \qquad h(x) = \tfrac1x

       A(\eta) = -\frac{\eta_1^2}{4\eta_2} - \tfrac12\log(-2\eta_2) + \tfrac12\log 2\pi, \qquad
       \mathrm{E}[u] = (\mu, \mu^2+\sigma^2)

       \mathrm{KL}(p\|q) = \mathrm{KL}\big(\mathrm{N}(\mu_p,\sigma_p^2)\,\|\,\mathrm{N}(\mu_q,\sigma_q^2)\big)

    The last line holds since KL does not change when both variables are transformed alike.

    Parameters
    ----------
    mean : array_like
        Mean μ of log x, finite; exp(μ) is the median of x, and SciPy's scale.
    sd : array_like
        Standard deviation σ of log x, positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a mean is not finite or an sd is not positive; from `fit`, if an observation is zero or all are equal (no
        maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(LogNormal(0, 1).kl_divergence(LogNormal(1, 2))), 6)
    0.443147
    >>> round(float(LogNormal.fit([1.0, 2.0, 4.0]).sd / np.log(2)), 6)
    0.816497
    """

    parameter_names = ("mean", "sd")
    scipy_name = "lognorm"
    support = (0, np.inf)

    # --- parameters
    def __init__(self, mean: ArrayLike, sd: ArrayLike) -> None:
        mean = checks.finite("LogNormal", "mean", mean, "Pass the mean of log x, e.g. LogNormal(0, 1).")
        sd = checks.positive("LogNormal", "sd", sd, "Pass the standard deviation of log x, e.g. LogNormal(0, 1).")
        checks.broadcast("LogNormal", mean=mean.shape, sd=sd.shape)
        mean, sd = np.broadcast_arrays(mean, sd)
        self._store(sd.shape, _mean=mean, sd=sd, _log=Normal(mean, sd))

    def natural_parameters(self):
        return self._log.natural_parameters()

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        log = Normal.from_natural(cls._natural_column(eta, 2))
        return cls(log.mean(), log.sd)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        log = Normal.from_mean_parameters(cls._mean_column(mu, 2))
        return cls(log.mean(), log.sd)

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return self._log._statistic(np.log(x))

    def _log_partition_at(self, eta):
        return self._log._log_partition_at(eta)

    def _log_base_measure(self, x):
        with np.errstate(divide="ignore"):
            return -np.log(x)

    def _mean_log_base_measure(self):
        return -self._mean[()]

    def mean_parameters(self):
        return self._log.mean_parameters()

    def _expected_sums(self):
        shift = np.exp(np.clip(self._mean, -700.0, 700.0))
        first = self._mean - np.log(shift)
        return LogMoments(weight=1.0, shift=shift, first=first, second=self.sd**2 + first**2)

    def fisher_information(self):
        return self._log.fisher_information()

    # --- evaluation
    def _log_prob(self, x):
        log = np.log(np.where(x > 0, x, 1.0))
        return np.where(x > 0, self._log.log_prob(log) - log, -np.inf)[()]

    def mean(self):
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self._mean + self.sd**2 / 2)[()]

    def variance(self):
        with np.errstate(over="ignore", under="ignore"):
            return (-np.expm1(-(self.sd**2)) * np.exp(2 * (self._mean + self.sd**2)))[()]

    def _cross_entropy_terms(self, other):
        return *self._log._cross_entropy_terms(other._log), self._mean

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return self._log.kl_divergence(other._log)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return self._log._tail(name, np.log(np.maximum(x, 0.0)))

    def _quantile(self, q):
        return np.exp(self._log._quantile(q))

    def _draw(self, size, rng):
        return rng.lognormal(self._mean, self.sd, size)

    def to_scipy(self):
        return stats.lognorm(self.sd, scale=np.exp(self._mean))

    @staticmethod
    def _scipy_arguments(s, loc=0, scale=1):
        return [np.log(scale), s] if np.all(np.asarray(loc) == 0) else None

    # --- fit
    _sums = LogMoments

    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(rng.normal(), rng.uniform(0.2, 1.0))

    def _check_sample(self, x, method):
        self._check_data(x, method)
        checks.require(
            f"LogNormal.{method}",
            "x",
            x,
            x > 0,
            "positive observations",
            "At zero the density is zero for all parameters: no maximum exists. Drop zeros.",
        )

    @classmethod
    def _estimate(cls, sums: LogMoments) -> Self:
        mean, variance = sums.mean_and_variance()
        checks.require(
            "LogNormal.fit",
            "variance of log x",
            variance,
            variance > 0,
            "observations that differ",
            "With all observations equal the likelihood grows without bound as sd falls to 0: no maximum exists.",
        )
        return cls(mean, np.sqrt(variance))
