"""Exponential distribution: waiting times without memory."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families import tails
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals
from companion.special.remainders import phi_of


class Exponential(ExponentialFamily):
    r"""Exponential distribution on [0, ∞).

    .. math::

       p(x) = \lambda e^{-\lambda x}, \qquad u(x) = x, \qquad \eta = -\lambda, \qquad A(\eta) = -\log(-\eta)

       \mathrm{E}[u] = \frac1\lambda, \qquad
       \mathrm{KL}(p\|q) = \log\frac{\lambda_p}{\lambda_q} + \frac{\lambda_q}{\lambda_p} - 1
       = \varphi\Big(\frac{\lambda_q-\lambda_p}{\lambda_p}\Big)

    Parameters
    ----------
    rate : array_like
        Rate λ, positive; its shape is the shape of the batch. SciPy takes the scale 1/λ.

    Raises
    ------
    ValueError
        If a rate is not a positive finite number; from `fit`, if all observations are zero (no maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> Exponential.fit([0.5, 1.0, 2.5, 4.0])
    Exponential(rate=0.5)
    >>> round(float(Exponential(1.0).kl_divergence(Exponential(2.0))), 6)
    0.306853
    """

    parameter_names = ("rate",)
    scipy_name = "expon"
    _scipy_arguments = staticmethod(unshifted("rate"))
    support = (0, np.inf)

    # --- parameters
    def __init__(self, rate: ArrayLike) -> None:
        rate = checks.positive("Exponential", "rate", rate, "Pass the rate, one over the mean, e.g. Exponential(0.5).")
        self._store(rate.shape, rate=rate)

    def natural_parameters(self):
        return -self.rate[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        checks.require("Exponential.from_natural", "eta", eta, eta < 0, "a negative number", "η = −rate.")
        return cls(-eta)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require(
            "Exponential.from_mean_parameters", "mu", mu, mu > 0, "a positive mean", "E[x] is one over the rate."
        )
        return cls(1 / mu)

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return -np.log(-eta)[..., 0]

    def mean_parameters(self):
        return 1 / self.rate[..., None]

    def fisher_information(self):
        return self.variance()[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        return (np.log(self.rate) - self.rate * x)[()]

    def mean(self):
        return (1 / self.rate)[()]

    def variance(self):
        return (1 / self.rate**2)[()]

    def _cross_entropy_terms(self, other):
        return other.rate / self.rate, -np.log(other.rate)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return phi_of(other.rate, self.rate)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return tails.exponential(name, self.rate * np.maximum(x, 0.0))

    def _quantile(self, q):
        return -np.log1p(-q) / self.rate

    def _draw(self, size, rng):
        return rng.standard_exponential(size) / self.rate

    def to_scipy(self):
        return stats.expon(scale=1 / self.rate)

    # --- fit
    @classmethod
    def _random_member(cls, rng):
        return cls(np.exp(rng.normal()))

    @classmethod
    def _estimate(cls, sums: Totals) -> Self:
        mean = sums.mean()[0]
        checks.require(
            "Exponential.fit",
            "mean of x",
            mean,
            mean > 0,
            "a positive mean",
            "With only zeros the likelihood grows without bound as the rate rises: no maximum exists.",
        )
        return cls(1 / mean)
