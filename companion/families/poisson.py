"""Poisson distribution: counts of independent rare events."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gammaln

from companion import checks
from companion.families import tails
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals
from companion.special import counts
from companion.special.remainders import kl_term


class Poisson(ExponentialFamily):
    r"""Poisson distribution on {0, 1, 2, …}.

    .. math::

       p(x) = \frac{\lambda^x e^{-\lambda}}{x!}, \qquad u(x) = x, \qquad \eta = \log\lambda, \qquad A(\eta) = e^\eta

       \mathrm{E}[u] = \lambda, \qquad
       \mathrm{KL}(\lambda_p\|\lambda_q) = \lambda_p\log\frac{\lambda_p}{\lambda_q} - \lambda_p + \lambda_q
       = \lambda_p\,\varphi\!\Big(\frac{\lambda_q-\lambda_p}{\lambda_p}\Big)

    Parameters
    ----------
    rate : array_like
        Mean count λ, positive and finite; its shape is the shape of the batch.

    Raises
    ------
    ValueError
        If a rate is not a positive finite number; from `fit`, if all counts are zero (no maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> Poisson.fit([0, 1, 2], weights=[109, 65, 22])
    Poisson(rate=0.5561224489795918)
    >>> round(float(Poisson(1.0).kl_divergence(Poisson(2.0))), 6)
    0.306853
    """

    parameter_names = ("rate",)
    scipy_name = "poisson"
    _scipy_arguments = staticmethod(unshifted("mu"))
    discrete = True
    support = (0, np.inf)

    # --- parameters
    def __init__(self, rate: ArrayLike) -> None:
        rate = checks.positive("Poisson", "rate", rate, "Pass the mean count per interval, e.g. Poisson(0.61).")
        self._store(rate.shape, rate=rate)

    def natural_parameters(self):
        return np.log(self.rate)[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        with np.errstate(over="ignore", under="ignore"):
            rate = np.exp(eta)
        checks.require(
            "Poisson.from_natural",
            "eta",
            eta,
            (rate > 0) & np.isfinite(rate),
            "log of a positive double, −745 … 709",
            "η = log(rate).",
        )
        return cls(rate)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require("Poisson.from_mean_parameters", "mu", mu, mu > 0, "a positive mean", "E[x] is the rate.")
        return cls(mu)

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return np.exp(eta)[..., 0]

    def _log_base_measure(self, x):
        return -gammaln(x + 1)

    def mean_parameters(self):
        return self.rate[..., None]

    def fisher_information(self):
        return self.rate[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        return counts.log_poisson(x, self.rate)

    def mean(self):
        return self.rate[()]

    def variance(self):
        return self.rate[()]

    def _cross_entropy_terms(self, other):
        return counts.poisson_entropy(self.rate), self.kl_divergence(other)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return kl_term(self.rate, other.rate)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        k = np.floor(np.clip(x, 0.0, 1e300))
        inside = tails.gamma("sf" if name == "cdf" else "cdf", k + 1, 1.0, self.rate)
        start, end = (0.0, 1.0) if name == "cdf" else (1.0, 0.0)
        return np.where(x < 0, start, np.where(x == np.inf, end, inside))

    def _draw(self, size, rng):
        return rng.poisson(self.rate, size).astype(float)

    def to_scipy(self):
        return stats.poisson(self.rate)

    # --- fit
    @classmethod
    def _random_member(cls, rng):
        return cls(rng.gamma(2.0, 2.0) + 0.05)

    @classmethod
    def _estimate(cls, sums: Totals) -> Self:
        rate = sums.mean()[0]
        checks.require(
            "Poisson.fit",
            "mean of x",
            rate,
            rate > 0,
            "a positive mean",
            "With only zero counts the likelihood rises as the rate falls to 0 and no maximum exists.",
        )
        return cls(rate)
