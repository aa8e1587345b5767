r"""Separation: directions along which the likelihood rises for ever, so that no maximum exists.

A direction d separates if moving the linear predictor along it takes every observation towards its own edge or leaves
it where it is: :math:`a_i^\top d \ge 0` for all i, > 0 for some, with :math:`a_i = \pm x_i` where y is at an edge of
the means (0 or 1, 0 or n, a count of 0), and :math:`x_i^\top d = 0` where it is not. With classes
:math:`a_{ik} = x_i \otimes (e_{y_i} - e_k)`.

Two certificates decide. *Against*: a point where the score is so small that no such direction can exist, since along
one the score would be at least the smallest miss y − μ in size; that is where Newton's method ends when there is a
maximum. *For*: a direction, checked observation by observation. Where there is none, Newton's method runs off along
one, and its iterates say which observations stay behind; these have a likelihood with a maximum of their own, by which
the first certificate shows that no more can be separated. Where both fail a linear program decides, on few observations
at first, to which those are added that its answer leaves on the wrong side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from companion import checks
from companion.glm.design import Named
from companion.glm.newton import gram
from companion.glm.responses import Response, class_covariance, residuals

#: Rows taken at a time where many are factored.
_CHUNK = 16384
#: Seconds that a linear program may take.
_PATIENCE = 30.0
#: Numbers in a linear program that is not worth its time where a direction is known.
_MANY = 500_000


class Separation(NamedTuple):
    """Whether and how data are separated; true if they are.

    ``kind`` is "none", "complete" (every observation lies strictly on its side) or "quasi-complete" (some do, the
    others lie on the boundary), to about 1e-14 of the sizes of the columns, times their condition. ``direction`` has
    the shape of the coefficients, largest entry 1 in size after scaling by the sizes of the columns, or None. ``rows``
    (n,) tells which observations lie strictly on their side; with more than two classes, on that of their own class
    from at least one other, while "complete" means from all others.
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


