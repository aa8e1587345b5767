"""`companion.fitting`: against closed forms, textbook values, SciPy's own fits, and data that have no maximum.

The verdicts on all of SciPy's distributions are stored by `make_fitting.py`; the quick ones are fitted again here.
"""

import copy
import json
import pickle
import types

import make_fitting
import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, i0e, i1e, polygamma

from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Exponential,
    Gamma,
    Geometric,
    Laplace,
    LogNormal,
    Mixture,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
)
from companion.fitting import Fit, differences, fit, scipy_models
from companion.fitting import families as of_families
from companion.fitting.result import fingerprint
from companion.lesson.datasets import old_faithful

RNG = np.random.default_rng(3)
X = RNG.gamma(2.0, 1.5, size=200)
COUNTS = RNG.negative_binomial(2, 0.4, size=300)


def trigamma(z):
    return polygamma(1, z)


# --- closed forms of the information ------------------------------------------------------------------------------
def _dirichlet(m):
    return np.diag(trigamma(m.alpha)) - trigamma(m.alpha.sum())


def _von_mises(m):
    r = i1e(m.kappa) / i0e(m.kappa)
    return np.diag([m.kappa * r, 1 - r / m.kappa - r**2])


#: Fisher information of one observation about the parameters, from textbooks.
INFORMATION = {
    "Bernoulli": lambda m: np.array([[1 / (m.p * (1 - m.p))]]),
    "Binomial": lambda m: np.array([[m.n / (m.p * (1 - m.p))]]),
    "Poisson": lambda m: np.array([[1 / m.rate]]),
    "Geometric": lambda m: np.array([[1 / (m.p**2 * (1 - m.p))]]),
    "NegativeBinomial": lambda m: np.array([[m.r / (m.p**2 * (1 - m.p))]]),
    "Normal": lambda m: np.diag([1.0, 2.0]) / m.sd**2,
    "LogNormal": lambda m: np.diag([1.0, 2.0]) / m.sd**2,
    "Exponential": lambda m: np.array([[1 / m.rate**2]]),
    "Gamma": lambda m: np.array([[trigamma(m.shape), -1 / m.rate], [-1 / m.rate, m.shape / m.rate**2]]),
    "Beta": lambda m: np.diag(trigamma(np.array([m.a, m.b]))) - trigamma(m.a + m.b),
    "Dirichlet": _dirichlet,
    "VonMises": _von_mises,
    "InverseGaussian": lambda m: np.diag([m.shape / m.parameter("mean") ** 3, 1 / (2 * m.shape**2)]),
    "Weibull": lambda m: np.array([[m.k**2 / m.scale**2]]),
}


def held(member):
    return {name: member.parameter(name) for name in member.fixed_names}


@pytest.mark.parametrize("name", INFORMATION)
def test_covariance_is_the_inverse_of_the_textbook_information(name):
    family = FAMILIES[name].cls
    member = FAMILIES[name].draw(np.random.default_rng(4))
    x = member.sample(150, 5)
    found = fit(family, x, **held(member))
    assert found.model == family.fit(x, **held(member))
    expected = np.linalg.inv(150 * INFORMATION[name](found.model))
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-7, atol=1e-9 * np.max(expected))
    assert found.residual < 1e-8 and found.optimum == "interior" and not found.notes
    np.testing.assert_allclose(found.log_likelihood, np.sum(found.model.log_prob(x)), rtol=1e-12)
    u, mu = found.model.sufficient_statistics(x), found.model.mean_parameters()
    np.testing.assert_allclose(u.mean(axis=0), mu, rtol=1e-7, atol=1e-9)  # the residual of the likelihood equations


def test_every_family_of_the_table_is_fitted():
    rest = {"Categorical", "MultivariateNormal", "Laplace", "Pareto"}  # below
    assert set(FAMILIES) - rest <= set(INFORMATION)


def test_probabilities_that_sum_to_one():
    x = np.repeat([0, 1, 2], [50, 30, 20])
    found = fit(Categorical, x)
    p = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(found.covariance, (np.diag(p) - np.outer(p, p)) / 100, rtol=1e-7)
    np.testing.assert_allclose(found.sandwich, found.covariance, rtol=1e-7)  # this model cannot be wrong
    assert list(found.parameters) == ["probs[0]", "probs[1]", "probs[2]"] and found.free == 2
    np.testing.assert_allclose(found.effective_parameters, 2, rtol=1e-7)


def test_mean_and_covariance_of_vectors():
    x = MultivariateNormal([1.0, -2.0], [[2.0, 0.5], [0.5, 1.0]]).sample(100, 6)
    found = fit(MultivariateNormal, x)
    s = np.cov(x.T, ddof=0)
    assert list(found.parameters) == ["mean[0]", "mean[1]", "cov[0,0]", "cov[0,1]", "cov[1,1]"]
    pairs = [(0, 0), (0, 1), (1, 1)]
    wishart = np.array([[s[i, k] * s[j, l] + s[i, l] * s[j, k] for k, l in pairs] for i, j in pairs]) / 100
    np.testing.assert_allclose(found.covariance[:2, :2], s / 100, rtol=1e-7)
    np.testing.assert_allclose(found.covariance[2:, 2:], wishart, rtol=1e-6)
    np.testing.assert_allclose(found.covariance[:2, 2:], 0, atol=1e-9)


# --- errors under a wrong model -----------------------------------------------------------------------------------
def test_sandwich_of_means():
    poisson = fit(Poisson, COUNTS)
    variance, n = np.var(COUNTS), len(COUNTS)
    np.testing.assert_allclose(poisson.covariance, [[np.mean(COUNTS) / n]], rtol=1e-8)
    np.testing.assert_allclose(poisson.sandwich, [[variance / n]], rtol=1e-8)
    np.testing.assert_allclose(poisson.effective_parameters, variance / np.mean(COUNTS), rtol=1e-8)
    exponential = fit(Exponential, X)
    np.testing.assert_allclose(exponential.sandwich, [[np.var(X) / np.mean(X) ** 4 / len(X)]], rtol=1e-8)


