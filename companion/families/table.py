"""The table of all exponential families, which drives the property tests and the tables of the book.

To add a family, write its file and name its class here (see CONTRIBUTING; ``python tools/new_family.py`` begins both).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from companion import checks
from companion.families.bernoulli import Bernoulli
from companion.families.beta import Beta
from companion.families.binomial import Binomial
from companion.families.categorical import Categorical
from companion.families.dirichlet import Dirichlet
from companion.families.exponential import Exponential
from companion.families.exponential_family import ExponentialFamily
from companion.families.gamma import Gamma
from companion.families.geometric import Geometric
from companion.families.inverse_gaussian import InverseGaussian
from companion.families.laplace import Laplace
from companion.families.log_normal import LogNormal
from companion.families.multivariate_normal import MultivariateNormal
from companion.families.negative_binomial import NegativeBinomial
from companion.families.normal import Normal
from companion.families.pareto import Pareto
from companion.families.poisson import Poisson
from companion.families.von_mises import VonMises
from companion.families.weibull import Weibull


class Row(NamedTuple):
    """One family: the class, a function that draws a member with ordinary parameters, and its name in scipy.stats.

    `draw(rng)` takes a `numpy.random.Generator`; parameters listed in ``cls.fixed_names`` are the same in every draw.
    """

    cls: type[ExponentialFamily]
    draw: Callable[[np.random.Generator], Any]
    scipy_name: str | None


FAMILIES: dict[str, Row] = {
    cls.__name__: Row(cls, cls._random_member, cls.scipy_name)
    for cls in (
        Bernoulli,
        Categorical,
        Binomial,
        Poisson,
        Normal,
        MultivariateNormal,
        Geometric,
        NegativeBinomial,
        LogNormal,
        Exponential,
        Gamma,
        Beta,
        Dirichlet,
        Laplace,
        VonMises,
        InverseGaussian,
        Pareto,
        Weibull,
    )
}

_BY_SCIPY_NAME: dict[str, type[ExponentialFamily]] = {
    row.scipy_name: row.cls for row in FAMILIES.values() if row.scipy_name
}


def from_scipy(frozen: Any) -> Any:
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
    names = [name.strip() for name in (frozen.dist.shapes or "").split(",") if name.strip()] + ["loc", "scale"]
    given = dict(zip(names, frozen.args)) | frozen.kwds
    if frozen.dist.name == "uniform":  # a beta distribution with both parameters 1
        family, given = Beta, {"a": 1.0, "b": 1.0, **given}
    elif frozen.dist.name in _BY_SCIPY_NAME:
        family = _BY_SCIPY_NAME[frozen.dist.name]
    else:
        return None
    arguments = family._scipy_arguments(**given)
    return None if arguments is None else family(*arguments)
