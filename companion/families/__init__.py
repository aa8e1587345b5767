"""Distributions: one file a family, one row a family in the table that drives the property tests.

`FAMILIES` lists every exponential family with a function that draws a random member, for the tests and the tables of
the book. To add a family, write its file and add its row (see CONTRIBUTING).
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np
from scipy import stats

from companion import checks
from companion.families.bernoulli import Bernoulli
from companion.families.binomial import Binomial
from companion.families.categorical import Categorical
from companion.families.core import Distribution, ExponentialFamily
from companion.families.mixture import Mixture
from companion.families.multivariate_normal import MultivariateNormal
from companion.families.normal import Normal
from companion.families.poisson import Poisson


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
    """Constructor arguments `names` of a scipy discrete distribution that is not shifted."""

    def convert(loc=0, **values):
        return [values[name] for name in names] if np.all(np.asarray(loc) == 0) else None

    return convert


FAMILIES: dict[str, Row] = {
    row.cls.__name__: row
    for row in (
        Row(Bernoulli, lambda rng: Bernoulli(rng.uniform(0.02, 0.98)), "bernoulli", _without_loc("p")),
        Row(Categorical, lambda rng: Categorical(rng.dirichlet(np.ones(4)))),
        Row(Binomial, lambda rng: Binomial(12, rng.uniform(0.02, 0.98)), "binom", _without_loc("n", "p")),
        Row(Poisson, lambda rng: Poisson(rng.gamma(2.0, 2.0) + 0.05), "poisson", _without_loc("mu")),
        Row(Normal, lambda rng: Normal(rng.normal(0, 3), np.exp(rng.normal())), "norm", lambda loc=0, scale=1: [loc, scale]),
        Row(MultivariateNormal, lambda rng: MultivariateNormal(rng.normal(size=3), _random_covariance(rng))),
    )
}

_BY_SCIPY_NAME = {row.scipy_name: row for row in FAMILIES.values() if row.scipy_name}


def from_scipy(frozen):
    """The member of our families equal to a frozen scipy distribution, or None where there is none.

    >>> from_scipy(stats.norm(1.0, 2.0))
    Normal(mean=1.0, sd=2.0)
    >>> from_scipy(stats.cauchy()) is None
    True
    """
    if isinstance(frozen, type(stats.multivariate_normal(0, 1))):
        return MultivariateNormal(frozen.mean, frozen.cov) if frozen.cov_object.rank == frozen.dim else None
    if not isinstance(frozen, stats.distributions.rv_frozen):
        checks.fail("from_scipy", "frozen", frozen, "a frozen scipy.stats distribution", "Pass e.g. stats.norm(0, 1), with its parameters.", TypeError)
    row = _BY_SCIPY_NAME.get(frozen.dist.name)
    if row is None:
        return None
    names = [name.strip() for name in (frozen.dist.shapes or "").split(",") if name.strip()] + ["loc", "scale"]
    arguments = row.from_scipy(**dict(zip(names, frozen.args)), **frozen.kwds)
    return None if arguments is None else row.cls(*arguments)


__all__ = [
    "Bernoulli", "Binomial", "Categorical", "Distribution", "ExponentialFamily", "FAMILIES", "Mixture",
    "MultivariateNormal", "Normal", "Poisson", "Row", "from_scipy",
]
