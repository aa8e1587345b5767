r"""Scores and second derivatives of a log-likelihood by differences of sixth order, with steps in natural units.

The unit of a parameter is one over the root of the mean squared score, or of the mean second derivative if that is
larger: about the error with which one observation tells it. A step is a power of two times less than that, so that
:math:`\theta \pm jh` is exact, and shifts and scales of the data change no digit that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

LogProbs = Callable[[np.ndarray], np.ndarray]

_OFFSETS = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
_FIRST = np.array([-1.0, 9.0, -45.0, 45.0, -9.0, 1.0]) / 60
_SECOND = np.array([2.0, -27.0, 270.0, 270.0, -27.0, 2.0]) / 180
_SECOND_CENTRE = -490 / 180
#: Steps tried, in units of a parameter: the one whose derivatives agree best with those of twice the step is taken.
_STEPS = (2.0**-6, 2.0**-9, 2.0**-12)


class Derivatives(NamedTuple):
    """Of the terms log p(x_i): scores (n, k), the weighted sum of second derivatives (k, k), and a bound on the error
    of the gradient, in units of the root of Σ w s², coordinate by coordinate (k,)."""

    scores: np.ndarray
    hessian: np.ndarray
    error: np.ndarray


def average(terms: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Σ w t over the first axis."""
    return terms.sum(axis=0) if weights is None else weights @ terms