def test_sandwich_of_the_normal_from_its_moments():
    found, n = fit(Normal, X), len(X)
    away = X - X.mean()
    m2, m3, m4 = (np.mean(away**k) for k in (2, 3, 4))
    expected = np.array([[m2, m3 / (2 * np.sqrt(m2))], [m3 / (2 * np.sqrt(m2)), (m4 - m2**2) / (4 * m2)]]) / n
    np.testing.assert_allclose(found.sandwich, expected, rtol=1e-7)
    np.testing.assert_allclose(found.effective_parameters, 1 + (m4 / m2**2 - 1) / 2, rtol=1e-8)
    np.testing.assert_allclose(found.tic, -2 * found.log_likelihood + 2 * found.effective_parameters)
    np.testing.assert_allclose(found.aic, -2 * found.log_likelihood + 4)
    np.testing.assert_allclose(found.bic, -2 * found.log_likelihood + 2 * np.log(n))
    np.testing.assert_allclose(list(found.standard_errors.values()), np.sqrt(np.diag(found.covariance)))
    np.testing.assert_allclose(list(found.robust_standard_errors.values()), np.sqrt(np.diag(found.sandwich)))


def test_weights_are_counts_of_observations():
    once = fit(Gamma, [1.0, 2.0, 5.0, 9.0], weights=[3, 1, 0, 2])
    again = fit(Gamma, [1.0, 1.0, 1.0, 2.0, 9.0, 9.0])
    assert once.n == again.n == 6
    np.testing.assert_allclose(once.log_likelihood, again.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(once.covariance, again.covariance, rtol=1e-8)
    np.testing.assert_allclose(once.sandwich, again.sandwich, rtol=1e-8)
    assert once.bic == pytest.approx(again.bic, rel=1e-12)
    theirs = fit(stats.gamma, [1.0, 2.0, 5.0, 9.0], weights=[3, 1, 0, 2])
    np.testing.assert_allclose(theirs.log_likelihood, again.log_likelihood, rtol=1e-12)


def test_robust_intervals_cover_where_model_based_ones_do_not():
    """Counts with variance 3.5 times the mean under a Poisson model: 1,500 samples, and what theory says of both."""
    rng, low, high = np.random.default_rng(8), np.zeros((1500, 2)), np.zeros((1500, 2))
    for i in range(len(low)):
        x = rng.negative_binomial(2, 2 / 7, size=80)  # mean 5, variance 17.5
        mean, variance = x.mean(), x.var()
        for j, v in enumerate((mean, variance)):  # the closed forms, held to `fit` above
            factor = np.exp(1.959964 * np.sqrt(v / 80) / mean)
            low[i, j], high[i, j] = mean / factor, mean * factor
        if i < 5:
            found = fit(Poisson, x)
            for j, robust in enumerate((False, True)):
                np.testing.assert_allclose(found.interval(0.95, robust=robust)["rate"], (low[i, j], high[i, j]))
    cover = np.mean((low < 5) & (high > 5), axis=0)
    assert abs(cover[1] - 0.95) < 0.02 and cover[0] < 0.8


# --- intervals ----------------------------------------------------------------------------------------------------
def test_intervals_are_symmetric_on_the_scale_of_the_domain():
    z = stats.norm.ppf(0.95)
    gamma = fit(Gamma, X)
    for name, (low, high) in gamma.interval(0.9).items():
        value, error = gamma.parameters[name], gamma.standard_errors[name]
        np.testing.assert_allclose(np.log([low, high]), np.log(value) + np.array([-z, z]) * error / value)
    coin = fit(Bernoulli, [0] * 19 + [1])
    low, high = coin.interval(0.9)["p"]
    logit = np.log(np.array([low, 0.05, high]) / (1 - np.array([low, 0.05, high])))
    np.testing.assert_allclose(np.diff(logit), z / np.sqrt(20 * 0.05 * 0.95))
    normal = fit(Normal, X)
    low, high = normal.interval(0.9, robust=True)["mean"]
    np.testing.assert_allclose([low, high], X.mean() + np.array([-z, z]) * X.std() / np.sqrt(len(X)))
    zipf = fit(stats.zipf, stats.zipf.rvs(1.5, size=50, random_state=1))
    low, high = zipf.interval(0.9)["a"]
    a = zipf.parameters["a"]
    np.testing.assert_allclose((low - 1) * (high - 1), (a - 1) ** 2)
    half = fit(stats.wrapcauchy, stats.wrapcauchy.rvs(0.6, size=80, random_state=1)).interval()["c"]
    assert 0 < half[0] < 0.6 < half[1] < 1


# --- mixtures -----------------------------------------------------------------------------------------------------
def _mixture_scores(theta, x):
    """Scores of w N(a, s²) + (1 − w) N(b, t²), written out; complex arguments work."""
    w, a, b, s, t = theta
    one, two = (np.exp(-((x - m) ** 2) / (2 * d**2)) / d for m, d in ((a, s), (b, t)))
    p = w * one + (1 - w) * two
    r, q = w * one / p, (1 - w) * two / p
    columns = [
        (one - two) / p,
        r * (x - a) / s**2,
        q * (x - b) / t**2,
        r * ((x - a) ** 2 / s**3 - 1 / s),
        q * ((x - b) ** 2 / t**3 - 1 / t),
    ]
    return np.stack(columns, axis=-1)


def test_mixture_against_scores_written_out():
    x = old_faithful().waiting
    found = fit(Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)), x)
    names = ["weights[0]", "weights[1]", "mean[0]", "mean[1]", "sd[0]", "sd[1]"]
    assert list(found.parameters) == names and found.free == 5 and "start" in found.notes[0]
    keep = [0, 2, 3, 4, 5]
    theta = np.array(list(found.parameters.values()))[keep]
    scores = _mixture_scores(theta, x)
    assert np.max(np.abs(scores.sum(axis=0)) / np.sqrt((scores**2).sum(axis=0))) < 1e-8
    information = np.empty((5, 5))
    for j in range(5):
        step = theta + 1e-30j * (np.arange(5) == j)
        information[:, j] = -_mixture_scores(step, x).sum(axis=0).imag / 1e-30
    expected = np.linalg.inv(information)
    np.testing.assert_allclose(found.covariance[np.ix_(keep, keep)], expected, rtol=1e-6)
    sandwich = expected @ (scores.T @ scores) @ expected
    np.testing.assert_allclose(found.sandwich[np.ix_(keep, keep)], sandwich, rtol=1e-6)
    np.testing.assert_allclose(found.covariance[0], -found.covariance[1])
    np.testing.assert_allclose(found.tic, -2 * found.log_likelihood + 2 * np.trace(expected @ scores.T @ scores))


