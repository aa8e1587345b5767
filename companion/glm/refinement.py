"""Iterative refinement: coefficients and covariances on X itself, with residuals in twice the precision.

In the coordinates of Q the optimum is found to about 16 digits; the way back to X loses as many as the columns are
ill-conditioned. Residuals in twice the precision, where columns are ill-conditioned or few, give them back (Björck,
1967).
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from companion.glm import precise
from companion.glm.design import Design
from companion.glm.newton import Optimum, gram, newton_step
from companion.glm.responses import NormalResponse, Response

#: Residuals are taken in twice the precision up to so many entries of X, and beyond such a condition of its columns;
#: the covariance of ill-conditioned columns up to so many products.
_FEW, _ILL, _PRODUCTS = 10_000, 1e3, 300_000


def exactly(design: Design) -> bool:
    """Whether residuals are taken in twice the precision."""
    return design.X.size <= _FEW or design.condition > _ILL


def refine(
    response: Response, design: Design, offset: np.ndarray, weights: np.ndarray, found: Optimum
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Coefficients (p, k) refined, η (n, k) there, y − μ, and Cholesky's factor of the information there."""
    exact = exactly(design)
    if isinstance(response, NormalResponse):
        target = np.zeros(design.X.shape[1])
        beta, rest = _least_squares(response.y[:, 0], target, design, offset, weights, found.beta[:, 0], exact)
        return beta[:, None], (response.y[:, 0] - rest)[:, None], rest[:, None], found.factor
    beta, best = found.beta, (np.inf, found.beta, found.eta)
    for _ in range(4):
        eta = _linear(design.X, beta, offset, exact)
        if not np.all(np.isfinite(response.log_terms(eta))):
            break
        score = design.forth(residual(design.X, response.rest(eta), weights, exact))
        size = np.linalg.norm(score)
        if size >= best[0]:
            break
        best = (size, beta, eta)
        assert found.factor is not None
        step = linalg.cho_solve((found.factor, True), score.T.ravel()).reshape(score.T.shape).T
        change = design.back(step)
        if np.all(np.abs(change) <= 1e-16 * np.abs(beta)):
            break
        beta = beta + change
    _, beta, eta = best
    factor = found.factor
    if exact:  # the curvature may change much within the last step
        factor = newton_step(response, design.Q, np.sqrt(weights)[:, None], eta)[1]
    return beta, eta, response.rest(eta), found.factor if factor is None else factor


def _linear(X, beta, offset, exact):
    if not exact:
        return X @ beta + offset[:, None]
    return np.stack([-precise.subtract_product(-offset, X, column) for column in beta.T], axis=1)


def residual(X: np.ndarray, rest: np.ndarray, weights: np.ndarray, exact: bool) -> np.ndarray:
    """Xᵀ w (y − μ), (p, k), of `rest` = y − μ."""
    if not exact:
        return X.T @ (weights[:, None] * rest)
    return np.stack([precise.product_of_transpose(X, column, weights) for column in rest.T], axis=1)


def _least_squares(y, target, design, offset, weights, beta, exact):
    """Björck's refinement: coefficients and residuals r together solve r + Xβ = y − offset, Xᵀ w r = `target`."""
    X, Q, root = design.X, design.Q, np.sqrt(weights)
    rest, size = y - offset - X @ beta, np.inf
    for _ in range(10 if exact else 2):
        if exact:
            both = np.column_stack([X, offset, rest])
            first = precise.subtract_product(y, both, np.append(beta, [1.0, 1.0]))
            second = target - precise.product_of_transpose(X, rest, weights)
        else:
            first, second = (y - offset - rest) - X @ beta, target - X.T @ (weights * rest)
        u, scaled = design.forth(second), root * first
        d = Q.T @ scaled
        if not np.linalg.norm(d - u) < size / 2:
            break
        size = np.linalg.norm(d - u)
        beta = beta + design.back(d - u)
        rest = rest + (Q @ u + scaled - Q @ d) / root
    return beta, rest


def covariances(
    response: Response, design: Design, weights: np.ndarray, root: np.ndarray | None, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of the information and the sandwich, (kp, kp) of the scaled columns, class by class.

    `root` is Cholesky's factor of the information in the coordinates of Q, `rest` y − μ.
    """
    (n, p), k = design.X.shape, rest.shape[1]
    if isinstance(response, NormalResponse) and design.condition > _ILL and n * p * p <= _PRODUCTS:
        return _of_columns(design, weights, rest[:, 0])
    inverse = linalg.solve_triangular(root, np.eye(k * p), lower=True).T.reshape(k, p, k * p)
    inverse = np.stack([design.back(block) for block in inverse]).reshape(k * p, k * p)
    meat = gram(design.Q, rest[:, :, None] * rest[:, None, :])
    middle = linalg.solve_triangular(root, linalg.solve_triangular(root, meat, lower=True).T, lower=True)
    return inverse @ inverse.T, inverse @ (0.5 * (middle + middle.T)) @ inverse.T


def _of_columns(design, weights, rest):
    """The same for `Normal` and ill-conditioned columns: v_j with XᵀwX v_j = e_j, refined, and X v_j."""
    n, p = design.X.shape
    zeros, units = np.zeros(n), np.eye(p)
    inverse, fitted = np.empty((p, p)), np.empty((n, p))
    for j in range(p):
        start = design.back(design.forth(units[j]))
        inverse[j], minus = _least_squares(zeros, -units[j], design, zeros, weights, start, True)
        fitted[:, j] = -minus
    scores = fitted * (np.sqrt(weights) * rest)[:, None]
    return 0.5 * (inverse + inverse.T), scores.T @ scores
