"""Maximum likelihood: the inverse mean maps over their whole range, scipy's fits, and the samples that have no maximum.

What holds for every family (the mean of u is matched, neighbours are worse, weights count repetitions) is tested in
`test_families.py`.
"""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import digamma

from companion.families import (
    Beta,
    Dirichlet,
    Exponential,
    Gamma,
    Geometric,
    InverseGaussian,
    Laplace,
    LogNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    VonMises,
    Weibull,
    dirichlet,
)
from companion.special import bessel, gamma_function
from companion.special.newton import positive_root
from companion.special.remainders import phi

SHAPES = np.geomspace(1e-3, 1e6, 91)


# --- the functions to invert ------------------------------------------------------------------------------------------
def test_log_minus_digamma_has_its_digits():
    """Values in 20 digits (mpmath), and the recurrence ψ(a + 1) = ψ(a) + 1/a, in which nothing cancels."""
    shapes, values = (
        [1e-3, 0.5, 10.0, 1e6],
        [993.66781665282814262, 1.27036284546147817, 0.050832503927324576371, 5.0000008333333333333e-7],
    )
    assert_allclose(gamma_function.excess(shapes), values, rtol=1e-14)
    a = np.geomspace(1e-3, 1e4, 71)
    assert_allclose(gamma_function.excess(a) - gamma_function.excess(a + 1), phi(1 / a), rtol=1e-9)


def test_inverse_of_log_minus_digamma():
    assert_allclose(gamma_function.inverse_excess(gamma_function.excess(SHAPES)), SHAPES, rtol=2e-14)
    tiny = np.array([1e-90, 1e-150, 1e-250, 1e-300])  # of weights next to nothing
    assert_allclose(gamma_function.inverse_excess(tiny), 0.5 / tiny, rtol=1e-15)
    assert_allclose([gamma_function.inverse_excess(s) for s in tiny], 0.5 / tiny, rtol=1e-15)


# 1 − r, and κ in 20 digits (mpmath)
RESULTANTS = [
    (1e-12, 500000000000.25001006),
    (1e-6, 500000.25000037502356),
    (1e-3, 500.25037594098595409),
    (0.1, 5.3046890629577172411),
    (0.5, 1.159319920750138362),
    (0.9, 0.20100841330272072548),
    (0.999999, 2.000000000058511329e-6),
]


def test_inverse_bessel_ratio():
    gap, kappa = np.array(RESULTANTS).T
    assert_allclose(bessel.inverse_ratio(1 - gap, gap), kappa, rtol=1e-14)
    kappa = np.geomspace(1e-8, 1e15, 231)
    assert_allclose(bessel.inverse_ratio(bessel.ratio(kappa), bessel.one_minus_ratio(kappa)), kappa, rtol=1e-13)
    assert bessel.inverse_ratio(0.0, 1.0) == 0.0


def test_newton_says_when_it_fails():
    with pytest.raises(ArithmeticError, match="200 steps"):
        positive_root(lambda x: (np.nan * x, x), [0.5])


# --- from mean parameters, over the whole range -----------------------------------------------------------------------
def test_gamma_from_mean_parameters():
    """log E[x] − E[log x] ≈ 1/(2α) is a difference of the numbers given: 1e-16 of them is 2e-16 α of α."""
    again = Gamma.from_mean_parameters(Gamma(SHAPES, 2.0).mean_parameters())
    assert np.all(np.abs(again.shape / SHAPES - 1) < 1e-14 * np.maximum(SHAPES, 10))


def test_beta_and_dirichlet_from_mean_parameters():
    rng = np.random.default_rng(1)
    for d in (2, 3, 10):
        alpha = np.exp(rng.uniform(np.log(1e-3), np.log(1e4), (200, d)))
        assert_allclose(Dirichlet.from_mean_parameters(Dirichlet(alpha).mean_parameters()).alpha, alpha, rtol=1e-8)
    again = Beta.from_mean_parameters(Beta(*alpha.T[:2]).mean_parameters())
    assert_allclose(np.stack([again.a, again.b]), alpha.T[:2], rtol=1e-8)


