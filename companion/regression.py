r"""Regression by maximum likelihood: the module of the chapter on regression.

A generalised linear model with the canonical link: given x, y has a distribution of an exponential family with natural
parameter :math:`\eta = x^\top\beta`. Its log-likelihood is concave, and its gradient is one residual for all families,

.. math:: \nabla_\beta\sum_i\log p(y_i\mid x_i) = X^\top(y - \mu),\qquad \mu_i = A'(\eta_i).

`fit` finds the maximum by Newton's method and certifies it; `separation` says when there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import Binomial, Categorical, Normal
from companion.glm import newton, refinement, separating
from companion.glm.design import Design, coefficient_names, factor, offsets, read_columns, row_weights
from companion.glm.responses import RESPONSES, Response
from companion.glm.result import Regression, assembled, named
from companion.glm.separating import Separation, SeparationError

__all__ = ["Regression", "Separation", "SeparationError", "fit", "separation"]

_EARLY, _LATE = 60, 200


def fit(
    family: type,
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    intercept: bool = True,
    *,
    n: ArrayLike | None = None,
) -> Regression:
    r"""Maximum-likelihood regression of y on the columns of X, with the family's canonical link.

    .. math::

       \eta_i = x_i^\top\beta + o_i,\qquad X^\top w\,(y - \mu) = 0,\qquad
       \operatorname{cov}(\hat\beta) \approx B = (X^\top w V X)^{-1}

    with V the family's variance; the sandwich (HC0) is :math:`B\,X^\top w(y-\mu)^2X\,B`.

    Parameters
    ----------
    family : type
        `Normal` (identity), `Bernoulli` (logit), `Binomial` (logit), `Poisson` (log) or `Categorical` (softmax: the
        smallest label is the baseline) of `companion.families`.
    X : array_like, shape (n, p), or (n,) for one column
        Numbers. A data frame's columns keep their names; rows are matched by position. It may have no columns if there
        is an intercept.
    y : array_like, shape (n,)
        Numbers; 0 or 1; successes; counts; or labels, whole numbers or texts.
    weights : array_like, shape (n,), optional
        How often each row counts: a weight of 2 is the same as the row twice, in standard errors too. A row of weight 0
        is left out.
    offset : array_like, shape (n,) or a number, optional
        A part of η with coefficient 1: log exposures of a rate.
    intercept : bool
        Whether to add a column of ones, named "intercept", in front.
    n : array_like, shape (n,) or a number
        Numbers of trials; needed for `Binomial` alone.

    Returns
    -------
    Regression
        Coefficients, standard errors, deviance, predictions.

    Raises
    ------
    SeparationError
        A ValueError: if no maximum exists because the columns separate the data.
    ValueError, TypeError
        If columns are linearly dependent (they are named), shapes do not agree or values are not of the family.

    Notes
    -----
    Newton's method with step control, in coordinates in which √w X has orthonormal columns, so that units and
    correlations of columns cost nothing; then refinement on X itself, with residuals in twice the precision where
    columns are ill-conditioned or few. The optimum of `Normal` is that of the doubles given to about 15 digits, down to
    nine where columns are only just independent (to 1e-13 of their size). Standard errors, and coefficients of the
    other families, lose as many digits as columns have in common.

    References
    ----------
    McCullagh and Nelder (1989), chapter 2; White (1980) for the sandwich; Björck (1967) for the refinement.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> fit(Poisson, [0.0, 1.0, 2.0, 3.0], [1, 3, 3, 8])
    Poisson regression, log link, 4 observations
               coefficient  standard error  robust (HC0)
    intercept      0.16664         0.64462       0.24597
    x0             0.61854         0.26848      0.081218
    log-likelihood −6.27653, deviance 0.631222, 2 degrees of freedom
    """
    where = "regression.fit"
    response = _response(where, family, y, n)
    X, names, columns, intercept = _columns(where, X, len(response.y), intercept)
    shift, w = offsets(where, offset, len(X)), row_weights(where, weights, len(X))
    kept = w > 0
    if not np.all(kept):
        response, shift, w = response.with_weight(where, kept), shift[kept], w[kept]
    design = factor(where, X[kept], names, w)
    total = float(np.sum(w))
    if family is Normal and total <= len(names):
        expected = f"more than {len(names)}, the number of coefficients"
        fix = "The variance is estimated from the rest. Weights count rows: multiply relative ones by their number."
        checks.fail(where, "number of observations" if weights is None else "sum of weights", total, expected, fix)
    optimum, found = _search(response, design, shift, w, names)
    if found:
        raise SeparationError(_explained(where, found, names, design.scale), found)
    if not optimum.converged:
        fix = "The data are separated but for rounding, or columns and offset too large: give these moderate sizes."
        checks.fail(where, "Newton's method", "no convergence", "a maximum inside the range of doubles", fix)
    return _result(response, design, shift, w, names, columns, intercept, optimum)


def _response(where: str, family: type, y: ArrayLike, n: ArrayLike | None) -> Response:
    if not isinstance(family, type) or family not in RESPONSES:
        known = ", ".join(known.__name__ for known in RESPONSES)
        checks.fail(where, "family", family, f"one of {known}", "Pass a class of companion.families.", TypeError)
    if n is not None and family is not Binomial:
        checks.fail(where, "n", n, "None", "Only Binomial has a number of trials.", TypeError)
    return RESPONSES[family].read(where, y, n)


def _columns(where: str, X: ArrayLike, n: int, intercept: bool) -> tuple[np.ndarray, tuple[str, ...], Any, bool]:
    """The columns with the intercept, their names, the names of a data frame or None."""
    intercept = checks.flag(where, "intercept", intercept)
    array, columns = read_columns(where, "X", X)
    if len(array) != n:
        checks.fail(where, "rows of X and y", (len(array), n), "one row of X for each y", "Pass the same observations.")
    if n == 0:
        checks.fail(where, "y", [], "at least one observation", "There is nothing to fit in an empty sample.")
    if array.shape[1] == 0 and not intercept:
        checks.fail(where, "shape of X", array.shape, "at least one column", "Pass a column, or intercept=True.")
    names = coefficient_names(where, columns, array.shape[1], intercept)
    return (np.column_stack([np.ones(n), array]) if intercept else array), names, columns, intercept


def _search(
    response: Response, design: Design, shift: np.ndarray, w: np.ndarray, names: tuple[str, ...]
) -> tuple[newton.Optimum, Separation]:
    """Newton's method, and if it does not find a maximum, whether the data are separated."""
    none = Separation("none", None, np.zeros(len(w), dtype=bool))
    if response.family is Normal:
        return newton.maximise(response, design, shift, w, _EARLY), none
    found: list[tuple[np.ndarray, np.ndarray]] = []
    parts: list[tuple[Design, separating.Constraints]] = []

    def plain():
        """The design without weights, on which separation does not depend."""
        if not parts:
            other = design if np.ptp(w) == 0 else factor("regression.separation", design.X, names, np.ones(len(w)))
            Q = other.Q / np.sqrt(w[0]) if other is design else other.Q
            parts.append((other, separating.Constraints(response, Q, other.condition)))
        return parts[0]

    def moved(gamma):
        """Coordinates in the design without weights."""
        other = plain()[0]
        return gamma if other is design else other.R @ (design.back(gamma) * other.scale[:, None])[other.pivots]

    def watch(gamma, step, number):
        direction = separating.of_iterate(plain()[1], moved(gamma), moved(step), number)
        found.extend([] if direction is None else [direction])
        return direction is not None

    optimum = newton.maximise(response, design, shift, w, _EARLY, watch)
    if not found:
        if optimum.converged and separating.overlap_is_certain(response, optimum.eta, optimum.score, w):
            return optimum, none
        if optimum.converged and separating.overlap_of_some(plain()[1], response, optimum.eta, w):
            return optimum, none
        direction = separating.complete(plain()[1], moved(optimum.gamma))
        if direction is None:
            return optimum if optimum.converged else newton.maximise(response, design, shift, w, _LATE), none
        found.append(direction)
    elif not np.all(found[0][1]):
        found[0] = separating.complete(plain()[1], moved(optimum.gamma), found[0]) or found[0]
    other, constraints = plain()
    scale = design.scale if other is design else design.scale * other.scale
    return optimum, _described(response, other, scale, constraints, *found[0], names)