class Constraints:
    """The rows a of a response in the coordinates of Q: m inequalities aᵀd ≥ 0, and equations; d is flat, class by
    class. Rows are formed when they are asked for, since with classes they are long."""

    def __init__(self, response: Response, Q: np.ndarray, condition: float) -> None:
        self.Q, self.k, self.response = Q, max(len(response.classes) - 1, 1), response
        self.width = Q.shape[1] * self.k
        if response.classes:
            self.codes = response.codes()
            self.owner, self.other = np.nonzero(np.arange(self.k + 1)[None, :] != self.codes[:, None])
            self.equations = np.empty((0, self.width))
            self.norms = np.linalg.norm(Q, axis=1)[self.owner] * np.where(
                (self.codes[self.owner] > 0) & (self.other > 0), np.sqrt(2.0), 1.0
            )
        else:
            self.edge = response.boundary()
            self.owner = np.flatnonzero(self.edge)
            self.equations = Q[self.edge == 0]
            self.norms = np.linalg.norm(Q, axis=1)[self.owner]
        #: What is smaller than this part of |a||d| may be rounding.
        self.zero = 1e-14 * condition * np.sqrt(self.width)
        self.many = bool(response.classes)
        self.live = self.norms > 0

    def values(self, d: np.ndarray) -> np.ndarray:
        """aᵀd relative to |a||d| for all m rows; 0 for a row of zeros."""
        linear = self.Q @ d.reshape(self.k, -1).T
        if self.many:
            linear = np.column_stack([np.zeros(len(linear)), linear])
            raw = linear[self.owner, self.codes[self.owner]] - linear[self.owner, self.other]
        else:
            raw = self.edge[self.owner] * linear[self.owner, 0]
        return raw / np.where(self.live, self.norms, 1.0) / np.linalg.norm(d)

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Some of the rows, each divided by its length."""
        owner = self.owner[index]
        unit = self.Q[owner] / np.where(self.live, self.norms, 1.0)[index, None]
        if not self.many:
            return self.edge[owner, None] * unit
        out = np.zeros((len(index), self.k + 1, unit.shape[1]))
        place = np.arange(len(index))
        out[place, self.codes[owner]] += unit
        out[place, self.other[index]] -= unit
        return out[:, 1:].reshape(len(index), self.width)

    def span(self, chosen: np.ndarray) -> bool:
        """Whether some rows and all equations certainly span the whole space: of a first thousand and of all."""
        index = np.flatnonzero(chosen & self.live)
        for part in (index[:: max(len(index) // 1000, 1)], index):
            if len(part) * self.width > 2e7:
                return False
            rows = self.rows(part)
            gram = rows.T @ rows + self.equations.T @ self.equations
            sizes = linalg.eigvalsh(gram)
            if sizes[0] > 1e-10 * sizes[-1]:
                return True
        return False

    def limit(self, gamma: np.ndarray, strict: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y − μ and the covariance of y at Qγ, without what lies strictly on its side: classes from which a row is
        separated are impossible, other responses are left out; and |miss| of all inequalities, 0 of the strict ones."""
        eta = self.Q @ gamma
        if not self.many:
            rest, blocks = self.response.rest(eta), self.response.covariance(eta)
            rest[self.owner[strict]], blocks[self.owner[strict]] = 0.0, 0.0
            return rest, blocks, np.abs(rest)[self.owner, 0]
        logits = np.column_stack([np.zeros(len(eta)), eta])
        logits[self.owner[strict], self.other[strict]] = -np.inf
        p = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        p /= np.sum(p, axis=1, keepdims=True)
        return residuals(p, self.codes), class_covariance(p), p[self.owner, self.other]

    def triangle(self, index: np.ndarray) -> np.ndarray:
        """R of a QR factorisation of some rows and all equations, a chunk at a time."""
        R = np.empty((0, self.width))
        for start in range(0, len(self.equations), _CHUNK):
            R = _triangle(R, self.equations[start : start + _CHUNK])
        for start in range(0, len(index), _CHUNK):
            R = _triangle(R, self.rows(index[start : start + _CHUNK]))
        return R


def _triangle(R, rows):
    return linalg.qr(np.vstack([R, rows]), mode="r", check_finite=False)[0][: rows.shape[1]]


def _null_space(rows: np.ndarray, zero: float) -> np.ndarray:
    """Orthonormal columns that span what is orthogonal to all rows."""
    if len(rows) == 0:
        return np.eye(rows.shape[1])
    _, sizes, right = np.linalg.svd(rows)
    return right[_rank(sizes, zero) :].T


def _rank(sizes, zero):
    return int(np.sum(sizes > 10 * zero * np.max(sizes, initial=0.0)))


def verified(constraints: Constraints, d: np.ndarray, strict: np.ndarray) -> np.ndarray | None:
    """The part of d that is orthogonal to all rows but the `strict` ones, if it is positive on these; else None."""
    if not np.any(strict):
        return None
    if not np.all(strict) or len(constraints.equations):
        if constraints.span(~strict):
            return None
        free = _null_space(constraints.triangle(np.flatnonzero(~strict & constraints.live)), constraints.zero)
        d = free @ (free.T @ d)
    if not np.linalg.norm(d) > 0 or not np.all(constraints.values(d)[strict] > constraints.zero):
        return None
    return d / np.linalg.norm(d)