@pytest.mark.parametrize("gap", [1e-12, 1e-9, 1e-4, 0.3])
def test_von_mises_from_mean_parameters(gap):
    """Along an axis the mean parameters determine 1 − r to all digits; elsewhere to the rounding of two numbers."""
    length = 1 - gap
    kappa = bessel.inverse_ratio(length, 1 - length)
    assert_allclose(VonMises.from_mean_parameters([0.0, -length]).kappa, kappa, rtol=1e-13)
    direction = np.array([np.cos(1.0), np.sin(1.0)])
    again = VonMises.from_mean_parameters(length * direction)
    assert_allclose([again.mean(), again.kappa], [1.0, kappa], rtol=1e-15 + 5e-16 / gap)


# --- fits -------------------------------------------------------------------------------------------------------------
FITS = {
    "Gamma": (Gamma(2.3, 0.7), {}, lambda x: stats.gamma.fit(x, floc=0)),
    "Gamma of small shape": (Gamma(0.05, 3.0), {}, lambda x: stats.gamma.fit(x, floc=0)),
    "Beta": (Beta(0.7, 2.5), {}, lambda x: stats.beta.fit(x, floc=0, fscale=1)),
    "LogNormal": (LogNormal(1.0, 0.6), {}, lambda x: stats.lognorm.fit(x, floc=0)),
    "Exponential": (Exponential(0.2), {}, lambda x: stats.expon.fit(x, floc=0)),
    "Laplace": (Laplace(1.0, 2.0), {}, stats.laplace.fit),
    "Laplace about 0.5": (Laplace(0.5, 2.0), {"loc": 0.5}, lambda x: stats.laplace.fit(x, floc=0.5)),
    "VonMises": (VonMises(0.4, 2.0), {}, lambda x: stats.vonmises.fit(x, fscale=1)),
    "VonMises, concentrated": (VonMises(0.4, 300.0), {}, lambda x: stats.vonmises.fit(x, fscale=1)),
    "InverseGaussian": (InverseGaussian(1.5, 4.0), {}, lambda x: stats.invgauss.fit(x, floc=0)),
    "Pareto": (Pareto(2.5, 1.5), {}, lambda x: stats.pareto.fit(x, floc=0)),
    "Pareto above 1.5": (Pareto(2.5, 1.5), {"xm": 1.5}, lambda x: stats.pareto.fit(x, floc=0, fscale=1.5)),
}


@pytest.mark.parametrize("name", FITS)
def test_at_least_as_likely_as_scipys_fit(name):
    member, fixed, scipy_fit = FITS[name]
    x = member.sample(1000, rng=21)
    frozen = member.to_scipy().dist(*scipy_fit(x))
    ours = type(member).fit(x, **fixed)
    assert np.mean(ours.to_scipy().logpdf(x)) >= np.mean(frozen.logpdf(x)) - 1e-12


@pytest.mark.parametrize("shape", [4e-3, 1e-2, 1.0, 1e3, 1e6])
def test_gamma_fit_solves_the_likelihood_equation(shape):
    """log mean − mean log is computed as a mean of φ ≥ 0, so that a spread of a thousandth keeps its digits."""
    z = np.array([0.2, 0.4, 0.9, 1.7, 2.3]) - 1.1
    x = 5.0 * (1 + z / np.sqrt(shape)) if shape > 3 else 5.0 * np.exp(z / shape)
    fit = Gamma.fit(x)
    gap = np.mean(phi(x / x.mean() - 1, x / x.mean()))
    assert_allclose(gamma_function.excess(fit.shape), gap, rtol=1e-9)
    assert_allclose(fit.mean(), x.mean(), rtol=1e-14)


