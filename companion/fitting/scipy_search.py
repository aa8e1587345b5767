"""The maximum for a distribution of SciPy: smooth, at an end of the support or of a domain, at a kink, or none."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import numpy as np

from companion import checks
from companion.fitting import scipy_models
from companion.fitting.families import Optimum
from companion.fitting.optimum import Found, climb, flat_to_an_end, outside, search
from companion.fitting.problem import Problem
from companion.fitting.scipy_problem import Task, make_problem, starts, task, ties

#: By how much one log-likelihood is higher than another, per nat, for that to be more than rounding.
_HIGHER = 1e-7
#: A coordinate without ends that is larger than this is on its way to infinity.
_FAR = 12.0


def scipy_optimum(dist: Any, x: Any, weights: Any, fixed: dict[str, Any]) -> Optimum:
    """The maximum for a distribution of SciPy that is not frozen."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        job = task(dist, x, weights, fixed)
        tied = _at_the_ends(job)
        if tied is not None:
            return tied
        problem, values = make_problem(job)
        maximum, top = search(problem, starts(job, problem, False))
        other = _at_a_kink(job, problem, top)
        if other is None and (maximum is None or _is_higher(top, maximum) or _near_an_end(job, values(top.theta))):
            other = _at_closed_ends(job, top)
        if other is not None:
            return other
        if maximum is None:
            _no_maximum(job, problem, top)
        return _smooth(job, problem, values, maximum, top)


def _is_higher(one: Found, other: Found) -> bool:
    return one.value > other.value + _HIGHER * max(1.0, abs(other.value))


# --- a smooth maximum ---------------------------------------------------------------------------------------------
def _smooth(job, problem, values, maximum, top):
    notes = []
    if problem.infinite:
        text = "the density of an observation is infinite for other parameters, so the likelihood is unbounded"
        if "loc" in job.held:
            fix = f"There {text}: no maximum exists. Drop observations at the end of the support, or hold a shape."
            checks.fail(job.name, "x", job.x, "observations of finite density for all parameters", fix)
        notes.append(f"a local maximum: {text}")
    elif _is_higher(top, maximum):
        where = _shown(problem, top.theta)
        notes.append(f"a local maximum: the log-likelihood is higher, {top.value:.6g}, towards {where}")
    elif any(key in job.free for key in scipy_models.UNBOUNDED.get(job.dist.name, ())):
        notes.append("a local maximum: the likelihood has no bound as an end of the support nears an observation")
    return Optimum(problem, maximum.theta, _irregular(job, values(maximum.theta)), tuple(notes))


def _irregular(job, values):
    """Why there is no normal approximation, if an end of the support is estimated where the density is no smaller than
    a multiple of the distance: then the extreme observations tell more than all the others."""
    if job.discrete:
        return ""
    scale = values["scale"]
    for end, sign in zip(job.dist.support(**values), (1, -1)):
        if not np.isfinite(end) or not _moves(job, values, end, sign):
            continue
        near, far = (float(job.dist.logpdf(end + sign * d * scale, **values)) for d in (1e-7, 1e-5))
        power = (far - near) / np.log(100)
        if not power > 1.02:
            return (
                f"the support ends at an estimate, {'low' if sign > 0 else 'high'}er than all observations, where the "
                f"density is about the distance to the power {power:.2g}; normal theory needs more than 1"
            )
    return ""


def _moves(job, values, end, sign):
    """Whether the end of the support depends on a parameter that is estimated."""
    for key in job.free:
        for step in (1e-3, -1e-3):
            changed = values | {key: values[key] + step * max(abs(values[key]), 1e-3)}
            new = job.dist.support(**changed)[0 if sign > 0 else 1]
            if np.isfinite(new) and new != end:
                return True
    return False


# --- at an end of the support -------------------------------------------------------------------------------------
def _at_the_ends(job: Task) -> Optimum | None:
    """The maximum with the support as small as the observations allow, if that is one."""
    tied = ties(job)
    if not tied:
        return None
    problem, values = make_problem(job, tied)
    first = starts(job, problem, True)
    maximum, top = search(problem, first)
    if maximum is None:
        if not np.isfinite(top.value):
            fix = "All observations are equal, or impossible for all parameters: check units and held parameters."
            checks.fail(job.name, "x", job.x, "observations that differ", fix)
        _no_maximum(job, problem, top)
    best = values(maximum.theta)
    centre, unit = job.units(True)
    ends = scipy_models.TIES[job.dist.name]
    for key in tied:
        outward = (1 if ends[key] == "high" else -1) * (1.0 if job.discrete else 1e-6 * max(1e-3, abs(best[key])))
        y = (job.x - centre) / unit
        log_p = job.dist.logpmf if job.discrete else job.dist.logpdf
        terms = log_p(y, **(best | {key: best[key] + outward})) - (0.0 if job.discrete else np.log(unit))
        value = float(terms.sum() if job.weights is None else job.weights @ terms)
        if value > maximum.value:
            return None
    shown = _shown(problem, maximum.theta, list(tied))
    why = (
        f"{shown}: an end of the support is at an extreme observation, where the likelihood jumps; its error is of the "
        "order 1/n, and not normal"
    )
    return Optimum(problem, maximum.theta, why, (why,), "edge", len(tied))


# --- at an end of a domain, and at a kink -------------------------------------------------------------------------
def _near_an_end(job, values):
    return any(
        closed and abs(values[shape.name] - end) < 1e-2
        for shape in scipy_models.shapes(job.dist)
        if shape.name in job.free
        for end, closed in zip(shape.domain, shape.closed)
    )


