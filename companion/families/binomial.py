"""Binomial distribution: successes in n independent trials."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gammaln

from companion import checks
from companion.families import tails
from companion.families.bernoulli import Bernoulli
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals
from companion.special import counts


class Binomial(ExponentialFamily):
    r"""Binomial distribution on {0, …, n}; an exponential family with n held fixed.

    .. math::

       p(x) = \binom{n}{x} p^x (1-p)^{n-x}, \qquad u(x) = x, \qquad \eta = \log\frac{p}{1-p}, \qquad
       A(\eta) = n\log(1+e^\eta)

       \mathrm{E}[u] = np, \qquad \mathrm{KL}\big(\mathrm{Bin}(n,p)\|\mathrm{Bin}(n,q)\big)
       = n\,\mathrm{KL}\big(\mathrm{Ber}(p)\|\mathrm{Ber}(q)\big)

    Parameters
    ----------
    n : array_like
        Number of trials, whole, at least 1 and below 2⁶³; kept as an integer.
    p : array_like
        Probability of success, in [0, 1]. n and p broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If n is not a positive whole number or p is not a probability; from `kl_divergence`, if the two n differ.

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> dice = Binomial.fit([4, 5, 3, 4], n=12)
    >>> dice
    Binomial(n=12, p=0.3333333333333333)
    >>> round(float(Binomial(12, 0.5).kl_divergence(Binomial(12, 0.25))), 6)
    1.726092
    """

    parameter_names = ("n", "p")
    scipy_name = "binom"
    _scipy_arguments = staticmethod(unshifted("n", "p"))
    fixed_names = ("n",)
    discrete = True

    # --- parameters
    def __init__(self, n: ArrayLike, p: ArrayLike) -> None:
        fix = "Pass the number of trials, e.g. Binomial(12, 1/3)."
        n = checks.whole("Binomial", "n", n, 1, fix)
        checks.require("Binomial", "n", n, n < 2.0**63, "a whole number below 2**63", fix)
        p = checks.probability(
            "Binomial", "p", p, "Pass the probability of success of one trial, e.g. Binomial(12, 1/3)."
        )
        checks.broadcast("Binomial", n=n.shape, p=p.shape)
        n, p = np.broadcast_arrays(n, p)
        self._store(p.shape, n=n if n.ndim else int(n), p=p, _trial=Bernoulli(p))

    @property
    def support(self):
        return (0, self.n)

    def natural_parameters(self):
        return self._trial.natural_parameters()

    @classmethod
    def from_natural(cls, eta: ArrayLike, n: ArrayLike) -> Self:
        trial = Bernoulli.from_logits(cls._natural_column(eta)[..., 0])
        new = cls(n, trial.p)
        new._store(new.batch_shape, _trial=trial)
        return new

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, n: ArrayLike) -> Self:
        where, fix = "Binomial.from_mean_parameters", "E[x] = n p, between 0 and the number of trials."
        mu, n = cls._mean_column(mu)[..., 0], checks.whole(where, "n", n, 1, "Pass the number of trials.")
        checks.broadcast(where, mu=mu.shape, n=n.shape)
        checks.require(where, "mu", mu, (mu >= 0) & (mu <= n), "a mean in [0, n]", fix)
        return cls(n, mu / n)

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return self.n * self._trial._log_partition_at(eta)

    def _log_base_measure(self, x):
        return gammaln(self.n + 1) - gammaln(x + 1) - gammaln(self.n - x + 1)

    def mean_parameters(self):
        return (self.n * self.p)[..., None]

    def fisher_information(self):
        return np.asarray(self.variance())[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        return counts.log_binomial(x, self.n, self.p, self._trial.complement)

    def mean(self):
        return (self.n * self.p)[()]

    def variance(self):
        return (self.n * self._trial.variance())[()]

    def _cross_entropy_terms(self, other):
        return counts.binomial_entropy(self.n, self.p, self._trial.complement), self.kl_divergence(other)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return (self.n * self._trial.kl_divergence(other._trial))[()]

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        k, p, rest = np.floor(np.clip(x, 0.0, self.n - 1.0)), self.p, self._trial.complement
        inside = tails.beta("sf" if name == "cdf" else "cdf", k + 1, self.n - k, p, rest)
        start, end = (0.0, 1.0) if name == "cdf" else (1.0, 0.0)
        return np.where(x < 0, start, np.where(x >= self.n, end, inside))

    def _draw(self, size, rng):
        return rng.binomial(np.asarray(self.n, dtype=int), self.p, size).astype(float)

    def to_scipy(self):
        return stats.binom(np.asarray(self.n, dtype=int)[()], self.p)

    # --- fit
    @classmethod
    def _fixed(cls, method, x, weights, n):
        if checks.numbers(f"Binomial.{method}", "n", n, "Pass the number of trials.").ndim:
            checks.fail(
                f"Binomial.{method}",
                "n",
                n,
                "one number of trials for all observations",
                "Group the observations by n, and fit each group.",
            )
        return {"n": cls(n, 0.5).n}

    @classmethod
    def _random_member(cls, rng):
        return cls(12, rng.uniform(0.02, 0.98))

    @classmethod
    def _estimate(cls, sums: Totals, n: int) -> Self:
        return cls(n, sums.mean()[0] / n)