def test_von_mises_fit_of_angles_that_hardly_differ():
    """1 − r ≈ 1e-14 from the data, where the mean of the cosine has two digits of it; any turn of the circle does."""
    away = 1e-7 * np.array([-1.5, -0.5, 0.0, 0.5, 1.5])
    fit = VonMises.fit(away)
    assert_allclose(fit.kappa, 1 / np.mean(away**2), rtol=1e-12)
    turned = VonMises.fit(away + 2 * np.pi * np.array([0, 1, -1, 2, 0]))
    assert_allclose(turned.kappa, fit.kappa, rtol=1e-6)


def test_von_mises_fit_of_angles_between_which_doubles_are_sparse():
    """κ = 1/(1 − R)/2, to first order, of angles about 3.1 within 1e-12: their mean is no double."""
    x = 3.1 + 1e-12 * np.array([0.3, -1.2, 0.8, 0.1, 1.5])
    away = [Fraction(v) - Fraction(x[0]) for v in x]
    mean = sum(away) / 5
    kappa = 1 / (sum((v - mean) ** 2 for v in away) / 5)
    assert_allclose(VonMises.fit(x).kappa, float(kappa), rtol=1e-12)
    assert_allclose(
        VonMises.fit(VonMises.statistics(x[:2]) + VonMises.statistics(x[2:])).kappa, float(kappa), rtol=1e-12
    )


@pytest.mark.parametrize("unit", [1e-300, 1e-5, 1.0, 1e300, 1.5e308])
@pytest.mark.parametrize("spread", [1e-13, 1e-9, 1e-5, 1e-2])
def test_log_normal_fit_keeps_its_digits_in_any_unit(unit, spread):
    """The logarithms of x over the first, by their series in exact fractions."""
    x = unit * (1 + spread * np.array([0.0, -1.2, 0.8, 0.1, 1.5, -0.4]))
    t = [Fraction(v) / Fraction(x[0]) - 1 for v in x]
    logs = [sum(Fraction((-1) ** (k + 1), k) * v**k for k in range(1, 12)) for v in t]
    mean = sum(logs) / 6
    sd = np.sqrt(float(sum((v - mean) ** 2 for v in logs) / 6))
    for weights in (None, np.full(6, 2.0**-300)):
        parts = [LogNormal.statistics(x[i : i + 2], None if weights is None else weights[:2]) for i in (0, 2, 4)]
        for fit in (LogNormal.fit(x, weights), LogNormal.fit(sum(parts)), LogNormal.fit(sum(parts[::-1]))):
            assert_allclose(fit.sd, sd, rtol=1e-12)
            assert_allclose(fit.parameter("mean"), np.log(x[0]) + float(mean), rtol=1e-15, atol=1e-16)


def test_von_mises_fit_gives_a_direction_of_the_first_turn():
    for centre in (np.pi, -np.pi, 3.0, 9.0, -12.0, 0.0):
        mean = VonMises.fit(centre + np.array([-0.25, 0.25])).mean()
        assert -np.pi <= mean < np.pi and np.cos(mean - centre) > 1 - 1e-14
    assert VonMises.fit(1e-9 * np.array([1.0, 3.0])).mean() == pytest.approx(2e-9, rel=1e-14)  # wrapping loses no digit


def test_von_mises_fit_without_direction_is_uniform():
    assert VonMises.fit([0.0, np.pi]).kappa < 1e-15


def test_dirichlet_fit_of_many_shapes():
    """No scipy fit exists: the likelihood equations, and no better point nearby."""
    rng = np.random.default_rng(5)
    for alpha in ([0.3, 0.6, 2.0], [5e3, 1e4, 2e2], [1.0, 1.0], np.full(30, 0.8)):
        x = Dirichlet(alpha).sample(400, rng)
        fit = Dirichlet.fit(x)
        assert_allclose(fit.mean_parameters(), np.log(x).mean(axis=0), rtol=1e-11)
        for factor in np.exp(0.01 * rng.normal(size=(10, len(alpha)))):
            assert Dirichlet(fit.alpha * factor).log_prob(x).sum() < fit.log_prob(x).sum()


