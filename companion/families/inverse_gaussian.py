"""Inverse Gaussian distribution: the time a drifting Brownian motion takes to a fixed level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import exp1

from companion import checks
from companion.families import tails
from companion.families.adding import dot
from companion.families.exponential_family import ExponentialFamily
from companion.families.sums import Ratios
from companion.special.remainders import log_ratio, phi_of

_LOG_2PI = np.log(2 * np.pi)


@dataclass(frozen=True, eq=False)
class InverseGaps(Ratios):
    """Ratios t = x/c − 1 with ``remainder`` Σ w t²/(1 + t): the gap is (mean of x)·(mean of 1/x) − 1."""

    def remainder_of(self, t, x, weights, out):
        """t²/(1 + t) = t (c/x) t: c/x less its tangent 1 − t at c."""
        scaled = np.multiply(t, np.divide(self.shift, x, out=out), out=out)
        return dot(t, scaled if weights is None else np.multiply(scaled, weights, out=out))

    def remainder_about(self, d, k):
        return (self.remainder + d * (2 + d) * self.ratio + self.weight * d**2) / k

    def size(self):
        return self.remainder / self.shift

    def mean(self):
        mean, gap = self.mean_and_gap()
        return np.stack([mean, (1 + gap) / mean])


class InverseGaussian(ExponentialFamily):
    r"""Inverse Gaussian distribution on (0, ∞) with mean μ and shape λ.

    .. math::

       p(x) = \sqrt{\frac{\lambda}{2\pi x^3}}\, e^{-\lambda(x-\mu)^2/(2\mu^2x)}, \qquad u(x) = \Big(x, \frac1x\Big),
       \qquad
       \eta = \Big(-\frac{\lambda}{2\mu^2}, -\frac\lambda2\Big), \qquad h(x) = (2\pi x^3)^{-1/2}

       A(\eta) = -2\sqrt{\eta_1\eta_2} - \tfrac12\log(-2\eta_2), \qquad
       \mathrm{E}[u] = \Big(\mu, \frac1\mu+\frac1\lambda\Big)

       \mathrm{KL}(p\|q) = \tfrac12\varphi\Big(\frac{\lambda_q-\lambda_p}{\lambda_p}\Big)
       + \frac{\lambda_q(\mu_p-\mu_q)^2}{2\mu_q^2\mu_p}

    Parameters
    ----------
    mean, shape : array_like
        Mean μ and shape λ, positive; the variance is μ³/λ. The two broadcast to the shape of the batch. SciPy's
        ``invgauss(mu, scale=s)`` has mean mu·s and shape s.

    Raises
    ------
    ValueError
        If a parameter is not a positive finite number; from `fit`, if an observation is zero or all are equal (no
        maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(InverseGaussian(1.0, 1.0).kl_divergence(InverseGaussian(2.0, 1.0))), 6)
    0.125
    >>> fit = InverseGaussian.fit([1.0, 2.0, 3.0, 6.0])
    >>> round(float(fit.mean()), 12), round(float(fit.shape), 12)
    (3.0, 6.0)
    """

    parameter_names = ("mean", "shape")
    scipy_name = "invgauss"
    support = (0, np.inf)

    # --- parameters
    def __init__(self, mean: ArrayLike, shape: ArrayLike) -> None:
        mean = checks.positive("InverseGaussian", "mean", mean, "Pass a positive mean, e.g. InverseGaussian(1, 2).")
        shape = checks.positive("InverseGaussian", "shape", shape, "Pass a positive shape, e.g. InverseGaussian(1, 2).")
        checks.broadcast("InverseGaussian", mean=mean.shape, shape=shape.shape)
        mean, shape = np.broadcast_arrays(mean, shape)
        self._store(mean.shape, _mean=mean, shape=shape)

    def natural_parameters(self):
        return -0.5 * np.stack([self.shape / self._mean**2, self.shape], axis=-1)

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        checks.require(
            "InverseGaussian.from_natural",
            "eta",
            eta,
            eta < 0,
            "two negative numbers",
            "The order is (−shape/(2 mean²), −shape/2).",
        )
        return cls(np.sqrt(eta[..., 1] / eta[..., 0]), -2 * eta[..., 1])

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        where, fix = "InverseGaussian.from_mean_parameters", "The order is (E[x], E[1/x])."
        mu = cls._mean_column(mu, 2)
        checks.require(where, "mu", mu, mu > 0, "two positive means", fix)
        gap = mu[..., 1] - 1 / mu[..., 0]
        checks.require(where, "E[1/x] − 1/E[x]", gap, gap > 0, "a positive number", fix)
        return cls(mu[..., 0], 1 / gap)

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return np.stack([x, 1 / x], axis=-1)

    def _log_partition_at(self, eta):
        return -2 * np.sqrt(eta[..., 0] * eta[..., 1]) - 0.5 * np.log(-2 * eta[..., 1])

    def _log_base_measure(self, x):
        with np.errstate(divide="ignore"):
            return -0.5 * _LOG_2PI - 1.5 * np.log(x)

    def _mean_log_base_measure(self):
        mean_log = np.log(self._mean) - _mean_log_gap(self.shape, self._mean)
        return (-0.5 * _LOG_2PI - 1.5 * mean_log)[()]

    def mean_parameters(self):
        return np.stack([self._mean, 1 / self._mean + 1 / self.shape], axis=-1)

    def _expected_sums(self):
        return InverseGaps(weight=1.0, shift=self._mean, ratio=0.0, remainder=self._mean / self.shape)

    def fisher_information(self):
        m, s = self._mean, self.shape
        inverse = (1 / m + 2 / s) / s
        return np.stack([np.stack([m**3 / s, -m / s], -1), np.stack([-m / s, inverse], -1)], -2)

    # --- evaluation
    def _log_prob(self, x):
        z = np.where(x > 0, x, 1.0)
        distance = tails.inverse_gaussian_away(self._mean, self.shape, z)
        inside = 0.5 * (np.log(self.shape) - 3 * np.log(z) - _LOG_2PI - distance * distance)
        return np.where(x > 0, inside, -np.inf)[()]

    def mean(self):
        return self._mean[()]

    def variance(self):
        return (self._mean**3 / self.shape)[()]

    def _cross_entropy_terms(self, other):
        mean_log = 1.5 * np.log(self._mean), -1.5 * _mean_log_gap(self.shape, self._mean)
        spread = 0.5 * other.shape / self.shape, self._means(other)
        return 0.5 * _LOG_2PI, -0.5 * np.log(other.shape), *mean_log, *spread

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return 0.5 * phi_of(other.shape, self.shape) + self._means(other)

    def _means(self, other):
        """λ_q (μ_p − μ_q)²/(2 μ_q² μ_p), of square roots, since a quotient of squares may leave the range of
        doubles."""
        mean, mean_q = self._mean[()], other._mean[()]
        with np.errstate(over="ignore"):
            return 0.5 * (np.sqrt(other.shape[()]) / np.sqrt(mean) * (mean - mean_q) / mean_q) ** 2

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return tails.inverse_gaussian(name, self._mean, self.shape, x)

    def _quantile(self, q):
        return self._first(q, 0.0, np.inf)

    def _draw(self, size, rng):
        return rng.wald(self._mean, self.shape, size)

    def to_scipy(self):
        return stats.invgauss(self._mean / self.shape, scale=self.shape)

    @staticmethod
    def _scipy_arguments(mu, loc=0, scale=1):
        return [np.multiply(mu, scale), scale] if np.all(np.asarray(loc) == 0) else None

    # --- fit
    _sums = InverseGaps
    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(*np.exp(rng.normal(size=2)))

    def _check_sample(self, x, method):
        self._check_data(x, method)
        checks.require(
            f"InverseGaussian.{method}",
            "x",
            x,
            x > 0,
            "positive observations",
            "At zero the density is zero for all parameters: no maximum exists. Drop zeros.",
        )

    @classmethod
    def _estimate(cls, sums: InverseGaps) -> Self:
        mean, gap = sums.mean_and_gap()
        checks.require(
            "InverseGaussian.fit",
            "spread of x",
            gap,
            gap > 0,
            "observations that differ",
            "With all observations equal the likelihood grows without bound as the shape rises: no maximum exists.",
        )
        with np.errstate(over="ignore"):
            shape = mean / gap
        fix = "Change the unit of measurement."
        checks.require("InverseGaussian.fit", "shape", shape, shape < np.inf, "a finite number", fix)
        return cls(mean, shape)


def _mean_log_gap(shape, mean):
    r"""log μ − E[log x] = :math:`e^z E_1(z)` at z = 2λ/μ; beyond 100 by its asymptotic series, near 0 it is −log z −
    γ."""
    z = np.maximum(2 * (shape / mean), 1e-300)
    near, far = np.minimum(z, 100.0), np.maximum(z, 100.0)
    series = 1.0
    for k in range(15, 0, -1):  # 1 − 1/z (1 − 2/z (1 − …))
        series = 1.0 - k * series / far
    log_z = np.log(2) + log_ratio(shape, mean)
    return np.where(z < 100, np.where(z < 1e-290, -log_z - np.euler_gamma, np.exp(near) * exp1(near)), series / far)
