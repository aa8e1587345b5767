"""The search: Newton's method on differences, from a start that is near, and a simplex where none is."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import optimize

from companion.fitting.differences import Derivatives, average, derivatives
from companion.fitting.problem import Problem

#: The score of every coordinate, over the root of its sum of squares, that an optimum may have.
TOLERANCE = 1e-6
#: Smallest curvature of a maximum, in units of the sums of squared scores: about 1 if the model is right.
FLAT = 1e-7
#: Coordinates without ends are searched up to here: e^±25 of a positive parameter. Beyond, functions of SciPy overflow,
#: and some end the process.
FURTHEST, FURTHEST_REAL = 25.0, 1e7
#: Part of the sum of |log p| that may be rounding.
_BAND = 1e-9


def sizes(found: Derivatives, weights: np.ndarray | None) -> np.ndarray:
    r"""The size that a sum of scores has one standard error from the optimum, (k,): the root of
    :math:`\sum_i w_i s_{ij}^2`, or of the information if that is larger; one observation has no score at its fit."""
    return np.sqrt(np.maximum(np.abs(np.diag(found.hessian)), average(found.scores**2, weights)))


def scaled(found: Derivatives, weights: np.ndarray | None) -> np.ndarray:
    r""":math:`|\sum_i w_i s_{ij}|` in units of `sizes`, (k,): 0 at an optimum, about 1 one standard error from it."""
    total, size = np.abs(average(found.scores, weights)), sizes(found, weights)
    return np.divide(total, size, out=np.zeros_like(total), where=size > 0)


def newton(problem: Problem, theta: np.ndarray, rounds: int = 40) -> np.ndarray:
    """Coordinates of a stationary point near `theta`, as exact as the log-likelihood's digits allow."""
    here, least, idle = problem.value(theta), np.inf, 0
    for _ in range(rounds):
        with np.errstate(all="ignore"):
            found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights, (2.0**-7, 2.0**-10))
            new = float(np.max(scaled(found, problem.weights), initial=0.0))
            if not np.all(np.isfinite(found.hessian)) or not np.isfinite(new):
                return theta
            idle = 0 if new < least / 2 else idle + 1
            if new < 1e-11 or (new < 1e-8 and idle) or idle > 8:
                return theta
            least = min(least, new)
            gradient = average(found.scores, problem.weights)
            size = np.sqrt(np.maximum(np.abs(np.diag(found.hessian)), 1e-300))
            values, vectors = np.linalg.eigh(-found.hessian / size / size[:, None])
            step = vectors @ ((vectors.T @ (gradient / size)) / np.maximum(np.abs(values), 1e-10)) / size
            gain = float(gradient @ step)
        length, noise = 1.0, 1e-12 * max(1.0, abs(here))
        while length > 1e-12:
            moved = theta + length * step
            value = problem.value(moved)
            if value > here or (gain < 1e3 * noise and value > here - noise):
                break
            length /= 2
        else:
            return theta
        if np.array_equal(moved, theta):
            return theta
        theta, here = moved, value
    return theta


# --- without a domain ---------------------------------------------------------------------------------------------
def unbounded(problem: Problem, start: np.ndarray | None = None) -> Problem:
    """The same problem in coordinates without ends: log(θ − low), or the log-odds between two ends. Near a `start` that
    is right but for a few steps, as far from it."""

    def log_probs(phi):
        return problem.log_probs(inside(problem, phi))

    real = (problem.low == -np.inf) & (problem.high == np.inf)
    furthest = np.where(real, FURTHEST_REAL, max(FURTHEST, problem.furthest))
    centre = np.zeros(len(furthest)) if start is None else outside(problem, start)
    centre = np.where(np.abs(centre) < furthest, 0.0, centre)
    return dataclasses.replace(problem, log_probs=log_probs, low=centre - furthest, high=centre + furthest)


def inside(problem: Problem, phi: np.ndarray) -> np.ndarray:
    """Coordinates with their domain, from those without ends."""
    low, high = problem.low, problem.high
    with np.errstate(all="ignore"):
        up, part = np.exp(phi), 1 / (1 + np.exp(-phi))
        one_end = np.where(high == np.inf, np.where(low == -np.inf, phi, low + up), high - up)
        return np.where((low > -np.inf) & (high < np.inf), low + (high - low) * part, one_end)


