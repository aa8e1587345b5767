"""The families of this package and their mixtures as problems for the fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from companion import checks
from companion.em import fit_mixture
from companion.families import Categorical, ExponentialFamily, Mixture
from companion.fitting.differences import Derivatives, average
from companion.fitting.optimum import climb, newton, scaled, verdict
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
#: Held by the families, because with them they are exponential ones, but estimated if they are given as None.
_SHAPES = {("NegativeBinomial", "r"), ("Weibull", "k")}
#: Powers of two from which the search for such a shape may start.
_POWERS = range(-6, 15)
#: Parameters at which the log-likelihood is not smooth, and what it is there.
_ROUGH = {
    ("Laplace", "loc"): "is a median of the observations, at which the log-likelihood has kinks",
    ("Pareto", "xm"): "is the smallest observation, where the log-likelihood jumps: its error is of the order 1/n",
}


class Optimum(NamedTuple):
    """A problem, the coordinates of its maximum, why there is no covariance if there is none, what to know, its place,
    how many parameters were estimated at a kink or an edge: they are no coordinates; and, of families of one parameter
    that are fitted in closed form, derivatives and residual from E_emp[u] − E_model[u]."""

    problem: Problem
    theta: np.ndarray
    why: str = ""
    notes: tuple[str, ...] = ()
    place: str = "interior"
    pinned: int = 0
    means: Callable[[], tuple[Derivatives, float]] | None = None

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


def _domain(owner, name, simplex=False):
    return REAL if (owner, name) in _REALS else PROBABILITY if simplex or name == "p" else POSITIVE


def _block(owner: str, name: str, value: Any, simplex: bool = False) -> Block:
    value = np.asarray(value, dtype=float)
    simplex = simplex or name in ("probs", "logits")
    domain = _domain(owner, name, simplex)
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
    known = ", ".join(dict.fromkeys((*family.parameter_names, *own)))
    for name, value in fixed.items():
        if name not in own and name not in family.parameter_names:
            expected = f"a parameter of {family.__name__}: {known}"
            checks.fail(WHERE, name, value, expected, "Name one of these.", TypeError)
    given = {name: value for name, value in fixed.items() if value is not None}
    mine = {name: value for name, value in given.items() if name in own}
    others = {name: _held(family, name, value) for name, value in given.items() if name not in own}
    shape = next((name for name in fixed if fixed[name] is None and (family.__name__, name) in _SHAPES), None)
    for name in family.fixed_names:
        if name not in given and name not in family.fit_options and name != shape:
            _say_what_is_missing(family, name)
    full = _first_member(family, x, weights, mine, others, shape)
    x, weights = checks.sample(WHERE, x, weights, family.event_ndim, "Pass observations as an array of shape (n,).")
    if weights is not None:
        x, weights = x[weights > 0], weights[weights > 0]
    held = {name: full.parameter(name) for name in family.parameter_names if name in mine} | others
    held = {name: value.item() if isinstance(value, np.generic) else value for name, value in held.items()}
    free = [name for name in family.parameter_names if name not in held and name not in family.fixed_names]
    rough = [name for name in family.fixed_names if name not in held and name != shape]
    free = [name for name in family.parameter_names if name in (*free, *rough, shape)]
    if not free:
        fix = "Leave one of them out, so that it is estimated."
        checks.fail(WHERE, "fixed parameters", sorted(held), "a parameter that is not held", fix)

    def make(arrays):
        named = dict(held) | dict(zip(free, arrays))
        return family(*(named[name] for name in family.parameter_names))

    if family is Categorical and "logits" in full.parameter_names:
        full = Categorical(full.probs)
    blocks = [_block(family.__name__, name, full.parameter(name)) for name in free]
    name = f"fit of {family.__name__}"
    if rough:
        first = rough[0]
        problem, theta = _problem(name, blocks, make, x, weights, held, rough)
        theta = newton(problem, theta) if others and len(theta) else theta
        why = _roughness(family, first, full.parameter(first), x, weights)
        advice = f"for the covariance of the rest hold it: {first}={full.parameter(first):.6g}"
        place = "kink" if family.__name__ == "Laplace" else "edge"
        return Optimum(problem, theta, f"{why}; {advice}", (why,), place, len(rough))
    problem, theta = _problem(name, blocks, make, x, weights, held)
    if others or shape:
        theta = climb(problem, theta, near=True).theta
    if shape:
        _check_shape(problem, theta, shape)
    found = _placed(problem, theta, lambda pinned: _problem(name, blocks, make, x, weights, held, pinned))
    if others or shape or found.place != "interior" or len(theta) != 1 or full.natural_parameters().size != 1:
        return found
    return found._replace(means=lambda: _from_means(problem, theta, x))


def _from_means(problem, theta, x):
    """Derivatives and the scaled gradient from the likelihood equation: scores are (dη/dθ)(u − E[u])."""
    member, h = problem.member(theta), abs(float(theta[0])) * 2.0**-12
    up, down = (problem.member(theta + step).natural_parameters()[0] for step in (h, -h))
    slope = (up - down) / (2 * h)
    scores = slope * (member._statistic(x)[:, :1] - member.mean_parameters())
    total = len(x) if problem.weights is None else problem.weights.sum()
    found = Derivatives(scores, -(slope**2) * total * member.fisher_information(), np.zeros(1))
    return found, float(scaled(found, problem.weights)[0])


def _held(family, name, value):
    """The value of a held parameter, inside its domain."""
    fix = f"Pass the number at which it is held, e.g. {name}=0.5."
    value = checks.scalar(WHERE, name, value, fix)
    low, high = _domain(family.__name__, name)
    expected = "a positive number" if high == np.inf else "a number between 0 and 1"
    checks.require(WHERE, name, value, low < value < high, expected, fix)
    return value


def _say_what_is_missing(family, name):
    """Raise the error for a parameter that the family holds fixed."""
    estimated = f", or {name}=None to have it estimated" if (family.__name__, name) in _SHAPES else ""
    raise TypeError(
        f"{WHERE}: {name} = missing; expected the value of {name} of {family.__name__}, which is not estimated unless "
        f"you say so. Call {WHERE}({family.__name__}, x, {name}=...){estimated}."
        if estimated
        else f"{WHERE}: {name} = missing; expected the value of {name} of {family.__name__}, which is not estimated. "
        f"Call {WHERE}({family.__name__}, x, {name}=...)."
    )


def _roughness(family, name, value, x, weights):
    """What the log-likelihood is at a parameter where it is not smooth."""
    if family.__name__ == "Laplace" and not np.any(x == value):  # as much weight on either side
        low, high = np.max(x[x < value]), np.min(x[x > value])
        return (
            f"{name} = {value:.6g} is the middle of the medians: the log-likelihood is the same for every {name} from "
            f"{low:.6g} to {high:.6g}"
        )
    return f"{name} = {value:.6g} {_ROUGH[family.__name__, name]}"


def _first_member(family, x, weights, mine, others, shape):
    """The maximum-likelihood member before other parameters are held, or one from which the search may start; of the
    members with different shapes, if that is to be estimated, the one of the highest likelihood."""
    if shape is None:
        try:
            return family.fit(x, weights=weights, **mine)
        except ValueError:
            if not others:
                raise
            start = family._example(**mine)
            start.log_prob(x)  # says what is wrong with x
            return start
    members = [family.fit(x, weights=weights, **mine, **{shape: 2.0**power}) for power in _POWERS]
    x, weights = checks.sample(WHERE, x, weights, family.event_ndim, "Pass observations as an array of shape (n,).")
    values = [average(member.log_prob(x), weights) for member in members]
    return members[int(np.argmax(values))]


def _check_shape(problem, theta, shape):
    """Refuse a shape that has run away: beyond all those from which the search may start."""
    value = dict(zip(problem.names, problem.reported(theta)))[shape]
    if 2.0 ** _POWERS[0] <= value <= 2.0 ** _POWERS[-1] or verdict(problem, theta).certified:
        return
    fix = f"The log-likelihood is flat, or still rises as {shape} runs to its end: hold it, or fit the limit."
    checks.fail(problem.where, shape, float(value), "a certified maximum", fix)


def _placed(problem, theta, pin):
    """An interior optimum; or, if parameters are at the ends of their domains, these pinned there."""
    rows = zip(problem.names, problem.domains, problem.reported(theta), problem.moves())
    ends = {name: value for name, domain, value, moves in rows if value in domain and moves}
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
    build = mixture_problem(mixture, x, weights)
    problem, theta = build()
    note = "a local maximum, the one that EM reaches from the start: compare several starts"
    if np.all(mixture.weights > 0):
        theta = newton(problem, theta)
    found = _placed(problem, theta, build)
    return found._replace(notes=(*found.notes, note))


def mixture_problem(mixture: Mixture, x: Any, weights: Any) -> Callable[..., tuple[Problem, np.ndarray]]:
    """The problem and the coordinates of this mixture, as a function of what is pinned to its values."""
    family = type(mixture.components)
    held = {name: mixture.components.parameter(name).tolist() for name in family.fixed_names}
    free = [name for name in mixture.components.parameter_names if name not in held]

    def make(arrays):
        named = {name: np.array(value) for name, value in held.items()} | dict(zip(free, arrays[1:]))
        return Mixture(arrays[0], family(*(named[name] for name in family.parameter_names)))

    blocks = [_block("Mixture", "weights", mixture.weights, simplex=True)]
    blocks += [_block(family.__name__, name, mixture.components.parameter(name)) for name in free]
    return lambda pinned=(): _problem("fit of Mixture", blocks, make, x, weights, held, pinned)
