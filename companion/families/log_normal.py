"""Log-normal distribution: the logarithm is normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families.adding import CHUNK
from companion.families.exponential_family import ExponentialFamily
from companion.families.normal import Normal
from companion.families.sums import Moments


@dataclass(frozen=True, eq=False)
class LogMoments(Moments):
    """Moments of y = log x."""

    chunk = CHUNK

    @staticmethod
    def variable(x, out):
        return np.log(x, out=out)


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
        return LogMoments(weight=1.0, shift=self._mean, first=0.0, second=self.sd**2)

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

    # --- sampling and conversion
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
