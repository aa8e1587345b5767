"""From an optimum to a `Fit`: the gradient by independent differences, the curvature, and both covariances."""

from __future__ import annotations

import numpy as np

from companion import checks
from companion.fitting.differences import average, derivatives
from companion.fitting.families import Optimum
from companion.fitting.optimum import TOLERANCE, scaled
from companion.fitting.result import Fit

#: Smallest eigenvalue that the scaled information may have.
_FLAT = 1e-9


def certified(optimum: Optimum) -> Fit:
    """The fit, or an error if the gradient is not zero or the curvature not that of a maximum."""
    problem, theta = optimum.problem, optimum.theta
    residual, covariance, sandwich, effective = 0.0, None, None, np.nan
    if optimum.place == "interior":
        with np.errstate(all="ignore"):
            found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights)
        residual = float(np.max(scaled(found.scores, problem.weights), initial=0.0))
        fix = "The search has not found a maximum: give starting data of more spread, or hold a parameter."
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
        log_likelihood=problem_value(problem, theta),
        n=int(total) if float(total).is_integer() else float(total),
        free=len(theta),
        residual=residual,
        optimum=optimum.place,
        notes=optimum.notes,
        _domains=problem.domains,
        _covariance=covariance,
        _sandwich=sandwich,
        _effective=effective,
        _why=optimum.why,
        _where=problem.where,
    )


def problem_value(problem, theta):
    with np.errstate(all="ignore"):
        return float(average(problem.log_probs(theta), problem.weights))


def _covariances(problem, found):
    """Inverse information, sandwich and Takeuchi's trace; refused where the likelihood is flat or curves upwards."""
    information = -found.hessian
    size = np.sqrt(np.abs(np.diag(information)))
    ok = np.all(np.isfinite(information)) and np.all(size > 0)
    values, vectors = np.linalg.eigh(information / size / size[:, None]) if ok else (np.array([np.nan]), None)
    smallest = float(values[0])
    fix = (
        "The log-likelihood is flat along a direction or rises: too few observations for so many parameters, or "
        "parameters that say the same. Hold one of them."
    )
    expected = f"a maximum: more than {_FLAT:g}"
    checks.require(problem.where, "smallest curvature", smallest, smallest > _FLAT, expected, fix)
    inverse = (vectors / values) @ vectors.T / size / size[:, None]
    weighted = found.scores if problem.weights is None else found.scores * problem.weights[:, None]
    outer = found.scores.T @ weighted
    middle = inverse @ outer
    covariance = problem.linear @ inverse @ problem.linear.T
    sandwich = problem.linear @ (middle @ inverse) @ problem.linear.T
    return covariance, (sandwich + sandwich.T) / 2, float(np.trace(middle))
