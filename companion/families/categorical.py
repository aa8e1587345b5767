"""Categorical distribution: one of K classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families.adding import count
from companion.families.exponential_family import ExponentialFamily
from companion.families.sums import Sums
from companion.special.remainders import choose, expm1_remainder, kl_term

#: A fit holds one probability for every class up to the largest.
MOST_CLASSES = 10_000_000


@dataclass(frozen=True, eq=False)
class Counts(Sums):
    """How often each class occurs.

    Attributes
    ----------
    counts : ndarray, shape (K,)
        The weight of the observations of each class; they add up to ``weight``.
    """

    counts: np.ndarray

    @classmethod
    def start(cls, member, x, weights):
        return cls(weight=0.0, counts=np.zeros(member.classes))

    def update(self, member, x, weights, work):
        new = np.bincount(x.astype(int), weights=weights, minlength=member.classes)
        return self.plus(count(x, weights), counts=new.astype(float))

    def mean(self):
        return self.counts[1:] / self.weight


class Categorical(ExponentialFamily):
    r"""Categorical distribution on {0, …, K−1}.

    .. math::

       p(x) = \prod_k p_k^{[x = k]}, \qquad u(x) = ([x=1], \dots, [x=K-1]), \qquad
       \eta_k = \log\frac{p_k}{p_0}, \qquad A(\eta) = \log\Big(1 + \sum_k e^{\eta_k}\Big)

       \mathrm{E}[u]_k = p_k, \qquad \mathrm{KL}(p\|q) = \sum_k p_k\log\frac{p_k}{q_k}
       = \sum_k \Big(p_k\log\frac{p_k}{q_k} - p_k + q_k\Big)

    Class 0 is the reference class, so that the K − 1 natural parameters are identified (one η, one distribution).

    Parameters
    ----------
    probs : array_like, shape (..., K)
        Probabilities along the last axis; leading axes are the batch.

    Raises
    ------
    ValueError
        If an entry is outside [0, 1] or a sum differs from 1 by more than 1e-12 (nothing is renormalised).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> p, q = Categorical([0.5, 0.25, 0.25]), Categorical([0.25, 0.5, 0.25])
    >>> round(float(p.kl_divergence(q)), 6)
    0.173287
    >>> Categorical.fit([0, 2, 2, 1], classes=3)
    Categorical(probs=[0.25, 0.25, 0.5])
    """

    parameter_names = ("probs",)
    other_forms = {"from_logits": ("logits",)}
    fit_options = ("classes",)
    discrete = True

    # --- parameters
    def __init__(self, probs: ArrayLike) -> None:
        probs = checks.probability_vector("Categorical", "probs", probs)
        self._store(probs.shape[:-1], probs=probs, _logits=None)

    @classmethod
    def from_logits(cls, logits: ArrayLike) -> Self:
        """The categorical with probabilities softmax(`logits`), shape (..., K); adding a constant changes nothing.

        >>> Categorical.from_logits([0.0, 0.0]).probs.tolist()
        [0.5, 0.5]
        """
        fix = "Pass finite scores, one for each class, along the last axis."
        logits = checks.finite("Categorical.from_logits", "logits", logits, fix)
        if logits.ndim == 0:
            checks.fail("Categorical.from_logits", "logits", logits, "a vector with at least one score", fix)
        checks.require(
            "Categorical.from_logits", "logits", logits, np.abs(logits) < 1e300, "a score below 1e300 in size", fix
        )
        logs = _log_softmax(logits)
        new = cls.__new__(cls)
        new._store(logits.shape[:-1], probs=np.exp(logs), _logits=logits, _logs=logs, _made_by="from_logits")
        return new

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return self.probs.shape[-1]

    @property
    def support(self):
        return (0, self.classes - 1)

    def _log_probs(self):
        """log p_k, shape (..., K)."""
        if self._logits is not None:
            return self._logs
        with np.errstate(divide="ignore"):
            return np.log(self.probs)

    def natural_parameters(self):
        if self._logits is not None:
            return self._logits[..., 1:] - self._logits[..., :1]
        checks.require(
            "Categorical.natural_parameters",
            "probs",
            self.probs,
            self.probs > 0,
            "positive probabilities",
            "A class of probability 0 has η = −inf: the point lies on the boundary of the family.",
        )
        return np.log(self.probs[..., 1:] / self.probs[..., :1])

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, "K − 1")
        return cls.from_logits(np.concatenate([np.zeros(eta.shape[:-1] + (1,)), eta], axis=-1))

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        where, fix = (
            "Categorical.from_mean_parameters",
            "They are the probabilities of the classes 1, …, K − 1; class 0 gets what is left.",
        )
        mu = cls._mean_column(mu, "K − 1")
        checks.require(where, "mu", mu, mu >= 0, "a probability in [0, 1]", fix)
        rest = 1 - mu.sum(-1, keepdims=True)
        checks.require(where, "sum of mu", 1 - rest[..., 0], rest[..., 0] >= 0, "at most 1", fix)
        return cls(np.concatenate([rest, mu], axis=-1))

    # --- statistics
    def _statistic(self, x):
        return (x[..., None] == np.arange(1, self.classes)).astype(float)

    def _log_partition_at(self, eta):
        top = np.maximum(np.max(eta.real, axis=-1, keepdims=True), 0)
        return np.log(np.exp(-top[..., 0]) + np.sum(np.exp(eta - top), axis=-1)) + top[..., 0]

    def mean_parameters(self):
        return self.probs[..., 1:]

    def _expected_sums(self):
        return Counts(weight=1.0, counts=self.probs)

    def fisher_information(self):
        mu = self.mean_parameters()
        rest = (self.probs @ (1.0 - np.eye(self.classes)))[..., 1:]  # 1 − p_k, also where p_k is almost 1
        off = mu[..., :, None] * mu[..., None, :]
        return np.where(np.eye(mu.shape[-1]) == 1, (mu * rest)[..., None], -off)

    # --- evaluation
    def _log_prob(self, x):
        index = x.astype(int)
        logs = np.broadcast_to(self._log_probs(), np.broadcast_shapes(index.shape, self.batch_shape) + (self.classes,))
        index = np.broadcast_to(index, logs.shape[:-1])
        return np.take_along_axis(logs, index[..., None], axis=-1)[..., 0][()]

    def mean(self):
        """E[x] of the class number."""
        return (self.probs @ np.arange(self.classes))[()]

    def variance(self):
        """Variance of the class number."""
        away = np.arange(self.classes) - np.asarray(self.mean())[..., None]
        return np.sum(self.probs * away**2, axis=-1)[()]

    def _cross_entropy_terms(self, other):
        logs = np.where(self.probs > 0, other._log_probs(), 0.0)
        return (-np.sum(self.probs * logs, axis=-1),)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        if self._logits is not None and other._logits is not None:
            return _kl_from_logits(self, other)
        log_q = None if other._logits is None else other._log_probs()
        return np.sum(kl_term(self.probs, other.probs, log_q=log_q), axis=-1)[()]

    def _kl_error(self, other, value):
        """Scores far apart are exponents, whose rounding is relative to their size."""
        spread = sum(np.ptp(d._logits, axis=-1) for d in (self, other) if d._logits is not None)
        return (1 + spread) * super()._kl_error(other, value)

    def _check_same_family(self, other, method="kl_divergence"):
        super()._check_same_family(other, method)
        if self.classes != other.classes:
            checks.fail(
                f"Categorical.{method}",
                "classes of other",
                other.classes,
                f"{self.classes}, as many as the first distribution",
                "Give both the same classes, with probability 0 where one does not occur.",
            )

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        """Sums of probabilities up to x, or beyond it: the smaller ones are added first, from their own end."""
        zero = np.zeros((*self.batch_shape, 1))
        if name == "cdf":
            table = np.concatenate([zero, np.cumsum(self.probs[..., :-1], axis=-1), zero + 1.0], axis=-1)
        else:
            beyond = np.cumsum(self.probs[..., :0:-1], axis=-1)[..., ::-1]
            table = np.concatenate([zero + 1.0, beyond, zero], axis=-1)
        index = np.clip(np.floor(x) + 1, 0, self.classes).astype(int)
        shape = np.broadcast_shapes(index.shape, self.batch_shape)
        table = np.broadcast_to(table, (*shape, self.classes + 1))
        return np.take_along_axis(table, np.broadcast_to(index, shape)[..., None], axis=-1)[..., 0]

    def _draw(self, size, rng):
        edges = np.cumsum(self.probs, axis=-1)[..., :-1]
        return np.sum(rng.random(size)[..., None] >= edges, axis=-1).astype(float)

    def to_scipy(self):
        if self.batch_shape:
            checks.fail(
                "Categorical.to_scipy",
                "shape of the batch",
                self.batch_shape,
                "one distribution, shape ()",
                "Convert the members one by one.",
            )
        return stats.rv_discrete(name="categorical", values=(np.arange(self.classes), self.probs))()

    # --- fit
    _sums = Counts

    @classmethod
    def _fixed(cls, method, x, weights, classes=None):
        where = f"Categorical.{method}"
        if classes is None:
            cls._check_classes(where, x)
            fix = "Recode the classes as 0, 1, …, K−1, e.g. by np.unique(x, return_inverse=True)[1]."
            checks.require(where, "x", x, x < MOST_CLASSES, f"a class number below {MOST_CLASSES:.0e}", fix)
            return {"classes": int(x.max()) + 1}
        fix = "Pass the number K of classes."
        whole = checks.scalar(where, "classes", checks.whole(where, "classes", classes, 1, fix), "Pass one number.")
        checks.require(where, "classes", whole, whole <= MOST_CLASSES, f"at most {MOST_CLASSES:.0e} classes", fix)
        return {"classes": int(whole)}

    @staticmethod
    def _check_classes(where, x):
        return checks.whole(where, "x", x, 0, "Code the classes 0, 1, …, K−1.")

    @classmethod
    def _random_member(cls, rng):
        return cls(rng.dirichlet(np.ones(4)))

    @classmethod
    def _example(cls, classes):
        return cls(np.full(classes, 1 / classes))

    def _check_sample(self, x, method):
        x = self._check_classes(f"Categorical.{method}", x)
        checks.require(
            f"Categorical.{method}",
            "x",
            x,
            x < self.classes,
            f"a class number below classes = {self.classes}",
            "Pass a larger `classes`, or recode.",
        )

    @classmethod
    def _estimate(cls, sums: Counts, classes: int) -> Self:
        return cls(sums.counts / sums.counts.sum())


def _log_softmax(logits):
    """Log-probabilities; that of the largest class is −log(1 + rest), since log(0.99…) would lose the others."""
    top = logits.argmax(axis=-1)[..., None] == np.arange(logits.shape[-1])
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log1p(np.add.reduce(np.where(top, 0.0, np.exp(shifted)), axis=-1, keepdims=True))


def _kl_from_logits(one, two):
    """KL from the differences of logits, measured from p's largest class, so that a common constant loses nothing."""
    d, lost = _difference(two._logits, one._logits)
    if d.ndim == 1:
        top = one._logits.argmax()
        d = (d - d[top]) + (lost - lost[top])
    else:
        top = np.broadcast_to(one._logits.argmax(axis=-1)[..., None], d.shape[:-1] + (1,))
        d = (d - np.take_along_axis(d, top, -1)) + (lost - np.take_along_axis(lost, top, -1))
    return kl_to_tilted(one.probs, one._logs, d, two._logs)