@pytest.mark.slow
def test_mixture_of_counts_holds_what_its_components_hold():
    x = np.concatenate([stats.binom.rvs(12, p, size=100, random_state=2) for p in (0.2, 0.7)])
    found = fit(Mixture([0.5, 0.5], Binomial(12, [0.3, 0.6])), x)
    assert list(found.parameters)[2:] == ["p[0]", "p[1]"] and found.held == {"n": [12, 12]}
    assert found.residual < 1e-6


# --- kinks, edges, and no maximum ---------------------------------------------------------------------------------
def test_a_median_is_a_kink_and_a_smallest_observation_an_edge():
    laplace = fit(Laplace, [0.0, 1.0, 5.0])
    assert laplace.optimum == "kink" and laplace.parameters == {"loc": 1.0, "scale": 5 / 3} and laplace.free == 2
    assert laplace.residual < 1e-8
    pareto = fit(Pareto, [1.0, np.e, np.e**2])
    assert pareto.optimum == "edge" and pareto.parameters["xm"] == 1.0
    for found, name in ((laplace, "loc"), (pareto, "xm")):
        for attribute in ("covariance", "sandwich", "standard_errors", "tic", "effective_parameters"):
            with pytest.raises(ValueError, match=rf"{attribute if attribute != 'standard_errors' else ''}.*{name} = 1"):
                getattr(found, attribute)
        assert found.aic == -2 * found.log_likelihood + 4 and "No standard errors" in repr(found)
        alone = fit(type(found.model), [1.0, 3.0, 7.0], **{name: 1.0})
        assert len(alone.standard_errors) == 1 and alone.held == {name: 1.0}


@pytest.mark.parametrize(
    ("dist", "x", "expected", "held"),
    [
        (stats.uniform, [3.0, 1.0, 2.5], {"loc": 1.0, "scale": 2.0}, {}),
        (stats.expon, [3.0, 1.0, 2.5, 7.5], {"loc": 1.0, "scale": 2.5}, {"loc": None}),
        (stats.pareto, [1.0, np.e, np.e**2], {"b": 1.0, "scale": 1.0}, {}),
        (stats.powerlaw, [np.exp(-2), np.exp(-1), 1.0], {"a": 1.0, "scale": 1.0}, {"scale": None}),
        (stats.laplace, [0.0, 1.0, 5.0], {"loc": 1.0, "scale": 5 / 3}, {}),
        (stats.randint, [3, 9, 4], {"low": 3.0, "high": 10.0}, {}),
        (stats.loguniform, [0.5, 9.0, 4.0], {"a": 0.5, "b": 9.0}, {}),
        (stats.bernoulli, [0, 0, 0], {"p": 0.0}, {}),
        (stats.poisson, [0, 0, 0], {"mu": 0.0}, {}),
        (stats.geom, [1, 1, 1], {"p": 1.0}, {}),
    ],
)
def test_maxima_at_an_end_in_closed_form(dist, x, expected, held):
    found = fit(dist, x, **held)
    assert found.optimum == ("kink" if dist is stats.laplace else "edge")
    assert found.parameters == pytest.approx(expected, rel=1e-8, abs=1e-12)
    log_p = found.model.logpmf if hasattr(found.model.dist, "pmf") else found.model.logpdf
    np.testing.assert_allclose(found.log_likelihood, np.sum(log_p(x)), rtol=1e-10)
    with pytest.raises(ValueError, match="covariance"):
        _ = found.covariance


def test_our_edges():
    for family, x, value in ((Bernoulli, [0, 0], 0.0), (Geometric, [1, 1], 1.0)):
        found = fit(family, x)
        assert found.optimum == "edge" and list(found.parameters.values()) == [value] and found.log_likelihood == 0
    found = fit(Categorical, [0, 0, 1, 1, 1], classes=3)
    assert found.optimum == "edge" and found.parameters["probs[2]"] == 0 and found.free == 2
    with pytest.raises(ValueError, match="end of its domain"):
        found.interval()


def test_zero_noncentrality_is_an_edge():
    x = stats.norm.ppf((np.arange(40) + 0.5) / 40)
    found = fit(stats.foldnorm, np.abs(x) ** 1.2)
    assert found.optimum == "edge" and found.parameters["c"] == 0.0


@pytest.mark.parametrize(
    ("model", "x", "why"),
    [
        (Normal, [1.0, 1.0], "no maximum|spread"),
        (Gamma, [2.0, 2.0], "grows without bound"),
        (stats.norm, [1.0, 1.0, 1.0], "grows without bound"),
        (stats.norm, [1.0], "grows without bound"),
        (stats.gamma, [0.0, 1.0, 2.0], "infinite"),
        (stats.beta, [0.0, 0.5, 0.7], "infinite"),
        (stats.gamma, [-1.0, 1.0, 2.0], "inside the support"),
        (stats.arcsine, [0.1, 0.5, 0.7], "infinite"),
        (stats.uniform, [0.5, 0.5], "differ"),
        pytest.param(stats.t, stats.norm.ppf((np.arange(60) + 0.5) / 60), "df", marks=pytest.mark.slow),
        (stats.nbinom, [3, 4, 4, 5, 4, 3], "n"),
        (stats.levy_stable, [1.0, 2.0], "too slowly"),
        (stats.poisson_binom, [1, 2], "vector"),
        (stats.hypergeom, [1, 2], "whole number"),
        (stats.binom, [1, 2], "n=12"),
        (stats.poisson, [1.5], "whole number"),
    ],
)
def test_no_maximum_is_refused_with_the_reason(model, x, why):
    with pytest.raises(ValueError, match=f": .+; expected .+(?s:.*)({why})|(?s:{why}).*expected"):
        fit(model, x)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "limit"), [("burr", "invweibull"), ("f", "invgamma")])
