"""What is known of SciPy's distributions: domains of their shapes, and which parameters a fit holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from companion.fitting.problem import POSITIVE, REAL

#: Whole-numbered for SciPy, but real where the density is concerned.
_REAL_VALUED = {("nbinom", "n"), ("randint", "low"), ("randint", "high")}
#: Held where the rule of `held_by_default` does not fit: a scale that another parameter contains, a circle, ends that
#: move with the shapes, a density that is zero or infinite at the location.
_HELD: dict[str, dict[str, float]] = {
    "genextreme": {},
    "pearson3": {},
    "kappa4": {},
    "tukeylambda": {},
    "genexpon": {"loc": 0.0, "scale": 1.0},
    "dpareto_lognorm": {"loc": 0.0, "scale": 1.0},
    "loguniform": {"loc": 0.0, "scale": 1.0},
    "reciprocal": {"loc": 0.0, "scale": 1.0},
    "irwinhall": {"loc": 0.0, "scale": 1.0},
    "truncweibull_min": {"loc": 0.0},
    "vonmises": {"scale": 1.0},
    "dgamma": {"loc": 0.0},
    "dweibull": {"loc": 0.0},
}
#: Parameters that put an end of the support at the extreme observation, because the density jumps there: which end.
TIES: dict[str, dict[str, str]] = {
    "uniform": {"loc": "low", "scale": "high"},
    "bradford": {"loc": "low", "scale": "high"},
    "pareto": {"scale": "low"},
    "truncpareto": {"scale": "low", "c": "high"},
    "powerlaw": {"scale": "high"},
    "loguniform": {"a": "low", "b": "high"},
    "reciprocal": {"a": "low", "b": "high"},
    "truncexpon": {"loc": "low", "b": "high"},
    "truncnorm": {"a": "low", "b": "high"},
    "truncweibull_min": {"a": "low", "b": "high"},
    "randint": {"low": "low", "high": "high"},
} | {
    name: {"loc": "low"}
    for name in (
        "expon foldcauchy foldnorm genexpon genpareto gompertz halfcauchy halfgennorm halflogistic halfnorm kappa3"
        " lomax"
    ).split()
}
#: Distributions whose likelihood has no bound if one of these moves an end of the support to an observation.
UNBOUNDED: dict[str, tuple[str, ...]] = {
    "genextreme": ("loc", "scale"),
    "genpareto": ("loc", "scale"),
    "genhalflogistic": ("loc", "scale"),
    "beta": ("loc", "scale"),
    "johnsonsb": ("loc", "scale"),
} | dict.fromkeys("lognorm weibull_min weibull_max gamma gengamma exponweib chi2 fisk nakagami".split(), ("loc",))
#: The parameter that moves a kink of the density, which is at loc, at loc + scale, or at loc + c·scale.
KINKS = {"laplace": "loc", "laplace_asymmetric": "loc", "gennorm": "loc", "loglaplace": "scale", "triang": "c"}
#: No fit at all, and why.
REFUSED = {
    "levy_stable": "SciPy integrates its density numerically for every observation, too slowly and to too few digits",
    "studentized_range": "SciPy integrates its density twice for every observation, too slowly to search",
    "ksone": "it is the distribution of a statistic with nothing but a whole number, the sample size, to estimate",
    "kstwo": "it is the distribution of a statistic with nothing but a whole number, the sample size, to estimate",
    "poisson_binom": "its parameter is a vector with one probability for each trial, of which only sums can be told",
}


class Shape(NamedTuple):
    """A shape of a distribution: its name, its domain, which ends belong to it, and whether it is a whole number."""

    name: str
    domain: tuple[float, float]
    closed: tuple[bool, bool]
    whole: bool


def shapes(dist: Any) -> list[Shape]:
    """The shapes of a distribution of SciPy, in its order."""
    names = [name.strip() for name in (dist.shapes or "").split(",") if name.strip()]
    try:
        information = {row.name: row for row in dist._shape_info()}
    except (AttributeError, NotImplementedError, TypeError):
        information = {}
    found = []
    for name in names:
        row = information.get(name)
        if row is None:
            found.append(Shape(name, REAL, (False, False), False))
            continue
        low, high = (float(end) for end in row.domain)
        low = 0.0 if 0 < low < 1e-300 else round(low, 12)  # SciPy writes open ends as the next double
        high = high if high == np.inf else round(high, 12)
        closed = (bool(row.inclusive[0]) and low > -np.inf, bool(row.inclusive[1]) and high < np.inf)
        whole = bool(row.integrality) and (dist.name, name) not in _REAL_VALUED
        found.append(Shape(name, (low, high), closed, whole))
    return found


def held_by_default(dist: Any) -> dict[str, float]:
    """`loc` and `scale` where a fit does not estimate them unless it is asked to."""
    if isinstance(dist, stats.rv_discrete):
        return {"loc": 0.0}
    if dist.name in _HELD:
        return dict(_HELD[dist.name])
    low, high = dist.a, dist.b
    if low == -np.inf and high == np.inf:
        return {}
    if np.isfinite(low) and np.isfinite(high):
        return {"loc": 0.0, "scale": 1.0} if dist.shapes else {}
    return {"loc": 0.0}


def parameters(dist: Any) -> dict[str, tuple[float, float]]:
    """All parameters by name with their domains, in SciPy's order."""
    domains = {shape.name: shape.domain for shape in shapes(dist)} | {"loc": REAL}
    return domains if isinstance(dist, stats.rv_discrete) else domains | {"scale": POSITIVE}


def candidates(domain: tuple[float, float], few: bool) -> list[float]:
    """Values of a shape from which a search may start."""
    low, high = domain
    if low == -np.inf and high == np.inf:
        return [-1.0, 0.1, 1.0] if few else [-2.0, -0.7, -0.1, 0.1, 0.7, 2.0]
    if high == np.inf:
        return [low + step for step in ((0.5, 2.0) if few else (0.1, 0.4, 1.0, 2.5, 6.0, 20.0))]
    return [low + (high - low) * part for part in ((0.3, 0.7) if few else (0.05, 0.2, 0.5, 0.8, 0.95))]
