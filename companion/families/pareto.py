"""Pareto distribution: a power law above a minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families import tails
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals
from companion.special.remainders import choose, log_ratio, phi_of


@dataclass(frozen=True, eq=False)
class LogRatios(Totals):
    """``total`` is the weighted sum of log(x/xm)."""

    @staticmethod
    def variable(member, x, out):
        return np.log1p(np.divide(np.subtract(x, member.xm, out=out), member.xm, out=out), out=out)


class Pareto(ExponentialFamily):
    r"""Pareto distribution on [x_m, ∞); an exponential family with the minimum x_m held fixed.

    .. math::

       p(x) = \frac{\alpha\,x_m^\alpha}{x^{\alpha+1}}, \qquad u(x) = \log\frac{x}{x_m}, \qquad \eta = -\alpha, \qquad
       A(\eta) = -\log(-\eta), \qquad h(x) = \tfrac1x

       \mathrm{E}[u] = \frac1\alpha, \qquad
       \mathrm{KL}(p\|q) = \varphi\Big(\frac{\alpha_q-\alpha_p}{\alpha_p}\Big) + \alpha_q\log\frac{x_{m,p}}{x_{m,q}}
       \quad\text{if } x_{m,p} \ge x_{m,q}, \text{ else } \infty

    The KL divergence, the cross-entropy and the fit also vary the minimum; natural and mean parameters do not.

    Parameters
    ----------
    alpha : array_like
        Tail index α, positive.
    xm : array_like
        Minimum, positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a parameter is not a positive finite number; from `fit`, if an observation is below xm, or all equal it (no
        maximum exists).

    References
    ----------
    Cover and Thomas (2006), chapter 8.

    Examples
    --------
    >>> round(float(Pareto(2.0, 1.0).kl_divergence(Pareto(1.0, 0.5))), 6)
    0.886294
    >>> float(Pareto(1.0, 0.5).kl_divergence(Pareto(2.0, 1.0)))
    inf
    >>> Pareto.fit([1.0, np.e, np.e**2])     # minimum: the smallest observation
    Pareto(alpha=1.0, xm=1.0)
    """

    parameter_names = ("alpha", "xm")
    scipy_name = "pareto"
    _scipy_arguments = staticmethod(unshifted("b", "scale"))
    fixed_names = kl_across = fit_options = ("xm",)

    # --- parameters
    def __init__(self, alpha: ArrayLike, xm: ArrayLike) -> None:
        alpha = checks.positive("Pareto", "alpha", alpha, "Pass a positive tail index, e.g. Pareto(2, 1).")
        xm = checks.positive("Pareto", "xm", xm, "Pass the smallest possible value, e.g. Pareto(2, 1).")
        checks.broadcast("Pareto", alpha=alpha.shape, xm=xm.shape)
        alpha, xm = np.broadcast_arrays(alpha, xm)
        self._store(alpha.shape, alpha=alpha, xm=xm)

    @property
    def support(self):
        return (self.xm[()], np.inf)

    def natural_parameters(self):
        return -self.alpha[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike, xm: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        checks.require("Pareto.from_natural", "eta", eta, eta < 0, "a negative number", "η = −alpha.")
        return cls(-eta, xm)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, xm: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require(
            "Pareto.from_mean_parameters", "mu", mu, mu > 0, "a positive mean", "E[log(x/xm)] is one over alpha."
        )
        return cls(1 / mu, xm)

    # --- statistics
    def _statistic(self, x):
        return np.log1p((x - self.xm) / self.xm)[..., None]

    def _log_partition_at(self, eta):
        return -np.log(-eta)[..., 0]

    def _log_base_measure(self, x):
        return -np.log(x)

    def _mean_log_base_measure(self):
        return -(np.log(self.xm) + 1 / self.alpha)[()]

    def mean_parameters(self):
        return 1 / self.alpha[..., None]

    def fisher_information(self):
        return 1 / self.alpha[..., None, None] ** 2

    # --- evaluation
    def _log_prob(self, x):
        return (log_ratio(self.alpha, x) - self.alpha * log_ratio(x, self.xm))[()]

    def mean(self):
        """Infinite for α ≤ 1."""
        above = np.where(self.alpha > 1, self.alpha - 1, 1.0)
        return np.where(self.alpha > 1, self.alpha * self.xm / above, np.inf)[()]

    def variance(self):
        """Infinite for α ≤ 2."""
        above = np.where(self.alpha > 2, self.alpha, 3.0)
        return np.where(self.alpha > 2, self.xm**2 * above / ((above - 1) ** 2 * (above - 2)), np.inf)[()]

    def _cross_entropy_terms(self, other):
        return np.log(self.xm), -np.log(other.alpha), (other.alpha + 1) / self.alpha, self._start(other)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return phi_of(other.alpha, self.alpha) + self._start(other)

    def _start(self, other):
        """α_q log(x_p/x_q): what it costs that q begins before p; infinite if it begins after."""
        p, q, alpha = self.xm[()], other.xm[()], other.alpha[()]
        return choose(p >= q, lambda p, q, a: a * log_ratio(p, q), lambda p, q, a: p * np.inf, p, q, alpha)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        return tails.exponential(name, self.alpha * log_ratio(np.maximum(x, self.xm), self.xm))

    def _quantile(self, q):
        return self.xm * np.exp(-np.log1p(-q) / self.alpha)

    def _draw(self, size, rng):
        return self.xm * np.exp(rng.standard_exponential(size) / self.alpha)

    def to_scipy(self):
        return stats.pareto(self.alpha, scale=self.xm)

    # --- fit
    _sums = LogRatios

    @classmethod
    def _fixed(cls, method, x, weights, xm=None):
        where, expected = f"Pareto.{method}", "positive finite observations"
        if xm is None:
            xm = float(np.min(x))
            if not 0 < xm < np.inf:
                checks.require(
                    where, "x", x, (x > 0) & np.isfinite(x), expected, "A Pareto distribution has a positive minimum."
                )
        return {"xm": checks.scalar(where, "xm", cls(1.0, xm).xm, "Pass one minimum for all observations.")}

    @classmethod
    def _random_member(cls, rng):
        return cls(3 + rng.gamma(2.0), 1.5)

    @classmethod
    def _estimate(cls, sums: LogRatios, xm: float) -> Self:
        u = sums.mean()[0]
        checks.require(
            "Pareto.fit",
            "mean of log(x/xm)",
            u,
            u > 0,
            "a positive number",
            "With all observations at xm the likelihood grows without bound as alpha rises: no maximum exists.",
        )
        return cls(1 / u, xm)