def test_a_refusal_that_names_a_limit_is_right(name, limit):
    """With d → ∞ Burr's distribution becomes a Fréchet, with dfn → ∞ an F an inverse gamma: no member beats these."""
    x = np.array(ROWS[name]["x"])
    best = fit(getattr(stats, limit), x).log_likelihood
    with pytest.raises(ValueError, match="to the end of the domain"):
        fit(getattr(stats, name), x)
    shape = {"burr": "d", "f": "dfn"}[name]
    reached = [fit(getattr(stats, name), x, **{shape: value}).log_likelihood for value in (10.0, 100.0, 1000.0)]
    assert reached == sorted(reached) and reached[-1] < best


def test_normal_theory_is_refused_at_an_estimated_end():
    x = stats.semicircular.ppf((np.arange(50) + 0.5) / 50)
    found = fit(stats.semicircular, x)
    assert found.optimum == "interior" and found.residual < 1e-6
    with pytest.raises(ValueError, match=r"power 0\.5"):
        _ = found.covariance
    assert fit(stats.semicircular, x, loc=None, scale=2.0).model.dist.name == "semicircular"


def test_three_parameters_have_a_local_maximum():
    x = stats.weibull_min.rvs(3.5, loc=10, size=200, random_state=1)
    found = fit(stats.weibull_min, x, loc=None)
    assert found.optimum == "interior" and list(found.standard_errors) == ["c", "loc", "scale"]
    theirs = stats.weibull_min.fit(x, 3.5, loc=10, scale=1)
    assert found.log_likelihood >= np.sum(stats.weibull_min.logpdf(x, *theirs)) - 1e-6


def test_a_distribution_of_ones_own():
    class Power(stats.rv_continuous):
        def _pdf(self, x, k):
            return k * x ** (k - 1)

    x = np.linspace(0.1, 0.9, 9)
    found = fit(Power(a=0, b=1, name="power"), x)
    assert found.parameters["k"] == pytest.approx(-1 / np.mean(np.log(x)), rel=1e-9)
    assert found.held == {"loc": 0.0, "scale": 1.0}


def test_odd_samples():
    constant = fit(stats.poisson, [3, 3, 3])
    assert constant.parameters["mu"] == pytest.approx(3) and constant.sandwich[0, 0] == 0
    one = fit(Mixture([1.0], Normal([0.0], [1.0])), X)
    assert one.parameters["weights[0]"] == 1 and one.free == 2 and one.interval()["weights[0]"] == (1, 1)
    faint = fit(Gamma, X, weights=np.full(len(X), 1e-9))
    assert faint.interval()["shape"] == (0.0, np.inf)
    with pytest.raises(ValueError, match="unit of measurement"):
        fit(stats.gamma, X * 1e200)
    masked = fit(Normal, np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True]))
    assert masked.n == 2 and masked.parameters["mean"] == 1.5


# --- scipy against our families and textbooks ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("dist", "family", "x", "held", "convert", "slopes"),
    [
        (stats.norm, Normal, X, {}, lambda m: (m.parameter("mean"), m.sd), lambda m: (1.0, 1.0)),
        (stats.gamma, Gamma, X, {}, lambda m: (m.shape, 1 / m.rate), lambda m: (1.0, -1 / m.rate**2)),
        (stats.lognorm, LogNormal, X, {}, lambda m: (m.sd, np.exp(m.parameter("mean"))), None),
        (stats.poisson, Poisson, COUNTS, {}, lambda m: (m.rate,), lambda m: (1.0,)),
        (stats.expon, Exponential, X, {}, lambda m: (1 / m.rate,), lambda m: (-1 / m.rate**2,)),
        (stats.beta, Beta, X / 20, {}, lambda m: (m.a, m.b), lambda m: (1.0, 1.0)),
        (stats.vonmises, VonMises, X / 3, {}, lambda m: (m.kappa, m.parameter("mean")), None),
    ],
)
def test_scipy_and_our_families_agree(dist, family, x, held, convert, slopes):
    theirs, ours = fit(dist, x, **held), fit(family, x, **held)
    np.testing.assert_allclose(list(theirs.parameters.values()), convert(ours.model), rtol=1e-8)
    np.testing.assert_allclose(theirs.log_likelihood, ours.log_likelihood, rtol=1e-11)
    np.testing.assert_allclose(theirs.tic, ours.tic, rtol=1e-8)
    if slopes is not None:
        d = np.diag(slopes(ours.model))
        noise = 1e-9 * ours.covariance.max()
        np.testing.assert_allclose(theirs.covariance, d @ ours.covariance @ d, rtol=1e-6, atol=noise)
        np.testing.assert_allclose(theirs.sandwich, d @ ours.sandwich @ d, rtol=1e-6, atol=1e-12)


#: Annual maximal sea levels at Port Pirie, 1923 to 1987, in metres (Coles 2001, table 1.1).
PORT_PIRIE = """4.03 3.83 3.65 3.88 4.01 4.08 4.18 3.80 4.36 3.96 3.98 4.69 3.85 3.96 3.85 3.93 3.75 3.63 3.57 4.25
3.97 4.05 4.24 4.22 3.73 4.37 4.06 3.71 3.96 4.06 4.55 3.79 3.89 4.11 3.85 3.86 3.86 4.21 4.01 4.11 4.24 3.96 4.21 3.74
3.85 3.88 3.66 4.11 3.71 4.18 3.90 3.78 3.91 3.72 4.00 3.66 3.62 4.33 4.55 3.75 4.08 3.90 3.88 3.94 4.33""".split()


