"""Distributions of SciPy as problems for the fit: arguments, standard units, parameters that are tied to an extreme
observation, and where a search starts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from companion import checks
from companion.fitting import scipy_models
from companion.fitting.families import WHERE
from companion.fitting.problem import Problem

#: A parameter as a function of the others, by name and in standard units.
Tie = Callable[[dict[str, float]], float]


class Task(NamedTuple):
    """What is to be fitted: the distribution, how errors call it, the data, and the parameters that are held."""

    dist: Any
    name: str
    x: np.ndarray
    weights: np.ndarray | None
    held: dict[str, float]

    @property
    def discrete(self) -> bool:
        """Whether the data are counts."""
        return isinstance(self.dist, stats.rv_discrete)

    @property
    def free(self) -> list[str]:
        """Names of the parameters that are estimated, in SciPy's order."""
        return [key for key in scipy_models.parameters(self.dist) if key not in self.held]

    def units(self, tied: bool) -> tuple[float, float]:
        """Centre and scale (a power of two) of the standard units in which the search works: a shift of the data by a
        number, or another unit of measurement, costs no digits. Ties need the very numbers: there is no centre."""
        if self.discrete or ("loc" in self.held and "scale" in self.held):
            return 0.0, 1.0
        centre = self.held["loc"] if "loc" in self.held else 0.0 if tied else float(np.median(self.x))
        if "scale" in self.held:
            return centre, 1.0
        away = np.abs(self.x - (np.median(self.x) if tied and "loc" not in self.held else centre))
        spread = float(np.median(away)) or float(np.max(away))
        return centre, float(2.0 ** np.round(np.log2(spread))) if spread > 0 else 1.0


def task(dist: Any, x: Any, weights: Any, fixed: dict[str, Any]) -> Task:
    """The arguments of `fit`, checked."""
    name = f"fit of {checks.describe(dist)}"
    if dist.name in scipy_models.REFUSED:
        why = scipy_models.REFUSED[dist.name]
        checks.fail(name, "model", dist, "a density that can be searched", f"{why[0].upper()}{why[1:]}.")
    held = _held(dist, name, fixed)
    x, weights = checks.sample(WHERE, x, weights, 0, "Pass observations as an array of shape (n,).")
    checks.require(WHERE, "x", x, np.isfinite(x), "a finite observation", "Drop it, or say what it stands for.")
    if isinstance(dist, stats.rv_discrete):
        checks.require(WHERE, "x", x, x == np.floor(x), "a whole number", "This distribution is discrete.")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    return Task(dist, name, x, weights, held)


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
        if shape.name in held:
            _check_shape(shape, held[shape.name])
        elif shape.whole:
            fix = f"There is no derivative in a whole number, so it is not estimated: pass it, e.g. {shape.name}=12."
            checks.fail(name, shape.name, None, "a whole number", fix)
    if "scale" in held and not held["scale"] > 0:
        checks.fail(WHERE, "scale", held["scale"], "a positive number", "Pass e.g. scale=1.")
    if isinstance(dist, stats.rv_discrete) and held.get("loc", 0.0) != np.floor(held.get("loc", 0.0)):
        checks.fail(WHERE, "loc", held["loc"], "a whole number", "Pass e.g. loc=0.")
    if isinstance(dist, stats.rv_discrete) and "loc" not in held:
        fix = "There is no derivative in a whole number: pass it, e.g. loc=0."
        checks.fail(name, "loc", None, "a whole number", fix)
    if len(held) == len(known):
        fix = f"Pass e.g. {list(known)[-1]}=None to have it estimated."
        if isinstance(dist, stats.rv_discrete):
            fix = "Whole numbers are not estimated, and there is no other parameter."
        checks.fail(name, "held parameters", ", ".join(held), "one that is estimated", fix)
    return held


def _check_shape(shape, value):
    low, high = shape.domain
    above = value > low or (shape.closed[0] and value == low)
    below = value < high or (shape.closed[1] and value == high)
    if not (above and below) or (shape.whole and value != np.floor(value)):
        expected = f"a {'whole ' if shape.whole else ''}number between {low:g} and {high:g}"
        checks.fail(WHERE, shape.name, value, expected, "SciPy has no such distribution.")


def log_density(dist: Any, x: np.ndarray) -> Callable[..., np.ndarray]:
    """Parameters by name -> ``dist.logpdf(x, ...)`` or logpmf. Where all of x lies in the support, SciPy's own formula
    without its handling of arrays of parameters, which is most of its time."""
    slow = dist.logpmf if isinstance(dist, stats.rv_discrete) else dist.logpdf
    names = [shape.name for shape in scipy_models.shapes(dist)]
    plain = getattr(type(dist), "logpdf", None) is stats.rv_continuous.logpdf

    def at(**found):
        if plain and found["scale"] > 0:
            shapes = [np.asarray(found[name]) for name in names]
            standard = (x - found["loc"]) / found["scale"]
            low, high = dist._get_support(*shapes)
            if np.all(dist._argcheck(*shapes)) and ((low <= standard) & (standard <= high)).all():
                everywhere = (np.full(x.shape, shape) for shape in shapes)
                return dist._logpdf(standard, *everywhere) - np.log(found["scale"])
        return slow(x, **found)

    return at