def of_iterate(
    constraints: Constraints, gamma: np.ndarray, step: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """A direction and its strict rows from where Newton's method has come in so many steps.

    If the data are separated, what lies strictly on its side moves away by about one a step, what does not stays.
    """
    d = gamma.T.ravel()
    if not np.linalg.norm(d) > 0:
        return None
    values = constraints.values(d)
    if len(constraints.equations) == 0 and np.all(values > constraints.zero):
        return d / np.linalg.norm(d), np.ones(len(values), dtype=bool)
    last = step.T.ravel()
    moved = constraints.values(last) * constraints.norms * np.linalg.norm(last) > 0.3
    guesses = [(last, moved)]
    if number % 6 == 0:
        guesses.append((d, values * constraints.norms * np.linalg.norm(d) > number / 2))
    for guess, strict in guesses:
        found = verified(constraints, guess, strict)
        if found is not None:
            return found, strict
    return None


def complete(
    constraints: Constraints, gamma: np.ndarray, start: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """A direction with the most rows aᵀd > 0 and none below 0, and which they are; None if there is none.

    ``start`` is a direction that is known, with its rows; ``gamma`` (p, k) is where Newton's method is. What would take
    a linear program of many numbers to extend stays as it is.
    """
    total, strict = start or (None, np.zeros(len(constraints.owner), dtype=bool))
    basis = _null_space(constraints.triangle(np.empty(0, dtype=int)), constraints.zero)
    basis = basis if start is None else _still_free(constraints, strict, basis)
    while basis.shape[1] and not _rest_has_maximum(constraints, strict, basis, gamma):
        if total is not None and np.sum(~strict) * basis.shape[1] > _MANY:
            break
        d = _cut(constraints, ~strict & constraints.live, basis)
        if d is None:
            break
        new = ~strict & (constraints.values(d) > constraints.zero)
        if total is not None:
            before, after = constraints.values(total)[strict], constraints.values(d)[strict]
            low = after < 0
            d = total + d * min(1.0, 0.5 * np.min(before[low] / -after[low], initial=np.inf))
        total, strict = d / np.linalg.norm(d), strict | new
        basis = _still_free(constraints, strict, basis)
    if total is None:
        return None
    found = verified(constraints, total, strict)
    return None if found is None else (found, strict)


def _rest_has_maximum(constraints, strict, basis, gamma):
    """Whether the rows that are not strict exclude a direction in the span of `basis`: their own likelihood, with what
    is strict at its limit, is followed to its maximum by Newton's method, and the certificate of `overlap_of_some`
    taken there. False if that does not succeed."""
    if basis.shape[1] > 1500:
        return False
    gamma, before = gamma.copy(), np.inf
    for _ in range(40):
        pull, blocks, miss = constraints.limit(gamma, strict)
        score = basis.T @ (constraints.Q.T @ pull).T.ravel()
        try:
            factor = linalg.cho_factor(basis.T @ gram(constraints.Q, blocks) @ basis)
            step = linalg.cho_solve(factor, score)
        except (linalg.LinAlgError, ValueError):
            return False
        decrement = float(score @ step)
        if not 0 <= decrement < 1e6 or not np.all(np.isfinite(step)):
            return False
        if decrement < 1e-3 and _excluded(constraints, miss * constraints.norms, np.linalg.norm(score), basis):
            return True
        if decrement < 1e-26 or (decrement < 1e-12 and decrement > 0.25 * before):
            return False
        before = decrement
        gamma = gamma + (basis @ step).reshape(gamma.shape[::-1]).T / max(1.0, np.sqrt(decrement))
    return False


def _excluded(constraints, strength, size, basis=None):
    """Whether a score of this size excludes a direction, by those rows alone that pull the most."""
    order = np.argsort(-strength)
    width = constraints.width if basis is None else basis.shape[1]
    for count in (4 * width, 20 * width):
        rows = np.vstack([constraints.rows(order[:count]), constraints.equations])
        rows = rows if basis is None else rows @ basis
        sizes, low = linalg.eigvalsh(rows.T @ rows), strength[order[:count]][-1:]
        if len(low) and sizes[0] > 1e-10 * sizes[-1] and size < 0.5 * low[0] * np.sqrt(sizes[0]):
            return True
    return False


def _still_free(constraints, strict, basis):
    """The part of the span of `basis` in which the rows that are not strict lie."""
    rest = np.flatnonzero(~strict & constraints.live)
    if len(rest) == 0:
        return basis[:, :0]
    _, sizes, right = np.linalg.svd(constraints.triangle(rest) @ basis)
    return basis @ right[: _rank(sizes, constraints.zero)].T


def _cut(constraints, among, basis):
    """A direction in the span of `basis` with aᵀd ≥ 0 on the rows `among`, > 0 on some; None if there is none."""
    index = np.flatnonzero(among)
    width = basis.shape[1]
    chosen = np.unique(np.linspace(0, len(index) - 1, min(len(index), 10 * width + 60)).astype(int))
    while True:
        A = constraints.rows(index[chosen]) @ basis
        found = _positive(A, constraints.zero)
        if found is None:
            missing = _null_space(A, constraints.zero)
            if missing.shape[1] == 0 or len(chosen) == len(index):
                return None
            found = missing[:, 0], None
        d = basis @ found[0]
        values = constraints.values(d)[index]
        if found[1] is None and np.sum(values) < 0:
            d, values = -d, -values
        if np.all(values > -constraints.zero) and np.any(values > constraints.zero):
            return d
        violated = np.setdiff1d(np.argsort(values)[: 10 * width + 40], chosen)
        violated = violated[values[violated] <= constraints.zero]
        if len(violated) == 0:
            return None
        chosen = np.append(chosen, violated)


def _positive(A, zero):
    """d with A d ≥ 0 and the most rows > 0, and these; exactly zero on the others; None if there is none."""
    m, width = A.shape
    # The sum of z with 0 ≤ z ≤ 1, z ≤ A d: a cone, so that each z is 0 or 1 at the optimum.
    found = optimize.linprog(
        np.append(np.zeros(width), -np.ones(m)),
        A_ub=np.hstack([-A, np.eye(m)]),
        b_ub=np.zeros(m),
        bounds=[(None, None)] * width + [(0, 1)] * m,
        method="highs",
        options={"time_limit": _PATIENCE},
    )
    if found.status == 1:
        expected = f"an answer within {_PATIENCE:g} seconds"
        fix = "The data are separated, or nearly so: take fewer columns, or put a penalty on the coefficients."
        checks.fail("regression.separation", "the linear program of rows and columns", A.shape, expected, fix)
    if found.status != 0 or -found.fun < 0.5:
        return None
    strict = found.x[width:] > 0.5
    free = _null_space(A[~strict], zero)
    d = free @ (free.T @ found.x[:width])
    size = np.linalg.norm(d)
    if not size > 0 or not np.all(A[strict] @ d > zero * size):
        return None
    return d / size, strict


def overlap_is_certain(response: Response, eta: np.ndarray, score: np.ndarray, weights: np.ndarray) -> bool:
    r"""Whether the score at a point excludes separation.

    In coordinates in which √w X has orthonormal columns, a separating d has
    :math:`d^\top s = \sum w_i|y_i - \mu_i||x_i^\top d| \ge \min(\sqrt{w_i}|y_i - \mu_i|)\,\|\sqrt w X d\|`, while
    :math:`d^\top s \le \|s\|\|d\|`.
    """
    spread = np.sqrt(2 * len(response.classes)) if response.classes else 1.0
    return bool(spread * np.linalg.norm(score) < 0.5 * np.sqrt(np.min(weights)) * response.smallest_miss(eta))


def overlap_of_some(constraints: Constraints, response: Response, eta: np.ndarray, weights: np.ndarray) -> bool:
    """The same certificate from those rows alone that miss the most, when others miss by less than rounding.

    Of rows a of length 1 with Σ (miss) a = s, those B with at least τ missing give dᵀs ≥ τ |Bd| ≥ τ σ |d|, with the
    smallest singular value σ of B.
    """
    if response.classes:
        miss = response.probabilities(eta)[constraints.owner, constraints.other]
    else:
        miss = np.abs(response.rest(eta))[constraints.owner, 0]
    strength = miss * weights[constraints.owner] * constraints.norms
    rest = weights[:, None] * (response.rest(eta))
    size = np.linalg.norm(constraints.Q.T @ rest)
    return _excluded(constraints, strength, size)