def test_a_textbook_example_of_extreme_values():
    """Coles (2001), section 3.4.1: estimates, standard errors and log-likelihood; his ξ is −c."""
    found = fit(stats.genextreme, np.array(PORT_PIRIE, dtype=float))
    shown = {name: (round(v, 3), round(found.standard_errors[name], 3)) for name, v in found.parameters.items()}
    assert shown == {"c": (0.05, 0.098), "loc": (3.875, 0.028), "scale": (0.198, 0.02)}
    assert round(found.log_likelihood, 2) == 4.34


# --- units, shifts and other invariances --------------------------------------------------------------------------
@pytest.mark.parametrize("unit", [1e12, 1e-12, 1e-100])
@pytest.mark.parametrize("model", [Gamma, stats.gamma, stats.weibull_min, Normal, stats.logistic])
def test_another_unit_changes_nothing(model, unit):
    plain, scaled = fit(model, X), fit(model, X * unit)
    np.testing.assert_allclose(scaled.log_likelihood, plain.log_likelihood - len(X) * np.log(unit), rtol=1e-9)
    np.testing.assert_allclose(scaled.effective_parameters, plain.effective_parameters, rtol=1e-6)
    powers = {"loc": 1, "scale": 1, "mean": 1, "sd": 1, "rate": -1}
    for name, value in plain.parameters.items():
        factor = unit ** powers.get(name, 0)
        assert scaled.parameters[name] == pytest.approx(value * factor, rel=1e-7)
        assert scaled.standard_errors[name] == pytest.approx(plain.standard_errors[name] * factor, rel=1e-6)


@pytest.mark.parametrize("model", [Normal, stats.norm, stats.logistic, stats.gumbel_r])
def test_a_shift_moves_the_location_alone(model):
    x = np.round(X * 1024) / 1024  # exact after the shift
    plain, moved = fit(model, x), fit(model, x + 2.0**30)
    place, scale = plain.parameters
    assert moved.parameters[place] - 2.0**30 == pytest.approx(plain.parameters[place], abs=1e-6)
    assert moved.parameters[scale] == pytest.approx(plain.parameters[scale], rel=1e-7)
    np.testing.assert_allclose(moved.covariance, plain.covariance, rtol=1e-5, atol=1e-9)


def test_parameters_that_are_held():
    normal = fit(Normal, X, sd=2.0)
    assert normal.held == {"sd": 2.0} and normal.parameters == pytest.approx({"mean": X.mean()})
    np.testing.assert_allclose(normal.covariance, [[4 / len(X)]], rtol=1e-8)
    gamma = fit(Gamma, X, shape=2.0)
    assert gamma.parameters["rate"] == pytest.approx(2 / X.mean(), rel=1e-9)
    scale = fit(stats.norm, X, loc=0.0)
    assert scale.parameters["scale"] == pytest.approx(np.sqrt(np.mean(X**2)), rel=1e-9) and scale.held == {"loc": 0.0}
    shape = fit(stats.gamma, X, scale=1.0)
    assert digamma(shape.parameters["a"]) == pytest.approx(np.mean(np.log(X)), rel=1e-9)
    assert fit(Weibull, X, k=1).parameters["scale"] == pytest.approx(X.mean())
    assert fit(NegativeBinomial, COUNTS, r=2).held == {"r": 2.0}


@pytest.mark.slow
def test_shapes_that_our_families_hold_are_estimated_on_request():
    for family, name, dist, x in ((NegativeBinomial, "r", stats.nbinom, COUNTS), (Weibull, "k", stats.weibull_min, X)):
        ours, theirs = fit(family, x, **{name: None}), fit(dist, x)
        np.testing.assert_allclose(list(ours.parameters.values()), list(theirs.parameters.values()), rtol=1e-7)
        np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-5)
        assert ours.free == 2 and not ours.held
    with pytest.raises(ValueError, match=r"r = .*fit the limit"):
        fit(NegativeBinomial, [3, 4, 4, 5, 4, 3], r=None)
    with pytest.raises(TypeError, match="shape = None"):
        fit(Normal, X, shape=None)


def test_a_held_parameter_may_save_the_maximum():
    found = fit(Normal, [7.0], sd=2.0)
    assert found.parameters == pytest.approx({"mean": 7.0}) and found.standard_errors["mean"] == pytest.approx(2.0)
    with pytest.raises(ValueError, match="support"):
        fit(Gamma, [-1.0, -1.0], shape=2.0)


# --- what comes back ----------------------------------------------------------------------------------------------
def test_a_fit_is_an_immutable_value():
    found = fit(stats.gamma, X)
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again, Fit) and again.parameters == found.parameters and repr(again) == repr(found)
    np.testing.assert_array_equal(again.covariance, found.covariance)
    assert copy.copy(found) is found and copy.deepcopy(found) is found
    with pytest.raises(AttributeError, match="immutable"):
        found.n = 3
    with pytest.raises(AttributeError, match="immutable"):
        del found.n
    with pytest.raises(TypeError):
        found.parameters["a"] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        again.covariance[0, 0] = 1.0
    assert found.model.mean() == pytest.approx(X.mean(), rel=1e-8)


