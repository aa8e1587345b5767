r"""Newton's method for a generalised linear model, in the orthonormal coordinates of its design.

With √w X = QR the score is :math:`Q^\top\sqrt w\,(y - \mu)`, the information :math:`Q^\top V Q` with the family's
variances V: however the columns of X are scaled and correlated, only the variances can make it ill-conditioned.
`companion.glm.refinement` then refines the coefficients on X itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg

from companion.glm.design import Design
from companion.glm.responses import NormalResponse, Response


class Optimum(NamedTuple):
    """Where Newton's method ended: ``gamma`` (p, k) in the coordinates of Q, ``beta`` of the scaled columns, ``eta``
    (n, k), the Cholesky factor of the information in the coordinates of Q (or None), the last score there, and whether
    it has converged."""

    gamma: np.ndarray
    beta: np.ndarray
    eta: np.ndarray
    factor: np.ndarray | None
    score: np.ndarray
    converged: bool


def gram(Q: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Σᵢ Bᵢ ⊗ QᵢQᵢᵀ of blocks (n, k, k): an array (kp, kp), class by class."""
    k, p = blocks.shape[1], Q.shape[1]
    if k == 1 and np.all(blocks >= 0):  # a matrix times its own transpose costs half
        rows = Q * np.sqrt(blocks[:, 0])
        return rows.T @ rows
    out = np.empty((k, p, k, p))
    for a in range(k):
        for b in range(a + 1):
            out[a, :, b] = (Q * blocks[:, a, b, None]).T @ Q
            out[b, :, a] = out[a, :, b].T
    return out.reshape(k * p, k * p)


def newton_step(
    response: Response, Q: np.ndarray, root: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The score at η, Cholesky's factor L of the information, or None, and the step that they give."""
    rest = root * response.rest(eta)
    score = Q.T @ rest
    try:
        factor = linalg.cholesky(gram(Q, response.covariance(eta)), lower=True)
    except linalg.LinAlgError:
        factor = np.zeros((1, 1))
    sizes = np.diagonal(factor)
    if np.min(sizes) > (1e-9 if response.classes else 1e-4) * np.max(sizes):
        return score, factor, linalg.cho_solve((factor, True), score.T.ravel()).reshape(score.T.shape).T
    if response.classes:  # nearly flat directions get a smaller step
        try:
            sizes, axes = linalg.eigh(gram(Q, response.covariance(eta)))
        except (linalg.LinAlgError, ValueError):
            return score, None, None
        if not sizes[-1] > 0:
            return score, None, None
        step = axes @ ((axes.T @ score.T.ravel()) / np.maximum(sizes, 1e-13 * sizes[-1]))
        return score, None, step.reshape(score.T.shape).T
    # Far from the middle the variances are small: the same by least squares, which do not square the condition.
    sd = np.sqrt(response.variance(eta))
    orthonormal, R = linalg.qr(Q * sd, mode="economic")
    sizes = np.abs(np.diagonal(R))
    if np.min(sizes) <= 1e-13 * np.max(sizes):
        return score, None, None
    scaled = np.divide(rest, sd, out=np.zeros_like(rest), where=sd > 0)
    return score, (R * np.sign(np.diagonal(R))[:, None]).T, linalg.solve_triangular(R, orthonormal.T @ scaled)


def maximise(
    response: Response,
    design: Design,
    offset: np.ndarray,
    weights: np.ndarray,
    steps: int,
    watch: Callable[[np.ndarray, np.ndarray, int], bool] | None = None,
) -> Optimum:
    """The maximum of the log-likelihood, or where `steps` Newton steps have led.

    ``watch(gamma, step, number)`` is asked every other step, from the sixth on, whether to stop; `step` is the last.
    """
    Q, root = design.Q, np.sqrt(weights)[:, None]
    if isinstance(response, NormalResponse):  # one step
        gamma = Q.T @ (root * (response.y - offset[:, None]))
        eta = (Q @ gamma) / root + offset[:, None]
        return Optimum(gamma, design.back(gamma), eta, np.eye(Q.shape[1]), 0 * gamma, bool(np.all(np.isfinite(eta))))
    gamma = _start(response, Q, root, offset)

    def at(gamma):
        return (Q @ gamma) / root + offset[:, None]

    def log_likelihood(eta):
        terms = weights * response.log_terms(eta)
        return np.sum(terms), np.sum(np.abs(terms))

    eta = at(gamma)
    value, size = log_likelihood(eta)
    factor, before, converged = None, np.inf, False
    score = step = np.zeros_like(gamma)
    for number in range(steps):
        if not np.isfinite(value) or (watch and number > 5 and number % 2 == 0 and watch(gamma, step, number)):
            break
        score, factor, next_step = newton_step(response, Q, root, eta)
        if next_step is None:
            break
        step = next_step
        decrement = np.sum(score * step)
        # Along a direction that separates, η moves by about 1 a step for ever; at an optimum it comes to rest.
        near = np.all(np.abs((Q @ step) / root) < 1e-6 + 1e-9 * np.abs(eta))
        if near and (decrement <= 1e-24 * np.max(weights) or decrement > 0.25 * before):
            converged = factor is not None
            break
        before = decrement
        length = 1.0
        if response.classes and number < 6:  # a first step that is too long ends where all probabilities are 0 or 1
            length = min(1.0, 8.0 / np.max(np.abs((Q @ step) / root)))
        while True:
            new = at(gamma + length * step)
            new_value, new_size = log_likelihood(new)
            if new_value >= value - 1e-13 * size or (near and np.isfinite(new_value)):
                break
            length /= 2
            if length < 1e-12:
                break
        if length < 1e-12:
            break
        gamma, eta, value, size = gamma + length * step, new, new_value, new_size
    return Optimum(gamma, design.back(gamma), eta, factor, score, converged)


def _start(response, Q, root, offset):
    """One step of iteratively reweighted least squares from η near the data."""
    eta = response.start()
    if response.classes:
        return np.zeros((Q.shape[1], eta.shape[1]))
    variance = response.variance(eta)
    target = root * (variance * (eta - offset[:, None]) + response.rest(eta))
    gamma = np.linalg.lstsq((Q * variance).T @ Q, Q.T @ target, rcond=None)[0]
    terms = [np.sum(root[:, 0] ** 2 * response.log_terms((Q @ g) / root + offset[:, None])) for g in (gamma, 0 * gamma)]
    return gamma if terms[0] >= terms[1] or not np.isfinite(terms[1]) else 0 * gamma
