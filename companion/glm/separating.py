r"""Separation: directions along which the likelihood rises for ever, so that no maximum exists.

A direction d separates if moving the linear predictor along it takes every observation towards its own edge or leaves
it where it is: :math:`a_i^\top d \ge 0` for all i, > 0 for some, with :math:`a_i = \pm x_i` where y is at an edge of
the means (0 or 1, 0 or n, a count of 0), and :math:`x_i^\top d = 0` where it is not. With classes
:math:`a_{ik} = x_i \otimes (e_{y_i} - e_k)`.

Two certificates decide. *For*: a direction, found by linear programming and then checked. *Against*: a point where the
score is so small that no such direction can exist, since along one the score would be at least the smallest |y − μ|.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.optimize import linprog

from companion.glm.design import Named
from companion.glm.responses import Response

_ZERO = 1e-9


class Separation(NamedTuple):
    """Whether and how data are separated; true if they are.

    ``kind`` is "none", "complete" (every observation lies strictly on its side) or "quasi-complete" (some do, the
    others lie on the boundary). ``direction`` has the shape of the coefficients, largest entry 1 in size after scaling
    by the sizes of the columns, or None. ``rows`` (n,) tells which observations lie strictly on their side.
    """

    kind: str
    direction: Named | None
    rows: np.ndarray

    def __bool__(self) -> bool:
        return self.kind != "none"


class SeparationError(ValueError):
    """No maximum of the likelihood exists; ``separation`` says why."""

    def __init__(self, message: str, separation: Separation) -> None:
        super().__init__(message)
        self.separation = separation

    def __reduce__(self):
        return SeparationError, (self.args[0], self.separation)


def constraints(response: Response, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows a of inequalities aᵀd ≥ 0, the observation each comes from, and rows of equations aᵀd = 0."""
    if not response.classes:
        edge = response.boundary()
        rows = np.flatnonzero(edge)
        return edge[rows, None] * Q[rows], rows, Q[edge == 0]
    n, p = Q.shape
    k = len(response.classes)
    codes = response.codes()
    blocks = np.zeros((n, k, k, p))
    for other in range(k):
        blocks[np.arange(n), other, codes] += Q
        blocks[:, other, other] -= Q
    seen = np.arange(k)[None, :] != codes[:, None]
    return blocks[:, :, 1:][seen].reshape(-1, (k - 1) * p), np.repeat(np.arange(n), k - 1), np.empty((0, (k - 1) * p))


def direction(inequalities: np.ndarray, equations: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A direction d with the largest set of aᵀd > 0, and that set; None if there is none."""
    width = inequalities.shape[1]
    basis = _null_space(equations, width)
    if basis.shape[1] == 0 or len(inequalities) == 0:
        return None
    A = inequalities @ basis
    length = np.linalg.norm(A, axis=1)
    live = length > _ZERO * np.max(length, initial=0.0)
    if not np.any(live):
        return None
    A = A / np.where(live, length, 1.0)[:, None]
    m, q = A[live].shape
    # The most rows with aᵀd ≥ z, 0 ≤ z ≤ 1: a cone, so that each z can be 0 or 1.
    found = linprog(
        np.append(np.zeros(q), -np.ones(m)),
        A_ub=np.hstack([-A[live], np.eye(m)]),
        b_ub=np.zeros(m),
        bounds=[(None, None)] * q + [(0, 1)] * m,
        method="highs",
    )
    if found.status != 0 or -found.fun < 0.5:
        return None
    strict = live.copy()
    strict[live] = found.x[q:] > 0.5
    d = found.x[:q]
    for _ in range(2):  # exactly zero where it is not positive
        free = _null_space(A[~strict & live], q)
        d = free @ (free.T @ d)
    size = np.linalg.norm(d)
    if size == 0 or not np.all(A[strict] @ d > _ZERO * size):
        return None
    return basis @ d, strict


def _null_space(rows, width):
    """Orthonormal columns that span what is orthogonal to all rows."""
    if len(rows) == 0:
        return np.eye(width)
    R = linalg.qr(rows, mode="r")[0][:width] if len(rows) > width else rows
    _, sizes, right = np.linalg.svd(R)
    rank = int(np.sum(sizes > 1e-10 * np.max(sizes, initial=0.0)))
    return right[rank:].T


def overlap_is_certain(response: Response, eta: np.ndarray, score: np.ndarray, weights: np.ndarray) -> bool:
    r"""Whether the score at a point excludes separation.

    In coordinates in which √w X has orthonormal columns, a separating d has
    :math:`d^\top s = \sum w_i|y_i - \mu_i||x_i^\top d| \ge \min(\sqrt{w_i}|y_i - \mu_i|)\,\|\sqrt w X d\|`, while
    :math:`d^\top s \le \|s\|\|d\|`.
    """
    spread = np.sqrt(2 * len(response.classes)) if response.classes else 1.0
    return bool(spread * np.linalg.norm(score) < 0.5 * np.sqrt(np.min(weights)) * response.smallest_miss(eta))
