"""The search: Newton's method on differences, from a start that is near, and a simplex where none is."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import optimize

from companion.fitting.differences import average, derivatives
from companion.fitting.problem import Problem

#: The score of every coordinate, over the root of its sum of squares, that an optimum may have.
TOLERANCE = 1e-6


def scaled(scores: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    r""":math:`|\sum_i w_i s_{ij}| / \sqrt{\sum_i w_i s_{ij}^2}`, (k,): 0 where every observation has score 0."""
    total, size = np.abs(average(scores, weights)), np.sqrt(average(scores**2, weights))
    return np.divide(total, size, out=np.zeros_like(total), where=size > 0)


def newton(problem: Problem, theta: np.ndarray, rounds: int = 60) -> np.ndarray:
    """Coordinates of a stationary point near `theta`, as exact as the log-likelihood's digits allow."""
    here, residual = problem.value(theta), np.inf
    for _ in range(rounds):
        with np.errstate(all="ignore"):
            found = derivatives(problem.log_probs, theta, problem.room(theta), problem.weights, steps=(2.0**-7,))
            new = float(np.max(scaled(found.scores, problem.weights), initial=0.0))
            if not np.all(np.isfinite(found.hessian)) or not np.isfinite(new):
                return theta
            if new < 1e-11 or (new < 1e-8 and new > residual / 4):
                return theta
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
        theta, here, residual = moved, value, new
    return theta


# --- without a domain ---------------------------------------------------------------------------------------------
def unbounded(problem: Problem) -> Problem:
    """The same problem in coordinates without ends: log(θ − low), or the log-odds between two ends."""

    def log_probs(phi):
        return problem.log_probs(inside(problem, phi))

    endless = np.full(len(problem.low), np.inf)
    return dataclasses.replace(problem, log_probs=log_probs, low=-endless, high=endless)


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


def search(problem: Problem, starts: list[np.ndarray], most: int = 3) -> tuple[np.ndarray, float]:
    """The best coordinates that a simplex and then Newton's method find from the best starts, and their value."""
    free = unbounded(problem)
    values = [problem.value(start) for start in starts]
    order = [i for i in np.argsort(values)[::-1] if values[i] > -np.inf]
    best, best_value = np.full(len(problem.low), np.nan), -np.inf
    n = len(problem.log_probs(starts[order[0]])) if order else 1
    for i in order[:most]:
        phi = outside(problem, starts[i])
        result = optimize.minimize(
            lambda p: min(-free.value(p) / n, 1e300),
            phi,
            method="Nelder-Mead",
            options={"maxfev": 150 * len(phi), "xatol": 1e-4, "fatol": 1e-8, "initial_simplex": _simplex(phi)},
        )
        theta = inside(problem, newton(free, result.x))
        value = problem.value(theta)
        if value > best_value:
            best, best_value = theta, value
    return best, best_value


def _simplex(phi):
    return np.vstack([phi, phi + 0.4 * np.eye(len(phi))])
