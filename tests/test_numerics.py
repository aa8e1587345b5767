"""The numerics chapter's module: textbook formulas, exact values, the Fisher integral, moments that lose digits."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

import companion.families
from companion import kl_divergence
from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    Laplace,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
)
from companion.integrals import quadrature
from companion.numerics import (
    TEXTBOOK,
    UNIT,
    eighty_digits,
    exact_kl,
    exact_moments,
    fisher_integral,
    nearby,
    num_acc,
    relative_error,
    running_total,
    textbook_kl,
)
from companion.special.remainders import phi

#: Euler's constant, of which ψ(n) = H_{n−1} − γ (OEIS A001620).
EULER = Decimal("0.577215664901532860606512090082402431042159335939923598805767234884867726777664670936947063291746749")
TABLE = json.loads((Path(__file__).parent / "data" / "kl_references.json").read_text(encoding="utf-8"))
each_formula = pytest.mark.parametrize("name", TEXTBOOK)
each_seed = pytest.mark.parametrize("seed", range(3))


def rows(name, *suites):
    """Pairs of members and their reference of a hundred digits, rounded to 22."""
    cls = getattr(companion.families, name)
    return [(cls(*p), cls(*q), Decimal(text)) for suite in suites for p, q, text in TABLE[name][suite]]


# --- two arithmetics, one formula ---------------------------------------------------------------------------------
@each_formula
def test_exact_kl_against_the_frozen_table(name):
    for p, q, reference in rows(name, *TABLE[name])[:: 9 if name in ("Gamma", "Beta", "Dirichlet") else 2]:
        assert abs(exact_kl(p, q) - reference) <= Decimal("1e-21") * reference


@each_formula
@each_seed
def test_textbook_formulas_are_right_at_ordinary_distance(name, seed):
    """Against sums and quadrature of the log-densities, and against the table."""
    rng = np.random.default_rng(seed)
    p, q = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
    if not p.event_ndim:
        assert_allclose(textbook_kl(p, q), quadrature.kl_divergence(p, q).value, rtol=1e-8, atol=1e-12)
    for p, q, reference in rows(name, "ordinary"):
        assert abs(float(textbook_kl(p, q)) - float(reference)) <= 1e-12 * (1 + float(reference))


def test_textbook_formulas_take_batches():
    batch = textbook_kl(Poisson([1.0, 2.0]), Poisson(3.0))
    assert_allclose(batch, [textbook_kl(Poisson(1.0), Poisson(3.0)), textbook_kl(Poisson(2.0), Poisson(3.0))], rtol=0)
    assert_allclose(batch, [np.log(1 / 3) + 2, 2 * np.log(2 / 3) + 1], rtol=1e-14)


@pytest.mark.parametrize("name", ["Poisson", "Bernoulli", "Exponential", "Gamma", "Normal"])
def test_textbook_error_follows_the_law(name):
    """Never above a multiple of u/d², and near it for most close pairs: that is what the chapter plots."""
    rng = np.random.default_rng(1)
    for d in (1e-3, 1e-5, 1e-7):
        errors = []
        for _ in range(40):
            p = FAMILIES[name].draw(rng)
            errors.append(relative_error(textbook_kl(p, nearby(p, d)), exact_kl(p, nearby(p, d))))
        assert 0.01 * UNIT / d**2 < np.median(errors) < 30 * UNIT / d**2


def test_the_bounds_of_the_proposition():
    rng = np.random.default_rng(2)
    for _ in range(1_000):
        p = Poisson(10 ** rng.uniform(-3, 3))
        q = nearby(p, rng.choice([-1, 1]) * 10 ** rng.uniform(-13, math.log10(0.5)))
        exact = exact_kl(p, q)
        if exact == 0:
            continue
        d = float(Fraction(float(q.rate)) / Fraction(float(p.rate)) - 1)
        assert relative_error(textbook_kl(p, q), exact) <= 15 * UNIT / d**2
        assert relative_error(p.kl_divergence(q), exact) <= 20 * UNIT


@pytest.mark.parametrize("log1p", [np.log1p, np.vectorize(math.log1p)], ids=["numpy", "C"])
def test_the_bound_on_phi(log1p):
    """5 u where the series is used; else 7 times the error of log1p, which is at most 2 u, and one rounding."""
    rng = np.random.default_rng(6)
    beyond = np.concatenate([rng.uniform(0.3, 0.6, 600), rng.uniform(-0.6, -0.3, 200), np.linspace(-0.99, 20, 100)])
    beyond = beyond[np.abs(beyond) >= 0.3]
    inside = rng.choice([-1, 1], 300) * 0.3 * 10 ** rng.uniform(-12, 0, 300)

    def worst(computed, points, exact):
        with eighty_digits():
            return max(relative_error(v, exact(Decimal(float(t)))) for v, t in zip(computed, points)) / UNIT

    def exact_phi(t):
        return t - (1 + t).ln()

    of_log1p = worst(log1p(beyond), beyond, lambda t: (1 + t).ln())
    assert 0.5 < of_log1p <= 2
    assert worst(phi(beyond, log_ratio=log1p(beyond)), beyond, exact_phi) <= 7 * of_log1p + 1
    assert worst(phi(inside), inside, exact_phi) <= 5


def test_the_constants_of_the_count_in_the_docstring_of_phi():
    for edge, second, ratio in ((0.3, 0.071, 7.0), (0.5, 0.16, 4.3)):
        t = np.linspace(-edge, edge, 1_000)
        z = t / (2 + t)
        assert np.all(2 * z**2 * (np.arctanh(z) - z) / z**3 <= second * np.abs(t))
        for end in (edge, -edge):
            assert abs(math.log1p(end)) / (end - math.log1p(end)) < ratio


@pytest.mark.parametrize("function", [textbook_kl, exact_kl])
def test_the_minimum_of_a_pareto_distribution_counts(function):
    """KL = log(α_p/α_q) + α_q/α_p − 1 + α_q log(x_p/x_q), infinite where p allows what q excludes."""
    p, q = Pareto(1.0, 2.0), Pareto(1.0, 1.0)
    assert_allclose(float(function(p, q)), np.log(2), rtol=1e-15)
    assert float(function(q, p)) == np.inf
    p, q = Pareto(3.0, 1.5), Pareto(2.0, 1.2)
    assert_allclose(float(function(p, q)), np.log(1.5) + 2 / 3 - 1 + 2 * np.log(1.25), rtol=1e-14)
    assert_allclose(float(function(p, q)), quadrature.kl_divergence(p, q).value, rtol=1e-8)


def test_textbook_minimum_in_batches():
    found = textbook_kl(Pareto(1.0, [2.0, 1.0, 1.0]), Pareto(1.0, [1.0, 2.0, 1.0]))
    assert_allclose(found, [np.log(2), np.inf, 0.0])


def test_locations_of_laplace_distributions_count():
    p, q = Laplace(0.0, 1.0), Laplace(2.0, 1.0)
    for function in (textbook_kl, exact_kl):
        assert_allclose(float(function(p, q)), 1 + np.exp(-2), rtol=1e-15)


def test_parameters_far_from_one_get_more_digits():
    """A term of size 1e-100 beside one, or 1e60 beside one, needs more than eighty."""
    # p log ½ + (1 − p) log((1 − p)/(1 − 2p)) = p (1 − log 2) + p²/2 + …
    value = exact_kl(Bernoulli(1e-100), Bernoulli(2e-100))
    with eighty_digits():
        assert abs(value / Decimal.from_float(1e-100) - (1 - Decimal(2).ln())) < Decimal("1e-60")
    # shape and rate times 2: α_q φ(0) + ½ φ(1) + B_R, and R is 1/(12 α)
    value = exact_kl(Gamma(1e60, 1e60), Gamma(2e60, 2e60))
    with eighty_digits():
        assert abs(value - (1 - Decimal(2).ln()) / 2) < Decimal("1e-40")
    p, q = Gamma(1e60, 1e60), Gamma(2e60, 2e60)
    assert_allclose(p.kl_divergence(q), float(value), rtol=1e-13)


def test_exact_gamma_function_where_stirlings_series_begins():
    """Γ(n) = (n − 1)! on both sides of 150: KL from shape n to n + 1 with one rate is log n − ψ(n)."""
    for n in (1, 149, 150, 151, 400):
        harmonic = sum((Fraction(1, k) for k in range(1, n)), Fraction(0))
        with eighty_digits():
            psi = Decimal(harmonic.numerator) / harmonic.denominator - EULER
            assert abs(exact_kl(Gamma(float(n), 1.0), Gamma(n + 1.0, 1.0)) - (Decimal(n).ln() - psi)) < Decimal("1e-75")


def test_exact_edges():
    two = float(np.log(2))
    assert_allclose([float(exact_kl(Bernoulli(v), Bernoulli(0.5))) for v in (0.0, 1.0)], two, rtol=1e-15)
    assert exact_kl(Bernoulli(0.5), Bernoulli(0.0)) == exact_kl(Bernoulli(0.5), Bernoulli(1.0)) == Decimal("Infinity")
    assert exact_kl(Bernoulli(1.0), Bernoulli(1.0)) == exact_kl(Bernoulli(0.0), Bernoulli(0.0)) == 0
    assert math.isnan(textbook_kl(Bernoulli(0.0), Bernoulli(0.5)))  # as it stands


def test_single_precision_rounds_every_operation():
    p, q = np.float32(1.3), np.float32(1.3) * np.float32(1.001)
    wanted = p * np.log(p / q) - p + q
    found = textbook_kl(Poisson(float(p)), Poisson(float(q)), np.float32)
    assert found.dtype == np.float32 and found == wanted
    assert relative_error(found, exact_kl(Poisson(float(p)), Poisson(float(q)))) > 1e-3


def test_exact_values_of_known_pairs():
    with eighty_digits():
        two, three = Decimal(2).ln(), Decimal(3).ln()
        assert abs(exact_kl(Poisson(1.0), Poisson(2.0)) - (1 - two)) < Decimal("1e-78")
        assert abs(exact_kl(Bernoulli(0.5), Bernoulli(0.25)) - (two - three / 2)) < Decimal("1e-78")
    # Γ(1, r) is exponential, Γ(3)/Γ(2) = 2: KL = (2 − 3) ψ(2) + log 2 with ψ(2) = 1 − γ
    assert_allclose(
        float(exact_kl(Gamma(1.0, 2.0), Gamma(1.0, 5.0))),
        float(exact_kl(Exponential(2.0), Exponential(5.0))),
        rtol=1e-15,
    )
    assert_allclose(float(exact_kl(Gamma(2.0, 1.0), Gamma(3.0, 1.0))), np.log(2) - (1 - np.euler_gamma), rtol=1e-15)
    assert exact_kl(Normal(0.3, 2.0), Normal(0.3, 2.0)) == 0
    pair = exact_kl(Dirichlet([1.0, 2.0]), Dirichlet([2.0, 2.0]))
    assert isinstance(pair, Decimal) and relative_error(float(pair), exact_kl(Beta(1.0, 2.0), Beta(2.0, 2.0))) < UNIT


@each_formula
def test_nearby_moves_every_estimated_parameter(name):
    p = FAMILIES[name].draw(np.random.default_rng(3))
    q = nearby(p, 0.25)
    for key in p.parameter_names:
        assert_allclose(q.parameter(key), p.parameter(key) * (1 if key in p.fixed_names else 1.25))


def test_relative_error():
    assert relative_error(1.5, Fraction(1)) == relative_error(0.5, Decimal(1)) == 0.5
    assert relative_error(np.nan, Decimal(1)) == relative_error(np.inf, Decimal(1)) == math.inf
    assert relative_error(np.nan, Fraction(1)) == relative_error(-np.inf, Fraction(1)) == math.inf
    assert relative_error(np.inf, Decimal("Infinity")) == 0.0
    assert relative_error(-np.inf, Decimal("Infinity")) == relative_error(1.0, Decimal("Infinity")) == math.inf


def test_the_gamma_form_as_the_chapter_prints_it():
    """Three terms, with R'' by SciPy's trigamma function, against the table of a hundred digits."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    for p, q, reference in rows("Gamma", "near")[::3]:
        s, t = (q.shape - p.shape) / p.shape, (q.rate - p.rate) / p.rate
        x = p.shape + (q.shape - p.shape) * (1 + nodes) / 2
        curvature = special.polygamma(1, x) - 1 / x - 1 / (2 * x**2)
        bregman = (q.shape - p.shape) ** 2 * np.sum(weights * (1 - nodes) / 4 * curvature)
        value = q.shape * phi((t - s) / (1 + s)) + 0.5 * phi(s) + bregman
        assert relative_error(value, reference) < 1e-10


