r"""Derivatives of a log-partition function A that is only given as a function: gradient, Hessian, Bregman divergence.

A takes natural parameters (..., k) to (...), and complex ones too: the complex step
:math:`\partial_i A = \mathrm{Im}\,A(\eta + \mathrm{i}\,h e_i)/h` subtracts nothing, so h may be as small as one likes.
Outside the natural parameter space A is not finite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

LogPartition = Callable[[np.ndarray], np.ndarray]

_STEP = 1e-30


def gradient(A: LogPartition, eta: np.ndarray) -> np.ndarray:
    """The gradient of A at `eta`, (..., k).

    >>> gradient(lambda eta: np.exp(eta[..., 0]), np.array([0.0])).tolist()
    [1.0]
    """
    steps = 1j * _STEP * np.eye(eta.shape[-1])
    return np.stack([np.imag(A(eta + step)) / _STEP for step in steps], axis=-1)


def hessian(A: LogPartition, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Hessian of A at `eta` and an estimate of its error, both (..., k, k): extrapolated differences of the
    gradient, with steps that stay well inside the natural parameter space."""
    columns, errors = [], []
    for direction in np.eye(eta.shape[-1]):
        step = 2e-3 * np.maximum(np.abs(eta @ direction), 1e-2)[..., None]
        for _ in range(100):
            ends = (_quiet(A, eta + 32 * side * step * direction) for side in (-1, 1))
            leaves = ~np.logical_and(*map(np.isfinite, ends))
            if not np.any(leaves):
                break
            step = np.where(leaves[..., None], step / 2, step)
        difference = [
            (gradient(A, eta + h * step * direction) - gradient(A, eta - h * step * direction)) / (2 * h * step)
            for h in (1.0, 0.5, 0.25)
        ]
        first = [(4 * b - a) / 3 for a, b in itertools.pairwise(difference)]
        columns.append((16 * first[1] - first[0]) / 15)
        errors.append(np.abs(columns[-1] - first[1]))
    matrix = np.stack(columns, axis=-1)
    return (matrix + np.swapaxes(matrix, -1, -2)) / 2, np.stack(errors, axis=-1)


def bregman(A: LogPartition, eta: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A(η + δ) − A(η) − δ·∇A(η), and the rounding error of the subtraction."""
    along = lambda point: np.imag(A(point + 1j * _STEP * delta)) / _STEP
    inside = lambda point: _quiet(A, point)
    terms = [(inside, eta + delta), (inside, eta), (along, eta)]
    a, b, c = (function(point) for function, point in terms)
    size = np.abs(a) + np.abs(b) + np.abs(c)
    noise = 4 * np.finfo(float).eps * size + 4 * sum(_scatter(*term) for term in terms)
    same = ~np.any(delta, axis=-1)
    return np.where(same, 0.0, a - b - c), np.where(same, 0.0, np.where(np.isfinite(noise), noise, np.inf))


def accumulated_information(A: LogPartition, eta: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""The same number as an integral of positive terms, :math:`\int_0^1(1-t)\,\delta^\top\nabla^2 A(\eta+t\delta)\,
    \delta\,\mathrm{d}t`, and an estimate of its error: Gauss–Legendre panels that are halved until they agree."""
    nodes, weights = np.polynomial.legendre.leggauss(16)

    def panel(left, right):
        t = (left + (right - left) * (nodes + 1) / 2).reshape(-1, *(1,) * eta.ndim)
        matrix, error = hessian(A, eta + t * delta)
        scale = (1 - t[..., 0]) * (right - left) * weights.reshape(-1, *(1,) * (eta.ndim - 1)) / 2
        forms = np.einsum("...i,...ij,...j->...", delta, matrix, delta)
        doubts = np.einsum("...i,...ij,...j->...", np.abs(delta), error, np.abs(delta))
        return np.sum(scale * forms, axis=0), np.sum(scale * doubts, axis=0)

    total, error, waiting = np.zeros(()), np.zeros(()), [(0.0, 1.0, panel(0.0, 1.0))]
    for count in range(128):
        if not waiting:
            break
        left, right, (whole, _) = waiting.pop()
        middle = (left + right) / 2
        halves = panel(left, middle), panel(middle, right)
        both = halves[0][0] + halves[1][0]
        gap = np.abs(both - whole)
        if count < 64 and np.any(gap > 1e-12 * (total + both)):
            waiting += [(left, middle, halves[0]), (middle, right, halves[1])]
        else:
            total, error = total + both, error + gap + halves[0][1] + halves[1][1]
    return total, error


def _quiet(A, eta):
    """A(eta), not finite outside the natural parameter space, without a warning."""
    with np.errstate(all="ignore"):
        return A(eta)


def _scatter(function, point):
    """Rounding error of `function` near `point`, seen in fourth differences, which a smooth function does not have."""
    with np.errstate(all="ignore"):
        values = np.stack([function(point * (1 + 1e-4 * k)) for k in (-2, -1, 0, 1, 2)])
        return np.abs(np.tensordot([1, -4, 6, -4, 1], values, axes=1)) / np.sqrt(70)
