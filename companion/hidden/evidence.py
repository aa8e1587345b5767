r"""The evidence of models with one or two standard normal latents, by quadrature.

`evidence` is adaptive and reports an error; Gauss–Hermite rules serve averages under a Gaussian, such as the lower
bound. The chapter module `companion.latent` has these names too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import logsumexp, roots_hermitenorm

from companion import checks
from companion.families import MultivariateNormal, Normal
from companion.hidden.gaussian_latents import (
    LogLikelihood,
    as_gaussian,
    check_callable,
    log_weights_at,
    positive,
    size,
    standard_normal,
)
from companion.integrals import cells
from companion.integrals.quadrature import Estimate

__all__ = ["evidence", "evidence_on_grid", "gauss_hermite", "gaussian_posterior"]


# --- adaptive quadrature ------------------------------------------------------------------------------------------
def evidence(
    log_likelihood: LogLikelihood, k: int, spacing: float | None = None, tolerance: float | None = None
) -> Estimate:
    r"""Evidence :math:`\log p(x_i) = \log\int p(x_i\mid z)\,\mathcal{N}(z; 0, I_k)\,\mathrm{d}z` in nats by adaptive
    quadrature, for k = 1 or 2 latents.

    The line or plane is cut into cells that are halved until each is resolved, by the posterior's mass and by the
    log-likelihood itself (`companion.integrals.cells`). The range grows until nothing is left outside.

    Parameters
    ----------
    log_likelihood : callable
        :math:`\log p(x_i\mid z_{ij})`: latents (n, m, k) or (1, m, k) -> (n, m).
    k : int
        Number of latents, 1 or 2.
    spacing : float, optional
        How far the nodes of the first cells lie apart; by default 0.05 on the line, 0.1 in the plane. It decides which
        humps can be overlooked, not how well those are resolved that were seen.
    tolerance : float, optional
        Largest error of the quadrature, in nats; by default 1e-8 on the line, 1e-6 in the plane. Smooth decoders stay
        far below; for one with kinks in the plane (ReLU) a larger one may be needed.

    Returns
    -------
    Estimate
        `value` and `error`, each of shape (n,). The error counts what halving the cells changed, what may lie outside
        the range, and the rounding of z. A hump that is narrower than `spacing`, and of which the log-likelihood at
        the nodes shows no trace, goes unseen.

    Raises
    ------
    ValueError
        If k is not 1 or 2, or log p(x|z) is NaN, +inf or everywhere −inf.
    QuadratureError
        If the tolerance is not reached, or the integral seems to be infinite.

    References
    ----------
    Trefethen (2008).

    Examples
    --------
    >>> from companion.latent import ProbabilisticPCA, gaussian_decoder
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 0.01)
    >>> x = model.sample(5, rng=0)
    >>> value, error, method = evidence(gaussian_decoder(x, model.decode, model.sd), k=1)
    >>> bool(np.all(np.abs(value - model.log_prob(x)) < 1e-10))
    True
    """
    k = _one_or_two("evidence", k)
    return _evidence(
        "evidence", log_likelihood, k, (0.05 if k == 1 else 0.1) if spacing is None else spacing, tolerance
    )


def evidence_on_grid(log_likelihood: LogLikelihood, k: int, spacing: float, tolerance: float | None = None) -> Estimate:
    r"""`evidence` with a first grid of your choice, whose nodes lie about `spacing` apart: no hump that is wider goes
    unseen.

    Examples
    --------
    >>> from companion.latent import arch, gaussian_decoder
    >>> value, error, method = evidence_on_grid(gaussian_decoder([[0.0, 2.0]], arch, sd=0.5), k=1, spacing=0.1)
    >>> value.round(6).tolist(), bool(error[0] < 1e-8)
    ([-5.450972], True)
    """
    where = "evidence_on_grid"
    return _evidence(where, log_likelihood, _one_or_two(where, k), spacing, tolerance)


def _one_or_two(where, k):
    k = checks.positive_integer(where, "k", k, "Pass the number of latents, 1 or 2.")
    if k > 2:
        fix = "A grid in more dimensions costs too much: use draw_log_weights and importance_weighted_bound."
        checks.fail(where, "k", k, "1 or 2 latents", fix)
    return k


def _evidence(where, log_likelihood, k, spacing, tolerance):
    check_callable(where, log_likelihood)
    spacing = positive(where, "spacing", spacing, "Pass e.g. spacing=0.05.")
    if not 1e-5 <= spacing <= 1:
        checks.fail(where, "spacing", spacing, "from 1e-5 to 1", "Cells are halved where it is needed: try 0.05.")
    tolerance = (1e-8 if k == 1 else 1e-6) if tolerance is None else tolerance
    tolerance = positive(where, "tolerance", tolerance, "Pass e.g. tolerance=1e-8.")
    if not 1e-15 <= tolerance < 1:
        checks.fail(where, "tolerance", tolerance, "from 1e-15 to less than 1 nat", "Pass e.g. tolerance=1e-8.")
    value, error = cells.log_integral(where, log_likelihood, k, spacing, tolerance)
    return Estimate(value, error, "adaptive cells")


# --- Gauss–Hermite rules ------------------------------------------------------------------------------------------
def gauss_hermite(q: Normal | MultivariateNormal, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Hermite nodes for averages under a Gaussian q over k latents: z (n, nodes**k, k), or (1, …) for a single q,
    and the logarithms of their weights, which sum to one, shape (nodes**k,).

    >>> z, log_w = gauss_hermite(Normal(1.0, 2.0), 10)
    >>> round(float(np.exp(log_w) @ z[0, :, 0] ** 2), 12)     # E[z²] = 1² + 2²
    5.0
    """
    where = "gauss_hermite"
    q, nodes = as_gaussian(where, q), size(where, "nodes", nodes, "Pass e.g. nodes=64.", most=10_000)
    if nodes**q.dimension > 1_000_000:
        checks.fail(
            where,
            "nodes**k",
            nodes**q.dimension,
            "at most 1,000,000 nodes",
            "A grid is for one or two latents; beyond, draw samples.",
        )
    t, w = _hermite(nodes)
    z = q.mean()[..., None, :] + cells.product(t, q.dimension) @ np.swapaxes(q.tril, -1, -2)
    return z.reshape(-1, *z.shape[-2:]), cells.product(np.log(w / w.sum()), q.dimension).sum(axis=-1)