def test_no_formula_does_better_than_its_rounded_inputs():
    """KL changes by up to 4u/d when both parameters are rounded to doubles, and by almost that for some."""
    rng = np.random.default_rng(7)
    for d in ("1e-3", "1e-6", "1e-9"):
        changes = []
        for _ in range(100):
            with eighty_digits():
                p = Decimal(float(rng.uniform(0.2, 5))) * Decimal(3).sqrt()
                q = p * (1 + Decimal(d))
                meant = p * (p / q).ln() - p + q
            changes.append(relative_error(Poisson(float(p)).kl_divergence(Poisson(float(q))), meant))
        assert 0.3 < max(changes) / (4 * UNIT / float(d)) < 1.01


def test_what_a_renormalised_and_clipped_kl_returns():
    """The four faults of the exercise "What is wrong here?"."""

    def colleague(p, q, clip=1e-6):
        p, q = np.array(p) / np.sum(p), np.array(q) / np.sum(q)
        p, q = np.clip(p, clip, 1), np.clip(q, clip, 1)
        return abs(np.sum(p * np.log(p / q)))

    assert np.isfinite(colleague([3.0, 1.0], [1.0, 1.0]))
    assert round(colleague([0.5, 0.5], [1.0, 0.0])) == 6 and round(colleague([0.5, 0.5], [1.0, 0.0], 1e-12)) == 13
    rare, other = np.r_[1.0, np.full(100_000, 1e-9)], np.r_[1.0, np.full(100_000, 5e-9)]
    right = kl_divergence(rare / rare.sum(), other / other.sum())
    assert_allclose(colleague(rare, other) / right, 5 / 3, rtol=0.03)
    close = [0.3, 0.7], [0.3 * (1 + 1e-10), 0.7 - 0.3e-10]
    exact = float(exact_kl(Bernoulli(0.3), Bernoulli(close[1][0])))
    assert abs(colleague(*close) / exact - 1) > 0.5


