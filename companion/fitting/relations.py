"""How two fitted families stand to each other: one inside the other, without a common member, or not known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from companion.families import Distribution, Mixture
from companion.fitting import scipy_models

#: Our parameters by SciPy's names, of families where one is a function of one.
_SCIPY_NAMES = {
    "Normal": {"mean": "loc", "sd": "scale"},
    "Laplace": {"loc": "loc", "scale": "scale"},
    "VonMises": {"mean": "loc", "kappa": "kappa"},
    "LogNormal": {"mean": "scale", "sd": "s"},
    "Exponential": {"rate": "scale"},
    "Gamma": {"shape": "a", "rate": "scale"},
    "Weibull": {"k": "c", "scale": "scale"},
    "Beta": {"a": "a", "b": "b"},
    "Pareto": {"alpha": "b", "xm": "scale"},
    "Bernoulli": {"p": "p", "logits": "p"},
    "Binomial": {"n": "n", "p": "p", "logits": "p"},
    "Poisson": {"rate": "mu"},
    "Geometric": {"p": "p"},
    "NegativeBinomial": {"r": "n", "p": "p"},
}
#: (smaller, larger) families by SciPy's names, and what the larger one holds where it is the smaller one.
_SPECIAL: dict[tuple[str, str], dict[str, float]] = {
    ("expon", "gamma"): {"a": 1},
    ("expon", "weibull_min"): {"c": 1},
    ("expon", "gengamma"): {"a": 1, "c": 1},
    ("expon", "exponweib"): {"a": 1, "c": 1},
    ("expon", "genpareto"): {"c": 0},
    ("gamma", "gengamma"): {"c": 1},
    ("weibull_min", "gengamma"): {"a": 1},
    ("weibull_min", "exponweib"): {"a": 1},
    ("norm", "skewnorm"): {"a": 0},
    ("laplace", "gennorm"): {"beta": 1},
    ("laplace", "laplace_asymmetric"): {"kappa": 1},
    ("logistic", "genlogistic"): {"c": 1},
    ("gumbel_r", "genextreme"): {"c": 0},
    ("bernoulli", "binom"): {"n": 1},
}


class Family(NamedTuple):
    """A model as a set of distributions: its name, the parameters that are held, and how many were estimated."""

    name: str
    held: dict[str, Any]
    free: int


def family_of(model: Any, fit: Any, free: int) -> Family:
    """The set that a fit has chosen its `model` from; of a model that was not estimated (`free` = 0) that one alone."""
    if isinstance(model, Mixture):
        part = type(model.components)
        part = part.scipy_name if part.__name__ in _SCIPY_NAMES else part.__name__
        return Family(f"Mixture of {part}", dict(fit.held) if free else {}, free)
    if not isinstance(model, Distribution):
        return Family(model.dist.name, dict(fit.held) if free else _arguments(model), free)
    name = type(model).__name__
    if name not in _SCIPY_NAMES:
        all_of_it = {key: model.parameter(key) for key in model.parameter_names}
        return Family(f"{name} of {model.natural_parameters().size}", dict(fit.held) if free else all_of_it, free)
    frozen = model.to_scipy()
    if free and not isinstance(fit.model, Distribution):  # a fit of SciPy's distribution, under its names
        return Family(frozen.dist.name, dict(fit.held), free)
    estimated = {_SCIPY_NAMES[name][key] for key in fit.parameters} if free else set()
    held = {key: value for key, value in _arguments(frozen).items() if key not in estimated}
    return Family(frozen.dist.name, held, free)


def _arguments(frozen):
    """All parameters of a frozen distribution by name."""
    given, loc, scale = frozen.dist._parse_args(*frozen.args, **frozen.kwds)
    values = (*given, loc, scale)
    return {key: float(value) for key, value in zip(scipy_models.parameters(frozen.dist), values)}


def relation(f: Family, g: Family) -> str:
    """ "nested" if one is known to lie in the other, "singular" if there it is no ordinary point of the other, "apart"
    if they have no member in common because they hold a parameter at different values, "" if nothing is known."""
    for small, large in ((f, g), (g, f)):
        if large.name.startswith("Mixture of "):
            part = large.name.removeprefix("Mixture of ")
            if small.name in (large.name, part) and small.free < large.free and _hold_the_same(small, large):
                return "singular"
            continue
        extra = {} if small.name == large.name else _SPECIAL.get((small.name, large.name))
        if extra is None:
            continue
        held = small.held | extra
        if any(key in held and not np.array_equal(held[key], value) for key, value in large.held.items()):
            return "apart"
        if small.free < large.free and large.held.keys() <= held.keys():
            return "nested"
    return ""


def _hold_the_same(small, large):
    """Whether all components of a mixture hold what those of the smaller one, or the one family, hold."""
    return all(key in small.held and _equal(small.held[key], value) for key, value in large.held.items())


def _equal(one, other):
    return np.array_equal(np.unique(one), np.unique(other))
