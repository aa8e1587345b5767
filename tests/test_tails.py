"""Cumulative probabilities and quantiles where SciPy's lose their digits.

The values are those of mpmath with 50 digits: integrals of the density from the point outwards, divided by its
constant, and elementary formulas.
"""

import warnings
from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from companion.families import (
    Bernoulli,
    Beta,
    Binomial,
    Exponential,
    Gamma,
    InverseGaussian,
    Laplace,
    LogNormal,
    Mixture,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
)

TAILS = [
    (Gamma(1e8, 1.0), "cdf", 1e8 - 5e4, 2.8546421399586261e-7),
    (Gamma(1e12, 1.0), "cdf", 1e12 - 8.5e6, 9.4775955272637915e-18),
    (Gamma(1e8, 1.0), "sf", 1e8 + 6e4, 9.9369848273425536e-10),
    (Gamma(0.001, 1e-200), "cdf", 1e-200, 0.3983367031222318),
    (Gamma(0.5, 1e-310), "cdf", 1e308, 0.11246291601828472),
    (Poisson(1e8), "cdf", 1e8 - 6e4, 9.8335151547716398e-10),
    (Poisson(1e8), "sf", 1e8 + 6e4, 9.8983246311271388e-10),
    (Exponential(1e-310), "cdf", 1e308, 0.0099501662508319163),
    (LogNormal(800.0, 100.0), "cdf", 1e300, 0.13736277526575806),
    (LogNormal(800.0, 100.0), "sf", 1e300, 0.86263722473424194),
    (Pareto(0.001, 1.0), "cdf", 1 + 1e-10, 1.000000082690321e-13),
    (Weibull(1e12, 3.0), "sf", 3.000000000003, 0.065998642621777983),
    (Weibull(0.001, 1e300), "sf", 1e-300, 0.77787561680984496),
    (Beta(0.5, 0.5), "cdf", 1 - 2.0**-53, 0.99999999329212072),
    (Beta(1e15, 1e15), "cdf", 0.4999999441, 2.8687764021323969e-7),
    (Beta(1e15, 3e15), "cdf", 0.2499999796, 0.0014430743374296061),
    (Binomial(10**12, 0.5), "cdf", 5 * 10**11 - 25 * 10**5, 2.8665305858755819e-7),
    (Binomial(10**9, 0.3), "cdf", 299900000, 2.584876717305777e-12),
    (NegativeBinomial(1e10, 0.5), "cdf", 9999300000, 3.713973522e-7),
    (Bernoulli.from_logits(40.0), "cdf", 0, 4.248354255291589e-18),
    (Binomial.from_natural([40.0], 3), "cdf", 1, 5.4145541635362455e-35),
    (VonMises(0.0, 51.0), "cdf", -0.3, 0.016624409224219844),
    (VonMises(0.0, 30.0), "cdf", -2.8, 1.3437607149957009e-26),
    (VonMises(0.0, 1e4), "sf", 0.1, 7.9572340624837586e-24),
    (InverseGaussian(1e8, 1e-8), "sf", 1e12, 7.9788356080326439e-11),
    (InverseGaussian(1e8, 1e8), "sf", 4e8, 0.020923635821113731),
    (InverseGaussian(1e8, 1e-8), "cdf", 1e12, 0.99999999992021164),
    (InverseGaussian(1e-310, 1.0), "sf", 0.1, 0.0),
]


@pytest.mark.parametrize("member, function, x, true", TAILS, ids=lambda v: str(v))
def test_digits_of_tails(member, function, x, true):
    assert_allclose(getattr(member, function)(x), true, rtol=1e-9 if isinstance(member, NegativeBinomial) else 1e-11)


LOG_DENSITIES = [
    (Laplace(0.0, 1e308), 1.0, -709.88935582272602),
    (Pareto(0.5, 1e-310), 3.0, -359.24175502763919),
    (Pareto(1e-8, 1e-300), 1e300, -709.19622245767663),
    (Weibull(1e-8, 1e-310), 3.0, -20.519293032646029),
    (Weibull(0.5, 1e-310), 1e-300, -99298.40469381753),
    (InverseGaussian(1e8, 1e-310), 1e-310, 712.38244029494949),
    (InverseGaussian(1e300, 3.0), 1e-100, -1.5e100),
    (InverseGaussian(1e-8, 1.0), 1e-300, -5e299),
    (Gamma(1e8, 1e-310), 1e-310, -144502343117.93329),
    (Gamma(1e-300, 1e8), 1e8, -10000000000000709.0),
    (Beta(1e8, 1.0), 1 - 2.0**-53, 18.420680732850135),
    (Beta(1e-8, 1e-8), 5e-324, 725.32623655246823),
    (VonMises(0.0, 1e308), 1e-8, -5e291),
]


