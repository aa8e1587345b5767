r"""What n draws tell of an expectation, of a minimiser, of a sequence and of a code.

The module of the chapter *What n samples can tell*: averages with their standard error and the tail that may make both
worthless, the divergence that an estimate leaves, typical sets counted in whole numbers, the price of a nat in tests
and in bits. The code words and the coder are in `companion.coding` and can be had from here too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from companion import checks
from companion.coding import code_length, decode, encode, prefix_code
from companion.families import ExponentialFamily
from companion.measures import kl_divergence

__all__ = [
    "Running",
    "TypicalSet",
    "code_length",
    "decode",
    "draws_needed",
    "encode",
    "fitted_kl",
    "log_false_alarm",
    "prefix_code",
    "running_average",
    "tail_shape",
    "typical_set",
]


# --- averages -----------------------------------------------------------------------------------------------------
class Running(NamedTuple):
    """Averages of the first 1, 2, …, N terms and their standard errors, both of shape (N,); no error of one term."""

    value: np.ndarray
    standard_error: np.ndarray


def _terms(where: str, terms: ArrayLike, least: int) -> np.ndarray:
    """Finite terms of an average, shape (N,), N ≥ `least`."""
    fix = "Pass what is averaged, such as log p(x_i)/q(x_i), one number for each draw."
    terms, _ = checks.sample(where, terms, None, 0, fix, argument="terms")
    checks.finite(where, "terms", terms, "One infinite term makes the average infinite; say so instead.")
    if len(terms) < least:
        checks.fail(where, "number of terms", len(terms), f"at least {least}", "Take more draws.")
    size = float(np.max(np.abs(terms)))
    if size > 1e150:
        checks.fail(where, "largest term", size, "at most 1e150", "Divide all terms by their scale.")
    return terms


def running_average(terms: ArrayLike) -> Running:
    r"""Average of the first n terms and its standard error :math:`s_n/\sqrt n`, for n = 1, …, N.

    Parameters
    ----------
    terms : array_like, shape (N,)
        Independent draws of what is averaged, such as :math:`\log p_\theta(x_i)`.

    Returns
    -------
    Running
        `value` and `standard_error`, shape (N,); the standard error of the first term alone is `inf`.

    Raises
    ------
    ValueError, TypeError
        If there are no terms, or they are not finite numbers below 1e150.

    References
    ----------
    Welford (1962), for sums that lose no digits.

    Examples
    --------
    >>> running = running_average([1.0, 3.0, 2.0])
    >>> running.value, running.standard_error.round(4)
    (array([1., 2., 2.]), array([   inf, 1.    , 0.5774]))
    """
    terms = _terms("running_average", terms, 1)
    count = np.arange(1, len(terms) + 1)
    shift = terms[0]
    value = shift + np.cumsum(terms - shift) / count
    before = np.concatenate([[shift], value[:-1]])
    squares = np.cumsum((terms - before) * (terms - value))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.maximum(squares, 0) / (count - 1) / count)
    error[0] = np.inf
    return Running(value, error)


def tail_shape(terms: ArrayLike) -> float:
    r"""Pareto shape :math:`\hat k` of the heavier tail of the terms of an average: does it have a standard error?

    The probability of a term beyond t falls like :math:`t^{-1/k}`. Terms with k ≥ 1 have no expectation, those with
    k ≥ ½ no variance. A generalised Pareto distribution is fitted to the :math:`\min(n/5, 3\sqrt n)` largest terms, and
    to the smallest; the larger shape is returned. A sample that has missed the tail cannot show it.

    Parameters
    ----------
    terms : array_like, shape (n,)
        At least 100 terms.

    Returns
    -------
    float
        Around 0 for normal or exponential tails, negative for bounded ones, `-inf` where the extremes are one value.

    Raises
    ------
    ValueError, TypeError
        If there are fewer terms, they are not finite numbers below 1e150, or a tail has only a few values
        besides one that is seen many times.

    References
    ----------
    Zhang and Stephens (2009) for the fit; Vehtari et al. (2024) for its use as a diagnostic.

    Examples
    --------
    >>> draws = np.random.default_rng(0).standard_t([30.0, 1.0], size=(5_000, 2))
    >>> light, heavy = (tail_shape(x) for x in draws.T)
    >>> light < 0.5 < heavy
    True
    """
    where = "tail_shape"
    terms = _terms(where, terms, 100)
    ordered = np.sort(terms)
    scale = max(abs(ordered[0]), abs(ordered[-1])) or 1.0
    return max(_pareto_shape(where, ordered / scale), _pareto_shape(where, -ordered[::-1] / scale))


def _pareto_shape(where, ordered):
    """Shape of the upper tail, by the average of Zhang and Stephens over likelihoods, drawn a little towards ½."""
    size = min(len(ordered) // 5, math.ceil(3 * math.sqrt(len(ordered))))
    excess = ordered[-size:] - ordered[-size - 1]
    excess = excess[excess > 1e-300]
    if not len(excess):
        return -math.inf  # the largest value many times: no tail
    if len(excess) < 5:
        fix = "A few rare values carry this average: take more draws."
        checks.fail(where, "different terms in the tail", len(excess), "at least 5", fix)
    size, quarter = len(excess), excess[max(0, int(len(excess) / 4 + 0.5) - 1)]
    nodes = 30 + int(math.sqrt(size))
    b = (1 - np.sqrt(nodes / (np.arange(1, nodes + 1) - 0.5))) / (3 * quarter) + 1 / excess[-1]
    shape = np.log1p(-b[:, None] * excess).mean(axis=1)
    profile = size * (np.log(-b / shape) - shape - 1)
    best = special.softmax(profile) @ b
    return float((size * np.log1p(-best * excess).mean() + 5) / (size + 10))


def draws_needed(terms: ArrayLike, error: float) -> float:
    r"""How many draws bring the error of the average to `error`, judged by the draws at hand.

    .. math::

       n\,\Big(\frac{s/\sqrt n}{\text{error}}\Big)^{1/(1-k)}, \qquad k = \max(\tfrac12, \hat k) ,

    since the error of an average of terms with tail shape k falls like :math:`n^{-(1-k)}` if k > ½, and like
    :math:`n^{-1/2}` otherwise; `inf` if :math:`\hat k \ge 1`, when no number is enough.

    Parameters
    ----------
    terms : array_like, shape (n,)
        At least 100 terms, see `tail_shape`.
    error : float
        Positive: the standard error wanted; with heavy tails the order of size of the error.

    Raises
    ------
    ValueError, TypeError
        As `tail_shape`, or if the error is not positive.

    Examples
    --------
    >>> terms = np.random.default_rng(0).normal(size=1_000)
    >>> round(draws_needed(terms, 0.01), -3)
    10000.0
    """
    where = "draws_needed"
    terms = _terms(where, terms, 100)
    fix = "Pass the standard error wanted, e.g. 0.01."
    error = checks.scalar(where, "error", error, fix)
    if error <= 0:
        checks.fail(where, "error", error, "a positive number", fix)
    shape = max(0.5, tail_shape(terms))
    if shape >= 1:
        return math.inf
    n, spread = len(terms), float(np.std(terms, ddof=1))
    if spread == 0:
        return 1.0
    power = (math.log(spread) - 0.5 * math.log(n) - math.log(error)) / (1 - shape)
    return max(1.0, n * math.exp(power)) if power < 600 else math.inf


# --- estimates ----------------------------------------------------------------------------------------------------
def fitted_kl(truth: ExponentialFamily, n: int, runs: int, rng: np.random.Generator | int) -> np.ndarray:
    r"""KL divergence from a distribution to its maximum-likelihood fit to n draws, in each of many runs.

    With d free parameters, 2n times these numbers are nearly :math:`\chi^2_d` for large n.

    Parameters
    ----------
    truth : member of an exponential family
    n : int
        Draws for one fit, enough that the fit exists.
    runs : int
        Number of fits.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    ndarray of shape (runs,)
        KL(truth‖fit) in nats.

    Raises
    ------
    ValueError, TypeError
        If the truth is no single member, or a sample has no maximum-likelihood fit.

    References
    ----------
    Wilks (1938).

    Examples
    --------
    >>> from companion.families import Poisson
    >>> twice = 2 * 500 * fitted_kl(Poisson(3.0), n=500, runs=2_000, rng=0)
    >>> bool(abs(twice.mean() - 1) < 0.1)
    True
    """
    where = "fitted_kl"
    if not isinstance(truth, ExponentialFamily):
        fix = "Pass e.g. Poisson(3.0) or Normal(0, 1)."
        checks.fail(where, "truth", truth, "a member of an exponential family", fix, TypeError)
    if truth.batch_shape:
        fix = "Call it for each member."
        checks.fail(where, "shape of the batch truth", truth.batch_shape, "one distribution, shape ()", fix)
    n = checks.sample_size(where, n)
    runs = checks.positive_integer(where, "runs", runs, "Pass how many fits you want, e.g. 1000.")
    rng = checks.generator(where, rng)
    fixed = {name: truth.parameter(name) for name in truth.fixed_names}
    found, block = np.empty(runs), max(1, 2_000_000 // n)
    for start in range(0, runs, block):
        size = min(block, runs - start)
        x = truth.sample(size * n, rng)
        x = x.reshape(size, n, *x.shape[1:])
        fits = truth.from_mean_parameters(truth.sufficient_statistics(x).mean(axis=1), **fixed)
        found[start : start + size] = kl_divergence(truth, fits)
    return found


# --- typical sequences --------------------------------------------------------------------------------------------
class TypicalSet(NamedTuple):
    """Logarithm of the number of typical sequences in nats, their probability, and the fewest and most successes that
    one of them has; without any, `-inf`, 0, and None twice."""

    log_size: float
    probability: float
    fewest: int | None
    most: int | None


_COIN = "Pass a probability, e.g. 0.3."


def _coin(where: str, argument: str, value: float) -> float:
    chance = checks.scalar(where, argument, value, _COIN)
    if not 0 < chance < 1:
        checks.fail(where, argument, value, "a probability between 0 and 1, neither of them", _COIN)
    return chance


def _throws(where: str, n: int) -> int:
    if checks.positive_integer(where, "n", n, "Pass the length of the sequences.") > 20_000:
        checks.fail(where, "n", n, "at most 20,000", "Whole numbers of more digits take long.")
    return int(n)


def typical_set(p: float, n: int, epsilon: float, q: float | None = None) -> TypicalSet:
    r"""The sequences of n throws of a coin whose average surprise is within `epsilon` of its expectation, counted
    exactly.

    .. math::

       \Big|-\frac1n\log q(x_1,\dots,x_n) - \mathrm{H}(p, q)\Big| \le \varepsilon

    The number of sequences is a sum of binomial coefficients in whole numbers, of any size; only its logarithm is
    rounded. A sequence whose average is within rounding of the edge may fall on either side of it.

    Parameters
    ----------
    p : float
        Probability of success, between 0 and 1.
    n : int
        Length of the sequences, at most 20,000.
    epsilon : float
        In nats, not negative.
    q : float, optional
        The probability that is believed; p itself if left out.

    Returns
    -------
    TypicalSet
        The probability is that under p.

    Raises
    ------
    ValueError, TypeError
        If an argument is not a number of its kind.

    References
    ----------
    Cover and Thomas (2006), chapter 3.

    Examples
    --------
    >>> found = typical_set(0.25, 8, epsilon=0.14)       # one, two or three successes: 8 + 28 + 56 sequences
    >>> found.fewest, found.most, round(np.exp(found.log_size)), round(found.probability, 4)
    (1, 3, 92, 0.7861)
    """
    where = "typical_set"
    p = _coin(where, "p", p)
    q = p if q is None else _coin(where, "q", q)
    n = _throws(where, n)
    fix = "Pass a width in nats, e.g. 0.1."
    epsilon = checks.scalar(where, "epsilon", epsilon, fix)
    if epsilon < 0:
        checks.fail(where, "epsilon", epsilon, "a number that is not negative", fix)
    successes = np.arange(n + 1)
    typical = np.flatnonzero(np.abs((successes / n - p) * special.logit(q)) <= epsilon)
    if not len(typical):
        return TypicalSet(-math.inf, 0.0, None, None)
    fewest, most = int(typical[0]), int(typical[-1])
    count = sequences = math.comb(n, fewest)
    for k in range(fewest, most):
        count = count * (n - k) // (k + 1)
        sequences += count
    with np.errstate(under="ignore"):
        probability = math.fsum(stats.binom.pmf(typical, n, p))
    return TypicalSet(math.log(sequences), min(probability, 1.0), fewest, most)


# --- what a nat buys ------------------------------------------------------------------------------------
def log_false_alarm(p: float, q: float, n: int, miss: float) -> float:
    r"""Logarithm of the least risk of a false alarm in n throws: to declare for p when q is true, at a risk of at most
    `miss` to overlook p, by exact sums. Divided by −n it tends to KL(p‖q), which is Stein's lemma.

    The most powerful test declares for p from some number of successes on (up to it if p < q); it does not randomise.

    Parameters
    ----------
    p, q : float
        Two different probabilities of success.
    n : int
        Number of throws, at most 20,000.
    miss : float
        Between 0 and 1.

    Raises
    ------
    ValueError, TypeError
        If p equals q, or an argument is not a number of its kind.

    References
    ----------
    Cover and Thomas (2006), chapter 11.

    Examples
    --------
    >>> round(log_false_alarm(0.75, 0.25, n=2, miss=0.5), 6)      # two successes: a miss at 7/16, an alarm at 1/16
    -2.772589
    """
    where = "log_false_alarm"
    p, q, n = _coin(where, "p", p), _coin(where, "q", q), _throws(where, n)
    if p == q:
        checks.fail(where, "q", q, "another probability than p", "Nothing tells two equal coins apart.")
    miss = _coin(where, "miss", miss)
    if p < q:
        p, q = 1 - p, 1 - q
    k = np.arange(n + 1)
    bar = int(np.searchsorted(stats.binom.cdf(k, n, p), miss, side="right"))  # P_p(fewer than `bar`) ≤ miss
    return min(0.0, float(special.logsumexp(stats.binom.logpmf(k[bar:], n, q))))