def test_weighted_median():
    """Of a table of frequencies, and between two observations their mean, as without weights."""
    assert Laplace.fit([3.0, 1.0, 2.0], weights=[1, 1, 5]).loc == 2.0
    assert Laplace.fit([3.0, 1.0], weights=[2, 2]).loc == 2.0
    assert Laplace.fit([3.0, 1.0, 9.0], weights=[3, 2, 0]).loc == 3.0
    assert (
        Laplace.fit([3.0, 1.0, 2.0, 7.0]).loc == Laplace.fit([3.0, 1.0, 2.0, 7.0], weights=np.full(4, 0.1)).loc == 2.5
    )


def test_observations_of_weight_zero_do_not_count():
    weights = [1, 1, 1, 0]
    assert Gamma.fit([1.0, 2.0, 4.0, 0.0], weights=weights) == Gamma.fit([1.0, 2.0, 4.0])
    assert Pareto.fit([1.0, 2.0, 4.0, 0.1], weights=weights) == Pareto.fit([1.0, 2.0, 4.0])
    assert Beta.fit([0.1, 0.2, 0.4, 1.0], weights=weights) == Beta.fit([0.1, 0.2, 0.4])


@pytest.mark.parametrize("d", [2, 3, 20])
@pytest.mark.parametrize("low, high", [(1e-8, 1e-2), (1e-3, 1e4), (1e-2, 1e8)])
def test_concentrations_are_found_from_any_start(d, low, high):
    """Back to the concentrations, as far as the rounding of their mean logarithms allows, and at once for a batch."""
    alpha = np.exp(np.random.default_rng(d).uniform(np.log(low), np.log(high), (500, d)))
    mu = Dirichlet(alpha).mean_parameters()
    found = Dirichlet.from_mean_parameters(mu).alpha
    total = np.maximum(alpha.sum(-1), 1)
    rounding = 64e-16 * (2 - mu.min(-1) + np.log(total)) * total
    assert np.all(np.abs(found / alpha - 1).max(-1) < np.maximum(4e-9, rounding))


def test_counts_and_fits_at_the_edge_of_doubles():
    """Exact up to where squares of differences and whole numbers still fit; refused, with the reason, beyond."""
    g = np.random.default_rng(0).normal(size=200)
    assert_allclose(Normal.fit(1e-140 * g).sd, 1e-140 * g.std(), rtol=1e-13)
    assert_allclose(Normal.fit(np.array([2**53 - 600, 2**53])).sd, 300, rtol=1e-15)
    assert_allclose(Normal.fit(np.array([2**62, 2**62 + 2**12])).sd, 2.0**11, rtol=1e-15)  # doubles hold both
    for x in (1e-161 * g, 1e-200 * g):
        with pytest.raises(ValueError, match=r"spread of x = .*Change the unit of measurement"):
            Normal.fit(x)
        with pytest.raises(ValueError, match=r"spread of x\[0\] = .*Change the unit of measurement"):
            MultivariateNormal.fit(x.reshape(-1, 2))
    with pytest.raises(ValueError, match="x = 4611686018427388504; expected whole numbers that doubles hold"):
        Normal.fit(np.array([2**62, 2**62 + 600]))
    with pytest.raises(ValueError, match=r"Normal.fit: variance of x = 0.0; expected a positive variance"):
        Normal.fit([1e-200, 1e-200])


def test_concentrations_beyond_what_mean_logarithms_tell():
    with pytest.raises(ValueError, match=r"Dirichlet.fit: sum of the concentrations = .*; expected at most "):
        Dirichlet.fit([[0.5, 0.5], [0.5 + 1e-9, 0.5 - 1e-9]])
    with pytest.raises(ValueError, match=r"Dirichlet.fit: .*; expected at most "):  # one proportion varies by a half
        Dirichlet.fit([[1 - 1e-15, 1e-15], [1 - 2e-15, 2e-15], [1 - 1e-15, 1e-15]])