def test_what_is_shown():
    found = fit(stats.gamma, X)
    assert repr(found).splitlines()[0].startswith("Fit of scipy.stats.gamma: n = 200, log-likelihood ")
    assert "loc        0 (held)" in repr(found)
    page = found._repr_html_()
    assert page.count("<tr>") == 4 and "robust" in page and "95% interval" in page
    assert "Note: " in fit(Laplace, [0.0, 1.0, 5.0])._repr_html_()
    assert isinstance(fit(Poisson, [1, 2], weights=[0.5, 0.25]).n, float)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": Gamma(1, 1)}, TypeError, r"Pass the class: fit\(Gamma, x\)"),
        ({"model": stats.gamma(2)}, TypeError, r"without parameters: fit\(scipy.stats.gamma, x\)"),
        ({"model": 3}, TypeError, "expected a family"),
        ({"x": []}, ValueError, "at least one observation"),
        ({"x": [1.0, np.nan]}, ValueError, "NaN|finite|support"),
        ({"x": [1.0, np.inf]}, ValueError, "finite|support"),
        ({"x": [1.0, 2.0], "weights": [1.0]}, ValueError, "one for each observation"),
        ({"x": [1.0, 2.0], "weights": [0.0, 0.0]}, ValueError, "positive total"),
        ({"spread": 1.0}, TypeError, "spread = 1.0; expected"),
        ({"model": stats.gamma, "spread": 1.0}, TypeError, "a parameter of scipy.stats.gamma: a, loc, scale"),
        ({"model": stats.gamma, "scale": -1.0}, ValueError, "positive"),
        ({"model": stats.gamma, "a": -1.0}, ValueError, "between 0 and inf"),
        ({"model": stats.gamma, "a": "x"}, TypeError, "real numbers|one number"),
        ({"model": stats.gamma, "a": 1.0, "scale": 1.0}, ValueError, "one that is estimated"),
        ({"shape": 1.0, "rate": 1.0}, ValueError, "not held"),
        ({"model": Mixture([0.5, 0.5], Normal([0, 1], 1.0)), "sd": 1.0}, TypeError, "for a mixture"),
        ({"model": Binomial}, TypeError, "n = missing"),
    ],
)
def test_one_clear_error(arguments, error, message):
    with pytest.raises(error, match=message):
        fit(**({"model": Gamma, "x": X} | arguments))


@pytest.mark.parametrize("level", [0, 1, -0.5, np.nan, "a", None, [0.9, 0.95]])
def test_levels_between_0_and_1(level):
    with pytest.raises((ValueError, TypeError), match="level"):
        fit(Poisson, [1, 2]).interval(level)


def test_few_observations():
    assert fit(Poisson, [3]).parameters == pytest.approx({"rate": 3.0})
    assert fit(Normal, [1.0, 3.0]).parameters == pytest.approx({"mean": 2.0, "sd": 1.0})
    assert fit(stats.norm, [1.0, 3.0]).parameters == pytest.approx({"loc": 2.0, "scale": 1.0})
    assert fit(stats.expon, [2.0]).parameters == pytest.approx({"scale": 2.0})


# --- all of SciPy -------------------------------------------------------------------------------------------------
ROWS = {row["name"]: row for row in json.loads(make_fitting.TARGET.read_text(encoding="utf-8"))["rows"]}
FITTED = {name: row for name, row in ROWS.items() if row["verdict"] != "refused" and hasattr(stats, name)}
QUICK = sorted(name for name, row in FITTED.items() if row["seconds"] < 0.15)


def test_the_table_has_all_distributions_of_scipy():
    missing = set(make_fitting.everything()) - set(ROWS)
    assert len(missing) <= 5, missing  # a later SciPy may have a few more
    assert set(make_fitting.ordinary()) - set(scipy_models.REFUSED) <= set(ROWS)


def test_most_are_fitted_and_the_rest_refused_with_a_reason():
    assert len(FITTED) >= 90
    for row in ROWS.values():
        assert row["verdict"] in ("interior", "kink", "edge") or "expected" in row["reason"]


@pytest.mark.parametrize("name", sorted(FITTED))
def test_none_is_worse_than_the_fit_of_scipy(name):
    row = FITTED[name]
    if row["scipy"] is not None:
        worse = row["scipy"] - row["log_likelihood"]
        assert worse < 1e-6 * max(1, abs(row["scipy"])) or any("local maximum" in note for note in row["notes"])


def _slopes(row, found):
    """Central differences of fourth order of the sum of log-densities, over the root sum of squares: another formula,
    other steps and other functions than those of the package."""
    dist, x = getattr(stats, row["name"]), np.array(row["x"])
    log_p = dist.logpmf if hasattr(dist, "pmf") else dist.logpdf
    given = dict(found.held) | dict(found.parameters)
    for name, value in found.parameters.items():
        h = 2e-4 * min(max(abs(value), 0.1), 1.0)

        def terms(by, name=name, value=value):
            return log_p(x, **(given | {name: value + by}))

        score = (8 * (terms(h) - terms(-h)) - (terms(2 * h) - terms(-2 * h))) / (12 * h)
        yield name, abs(score.sum()) / np.sqrt(np.sum(score**2))


@pytest.mark.parametrize("name", QUICK)
def test_quick_ones_again_with_an_independent_gradient(name):
    row = ROWS[name]
    found = fit(getattr(stats, name), row["x"], **row["given"])
    assert found.optimum == row["verdict"]
    np.testing.assert_allclose(found.log_likelihood, row["log_likelihood"], rtol=1e-8, atol=1e-7)
    if found.optimum == "interior":
        assert max(value for _, value in _slopes(row, found)) < 1e-4
        assert found.residual < 1e-6


# --- few digits, large numbers and wrong reasons --------------------------------------------------------------------
SIX = np.array([0.3, 1.2, 2.2, 0.7, 1.9, 3.3])


def test_the_likelihood_equation_certifies_where_log_densities_have_few_digits():
    for counts in ([10**15, 1, 10**14], [10**8, 1], [10**12, 1, 5]):
        found, mean, n = fit(Poisson, counts), np.mean(np.array(counts, dtype=float)), len(counts)
        assert found.parameters["rate"] == pytest.approx(mean, rel=1e-15) and found.residual < 1e-6
        assert found.standard_errors["rate"] == pytest.approx(np.sqrt(mean / n), rel=1e-6)
        assert found.robust_standard_errors["rate"] == pytest.approx(np.std(counts) / np.sqrt(n), rel=1e-6)