def kl_to_tilted(p, log_p, d, log_q):
    r"""KL(p‖q) of vectors (..., K) with :math:`q_k \propto p_k e^{d_k}`, from the tilt d.

    With c = d − E_p[d], KL = log E_p[e^c] = log(1 + Σ_k p_k (e^c_k − 1 − c_k)): a sum of non-negative remainders. Where
    it would overflow, q all but excludes what p favours, and Σ_k p_k log(p_k/q_k) has nothing to lose.
    """
    c = d - np.add.reduce(p * d, axis=-1, keepdims=True)
    near = (log_p + c).max(axis=-1) < 500.0
    return choose(near, _cumulant, _log_ratios, p, log_p, c, log_q, inner=1)


def _cumulant(p, log_p, c, log_q):
    """log(1 + Σ_k p_k (e^c_k − 1 − c_k))"""
    cells = choose(
        c > 1.0, lambda p, l, c: np.exp(l + c) - p * (1.0 + c), lambda p, l, c: p * expm1_remainder(c), p, log_p, c
    )
    return np.log1p(np.add.reduce(cells, axis=-1))


def _log_ratios(p, log_p, c, log_q):
    return np.add.reduce(np.where(p > 0, p * (log_p - log_q), 0.0), axis=-1)


def _difference(a, b):
    """a − b, and what its rounding lost (Knuth's two-sum, exact)."""
    d = a - b
    back = d + b
    return d, (a - back) + ((back - d) - b)