# --- the Fisher integral ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Poisson", "Bernoulli", "Exponential", "Gamma", "Beta", "Normal", "Geometric"])
def test_fisher_integral_against_the_frozen_table(name):
    """Close pairs: no more is lost than the rounding of the natural parameters, u over their distance."""
    for p, q, reference in rows(name, "near")[::3]:
        delta = q.natural_parameters() - p.natural_parameters()
        size = np.sqrt(delta @ p.fisher_information() @ delta)
        rounding = np.sqrt(np.diag(p.fisher_information())) @ (np.abs(p.natural_parameters()) + 1) * UNIT
        assert relative_error(fisher_integral(p, q), reference) < 1e-13 + 30 * rounding / size


def test_fisher_integral_without_rounding_of_the_natural_parameters():
    for name in ("Exponential", "Gamma", "Beta"):
        for p, q, reference in rows(name, "near")[::4]:
            assert relative_error(fisher_integral(p, q), reference) < 1e-13


@pytest.mark.parametrize("r", [1.5, 3.0, 10.0])
def test_error_falls_at_the_predicted_rate(r):
    p, q = Exponential(1.0), Exponential(r)
    exact, x = exact_kl(p, q), 2 / (r - 1) + 1
    rho = x + np.sqrt(x * x - 1)
    for nodes in (4, 8, 12):
        error = relative_error(fisher_integral(p, q, nodes), exact)
        assert error < 30 * nodes * rho ** (-2 * nodes) + 1e-14
        assert error > 1e-3 * rho ** (-2 * nodes) or error < 1e-14