# Observations as doubles; the concentrations that solve the likelihood equations, in 60 to 640 digits (mpmath).
CONCENTRATED = {
    "within 1e-12 of a half": (
        [0.4999999999995, 0.500000000000125, 0.50000000000075, 0.49999999999975, 0.500000000000375],
        6.36966349982085874e23,
        6.36966349981831093e23,
    ),
    "within 1e-6 of 0.3": (
        [0.2999997, 0.300000075, 0.30000045, 0.29999985, 0.300000225],
        891720050815.159121,
        2080679524088.78973,
    ),
    "about 1e-5, within a tenth": (
        [9e-06, 1.025e-05, 1.15e-05, 9.5e-06, 1.075e-05],
        132.498145459865025,
        12989881.7627596672,
    ),
    "within 1e-12 of 1": (
        [0.999999999999, 0.999999999998, 0.9999999999985, 0.9999999999995, 0.999999999997],
        1945091722490.43604,
        3.11216428937469656,
    ),
    "the last doubles before 1": (
        [0.9999999999999999, 0.9999999999999994, 0.9999999999999998, 0.9999999999999999, 0.9999999999999997],
        10194011987588537.5,
        2.71623043726215671,
    ),
    "about 1e-150": (
        [9.99999999e-151, 1.00000000025e-150, 1.0000000015e-150, 9.999999995e-151, 1.0000000007500001e-150],
        1.27388542722819699e18,
        1.27388542697341987e168,
    ),
    "both ends": (
        [1e-300, 0.9999999999999999, 1e-300, 0.5, 0.9999999999999999],
        0.00293727101742242873,
        0.012681917632337598,
    ),
    "from 1e-300 to 1e-3": (
        [1e-300, 1e-200, 1e-100, 9.999999999999999e-06, 0.001],
        0.00361613044675362955,
        18.3863085535926251,
    ),
}


@pytest.mark.parametrize("case", CONCENTRATED)
def test_beta_concentrations_have_their_digits(case):
    x, a, b = CONCENTRATED[case]
    x = np.array(x)
    weights = np.ones(len(x))
    for fit in (
        Beta.fit(x),
        Beta.fit(x[::-1], 2.0**-600 * weights),
        Beta.fit(Beta.statistics(x[:2]) + Beta.statistics(x[2:])),
        Beta.fit(Beta.statistics(x[2:]) + Beta.statistics(x[:2])),
    ):
        assert_allclose([fit.a, fit.b], [a, b], rtol=2e-12)


def test_a_beta_fit_that_doubles_do_not_hold():
    with pytest.raises(ValueError, match=r"Beta.fit: spread of x = .*differ by more than 1e-14"):
        Beta.fit([0.1] * 7 + [np.nextafter(0.1, 1)])
    with pytest.raises(ValueError, match=r"Beta.fit: mean of x = .*a beta distribution is a gamma"):
        Beta.fit([5e-322, 1e-321, 2e-322])


def test_samples_of_small_concentrations():
    """Gammas of shape 1e-3 underflow half of the time; a vector of proportions must not be 0/0."""
    x = Dirichlet(np.full(3, 1e-3)).sample(2000, rng=3)
    assert_allclose(x.sum(axis=-1), 1, rtol=1e-14)
    assert_allclose(x.mean(axis=0), 1 / 3, atol=4 * np.sqrt(2 / 9 / 2000))


def test_weibull_fit_does_not_overflow():
    assert_allclose(Weibull.fit([1e30, 2e30], k=20.0).scale, 1e30 * ((1 + 2.0**20) / 2) ** 0.05, rtol=1e-14)


def test_fits_on_the_boundary_of_the_parameters():
    assert Geometric.fit([1, 1, 1]) == Geometric(1.0) and NegativeBinomial.fit([0, 0], r=3) == NegativeBinomial(3, 1.0)
    assert Geometric(1.0).entropy() == 0 and NegativeBinomial(3, 1.0).entropy() == 0
    assert Geometric(1.0).log_prob(1) == 0 and Geometric(0.5).kl_divergence(Geometric(1.0)) == np.inf


