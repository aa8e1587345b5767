"""Bernoulli distribution: one trial that succeeds or fails."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import expit, log_expit, xlog1py, xlogy

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Totals
from companion.special.remainders import choose, kl_term, phi_of


class Bernoulli(ExponentialFamily):
    r"""Bernoulli distribution on {0, 1} with success probability p.

    .. math::

       p(x) = p^x (1-p)^{1-x}, \qquad u(x) = x, \qquad \eta = \log\frac{p}{1-p}, \qquad A(\eta) = \log(1 + e^\eta)

       \mathrm{E}[u] = p, \qquad
       \mathrm{KL}(p\|q) = p\log\frac{p}{q} + (1-p)\log\frac{1-p}{1-q}
       = p\,\varphi\!\Big(\frac{d}{p}\Big) + (1-p)\,\varphi\!\Big(\frac{-d}{1-p}\Big), \qquad d = {q - p}

    Parameters
    ----------
    p : array_like
        Probability of 1, in [0, 1]; its shape is the shape of the batch.

    Raises
    ------
    ValueError
        If a p is outside [0, 1] or NaN; in `natural_parameters`, if p is 0 or 1.

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(Bernoulli(0.5).kl_divergence(Bernoulli(0.25))), 6)
    0.143841
    >>> Bernoulli.fit([1, 0, 1, 1])
    Bernoulli(p=0.75)
    """

    parameter_names = ("p",)
    other_forms = {"from_logits": ("logits",)}
    scipy_name = "bernoulli"
    _scipy_arguments = staticmethod(unshifted("p"))
    discrete = True
    support = (0, 1)

    # --- parameters
    def __init__(self, p: ArrayLike) -> None:
        p = checks.probability(
            "Bernoulli",
            "p",
            p,
            "Pass the probability of success, e.g. Bernoulli(0.3); for log-odds use Bernoulli.from_logits.",
        )
        self._store(p.shape, p=p, complement=1.0 - p, _logits=None)

    @classmethod
    def from_logits(cls, logits: ArrayLike) -> Self:
        """The Bernoulli with log-odds `logits` = log(p / (1 - p)); keeps 1 - p exact when p is close to 1.

        >>> float(Bernoulli.from_logits(700.0).complement) > 0
        True
        """
        fix = "Pass finite log-odds; for p = 0 or 1 use Bernoulli(p)."
        logits = checks.finite("Bernoulli.from_logits", "logits", logits, fix)
        checks.require(
            "Bernoulli.from_logits", "logits", logits, np.abs(logits) < 1e300, "log-odds below 1e300 in size", fix
        )
        new = cls(expit(logits))
        new._store(logits.shape, complement=expit(-logits), _logits=logits, _made_by="from_logits")
        return new

    def natural_parameters(self):
        if self._logits is not None:
            return self._logits[..., None]
        checks.require(
            "Bernoulli.natural_parameters",
            "p",
            self.p,
            (self.p > 0) & (self.p < 1),
            "a probability strictly between 0 and 1",
            "At 0 or 1 the log-odds are infinite: the point lies on the boundary of the family.",
        )
        return (np.log(self.p) - np.log1p(-self.p))[..., None]

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        return cls.from_logits(cls._natural_column(eta)[..., 0])

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu)[..., 0]
        checks.require(
            "Bernoulli.from_mean_parameters",
            "mu",
            mu,
            (mu >= 0) & (mu <= 1),
            "a mean in [0, 1]",
            "E[x] is the probability of 1.",
        )
        return cls(mu)

    # --- statistics
    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return np.log1p(np.exp(-np.sign(eta.real) * eta[...]))[..., 0] + np.where(eta.real > 0, eta, 0)[..., 0]

    def mean_parameters(self):
        return self.p[..., None]

    def fisher_information(self):
        return self.variance()[..., None, None]

    # --- evaluation
    def _log_prob(self, x):
        if self._logits is not None:
            return (x * log_expit(self._logits) + (1 - x) * log_expit(-self._logits))[()]
        return (xlogy(x, self.p) + xlog1py(1 - x, -self.p))[()]

    def mean(self):
        return self.p[()]

    def variance(self):
        return (self.p * self.complement)[()]

    def _cross_entropy_terms(self, other):
        if other._logits is not None:
            return -self.p * log_expit(other._logits), -self.complement * log_expit(-other._logits)
        return -xlogy(self.p, other.p), -xlog1py(self.complement, -other.p)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        d = self._difference(other)
        logs = (None, None) if other._logits is None else (log_expit(other._logits), log_expit(-other._logits))
        return kl_term(self.p, other.p, d, logs[0]) + kl_term(self.complement, other.complement, -d, logs[1])

    def _kl_per_success(self, other):
        """KL divergence over p, that of the numbers of trials up to the first success: φ(d/p) stays when p
        underflows."""
        d = self._difference(other)
        return phi_of(other.p, self.p, d) + kl_term(self.complement, other.complement, -d) / self.p

    def _difference(self, other):
        """q − p, from what is stored: two p, two log-odds, or one of each."""
        p, c, q, r = (v[()] for v in (self.p, self.complement, other.p, other.complement))
        # The difference of the smaller cell is the more exact one.
        plain = choose(p <= 0.5, lambda p, c, q, r: q - p, lambda p, c, q, r: c - r, p, c, q, r)
        if self._logits is None and other._logits is None:
            return plain
        if self._logits is None or other._logits is None:
            sign, given, logits = (1, self, other) if self._logits is None else (-1, other, self)
            near = abs(plain) < 0.5 * np.minimum(given.p, given.complement)[()]
            return choose(
                near, lambda d, p, a: sign * _beyond_doubles(p, a), lambda d, p, a: d, plain, given.p, logits._logits
            )
        shift = (other._logits - self._logits)[()]
        return choose(abs(shift) < 1.0, lambda s, d, qc: -qc * np.expm1(-s), lambda s, d, qc: d, shift, plain, q * c)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        start, inside, end = (0.0, self.complement, 1.0) if name == "cdf" else (1.0, self.p, 0.0)
        return np.where(x < 0, start, np.where(x < 1, inside, end))

    def _draw(self, size, rng):
        return (rng.random(size) < self.p).astype(float)

    def to_scipy(self):
        return stats.bernoulli(self.p)

    # --- fit
    @classmethod
    def _random_member(cls, rng):
        return cls(rng.uniform(0.02, 0.98))

    @classmethod
    def _estimate(cls, sums: Totals) -> Self:
        return cls(sums.mean()[0])


@np.vectorize
def _beyond_doubles(p, logit):
    """1/(1 + e^(−logit)) − p, which is below the rounding error of its two terms when they are close."""
    with localcontext() as context:
        context.prec = 60
        odds = Decimal(float(logit)).exp()
        return float(odds / (1 + odds) - Decimal(float(p)))
