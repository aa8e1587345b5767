"""Distributions: one file a family, one line a family in the table that drives the property tests.

`FAMILIES` lists every exponential family with a function that draws a random member, for the tests and the tables of
the book.
"""

# Every class of the table, by its name.
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
from companion.families.table import FAMILIES, Row, from_scipy
from companion.families.von_mises import VonMises
from companion.families.weibull import Weibull

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "FAMILIES",
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