def test_fisher_integral_takes_families_without_a_formula_here():
    p, q = VonMises(0.3, 2.0), VonMises(0.3, 2.5)
    assert_allclose(fisher_integral(p, q), quadrature.kl_divergence(p, q).value, rtol=1e-9)


# --- moments ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "number, size, mean, sd",
    [(1, 3, 10000002, 1), (2, 1001, 1.2, 0.1), (3, 1001, 1000000.2, 0.1), (4, 1001, 10000000.2, 0.1)],
)
def test_num_acc_has_the_certified_values(number, size, mean, sd):
    x = num_acc(number)
    found_mean, found_sd = exact_moments(x, ddof=1)
    assert len(x) == size
    assert_allclose(float(found_mean), mean, rtol=1e-15)
    assert_allclose(float(found_sd), sd, rtol=1e-8)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_shifted_statistics_are_exact_on_nist_data(number):
    x = num_acc(number)
    mean, sd = exact_moments(x)
    for fit in (Normal.fit(x), Normal.fit(Normal.statistics(x[:2]) + Normal.statistics(x[2:]))):
        assert relative_error(fit.mean(), mean) < 1e-15 and relative_error(fit.sd, sd) < 1e-13


def test_exact_moments_against_integers_and_numpy():
    assert exact_moments([1.0, 2.0, 6.0]) == (3, exact_moments([-2.0, -1.0, 3.0])[1])
    x = np.random.default_rng(4).normal(size=50)
    mean, sd = exact_moments(x, ddof=1)
    assert_allclose([float(mean), float(sd)], [x.mean(), x.std(ddof=1)], rtol=1e-14)