@pytest.mark.parametrize("unit", [1e12, 1e100, 1e-100])
def test_another_unit_of_a_family_that_is_searched(unit):
    for family, held, powers in ((Weibull, {"k": None}, {"scale": 1}), (Gamma, {"shape": 2.0}, {"rate": -1})):
        plain, scaled = fit(family, SIX, **held), fit(family, SIX * unit, **held)
        for name, value in plain.parameters.items():
            assert scaled.parameters[name] == pytest.approx(value * unit ** powers.get(name, 0), rel=1e-8)
    with pytest.raises(ValueError, match=r"scaled gradient|curvature.*change the unit"):
        fit(Weibull, SIX * 1e300, k=None)


def test_large_counts_are_no_end_of_the_domain():
    found = fit(NegativeBinomial, [10**15, 1, 10**14], r=None)
    # the equation of r with p at its maximum, r/(r + mean)
    r, x = found.parameters["r"], np.array([1e15, 1.0, 1e14])
    slope = np.sum(digamma(x + r) - digamma(r) + np.log(r / (r + x.mean())))
    assert abs(slope) < 1e-5
    assert fit(stats.geom, [10**12, 10**13]).parameters["p"] == pytest.approx(2 / 1.1e13, rel=1e-9)
    with pytest.raises(ValueError, match="digits that this density has"):
        fit(stats.poisson, [10**12, 10**12 + 5])  # SciPy's log-probabilities have too few


@pytest.mark.slow
@pytest.mark.parametrize(("x", "held"), [(SIX, {"loc": 0}), ([0, 0, 0, 0, 1, 2, -1, 3.0], {}), (SIX, {"loc": 1})])
def test_light_tails_have_no_t_distribution(x, held):
    with pytest.raises(ValueError, match="to the end of the domain"):
        fit(stats.t, x, **held)


@pytest.mark.slow
def test_components_that_are_one_are_refused():
    rng = np.random.default_rng(0)
    rng.normal(size=60), rng.poisson(np.r_[[1] * 20, [8] * 20])
    with pytest.raises(ValueError, match="take fewer components"):
        fit(Mixture([0.5, 0.5], Poisson([1.0, 8.0])), rng.poisson([3] * 40))


def test_a_flat_top_is_described():
    text = "the log-likelihood is the same for every loc from 1.2 to 1.9"
    assert text in fit(Laplace, SIX).notes[0] and text in fit(Laplace, SIX, weights=np.full(6, 2)).notes[0]
    assert "kinks" in fit(Laplace, [1.0, 2.0, 2.0, 3.0]).notes[0]


def test_a_pareto_tail_of_near_observations():
    x = 1e9 + np.array([-1, 0, 1, 0.5, -0.5, 0.25])
    exact = 6 / np.sum(np.log1p((x - x.min()) / x.min()))
    assert fit(Pareto, x).parameters["alpha"] == pytest.approx(exact, rel=1e-14)


def test_unbounded_likelihoods_are_noted():
    x = np.random.default_rng(0).gamma(2, 1, 40)
    for dist, given in ((stats.lognorm, {"loc": None}), (stats.weibull_min, {"loc": None}), (stats.genextreme, {})):
        assert any("no bound" in note for note in fit(dist, x, **given).notes)
    assert not fit(stats.lognorm, x).notes
    with pytest.raises(ValueError, match="optimum = 'interior'; expected a maximum with a normal approximation"):
        _ = fit(stats.weibull_min, x, loc=None).covariance