def outside(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The inverse of `inside`."""
    low, high = problem.low, problem.high
    with np.errstate(all="ignore"):
        one_end = np.where(high == np.inf, np.where(low == -np.inf, theta, np.log(theta - low)), np.log(high - theta))
        return np.where((low > -np.inf) & (high < np.inf), np.log((theta - low) / (high - theta)), one_end)


class Found(NamedTuple):
    """Where a search ended: coordinates, their log-likelihood, and whether it is a smooth maximum there."""

    theta: np.ndarray
    value: float
    certified: bool


def verdict(problem: Problem, theta: np.ndarray) -> Found:
    """`theta` with its value, and whether the gradient is zero and the curvature that of a maximum."""
    value = problem.value(theta)
    if len(theta) == 0 or not np.isfinite(value):
        return Found(theta, value, bool(np.isfinite(value)))
    with np.errstate(all="ignore"):
        found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights)
        small = np.max(scaled(found, problem.weights)) < TOLERANCE and not flat_to_an_end(problem, theta)
        return Found(theta, value, bool(small and curvature(found, problem.weights)[0][0] > FLAT))


def flat_to_an_end(problem: Problem, theta: np.ndarray) -> list[int]:
    """Coordinates of which the data tell nothing on one side: at the end of the domain the log-likelihood is the same
    but for rounding. There a gradient of zero means no maximum."""
    found, phi = [], outside(problem, theta)
    here = problem.log_probs(theta)
    band, value = _BAND * float(average(np.abs(here), problem.weights)), float(average(here, problem.weights))
    for j in np.flatnonzero((problem.low > -np.inf) | (problem.high < np.inf)):
        for sign in (-1, 1):
            moved = phi.copy()
            moved[j] = sign * max(0.99 * FURTHEST, sign * phi[j] + 3)
            other = inside(problem, moved)
            if np.all((other >= problem.low) & (other <= problem.high)):
                with np.errstate(all="ignore"):
                    end = float(average(problem.log_probs(other), problem.weights))
                if abs(end - value) <= band:
                    found.append(int(j))
    return found


def curvature(found: Derivatives, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the information −H in units of `sizes` on both sides, and these; NaN if there are
    none."""
    size = sizes(found, weights)
    if not (np.all(np.isfinite(found.hessian)) and np.all(size > 0)):
        return np.full(len(size), np.nan), np.eye(len(size)), size
    values, vectors = np.linalg.eigh(-found.hessian / size / size[:, None])
    return values, vectors, size


def climb(problem: Problem, theta: np.ndarray, near: bool = False) -> Found:
    """Newton's method from a start that is near, in coordinates without ends."""
    free = unbounded(problem, theta) if near else unbounded(problem)
    return verdict(problem, inside(problem, newton(free, outside(problem, theta))) if len(theta) else theta)


def search(problem: Problem, starts: list[np.ndarray], most: int = 4) -> tuple[Found | None, Found]:
    """The highest smooth maximum that was found, if any, and the highest point at all: a simplex, then Newton's method,
    from the best starts until two of them end in one maximum."""
    values = [problem.value(start) for start in starts]
    order = [i for i in np.argsort(values)[::-1] if values[i] > -np.inf][:most]
    maximum, top = None, Found(np.full(len(problem.low), np.nan), -np.inf, False)
    if len(problem.low) == 0:
        top = verdict(problem, np.zeros(0))
        return (top if top.certified else None), top
    for i in order:
        found = climb(problem, _simplex(problem, starts[i]))
        again = maximum is not None and found.certified and abs(found.value - maximum.value) < 1e-7
        if found.certified and (maximum is None or found.value > maximum.value):
            maximum = found
        if found.value > top.value:
            top = found
        if again:
            break
    return maximum, top


def _simplex(problem, start):
    """The end of a downhill simplex, loosely converged."""
    free, phi = unbounded(problem), outside(problem, start)
    n = len(problem.log_probs(start))
    options = {"maxfev": 150 * len(phi), "xatol": 1e-4, "fatol": 1e-8}
    options["initial_simplex"] = np.vstack([phi, phi + 0.4 * np.eye(len(phi))])
    result = optimize.minimize(lambda p: min(-free.value(p) / n, 1e300), phi, method="Nelder-Mead", options=options)
    return inside(problem, result.x)
