"""A log-likelihood as the fit sees it: coordinates, their domain, and the parameters they stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from companion.fitting.differences import average

#: Domains of parameters: the scale on which an interval is symmetric follows from the ends.
REAL, POSITIVE, PROBABILITY = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is maximised: Σ w log p(x; θ) over coordinates θ (k,) inside (low, high).

    The parameters that are reported, (m,), are ``offset + linear @ theta``: a unit of measurement, or probabilities
    that sum to one, of which one is no coordinate.
    """

    where: str
    names: tuple[str, ...]
    domains: tuple[tuple[float, float], ...]
    low: np.ndarray
    high: np.ndarray
    linear: np.ndarray
    offset: np.ndarray
    log_probs: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray | None
    member: Callable[[np.ndarray], Any]
    held: dict[str, Any]
    report: Callable[[np.ndarray], np.ndarray] | None = None
    #: How far a coordinate without ends may be from 0, if that is further than others.
    furthest: float = 0.0
    #: Coordinates at which the density of an observation was infinite.
    infinite: list[np.ndarray] = dataclasses.field(default_factory=list)

    def reported(self, theta: np.ndarray) -> np.ndarray:
        """The parameters (m,) for coordinates (k,)."""
        return self.offset + self.linear @ theta if self.report is None else self.report(theta)

    def moves(self) -> list[bool]:
        """Which parameters (m,) follow from the coordinates alone: those that are neither tied nor pinned."""
        return [bool(row.any()) for row in self.linear]

    def value(self, theta: np.ndarray) -> float:
        """The log-likelihood; −inf outside the domain, and where SciPy has no finite number."""
        if not (np.all(theta > self.low) and np.all(theta < self.high)):
            return -np.inf
        with np.errstate(all="ignore"):
            terms = self.log_probs(theta)
            total = float(average(terms, self.weights))
        if total < np.inf:
            return total
        if np.any(terms == np.inf) and len(self.infinite) < 10:
            self.infinite.append(theta)
        return -np.inf

    def room(self, theta: np.ndarray) -> np.ndarray:
        """Distance of each coordinate to the nearer end of its domain (k,), a fourth of it: three steps must fit."""
        return np.minimum(theta - self.low, self.high - theta) / 4
