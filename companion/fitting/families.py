"""The families of this package and their mixtures as problems for the fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from companion import checks
from companion.em import fit_mixture
from companion.families import Categorical, ExponentialFamily, Mixture
from companion.fitting.optimum import climb, newton
from companion.fitting.problem import POSITIVE, PROBABILITY, REAL, Problem

WHERE = "fit"
_REALS = {
    ("Normal", "mean"),
    ("LogNormal", "mean"),
    ("MultivariateNormal", "mean"),
    ("VonMises", "mean"),
    ("Laplace", "loc"),
    ("Ising", "field"),
    ("Ising", "coupling"),
}
#: Parameters at which the log-likelihood is not smooth, and what it is there.
_ROUGH = {
    ("Laplace", "loc"): "is a median of the observations, at which the log-likelihood has kinks",
    ("Pareto", "xm"): "is the smallest observation, where the log-likelihood jumps: its error is of the order 1/n",
}


class Optimum(NamedTuple):
    """A problem, the coordinates of its maximum, why there is no covariance if there is none, what to know, its place,
    and how many parameters were estimated at a kink or an edge: they are no coordinates."""

    problem: Problem
    theta: np.ndarray
    why: str = ""
    notes: tuple[str, ...] = ()
    place: str = "interior"
    pinned: int = 0

    @property
    def free(self) -> int:
        """Number of parameters that were estimated."""
        return len(self.theta) + self.pinned


# --- parameters that are vectors, matrices and probabilities ------------------------------------------------------
class Block(NamedTuple):
    """A parameter of any shape: names, domains and values of what is reported, and a way back to its array."""

    names: list[str]
    domains: list[tuple[float, float]]
    values: np.ndarray
    simplex: bool
    array: Callable[[np.ndarray], Any]


def _block(owner: str, name: str, value: Any, simplex: bool = False) -> Block:
    value = np.asarray(value, dtype=float)
    simplex = simplex or name in ("probs", "logits")
    domain = REAL if (owner, name) in _REALS else PROBABILITY if simplex or name == "p" else POSITIVE
    if value.ndim == 0:
        return Block([name], [domain], value.reshape(1), False, lambda flat: float(flat[0]))
    where = list(np.ndindex(*value.shape))
    domains = [domain] * len(where)
    if name == "cov":
        where = [index for index in where if index[-2] <= index[-1]]
        domains = [POSITIVE if index[-2] == index[-1] else REAL for index in where]

    def array(flat):
        full = np.empty(value.shape)
        for index, number in zip(where, flat):
            full[index] = number
            if name == "cov":
                full[(*index[:-2], index[-1], index[-2])] = number
        return full

    names = [f"{name}[{','.join(map(str, index))}]" for index in where]
    return Block(names, domains, np.array([value[index] for index in where]), simplex, array)


def _coordinates(blocks: list[Block], pinned: set[str]) -> tuple[np.ndarray, ...]:
    """Coordinates, linear map, offset and domain: of probabilities that sum to one, the largest is no coordinate; nor
    are parameters that are `pinned` to their values."""
    values = np.concatenate([block.values for block in blocks])
    domains = [domain for block in blocks for domain in block.domains]
    keep, offset, linear, start = [], np.zeros(len(values)), np.eye(len(values)), 0
    for block in blocks:
        rows = np.arange(start, start + len(block.values))
        start += len(rows)
        if block.simplex:
            reference = int(rows[np.argmax(block.values)])
            others = rows[rows != reference]
            linear[reference, reference], linear[reference, others], offset[reference] = 0.0, -1.0, 1.0
            keep.extend(others)
        else:
            keep.extend(rows)
    names = [name for block in blocks for name in block.names]
    for i in (i for i in keep if names[i] in pinned):
        offset += linear[:, i] * values[i]
    keep = [i for i in keep if names[i] not in pinned]
    low, high = np.array([domains[i] for i in keep], dtype=float).reshape(-1, 2).T
    return values[keep], linear[:, keep], offset, low, high


def _problem(where, blocks, make, x, weights, held, pinned=()):
    """The problem, and the coordinates of the values in the blocks."""
    theta, linear, offset, low, high = _coordinates(blocks, set(pinned))

    def member(coordinates):
        flat, start, arrays = offset + linear @ coordinates, 0, []
        for block in blocks:
            arrays.append(block.array(flat[start : start + len(block.names)]))
            start += len(block.names)
        return make(arrays)

    def log_probs(coordinates):
        try:
            return member(coordinates).log_prob(x, outside=-np.inf)
        except ValueError:  # a matrix that is not positive definite, weights below 0
            return np.full(len(x), -np.inf)

    names = tuple(name for block in blocks for name in block.names)
    domains = tuple(domain for block in blocks for domain in block.domains)
    problem = Problem(where, names, domains, low, high, linear, offset, log_probs, weights, member, held)
    return problem, theta


# --- families -----------------------------------------------------------------------------------------------------
def family_optimum(family: type[ExponentialFamily], x: Any, weights: Any, fixed: dict[str, Any]) -> Optimum:
    """The maximum for a class of ours; parameters in `fixed` are held."""
    own = tuple(dict.fromkeys((*family.fixed_names, *family.fit_options)))
    given = {name: value for name, value in fixed.items() if value is not None}
    others = {name: value for name, value in given.items() if name not in own}
    for name, value in others.items():
        if name not in family.parameter_names:
            known = ", ".join(dict.fromkeys((*family.parameter_names, *own)))
            checks.fail(
                WHERE, name, value, f"a parameter of {family.__name__}: {known}", "Name one of these.", TypeError
            )
        others[name] = checks.scalar(WHERE, name, value, "Pass the number at which it is held.")
    mine = {name: value for name, value in given.items() if name in own}
    full = family.fit(x, weights=weights, **mine)
    x, weights = checks.sample(WHERE, x, weights, family.event_ndim, "Pass observations as an array of shape (n,).")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    held = {name: full._parameter(name) for name in family.parameter_names if name in mine} | others
    held = {name: value.item() if isinstance(value, np.generic) else value for name, value in held.items()}
    free = [name for name in family.parameter_names if name not in held and name not in family.fixed_names]
    rough = [name for name in family.fixed_names if name not in held]
    free = [name for name in family.parameter_names if name in (*free, *rough)]
    if not free:
        fix = "Leave one of them out, so that it is estimated."
        checks.fail(WHERE, "fixed parameters", sorted(held), "a parameter that is not held", fix)

    def make(arrays):
        named = dict(held) | dict(zip(free, arrays))
        return family(*(named[name] for name in family.parameter_names))

    if family is Categorical and "logits" in full.parameter_names:
        full = Categorical(full.probs)
    blocks = [_block(family.__name__, name, full._parameter(name)) for name in free]
    name = f"fit of {family.__name__}"
    if rough:
        first = rough[0]
        number = f"{first} = {full._parameter(first):.6g}"
        problem, theta = _problem(name, blocks, make, x, weights, held, rough)
        theta = newton(problem, theta) if others and len(theta) else theta
        why = f"{number} {_ROUGH[family.__name__, first]}"
        advice = f"for the covariance of the rest hold it: {first}={full._parameter(first):.6g}"
        place = "kink" if family.__name__ == "Laplace" else "edge"
        return Optimum(problem, theta, f"{why}; {advice}", (why,), place, len(rough))
    problem, theta = _problem(name, blocks, make, x, weights, held)
    if others:
        theta = climb(problem, theta).theta
    return _placed(problem, theta, lambda pinned: _problem(name, blocks, make, x, weights, held, pinned))


def _placed(problem, theta, pin):
    """An interior optimum; or, if parameters are at the ends of their domains, these pinned there."""
    rows = zip(problem.names, problem.domains, problem.reported(theta))
    ends = {name: value for name, domain, value in rows if value in domain}
    if not ends:
        return Optimum(problem, theta)
    shown = ", ".join(f"{name} = {value:g}" for name, value in ends.items())
    why = f"{shown}: the end of its domain, where there is no normal approximation"
    smaller, rest = pin(list(ends))
    return Optimum(smaller, rest, why, (why,), "edge", len(theta) - len(rest))


# --- mixtures -----------------------------------------------------------------------------------------------------
def mixture_optimum(start: Mixture, x: Any, weights: Any, fixed: dict[str, Any]) -> Optimum:
    """The maximum that EM reaches from `start`, polished by Newton's method."""
    for name, value in fixed.items():
        fix = "All parameters of a mixture are estimated, but those its components hold, such as n of a binomial."
        checks.fail(WHERE, name, value, "no argument of this name for a mixture", fix, TypeError)
    mixture = fit_mixture(x, start, weights, tolerance=1e-10).mixture
    x, weights = checks.sample(WHERE, x, weights, start.event_ndim, "Pass observations as an array of shape (n,).")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    family = type(mixture.components)
    held = {name: start.components._parameter(name).tolist() for name in family.fixed_names}
    free = [name for name in mixture.components.parameter_names if name not in held]

    def make(arrays):
        named = {name: np.array(value) for name, value in held.items()} | dict(zip(free, arrays[1:]))
        return Mixture(arrays[0], family(*(named[name] for name in family.parameter_names)))

    blocks = [_block("Mixture", "weights", mixture.weights, simplex=True)]
    for name in free:
        block = _block(family.__name__, name, mixture.components._parameter(name))
        blocks.append(block)
    name = "fit of Mixture"
    problem, theta = _problem(name, blocks, make, x, weights, held)
    note = "a local maximum, the one that EM reaches from the start: compare several starts"
    if np.all(mixture.weights > 0):
        theta = newton(problem, theta)
    found = _placed(problem, theta, lambda pinned: _problem(name, blocks, make, x, weights, held, pinned))
    return found._replace(notes=(*found.notes, note))
