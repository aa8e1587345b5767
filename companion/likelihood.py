r"""Likelihood, log-likelihood, and the lines that lead from KL divergence to both.

The module of the chapter *Maximum likelihood is minimum KL divergence*. Its functions evaluate every line of a
derivation on one grid of parameters, so that "the same argmin" is a comparison of arrays. A model on a grid is a batch
of one of our families, for example ``Poisson(np.linspace(0.2, 1.2, 101))``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import Distribution, from_scipy
from companion.measures import FROZEN, kl_divergence


# --- the likelihood -----------------------------------------------------------------------------------------------
def _log_probs(
    where: str, model: Any, x: ArrayLike, weights: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """log p(x_i) of every observation of positive weight under every member of a batch: (n,) + batch, and the weights
    or None."""
    if isinstance(model, FROZEN):
        model = _from_scipy(where, model)
    elif not isinstance(model, Distribution):
        checks.fail(
            where,
            "model",
            model,
            "a member of companion.families or a frozen scipy.stats distribution",
            "Pass e.g. Poisson(0.6), Normal([0, 1], 1) or stats.t(4).",
            TypeError,
        )
    event_ndim = model.event_ndim if isinstance(model, Distribution) else 0
    shape = "(n, d)" if event_ndim else "(n,)"
    x, weights = checks.sample(where, x, weights, event_ndim, f"Pass observations as an array of shape {shape}.")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]  # 0 · log 0 = 0
    if isinstance(model, Distribution):
        return model.log_prob(x.reshape(len(x), *(1,) * len(model.batch_shape), *x.shape[1:])), weights
    return _frozen_log_probs(where, model, x), weights


def _from_scipy(where: str, frozen: Any) -> Any:
    """A frozen scipy distribution as a member of our families, or itself if it is of none; its parameters are valid."""
    try:
        model = from_scipy(frozen) or frozen
    except ValueError as error:
        checks.fail(where, "model", frozen, "parameters in its domain", str(error))
    if isinstance(model, FROZEN[1:]):
        fix = "Pass a MultivariateNormal or Dirichlet of companion.families, with a density on all of its support."
        checks.fail(where, "model", frozen, "a distribution of numbers, or one with a family of ours", fix, TypeError)
    if isinstance(model, FROZEN) and np.any(np.isnan(model.support())):
        fix = "scipy gives no support for them: check its documentation."
        checks.fail(where, "model", frozen, "parameters in its domain", fix)
    return model


def _frozen_log_probs(where: str, model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x_i) under a frozen scipy distribution that is in none of our families."""
    log_prob = model.logpmf if hasattr(model.dist, "pmf") else model.logpdf
    x = x.reshape(len(x), *(1,) * np.ndim(model.support()[0]))
    terms, fix = log_prob(x), "Data outside the support have likelihood zero; check units and coding."
    checks.require(where, "x", x, ~(terms == -np.inf), "a value in the support of the model", fix)
    checks.require(where, "log p(x)", terms, ~np.isnan(terms), "a number", "scipy cannot evaluate this density there.")
    return terms


def log_likelihood(
    model: Distribution | Any, x: ArrayLike, weights: ArrayLike | None = None
) -> np.ndarray | np.float64:
    r"""Log-likelihood :math:`\ell = \sum_i w_i \log p(x_i)` of independent observations, in nats.

    Parameters
    ----------
    model : member of companion.families, Mixture, or frozen scipy.stats distribution
        A batch gives one value for each member.
    x : array_like, shape (n,) or (n, d)
        Observations.
    weights : array_like, shape (n,), optional
        How often each observation counts: frequencies of a table, for example.

    Returns
    -------
    float or ndarray
        Shape of the batch.

    Raises
    ------
    TypeError
        If the model is not a distribution.
    ValueError
        If x is empty, has NaN or values outside the support, the weights do not fit, or the model's parameters are not
        in their domain.

    References
    ----------
    Cox and Hinkley (1974), chapter 2.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> log_likelihood(Poisson([0.5, 0.61, 0.7]), x=[0, 1, 2, 3, 4], weights=[109, 65, 22, 3, 1]).round(3)
    array([-208.367, -206.107, -207.317])
    """
    terms, weights = _log_probs("log_likelihood", model, x, weights)
    return (terms.sum(axis=0) if weights is None else np.tensordot(weights, terms, axes=(0, 0)))[()]


