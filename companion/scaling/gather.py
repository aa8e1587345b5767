"""The task behind `companion.scale.statistics`: sufficient statistics of one or more families."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion import checks
from companion.families import ExponentialFamily
from companion.families.statistics import Statistics
from companion.glm.design import LARGEST, SMALLEST
from companion.scaling.reduction import RowError

_FAMILY = "Pass a class of companion.families, e.g. Normal, or a list of them."


@dataclass(frozen=True)
class Gather:
    """Statistics of a chunk for each of the `families`, with their `fixed` parameters."""

    where: str
    families: tuple[Any, ...]
    fixed: tuple[dict[str, Any], ...]

    def of_chunk(self, x: Any, weights: Any = None) -> tuple[Statistics, ...] | None:
        """Statistics of the chunk for each family, or None if it is empty."""
        x, weights, rows = read_chunk(self.where, x, weights)
        if not len(x):
            return None
        try:
            return tuple(
                family.statistics(shaped(x, family), weights, **fixed)
                for family, fixed in zip(self.families, self.fixed)
            )
        except (ValueError, TypeError) as error:
            raise error if rows is None else RowError(error, rows) from None

    def identity(self) -> dict[str, Any]:
        """What a checkpoint has to agree in."""
        fixed = [{name: float(value) for name, value in each.items()} for each in self.fixed]
        return {"family": [family.__name__ for family in self.families], "fixed parameters": fixed}

    def merge(self, one: tuple[Statistics, ...], two: tuple[Statistics, ...]) -> tuple[Statistics, ...]:
        """Statistics of both samples, family by family."""
        return tuple(a + b for a, b in zip(one, two))


def read_chunk(where: str, x: Any, weights: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Data and weights of a chunk; rows of weight zero are left out, and the others' numbers returned."""
    if np.ma.is_masked(x):
        fix = "Drop masked observations, chunk.compressed(), or give them weight zero."
        checks.fail(where, "x", x, "values without a mask", fix)
    x = checks.numbers(where, "x", x, "Pass numbers.", truths=True)
    if not x.ndim:
        checks.fail(where, "shape of x", x.shape, "(n,) or (n, d)", "A chunk is an array of observations.")
    if weights is None:
        return x, None, None
    fix = "Pass one non-negative weight for each row."
    if np.ma.is_masked(weights):
        advice = "Give masked rows weight zero: weights.filled(0)."
        checks.fail(where, "weights", weights, "values without a mask", advice)
    weights = checks.real_array(where, "weights", weights, fix, truths=True)
    if weights.shape != x.shape[:1]:
        checks.fail(where, "shape of weights", weights.shape, f"{x.shape[:1]}, one for each row", fix)
    checks.require(
        where, "weights", weights, (weights >= 0) & np.isfinite(weights), "a non-negative finite weight", fix
    )
    good = (weights == 0) | ((weights > SMALLEST) & (weights < LARGEST))
    expected = f"0, or a number between {SMALLEST:g} and {LARGEST:g}, so that sums of weights keep their digits"
    checks.require(where, "weights", weights, good, expected, "Multiply all weights by one number.")
    if weights.all():
        return x, weights, None
    rows = np.flatnonzero(weights)
    return x[rows], weights[rows], rows


def shaped(x: np.ndarray, family: Any) -> np.ndarray:
    """One column of a table as (n,) for a family of numbers."""
    return x[:, 0] if x.ndim == 2 and x.shape[1] == 1 and not family.event_ndim else x


def checked_families(where: str, family: Any, fixed: dict[str, Any]) -> tuple[bool, Gather]:
    """Whether one family was passed, and the task."""
    single = not isinstance(family, (list, tuple))
    families = (family,) if single else tuple(family)
    for each in families:
        if not isinstance(each, type) or not issubclass(each, ExponentialFamily) or each is ExponentialFamily:
            checks.fail(where, "family", each, "a class of companion.families", _FAMILY, TypeError)
    if not families or len(set(families)) < len(families):
        checks.fail(where, "family", [each.__name__ for each in families], "one family or different ones", _FAMILY)
    names = {each.__name__ for each in families}
    if single and not names & set(fixed):
        found: tuple[dict[str, Any], ...] = (fixed,)
    else:
        for name, values in fixed.items():
            if name not in names or not isinstance(values, dict):
                example = f"{families[-1].__name__}={{...}}"
                expected = f"the fixed parameters of one of {', '.join(sorted(names))}"
                checks.fail(where, name, values, expected, f"With several families pass e.g. {example}.", TypeError)
        found = tuple(dict(fixed.get(each.__name__, {})) for each in families)
    for each, values in zip(families, found):
        _check_fixed(where, each, values)
    return single, Gather(where, families, found)


def _check_fixed(where, family, values):
    """The parameters that a family holds fixed are known before the first chunk is read."""
    needed = tuple(dict.fromkeys((*family.fixed_names, *family.fit_options)))
    for name, value in values.items():
        if name not in needed:
            fix = f"{family.__name__} holds {', '.join(needed) or 'no parameter'} fixed."
            checks.fail(where, name, value, f"no argument {name}", fix, TypeError)
        if value is not None:
            checks.scalar(where, name, value, f"{family.__name__} holds one value of {name} for all rows.")
    for name in needed:
        if values.get(name) is None:
            raise TypeError(
                f"{where}: {name} = missing; expected the value of {name} of {family.__name__}, which no sum over "
                f"chunks can tell. Pass {name}=…."
            )


def finite(where: str, found: tuple[Statistics, ...]) -> tuple[Statistics, ...]:
    """The statistics, if no sum has left the range of doubles."""
    for statistics in found:
        for term in (statistics.weight, *statistics.sums.terms().values()):
            if not (np.isfinite(term).all() if np.ndim(term) else math.isfinite(term)):
                fix = "The sums of these observations overflow: change the unit of measurement, or of the weights."
                checks.fail(where, "largest sum", float(np.max(np.abs(term))), "a finite number", fix)
    return found


@dataclass(frozen=True)
class Finish:
    """The last step of a lazy pass."""

    where: str
    single: bool

    def __call__(self, kept: Any) -> Any:
        found = finite(self.where, kept.result)
        return found[0] if self.single else found
