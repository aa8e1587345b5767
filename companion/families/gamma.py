"""Gamma distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gammaln, loggamma, psi, xlogy, zeta

from companion import checks
from companion.families import tails
from companion.families.adding import count, dot, sum_of_logs, weighted_sum
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Ratios
from companion.special import gamma_function
from companion.special.remainders import choose, log_ratio, phi, phi_of


@dataclass(frozen=True, eq=False)
class LogGaps(Ratios):
    """Ratios t = x/c − 1 with ``remainder`` Σ w φ(t), φ(t) = t − log(1 + t): the gap is log mean x − mean log x."""

    def update(self, member, x, weights, work):
        """Where t is not small, φ(t) = t − log(x/c) is no small difference, and if it is large x need not be divided by
        c first (the quotient may leave the range of doubles)."""
        n, c = count(x, weights), self.shift
        total = weighted_sum(x, weights)
        if weights is None and self.remainder > 0.05 * self.weight:  # as far as is known, spread is above 0.1
            logs = sum_of_logs(x, weights, work[0], bound=total)
            return self.plus(n, ratio=total / c - n, remainder=total / c - n + n * np.log(c) - logs)
        squares = dot(x, x if weights is None else np.multiply(x, weights, out=work[1]))
        squares = squares / (n * c) / c
        if squares == np.inf:  # those of x/c are finite, unless the spread is large
            ratios = np.divide(x, c, out=work[0])
            squares = dot(ratios, ratios if weights is None else np.multiply(ratios, weights, out=work[1])) / n
        spread = squares - 2 * total / (n * c) + 1
        if spread < 1e-5:
            return super().update(member, x, weights, work)
        if spread < 0.05:
            ratios = np.divide(x, c, out=work[0])
            ratio = weighted_sum(np.subtract(ratios, 1.0, out=work[1]), weights)
            return self.plus(n, ratio=ratio, remainder=ratio - weighted_sum(np.log(ratios, out=ratios), weights))
        ratio = total / c - n
        logs = sum_of_logs(x, weights, work[0], bound=total)
        return self.plus(n, ratio=ratio, remainder=ratio + n * np.log(c) - logs)

    def remainder_of(self, t, x, weights, out):
        return weighted_sum(phi(t, np.divide(x, self.shift, out=out)), weights)

    def remainder_about(self, d, k):
        return self.remainder + d * self.ratio + self.weight * phi(d, k)

    def mean(self):
        mean, gap = self.mean_and_gap()
        return np.stack([np.log(mean) - gap, mean])


class Gamma(ExponentialFamily):
    r"""Gamma distribution on (0, ∞).

    .. math::

       p(x) = \frac{\beta^\alpha}{\Gamma(\alpha)} x^{\alpha-1} e^{-\beta x}, \qquad u(x) = (\log x, x), \qquad
       \eta = (\alpha, -\beta), \qquad h(x) = \tfrac1x

       A(\eta) = \log\Gamma(\eta_1) - \eta_1\log(-\eta_2), \qquad
       \mathrm{E}[u] = \Big(\psi(\alpha) - \log\beta, \frac\alpha\beta\Big)

       \mathrm{KL}(p\|q) = \alpha_q\,\varphi\Big(\frac{t-s}{1+s}\Big) + \tfrac12\varphi(s) + B_R(\alpha_q, \alpha_p),
       \quad s = \frac{\alpha_q-\alpha_p}{\alpha_p},\ t = \frac{\beta_q-\beta_p}{\beta_p}

    with B_R the Bregman divergence of Stirling's remainder (`companion.special.gamma_function`).

    Parameters
    ----------
    shape, rate : array_like
        Shape α and rate β, positive. The two broadcast to the shape of the batch. SciPy takes the scale 1/β.

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
    >>> round(float(Gamma(2.0, 1.0).kl_divergence(Gamma(3.0, 1.0))), 6)
    0.270363
    >>> round(float(Gamma.fit([1.0, 2.0, 3.0, 6.0]).mean()), 12)
    3.0
    """

    parameter_names = ("shape", "rate")
    scipy_name = "gamma"
    _scipy_arguments = staticmethod(unshifted("a", "rate"))
    support = (0, np.inf)

    # --- parameters
    def __init__(self, shape: ArrayLike, rate: ArrayLike) -> None:
        shape = checks.positive("Gamma", "shape", shape, "Pass a positive shape, e.g. Gamma(2, 1).")
        rate = checks.positive("Gamma", "rate", rate, "Pass the rate, one over the scale, e.g. Gamma(2, 1).")
        checks.broadcast("Gamma", shape=shape.shape, rate=rate.shape)
        shape, rate = np.broadcast_arrays(shape, rate)
        self._store(shape.shape, shape=shape, rate=rate)

    def natural_parameters(self):
        return np.stack([self.shape, -self.rate], axis=-1)

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        checks.require(
            "Gamma.from_natural",
            "eta",
            eta,
            eta * [1, -1] > 0,
            "a positive and a negative number",
            "The order is (shape, −rate).",
        )
        return cls(eta[..., 0], -eta[..., 1])

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        where = "Gamma.from_mean_parameters"
        mean_log, mean = np.moveaxis(cls._mean_column(mu, 2), -1, 0)
        checks.require(where, "second entry of mu", mean, mean > 0, "a positive mean", "The order is (E[log x], E[x]).")
        gap = np.log(mean) - mean_log
        checks.require(
            where, "log E[x] − E[log x]", gap, gap > 0, "a positive number", "The order is (E[log x], E[x])."
        )
        shape = gamma_function.inverse_excess(gap)
        return cls(shape, shape / mean)

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return np.stack([np.log(x), x], axis=-1)

    def _log_partition_at(self, eta):
        return loggamma(eta[..., 0]) - eta[..., 0] * np.log(-eta[..., 1])

    def _log_base_measure(self, x):
        with np.errstate(divide="ignore"):
            return -np.log(x)

    def _mean_log_base_measure(self):
        return (np.log(self.rate) - psi(self.shape))[()]

    def mean_parameters(self):
        return np.stack([psi(self.shape) - np.log(self.rate), self.shape / self.rate], axis=-1)

    def _expected_sums(self):
        return LogGaps(weight=1.0, shift=self.mean(), ratio=0.0, remainder=gamma_function.excess(self.shape))

    def fisher_information(self):
        mixed = 1 / self.rate
        return np.stack([np.stack([zeta(2, self.shape), mixed], -1), np.stack([mixed, self.variance()], -1)], -2)

    # --- evaluation
    kl_rounding = 256.0

    def _log_prob(self, x):
        a, b = self.shape, self.rate
        regular = (b * x / a > 1e-290) & (b * x / a < 1e290)
        z = np.where(regular, b * x, a)
        log = np.log(np.where(regular, x, 1.0))
        inside = gamma_function.log_peak(a) - log - a * phi((z - a) / a, z / a)
        return np.where(regular, inside, xlogy(a - 1, x) + xlogy(a, b) - gammaln(a) - b * x)[()]

    def mean(self):
        return (self.shape / self.rate)[()]

    def variance(self):
        return (self.shape / self.rate**2)[()]

    def _cross_entropy_terms(self, other):
        """In Stirling's form for a large shape, term by term for a small one."""
        a, q, b = self.shape, other.shape, log_ratio(other.rate, self.rate)
        stirling = (
            -gamma_function.log_peak(q),
            log_ratio(a, self.rate),
            (q - 1) * gamma_function.excess(a),
            q * self._scale_part(other),
        )
        plain = gamma_function.log_gamma(q), (1 - q) * psi(a), -q * b, -np.log(self.rate), a * (other.rate / self.rate)
        return gamma_function.smaller_terms(plain, stirling)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        a, q = self.shape[()], other.shape[()]
        with np.errstate(over="ignore"):
            shapes = 0.5 * phi_of(q, a) + gamma_function.bregman(a, q)
            return q * self._scale_part(other) + shapes

    def _scale_part(self, other):
        """φ of the relative difference of the means, (α_p/β_p)/(α_q/β_q) − 1."""
        a, b, a_q, b_q = self.shape[()], self.rate[()], other.shape[()], other.rate[()]
        with np.errstate(all="ignore"):
            s, t, shrink = (a_q - a) / a, (b_q - b) / b, a / a_q
            ratio = b_q / b * shrink
            whole = (ratio > 1e-300) & (ratio < 1e300)
            log = choose(whole, lambda r, *_: np.log(r), _log_of_means, ratio, b_q, b, a_q, a)
            near = (abs(s) < 0.5) & (abs(t) < 0.5)
            change = choose(near, lambda d, r, l: d, _relative_change, (t - s) * shrink, ratio, log)
            return phi(change, log_ratio=log)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return tails.gamma(name, self.shape, self.rate, x)

    def _quantile(self, q):
        return self._first(q, 0.0, np.inf, tails.gamma_quantile(self.shape, self.rate, q))

    def _draw(self, size, rng):
        return rng.standard_gamma(self.shape, size) / self.rate

    def to_scipy(self):
        return stats.gamma(self.shape, scale=1 / self.rate)

    # --- fit
    _sums = LogGaps
    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(np.exp(rng.normal()), np.exp(rng.normal()))

    def _check_sample(self, x, method):
        self._check_data(x, method)
        checks.require(
            f"Gamma.{method}",
            "x",
            x,
            x > 0,
            "positive observations",
            "For every shape below 1 the density at zero is infinite: no maximum exists. Recorded zeros stand for half "
            "a unit of measurement; drawn ones for numbers below 5e-324, which a double cannot hold: draw a larger "
            "shape.",
        )

    @classmethod
    def _estimate(cls, sums: LogGaps) -> Self:
        mean, gap = sums.mean_and_gap()
        checks.require(
            "Gamma.fit",
            "spread of x",
            gap,
            gap > 0,
            "observations that differ",
            "With all observations equal the likelihood grows without bound as the shape rises: no maximum exists.",
        )
        shape = gamma_function.inverse_excess(gap)
        with np.errstate(over="ignore"):
            rate = shape / mean
        checks.require("Gamma.fit", "rate", rate, rate < np.inf, "a finite number", "Change the unit of measurement.")
        return cls(shape, rate)


def _log_of_means(ratio, rate_q, rate, shape_q, shape):
    """log of (α_p/β_p)/(α_q/β_q), where the `ratio` of the two is out of the range of doubles."""
    return log_ratio(rate_q, rate) - log_ratio(shape_q, shape)


def _relative_change(change, ratio, log):
    return np.where((ratio > 1e-300) & (ratio < 1e300), ratio - 1, np.expm1(log))