def likelihood(model: Distribution | Any, x: ArrayLike) -> np.ndarray | np.float64:
    r"""Likelihood :math:`\prod_i p(x_i)`, multiplied out in double precision: 0.0 once the product underflows, and
    `inf` once it overflows.

    The chapter uses it to show why one maximises the logarithm. Arguments, shapes and errors as for `log_likelihood`.

    Raises
    ------
    ValueError
        If the product meets both 0 and infinity on the way; for the other errors see `log_likelihood`.

    Examples
    --------
    >>> from companion.families import Bernoulli
    >>> float(likelihood(Bernoulli(0.5), [0, 1, 1]))
    0.125
    >>> float(likelihood(Bernoulli(0.5), np.ones(2000)))
    0.0
    """
    terms, _ = _log_probs("likelihood", model, x)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        product = np.prod(np.exp(terms), axis=0)
    expected, fix = "a product that does not meet both 0 and infinity on the way", "Use log_likelihood."
    checks.require("likelihood", "product", product, ~np.isnan(product), expected, fix)
    return product[()]


def perplexity(model: Distribution | Any, x: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray | np.float64:
    r"""Perplexity :math:`\exp(-\ell / \sum_i w_i)`: how many equally likely outcomes have the same average surprise.

    By the identity of the chapter :math:`e^{\mathrm{H}(p_{\mathrm{emp}})}\,e^{\mathrm{KL}(p_{\mathrm{emp}}\|p)}` for
    discrete data; `inf` beyond the largest double. Arguments, shapes and errors as for `log_likelihood`.

    Examples
    --------
    >>> from companion.families import Categorical
    >>> round(float(perplexity(Categorical([0.25] * 4), [0, 3, 1])), 12)
    4.0
    """
    terms, weights = _log_probs("perplexity", model, x, weights)
    with np.errstate(over="ignore"):  # inf beyond the largest double
        return np.exp(-np.average(terms, axis=0, weights=weights))[()]


# --- the derivations, line by line --------------------------------------------------------------------------------
class Line(NamedTuple):
    """One line of a derivation: its formula, its value at every parameter, and what is done with it."""

    formula: str
    values: np.ndarray | np.float64
    goal: str

    @property
    def best(self) -> int:
        """Index of the minimum or maximum."""
        return int(np.argmin(self.values) if self.goal == "min" else np.argmax(self.values))


def kl_lines(p: ArrayLike, models: Distribution, outcomes: ArrayLike) -> list[Line]:
    r"""The six lines from :math:`\arg\min_\theta \mathrm{KL}(p\|p_\theta)` to
    :math:`\arg\max_\theta \mathrm{E}_p[\log p_\theta]`, each evaluated as it is written.

    Parameters
    ----------
    p : array_like, shape (K,)
        Probabilities of `outcomes`, all positive: p_data, written out.
    models : ExponentialFamily
        A batch of discrete distributions, shape (g,): p_θ on a grid of θ.
    outcomes : array_like, shape (K,)
        The values x that p can take.

    Returns
    -------
    list of Line
        Six lines, each with `values` of shape (g,) in nats.

    Raises
    ------
    ValueError, TypeError
        If p is no probability vector or has zeros, outcomes are no different counts below ten million, one for each
        probability, or the models are no batch of shape (g,) of a discrete family.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> lines = kl_lines([0.5, 0.3, 0.2], Poisson(np.arange(1, 20) / 10), outcomes=[0, 1, 2])
    >>> [line.best for line in lines]
    [6, 6, 6, 6, 6, 6]
    """
    _require_grid("kl_lines", models)
    p = checks.probability_vector("kl_lines", "p", p)
    checks.require(
        "kl_lines",
        "p",
        p,
        p > 0,
        "positive probabilities",
        "Leave out outcomes of probability zero: they do not enter an expectation under p.",
    )
    outcomes = checks.whole("kl_lines", "outcomes", outcomes, 0, "Pass the counts that p can take.")
    if outcomes.shape != p.shape or p.ndim != 1:
        checks.fail(
            "kl_lines",
            "shape of outcomes",
            outcomes.shape,
            f"{p.shape}, one value for each probability",
            "Pass two vectors of equal length.",
        )
    if len(np.unique(outcomes)) < len(outcomes):
        checks.fail("kl_lines", "outcomes", outcomes, "different values", "Add up the probabilities of equal outcomes.")
    fix = "KL is taken on 0, 1, …, the largest outcome: recode rare large ones."
    checks.require("kl_lines", "outcomes", outcomes, outcomes < 1e7, "an outcome below ten million", fix)
    log_q = models.log_prob(outcomes[:, None])
    log_p = np.log(p)[:, None]
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        ratio = np.exp(log_p) / np.exp(log_q)  # infinite once exp(log_q) underflows
    return [
        Line("KL(p ‖ q)", kl_divergence(_on_integers(p, outcomes), models), "min"),
        Line("E[log(p / q)]", p @ np.log(ratio), "min"),
        Line("E[log p − log q]", p @ (log_p - log_q), "min"),
        Line("E[log p] − E[log q]", p @ log_p - p @ log_q, "min"),
        Line("−E[log q]", -(p @ log_q), "min"),
        Line("E[log q]", p @ log_q, "max"),
    ]


def _require_grid(where: str, models: Any) -> None:
    """A batch of shape (g,) of discrete distributions."""
    if not isinstance(models, Distribution) or not models.discrete:
        checks.fail(
            where,
            "models",
            models,
            "a batch of a discrete family of companion.families",
            "Pass p_θ on a grid of θ, e.g. Poisson(np.linspace(0.2, 1.2, 101)).",
            TypeError,
        )
    if len(models.batch_shape) != 1:
        checks.fail(
            where,
            "shape of the batch models",
            models.batch_shape,
            "(g,)",
            "Pass p_θ on a grid of θ, e.g. Poisson(np.linspace(0.2, 1.2, 101)).",
        )


def _on_integers(p: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Probability vector on {0, …, max(outcomes)}."""
    vector = np.zeros(int(outcomes.max()) + 1)
    vector[outcomes.astype(int)] = p
    return vector


def likelihood_lines(x: ArrayLike, models: Distribution | Any) -> list[Line]:
    r"""The four lines of maximum likelihood: joint probability, product, its logarithm, sum of logarithms.

    Line 1 multiplies conditional probabilities :math:`p(x_i \mid x_1, \dots, x_{i-1})` one after another; here they are
    the marginals :math:`p_\theta(x_i)`, since the observations are taken as independent, so line 2 is the same product.
    All lines are evaluated in double precision: for long samples the first three underflow, and only the last survives.
    Arguments and errors as for `log_likelihood`; the values of each line have the shape of the batch.

    Examples
    --------
    >>> from companion.families import Bernoulli
    >>> [line.best for line in likelihood_lines([1, 0, 0, 1, 1], Bernoulli(np.arange(1, 10) / 10))]
    [5, 5, 5, 5]
    """
    terms, _ = _log_probs("likelihood_lines", models, x)
    product, joint = likelihood(models, x), np.ones(terms.shape[1:])
    with np.errstate(over="ignore", under="ignore"):
        for term in terms:  # one observation after another
            joint = joint * np.exp(term)
    with np.errstate(divide="ignore"):
        log_product = np.log(product)
    return [
        Line("p(x₁, …, xₙ)", joint, "max"),
        Line("Π p(xᵢ)", product, "max"),
        Line("log Π p(xᵢ)", log_product, "max"),
        Line("Σ log p(xᵢ)", log_likelihood(models, x), "max"),
    ]


# --- exact, limit, meaningless ------------------------------------------------------------------------------------
def empirical_probabilities(x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Values of a discrete sample in increasing order and the fraction of observations equal to each, shapes (K,).

    Raises
    ------
    ValueError
        If x is empty or has NaN or infinite values.

    Examples
    --------
    >>> values, fractions = empirical_probabilities([2, 0, 0, 1])
    >>> values.tolist(), fractions.tolist()
    ([0.0, 1.0, 2.0], [0.5, 0.25, 0.25])
    """
    x, _ = checks.sample("empirical_probabilities", x, None, 0, "Pass observations as an array of shape (n,).")
    checks.finite("empirical_probabilities", "x", x, "Drop infinite values before.")
    values, counts = np.unique(x, return_counts=True)
    return values, counts / len(x)