NO_MAXIMUM = {
    "gamma, all equal": (lambda: Gamma.fit([2.0, 2.0]), "observations that differ"),
    "gamma, a zero": (lambda: Gamma.fit([2.0, 0.0]), "positive observations"),
    "beta, all equal": (lambda: Beta.fit([0.3, 0.3]), "observations that differ"),
    "beta, an end": (lambda: Beta.fit([0.3, 1.0]), "strictly between 0 and 1"),
    "Dirichlet, all equal": (lambda: Dirichlet.fit([[0.2, 0.8], [0.2, 0.8]]), "observations that differ"),
    "Dirichlet, a zero": (lambda: Dirichlet.fit([[0.2, 0.8], [0.0, 1.0]]), "positive proportions"),
    "log-normal, all equal": (lambda: LogNormal.fit([3.0, 3.0, 3.0]), "observations that differ"),
    "log-normal, a zero": (lambda: LogNormal.fit([0.0, 3.0]), "positive observations"),
    "inverse Gaussian, all equal": (lambda: InverseGaussian.fit([3.0, 3.0]), "observations that differ"),
    "inverse Gaussian, a zero": (lambda: InverseGaussian.fit([3.0, 0.0]), "positive observations"),
    "exponential, zeros": (lambda: Exponential.fit([0.0, 0.0]), "a positive mean"),
    "Weibull, zeros": (lambda: Weibull.fit([0.0, 0.0], k=2), "a positive number"),
    "Laplace, all at the location": (lambda: Laplace.fit([1.0, 1.0]), "a positive number"),
    "Pareto, all at the minimum": (lambda: Pareto.fit([1.5, 1.5]), "a positive number"),
    "von Mises, all equal": (lambda: VonMises.fit([1.0, 1.0]), "observations that differ"),
}


@pytest.mark.parametrize("name", NO_MAXIMUM)
def test_no_maximum(name):
    call, expected = NO_MAXIMUM[name]
    with pytest.raises(ValueError, match="no maximum exists") as caught:
        call()
    assert expected in str(caught.value)


def test_data_below_a_given_minimum():
    with pytest.raises(ValueError, match="support"):
        Pareto.fit([1.0, 2.0], xm=1.5)


# --- beyond one exponential family ------------------------------------------------------------------------------------
def test_supports_that_are_not_nested():
    wide, narrow = Pareto(2.0, 1.0), Pareto(3.0, 1.5)
    assert wide.kl_divergence(narrow) == np.inf and wide.cross_entropy(narrow) == np.inf
    x = stats.pareto(3.0, scale=1.5).ppf((np.arange(200_000) + 0.5) / 200_000)
    assert_allclose(narrow.kl_divergence(wide), np.mean(narrow.log_prob(x) - wide.log_prob(x)), rtol=1e-3)


def test_laplace_of_different_locations():
    p, q = Laplace(0.3, 1.2), Laplace(-1.0, 0.8)
    x = stats.laplace(0.3, 1.2).ppf((np.arange(200_000) + 0.5) / 200_000)
    assert_allclose(p.kl_divergence(q), np.mean(p.log_prob(x) - q.log_prob(x)), rtol=1e-4)
    assert_allclose(p.cross_entropy(q), p.entropy() + p.kl_divergence(q), rtol=1e-14)


@pytest.mark.parametrize("alpha", [[1e-3, 5.0, 1e3], [500.0, 0.05, 0.05, 0.05], [0.5, 0.5], [40.0, 41.0, 39.0, 3.0]])
def test_concentrations_of_one_member_by_plain_numbers(alpha):
    """As of many; a step that would lead below zero is shortened, and needs no help from arrays."""
    alpha = np.array(alpha)
    mu = digamma(alpha) - digamma(alpha.sum())
    gap = -np.log(np.sum(np.exp(mu)))
    assert_allclose(dirichlet._inverse_mean_map_of_one(mu.tolist(), gap), alpha, rtol=1e-6)
    assert_allclose(dirichlet._inverse_mean_map(np.stack([mu, mu]), np.array([gap, gap])), [alpha, alpha], rtol=1e-6)
