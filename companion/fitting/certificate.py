"""From an optimum to a `Fit`: the gradient by independent differences, the curvature, and both covariances."""

from __future__ import annotations

import warnings

import numpy as np

from companion import checks
from companion.fitting.differences import along_axes, derivatives, gradient
from companion.fitting.families import Optimum
from companion.fitting.optimum import FLAT, TOLERANCE, curvature, flat_to_an_end, sizes
from companion.fitting.result import Fit, fingerprint

#: Curvature, in units of the sums of squared scores, below which second derivatives are taken along principal axes, and
#: the relative error that they may have there.
_COLLINEAR, _DIGITS = 1e-3, 1e-4


def certified(optimum: Optimum, x: np.ndarray, weights: np.ndarray | None) -> Fit:
    """The fit to x (n, ...), or an error if the gradient is not zero or the curvature not that of a maximum."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _certified(optimum, x, weights)


def _certified(optimum, x, weights):
    problem, theta = optimum.problem, optimum.theta
    residual, covariance, sandwich, effective = 0.0, None, None, np.nan
    if len(theta):
        found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights)
        slope = np.abs(gradient(problem.log_probs, theta, problem.room(theta), problem.weights))
        size = sizes(found, problem.weights)
        residual = float(np.max(np.divide(slope, size, out=np.zeros_like(slope), where=size > 0)))
        exact = optimum.means is not None and not (
            residual < TOLERANCE and curvature(found, problem.weights)[0][0] > FLAT
        )
        if exact:  # log p has few digits, or the data are so far from the model that its curvature is not seen
            found, residual = optimum.means()
        _check_sides(problem, theta)
        if not residual < TOLERANCE:
            expected = f"less than {TOLERANCE:g}"
            checks.fail(problem.where, "scaled gradient", residual, expected, _why_not(problem, x))
        if not optimum.why:
            covariance, sandwich, effective = _covariances(problem, theta, found, 0.0 if exact else FLAT)
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
        _data=fingerprint(x, weights),
    )


def _check_sides(problem, theta):
    """Refuse a coordinate of which the data tell nothing on one side."""
    flat = flat_to_an_end(problem, theta)
    if flat:
        names = [name for name, moves in zip(problem.names, problem.linear) if moves[flat[0]]]
        value = problem.reported(theta)[problem.names.index(names[0])]
        fix = f"The log-likelihood is the same, but for rounding, up to an end of the domain of {names[0]}: hold it."
        if problem.where == "fit of Mixture":
            fix = "The log-likelihood is the same for other weights and components: take fewer components."
        checks.fail(problem.where, names[0], float(value), "a value that the data tell", fix)


def _why_not(problem, x):
    """What is known of a gradient that is not zero."""
    size = np.max(np.abs(x), axis=0)
    part = float(np.min(np.ptp(x, axis=0) / np.where(size > 0, size, 1.0)))
    if 0 < part < 1e-6:
        return (
            f"The observations differ by {part:.1g} of their size: near a maximum their doubles are too coarse. "
            "Subtract a number from all of them and fit a family that has a location, e.g. Normal."
        )
    return (
        "No maximum to the digits that this log-density has: change the unit of measurement, hold a parameter, or pass "
        "more observations."
    )


def _covariances(problem, theta, found, flat):
    """Inverse information, sandwich and Takeuchi's trace; refused where the likelihood is flat or curves upwards."""
    values, vectors, size = curvature(found, problem.weights)
    smallest, linear = float(values[0]), problem.linear
    if abs(smallest) < _COLLINEAR and len(values) > 1:
        axes, basis, error = along_axes(problem.log_probs, theta, found.hessian, problem.weights)
        again = curvature(axes, problem.weights)
        if error < _DIGITS and again[0][0] > FLAT:
            found, linear, (values, vectors, size) = axes, problem.linear @ basis, again
            smallest = float(values[0])
        elif smallest > flat:
            fix = "The log-density has too few digits here for standard errors: hold a parameter."
            checks.fail(problem.where, "relative error of second derivatives", error, f"less than {_DIGITS:g}", fix)
    fix = (
        "The log-likelihood is flat along a direction or rises: too few observations for so many parameters, or "
        "parameters that say the same. Hold one of them."
    )
    if not np.isfinite(smallest):
        fix = "The second derivatives overflow or vanish: change the unit of measurement, or hold a parameter."
    expected = f"a maximum: more than {flat:g}"
    checks.require(problem.where, "smallest curvature", smallest, smallest > flat, expected, fix)
    inverse = (vectors / values) @ vectors.T / size / size[:, None]
    total = len(found.scores) if problem.weights is None else problem.weights.sum()
    rounding = np.abs(found.scores) < 1e-10 * size / np.sqrt(total)
    scores = np.where(rounding, 0.0, found.scores)
    middle = inverse @ (scores.T @ (scores if problem.weights is None else scores * problem.weights[:, None]))
    covariance = linear @ inverse @ linear.T
    sandwich = linear @ (middle @ inverse) @ linear.T
    largest, fix = float(np.max(np.abs([covariance, sandwich]))), "Change the unit of measurement."
    checks.require(
        problem.where, "largest covariance", largest, np.isfinite(largest), "a number that fits a double", fix
    )
    least = float(np.min(np.diag(covariance)[problem.moves()]))
    checks.require(problem.where, "smallest variance", least, least > 0, "a number that fits a double", fix)
    return covariance, (sandwich + sandwich.T) / 2, float(np.trace(middle))