def _described(response, design, scale, constraints, d, strict, names):
    """The separation along d, in the units of the columns."""
    rows = np.zeros(len(response.y), dtype=bool)
    rows[constraints.owner[strict]] = True
    scaled = design.back(d.reshape(constraints.k, -1).T)
    scaled = scaled / np.max(np.abs(scaled))
    scaled[np.abs(scaled) < 1e-12] = 0.0
    complete = np.all(strict) and len(constraints.equations) == 0
    direction = named(scaled / scale[:, None], response.classes, names)
    return Separation("complete" if complete else "quasi-complete", direction, rows)


def _explained(where: str, found: Separation, names: tuple[str, ...], scale: np.ndarray) -> str:
    assert found.direction is not None
    sizes = np.max(np.atleast_2d(np.abs(np.asarray(found.direction))), axis=0) * scale
    order = [names[j] for j in np.argsort(-sizes, kind="stable") if sizes[j] > 0]
    used = [name for name in order if name != "intercept"]
    if not used:
        told = "the intercept alone: all observations lie at one edge"
    else:
        told = ", ".join(map(repr, used[:5])) + (f" and {len(used) - 5} more columns" if len(used) > 5 else "")
    others = " from one class or more" if np.ndim(found.direction) == 2 else ""
    return (
        f"{where}: y = {found.kind}ly separated by {told} ({int(np.sum(found.rows)):,} of {len(found.rows):,} "
        f"observations lie strictly on their side{others}); expected data that overlap. To the precision of doubles no "
        "maximum exists: the likelihood rises for ever along this error's separation.direction. Leave the "
        "column out, merge the level of the factor with another, or put a penalty (a prior) on the coefficients."
    )


