"""Distributions of SciPy as problems for the fit, and where their search starts."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
from scipy import stats

from companion import checks
from companion.fitting import scipy_models
from companion.fitting.families import WHERE, Optimum
from companion.fitting.optimum import search
from companion.fitting.problem import Problem


def scipy_optimum(dist: Any, x: Any, weights: Any, fixed: dict[str, Any]) -> Optimum:
    """The maximum for a distribution of SciPy that is not frozen."""
    name = f"fit({checks.describe(dist)})"
    held = _held(dist, name, fixed)
    x, weights = checks.sample(WHERE, x, weights, 0, "Pass observations as an array of shape (n,).")
    checks.require(WHERE, "x", x, np.isfinite(x), "a finite observation", "Drop it, or say what it stands for.")
    if isinstance(dist, stats.rv_discrete):
        checks.require(WHERE, "x", x, x == np.floor(x), "a whole number", "This distribution is discrete.")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _maximum(dist, name, x, weights, held)


def _held(dist, name, fixed):
    """Values of the parameters that are not estimated, by name."""
    known = scipy_models.parameters(dist)
    for key, value in fixed.items():
        if key not in known:
            expected = f"a parameter of {checks.describe(dist)}: {', '.join(known)}"
            checks.fail(WHERE, key, value, expected, "Name one of these, e.g. loc=0.", TypeError)
    held = scipy_models.held_by_default(dist)
    for key, value in fixed.items():
        if value is None:
            held.pop(key, None)
        else:
            held[key] = checks.scalar(WHERE, key, value, f"Pass the number at which {key} is held, or None.")
    for shape in scipy_models.shapes(dist):
        low, high = shape.domain
        if shape.name in held:
            value = held[shape.name]
            inside = (value > low or (shape.closed[0] and value == low)) and (
                value < high or (shape.closed[1] and value == high)
            )
            if not inside or (shape.whole and value != np.floor(value)):
                expected = f"a {'whole ' if shape.whole else ''}number between {low:g} and {high:g}"
                checks.fail(WHERE, shape.name, value, expected, "SciPy has no such distribution.")
        elif shape.whole:
            fix = f"It is a whole number, for which there is no derivative: pass it, e.g. {shape.name}=12."
            checks.fail(name, shape.name, None, "a number", fix)
    if "scale" in held and not held["scale"] > 0:
        checks.fail(WHERE, "scale", held["scale"], "a positive number", "Pass e.g. scale=1.")
    if "loc" in held and isinstance(dist, stats.rv_discrete) and held["loc"] != np.floor(held["loc"]):
        checks.fail(WHERE, "loc", held["loc"], "a whole number", "Pass e.g. loc=0.")
    if len(held) == len(known):
        fix = f"Pass e.g. {next(iter(known))}=None to have it estimated."
        checks.fail(name, "held parameters", ", ".join(held), "one that is estimated", fix)
    return held


def _units(x, held, discrete):
    """Centre and scale (a power of two) of the data in which the search works."""
    if discrete:
        return 0.0, 1.0
    centre = held["loc"] if "loc" in held else float(np.median(x))
    if "loc" in held and "scale" in held:
        return 0.0, 1.0
    if "scale" in held:
        return (centre, 1.0) if "loc" not in held else (0.0, 1.0)
    away = np.abs(x - centre)
    spread = float(np.median(away)) or float(np.max(away))
    return centre, 2.0 ** np.round(np.log2(spread)) if spread > 0 else 1.0


def make_problem(dist: Any, name: str, x: np.ndarray, weights: Any, held: dict[str, float]) -> Problem:
    """The problem in standard units."""
    domains = scipy_models.parameters(dist)
    free = [key for key in domains if key not in held]
    discrete = isinstance(dist, stats.rv_discrete)
    centre, unit = _units(x, held, discrete)
    y = (x - centre) / unit
    inner = dict(held)
    if "loc" in held:
        inner["loc"] = (held["loc"] - centre) / unit
    if "scale" in held:
        inner["scale"] = held["scale"] / unit
    log_p, constant = (dist.logpmf, 0.0) if discrete else (dist.logpdf, np.log(unit))

    def values(theta):
        return inner | dict(zip(free, theta.tolist()))

    def log_probs(theta):
        return log_p(y, **values(theta)) - constant

    def member(theta):
        return dist(**(held | dict(zip(free, (offset + linear @ theta).tolist()))))

    linear = np.diag([unit if key in ("loc", "scale") else 1.0 for key in free])
    offset = np.array([centre if key == "loc" else 0.0 for key in free])
    low, high = np.array([domains[key] for key in free], dtype=float).reshape(-1, 2).T
    return Problem(
        name,
        tuple(free),
        tuple(domains[key] for key in free),
        low,
        high,
        linear,
        offset,
        log_probs,
        weights,
        member,
        held,
    )


def _starts(dist, problem, y):
    """Coordinates to start from: a grid of shapes, locations and scales, in standard units."""
    shape_names = [key for key in problem.names if key not in ("loc", "scale")]
    few = len(shape_names) > 2
    axes = []
    for key, domain in zip(problem.names, problem.domains):
        if key == "loc":
            axes.append([0.0] if "scale" in problem.names else [0.0, -1.0, 1.0])
        elif key == "scale":
            axes.append([0.3, 1.0, 3.0] if "loc" in problem.names else [0.1, 0.3, 1.0, 3.0, 10.0])
        else:
            axes.append(scipy_models.candidates(domain, few))
    return [np.array(point) for point in itertools.product(*axes)]


def _maximum(dist, name, x, weights, held):
    problem = make_problem(dist, name, x, weights, held)
    starts = _starts(dist, problem, x)
    theta, value = search(problem, starts)
    if value == -np.inf:
        expected = "observations that some member can have produced"
        checks.fail(name, "x", x, expected, "All are impossible where the search began: check units, and loc.")
    return Optimum(problem, theta, "", (), "interior")