def _at_closed_ends(job, top):
    """The maximum with one shape at an end of its domain that belongs to it: Poisson's 0, the noncentrality 0."""
    best = None
    for shape in scipy_models.shapes(job.dist):
        if shape.name not in job.free:
            continue
        for end, closed in zip(shape.domain, shape.closed):
            if not closed:
                continue
            reduced, _ = make_problem(job, {shape.name: lambda v, end=end: end})
            found, _ = search(reduced, starts(job, reduced, True))
            if found is None or _is_higher(top, found) or (best is not None and best.value >= found.value):
                continue
            step = 1e-5 if end == shape.domain[0] else -1e-5
            moved, _ = make_problem(job, {shape.name: lambda v, end=end, step=step: end + step})
            if moved.value(found.theta) > found.value + 1e-11 * abs(found.value):
                continue
            why = f"{shape.name} = {end:g}: the end of its domain, where there is no normal approximation"
            best = found
            optimum = Optimum(reduced, found.theta, why, (why,), "edge", 1)
    return None if best is None else optimum


def _at_a_kink(job, problem, top):
    """The maximum with a kink of the density at an observation: the slopes on both sides point to it."""
    key = scipy_models.KINKS.get(job.dist.name)
    if key not in job.free or not np.isfinite(top.value):
        return None
    centre, unit = job.units(True)
    y, here = (job.x - centre) / unit, dict(zip(job.free, problem.reported(top.theta)))
    here["loc"] = (here.get("loc", job.held.get("loc", 0.0)) - centre) / unit
    here["scale"] = here.get("scale", job.held.get("scale", 1.0)) / unit
    kink = {"loc": here["loc"], "scale": here["loc"] + here["scale"]}.get(key, here["loc"] + here.get("c", 0.0))
    if key == "c":
        kink = here["loc"] + here["c"] * here["scale"]
    points = np.unique(y)
    best = None
    for point in points[np.argsort(np.abs(points - kink))[:9]]:

        def tie(v, point=point, by=0.0):
            at = point if key == "loc" else point - v["loc"] if key == "scale" else (point - v["loc"]) / v["scale"]
            return at * (1 + by) if key == "scale" else at + by

        reduced, _ = make_problem(job, {key: tie})
        found = climb(reduced, np.array([here[name] for name in job.free if name != key]))
        if not found.certified or (best is not None and found.value <= best[0].value):
            continue
        best = found, reduced, tie
    if best is None or _is_higher(top, best[0]):
        return None
    found, reduced, tie = best
    losses = []
    for by in (1e-6, -1e-6):  # where it is smooth, the loss is of the order 1e-12
        moved, _ = make_problem(job, {key: lambda v, by=by: tie(v, by=by)})
        losses.append(found.value - moved.value(found.theta))
    if min(losses) < -1e-11 * abs(found.value) or max(losses) < 1e-9 * len(y):
        return None
    why = f"{_shown(reduced, found.theta, [key])}: the log-likelihood has a kink there, at an observation"
    return Optimum(reduced, found.theta, why, (why,), "kink", 1)


# --- none ---------------------------------------------------------------------------------------------------------
def _shown(problem, theta, names=None):
    pairs = zip(problem.names, problem.reported(theta))
    return ", ".join(f"{key} = {value:.6g}" for key, value in pairs if names is None or key in names)


def _no_maximum(job: Task, problem: Problem, top: Found) -> NoReturn:
    """The error that says why there is none."""
    expected = "a likelihood with a maximum"
    if problem.infinite:
        fix = "For some parameters the density of an observation is infinite: no maximum exists. Hold a parameter."
        checks.fail(job.name, "x", job.x, expected, fix)
    if not np.isfinite(top.value):
        fix = "All members that were tried call an observation impossible: check units, and what is held."
        checks.fail(job.name, "x", job.x, "observations inside the support", fix)
    if np.ptp(job.x) == 0 and not job.discrete:
        fix = "With all observations equal the likelihood grows without bound: no maximum exists."
        checks.fail(job.name, "x", job.x, "observations that differ", fix)
    phi = outside(problem, top.theta)
    names = (name for name, moves in zip(problem.names, problem.moves()) if moves)
    far = [key for key, value in zip(names, phi) if abs(value) > _FAR + problem.furthest]
    shown = _shown(problem, top.theta)
    near = 0 < np.ptp(job.x) < 0.01 * np.max(np.abs(job.x)) and not job.discrete
    if far and near and not flat_to_an_end(problem, top.theta):
        part = np.ptp(job.x) / np.max(np.abs(job.x))
        fix = (
            f"The observations differ by {part:.1g} of their size: out there this log-density has too few digits for a "
            f"search. Hold {far[0]}, or fit a family of this package, or one that has a location."
        )
    elif far:
        fix = f"It still rises, or is flat, as {' and '.join(far)} run to the end of the domain: hold {far[0]}."
    elif job.dist.name in scipy_models.KINKS or job.dist.name in ("trapezoid", "gennorm"):
        fix = "The log-likelihood is not smooth in the place of the kink: hold that parameter."
    else:
        fix = (
            "The gradient there is not zero to the digits that this density has, or the log-likelihood is flat: hold a "
            "parameter."
        )
    checks.fail(job.name, "highest point found", shown, "a certified maximum", fix)
