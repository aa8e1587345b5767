"""EM of a mixture by one pass a step: log-likelihood and weighted statistics of each component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from companion import checks
from companion.em import _check_spread, _held_fixed
from companion.families import Mixture
from companion.scaling.gather import read_chunk, shaped
from companion.scaling.reduction import RowError

Parts = tuple[float, float, tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class Expect:
    """Of a chunk: its log-likelihood under the mixture, its weight, statistics weighted by the responsibilities of each
    component, and the largest observations in size, which tell rounding from spread."""

    where: str
    mixture: Mixture

    def of_chunk(self, x: Any, weights: Any = None) -> Parts | None:
        """The E-step for a chunk, or None if it is empty."""
        x, weights, rows = read_chunk(self.where, x, weights)
        if not len(x):
            return None
        try:
            return self._parts(shaped(x, self.mixture.components), weights)
        except (ValueError, TypeError) as error:
            raise error if rows is None else RowError(error, rows) from None

    def _parts(self, x, weights):
        mixture, family, shape = self.mixture, type(self.mixture.components), (None, self.mixture.dimension)
        if x.ndim != 1 + mixture.event_ndim or (mixture.event_ndim and x.shape[1] != mixture.dimension):
            expected = f"(n, {shape[1]})" if mixture.event_ndim else "(n,)"
            checks.fail(self.where, "shape of x", x.shape, expected, "The mixture says what an observation is.")
        x = mixture._check_data(x, "em")
        with np.errstate(all="ignore"):
            joint = mixture._log_joint(x)
            total = logsumexp(joint, axis=-1)
            fix = "There the posterior is 0/0 or inf/inf: leave it out, or start with wider components."
            rows = np.exp(total) if mixture.event_ndim else x
            checks.require(
                self.where,
                "p(x)" if mixture.event_ndim else "x",
                rows,
                np.isfinite(total),
                "a point of positive, finite density",
                fix,
            )
            share = np.exp(joint - total[:, None])
        if weights is not None:
            share *= weights[:, None]
        value = float(np.sum(total) if weights is None else weights @ total)
        found, sizes = [], []
        for j, fixed in enumerate(held(mixture)):
            r, size = np.ascontiguousarray(share[:, j]), None
            if r.any():
                inside = x if r.all() else x[r > 0]
                size = np.atleast_1d(np.max(np.abs(inside), axis=0)).astype(float)
            found.append(None if size is None else family.statistics(x, r, **fixed))
            sizes.append(size)
        return value, float(len(x) if weights is None else weights.sum()), tuple(found), tuple(sizes)

    def merge(self, one: Parts, two: Parts) -> Parts:
        """Sums of both samples, and the larger sizes."""
        statistics = tuple(_either(a, b, lambda a, b: a + b) for a, b in zip(one[2], two[2]))
        sizes = tuple(_either(a, b, np.maximum) for a, b in zip(one[3], two[3]))
        return one[0] + two[0], one[1] + two[1], statistics, sizes


def _either(a, b, join):
    return b if a is None else a if b is None else join(a, b)


def held(mixture: Mixture) -> list[dict[str, Any]]:
    """What each component holds fixed."""
    k = len(mixture.weights)
    fixed = {name: np.broadcast_to(value, k) for name, value in _held_fixed(mixture.components).items()}
    return [{name: values[j].item() for name, values in fixed.items()} for j in range(k)]


def maximised(where: str, mixture: Mixture, parts: Parts) -> Mixture:
    """The mixture after the step."""
    family, members = type(mixture.components), []
    for j, (statistics, size) in enumerate(zip(parts[2], parts[3])):
        lost = f"{where}: component {j} has no fit to the observations it still holds."
        if statistics is None:
            fix = "Start elsewhere, with fewer components or wider ones."
            raise ValueError(f"{where}: weight of component {j} = 0.0; expected a positive number. {fix}")
        try:
            members.append(family.fit(statistics))
        except ValueError as error:
            raise ValueError(f"{lost} {error}") from None
        if not family.discrete:
            _check_spread(where, j, members[-1], size[None] if mixture.event_ndim else size)
    weights = np.array([statistics.weight for statistics in parts[2]])
    components = family(*(np.stack([m.parameter(name) for m in members]) for name in family.parameter_names))
    return Mixture(weights / weights.sum(), components)
