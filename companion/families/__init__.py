"""Distributions: one file a family, one row a family in the table that drives the property tests.

`FAMILIES` lists every exponential family with a function that draws a random member, for the tests and the tables of
the book. To add a family, write its file and add its row (see CONTRIBUTING).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from companion import checks
from companion.families.bernoulli import Bernoulli
from companion.families.beta import Beta
from companion.families.binomial import Binomial
from companion.families.categorical import Categorical
from companion.families.dirichlet import Dirichlet
from companion.families.distribution import Distribution
from companion.families.exponential import Exponential
from companion.families.exponential_family import ExponentialFamily
from companion.families.gamma import Gamma
from companion.families.geometric import Geometric
from companion.families.inverse_gaussian import InverseGaussian
from companion.families.laplace import Laplace
from companion.families.log_normal import LogNormal
from companion.families.mixture import Mixture
from companion.families.multivariate_normal import MultivariateNormal
from companion.families.negative_binomial import NegativeBinomial
from companion.families.normal import Normal
from companion.families.pareto import Pareto
from companion.families.poisson import Poisson
from companion.families.von_mises import VonMises
from companion.families.weibull import Weibull


class Row(NamedTuple):
    """One family: the class, and a function that draws a member with ordinary parameters.

    `draw(rng)` takes a `numpy.random.Generator`; parameters listed in ``cls.fixed_names`` are the same in every draw.
    `from_scipy` turns the (args, kwds) of a frozen scipy distribution named `scipy_name` into constructor arguments,
    or gives None where its loc or scale leads out of the family.
    """

    cls: type[ExponentialFamily]
    draw: Callable[[np.random.Generator], ExponentialFamily]
    scipy_name: str | None = None
    from_scipy: Callable | None = None


def _random_covariance(rng, d=3):
    factor = rng.normal(size=(d, d + 2))
    return factor @ factor.T / d + 0.1 * np.eye(d)


def _without_loc(*names):
    """Constructor arguments `names` of a scipy distribution that is not shifted, nor scaled unless "scale" or "rate" =
    1/scale is among them."""

    def convert(loc=0, scale=1, **values):
        unscaled = {"scale", "rate"} & set(names) or np.all(np.asarray(scale) == 1)
        values |= {"scale": scale, "rate": 1 / np.asarray(scale)}
        return [values[name] for name in names] if unscaled and np.all(np.asarray(loc) == 0) else None

    return convert


def _log_scale(s, loc=0, scale=1):
    return [np.log(scale), s] if np.all(np.asarray(loc) == 0) else None


def _inverse_gaussian(mu, loc=0, scale=1):
    return [np.multiply(mu, scale), scale] if np.all(np.asarray(loc) == 0) else None


def _circular(kappa, loc=0, scale=1):
    return [loc, kappa] if np.all(np.asarray(scale) == 1) else None


FAMILIES: dict[str, Row] = {
    row.cls.__name__: row
    for row in (
        Row(Bernoulli, lambda rng: Bernoulli(rng.uniform(0.02, 0.98)), "bernoulli", _without_loc("p")),
        Row(Categorical, lambda rng: Categorical(rng.dirichlet(np.ones(4)))),
        Row(Binomial, lambda rng: Binomial(12, rng.uniform(0.02, 0.98)), "binom", _without_loc("n", "p")),
        Row(Poisson, lambda rng: Poisson(rng.gamma(2.0, 2.0) + 0.05), "poisson", _without_loc("mu")),
        Row(
            Normal,
            lambda rng: Normal(rng.normal(0, 3), np.exp(rng.normal())),
            "norm",
            lambda loc=0, scale=1: [loc, scale],
        ),
        Row(MultivariateNormal, lambda rng: MultivariateNormal(rng.normal(size=3), _random_covariance(rng))),
        Row(Geometric, lambda rng: Geometric(rng.uniform(0.05, 0.95)), "geom", _without_loc("p")),
        Row(
            NegativeBinomial, lambda rng: NegativeBinomial(2.5, rng.uniform(0.1, 0.9)), "nbinom", _without_loc("n", "p")
        ),
        Row(LogNormal, lambda rng: LogNormal(rng.normal(), rng.uniform(0.2, 1.0)), "lognorm", _log_scale),
        Row(Exponential, lambda rng: Exponential(np.exp(rng.normal())), "expon", _without_loc("rate")),
        Row(Gamma, lambda rng: Gamma(np.exp(rng.normal()), np.exp(rng.normal())), "gamma", _without_loc("a", "rate")),
        Row(Beta, lambda rng: Beta(np.exp(rng.normal()), 1 + rng.gamma(2.0)), "beta", _without_loc("a", "b")),
        Row(Dirichlet, lambda rng: Dirichlet(np.exp(rng.normal(0.5, 0.6, 3)))),
        Row(Laplace, lambda rng: Laplace(0.5, np.exp(rng.normal())), "laplace", lambda loc=0, scale=1: [loc, scale]),
        Row(VonMises, lambda rng: VonMises(rng.uniform(-3, 3), np.exp(rng.normal())), "vonmises", _circular),
        Row(InverseGaussian, lambda rng: InverseGaussian(*np.exp(rng.normal(size=2))), "invgauss", _inverse_gaussian),
        Row(Pareto, lambda rng: Pareto(3 + rng.gamma(2.0), 1.5), "pareto", _without_loc("b", "scale")),
        Row(Weibull, lambda rng: Weibull(1.7, np.exp(rng.normal())), "weibull_min", _without_loc("c", "scale")),
    )
}

_BY_SCIPY_NAME = {row.scipy_name: row for row in FAMILIES.values() if row.scipy_name}
_BY_SCIPY_NAME["uniform"] = Row(
    Beta, FAMILIES["Beta"].draw, "uniform", lambda **place: _without_loc("a", "b")(a=1.0, b=1.0, **place)
)


def from_scipy(frozen):
    """The member of our families equal to a frozen scipy distribution, or None where there is none.

    >>> from_scipy(stats.norm(1.0, 2.0))
    Normal(mean=1.0, sd=2.0)
    >>> from_scipy(stats.cauchy()) is None
    True
    """
    if isinstance(frozen, type(stats.multivariate_normal(0, 1))):
        return MultivariateNormal(frozen.mean, frozen.cov) if frozen.cov_object.rank == frozen.dim else None
    if isinstance(frozen, type(stats.dirichlet([1, 1]))):
        return Dirichlet(frozen.alpha)
    if not isinstance(frozen, stats.distributions.rv_frozen):
        checks.fail(
            "from_scipy",
            "frozen",
            frozen,
            "a frozen scipy.stats distribution",
            "Pass e.g. stats.norm(0, 1), with its parameters.",
            TypeError,
        )
    row = _BY_SCIPY_NAME.get(frozen.dist.name)
    if row is None:
        return None
    names = [name.strip() for name in (frozen.dist.shapes or "").split(",") if name.strip()] + ["loc", "scale"]
    arguments = row.from_scipy(**dict(zip(names, frozen.args)), **frozen.kwds)
    return None if arguments is None else row.cls(*arguments)


__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "Gamma",
    "Geometric",
    "InverseGaussian",
    "Laplace",
    "LogNormal",
    "Mixture",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "Pareto",
    "Poisson",
    "Row",
    "VonMises",
    "Weibull",
    "from_scipy",
]