def test_a_level_next_to_one():
    low, high = fit(Gamma, SIX).interval(1 - 2.0**-53)["shape"]
    found = fit(Gamma, SIX)
    z = stats.norm.isf(2.0**-54)
    factor = np.exp(z * found.standard_errors["shape"] / found.parameters["shape"])
    assert high == pytest.approx(found.parameters["shape"] * factor) and low == pytest.approx(high / factor**2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fit(Normal, SIX, sd=0), ValueError, "fit: sd = 0.0; expected a positive number"),
        (lambda: fit(Normal, SIX, sd=-1), ValueError, "fit: sd = -1.0; expected a positive number"),
        (lambda: fit(Weibull, SIX), TypeError, r"fit: k = missing.*fit\(Weibull, x, k=...\), or k=None to have it"),
        (lambda: fit(NegativeBinomial, [1, 2]), TypeError, r"fit: r = missing.*or r=None to have it estimated"),
        (lambda: fit(Gamma, SIX, weights=2), ValueError, "one non-negative weight for each observation"),
        (lambda: fit(stats.norm, SIX * 1e-300), ValueError, "smallest variance = 0.0.*Change the unit"),
        (lambda: fit(Gamma, 1e9 + SIX), ValueError, "differ by 3e-09 of their size.*e.g. Normal"),
        (lambda: fit(VonMises, SIX * 1e-300), ValueError, "differ by more than 1e-15"),
    ],
)
def test_the_reason_is_the_true_one(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- parameters that are nearly collinear: measurements that differ by little ---------------------------------------
NEAR = np.array([-0.9, -0.5, -0.1, 0.2, 0.6, 0.95])


@pytest.mark.parametrize("place", [10.0, 100.0, 1e3, 1e5])
def test_standard_errors_of_a_gamma_far_from_zero(place):
    """Var(shape) = 1/(n(ψ'(a) − 1/a)), where the difference is 1/(2a²) + 1/(6a³) − 1/(30a⁵) + …"""
    found = fit(Gamma, place + NEAR)
    a = found.parameters["shape"]
    exact = 1 / np.sqrt(6 * (1 / (2 * a**2) + 1 / (6 * a**3) - 1 / (30 * a**5)))
    assert found.standard_errors["shape"] == pytest.approx(exact, rel=1e-5)
    assert found.standard_errors["rate"] == pytest.approx(exact / (place + NEAR).mean(), rel=2e-3)


@pytest.mark.parametrize(("narrow", "exact"), [(100, 1834.5), (1000, 183333.0), (3000, 1649909.0)])
def test_standard_errors_of_a_narrow_beta(narrow, exact):
    """The exact ones with fifty digits. SciPy's log-density has second derivatives to 0.0001, or is refused."""
    x = 0.5 + NEAR / narrow
    assert fit(Beta, x).standard_errors["a"] == pytest.approx(exact, rel=2e-5)
    if narrow > 1000:
        with pytest.raises(ValueError, match=r"differ by 0\.001 of their size"):
            fit(stats.beta, x)
        return
    found = fit(stats.beta, x)
    assert found.standard_errors["a"] == pytest.approx(exact, rel=2e-4)
    assert found.sandwich[0, 0] == pytest.approx(fit(Beta, x).sandwich[0, 0], rel=1e-3)


@pytest.mark.parametrize("place", [1e3, 1e5])
def test_errors_without_digits_are_refused(place):
    """By the search or by the certificate, as the processor rounds."""
    with pytest.raises(ValueError, match=r"(point found|error of second derivatives) = .*too few digits"):
        fit(stats.invgauss, place + NEAR)


def test_the_mode_of_a_triangle_is_an_observation():
    """Between two of them the likelihood is convex."""
    x = 1 + 2 * stats.triang(0.3).rvs(40, random_state=1)
    modes = (x - 1) / 2
    best = max(modes, key=lambda c: stats.triang(c, 1, 2).logpdf(x).sum())
    assert fit(stats.triang, x, loc=1, scale=2).parameters["c"] == pytest.approx(best, rel=1e-12)


# --- derivatives by differences -------------------------------------------------------------------------------------
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("place", [6, 8])
def test_a_gradient_by_the_steps_that_agree(place, sign):
    """A normal mean with ripples that the larger steps do not see: the two smallest agree, on the slope there is."""
    x, size = np.linspace(-2, 2, 9), 2.0**place

    def log_probs(theta):
        return -0.5 * (x - theta[0]) ** 2 + sign * np.sin(size * theta[0]) / size**2

    found = differences.gradient(log_probs, np.array([0.1]), np.array([np.inf]))
    exact = np.sum(x - 0.1) + sign * len(x) * np.cos(size * 0.1) / size
    np.testing.assert_allclose(found, [exact], rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_derivatives_along_axes_have_the_units_of_weights(unit):
    """Two means that the data tell as one, θ₁ + θ₂ and hardly θ₁ − θ₂: axes in units of one observation's curvature."""
    rng = np.random.default_rng(0)
    A, x = np.array([[1.0, 1.0], [1e-4, -1e-4]]), rng.normal(size=(40, 2))
    theta, weights = np.array([0.3, -0.2]), unit * rng.uniform(0.5, 2.0, size=40)

    def log_probs(at):
        return -0.5 * np.sum((x - A @ at) ** 2, axis=1)

    total, hessian = weights.sum(), -weights.sum() * A.T @ A
    found, basis, gap = differences.along_axes(log_probs, theta, hessian, weights)
    np.testing.assert_allclose(found.hessian, basis.T @ hessian @ basis, rtol=1e-7, atol=1e-7 * total)
    assert gap < 1e-7
    assert np.all(np.abs(np.linalg.eigvalsh(-found.hessian / total) - 1) < 0.5)
    np.testing.assert_allclose(found.scores, (x - A @ theta) @ A @ basis, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "shape, certified, refused", [(2.0**-7, False, True), (2.0**15, False, True), (2.0**15, True, False)]
)
def test_a_shape_that_has_run_away_is_refused_by_its_name(shape, certified, refused, monkeypatch):
    """Beyond all shapes from which the search may start, 2⁻⁶ to 2¹⁴, only a certified maximum counts."""
    problem = types.SimpleNamespace(where="fit", names=["scale", "r"], reported=lambda theta: theta)
    verdict = lambda *_: types.SimpleNamespace(certified=certified)
    monkeypatch.setattr("companion.fitting.families.verdict", verdict)
    for inside in (2.0**-6, 1.0, 2.0**14):
        of_families._check_shape(problem, np.array([1e9, inside]), "r")
    if not refused:
        return of_families._check_shape(problem, np.array([1.0, shape]), "r")
    said = rf"^fit: r = {shape}; expected a certified maximum\. .* as r runs to its end: hold it, or fit the limit\.$"
    with pytest.raises(ValueError, match=said):
        of_families._check_shape(problem, np.array([1.0, shape]), "r")


@pytest.mark.parametrize("power", [-60, 60])
def test_second_derivatives_have_the_unit_of_the_weights(power):
    """By a power of two no digit changes: not the steps either, which depend on the rounding of the sum."""
    rng = np.random.default_rng(0)
    x, weights, unit = rng.normal(5, 1, size=30), rng.uniform(0.5, 2.0, size=30), 2.0**power

    def log_probs(theta):
        return -0.5 * ((x - theta[0]) / theta[1]) ** 2 - np.log(theta[1])

    theta, room = np.array([0.3, 0.1]), np.array([np.inf, 0.1])  # far from the data
    one, other = (differences.derivatives(log_probs, theta, room, w) for w in (weights, unit * weights))
    np.testing.assert_array_equal(other.hessian, unit * one.hessian)
    np.testing.assert_array_equal(other.scores, one.scores)
    z = (x - theta[0]) / theta[1]
    exact = -np.array([[weights.sum(), 2 * weights @ z], [2 * weights @ z, weights @ (3 * z**2 - 1)]]) / theta[1] ** 2
    np.testing.assert_allclose(one.hessian, exact, rtol=1e-6)


def test_small_weights_are_no_flat_likelihood():
    x, weights = np.random.default_rng(0).gamma(2.0, 1.5, size=(2, 30))
    one, other = (fit(Gamma, x, weights=unit * weights) for unit in (1.0, 2.0**-60))
    np.testing.assert_allclose(other.covariance * 2.0**-60, one.covariance, rtol=1e-6)
    np.testing.assert_allclose(other.sandwich * 2.0**-60, one.sandwich, rtol=1e-6)
    assert other.optimum == "interior"


def test_samples_are_one_only_if_all_values_are():
    same = lambda x, y: fingerprint(np.array(x)) == fingerprint(np.array(y))
    assert same([0.0, 2.0], [2.0, -0.0]) and not same([1e-20, 2.0], [2e-20, 2.0])