@pytest.mark.parametrize("member, x, true", LOG_DENSITIES, ids=lambda v: str(v))
def test_digits_of_log_densities_of_far_scales(member, x, true):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_allclose(member.log_prob([x, x], outside=-np.inf), true, rtol=1e-13)


QUANTILES = [
    Gamma(1e12, 1.0),
    Gamma(0.001, 1e-200),
    Beta(0.5, 0.5),
    Beta(2.0, 1e10),
    Beta(1000.0, 2000.0),
    InverseGaussian(1e8, 1e-8),
    InverseGaussian(1e-8, 1e8),
    VonMises(0.0, 1e4),
    VonMises(1.0, 60.0),
    LogNormal(-600.0, 1.0),
    Pareto(0.5, 1e-300),
    Weibull(1e3, 1e300),
    Mixture([0.5, 0.5], Normal([-2.0, 2.0], 1.0)),
]


@pytest.mark.parametrize("member", QUANTILES, ids=str)
def test_quantiles_come_back_in_both_tails(member):
    """A double x has the probability q between its neighbours; beyond the median that is P(X > x) = 1 − q."""
    q = np.array([1e-300, 1e-17, 0.1, 0.5, 0.9, 1 - 2.0**-53])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = member.quantile(q)
    below, above = (x - 4 * np.spacing(abs(x)), x + 4 * np.spacing(abs(x)))
    inside = x > 1e-300 if member.support[0] == 0 else np.full(6, True)  # others are rounded to a few digits, or to 0
    low = inside & (q < 0.5)
    high = inside & (q >= 0.5)
    slack = 1e-9
    assert np.all(member.cdf(below)[low] <= q[low] * (1 + slack))
    assert np.all(member.cdf(above)[low] >= q[low] * (1 - slack))
    assert np.all(member.sf(above)[high] <= (1 - q[high]) * (1 + slack))
    assert np.all(member.sf(below)[high] >= (1 - q[high]) * (1 - slack))


def test_quantiles_that_no_double_holds():
    """Rounded up to the next double or infinity, without a warning of NumPy's or of SciPy's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Pareto(0.01, 1.0).quantile(1 - 1e-10) == LogNormal(800.0, 100.0).quantile(0.5) == np.inf
        assert 0 < Gamma(0.001, 1.0).quantile(0.3) <= 5e-324
        assert 0 < Beta(0.001, 1000.0).quantile(0.3) <= 5e-324


@pytest.mark.parametrize("member", [InverseGaussian(1.0, 2.0), VonMises(0.0, 3.0), QUANTILES[-1]], ids=str)
def test_many_quantiles_take_few_evaluations(member, monkeypatch):
    """By Newton's steps: bisection evaluates each tail more than fifty times."""
    asked, tail = [], type(member)._tail
    monkeypatch.setattr(type(member), "_tail", lambda self, name, x: asked.append(name) or tail(self, name, x))
    q = np.random.default_rng(0).random(5000)
    x = member.quantile(q)
    assert_allclose(tail(member, "cdf", x), q, rtol=1e-10)
    assert len(asked) <= 2 * 20 * 3  # both tails, in three pieces


@pytest.mark.parametrize("family, exact", [(Normal, stats.norm(0, 1)), (Laplace, stats.laplace(0, 1))])
def test_points_whose_distance_is_no_double(family, exact):
    """1.5e308 is three standard deviations of 1e308 from −1.5e308, though their difference is infinite."""
    far, near = family(-1.5e308, 1e308), family(1.5e308, 1e308)
    assert_allclose(far.log_prob(1.5e308), exact.logpdf(3) - np.log(1e308), rtol=1e-14)
    assert_allclose([far.cdf(1.5e308), far.sf(1.5e308)], [exact.cdf(3), exact.sf(3)], rtol=1e-14)
    assert_allclose(far.kl_divergence(near), family(-1.5, 1.0).kl_divergence(family(1.5, 1.0)), rtol=1e-14)
    assert family(-1.5e308, 1.0).sf(1.5e308) == 0 == family(1.5e308, 1.0).cdf(-1.5e308)


@pytest.mark.parametrize("r", [1e-310, 1e-300, 1e-25, 1e-19, 1e-12, 0.5])
@pytest.mark.parametrize("k", [0, 1, 7, 60])
@pytest.mark.parametrize("p", [1e-300, 0.3, 1 - 2.0**-50])
def test_counts_of_next_to_no_success(r, k, p):
    """Against the product of its factors with 60 digits."""
    with localcontext(prec=60):
        a, b = Decimal(r), Decimal(p)
        factors = [(a + i) / (i + 1) * (1 - b) for i in range(k)]
        exact = sum((f.ln() for f in factors), a * b.ln())
    assert_allclose(NegativeBinomial(r, p).log_prob(k), float(exact), rtol=1e-13, atol=0)
