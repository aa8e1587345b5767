"""Beta distribution: a random probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betaln, xlog1py, xlogy

from companion import checks
from companion.families.adding import count, dot, weighted_sum
from companion.families.dirichlet import Dirichlet, MeanLogs, divergence, inverse_mean_map
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.special import gamma_function
from companion.special.remainders import phi


@dataclass(frozen=True, eq=False)
class MeanLogPairs(MeanLogs):
    """Moments of y = (log x, log(1 − x)), the logarithms of a Dirichlet vector of two."""

    @staticmethod
    def variable(x, out):
        return np.stack([np.log(x), np.log1p(-x)], axis=-1)

    def update(self, member, x, weights, work):
        first, second = np.empty(2), np.empty(2)
        near = weights is None and self.is_near_zero()
        for i, function in enumerate((np.log, lambda x, out: np.log1p(np.negative(x, out=out), out=out))):
            away = function(x, out=work[0])
            if not near:
                away -= self.shift[i]
            first[i] = weighted_sum(away, weights)
            second[i] = dot(away, away if weights is None else np.multiply(away, weights, out=work[1]))
        if near:
            return self.plus(len(x), **self.from_zero(len(x), first, second))
        return self.plus(count(x, weights), first=first, second=second)


class Beta(ExponentialFamily):
    r"""Beta distribution on (0, 1): the Dirichlet distribution of (x, 1 − x).

    .. math::

       p(x) = \frac{\Gamma(a+b)}{\Gamma(a)\Gamma(b)} x^{a-1}(1-x)^{b-1}, \qquad u(x) = (\log x, \log(1-x)), \qquad
       \eta = (a, b), \qquad h(x) = \frac{1}{x(1-x)}

       A(\eta) = \log\Gamma(\eta_1) + \log\Gamma(\eta_2) - \log\Gamma(\eta_1+\eta_2), \qquad
       \mathrm{E}[u] = \big(\psi(a) - \psi(a+b),\ \psi(b) - \psi(a+b)\big)

       \mathrm{KL}(p\|q) = \mathrm{KL}\big(\mathrm{Dir}(a_p,b_p)\,\|\,\mathrm{Dir}(a_q,b_q)\big)

    Parameters
    ----------
    a, b : array_like
        Positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a parameter is not a positive finite number; from `fit`, if an observation is 0 or 1 or all are equal (no
        maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(Beta(2.0, 1.0).kl_divergence(Beta(1.0, 1.0))), 6)
    0.193147
    >>> round(float(Beta.fit([0.2, 0.5, 0.8]).mean()), 12)
    0.5
    """

    parameter_names = ("a", "b")
    scipy_name = "beta"
    _scipy_arguments = staticmethod(unshifted("a", "b"))
    support = (0, 1)

    # --- parameters
    def __init__(self, a: ArrayLike, b: ArrayLike) -> None:
        fix = "Pass two positive numbers, e.g. Beta(2, 3)."
        a, b = checks.positive("Beta", "a", a, fix), checks.positive("Beta", "b", b, fix)
        checks.broadcast("Beta", a=a.shape, b=b.shape)
        a, b = np.broadcast_arrays(a, b)
        self._store(a.shape, a=a, b=b, _pair=Dirichlet(np.stack([a, b], axis=-1)))

    def natural_parameters(self):
        return self._pair.natural_parameters()

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        checks.require("Beta.from_natural", "eta", eta, eta > 0, "two positive numbers", "The order is (a, b).")
        return cls(eta[..., 0], eta[..., 1])

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        alpha = Dirichlet.from_mean_parameters(cls._mean_column(mu, 2)).alpha
        return cls(alpha[..., 0], alpha[..., 1])

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return np.stack([np.log(x), np.log1p(-x)], axis=-1)

    def _log_partition_at(self, eta):
        return self._pair._log_partition_at(eta)

    def _log_base_measure(self, x):
        return -np.sum(self._statistic(x), axis=-1)

    def _mean_log_base_measure(self):
        return self._pair._mean_log_base_measure()

    def mean_parameters(self):
        return self._pair.mean_parameters()

    def _expected_sums(self):
        mu, variance = self.mean_parameters(), np.diagonal(self.fisher_information())
        return MeanLogPairs(weight=1.0, shift=mu, first=np.zeros(2), second=variance)

    def fisher_information(self):
        return self._pair.fisher_information()

    # --- evaluation
    kl_rounding = 4096.0

    def _log_prob(self, x):
        a, b, total = self.a, self.b, self.a + self.b
        z = np.where((x > 0) & (x < 1), x, 0.5)
        away = total * z - a
        inside = (
            gamma_function.log_peak(a)
            + gamma_function.log_peak(b)
            - gamma_function.log_peak(total)
            - np.log(z)
            - np.log1p(-z)
            - a * phi(away / a, total * z / a)
            - b * phi(-away / b, total * (1 - z) / b)
        )
        end = xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)
        return np.where(z == x, inside, end)[()]

    def mean(self):
        return (self.a / (self.a + self.b))[()]

    def variance(self):
        total = self.a + self.b
        return (self.a / total * (self.b / total) / (total + 1))[()]

    def _cross_entropy_terms(self, other):
        return self._pair._cross_entropy_terms(other._pair)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return divergence(self._pair.alpha, other._pair.alpha)

    # --- sampling and conversion
    def _draw(self, size, rng):
        return rng.beta(self.a, self.b, size)

    def to_scipy(self):
        return stats.beta(self.a, self.b)

    # --- fit
    _sums = MeanLogPairs
    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(np.exp(rng.normal()), 1 + rng.gamma(2.0))

    def _check_sample(self, x, method):
        self._check_data(x, method)
        checks.require(
            f"Beta.{method}",
            "x",
            x,
            (x > 0) & (x < 1),
            "observations strictly between 0 and 1",
            "At 0 and 1 the density of every concentration below 1 is infinite: no maximum exists. Recorded ones "
            "belong to a model of their own; drawn ones are numbers below 5e-324 or above 1 − 1e-16, which a double "
            "cannot hold: draw larger concentrations.",
        )

    @classmethod
    def _estimate(cls, sums: MeanLogPairs) -> Self:
        sums.check_fit("Beta.fit")
        a, b = inverse_mean_map(sums.mean(), "Beta.fit")
        return cls(a, b)
