r"""Counts: log-probabilities that keep their digits however large they are, and the entropies of their distributions.

A textbook log-probability of a count subtracts logarithms of factorials as large as n log n; at n = 1e12 nothing of
three digits is left. Loader's form takes Stirling's formula out of each factorial first. What remains are deviances,
the non-negative `companion.special.remainders.kl_term`, and Stirling's remainders:

.. math:: \log\mathrm{Poi}(k\mid\lambda) = -\tfrac12\log 2\pi k - R(k) - \big(k\log\tfrac k\lambda - k + \lambda\big).

The entropy is a sum over the support. Three rules share the work: term by term; for a wide bell, every h-th term
times h, since the sum of a smooth bell over a lattice does not depend on the lattice (its error is of the order
:math:`e^{-2\pi^2(\sigma/h)^2}`); for a wide distribution that is no bell, an integral in log k beyond the first 4,096.

Reference: Loader (2000), *Fast and accurate computation of binomial probabilities*.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from companion import checks
from companion.special.remainders import kl_term, stirling

_LOG_2PI = np.log(2 * np.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_NEXT_TO_NOTHING = 1e-20  # where 1 + r log k is 1, for every k
_DIRECT = 4096  # terms summed one by one
_WIDE = 64.0  # a standard deviation from which on a bell is summed with larger steps,
_STEPS = 16  # so many to a standard deviation,
_REACH = 14  # so many standard deviations far: what is beyond is below e^-50;
_FAR = 16.0  # if zero is at least so many standard deviations below the mean


def product(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray | np.float64, np.ndarray | np.float64]:
    """a·b as a sum of two doubles, exact unless it underflows (Dekker's product, of the mantissas)."""
    (a, i), (b, j) = np.frexp(a), np.frexp(b)
    high = a * b
    (a, a_low), (b, b_low) = _split(a), _split(b)
    low = ((a * b - high) + a * b_low + a_low * b) + a_low * b_low
    return np.ldexp(high, i + j), np.ldexp(low, i + j)


def _split(a):
    """a as the sum of two numbers of 26 bits."""
    scaled = 134217729.0 * a
    head = scaled - (scaled - a)
    return head, a - head


def log_poisson(
    k: float | np.ndarray, mean: float | np.ndarray, away: ArrayLike | None = None
) -> np.ndarray | np.float64:
    """log probability of k at a Poisson mean; `away` is mean − k where it is known more accurately.

    >>> print(f"{log_poisson(1e10, 1e10):.15f}")
    -12.431863998183234
    """
    with np.errstate(all="ignore"):
        some = -0.5 * (_LOG_2PI + np.log(k)) - stirling(k) - kl_term(k, mean, away)
    return np.where(k > 0, some, -mean)[()]


def log_binomial(k, n, p, complement=None, rest=None, away=None):
    """log probability of k successes in n trials of probability p. The caller may know 1 − p, the number n − k of
    failures and n p − k (`away`) more accurately than the subtractions; k and n need not be whole.

    >>> print(f"{log_binomial(5e11, 1e12, 0.5):.12f}")
    -14.041301910609
    """
    complement = 1.0 - p if complement is None else complement
    rest = n - k if rest is None else rest
    with np.errstate(all="ignore"):
        if away is None:
            high, low = product(n, p)
            away = (high - k) + low
        deviance = kl_term(k, n * p, away) + kl_term(rest, n * complement, -away)
        some = 0.5 * (np.log(n / k / rest) - _LOG_2PI) + (stirling(n) - stirling(k) - stirling(rest)) - deviance
        none = np.where(rest > 0, rest * np.where(p < 0.5, np.log1p(-p), np.log(complement)), 0.0)
        all_of_them = k * np.where(p < 0.5, np.log(p), np.log1p(-complement))
    return np.where(k == 0, none, np.where(rest == 0, all_of_them, some))[()]


def log_negative_binomial(k, r, p, complement=None, away=None):
    """log probability of k failures before the r-th success of probability p; `away` is (k + r) p − r.

    It is r/(r + k) times the probability of r successes in r + k trials; where r is next to nothing, r/k times the
    powers of p and 1 − p.
    """
    if away is None:
        (failures, low), (successes, low_too) = product(k, p), product(r, p)
        first, second = np.where(p < 0.5, failures, successes), np.where(p < 0.5, successes, failures)
        away = ((first - r) + second) + (low + low_too)
    with np.errstate(all="ignore"):
        regular = np.where(k > 0, np.log(r / (r + k)), 0.0) + log_binomial(r, r + k, p, complement, k, away)
        if np.all(r > _NEXT_TO_NOTHING):
            return regular
        log_rest = np.log1p(-p) if complement is None else np.where(p < 0.5, np.log1p(-p), np.log(complement))
        powers = xlogy(r, p) + np.where(k > 0, np.log(r) - np.log(k) + k * log_rest, 0.0)
        return np.where(r > _NEXT_TO_NOTHING, regular, powers)


def _one_by_one(function):
    return np.vectorize(function, otypes=[float], doc=function.__doc__)


@_one_by_one
def poisson_entropy(mean):
    """Entropy of Poisson distributions in nats.

    >>> print(f"{poisson_entropy(1.0):.12f}")
    1.304842242256
    """
    return _entropy(lambda k, away: log_poisson(k, mean, away), mean, np.sqrt(mean), np.inf)


@_one_by_one
def binomial_entropy(n, p, complement):
    """Entropy of binomial distributions in nats."""
    if p == 0 or complement == 0:
        return 0.0
    if p > complement:
        p, complement = complement, p
    sd = np.sqrt(n) * np.sqrt(p * complement)
    return _entropy(lambda k, away: log_binomial(k, n, p, complement, None, away), n * p, sd, n)


@_one_by_one
def negative_binomial_entropy(r, p, complement):
    """Entropy of negative binomial distributions in nats; the tail falls as e^(−px)."""
    if complement == 0:
        return 0.0
    mean = r / p * complement
    if not np.isfinite(60 * mean + 60 / p):
        checks.fail("NegativeBinomial.entropy", "mean", mean, "a mean below 1e306", "Counts must be doubles.")

    def log_probability(k, away):
        return log_negative_binomial(k, r, p, complement, None if away is None else -p * away)

    return _entropy(log_probability, mean, np.sqrt(mean) / np.sqrt(p), np.inf, 1 / p)


def _entropy(log_probability, mean, sd, top, tail=0.0):
    """Entropy of a distribution on {0, …, top}, given log_probability(k, mean − k or None). A distribution that is not
    concentrated about its mean has a `tail`, a length over which its probabilities fall by a factor e or more."""
    if sd >= _WIDE and mean >= _FAR * sd:
        away = sd * np.arange(-_REACH, _REACH, 1 / _STEPS)
        return _average_surprise(log_probability(mean - away, away), sd / _STEPS)
    start = 0.0 if tail else max(0.0, np.floor(mean - _REACH * sd - 60))
    end = min(top, np.ceil(mean + _REACH * sd + 60 * (1 + tail)))
    if end - start < 4 * _DIRECT:
        return _average_surprise(log_probability(np.arange(start, end + 1), None), 1.0)
    # the sum from 4096 on is the integral from 4095½ on and 1/24 of the slope there, the difference of two terms
    first, last = np.log(_DIRECT - 0.5), np.log(end)
    panels = int(2 * (last - first)) + 1
    half = (last - first) / panels / 2
    x = np.exp(first + half * (2 * np.arange(panels)[:, None] + 1 + _NODES)).ravel()
    direct = np.r_[np.ones(_DIRECT - 1), 1 - 1 / 24, 1 / 24]
    logs = log_probability(np.r_[np.arange(_DIRECT + 1.0), x], None)
    return _average_surprise(logs, np.r_[direct, half * np.tile(_WEIGHTS, panels) * x])


def _average_surprise(logs, weights):
    """−Σ w p log p / Σ w p; the weights make the sum of all probabilities 1, up to rounding that this takes out."""
    p = weights * np.exp(logs)
    return -(p @ np.where(p > 0, logs, 0.0)) / p.sum()
