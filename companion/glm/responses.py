r"""What each family says of a response y: mean, variance and deviance as functions of the natural parameter.

With the canonical link the natural parameter of row i is :math:`\eta_i = x_i^\top\beta + \text{offset}_i`, an array
(n, k): k = 1, or K − 1 for a categorical response. The rest follows: the mean A′(η), the variance A″(η), the residual
y − μ, written so that a small one keeps its digits, and from the family the log-density and the deviance, which is
twice a KL divergence.
"""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit

from companion import checks
from companion.families import Bernoulli, Binomial, Categorical, Normal, Poisson
from companion.glm.design import LARGEST, SMALLEST, read_numbers


class Response:
    """The observed y of shape (n, k), and functions of η (n, k); rows are independent."""

    family: ClassVar[type]
    #: The link, as a word: the natural parameter as a function of the mean.
    link: ClassVar[str]
    #: Labels of a categorical response, the baseline first; else empty.
    classes: tuple[Any, ...] = ()

    def __init__(self, y: np.ndarray) -> None:
        self.y = y

    @classmethod
    def read(cls, where: str, y: ArrayLike, trials: ArrayLike | None) -> Response:
        """The response from what the caller passed."""
        raise NotImplementedError

    def with_weight(self, where: str, kept: np.ndarray) -> Response:
        """The rows of positive weight; classes that have none are no classes."""
        return self.rows(kept)

    def rows(self, kept: np.ndarray) -> Response:
        """Some of the rows."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.y = self.y[kept]
        return new

    def start(self) -> np.ndarray:
        """η near the data, at which Newton's method begins."""
        raise NotImplementedError

    def log_terms(self, eta: np.ndarray) -> np.ndarray:
        """Log-likelihood of each row, (n,), up to what does not depend on η: what the step control compares."""
        raise NotImplementedError

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Mean of y, (n, k)."""
        raise NotImplementedError

    def rest(self, eta: np.ndarray) -> np.ndarray:
        """y − μ, (n, k). Where μ nears y it is not a difference, which would end at 1e-16."""
        return self.y - self.mean(eta)

    def variance(self, eta: np.ndarray) -> np.ndarray:
        """Variance of y, (n, 1); of a categorical response see `covariance`."""
        raise NotImplementedError

    def covariance(self, eta: np.ndarray) -> np.ndarray:
        """Covariance of y, (n, k, k)."""
        return self.variance(eta)[:, :, None]

    def deviance(self, eta: np.ndarray) -> np.ndarray:
        """Deviance of each row, (n,): 2 KL(member with mean y ‖ member at η)."""
        raise NotImplementedError

    def log_likelihood(self, eta: np.ndarray) -> np.ndarray:
        """Log-likelihood of each row, (n,), in nats."""
        raise NotImplementedError

    def codes(self) -> np.ndarray:
        """The number of each row's class, (n,)."""
        raise NotImplementedError

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Probabilities of all K classes, (n, K)."""
        raise NotImplementedError

    def boundary(self) -> np.ndarray:
        """+1 where y is the largest mean there is, −1 where it is the smallest, 0 elsewhere: (n,)."""
        raise NotImplementedError

    def smallest_miss(self, eta: np.ndarray) -> float:
        """Smallest |y − μ| of the rows with y at an edge of the means; with classes, smallest p of a class not seen."""
        edge = self.boundary() != 0
        return float(np.min(np.abs(self.rest(eta))[edge, 0], initial=np.inf))


def _counts(where: str, y: ArrayLike, fix: str) -> np.ndarray:
    array = read_numbers(where, "y", y, fix)
    if array.ndim != 1:
        checks.fail(where, "shape of y", array.shape, "(n,)", fix)
    return array


class NormalResponse(Response):
    """y = η + noise of one variance, which is estimated."""

    family, link = Normal, "identity"

    @classmethod
    def read(cls, where, y, trials):
        fix = "Pass one finite number for each row of X."
        array = _counts(where, y, fix)
        size = np.abs(array)
        good = (size < LARGEST) & ((size > SMALLEST) | (size == 0))
        expected = f"a finite number, 0 or between {SMALLEST:g} and {LARGEST:g} in size"
        checks.require(where, "y", array, good, expected, fix)
        return cls(array[:, None])

    def start(self):
        return self.y

    def log_terms(self, eta):
        return -0.5 * np.sum((self.y - eta) ** 2, axis=1)

    def mean(self, eta):
        return eta

    def variance(self, eta):
        return np.ones_like(eta)

    def deviance(self, eta):
        return (self.y - eta)[:, 0] ** 2

    def boundary(self):
        return np.zeros(len(self.y))


def _variance(eta: np.ndarray) -> np.ndarray:
    """Variance of 0 and 1 at log-odds η, with one exponential."""
    with np.errstate(under="ignore"):
        power = np.exp(-np.abs(eta))
        return power / (1 + power) ** 2


class BernoulliResponse(Response):
    """y in {0, 1}, log-odds η."""

    family, link = Bernoulli, "logit"

    @classmethod
    def read(cls, where, y, trials):
        fix = "Pass 0 or 1 for each row of X; for counts of several trials use Binomial and n=…."
        array = _counts(where, y, fix)
        checks.require(where, "y", array, (array == 0) | (array == 1), "0 or 1", fix)
        return cls(array[:, None])

    def start(self):
        return np.log((self.y + 0.5) / (1.5 - self.y))

    def log_terms(self, eta):
        return log_expit(np.where(self.y == 1, eta, -eta))[:, 0]

    def mean(self, eta):
        return expit(eta)

    def rest(self, eta):
        away = np.where(self.y == 1, -1.0, 1.0)
        return -away * expit(away * eta)

    def variance(self, eta):
        return _variance(eta)

    def deviance(self, eta):
        return -2 * self.log_terms(eta)

    def log_likelihood(self, eta):
        return Bernoulli.from_logits(eta[:, 0]).log_prob(self.y[:, 0])

    def boundary(self):
        return 2 * self.y[:, 0] - 1


class BinomialResponse(Response):
    """y successes in n trials, log-odds η."""

    family, link = Binomial, "logit"
    trials: np.ndarray

    @classmethod
    def read(cls, where, y, trials):
        fix = "Pass the number of successes for each row of X."
        array = checks.whole(where, "y", _counts(where, y, fix), 0, fix)
        if trials is None:
            checks.fail(where, "n", None, "the number of trials", "Pass n=6, or an array with one n for each row of X.")
        fix = "Pass one number of trials, or one for each row of X."
        n = checks.whole(where, "n", checks.real_array(where, "n", trials, fix), 1, fix)
        if n.shape not in ((), array.shape):
            checks.fail(where, "shape of n", n.shape, f"() or {array.shape}", fix)
        checks.require(where, "n", n, n < 2.0**53, "a whole number below 2**53", fix)
        n = np.broadcast_to(n, array.shape)
        checks.require(
            where, "y", array, array <= n, "at most the number of trials n", "y counts successes in n trials."
        )
        new = cls(array[:, None])
        new.trials = n[:, None]
        return new

    def rows(self, kept):
        new = super().rows(kept)
        new.trials = self.trials[kept]
        return new

    def start(self):
        return np.log((self.y + 0.5) / (self.trials - self.y + 0.5))

    def log_terms(self, eta):
        return (self.y * log_expit(eta) + (self.trials - self.y) * log_expit(-eta))[:, 0]

    def mean(self, eta):
        return self.trials * expit(eta)

    def rest(self, eta):
        return self.y * expit(-eta) - (self.trials - self.y) * expit(eta)

    def variance(self, eta):
        return self.trials * _variance(eta)

    def deviance(self, eta):
        seen = Bernoulli(self.y / self.trials)
        return (2 * self.trials * seen.kl_divergence(Bernoulli.from_logits(eta)))[:, 0]

    def log_likelihood(self, eta):
        return Binomial.from_natural(eta, n=self.trials[:, 0]).log_prob(self.y[:, 0])

    def boundary(self):
        return ((self.y == self.trials).astype(float) - (self.y == 0))[:, 0]


class PoissonResponse(Response):
    """Counts y with mean e^η."""

    family, link = Poisson, "log"

    @classmethod
    def read(cls, where, y, trials):
        fix = "Pass a count for each row of X; exposures enter as offset=np.log(exposure)."
        array = checks.whole(where, "y", _counts(where, y, fix), 0, fix)
        checks.require(where, "y", array, array < LARGEST, f"a count below {LARGEST:g}", fix)
        return cls(array[:, None])

    def start(self):
        return np.log(np.where(self.y > 0, self.y, 0.5))

    def log_terms(self, eta):
        with np.errstate(over="ignore", under="ignore"):
            terms = self.y * eta - np.exp(eta)
        return np.where(eta < 700, terms, -np.inf)[:, 0]

    def _member(self, eta):
        """The family at η; a mean below all doubles is the smallest of them."""
        return Poisson.from_natural(np.maximum(eta, -700.0)[..., None])

    def mean(self, eta):
        return np.exp(np.clip(eta, -700.0, 700.0))

    variance = mean

    def deviance(self, eta):
        mean, y = self.mean(eta)[:, 0], self.y[:, 0]
        return 2 * np.where(y > 0, Poisson(np.where(y > 0, y, 1.0)).kl_divergence(Poisson(mean)), mean)

    def log_likelihood(self, eta):
        return self._member(eta[:, 0]).log_prob(self.y[:, 0])

    def boundary(self):
        return -(self.y[:, 0] == 0).astype(float)


def read_labels(where: str, y: Any) -> np.ndarray:
    """`y` as an array (n,) of whole numbers or texts."""
    labels, fix = None, "Pass one label for each row of X: whole numbers or texts."
    if checks.is_array_like(y) and not np.ma.is_masked(y):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            labels = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if isinstance(y, (list, tuple)) and len({isinstance(label, str) for label in y}) > 1:
        checks.fail(where, "labels in y", list(y)[:6], "numbers alone or texts alone", fix, TypeError)
    if labels is None or labels.ndim != 1:
        checks.fail(where, "y", y, "labels of shape (n,), without a mask", fix, TypeError)
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels):
        labels = labels.astype(str)
    if labels.dtype.kind == "f":
        labels = checks.finite(where, "y", labels, fix)
        checks.require(where, "y", labels, labels == np.floor(labels), "a whole number or a text", fix)
        checks.require(where, "y", labels, np.abs(labels) < 2.0**53, "a whole number below 2**53", fix)
        labels = labels.astype(int)
    if labels.dtype.kind not in "biuUT":
        checks.fail(where, "y", labels, "whole numbers or texts", fix, TypeError)
    return labels


def _complement(p: np.ndarray, codes: np.ndarray, others: float | None = None) -> np.ndarray:
    """1 − p of each row, or `others` times p, but in the column `codes` the sum of the other columns of p."""
    rows = np.arange(len(p))
    rest = p.copy()
    rest[rows, codes] = 0.0
    out = 1 - p if others is None else others * p
    out[rows, codes] = np.sum(rest, axis=1)
    return out


def residuals(p: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """y − p of all classes but the first, (n, K − 1)."""
    return _complement(p, codes, -1.0)[:, 1:]


def class_covariance(p: np.ndarray) -> np.ndarray:
    """diag(p) − ppᵀ of all classes but the first, (n, K − 1, K − 1)."""
    others, p = _complement(p, np.argmax(p, axis=1))[:, 1:], p[:, 1:]
    blocks = -p[:, :, None] * p[:, None, :]
    diagonal = np.arange(p.shape[1])
    blocks[:, diagonal, diagonal] = p * others
    return blocks


class CategoricalResponse(Response):
    """One of K classes: y are K − 1 indicators, η the log-odds against the first class, the baseline."""

    family, link = Categorical, "log-odds against the baseline"

    @classmethod
    def read(cls, where, y, trials):
        return cls._of(where, "classes in y", *np.unique(read_labels(where, y), return_inverse=True))

    @classmethod
    def _of(cls, where, argument, classes, codes):
        if len(classes) < 2:
            fix = "With one class its probability is 1, whatever x is. With none there is nothing to fit."
            checks.fail(where, argument, classes, "at least two", fix)
        if len(classes) > 1000:
            checks.fail(where, argument, len(classes), "at most 1,000", "These look like numbers, not classes.")
        new = cls((codes[:, None] == np.arange(1, len(classes))).astype(float))
        new.classes = tuple(classes.tolist())
        return new

    def with_weight(self, where, kept):
        places, codes = np.unique(self.codes()[kept], return_inverse=True)
        return self._of(where, "classes in y with positive weight", np.array(self.classes)[places], codes)

    def start(self):
        return np.zeros_like(self.y)

    def _logits(self, eta):
        return np.concatenate([np.zeros((len(eta), 1)), eta], axis=1)

    def log_terms(self, eta):
        logits = self._logits(eta)
        top = np.max(logits, axis=1)
        return np.sum(self.y * eta, axis=1) - top - np.log(np.sum(np.exp(logits - top[:, None]), axis=1))

    def probabilities(self, eta):
        logits = self._logits(eta)
        powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        return powers / np.sum(powers, axis=1, keepdims=True)

    def mean(self, eta):
        return self.probabilities(eta)[:, 1:]

    def rest(self, eta):
        return residuals(self.probabilities(eta), self.codes())

    def covariance(self, eta):
        return class_covariance(self.probabilities(eta))

    def deviance(self, eta):
        return -2 * self.log_likelihood(eta)

    def log_likelihood(self, eta):
        return Categorical.from_logits(self._logits(eta)).log_prob(self.codes())

    def codes(self):
        return (self.y @ np.arange(1.0, self.y.shape[1] + 1)).astype(int)

    def smallest_miss(self, eta):
        p = self.probabilities(eta).copy()
        p[np.arange(len(p)), self.codes()] = np.inf
        return float(np.min(p, initial=np.inf))


RESPONSES: dict[type, type[Response]] = {
    response.family: response
    for response in (NormalResponse, BernoulliResponse, BinomialResponse, PoissonResponse, CategoricalResponse)
}
