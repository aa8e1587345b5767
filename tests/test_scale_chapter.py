"""What the chapter `scale` derives, against oracles: exact fractions, brute force, simulation.

Functions that a cell of the chapter defines are taken from the notebook itself.
"""

import ast
import contextlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats

from companion.families import FAMILIES, Gamma, Normal, Poisson
from companion.lesson.datasets import at_scale
from companion.residuals import with_natural

NOTEBOOK = json.loads((Path(__file__).resolve().parent.parent / "book" / "scale.ipynb").read_text(encoding="utf-8"))


def defined_in(name):
    """The functions and constants that a cell defines."""
    source = next("".join(c["source"]) for c in NOTEBOOK["cells"] if c["id"] == name)
    kept = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.Lambda)))
    ]
    space = {"np": np, "optimize": optimize}
    exec(compile(ast.Module(kept, []), name, "exec"), space)
    return space


# --- a fit is a map and a reduce ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "p, q", [(Poisson(2.0), Poisson(3.5)), (Gamma(2.0, 1.5), Gamma(3.0, 1.0)), (Normal(1, 2), Normal(0, 1))]
)
def test_a_log_likelihood_knows_of_the_data_only_their_number_and_sum(p, q):
    x = p.sample(300, 1)
    total = sum(q.sufficient_statistics(part).sum(axis=0) for part in np.split(x, [7, 7, 100]))
    scipys = [m.to_scipy() for m in (p, q)]
    log = [getattr(m, "logpdf", None) if hasattr(m.dist, "pdf") else m.logpmf for m in scipys]
    by_rows = log[0](x).sum() - log[1](x).sum()
    eta, a = ([m.natural_parameters() for m in (p, q)], [m.log_partition() for m in (p, q)])
    assert (eta[0] - eta[1]) @ total - 300 * (a[0] - a[1]) == pytest.approx(by_rows, rel=1e-12)


# --- sums of sums -------------------------------------------------------------------------------------------------
def summed_in_any_order(x, rng):
    """Total in single precision, two at a time at random, and the most additions that a number took part in."""
    left = [(v, 0) for v in x]
    while len(left) > 1:
        (a, h), (b, k) = (left.pop(rng.integers(len(left))) for _ in range(2))
        left.append((np.float32(a + b), max(h, k) + 1))
    return left[0]


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_a_sum_of_sums_is_within_its_bound(seed):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=400) * 10.0 ** rng.uniform(-3, 3, 400)).astype(np.float32)
    exact, size = sum(map(Fraction, map(float, x))), sum(abs(Fraction(float(v))) for v in x)
    unit = Fraction(1, 2**24)
    for total, height in [
        *(summed_in_any_order(x, rng) for _ in range(10)),
        (np.add.accumulate(x)[-1], 399),
        (np.add.accumulate(np.array([np.add.accumulate(c)[-1] for c in np.split(x, 20)]))[-1], 38),
    ]:
        assert abs(Fraction(float(total)) - exact) <= ((1 + unit) ** height - 1) * size


# --- stochastic runs ----------------------------------------------------------------------------------------------
def by_impulses(a, average):
    """Weights of the start and of every row: what a one in its place, and zeros elsewhere, ends as."""
    n, ends = len(a), []
    for place in range(n + 1):
        mu, seen = Fraction(int(place == 0)), Fraction(0)
        for t in range(n):
            mu += Fraction(float(a[t])) * (int(place == t + 1) - mu)
            seen += mu
        ends.append(seen / n if average else mu)
    assert sum(ends) == 1
    return np.array(ends, dtype=float)


