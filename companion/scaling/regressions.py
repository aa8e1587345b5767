r"""Regression by passes: an orthonormal basis of the columns in the first, a Newton step in each that follows.

The first pass factors √w X = QR chunk by chunk: the triangles of two samples, one above the other, have that of both
as theirs. It squares no condition number, as :math:`X^\top w X` would. In the coordinates of Q every step then needs
sums of p numbers (the score) and p² (the information) alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from companion import checks
from companion.families import Categorical, Normal
from companion.glm.design import Design, coefficient_names, factor, offsets, read_columns, row_weights
from companion.glm.newton import gram
from companion.glm.responses import RESPONSES, CategoricalResponse, Response, read_labels
from companion.glm.result import Regression, assembled, named
from companion.glm.separating import Separation, SeparationError

#: Newton steps, and halvings of one.
STEPS, HALVINGS = 60, 40


@dataclass(frozen=True)
class Model:
    """What is fitted: the family, whether there is an intercept, and an offset and trials that all rows share."""

    where: str
    family: type
    intercept: bool
    offset: Any = None
    n: Any = None

    def read(self, fields: tuple[Any, ...], classes: tuple[Any, ...] = ()) -> Rows | None:
        """The rows of a chunk that have a weight."""
        X, y, weights, offset, n = (*fields, None, None, None)[:5]
        X, names = read_columns(self.where, "X", X)
        if not len(X):
            return None
        if weights is not None and not np.any(np.asarray(weights)):
            row_weights(self.where, np.ones_like(weights, dtype=float), len(X))  # as many as there are rows
            return None
        w = row_weights(self.where, weights, len(X))
        kept = w > 0
        response = self._response(y, self.n if n is None else n, classes, kept)
        shift = offsets(self.where, self.offset if offset is None else offset, len(X))
        if self.intercept:
            X = np.column_stack([np.ones(len(X)), X])
        if not X.shape[1]:
            checks.fail(self.where, "shape of X", X.shape, "at least one column", "Pass a column, or intercept=True.")
        if not kept.all():
            X, shift, w = X[kept], shift[kept], w[kept]
        return Rows(X, response, shift, w, names)

    def _response(self, y, n, classes, kept) -> Response:
        """The response of the rows kept."""
        if self.family is Categorical:
            labels = read_labels(self.where, y)
            self._same_rows(kept, labels)
            return _coded(self.where, labels[kept], classes)
        response = RESPONSES[self.family].read(self.where, y, n)
        self._same_rows(kept, response.y)
        return response.rows(kept)

    def _same_rows(self, X, y):
        if len(X) != len(y):
            found, fix = (len(X), len(y)), "Pass the same observations."
            checks.fail(self.where, "rows of X and y", found, "one row of X for each y", fix)


class Rows(NamedTuple):
    """A chunk, read."""

    X: np.ndarray
    response: Response
    offset: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...] | None


def _coded(where, labels, classes):
    """A categorical response with the classes of all chunks; without them, those of this chunk."""
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) > 1000:
        checks.fail(where, "classes in y", len(found), "at most 1,000", "These look like numbers, not classes.")
    if classes:
        codes = np.array([classes.index(label) for label in found.tolist()])[codes]
    new = CategoricalResponse((codes[:, None] == np.arange(1, max(2, len(classes)))).astype(float))
    new.classes = classes or tuple(found.tolist())
    return new


@dataclass(frozen=True)
class Factor:
    """The first pass: the triangle of √w (X, y − offset), the sum of the weights, rows, names and classes."""

    model: Model

    @property
    def where(self) -> str:
        """Name of the public function, for errors."""
        return self.model.where

    def of_chunk(self, *fields: Any) -> Any:
        """What is kept of a chunk, or None if no row has a weight."""
        rows = self.model.read(fields)
        if rows is None:
            return None
        y = np.zeros((len(rows.X), 0)) if self.model.family is Categorical else rows.response.y - rows.offset[:, None]
        both = np.column_stack([rows.X, y]) * np.sqrt(rows.weights)[:, None]
        classes = rows.response.classes
        return _triangle(both), float(rows.weights.sum()), len(rows.X), rows.names, classes, float(rows.weights.max())

    def merge(self, one: Any, two: Any) -> Any:
        """What is kept of two samples together."""
        if one[3] != two[3]:
            found, fix = list(one[3] or two[3]), "Pass data frames alone, or arrays alone."
            checks.fail(self.where, "columns of X in some chunks", found, "names in all chunks, or in none", fix)
        kinds = {type(label) for label in one[4] + two[4]}
        if len(kinds) > 1:
            found = sorted(kind.__name__ for kind in kinds)
            checks.fail(self.where, "labels in y", found, "labels of one kind", "Code them alike in all chunks.")
        classes = tuple(sorted(set(one[4]) | set(two[4])))
        if len(classes) > 1000:
            checks.fail(self.where, "classes in y", len(classes), "at most 1,000", "They look like numbers.")
        R = _triangle(np.vstack([one[0], two[0]]))
        return R, one[1] + two[1], one[2] + two[2], one[3], classes, max(one[5], two[5])


def _triangle(rows):
    return np.linalg.qr(rows, mode="r")


@dataclass(frozen=True)
class Evaluate:
    """A pass at the coefficients `gamma` (p, k): sums for the next step; with ``last`` those of the result."""

    model: Model
    design: Design
    classes: tuple[Any, ...]
    gamma: np.ndarray
    before: np.ndarray | None = None
    last: bool = False
    start: bool = False

    @property
    def where(self) -> str:
        """Name of the public function, for errors."""
        return self.model.where

    def of_chunk(self, *fields: Any) -> Any:
        """What is kept of a chunk, or None if no row has a weight."""
        rows = self.model.read(fields, self.classes)
        if rows is None:
            return None
        design, response, w = self.design, rows.response, rows.weights
        with np.errstate(all="ignore"):
            X = rows.X / design.scale
            Z = linalg.solve_triangular(design.R, X[:, design.pivots].T, trans="T").T
            root = Z * np.sqrt(w)[:, None]
            if self.start:
                eta = response.start()
                variance = response.variance(eta)
                target = w[:, None] * (variance * (eta - rows.offset[:, None]) + response.rest(eta))
                return gram(root, variance[:, :, None]), Z.T @ target
            eta = Z @ self.gamma + rows.offset[:, None]
            terms = w * response.log_terms(eta)
            rest = response.rest(eta)
            score = Z.T @ (w[:, None] * rest)
            information = gram(root, response.covariance(eta))
            if self.last:
                meat = gram(root, rest[:, :, None] * rest[:, None, :])
                deviance = w @ rest[:, 0] ** 2 if self.model.family is Normal else w @ response.deviance(eta)
                value = 0.0 if self.model.family is Normal else float(w @ response.log_likelihood(eta))
                return score, information, meat, float(deviance), value, X.T @ (w[:, None] * rest)
            step = Z @ (self.gamma - self.before) if self.before is not None else np.zeros_like(eta)
            moved = float(np.max(np.abs(step) / (1e-6 + 1e-9 * np.abs(eta))))
            side = _sides(response, Z, step)
            finite = np.isfinite(terms).all()
            value = (float(terms.sum()), float(np.abs(terms).sum())) if finite else (-1e308, 0.0)
        return (*value, score, information, np.array([moved]), np.array(side), 0.0 if finite else 1.0)

    def merge(self, one: Any, two: Any) -> Any:
        """What is kept of two samples together."""
        if self.start or self.last:
            return tuple(a + b for a, b in zip(one, two))
        added = tuple(a + b for a, b in zip(one[:4], two[:4]))
        return (*added, np.maximum(one[4], two[4]), np.minimum(one[5], two[5]), one[6] + two[6])


def _sides(response, Z, step):
    """Along the step, relative to its largest move: the least of what observations at an edge gain, less than 0 if one
    loses, and minus the most that another moves."""
    largest = np.max(np.abs(step))
    if not largest > 0 or not np.isfinite(largest):
        return [-1e308, -1e308]
    if response.classes:
        logits = np.column_stack([np.zeros(len(step)), step])
        own = logits[np.arange(len(step)), response.codes()]
        logits[np.arange(len(step)), response.codes()] = -np.inf
        return [float(np.min(own - logits.max(axis=1)) / largest), 0.0]
    edge = response.boundary()
    gain = edge * step[:, 0] / largest
    inner = np.max(np.abs(step[edge == 0, 0]), initial=0.0) / largest
    return [float(np.min(gain[edge != 0], initial=1e308)), -float(inner)]


# --- the search -------------------------------------------------------------------------------------------------------
def fitted(run: Any, model: Model) -> Regression:
    """The regression, by passes that `run` makes."""
    where, family = model.where, model.family
    R, total, count, columns, classes, heaviest = run(Factor(model))
    p = R.shape[1] - (family is not Categorical)
    names = coefficient_names(where, columns, p - model.intercept, model.intercept)
    if count < p:
        fix = "Take more observations or fewer columns: fewer equations than unknowns have no one solution."
        checks.fail(where, "rows of X with positive weight", count, f"at least {p}, the number of coefficients", fix)
    if family is Categorical and len(classes) < 2:
        fix = "With one class its probability is 1, whatever x is."
        checks.fail(where, "classes in y", classes, "at least two", fix)
    if family is Normal and total <= p:
        expected = f"more than {p}, the number of coefficients"
        checks.fail(where, "sum of weights", total, expected, "The variance is estimated from the rest.")
    R = np.vstack([R, np.zeros((max(0, R.shape[1] - len(R)), R.shape[1]))])
    design = factor(where, R[:p, :p], names, np.ones(p))
    if family is Normal:
        gamma = design.Q.T @ R[:p, p:]
        score, information, *_ = run(Evaluate(model, design, classes, gamma, last=True))
        gamma = gamma + linalg.solve(information, score, assume_a="pos")
    else:
        gamma = _search(run, model, design, classes, names, p, heaviest)
    found = run(Evaluate(model, design, classes, gamma, last=True))
    return _result(model, design, classes, names, columns, gamma, total, *found)


def _search(run, model, design, classes, names, p, heaviest):
    k = max(1, len(classes) - 1)
    zero = np.zeros((p, k))
    gamma = zero
    if not classes:
        gram, target = run(Evaluate(model, design, classes, zero, start=True))
        gamma = np.linalg.lstsq(gram, target, rcond=None)[0]
    at = run(Evaluate(model, design, classes, gamma))
    if at[6] and gamma is not zero:
        gamma = zero
        at = run(Evaluate(model, design, classes, gamma))
    for number in range(STEPS):
        value, size, score, information = at[:4]
        step = _step(score, information)
        if at[6] or step is None:
            break
        length = 1.0
        for _ in range(HALVINGS):
            new = run(Evaluate(model, design, classes, gamma + length * step, gamma))
            near = float(new[4][0]) < 1.0
            if not new[6] and (near or new[0] >= value - 1e-13 * size):
                break
            length /= 2
        else:
            break
        gamma, at = gamma + length * step, new
        if near and length == 1.0:
            last = _step(at[2], at[3])
            return gamma if last is None else gamma + last
        gain, inner = at[5]
        if number > 4 and gain >= -1e-12 and inner >= -1e-12:
            _separated(model, design, classes, names, step, bool(gain > 1e-9))
    fix = (
        "The data may be separated, so that no maximum exists: ask regression.separation of a sample of the rows. Or "
        "columns and offset are too large: give these moderate sizes."
    )
    checks.fail(model.where, "Newton's method", "no convergence", "a maximum inside the range of doubles", fix)


def _step(score, information):
    if not (np.isfinite(information).all() and np.isfinite(score).all()):
        return None
    try:
        root = linalg.cholesky(information, lower=True)
    except linalg.LinAlgError:
        return None
    sizes = np.diagonal(root)
    if np.min(sizes) < 1e-7 * np.max(sizes):
        return None
    return linalg.cho_solve((root, True), score.T.ravel()).reshape(score.T.shape).T


def _separated(model, design, classes, names, step, strict):
    direction = design.back(step)
    direction = direction / np.max(np.abs(direction)) / design.scale[:, None]
    kind = "complete" if strict else "quasi-complete"
    found = Separation(kind, named(direction, classes, names), np.zeros(0, dtype=bool))
    raise SeparationError(
        f"{model.where}: y = {kind}ly separated by the columns; expected data that overlap. No maximum exists: the "
        "likelihood rises for ever along a direction. Leave a column out, merge the level of a factor with another, or "
        "put a penalty (a prior) on the coefficients.",
        found,
    )


def _result(model, design, classes, names, columns, gamma, total, score, information, meat, deviance, value, left):
    p, k = gamma.shape
    root = linalg.cholesky(information, lower=True)
    inverse = linalg.solve_triangular(root, np.eye(k * p), lower=True).T.reshape(k, p, k * p)
    inverse = np.stack([design.back(block) for block in inverse]).reshape(k * p, k * p)
    middle = linalg.solve_triangular(root, linalg.solve_triangular(root, meat, lower=True).T, lower=True)
    return assembled(
        model.family,
        RESPONSES[model.family].link,
        classes,
        design,
        names,
        columns,
        model.intercept,
        beta=design.back(gamma),
        covariances=(inverse @ inverse.T, inverse @ (0.5 * (middle + middle.T)) @ inverse.T),
        left=left,
        deviance=deviance,
        log_likelihood=value,
        observations=total,
    )
