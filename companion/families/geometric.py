"""Geometric distribution: trials up to and including the first success."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import xlog1py

from companion import checks
from companion.families.bernoulli import Bernoulli
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals


class Geometric(ExponentialFamily):
    r"""Geometric distribution on {1, 2, …}: the number of the first trial that succeeds.

    .. math::

       p(x) = p\,(1-p)^{x-1}, \qquad u(x) = x, \qquad \eta = \log(1-p), \qquad A(\eta) = \eta - \log(1-e^\eta)

       \mathrm{E}[u] = \frac1p, \qquad
       \mathrm{KL}(p\|q) = \frac1p\,\mathrm{KL}\big(\mathrm{Ber}(p)\|\mathrm{Ber}(q)\big)

    Parameters
    ----------
    p : array_like
        Probability of success of one trial, in (0, 1]; its shape is the shape of the batch.

    Raises
    ------
    ValueError
        If a p is outside (0, 1] or NaN; in `natural_parameters`, if p is 1.

    References
    ----------
    Cover and Thomas (2006), chapter 2.

    Examples
    --------
    >>> Geometric.fit([1, 3, 2, 2])
    Geometric(p=0.5)
    >>> round(float(Geometric(0.5).kl_divergence(Geometric(0.25))), 6)
    0.287682
    """

    parameter_names = ("p",)
    scipy_name = "geom"
    _scipy_arguments = staticmethod(unshifted("p"))
    discrete = True
    support = (1, np.inf)

    # --- parameters
    def __init__(self, p: ArrayLike) -> None:
        fix = "Pass the probability of success of one trial, e.g. Geometric(0.3)."
        p = checks.probability("Geometric", "p", p, fix)
        checks.require("Geometric", "p", p, p > 0, "a probability in (0, 1]", fix)
        self._store(p.shape, p=p, _trial=Bernoulli(p))

    def natural_parameters(self):
        checks.require(
            "Geometric.natural_parameters",
            "p",
            self.p,
            self.p < 1,
            "a probability below 1",
            "At 1 the natural parameter is −inf: the point lies on the boundary of the family.",
        )
        return np.log1p(-self.p)[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        p = -np.expm1(eta)
        checks.require(
            "Geometric.from_natural",
            "eta",
            eta,
            (p > 0) & (p < 1),
            "a negative number above −37",
            "η = log(1 − p); below −37 the double next to p is 1.",
        )
        return cls(p)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require(
            "Geometric.from_mean_parameters", "mu", mu, mu >= 1, "a mean of at least 1", "E[x] is one over p."
        )
        return cls(1 / mu)

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return (eta - np.log(-np.expm1(eta)))[..., 0]

    def mean_parameters(self):
        return 1 / self.p[..., None]

    def fisher_information(self):
        return np.asarray(self.variance())[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        return (np.log(self.p) + xlog1py(x - 1, -self.p))[()]

    def mean(self):
        return (1 / self.p)[()]

    def variance(self):
        return ((1 - self.p) / self.p**2)[()]

    def _cross_entropy_terms(self, other):
        return tuple(term / self.p for term in self._trial._cross_entropy_terms(other._trial))

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return self._trial._kl_per_success(other._trial)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        """P(X > k) = (1 − p)^k."""
        with np.errstate(divide="ignore"):
            log_sf = np.maximum(np.floor(x), 1.0) * np.log1p(-self.p)
        inside = -np.expm1(log_sf) if name == "cdf" else np.exp(log_sf)
        return np.where(x >= 1, inside, 0.0 if name == "cdf" else 1.0)

    def _draw(self, size, rng):
        return 1.0 + np.floor(rng.standard_exponential(size) / -np.log1p(-self.p))  # integers would saturate

    def to_scipy(self):
        return stats.geom(self.p)

    # --- fit
    @classmethod
    def _random_member(cls, rng):
        return cls(rng.uniform(0.05, 0.95))

    @classmethod
    def _estimate(cls, sums: Totals) -> Self:
        return cls(1 / sums.mean()[0])
