"""Negative binomial distribution: failures before the r-th success."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betaln

from companion import checks
from companion.families import tails
from companion.families.bernoulli import Bernoulli
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.special import counts


class NegativeBinomial(ExponentialFamily):
    r"""Negative binomial distribution on {0, 1, 2, …}; an exponential family with r held fixed.

    .. math::

       p(x) = \frac{\Gamma(x+r)}{\Gamma(r)\,x!}\,p^r(1-p)^x, \qquad u(x) = x, \qquad \eta = \log(1-p), \qquad
       A(\eta) = -r\log(1-e^\eta)

       \mathrm{E}[u] = \frac{r(1-p)}{p}, \qquad
       \mathrm{KL}(p\|q) = \frac rp\,\mathrm{KL}\big(\mathrm{Ber}(p)\|\mathrm{Ber}(q)\big)

    Parameters
    ----------
    r : array_like
        Number of successes to wait for, positive; it need not be whole.
    p : array_like
        Probability of success of one trial, in (0, 1]. r and p broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If r is not positive or p is outside (0, 1]; in `natural_parameters`, if p is 1; from `kl_divergence`, if the
        two r differ (`companion.kl_divergence` sums then).

    References
    ----------
    Cox and Hinkley (1974), chapter 2.

    Examples
    --------
    >>> NegativeBinomial.fit([4, 0, 3, 1], r=2)
    NegativeBinomial(r=2.0, p=0.5)
    >>> round(float(NegativeBinomial(2, 0.5).kl_divergence(NegativeBinomial(2, 0.25))), 6)
    0.575364
    """

    parameter_names = ("r", "p")
    scipy_name = "nbinom"
    _scipy_arguments = staticmethod(unshifted("n", "p"))
    fixed_names = ("r",)
    discrete = True
    support = (0, np.inf)

    # --- parameters
    def __init__(self, r: ArrayLike, p: ArrayLike) -> None:
        fix = "Pass the probability of success of one trial, e.g. NegativeBinomial(2, 0.3)."
        r = checks.positive(
            "NegativeBinomial", "r", r, "Pass the number of successes to wait for, e.g. NegativeBinomial(2, 0.3)."
        )
        p = checks.probability("NegativeBinomial", "p", p, fix)
        checks.require("NegativeBinomial", "p", p, p > 0, "a probability in (0, 1]", fix)
        checks.broadcast("NegativeBinomial", r=r.shape, p=p.shape)
        r, p = np.broadcast_arrays(r, p)
        self._store(p.shape, r=r, p=p, _trial=Bernoulli(p))

    def natural_parameters(self):
        checks.require(
            "NegativeBinomial.natural_parameters",
            "p",
            self.p,
            self.p < 1,
            "a probability below 1",
            "At 1 the natural parameter is −inf: the point lies on the boundary of the family.",
        )
        return np.log1p(-self.p)[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike, r: ArrayLike) -> Self:
        eta = cls._natural_column(eta)[..., 0]
        p = -np.expm1(eta)
        checks.require(
            "NegativeBinomial.from_natural",
            "eta",
            eta,
            (p > 0) & (p < 1),
            "a negative number above −37",
            "η = log(1 − p); below −37 the double next to p is 1.",
        )
        return cls(r, p)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, r: ArrayLike) -> Self:
        where = "NegativeBinomial.from_mean_parameters"
        mu, r = cls._mean_column(mu)[..., 0], checks.positive(where, "r", r, "Pass the r that is held fixed.")
        checks.require(where, "mu", mu, mu >= 0, "a mean of at least 0", "E[x] = r (1 − p)/p.")
        return cls(r, r / (r + mu))

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return -self.r * np.log(-np.expm1(eta))[..., 0]

    def _log_base_measure(self, x):
        return -betaln(self.r, x + 1) - np.log(x + self.r)

    def mean_parameters(self):
        return np.asarray(self.mean())[..., None]

    def fisher_information(self):
        return np.asarray(self.variance())[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        return counts.log_negative_binomial(x, self.r, self.p, self._trial.complement)

    def mean(self):
        return (self.r * (1 - self.p) / self.p)[()]

    def variance(self):
        return (self.r * (1 - self.p) / self.p**2)[()]

    def _cross_entropy_terms(self, other):
        return counts.negative_binomial_entropy(self.r, self.p, self._trial.complement), self.kl_divergence(other)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return self.r * self._trial._kl_per_success(other._trial)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        """By the incomplete beta function: SciPy's own ends the interpreter at large r."""
        k = np.floor(np.clip(x, 0.0, 1e300)) + 1
        inside = tails.beta(name, self.r, k, self.p, self._trial.complement)
        start, end = (0.0, 1.0) if name == "cdf" else (1.0, 0.0)
        return np.where(x < 0, start, np.where(x == np.inf, end, inside))

    def _draw(self, size, rng):
        return rng.negative_binomial(self.r, self.p, size).astype(float)

    def to_scipy(self):
        return stats.nbinom(self.r, self.p)

    # --- fit
    @classmethod
    def _fixed(cls, method, x, weights, r):
        return {
            "r": checks.scalar(f"NegativeBinomial.{method}", "r", cls(r, 0.5).r, "Pass one r for all observations.")
        }

    @classmethod
    def _random_member(cls, rng):
        return cls(2.5, rng.uniform(0.1, 0.9))