@cache
def _hermite(nodes):
    t, w = roots_hermitenorm(nodes)
    return t[w > 0], w[w > 0]  # the outermost of several hundred nodes underflow


def rule_size(where, nodes):
    """A number of nodes with which a rule can be told from one of half as many."""
    why = "With fewer, the error of the rule cannot be told."
    return size(where, "nodes", nodes, "Pass e.g. nodes=64.", least=8, most=10_000, why=why)


def gaussian_posterior(log_likelihood: LogLikelihood, k: int, nodes: int = 32, rounds: int = 60) -> MultivariateNormal:
    r"""A Gaussian that covers the posterior p(z|x_i), found by Gauss–Hermite quadrature.

    It is a `MultivariateNormal` with batch (n,).

    From the prior on, the posterior's mean and covariance are computed on the nodes of the last Gaussian, until they
    settle or `rounds` are over. The covariance is widened by the spacing of the nodes, so that a posterior between two
    of them is not lost. It is a search: a hump that its nodes miss is not covered. Whatever it finds, `elbo` is a
    bound and the average weight is unbiased.

    Raises `ValueError` if log p(x|z) is NaN, or −inf at all nodes.

    References
    ----------
    Naylor and Smith (1982).
    """
    where = "gaussian_posterior"
    k = size(where, "k", k, "Pass the number of latents, 1 or 2.", most=10)
    nodes, rounds = rule_size(where, nodes), checks.positive_integer(where, "rounds", rounds, "Pass e.g. rounds=60.")
    q, old = standard_normal(k), None
    for _ in range(rounds):
        z, log_w = gauss_hermite(q, nodes)
        log_joint = log_weights_at(where, log_likelihood, q, z) + log_w
        top = log_joint.max(axis=1)
        checks.require(
            where,
            "max of log_likelihood(z)",
            top,
            top > -np.inf,
            "a finite number",
            "log p(x|z) is −inf on the whole grid of latents: check the decoder.",
        )
        share = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        mean = np.einsum("nm,nmk->nk", share, np.broadcast_to(z, (*share.shape, k)))
        away = z - mean[:, None, :]
        cov = np.einsum("nm,nmi,nmj->nij", share, away, away)
        q = MultivariateNormal(mean, cov + (np.pi**2 / nodes / 4) * q.cov)
        sds = np.sqrt(np.diagonal(q.cov, axis1=1, axis2=2))
        new = np.concatenate([mean, sds], axis=1)
        if old is not None and np.all(np.abs(new - old) < 1e-3 * sds.min(axis=1)[:, None]):
            break
        old = new
    return q
