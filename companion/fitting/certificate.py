"""From an optimum to a `Fit`: the gradient by independent differences, the curvature, and both covariances."""

from __future__ import annotations

import warnings

import numpy as np

from companion import checks
from companion.fitting.differences import derivatives, gradient
from companion.fitting.families import Optimum
from companion.fitting.optimum import FLAT, TOLERANCE, curvature, sizes
from companion.fitting.result import Fit


def certified(optimum: Optimum, data: bytes) -> Fit:
    """The fit to data of this name, or an error if the gradient is not zero or the curvature not that of a maximum."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _certified(optimum, data)


def _certified(optimum, data):
    problem, theta = optimum.problem, optimum.theta
    residual, covariance, sandwich, effective = 0.0, None, None, np.nan
    if len(theta):
        found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights)
        slope = np.abs(gradient(problem.log_probs, theta, problem.room(theta), problem.weights))
        size = sizes(found, problem.weights)
        residual = float(np.max(np.divide(slope, size, out=np.zeros_like(slope), where=size > 0)))
        fix = "The search has not found a maximum: hold a parameter, or pass more observations."
        checks.require(
            problem.where, "scaled gradient", residual, residual < TOLERANCE, f"less than {TOLERANCE:g}", fix
        )
        if not optimum.why:
            covariance, sandwich, effective = _covariances(problem, found)
    total = np.sum(problem.weights) if problem.weights is not None else len(problem.log_probs(theta))
    values = problem.reported(theta)
    return Fit(
        model=problem.member(theta),
        parameters=dict(zip(problem.names, values.tolist())),
        held=problem.held,
        log_likelihood=problem.value(theta),
        n=int(total) if float(total).is_integer() else float(total),
        free=optimum.free,
        residual=residual,
        optimum=optimum.place,
        notes=optimum.notes,
        _domains=problem.domains,
        _covariance=covariance,
        _sandwich=sandwich,
        _effective=effective,
        _why=optimum.why,
        _where=problem.where,
        _data=data,
    )


def _covariances(problem, found):
    """Inverse information, sandwich and Takeuchi's trace; refused where the likelihood is flat or curves upwards."""
    values, vectors, size = curvature(found, problem.weights)
    smallest = float(values[0])
    fix = (
        "The log-likelihood is flat along a direction or rises: too few observations for so many parameters, or "
        "parameters that say the same. Hold one of them."
    )
    if not np.isfinite(smallest):
        fix = "The second derivatives overflow or vanish: change the unit of measurement, or hold a parameter."
    expected = f"a maximum: more than {FLAT:g}"
    checks.require(problem.where, "smallest curvature", smallest, smallest > FLAT, expected, fix)
    inverse = (vectors / values) @ vectors.T / size / size[:, None]
    total = len(found.scores) if problem.weights is None else problem.weights.sum()
    rounding = np.abs(found.scores) < 1e-10 * size / np.sqrt(total)
    scores = np.where(rounding, 0.0, found.scores)
    middle = inverse @ (scores.T @ (scores if problem.weights is None else scores * problem.weights[:, None]))
    covariance = problem.linear @ inverse @ problem.linear.T
    sandwich = problem.linear @ (middle @ inverse) @ problem.linear.T
    largest, fix = float(np.max(np.abs([covariance, sandwich]))), "Change the unit of measurement."
    checks.require(
        problem.where, "largest covariance", largest, np.isfinite(largest), "a number that fits a double", fix
    )
    return covariance, (sandwich + sandwich.T) / 2, float(np.trace(middle))
