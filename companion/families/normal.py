"""Normal distribution on the line."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import place_and_scale
from companion.families.sums import Moments
from companion.special.remainders import phi_of_squares, standardised

_LOG_2PI = np.log(2 * np.pi)


class Normal(ExponentialFamily):
    r"""Normal distribution with mean μ and standard deviation σ.

    .. math::

       p(x) = \frac{1}{\sqrt{2\pi}\,\sigma} e^{-(x-\mu)^2/2\sigma^2}, \qquad u(x) = (x, x^2), \qquad
       \eta = \Big(\frac{\mu}{\sigma^2}, -\frac{1}{2\sigma^2}\Big)

       A(\eta) = -\frac{\eta_1^2}{4\eta_2} - \tfrac12\log(-2\eta_2) + \tfrac12\log 2\pi, \qquad
       \mathrm{E}[u] = (\mu, \mu^2+\sigma^2)

       \mathrm{KL}(p\|q) = \tfrac12\Big[\varphi\Big(\frac{\sigma_p^2-\sigma_q^2}{\sigma_q^2}\Big)
       + \Big(\frac{\mu_p-\mu_q}{\sigma_q}\Big)^2\Big]

    Parameters
    ----------
    mean : array_like
        Mean μ, finite.
    sd : array_like
        Standard deviation σ, positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a mean is not finite or an sd is not positive; from `fit`, if all observations are equal (the likelihood is
        unbounded as σ → 0).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(Normal(0, 1).kl_divergence(Normal(1, 2))), 6)
    0.443147
    >>> Normal.fit([1.0, 2.0, 3.0, 6.0])
    Normal(mean=3.0, sd=1.8708286933869707)
    """

    parameter_names = ("mean", "sd")
    scipy_name = "norm"
    _scipy_arguments = staticmethod(place_and_scale)
    support = (-np.inf, np.inf)

    # --- parameters
    def __init__(self, mean: ArrayLike, sd: ArrayLike) -> None:
        mean = checks.finite("Normal", "mean", mean, "Pass a finite mean, e.g. Normal(0, 1).")
        sd = checks.positive("Normal", "sd", sd, "Pass the standard deviation (not the variance), e.g. Normal(0, 1).")
        checks.broadcast("Normal", mean=mean.shape, sd=sd.shape)
        mean, sd = np.broadcast_arrays(mean, sd)
        self._store(sd.shape, _mean=mean, sd=sd)

    def natural_parameters(self):
        return np.stack([self._mean / self.sd**2, -0.5 / self.sd**2], axis=-1)

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        checks.require(
            "Normal.from_natural",
            "second entry of eta",
            eta[..., 1],
            eta[..., 1] < 0,
            "a negative number",
            "The order is (μ/σ², −1/(2σ²)).",
        )
        return cls(-0.5 * eta[..., 0] / eta[..., 1], np.sqrt(-0.5 / eta[..., 1]))

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu, 2)
        variance = mu[..., 1] - mu[..., 0] ** 2
        checks.require(
            "Normal.from_mean_parameters",
            "E[x²] − E[x]²",
            variance,
            variance > 0,
            "a positive variance",
            "The order is (E[x], E[x²]).",
        )
        return cls(mu[..., 0], np.sqrt(variance))

    # --- statistics
    def _statistic(self, x):
        return np.stack([x, x**2], axis=-1)

    def _log_partition_at(self, eta):
        return -(eta[..., 0] ** 2) / (4 * eta[..., 1]) - 0.5 * np.log(-2 * eta[..., 1]) + 0.5 * _LOG_2PI

    def mean_parameters(self):
        return np.stack([self._mean, self._mean**2 + self.sd**2], axis=-1)

    def _expected_sums(self):
        return Moments(weight=1.0, shift=self._mean, first=0.0, second=self.sd**2)

    def fisher_information(self):
        m, v = self._mean, self.sd**2
        return np.stack([np.stack([v, 2 * m * v], -1), np.stack([2 * m * v, 4 * m**2 * v + 2 * v**2], -1)], -2)

    # --- evaluation
    def _log_prob(self, x):
        z = standardised(x, self._mean, self.sd)
        return (-0.5 * (z**2 + _LOG_2PI) - np.log(self.sd))[()]

    def mean(self):
        return self._mean[()]

    def variance(self):
        return (self.sd**2)[()]

    def _cross_entropy_terms(self, other):
        with np.errstate(over="ignore"):
            spread = (self.sd / other.sd) ** 2 + standardised(self._mean, other._mean, other.sd) ** 2
        return 0.5 * spread, 0.5 * _LOG_2PI, np.log(other.sd)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        with np.errstate(over="ignore"):
            away = standardised(self._mean[()], other._mean[()], other.sd[()])
            return 0.5 * (phi_of_squares(self.sd, other.sd) + away * away)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        z = standardised(x, self._mean, self.sd)
        return ndtr(z if name == "cdf" else -z)

    def _draw(self, size, rng):
        return rng.normal(self._mean, self.sd, size)

    def to_scipy(self):
        return stats.norm(self._mean, self.sd)

    # --- fit
    _sums = Moments

    @classmethod
    def _random_member(cls, rng):
        return cls(rng.normal(0, 3), np.exp(rng.normal()))

    def _check_sample(self, x, method):
        checks.finite(f"Normal.{method}", "x", x, "Drop missing and infinite values before.")

    @classmethod
    def _estimate(cls, sums: Moments) -> Self:
        mean, variance = sums.mean_and_variance()
        checks.require(
            "Normal.fit",
            "variance of x",
            variance,
            variance > 0,
            "a positive variance",
            "With all observations equal the likelihood grows without bound as sd falls to 0: no maximum exists.",
        )
        return cls(mean, np.sqrt(variance))
