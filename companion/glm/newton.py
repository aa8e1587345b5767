r"""Newton's method for a generalised linear model, in the orthonormal coordinates of its design.

With √w X = QR the score is :math:`Q^\top\sqrt w\,(y - \mu)`, the information :math:`Q^\top V Q` with the family's
variances V: however the columns of X are scaled and correlated, only the variances can make it ill-conditioned. The
coefficients are refined at the end on X itself, with residuals in twice the precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from companion.glm import precise
from companion.glm.design import Design
from companion.glm.responses import NormalResponse, Response

_EPS = np.finfo(float).eps
#: Entries of X up to which residuals are always taken in twice the precision; beyond only for ill-conditioned columns.
_FEW, _ILL = 300_000, 1e3


class Optimum(NamedTuple):
    """Where Newton's method ended: ``beta`` (p, k) of the scaled columns, ``eta`` (n, k), the Cholesky factor of the
    information in the coordinates of Q (or None), the last score there, and whether it has converged."""

    beta: np.ndarray
    eta: np.ndarray
    factor: np.ndarray | None
    score: np.ndarray
    converged: bool


def gram(Q: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Σᵢ Bᵢ ⊗ QᵢQᵢᵀ of blocks (n, k, k): an array (kp, kp), class by class."""
    k, p = blocks.shape[1], Q.shape[1]
    out = np.empty((k, p, k, p))
    for a in range(k):
        for b in range(a + 1):
            out[a, :, b] = (Q * blocks[:, a, b, None]).T @ Q
            out[b, :, a] = out[a, :, b].T
    return out.reshape(k * p, k * p)


def blocks_of(response: Response, eta: np.ndarray) -> np.ndarray:
    """Covariance of y at η, (n, k, k)."""
    if not response.classes:
        return response.variance(eta)[:, :, None]
    mean = response.mean(eta)
    blocks = -mean[:, :, None] * mean[:, None, :]
    diagonal = np.arange(mean.shape[1])
    blocks[:, diagonal, diagonal] = mean * (1 - mean)
    return blocks


def _cholesky(matrix):
    try:
        factor = linalg.cholesky(matrix, lower=True)
    except linalg.LinAlgError:
        return None
    return factor if np.all(np.diagonal(factor) > 1e-9 * np.max(np.diagonal(factor), initial=0.0)) else None


def maximise(response: Response, design: Design, offset: np.ndarray, weights: np.ndarray, steps: int) -> Optimum:
    """The maximum of the log-likelihood, or where `steps` Newton steps have led."""
    Q, root = design.Q, np.sqrt(weights)[:, None]
    gamma = _start(response, Q, root, offset)

    def at(gamma):
        return (Q @ gamma) / root + offset[:, None]

    def log_likelihood(eta):
        terms = weights * response.log_terms(eta)
        return np.sum(terms), np.sum(np.abs(terms))

    eta = at(gamma)
    value, size = log_likelihood(eta)
    factor, score, before, converged = None, np.zeros_like(gamma), np.inf, False
    for _ in range(steps):
        if not np.isfinite(value):
            break
        score = Q.T @ (root * (response.y - response.mean(eta)))
        factor = _cholesky(gram(Q, blocks_of(response, eta)))
        if factor is None:
            break
        step = linalg.cho_solve((factor, True), score.T.ravel()).reshape(score.T.shape).T
        decrement = np.sum(score * step)
        # In the units of a standard error. Near the optimum it falls quadratically, then to rounding.
        if decrement <= 1e-24 * np.max(weights) or (decrement < 1e-10 * np.max(weights) and decrement > 0.25 * before):
            converged = True
            break
        before = decrement
        length = 1.0
        while True:
            new = at(gamma + length * step)
            new_value, new_size = log_likelihood(new)
            if new_value >= value - 1e-13 * size or (np.isfinite(new_value) and decrement < 1e-8 * np.max(weights)):
                break
            length /= 2
            if length < 1e-12:
                break
        if length < 1e-12:
            break
        gamma, eta, value, size = gamma + length * step, new, new_value, new_size
    return Optimum(design.back(gamma), eta, factor, score, converged)


def _start(response, Q, root, offset):
    """One step of iteratively reweighted least squares from η near the data."""
    eta = response.start()
    if response.classes:
        return np.zeros((Q.shape[1], eta.shape[1]))
    variance = response.variance(eta)
    target = root * (variance * (eta - offset[:, None]) + response.y - response.mean(eta))
    gamma = np.linalg.lstsq((Q * variance).T @ Q, Q.T @ target, rcond=None)[0]
    terms = [np.sum(root[:, 0] ** 2 * response.log_terms((Q @ g) / root + offset[:, None])) for g in (gamma, 0 * gamma)]
    return gamma if terms[0] >= terms[1] or not np.isfinite(terms[1]) else 0 * gamma


def refine(
    response: Response, design: Design, offset: np.ndarray, weights: np.ndarray, found: Optimum
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients (p, k) refined, η (n, k) there, and y − μ."""
    exact = design.X.size <= _FEW or design.condition > _ILL
    if isinstance(response, NormalResponse):
        beta, rest = _least_squares(response.y[:, 0], design, offset, weights, found.beta[:, 0], exact)
        return beta[:, None], (response.y[:, 0] - rest)[:, None], rest[:, None]
    beta, best = found.beta, (np.inf, found.beta, found.eta)
    for _ in range(4):
        eta = _linear(design.X, beta, offset, exact)
        if not np.all(np.isfinite(response.log_terms(eta))):
            break
        score = design.forth(residual(response, design.X, eta, weights, exact))
        size = np.linalg.norm(score)
        if size >= best[0]:
            break
        best = (size, beta, eta)
        assert found.factor is not None
        step = linalg.cho_solve((found.factor, True), score.T.ravel()).reshape(score.T.shape).T
        beta = beta + design.back(step)
    _, beta, eta = best
    return beta, eta, response.y - response.mean(eta)


def _linear(X, beta, offset, exact):
    if not exact:
        return X @ beta + offset[:, None]
    return np.stack([-precise.subtract_product(-offset, X, column) for column in beta.T], axis=1)


def residual(response: Response, X: np.ndarray, eta: np.ndarray, weights: np.ndarray, exact: bool) -> np.ndarray:
    """Xᵀ w (y − μ), (p, k)."""
    rest = response.y - response.mean(eta)
    if not exact:
        return X.T @ (weights[:, None] * rest)
    return np.stack([precise.product_of_transpose(X, column, weights) for column in rest.T], axis=1)


def _least_squares(y, design, offset, weights, beta, exact):
    """Björck's refinement: coefficients and residuals r together solve r + Xβ = y − offset, Xᵀ w r = 0."""
    X, Q, root = design.X, design.Q, np.sqrt(weights)
    rest, size = y - offset - X @ beta, np.inf
    for _ in range(10 if exact else 2):
        if exact:
            both = np.column_stack([X, offset, rest])
            first = precise.subtract_product(y, both, np.append(beta, [1.0, 1.0]))
            second = -precise.product_of_transpose(X, rest, weights)
        else:
            first, second = (y - offset - rest) - X @ beta, -(X.T @ (weights * rest))
        u, scaled = design.forth(second), root * first
        d = Q.T @ scaled
        if np.linalg.norm(d - u) >= size / 2:
            break
        size = np.linalg.norm(d - u)
        beta = beta + design.back(d - u)
        rest = rest + (Q @ u + scaled - Q @ d) / root
    return beta, rest
