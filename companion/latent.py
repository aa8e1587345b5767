r"""Models with a hidden variable: the evidence, the bound below it, and EM.

The module of the chapter *The evidence lower bound*. A latent variable z with a prior p(z) and a conditional density
p(x|z) give the evidence :math:`p(x) = \int p(x\mid z)\,p(z)\,\mathrm{d}z`. For any distribution q over z,

.. math:: \log p(x) = \underbrace{\mathrm{E}_q\Big[\log\frac{p(x, z)}{q(z)}\Big]}_{\text{evidence lower bound}}
          + \mathrm{KL}\big(q\,\|\,p(z\mid x)\big) .

Everything here is an average of the *importance weight* w(z) = p(x, z)/q(z): the mean of its logarithm is the evidence
lower bound (ELBO), the logarithm of its mean is the evidence.

Continuous latent variables are standard normal, :math:`z \sim \mathcal{N}(0, I_k)`. A model then is a function
``log_likelihood(z)`` of latents of shape (n, m, k), or (1, m, k) if all n observations share them; it returns
:math:`\log p(x_i\mid z_{ij})`, shape (n, m). `gaussian_decoder` makes one; a neural network in its place works as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp, softmax

from companion import checks
from companion.families import MultivariateNormal, Normal
from companion.hidden.evidence import evidence, evidence_on_grid, gauss_hermite, gaussian_posterior, rule_size
from companion.hidden.gaussian_latents import (
    LogLikelihood,
    arch,
    as_gaussian,
    gaussian_decoder,
    log_weights,
    log_weights_at,
    size,
    standard_normal,
)
from companion.hidden.ppca import ProbabilisticPCA
from companion.integrals.quadrature import Estimate

_EPS = np.finfo(float).eps

__all__ = [
    "ProbabilisticPCA",
    "arch",
    "draw_log_weights",
    "effective_sample_size",
    "elbo",
    "elbo_monte_carlo",
    "evidence",
    "evidence_on_grid",
    "gauss_hermite",
    "gaussian_decoder",
    "gaussian_posterior",
    "importance_weighted_bound",
    "log_prior_second_moment",
    "log_weights",
    "prior_average",
]


# --- the bound ----------------------------------------------------------------------------------------------------
def elbo(log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, nodes: int = 64) -> Estimate:
    r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x_i, z) - \log q(z)]` in nats by Gauss–Hermite quadrature, for a
    Gaussian q over 1 or 2 latents.

    Returns an `Estimate` of shape (n,). Its error is twice the spread of nine rules, from half the nodes to all of
    them: small for a decoder that is smooth where q is, and honest where it bends or jumps. The value is −inf where q
    has nodes at which p(x|z) is zero.

    Examples
    --------
    >>> log_likelihood = gaussian_decoder([[0.5, 1.5]], arch, sd=0.5)
    >>> bound, _, _ = elbo(log_likelihood, Normal(0.9, 0.3))
    >>> log_evidence, _, _ = evidence(log_likelihood, k=1)
    >>> bool(bound[0] < log_evidence[0])
    True
    """
    where = "elbo"
    q, nodes = as_gaussian(where, q), rule_size(where, nodes)
    values = []
    numbers = (
        np.linspace(nodes // 2, nodes, 9).astype(int) - np.arange(9) % 2
    )  # odd and even: one has a node at the mean
    for number in numbers.tolist():
        z, log_w = gauss_hermite(q, number)
        inside = log_w > -700  # the rest underflows: 0 · (−inf) = 0
        z, weights = z[:, inside], np.exp(log_w[inside])
        parts = -(-weights.size // 1024)  # a decoder's output may be large
        values.append(
            sum(
                log_weights_at(where, log_likelihood, q, block) @ w
                for block, w in zip(np.array_split(z, parts, axis=1), np.array_split(weights, parts))
            )
        )
    value = values[-1]
    with np.errstate(invalid="ignore"):
        error = 2 * np.ptp(values, axis=0) + 4 * _EPS * np.abs(value)
    return Estimate(value, np.where(value > -np.inf, error, np.inf), f"Gauss–Hermite, {nodes} nodes an axis")


def elbo_monte_carlo(
    log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, draws: int, rng: np.random.Generator | int
) -> Estimate:
    """Evidence lower bound as the average log-weight over `draws` from q, for any number of latents: an `Estimate`
    whose error is the standard error; −inf with error `inf` if a draw has weight zero."""
    where = "elbo_monte_carlo"
    w = _drawn(where, log_likelihood, as_gaussian(where, q), _draws(where, draws), rng)
    value, error = w.mean(axis=1), np.full(len(w), np.inf)
    some = value > -np.inf
    error[some] = w[some].std(axis=1, ddof=1) / np.sqrt(w.shape[1])
    return Estimate(value, error, "Monte Carlo")


# --- draws and their weights --------------------------------------------------------------------------------------
def draw_log_weights(
    log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, draws: int, rng: np.random.Generator | int
) -> np.ndarray:
    """`log_weights` at independent `draws` from q, shape (n, draws).

    A single q gives all observations the same draws.
    """
    where = "draw_log_weights"
    q, draws = as_gaussian(where, q), _draws(where, draws, least=1)
    return _drawn(where, log_likelihood, q, draws, rng)


def _drawn(where, log_likelihood, q, draws, rng):
    z = q.sample(draws, checks.generator(where, rng))
    return log_weights_at(where, log_likelihood, q, z[None] if q.batch_shape == () else np.moveaxis(z, 0, 1))


def _draws(where, draws, least=2):
    """A number of draws, by default one of which a standard error can be had."""
    return size(
        where, "draws", draws, "Pass e.g. draws=1000.", least, why="A single draw says nothing about its own error."
    )


def importance_weighted_bound(log_weights: ArrayLike) -> np.ndarray:
    r"""Logarithm of the average weight, :math:`\log\frac1K\sum_{k=1}^K w_k`, over the last axis, in nats.

    Its expectation is at most :math:`\log p(x)` and does not fall as K grows; for K = 1 it is the evidence lower bound.

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016).

    Examples
    --------
    >>> round(float(importance_weighted_bound(np.log([1.0, 2.0, 3.0]))), 12)  # log 2
    0.69314718056
    """
    log_weights = _weights("importance_weighted_bound", log_weights)
    return logsumexp(log_weights, axis=-1) - np.log(log_weights.shape[-1])


def effective_sample_size(log_weights: ArrayLike) -> np.ndarray:
    r"""Effective sample size :math:`(\sum_k w_k)^2 / \sum_k w_k^2` over the last axis.

    K for equal weights, 1 if one has it all.

    References
    ----------
    Kong (1992).

    Examples
    --------
    >>> weights = [[1.0, 1.0, 1.0, 1.0], [1.0, 1e-9, 1e-9, 1e-9]]
    >>> effective_sample_size(np.log(weights)).round(6).tolist()
    [4.0, 1.0]
    """
    log_weights = _weights("effective_sample_size", log_weights)
    top = log_weights.max(axis=-1)
    checks.require(
        "effective_sample_size", "largest log-weight", top, top > -np.inf, "a finite number", "All weights are zero."
    )
    return 1 / np.sum(softmax(log_weights, axis=-1) ** 2, axis=-1)


def _weights(where, log_weights):
    log_weights = checks.parameter(where, "log_weights", log_weights, "A weight may be zero (−inf), not NaN.")
    if log_weights.ndim == 0:
        checks.fail(
            where,
            "log_weights",
            log_weights,
            "an array with K log-weights along the last axis",
            "Pass e.g. draw_log_weights(...).",
        )
    checks.require(
        where,
        "log_weights",
        log_weights,
        log_weights < np.inf,
        "a number below +inf",
        "An infinite weight has no share.",
    )
    return log_weights


def prior_average(log_likelihood: LogLikelihood, k: int, draws: int, rng: np.random.Generator | int) -> Estimate:
    r"""Log-evidence by averaging :math:`p(x\mid z)` over `draws` from the prior: right in the limit, and useless in
    more than a few dimensions.

    Returns an `Estimate`: the values (n,) and their standard errors, :math:`\sqrt{1/\mathrm{ESS} - 1/m}` by the delta
    method. Below an effective sample size (ESS) of 10 a few draws decide, which tell as little of the error as of the
    value: the error is `inf`.

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
    >>> given = gaussian_decoder([[3.0, 1.5]], model.decode, 1.0)
    >>> value, error, method = prior_average(given, k=1, draws=10_000, rng=0)
    >>> bool(abs(value[0] - model.log_prob([3.0, 1.5])) < 4 * error[0])
    True
    """
    where = "prior_average"
    q = standard_normal(size(where, "k", k, "Pass the number of latents.", most=10_000))
    w = _drawn(where, log_likelihood, q, _draws(where, draws), rng)
    value, error = importance_weighted_bound(w), np.full(len(w), np.inf)
    some = value > -np.inf
    share = softmax(w[some], axis=-1)
    error[some] = np.linalg.norm(share - 1 / w.shape[-1], axis=-1)  # √(1/ESS − 1/m)
    error[some] = np.where(np.sum(share**2, axis=-1) < 0.1, error[some], np.inf)
    return Estimate(value, error, "prior average")


def log_prior_second_moment(model: ProbabilisticPCA, x: ArrayLike) -> np.ndarray:
    r"""Log of :math:`\mathrm{E}[w^2]/\mathrm{E}[w]^2` for the weight :math:`w = p(x\mid z)`, z from the prior of a
    `ProbabilisticPCA`, in closed form: (..., d) -> (...).

    :math:`m` draws from the prior are worth about :math:`m\,\mathrm{E}[w]^2/\mathrm{E}[w^2]` draws of equal weight.
    The square of a normal density is a normal density of half the variance, so that
    :math:`\mathrm{E}[w^2] = (4\pi\sigma^2)^{-d/2}\,\mathcal{N}(x; \mu, WW^\top + \tfrac12\sigma^2 I)`.

    Examples
    --------
    >>> model = ProbabilisticPCA(np.eye(10), np.zeros(10), 0.1)
    >>> round(float(log_prior_second_moment(model, np.zeros(10))), 3)
    19.635
    """
    if not isinstance(model, ProbabilisticPCA):
        checks.fail(
            "log_prior_second_moment", "model", model, "a ProbabilisticPCA", "Pass the linear model.", TypeError
        )
    x = checks.finite("log_prior_second_moment", "x", x, "Pass observations, without missing values.")
    halved = ProbabilisticPCA(model.loadings, model.mean(), model.sd / np.sqrt(2))
    return halved.log_prob(x) - model.dimension * np.log(2 * np.sqrt(np.pi) * model.sd) - 2 * model.log_prob(x)