def units(log_probs: LogProbs, theta: np.ndarray, room: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The unit of each parameter, and no more than the `room` (k,) to the end of its domain."""
    found, total = np.empty(len(theta)), None if weights is None else weights.sum()
    centre = log_probs(theta)
    for j in range(len(theta)):
        unit, least = min(room[j], abs(theta[j]) or 1.0), abs(theta[j]) * 2.0**-40
        for _ in range(40):
            h = _power_of_two(unit * 2.0**-8)
            up, down = log_probs(_moved(theta, j, h)) - centre, log_probs(_moved(theta, j, -h)) - centre
            square = average(((up - down) / (2 * h)) ** 2, weights) / (total or len(up))
            bend = abs(average(up + down, weights)) / (total or len(up)) / h**2
            size = max(square, bend) if bend < np.inf else np.inf
            new = 1 / np.sqrt(size) if 0 < size < np.inf else unit / 16
            new = max(least, min(room[j], unit * 2.0**20, max(new, unit * 2.0**-20)))
            if 0.5 < new / unit < 2:
                break
            unit = new
        found[j] = min(unit, room[j])
    return found


def derivatives(
    log_probs: LogProbs,
    theta: np.ndarray,
    room: np.ndarray,
    weights: np.ndarray | None = None,
    steps: tuple[float, ...] = _STEPS,
) -> Derivatives:
    """Scores and second derivatives at `theta` (k,); `room` (k,) is the distance of each to the end of its domain."""
    unit, best = units(log_probs, theta, room, weights), None
    centre = log_probs(theta)
    for step in steps:
        h = np.array([_power_of_two(u * step) for u in unit])
        scores, error = _scores(log_probs, theta, h, weights)
        if best is None or not np.max(best[1]) <= np.max(error):
            best = scores, error, h
        if np.max(error) < 1e-9:
            break
    assert best is not None
    scores, error, h = best
    return Derivatives(scores, _hessian(log_probs, theta, h, room, centre, weights), error)


#: Coefficients of the central difference of eighth order, for one to four steps.
_EIGHTH = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def gradient(log_probs: LogProbs, theta: np.ndarray, room: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Gradient of the sum (k,), independent of `derivatives`: by differences of eighth order on four steps that it does
    not use. Of the two neighbouring steps that agree best the larger gradient is taken."""
    unit, found = units(log_probs, theta, room, weights), np.empty(len(theta))
    for j in range(len(theta)):
        slopes = []
        for step in (2.0**-5, 2.0**-7, 2.0**-10, 2.0**-13):
            h = _power_of_two(unit[j] * step)
            pairs = [log_probs(_moved(theta, j, i * h)) - log_probs(_moved(theta, j, -i * h)) for i in (1, 2, 3, 4)]
            slopes.append(float(average(np.tensordot(_EIGHTH, pairs, axes=1), weights)) / h)
        gaps = np.abs(np.diff(slopes))
        best = int(np.nanargmin(gaps)) if np.isfinite(gaps).any() else 0
        found[j] = max(slopes[best], slopes[best + 1], key=abs)
    return found


def _power_of_two(value):
    return 2.0 ** np.floor(np.log2(max(value, 1e-300)))


def _moved(theta, j, by):
    moved = theta.copy()
    moved[j] += by
    return moved


def _scores(log_probs, theta, h, weights):
    """Scores (n, k), and the difference to those of a coarser formula on twice the step, scaled (k,)."""
    columns, error = [], []
    for j in range(len(theta)):
        values = np.stack([log_probs(_moved(theta, j, o * h[j])) for o in _OFFSETS])
        fine = _FIRST @ values / h[j]
        coarse = (8 * (values[3] - values[2]) - (values[4] - values[1])) / (12 * h[j])  # of fourth order
        scale = np.sqrt(average(fine**2, weights))
        with np.errstate(all="ignore"):
            gap = abs(average(fine - coarse, weights)) / scale
        columns.append(fine)
        error.append(gap if np.isfinite(gap) else np.inf)
    return np.stack(columns, axis=1), np.array(error)


def _hessian(log_probs, theta, h, room, centre, weights):
    """Second derivatives of the sum along the axes and, by polarisation, along the diagonals between them. Of data far
    from the model scores are much larger than their sum's curvature: there steps grow until rounding is small in it."""

    def second(direction):
        values = [average(log_probs(theta + o * direction) - centre, weights) for o in _OFFSETS]
        return _SECOND @ values

    k, h = len(theta), h.copy()
    rounding = 4 * np.finfo(float).eps * float(average(np.abs(centre), weights))
    for j in range(k):
        for _ in range(20):
            larger = abs(second(4 * h * (np.arange(k) == j))) if 4 * h[j] <= room[j] else np.nan
            if rounding <= 1e-8 * abs(second(h * (np.arange(k) == j))) or not np.isfinite(larger):
                break
            h[j] *= 4
    hessian = np.empty((k, k))
    for i in range(k):
        hessian[i, i] = second(h * (np.arange(k) == i)) / h[i] ** 2
        for j in range(i):
            one, two = h * (np.arange(k) == i), h * (np.arange(k) == j)
            mixed = (second((one + two) / 2) - second((one - two) / 2)) / (h[i] * h[j])
            hessian[i, j] = hessian[j, i] = mixed
    return hessian


# --- where parameters are nearly collinear ------------------------------------------------------------------------
#: Steps tried along a principal axis, in units of one observation: the pair whose second derivatives agree best counts.
_AXIS_STEPS = (2.0**-7, 2.0**-6, 2.0**-5, 2.0**-4, 2.0**-3)


def along_axes(
    log_probs: LogProbs, theta: np.ndarray, hessian: np.ndarray, weights: np.ndarray | None
) -> tuple[Derivatives, np.ndarray, float]:
    r"""Derivatives by coordinates :math:`\varphi` with :math:`\theta = \hat\theta + B\varphi`, B (k, k), and how far
    second derivatives on two steps differ: their relative error, inf where none is to be had.

    Along the axes of parameters, the curvature in the direction that the data tell least is a small difference of
    large numbers. The columns of B are the principal axes in units of their own curvature, found in a few rounds.
    """
    centre = log_probs(theta)
    total = len(centre) if weights is None else float(weights.sum())
    size = np.sqrt(np.abs(np.diag(hessian)))
    information, basis, gap = (
        -hessian / size / size[:, None],
        np.eye(len(size)) / size[:, None] * np.sqrt(total),
        np.inf,
    )
    for _ in range(8):
        values, vectors = np.linalg.eigh(information)
        basis = basis @ (vectors / np.sqrt(np.maximum(np.abs(values), 1e-6)))

        def moved(phi, basis=basis):
            return log_probs(theta + basis @ phi)

        found = []
        for step in _AXIS_STEPS:
            steps = np.full(len(size), step)
            found.append(-_hessian(moved, np.zeros(len(size)), steps, 0 * steps, centre, weights) / total)
        gaps = [np.max(np.abs(one - other)) for one, other in pairwise(found)]
        gaps = [gap if np.isfinite(gap) else np.inf for gap in gaps]
        best = int(np.argmin(gaps))
        gap, information = float(gaps[best]), found[best + 1]
        if not np.isfinite(gap):
            return (
                Derivatives(np.zeros((len(centre), len(size))), -total * np.eye(len(size)), np.zeros(0)),
                basis,
                np.inf,
            )
        if np.all(np.abs(np.linalg.eigvalsh(information) - 1) < 0.5):
            break
    step = np.full(len(size), _AXIS_STEPS[best])
    scores, error = _scores(moved, np.zeros(len(size)), step, weights)
    return Derivatives(scores, -total * information, error), basis, gap