def _result(response, design, shift, w, names, columns, intercept, optimum):
    family = response.family
    beta, eta, rest, root = refinement.refine(response, design, shift, w, optimum)
    if family is Normal:  # residuals that twice the precision cannot tell from 0 are 0
        size = np.abs(design.X) @ np.abs(beta) + np.abs(response.y) + np.abs(shift)[:, None]
        rest = rest if np.any(np.abs(rest) > 1e-25 * size) else np.zeros_like(rest)
    deviance = float(np.sum(w * response.deviance(eta))) if family is not Normal else float(np.sum(w * rest[:, 0] ** 2))
    return assembled(
        family,
        response.link,
        response.classes,
        design,
        names,
        columns,
        intercept,
        beta=beta,
        covariances=refinement.covariances(response, design, w, root, rest),
        left=refinement.residual(design.X, rest, w, refinement.exactly(design)),
        deviance=deviance,
        log_likelihood=0.0 if family is Normal else float(np.sum(w * response.log_likelihood(eta))),
        observations=float(np.sum(w)),
    )


def separation(
    X: ArrayLike, y: ArrayLike, family: type = Categorical, intercept: bool = True, *, n: ArrayLike | None = None
) -> Separation:
    r"""Whether the columns of X separate the observations y, so that no maximum of the likelihood exists.

    Parameters
    ----------
    X, y, intercept, n
        As in `fit`.
    family : type
        `Categorical` (with two labels: logistic regression), `Bernoulli`, `Binomial` or `Poisson`, where counts of zero
        are what can be separated.

    Returns
    -------
    Separation
        ``kind`` ("none", "complete", "quasi-complete"), ``direction`` and ``rows``; true if the data are separated.

    Raises
    ------
    ValueError, TypeError
        As `fit`.

    References
    ----------
    Albert and Anderson (1984); Konis (2007) for the linear program.

    Examples
    --------
    >>> separation([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1]).kind
    'complete'
    >>> separation([1.0, 2.0, 2.0, 4.0], [0, 0, 1, 1]).kind
    'quasi-complete'
    >>> bool(separation([1.0, 3.0, 2.0, 4.0], [0, 0, 1, 1]))
    False
    """
    where = "regression.separation"
    response = _response(where, family, y, n)
    X, names, _, _ = _columns(where, X, len(response.y), intercept)
    w = np.ones(len(X))
    design = factor(where, X, names, w)
    return _search(response, design, np.zeros(len(X)), w, names)[1]
