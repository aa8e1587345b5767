"""The numerics chapter's module: textbook formulas, exact values, the Fisher integral, moments that lose digits."""

import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import companion.families
from companion import quadrature
from companion.families import FAMILIES, Bernoulli, Exponential, Gamma, Normal, Poisson, VonMises
from companion.numerics import (
    TEXTBOOK,
    UNIT,
    eighty_digits,
    exact_kl,
    exact_moments,
    fisher_integral,
    nearby,
    num_acc,
    raw_moments,
    relative_error,
    running_total,
    textbook_kl,
)

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
    for p, q, reference in rows(name, *TABLE[name]):
        assert abs(exact_kl(p, q) - reference) <= Decimal("1e-21") * reference


@each_formula
@each_seed
def test_textbook_formulas_are_right_at_ordinary_distance(name, seed):
    """Against sums and quadrature of the log-densities, and against the table."""
    rng = np.random.default_rng(seed)
    p, q = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
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
        assert relative_error(p.kl_divergence(q), exact) <= 25 * UNIT


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


@each_formula
def test_nearby_moves_every_estimated_parameter(name):
    p = FAMILIES[name].draw(np.random.default_rng(3))
    q = nearby(p, 0.25)
    for key in p.parameter_names:
        assert_allclose(q._parameter(key), p._parameter(key) * (1 if key in p.fixed_names else 1.25))


def test_relative_error():
    assert relative_error(1.5, Fraction(1)) == relative_error(0.5, Decimal(1)) == 0.5
    assert relative_error(np.nan, Decimal(1)) == relative_error(np.inf, Decimal(1)) == math.inf


# --- the Fisher integral ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Poisson", "Bernoulli", "Exponential", "Gamma", "Beta", "Normal", "Geometric"])
def test_fisher_integral_against_the_frozen_table(name):
    """Close pairs: no more is lost than the rounding of the natural parameters, u over their distance."""
    for p, q, reference in rows(name, "near"):
        delta = q.natural_parameters() - p.natural_parameters()
        size = np.sqrt(delta @ p.fisher_information() @ delta)
        rounding = np.sqrt(np.diag(p.fisher_information())) @ (np.abs(p.natural_parameters()) + 1) * UNIT
        assert relative_error(fisher_integral(p, q), reference) < 1e-13 + 30 * rounding / size


def test_fisher_integral_without_rounding_of_the_natural_parameters():
    for name in ("Exponential", "Gamma", "Beta"):
        for p, q, reference in rows(name, "near"):
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
def test_shifted_statistics_are_exact_on_nist_data_and_raw_moments_are_not(number):
    x = num_acc(number)
    mean, sd = exact_moments(x)
    for fit in (Normal.fit(x), Normal.fit(Normal.statistics(x[:2]) + Normal.statistics(x[2:]))):
        assert relative_error(fit.mean(), mean) < 1e-15 and relative_error(fit.sd, sd) < 1e-13
    for total in (running_total, math.fsum):
        raw = raw_moments(x, total)[1]
        if number == 4:
            assert math.isnan(raw)
            continue
        lost = relative_error(raw, sd)
        assert lost <= len(x) * UNIT * (1 + float(mean / Fraction(sd)) ** 2)
        assert lost > 1e-4 if number != 2 else lost < 1e-11


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
@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: textbook_kl(VonMises(0.0, 1.0), VonMises(0.0, 2.0)),
            ["textbook_kl", "VonMises", "Poisson", "kl_divergence"],
        ),
        (lambda: exact_kl(Bernoulli.from_logits(0.0), Bernoulli.from_logits(1.0)), ["exact_kl", "ordinary parameters"]),
        (lambda: exact_kl(stats.norm(), stats.norm()), ["exact_kl", "p", "scipy.stats.norm"]),
        (lambda: exact_kl(Poisson([1.0, 2.0]), Poisson(1.0)), ["exact_kl", "shape of the batch", "(2,)", "one pair"]),
        (lambda: textbook_kl(Poisson(1.0), Exponential(1.0)), ["other", "another Poisson"]),
        (lambda: fisher_integral(Gamma(1, 1), Gamma(2, 1), nodes=0), ["fisher_integral", "nodes", "at least 1"]),
        (lambda: num_acc(5), ["num_acc", "number", "5", "NumAcc4"]),
        (lambda: raw_moments([]), ["raw_moments", "x", "at least one"]),
        (lambda: exact_moments([1.0, np.inf]), ["exact_moments", "x", "finite"]),
    ],
    ids=range(9),
)
def test_bad_input(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))