def test_a_stochastic_run_is_a_weighted_mean():
    cell, rng = defined_in("run-costs"), np.random.default_rng(1)
    for n in (1, 2, 9, 25):
        a = rng.uniform(0, 1, n)
        np.testing.assert_allclose(cell["weights"](a), by_impulses(a, False), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(cell["averaged"](0.3, n), by_impulses(np.full(n, 0.3), True), rtol=1e-12, atol=1e-15)


def test_no_steps_beat_one_pass():
    cell, rng = defined_in("run-costs"), np.random.default_rng(2)
    for _ in range(200):
        a = rng.uniform(0, 1, 30)
        a[0] = 1.0  # forgets the start
        assert cell["cost"](cell["weights"](a)) > 1
    loss = lambda a: cell["cost"](cell["weights"](np.append(1.0, a)))
    found = optimize.minimize(loss, np.full(9, 0.3), bounds=[(0, 1)] * 9, options={"ftol": 1e-15, "gtol": 1e-10})
    np.testing.assert_allclose(found.x, 1 / np.arange(2, 11), atol=1e-4)
    assert found.fun == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("n", [10**3, 10**5])
def test_cost_of_the_best_constant_step(n):
    cell = defined_in("run-costs")
    a = cell["best_constant"](n)
    closed = lambda a: n * (100 * (1 - a) ** (2 * n) + a / (2 - a) * (1 - (1 - a) ** (2 * n)))
    assert cell["cost"](cell["weights"](np.full(n, a))) == pytest.approx(closed(a), rel=1e-9)
    assert closed(a) <= min(closed(a * 0.97), closed(a * 1.03))
    assert closed(a) == pytest.approx((1 + np.log(400 * n)) / 4, rel=0.02)


def test_costs_are_those_of_simulated_runs():
    cell, rng = defined_in("run-costs"), np.random.default_rng(3)
    a = np.minimum(1, 2 / np.arange(1, 61))
    x = rng.exponential(2.0, (60, 40_000))
    mu = np.full(40_000, 2.0 + 2.0 * cell["START"])
    for step, row in zip(a, x):
        mu = mu + step * (row - mu)
    assert 60 * np.mean((mu - 2) ** 2) / 4 == pytest.approx(cell["cost"](cell["weights"](a)), rel=0.03)


# --- models without statistics of fixed size ----------------------------------------------------------------------
def rank_of(log_p, members, x):
    """Rank of the table of log ratios, less their values at one x."""
    table = np.array([log_p(m, x) for m in members])
    table = table[1:] - table[0]
    sizes = np.linalg.svd(table - table[:, :1], compute_uv=False)
    return int(np.sum(sizes > 1e-9 * sizes[0]))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_rank_of_log_ratios_is_the_number_of_statistics(name):
    rng = np.random.default_rng(4)
    first = FAMILIES[name].draw(rng)
    eta, members = np.atleast_1d(first.natural_parameters()), [first]
    while len(members) < 25:
        with contextlib.suppress(ValueError):  # outside the parameter space
            members.append(with_natural(first, eta * (1 + 0.2 * rng.uniform(-1, 1, eta.shape))))
    x = first.sample(200, rng)
    assert rank_of(lambda m, x: m.log_prob(x), members, x) == len(np.atleast_1d(first.sufficient_statistics(x[:1])[0]))


@pytest.mark.parametrize("dist", [stats.cauchy, stats.laplace, stats.logistic, stats.t(4).dist])
def test_other_families_have_no_small_rank(dist):
    rng = np.random.default_rng(6)
    places, x = rng.uniform(-5, 5, 40), np.linspace(-10, 10, 301)
    shape = (4,) if dist.shapes else ()
    assert rank_of(lambda m, x: dist.logpdf(x, *shape, loc=m), places, x) > 10


def test_a_cauchy_likelihood_gives_back_every_row():
    x = np.sort(np.random.default_rng(7).standard_cauchy(6))
    polynomial = np.poly1d([1.0])
    for v in x:
        polynomial *= np.poly1d([1.0, -2 * v, 1 + v * v])
    roots = polynomial.roots
    np.testing.assert_allclose(np.sort(roots.real[roots.imag > 0]), x, rtol=1e-6)


# --- passes -------------------------------------------------------------------------------------------------------
def cauchy_slopes(x, theta):
    """First three derivatives of a Cauchy log-likelihood of location."""
    y = x - theta
    q = 1 + y**2
    return np.array([np.sum(2 * y / q), np.sum((2 * y**2 - 2) / q**2), np.sum(4 * y * (y**2 - 3) / q**3)])


def test_what_one_newton_step_leaves():
    rng = np.random.default_rng(8)
    for _ in range(20):
        x = rng.standard_cauchy(400)
        best = optimize.brentq(lambda t: cauchy_slopes(x, t)[0], -0.7, 0.7, xtol=1e-15)
        assert cauchy_slopes(x, 0.1)[2] == pytest.approx(
            (cauchy_slopes(x, 0.1 + 1e-5)[1] - cauchy_slopes(x, 0.1 - 1e-5)[1]) / 2e-5, rel=1e-5
        )
        start = best + rng.choice([-1, 1]) * rng.uniform(0.05, 0.3)
        slope, curvature, _ = cauchy_slopes(x, start)
        left = start - slope / curvature - best
        third = 2 * curvature * left / (start - best) ** 2
        between = [cauchy_slopes(x, t)[2] for t in np.linspace(start, best, 500)]
        assert min(between) - 1e-3 <= third <= max(between) + 1e-3


def test_one_step_from_a_small_pilot_is_as_good_as_the_maximum():
    rng, n, m = np.random.default_rng(9), 10_000, 1_000
    off, error = [], np.sqrt(2 / n)
    for _ in range(200):
        x = rng.standard_cauchy(n)
        start = np.median(x[:m])
        slope, curvature, _ = cauchy_slopes(x, start)
        best = optimize.brentq(lambda t: cauchy_slopes(x, t)[0], -0.5, 0.5)
        off.append([start - slope / curvature - best, best])
    step, best = np.array(off).T
    assert np.sqrt(np.mean(step**2)) < 0.1 * error
    assert np.std(best) == pytest.approx(error, rel=0.15) and np.std(best + step) == pytest.approx(error, rel=0.15)


def test_a_gamma_fit_needs_three_numbers():
    """The equation that the chapter solves is that of the maximum, which a search over the rows finds as well."""
    x = np.random.default_rng(10).gamma(2.5, 1.25, 4_000)
    n, total, logs = len(x), x.sum(), np.log(x).sum()
    score = lambda a: np.log(a) - special.digamma(a) - (np.log(total / n) - logs / n)
    shape = optimize.brentq(score, 0.1, 100, xtol=1e-13)
    loss = lambda t: -stats.gamma.logpdf(x, np.exp(t[0]), scale=np.exp(-t[1])).sum()
    found = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-10})
    np.testing.assert_allclose([shape, shape * n / total], np.exp(found.x), rtol=1e-6)


# --- what was measured --------------------------------------------------------------------------------------------
def test_stored_measurements_are_what_the_chapter_says():
    stored = at_scale()
    assert all(np.isfinite(r["seconds"]) and r["seconds"] > 0 for r in [*stored.one_pass, *stored.cost, *stored.memory])
    assert all(r["ratio"] == pytest.approx(r["seconds"] / r["limit_seconds"], rel=0.01) for r in stored.one_pass)
    assert all(r["peak_bytes"] < min(2e8, r["file_bytes"] / 20) for r in stored.memory)
    ways = {row["way"] for row in stored.cost}
    assert ways == {"one core", "two threads", "one core, from a file", "two Dask workers"}
    assert all(0 < stored.tasks[key] for key in ("statistics_bytes", "seconds_per_task", "read_bytes_per_second"))
    assert stored.tasks["statistics_bytes"] < 1000