def make_problem(job: Task, tied: dict[str, Tie] | None = None) -> tuple[Problem, Callable[[np.ndarray], dict]]:
    """The problem in standard units, with the `tied` parameters as functions of the others, and the function from
    coordinates to all parameters by name in these units."""
    tied = tied or {}
    domains = scipy_models.parameters(job.dist)
    centre, unit = job.units(bool(tied))
    y = (job.x - centre) / unit
    inner = dict(job.held)
    if "loc" in inner:
        inner["loc"] = (inner["loc"] - centre) / unit
    if "scale" in inner:
        inner["scale"] = inner["scale"] / unit
    log_p, constant = log_density(job.dist, y), 0.0 if job.discrete else np.log(unit)
    coordinates = [key for key in job.free if key not in tied]
    step = np.array([unit if key in ("loc", "scale") else 1.0 for key in job.free])
    origin = np.array([centre if key == "loc" else 0.0 for key in job.free])

    def values(theta):
        found = inner | dict(zip(coordinates, theta.tolist()))
        for key, tie in tied.items():
            found[key] = float(tie(found))
        return found

    def log_probs(theta):
        return log_p(**values(theta)) - constant

    def reported(theta):
        found = values(theta)
        return origin + step * np.array([found[key] for key in job.free])

    def member(theta):
        return job.dist(**(job.held | dict(zip(job.free, reported(theta).tolist()))))

    linear = np.diag(step)[:, [key not in tied for key in job.free]]
    low, high = np.array([domains[key] for key in coordinates], dtype=float).reshape(-1, 2).T
    problem = Problem(
        where=job.name,
        names=tuple(job.free),
        domains=tuple(domains[key] for key in job.free),
        low=low,
        high=high,
        linear=linear,
        offset=origin,
        log_probs=log_probs,
        weights=job.weights,
        member=member,
        held=dict(job.held),
        report=reported,
        furthest=3 + float(np.log(np.max(np.abs(y)))) if job.discrete and np.any(y) else 0.0,  # counts have no unit
    )
    return problem, values


def ties(job: Task) -> dict[str, Tie]:
    """The free parameters that put an end of the support at an extreme observation."""
    wanted = scipy_models.TIES.get(job.dist.name, {})
    centre, unit = job.units(True)
    ends = {"low": float((job.x.min() - centre) / unit), "high": float((job.x.max() - centre) / unit)}

    def tie(key, end):
        if job.discrete:
            return lambda v: ends[end] - v["loc"] + (end == "high")
        if key == "loc":
            return lambda v: ends[end]
        if key == "scale":
            return lambda v: ends[end] - v["loc"]
        return lambda v: (ends[end] - v["loc"]) / v["scale"]

    order = sorted(wanted, key=lambda key: {"loc": 0, "scale": 1}.get(key, 2))
    return {key: tie(key, wanted[key]) for key in order if key in job.free}


def starts(job: Task, problem: Problem, tied: bool) -> list[np.ndarray]:
    """Coordinates to start from: a grid of shapes, with locations and scales that suit the data."""
    names = [key for key, keep in zip(job.free, problem.moves()) if keep]
    centre, unit = job.units(tied)
    y = (job.x - centre) / unit
    shapes = [key for key in names if key not in ("loc", "scale")]
    axes = [scipy_models.candidates(scipy_models.parameters(job.dist)[key], len(shapes) > 2) for key in shapes]
    found = []
    for point in itertools.product(*axes):
        given = dict(zip(shapes, point))
        for loc, scale in _places(job, names, given, y):
            given |= {"loc": loc, "scale": scale}
            found.append(np.array([given[key] for key in names]))
    return found


def _places(job, names, given, y):
    """Pairs of location and scale; whichever is not estimated is ignored."""
    if "loc" not in names and "scale" not in names:
        return [(0.0, 1.0)]
    if "loc" not in names:
        return [(0.0, scale) for scale in (0.1, 0.3, 1.0, 3.0, 10.0)]
    low, high, middle = float(y.min()), float(y.max()), float(np.median(y))
    width, half = high - low, float(np.median(np.abs(y - middle)))
    width = width or 1.0
    half = half or width / 4
    if "scale" not in names:
        return [(middle, 1.0), (middle - 1, 1.0), (middle + 1, 1.0), (low - 0.1 * width, 1.0)]
    found = [(middle, half * factor) for factor in (0.3, 1.0, 3.0)]
    a, b = job.dist.a, job.dist.b
    if np.isfinite(a) and np.isfinite(b):
        found += [(low - e * width - a * s, s) for e in (0.01, 0.1) for s in [(1 + 2 * e) * width / (b - a)]]
    elif np.isfinite(a):
        found += [(low - e * width - a * half, half * f) for e in (0.02, 0.3, 2.0) for f in (0.5, 1.0, 3.0, 10.0)]
    elif np.isfinite(b):
        found += [(high + e * width - b * half, half * f) for e in (0.02, 0.3, 2.0) for f in (0.5, 1.0, 3.0, 10.0)]
    return found