def test_running_total_rounds_every_partial_sum():
    x = np.random.default_rng(5).normal(1e6, 1.0, 1_000)
    total = 0.0
    for v in x.tolist():
        total += v
    assert running_total(x) == total != math.fsum(x)


# --- bad input ----------------------------------------------------------------------------------------------------
GAMMA, OTHER = Gamma(2.0, 1.0), Gamma(3.0, 1.0)
LOGITS = Bernoulli.from_logits(0.0)
V, T = ValueError, TypeError
ODD = {
    "textbook_kl": (
        textbook_kl,
        [
            ((VonMises(0.0, 1.0), VonMises(0.0, 2.0)), T, "p = VonMises.*Poisson.*kl_divergence"),
            ((LOGITS, LOGITS), T, "p = Bernoulli.*ordinary parameters"),
            ((Bernoulli(0.5), LOGITS), T, "q = Bernoulli.*ordinary parameters"),
            ((Poisson(1.0), Exponential(1.0)), T, "q = Exponential.*another Poisson"),
            ((Poisson(1.0), 2.0), T, "q = 2.0.*another Poisson"),
            ((Poisson, Poisson), T, "p = .*"),
            ((NormalDist(), NormalDist()), T, "p = NormalDist"),
            ((Weibull(1.0, 1.0), Weibull(2.0, 1.0)), V, "k of other = 2.0"),
            ((Poisson([1.0, 2.0]), Poisson([1.0, 2.0, 3.0])), V, "shapes"),
            ((Poisson(1.0), Poisson(2.0), int), V, "dtype = .*float32"),
            ((Poisson(1.0), Poisson(2.0), "half"), V, "dtype = 'half'"),
            ((Poisson(1.0), Poisson(2.0), np.zeros(2)), V, r"dtype = \[0.0, 0.0\]"),
        ],
    ),
    "exact_kl": (
        exact_kl,
        [
            ((stats.norm(), stats.norm()), T, "p = scipy.stats.norm"),
            ((None, Poisson(1.0)), T, "p = None"),
            ((Poisson([1.0, 2.0]), Poisson(1.0)), V, r"shape of the batch = \(2,\).*one pair"),
            ((Categorical([0.5, 0.5]), Categorical([0.5, 0.5])), T, "p = Categorical"),
            ((Weibull(1e300, 2.0), Weibull(1e300, 1.0)), V, "q = Weibull.*digits"),
        ],
    ),
    "nearby": (
        nearby,
        [
            ((LOGITS, 0.1), T, "p = Bernoulli.*ordinary parameters"),
            ((3.0, 0.1), T, "p = 3.0"),
            ((GAMMA, np.nan), V, "d = nan"),
            ((GAMMA, -1.0), V, "d = -1.0.*above -1"),
            ((GAMMA, [0.1, 0.2]), T, "d = .*one number"),
            ((GAMMA, "0.1"), T, "d = '0.1'"),
        ],
    ),
    "relative_error": (
        relative_error,
        [
            (([1.0, 2.0], Decimal(1)), T, r"shape of value = \(2,\)"),
            (("1", Decimal(1)), T, "value = '1'"),
            ((1.0, 1.0), T, "exact = 1.0.*Decimal"),
            ((1.0, Decimal(0)), V, "exact = .*other than 0"),
            ((1.0, Decimal("nan")), V, "exact = "),
        ],
    ),
    "fisher_integral": (
        fisher_integral,
        [
            ((GAMMA, OTHER, 0), V, "nodes = 0"),
            ((GAMMA, OTHER, 2.5), V, "nodes = 2.5"),
            ((GAMMA, OTHER, True), V, "nodes = True"),
            ((GAMMA, Poisson(1.0)), T, "q = Poisson.*another Gamma"),
            ((GAMMA, None), T, "q = None"),
            ((stats.norm(), stats.norm()), T, "p = scipy.stats.norm"),
            ((Gamma([1.0, 2.0], 1.0), OTHER), V, r"batch of p = \(2,\)"),
            ((Pareto(1.0, 2.0), Pareto(1.0, 1.0)), V, "xm of q = 1.0.*2.0, as in p"),
            ((Laplace(0.0, 1.0), Laplace(2.0, 1.0)), V, "loc of q"),
            ((GAMMA, Gamma(1e308, 1e-308)), V, "q = Gamma.*in the range of doubles"),
            ((Bernoulli(0.0), Bernoulli(0.5)), V, "p = 0.0.*boundary"),
        ],
    ),
    "running_total": (running_total, [(([],), V, "x = "), (([[1.0]],), V, "shape of x"), (("abc",), T, "x = 'abc'")]),
    "exact_moments": (
        exact_moments,
        [
            (([1.0, np.inf],), V, r"x\[1\] = inf.*finite"),
            (([1.0], 1), V, "ddof = 1.*from 0 to 0"),
            (([1.0, 2.0], -1), V, "ddof = -1"),
            (([1.0, 2.0], 0.5), V, "ddof = 0.5"),
            (([1.0, 2.0], np.zeros(0)), V, "ddof = "),
        ],
    ),
    "num_acc": (num_acc, [((n,), V, "number = .*NumAcc4") for n in (0, 5, True, "4", [4], None, 1.5)]),
}


@pytest.mark.parametrize("name", ODD)
def test_bad_input_gets_one_error(name):
    """Not a chain of them, and not one from the depths: it begins with the name of the function that was called."""
    function, calls = ODD[name]
    for arguments, error, words in calls:
        with pytest.raises(error, match=words) as caught:
            function(*arguments)
        assert caught.value.__cause__ is None and str(caught.value).startswith(
            (name, "exact_kl", type(arguments[0]).__name__)
        ), caught.value
