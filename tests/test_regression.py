"""Regression against statsmodels (stored), NIST's certified values, exact fractions, SciPy, and other words for it."""

import copy
import json
import pickle
from fractions import Fraction

import make_regression
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, special, stats

from companion.families import Bernoulli, Binomial, Categorical, Gamma, Normal, Poisson
from companion.glm import newton, precise, separating
from companion.glm.design import Named, factor
from companion.lesson import datasets
from companion.regression import SeparationError, _response, fit, separation

CASES = make_regression.cases()
STORED = json.loads(make_regression.FILE.read_text(encoding="utf-8"))
NIST = json.loads(make_regression.NIST.read_text(encoding="utf-8"))
POLYNOMIALS = [name for name in NIST if name not in ("source", "Longley")]
every = pytest.mark.parametrize("name", CASES)


def fitted(name, **changed):
    case = CASES[name] | changed
    return fit(case["family"], case["X"], case["y"], **{k: v for k, v in case.items() if k not in ("family", "X", "y")})


def matrix(name):
    case = CASES[name]
    X = np.asarray(case["X"], dtype=float).reshape(len(case["y"]), -1)
    return np.column_stack([np.ones(len(X)), X]) if case.get("intercept", True) else X


def simulated(family, n=200, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    eta = X @ [1.0, -0.5] + 0.2
    if family is Categorical:
        return X, np.argmax(np.column_stack([0 * eta, eta, -eta]) + rng.gumbel(size=(n, 3)), axis=1)
    draws = {
        Normal: lambda: eta + rng.normal(size=n),
        Bernoulli: lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int),
        Poisson: lambda: rng.poisson(np.exp(eta)),
    }
    return X, draws[family]()


FAMILIES = [Normal, Bernoulli, Poisson, Categorical]
families = pytest.mark.parametrize("family", FAMILIES)


# --- statsmodels --------------------------------------------------------------------------------------------------
@every
def test_statsmodels_finds_the_same(name):
    f, stored = fitted(name), STORED[name]
    assert_allclose(f.coefficients, stored["coefficients"], rtol=1e-8)
    # statsmodels' own standard errors of Longley's data have seven digits: NIST's are compared below
    assert_allclose(f.standard_errors, stored["standard_errors"], rtol=1e-8 if name != "Longley" else 1e-6)
    assert_allclose(f.robust_standard_errors, stored["robust_standard_errors"], rtol=1e-8)
    assert_allclose([f.deviance, f.log_likelihood], [stored["deviance"], stored["log_likelihood"]], rtol=1e-10)
    new = np.array(stored["new"])
    assert_allclose(f.predict(new), stored["predicted"], rtol=1e-9)
    if stored["interval"] is not None:
        assert_allclose(f.interval(new, 0.9), stored["interval"], rtol=1e-8)
    if stored["covariance"] is not None and name != "Longley":
        assert_allclose(f.covariance, stored["covariance"], rtol=1e-8)


def test_two_data_sets_of_every_family_are_compared():
    found = [case["family"] for case in CASES.values()]
    assert all(found.count(family) >= 2 for family in (Normal, Bernoulli, Binomial, Poisson, Categorical))
    assert set(STORED) - {"made"} == set(CASES)


# --- the optimum, by other means ----------------------------------------------------------------------------------
@every
def test_the_residual_certifies_the_optimum(name):
    """Xᵀ w (y − μ) by plain NumPy is rounding, against the sum of the sizes of its terms."""
    case, f, X = CASES[name], fitted(name), matrix(name)
    offset = case.get("offset", np.zeros(len(X)))
    w = np.asarray(case.get("weights", np.ones(len(X))), dtype=float)
    eta = X @ np.asarray(f.coefficients).T + (offset[:, None] if f.classes else offset)
    if case["family"] is Categorical:
        e = np.exp(eta)
        mean = e / (1 + e.sum(axis=1, keepdims=True))
        rest = (np.asarray(case["y"])[:, None] == np.array(f.classes[1:])) - mean
    else:
        mean = {
            Normal: lambda e: e,
            Poisson: np.exp,
            Bernoulli: lambda e: 1 / (1 + np.exp(-e)),
            Binomial: lambda e: case.get("n") / (1 + np.exp(-e)),
        }[case["family"]](eta)
        rest = (case["y"] - mean)[:, None]
    score = X.T @ (w[:, None] * rest)
    terms = np.abs(X).T @ (w[:, None] * (np.abs(rest) + np.abs(mean.reshape(rest.shape))))
    assert np.all(np.abs(score) <= 1e-12 * terms)
    assert np.all(np.abs(np.asarray(f.residual).T.reshape(score.shape)) <= 1e-12 * terms)


@every
def test_no_step_raises_the_likelihood(name):
    """Log-likelihoods by scipy.stats, at the optimum and a tenth of a standard error around it."""
    case, f, X = CASES[name], fitted(name), matrix(name)
    offset, w = case.get("offset", 0.0), np.asarray(case.get("weights", np.ones(len(X))))
    y = np.asarray(case["y"])

    def value(beta):
        eta = X @ beta.T + (0.0 if f.classes else offset)
        if case["family"] is Normal:
            sd = np.sqrt(f.deviance / f.observations)
            return w @ stats.norm.logpdf(y, eta, sd)
        if case["family"] is Poisson:
            return w @ stats.poisson.logpmf(y, np.exp(eta))
        if case["family"] is Categorical:
            logits = np.column_stack([np.zeros(len(eta)), eta])
            codes = np.searchsorted(f.classes, y)
            return w @ (logits[np.arange(len(y)), codes] - np.log(np.exp(logits).sum(axis=1)))
        return w @ stats.binom.logpmf(y, case.get("n", 1), 1 / (1 + np.exp(-eta)))

    best = np.asarray(f.coefficients)
    top = value(best)
    assert_allclose(f.log_likelihood, top, rtol=1e-11)
    if name == "Longley":  # a log-likelihood has not the digits to see it
        return
    for index in np.ndindex(best.shape):
        for sign in (-0.1, 0.1):
            moved = best.copy()
            moved[index] += sign * f.standard_errors[index]
            assert value(moved) < top


def test_deviance_is_twice_a_kl():
    y, n = make_regression.CHALLENGER[:, 2], 6
    f = fitted("Challenger, O-rings")
    p = f.predict(CASES["Challenger, O-rings"]["X"])
    assert_allclose(f.deviance, 2 * np.sum(n * Bernoulli(y / n).kl_divergence(Bernoulli(p))), rtol=1e-13)
    f = fitted("digits, dots of a cell")
    y, mean = CASES["digits, dots of a cell"]["y"], f.predict(CASES["digits, dots of a cell"]["X"])
    some = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mean), 0.0)
    assert_allclose(f.deviance, 2 * np.sum(some - y + mean), rtol=1e-11)


def test_robust_errors_are_the_plain_sandwich():
    X, y = simulated(Poisson)
    f = fit(Poisson, X, y)
    Z = np.column_stack([np.ones(len(X)), X])
    mean = np.exp(Z @ f.coefficients)
    bread = np.linalg.inv((Z * mean[:, None]).T @ Z)
    meat = (Z * ((y - mean) ** 2)[:, None]).T @ Z
    assert_allclose(f.covariance, bread, rtol=1e-11)
    assert_allclose(f.robust_covariance, bread @ meat @ bread, rtol=1e-10)
    assert_allclose(f.robust_standard_errors**2, np.diagonal(bread @ meat @ bread), rtol=1e-10)


# --- what must be the same ----------------------------------------------------------------------------------------
@families
def test_a_weight_counts_rows(family):
    X, y = simulated(family)
    times = np.random.default_rng(0).integers(0, 4, size=len(y))
    a, b = fit(family, X, y, weights=times), fit(family, np.repeat(X, times, axis=0), np.repeat(y, times))
    for what in ("coefficients", "standard_errors", "robust_standard_errors", "deviance", "log_likelihood"):
        assert_allclose(getattr(a, what), getattr(b, what), rtol=1e-11)
    assert a.observations == b.observations == times.sum()
    c = fit(family, X[times > 0], y[times > 0], weights=times[times > 0])
    assert_allclose(a.coefficients, c.coefficients, rtol=1e-13)


def test_a_binomial_is_so_many_bernoullis():
    dose, beetles, died = make_regression.BEETLES.T
    rows = [(x, k < d) for x, m, d in zip(dose, beetles, died) for k in range(int(m))]
    a, b = fit(Binomial, dose, died, n=beetles), fit(Bernoulli, *np.array(rows, dtype=float).T)
    assert_allclose(a.coefficients, b.coefficients, rtol=1e-12)
    assert_allclose(a.standard_errors, b.standard_errors, rtol=1e-12)
    assert_allclose(a.predict(dose), b.predict(dose), rtol=1e-12)


def test_two_classes_are_a_bernoulli():
    X, y = simulated(Bernoulli)
    a, b = fit(Bernoulli, X, y), fit(Categorical, X, np.where(y == 1, "yes", "no"))
    assert b.classes == ("no", "yes") and b.baseline == "no"
    assert_allclose(b.coefficients["yes"], a.coefficients, rtol=1e-12)
    assert_allclose(b.robust_standard_errors["yes"], a.robust_standard_errors, rtol=1e-12)
    assert_allclose(b.predict(X)[:, 1], a.predict(X), rtol=1e-12)
    assert_allclose(b.interval(X[:7])[:, 1], a.interval(X[:7]), rtol=1e-11)
    assert_allclose(b.interval(X[:7])[:, 0], 1 - a.interval(X[:7])[:, ::-1], rtol=1e-9)


def test_another_baseline_is_the_same_model():
    X, y = simulated(Categorical)
    a, b = fit(Categorical, X, y), fit(Categorical, X, np.array([2, 0, 1])[y])
    assert_allclose(a.deviance, b.deviance, rtol=1e-12)
    assert_allclose(a.predict(X), b.predict(X)[:, [2, 0, 1]], rtol=1e-11)
    assert_allclose(a.interval(X[:9]), b.interval(X[:9])[:, [2, 0, 1]], rtol=1e-10)
    assert_allclose(a.coefficients["1"] - a.coefficients["2"], -b.coefficients["1"], rtol=1e-10)


def test_intervals_of_classes_are_the_delta_method():
    """The slopes of log p/(1 − p) along the coefficients, by complex steps."""
    X, y = simulated(Categorical)
    f = fit(Categorical, X, y)
    row = np.array([1.0, *X[0]])
    flat = np.asarray(f.coefficients).ravel()

    def log_odds(beta):
        e = np.append(1.0, np.exp(beta.reshape(2, 3) @ row))
        return np.log(e) - np.log(e.sum() - e)

    slopes = np.stack([log_odds(flat + 1e-30j * unit).imag / 1e-30 for unit in np.eye(6)], axis=1)
    for covariance, robust in ((f.covariance, False), (f.robust_covariance, True)):
        sd = np.sqrt(np.einsum("ci,ij,cj->c", slopes, covariance, slopes))
        ends = log_odds(flat)[:, None] + stats.norm.ppf(0.9) * sd[:, None] * [-1, 1]
        assert_allclose(f.interval(X[:1], 0.8, robust=robust)[0], 1 / (1 + np.exp(-ends)), rtol=1e-10)


@families
def test_units_change_nothing(family):
    X, y = simulated(family)
    f = fit(family, X, y)
    for scale in ([1e12, 1.0], [1e-12, 1e100], [1e130, 1e-130]):
        g = fit(family, X * scale, y)
        units = np.array([1.0, *scale])
        assert_allclose(g.coefficients * units, f.coefficients, rtol=1e-12)
        assert_allclose(g.standard_errors * units, f.standard_errors, rtol=1e-12)
        assert_allclose([g.deviance, g.log_likelihood], [f.deviance, f.log_likelihood], rtol=1e-12)
    g = fit(family, X + [1e6, 0], y)
    assert_allclose(np.asarray(g.coefficients)[..., 1:], np.asarray(f.coefficients)[..., 1:], rtol=1e-8)


def test_responses_of_any_size():
    X, y = simulated(Normal)
    f = fit(Normal, X, y)
    for size in (1e100, 1e-130):
        g = fit(Normal, X, y * size)
        assert_allclose(g.coefficients / size, f.coefficients, rtol=1e-12)
        assert_allclose(g.deviance / size**2, f.deviance, rtol=1e-12)
    assert_allclose(fit(Normal, X, y, offset=1e9).coefficients[1:], f.coefficients[1:], rtol=1e-6)
    counts = np.floor(np.exp(X @ [1.0, -0.5] + 230))
    assert_allclose(fit(Poisson, X, counts).coefficients, [230, 1, -0.5], rtol=1e-12)
    counts = simulated(Poisson)[1]
    plain, far = fit(Poisson, X, counts), fit(Poisson, X, counts, offset=-1000.0)
    assert_allclose(far.coefficients - [1000, 0, 0], plain.coefficients, rtol=1e-9)


@families
def test_anything_that_holds_numbers(family):
    X, y = simulated(family)
    X = np.round(8 * X)
    f = fit(family, X, y)
    for other in (X.astype(int), X.tolist(), np.asfortranarray(X), X.astype(np.float32)):
        assert_allclose(fit(family, other, list(y)).coefficients, f.coefficients, rtol=1e-12)
    assert_allclose(fit(family, X > 0, y).deviance, fit(family, (X > 0).astype(float), y).deviance, rtol=1e-14)
    one = fit(family, X[:, 0], y)
    assert_allclose(one.coefficients, fit(family, X[:, :1], y).coefficients, rtol=1e-14)
    assert_allclose(one.predict(3), one.predict([[3.0]]), rtol=1e-15)


def test_an_intercept_alone_is_the_mean():
    y = [0, 1, 1, 0, 1, 1]
    assert_allclose(fit(Bernoulli, np.empty((6, 0)), y).predict(np.empty((2, 0))), [2 / 3, 2 / 3], rtol=1e-14)
    assert_allclose(np.exp(fit(Poisson, np.empty((6, 0)), y).coefficients), [2 / 3], rtol=1e-14)
    f = fit(Normal, np.empty((6, 0)), y)
    assert_allclose([f.dispersion, f.standard_errors[0]], [np.var(y, ddof=1), stats.sem(y)], rtol=1e-13)


# --- ill-conditioned columns --------------------------------------------------------------------------------------
def columns_of(name):
    data = NIST[name]
    if "X" in data:
        return np.array(data["X"]), np.array(data["y"])
    return np.array(data["x"], dtype=float)[:, None] ** np.arange(1, data["degree"] + 1), np.array(
        data["y"], dtype=float
    )


def exactly(X, y):
    """Least squares of these doubles in fractions: coefficients and standard errors."""
    X = [[Fraction(1), *map(Fraction, row)] for row in X.tolist()]
    y = list(map(Fraction, y.tolist()))
    p = len(X[0])
    A = [[sum(r[i] * r[j] for r in X) for j in range(p)] + [sum(r[i] * v for r, v in zip(X, y))] for i in range(p)]
    A = [row + [Fraction(i == j) for j in range(p)] for i, row in enumerate(A)]
    for i in range(p):
        A[i] = [value / A[i][i] for value in A[i]]
        for j in range(p):
            if i != j:
                A[j] = [a - A[j][i] * b for a, b in zip(A[j], A[i])]
    beta = [row[p] for row in A]
    rss = sum((v - sum(b * x for b, x in zip(beta, r))) ** 2 for r, v in zip(X, y))
    errors = [float(A[i][p + 1 + i] * rss / (len(y) - p)) ** 0.5 for i in range(p)]
    return np.array(list(map(float, beta))), np.array(errors)


@pytest.mark.parametrize("name", ["Longley", "Filip", "Wampler2", "Wampler5"])
def test_least_squares_of_the_doubles_are_exact(name):
    """Filip's columns have condition 1e10 when they are scaled: np.linalg.lstsq has no digit right."""
    X, y = columns_of(name)
    beta, errors = exactly(X, y)
    f = fit(Normal, X, y)
    assert_allclose(f.coefficients, beta, rtol=1e-12)
    # Wampler2 is a perfect fit but for the rounding of y
    assert_allclose(f.standard_errors, errors, rtol=1e-11 if name != "Wampler2" else 1e-6)


def test_a_polynomial_of_degree_eight():
    x = np.linspace(0, 3, 40)
    X = x[:, None] ** np.arange(1, 9)
    y = np.exp(-x) + np.sin(40 * x)
    beta, errors = exactly(X, y)
    f = fit(Normal, X, y)
    assert_allclose(f.coefficients, beta, rtol=1e-12)
    assert_allclose(f.standard_errors, errors, rtol=1e-12)


#: Digits to which NIST's values are reached; its powers of Filip's x are of decimals, ours of doubles.
DIGITS = {"Longley": 14, "Filip": 7.4, "Wampler1": 14, "Wampler2": 12.5, "Wampler3": 14, "Wampler4": 14, "Wampler5": 14}


@pytest.mark.parametrize("name", DIGITS)
def test_nist_certifies_the_digits(name):
    X, y = columns_of(name)
    f, certified = fit(Normal, X, y), NIST[name]
    assert_allclose(f.coefficients, certified["coefficients"], rtol=10 ** -DIGITS[name])
    if name in ("Wampler1", "Wampler2"):  # no residual at all
        assert f.dispersion < 1e-25
    else:
        assert_allclose(f.standard_errors, certified["standard_errors"], rtol=10 ** -min(DIGITS[name], 13.5))
        assert_allclose(np.sqrt(f.dispersion), certified["residual_sd"], rtol=10 ** -min(DIGITS[name] + 1.5, 13.5))


def test_products_in_twice_the_precision():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * 10.0 ** rng.integers(-12, 12, size=(60, 5))
    b, r, w = rng.normal(size=5), rng.normal(size=60), rng.random(60)
    start = X @ b  # cancels but for rounding
    differences = [
        float(Fraction(s) - sum(Fraction(x) * Fraction(v) for x, v in zip(row.tolist(), b.tolist())))
        for s, row in zip(start.tolist(), X)
    ]
    assert_allclose(precise.subtract_product(start, X, b), differences, rtol=1e-14)
    products = [
        float(sum(Fraction(x) * Fraction(a) * Fraction(c) for x, a, c in zip(column.tolist(), r.tolist(), w.tolist())))
        for column in X.T
    ]
    assert_allclose(precise.product_of_transpose(X, r, w), products, rtol=1e-15)


# --- separation ---------------------------------------------------------------------------------------------------
def by_full_program(X, y, family, n=None):
    """The kind of separation, and how many inequalities are strict, by one linear program over all rows in plain
    coordinates."""
    X = np.column_stack([np.ones(len(X)), X])
    if family is Categorical:
        labels, rows = list(np.unique(y)), []
        for x, label in zip(X, y):
            own = labels.index(label)
            for k in set(range(len(labels))) - {own}:
                a = np.zeros((len(labels), X.shape[1]))
                a[own] += x
                a[k] -= x
                rows.append(a[1:].ravel())
        A, E = np.array(rows), None
    else:
        edge = (y == {Bernoulli: 1, Binomial: n, Poisson: np.inf}[family]) * 1.0 - (y == 0)
        A, E = edge[edge != 0, None] * X[edge != 0], X[edge == 0] if np.any(edge == 0) else None
    if len(A) == 0:
        return "none", 0
    m, q = A.shape
    found = optimize.linprog(
        np.append(np.zeros(q), -np.ones(m)),
        A_ub=np.hstack([-A, np.eye(m)]),
        b_ub=np.zeros(m),
        A_eq=None if E is None else np.hstack([E, np.zeros((len(E), m))]),
        b_eq=None if E is None else np.zeros(len(E)),
        bounds=[(None, None)] * q + [(0, 1)] * m,
    )
    count = round(-found.fun)
    return "none" if count == 0 else "complete" if count == m and E is None else "quasi-complete", count


def check_direction(found, X, y, family, n=None):
    """Every observation goes to its side along the direction, or stays; and which do is told."""
    d = np.asarray(found.direction)
    linear = np.column_stack([np.ones(len(X)), X]) @ d.T
    size = 1e-9 * np.abs(np.column_stack([np.ones(len(X)), X])) @ np.abs(d).T
    if family is Categorical:
        own = np.searchsorted(np.unique(y), y)
        scores = np.column_stack([np.zeros(len(linear)), linear])
        gaps = scores[np.arange(len(y)), own][:, None] - scores
        assert np.all(gaps >= -size.max(axis=1, keepdims=True))
        assert_array_equal(np.any(gaps > size.max(axis=1, keepdims=True), axis=1), found.rows)
        return
    edge = (y == {Bernoulli: 1, Binomial: n, Poisson: np.inf}[family]) * 1.0 - (y == 0)
    assert np.all(np.abs(linear[edge == 0]) <= size[edge == 0])
    assert np.all((edge * linear)[edge != 0] >= -size[edge != 0])
    assert_array_equal(edge * linear > size, found.rows)


@pytest.mark.slow
@pytest.mark.parametrize("family", [Bernoulli, Binomial, Poisson, Categorical])
def test_a_linear_program_over_all_rows_agrees(family):
    seen = set()
    for seed in range(70):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(6, 40))
        X = rng.integers(-3, 4, size=(rows, rng.integers(1, 4))).astype(float)
        beta = rng.normal(size=X.shape[1]) * rng.choice([0.3, 2, 20])
        eta = X @ beta
        y = {
            Bernoulli: lambda: 1.0 * (rng.random(rows) < 1 / (1 + np.exp(-eta))),
            Binomial: lambda: rng.binomial(3, 1 / (1 + np.exp(-eta))),
            Poisson: lambda: rng.poisson(np.exp(np.minimum(eta, 5) - rng.choice([0, 3]))),
            Categorical: lambda: np.argmax(np.column_stack([0 * eta, eta, -X[:, 0]]) + rng.gumbel(size=(rows, 3)), 1),
        }[family]()
        if np.linalg.matrix_rank(np.column_stack([np.ones(rows), X])) <= X.shape[1] or len(set(y)) < 2:
            continue
        n = 3 if family is Binomial else None
        found = separation(X, y, family, n=n)
        kind, strict = by_full_program(X, y, family, n)
        assert found.kind == kind and (family is Categorical or found.rows.sum() == strict), seed
        seen.add(found.kind)
        if found:
            check_direction(found, X, y, family, n)
            with pytest.raises(SeparationError, match="ly separated by"):
                fit(family, X, y, n=n)
        else:
            assert np.all(np.isfinite(fit(family, X, y, n=n).standard_errors))
    # the positive counts lie at no edge: only where there is none could the separation of counts be complete
    assert seen == {"none", "quasi-complete"} | (set() if family is Poisson else {"complete"})


@pytest.mark.parametrize("seed", [46, 104, 186])
def test_a_direction_found_on_the_way_is_completed(seed):
    """Levels of factors separate some rows soon, and others only after many steps: all are told."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, size=(60, 3)).astype(float)
    y = X @ rng.normal(size=3) * 6 + rng.logistic(size=60) > 0
    levels = rng.random((60, 3)) < 0.2
    X, y = np.column_stack([X, levels]), np.where(levels.any(axis=1), 1.0, y)
    found = separation(X, y, Categorical)
    assert (found.kind, found.rows.sum()) == by_full_program(X, y, Categorical) and found.rows.dtype == bool
    check_direction(found, X, y, Categorical)


@pytest.mark.parametrize("family", [Bernoulli, Poisson, Categorical])
def test_inequalities_are_given_divided_by_their_lengths(family):
    """Row by row, in the coordinates of Q; a row of zeros stays one."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3 if family is Categorical else 2, size=20).astype(float)
    X = rng.normal(size=(20, 3)) * rng.choice([1.0, 1e-3, 1e3], size=(20, 1))
    X[4] = 0.0
    response = _response("test", family, y, None)
    found = separating.Constraints(response, X, 1.0)
    index = np.arange(len(found.owner))
    rows, d = found.rows(index), rng.normal(size=found.width)
    length = np.linalg.norm(rows, axis=1)
    assert_allclose(length[found.owner != 4], 1, rtol=1e-14)
    assert not np.any(length[found.owner == 4])
    assert_allclose(rows @ d / np.linalg.norm(d), found.values(d), rtol=1e-12, atol=1e-15)
    assert_allclose(found.rows(index[::3]), rows[::3], rtol=1e-15)
    every = np.ones(len(found.owner), dtype=bool)
    assert found.span(every) and (family is Poisson or not found.span(found.owner == 0))
    found.width = 20_000_001  # of so many numbers nothing is certain
    assert not found.span(every)
    if family is not Categorical:
        expected = np.where(y > 0, 1.0, -1.0)[:, None] * X
        expected = expected[y == 0] if family is Poisson else expected
        assert_allclose(rows * np.linalg.norm(expected, axis=1)[:, None], expected, rtol=1e-12)


@pytest.mark.parametrize("family", [Bernoulli, Poisson])
def test_the_unit_of_weights_does_not_count(family):
    """All numbers of Newton's method scale with a power of four, its end included."""
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(50, 2)), rng.uniform(0.5, 2.0, size=50)
    y = (X[:, 0] + rng.logistic(size=50) > 0) * 1.0
    found = []
    for unit in (2.0**-120, 1.0, 2.0**120):
        design = factor("test", X, ("x0", "x1"), unit * w)
        end = newton.maximise(_response("test", family, y, None), design, np.zeros(50), unit * w, 50)
        assert end.converged
        found.append(end.beta)
    assert_allclose(found[0], found[1], rtol=1e-13)
    assert_allclose(found[2], found[1], rtol=1e-13)


@pytest.mark.slow
def test_many_classes_of_real_images():
    """A thousand digits, ten classes: as many rows as a linear program over all 9,000 constraints has found strict."""
    digits = datasets.digits()
    X, y = digits.images[:1000] / 16, digits.labels[:1000]
    X = X[:, np.std(digits.images, axis=0) > 0][:, ::4]
    X = X[:, np.std(X, axis=0) > 0]
    found = separation(X, y)
    assert found.kind == "quasi-complete" and found.rows.sum() == 662
    check_direction(found, X, y, Categorical)


def test_one_level_of_a_factor_separates():
    X, y = simulated(Bernoulli)
    level = np.zeros(len(y))
    level[np.flatnonzero(y == 1)[:5]] = 1
    found = separation(np.column_stack([X, level]), y)
    assert found.kind == "quasi-complete"
    assert_array_equal(found.rows, level == 1)
    direction = np.asarray(found.direction).ravel()
    assert direction[3] > 0 and np.all(np.abs(direction[:3]) < 1e-9 * direction[3])
    message = r"y = quasi-completely separated by 'x2' \(5 of 200 observations lie strictly on their side\); expected"
    with pytest.raises(SeparationError, match=message) as raised:
        fit(Bernoulli, np.column_stack([X, level]), y)
    assert raised.value.separation.kind == "quasi-complete"
    assert pickle.loads(pickle.dumps(raised.value)).separation.kind == "quasi-complete"


def test_zero_counts_separate():
    X, y = simulated(Poisson)
    level = np.zeros(len(y))
    level[:7] = 1
    y[:7] = 0
    found = separation(np.column_stack([X, level]), y, Poisson)
    assert found.kind == "quasi-complete"
    assert_array_equal(found.rows, level == 1)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
def test_near_separable_is_not_separable(gap):
    """Two points that overlap by so much: a maximum with a slope near log(1/gap)/gap; apart by so much: none."""
    x = np.concatenate([np.linspace(-1, -0.1, 50), np.linspace(0.1, 1, 50), [gap, -gap]])
    y = np.repeat([0, 1, 0, 1], [50, 50, 1, 1])
    assert separation(x, y).kind == "none"
    f = fit(Bernoulli, x, y)
    # on a log scale of the slope b: the two points pull with gap each, the nearest others with 0.1 e^(−0.1 b)
    score = lambda b: np.sum((y - 1 / (1 + np.exp(-b * x)))[:100] * x[:100]) - 2 * gap / (1 + np.exp(-b * gap))
    lower, upper = 0.9 * f.coefficients[1], 1.1 * f.coefficients[1]
    assert score(lower) > 0 > score(upper)
    x[-2:] *= -1
    assert separation(x, y).kind == "complete"
    with pytest.raises(SeparationError):
        fit(Bernoulli, x, y)


def test_weights_do_not_hide_separation():
    X, y = simulated(Bernoulli)
    rng = np.random.default_rng(0)
    weights = 10.0 ** rng.uniform(-8, 0, size=len(y))
    assert_allclose(fit(Bernoulli, X, y, weights=weights).residual, 0, atol=1e-12)
    level = np.zeros(len(y))
    level[np.flatnonzero(y == 1)[:5]] = 1
    with pytest.raises(SeparationError, match="'x2'"):
        fit(Bernoulli, np.column_stack([X, level]), y, weights=weights)
    # but a row of weight 0 is no row
    away = np.where(level == 1, 0.0, 1.0)
    with pytest.raises(ValueError, match="column 'x2' of X = 0"):
        fit(Bernoulli, np.column_stack([X, level]), y, weights=away)


@pytest.mark.parametrize(
    "family, y, n", [(Bernoulli, 0, None), (Bernoulli, 1, None), (Binomial, 0, 5), (Binomial, 5, 5), (Poisson, 0, None)]
)
def test_all_at_one_edge(family, y, n):
    X = simulated(Normal)[0]
    with pytest.raises(SeparationError, match="completely separated by the intercept alone"):
        fit(family, X, np.full(len(X), y), n=n)


@pytest.mark.slow
def test_separation_of_many_rows():
    rng = np.random.default_rng(0)
    X, beta = rng.normal(size=(100_000, 20)), rng.normal(size=20)
    X[:, 3], beta[3] = rng.random(100_000) < 0.01, 0.0
    eta = X @ beta
    y = rng.random(100_000) < 1 / (1 + np.exp(-eta))
    assert not separation(X, y, Bernoulli)
    found = separation(X, y | (X[:, 3] == 1), Bernoulli)
    assert found.kind == "quasi-complete"
    assert found.rows.sum() == X[:, 3].sum()
    assert separation(X, eta > 0, Bernoulli).kind == "complete"


# --- names --------------------------------------------------------------------------------------------------------
class Frame:
    """The least of a data frame."""

    def __init__(self, **columns):
        self.data = {name: np.asarray(column) for name, column in columns.items()}
        self.columns = list(self.data)
        self.shape = (len(next(iter(self.data.values()))), len(self.data))

    def __getitem__(self, name):
        return self.data[name]


def test_columns_keep_their_names():
    X, y = simulated(Poisson)
    f = fit(Poisson, Frame(age=X[:, 0], dose=X[:, 1]), y)
    assert f.names == ("intercept", "age", "dose")
    assert_allclose(f.coefficients, fit(Poisson, X, y).coefficients)
    assert f.coefficients["dose"] == f.coefficients[2] and dict(f.coefficients)["age"] == f.coefficients[1]
    assert f.covariance["age", "dose"] == f.covariance[1, 2]
    assert f.standard_errors.keys() == f.names
    # another order, and more columns than needed
    new = Frame(dose=X[:5, 1], other=np.zeros(5), age=X[:5, 0])
    assert_allclose(f.predict(new), f.predict(X[:5]), rtol=1e-15)
    with pytest.raises(ValueError, match=r"columns of X_new = \['age'\]; expected a column 'dose'"):
        f.predict(Frame(age=X[:, 0]))
    with pytest.raises(ValueError, match=r"X\['age'\]\[3\] = nan"):
        fit(Poisson, Frame(age=np.where(np.arange(200) == 3, np.nan, X[:, 0])), y)
    with pytest.raises(TypeError, match=r"X\['sex'\] = .*Code text and factors"):
        fit(Poisson, Frame(sex=np.array(["f", "m"] * 100)), y)
    with pytest.raises(ValueError, match="no column named 'intercept'"):
        fit(Poisson, Frame(intercept=X[:, 0]), y)


def test_pandas():
    pandas = pytest.importorskip("pandas")
    X, y = simulated(Bernoulli)
    frame = pandas.DataFrame({"age": X[:, 0], "treated": X[:, 1] > 0}, index=np.arange(200)[::-1])
    f = fit(Bernoulli, frame, pandas.Series(y))
    assert_allclose(f.coefficients, fit(Bernoulli, np.column_stack([X[:, 0], X[:, 1] > 0]), y).coefficients, rtol=1e-13)
    assert f.names == ("intercept", "age", "treated")
    assert_allclose(f.interval(frame.head(3)), f.interval(np.asarray(frame.head(3), dtype=float)), rtol=1e-14)
    g = fit(Categorical, frame, pandas.Series(np.where(y == 1, "yes", "no")).astype("category"))
    assert g.coefficients["yes", "age"] == pytest.approx(f.coefficients["age"])
    with pytest.raises(ValueError, match="occurs twice"):
        fit(Bernoulli, pandas.DataFrame(X, columns=["a", "a"]), y)


def test_columns_of_a_frame_after_a_fit_to_an_array():
    X, y = simulated(Poisson)
    f = fit(Poisson, X, y)
    assert_allclose(f.predict(Frame(x1=X[:, 1], x0=X[:, 0])), f.predict(X), rtol=1e-15)  # by name where they have them
    assert_allclose(f.interval(Frame(x1=X[:, 1], x0=X[:, 0])), f.interval(X), rtol=1e-15)
    assert_allclose(f.predict(Frame(age=X[:, 0], dose=X[:, 1])), f.predict(X), rtol=1e-15)  # else by position


def test_a_declared_factor_is_no_number():
    class Column(np.ndarray):
        dtype = type("", (), {"name": "category"})()

    X, y = simulated(Poisson)
    frame = Frame(b=X[:, 0])
    frame.data["b"] = X[:, 0].view(Column)
    with pytest.raises(TypeError, match=r"type of X\['b'\] = 'category'; expected numbers. Code text and factors"):
        fit(Poisson, frame, y)


def test_names_stay_or_are_missed():
    a = Named([[1.0, 2.0], [3.0, 4.0]], ("cat", "dog"), ("intercept", "age"))
    assert a.T["age", "dog"] == 4 and a[1:]["dog", "age"] == 4 and a["cat"][1:]["age"] == 2
    with pytest.raises(KeyError, match="NumPy has made an array without names of this one"):
        np.sort(a)["cat"]


def test_named_numbers_are_numbers():
    a = Named([[1.0, 2.0], [3.0, 4.0]], ("cat", "dog"), ("intercept", "age"))
    assert a["dog", "age"] == 4 and a["dog"]["age"] == 4 and a["dog"].keys() == ("intercept", "age")
    assert type(2 * a) is np.ndarray and type(a.sum()) is not Named and type(a[0]) is np.ndarray
    assert repr(a).split() == ["intercept", "age", "cat", "1", "2", "dog", "3", "4"]
    with pytest.raises(KeyError, match="'cow'; the names are 'cat', 'dog'"):
        a["cow"]
    for again in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert again["dog", "age"] == 4 and not again.flags.writeable


# --- results ------------------------------------------------------------------------------------------------------
@families
def test_results_do_not_change(family):
    X, y = simulated(family)
    f = fit(family, X, y)
    for other in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        assert repr(other) == repr(f)
        assert_array_equal(other.predict(X), f.predict(X))
        with pytest.raises(AttributeError):
            other.deviance = 1.0
        for array in (other.coefficients, other.covariance, other.robust_covariance, other.residual):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0


def test_shown_as_text_and_as_table():
    f = fitted("Challenger, number of incidents")
    text, table = repr(f), f._repr_html_()
    assert "Categorical regression" in text and "baseline 0" in text and "robust (HC0)" in text
    assert [line.split("  ")[0] for line in text.split("\n")[2:-1]] == [
        "1: intercept",
        "1: x0",
        "2: intercept",
        "2: x0",
    ]
    assert table.count("<tr>") == 5 and "1: intercept" in table and "−" in table
    named = fit(Normal, Frame(**{"<b>": simulated(Normal)[0][:, 0]}), simulated(Normal)[1])
    assert "&lt;b&gt;" in named._repr_html_() and "<b>" not in named._repr_html_()


def test_the_interval_of_challenger_at_31_degrees():
    """By hand: the linear predictor, its standard error, and the map to probabilities."""
    f = fit(Binomial, make_regression.CHALLENGER[:, 0], make_regression.CHALLENGER[:, 2], n=6)
    x = np.array([1.0, 31.0])
    centre, sd = x @ f.coefficients, np.sqrt(x @ f.covariance @ x)
    ends = 1 / (1 + np.exp(-(centre + np.array([-1, 1]) * 1.959963984540054 * sd)))
    assert_allclose(f.interval(31), [ends], rtol=1e-12)
    assert_allclose(f.predict(31), 1 / (1 + np.exp(-centre)), rtol=1e-13)
    wide, narrow = f.interval([31, 60, 81], 0.99), f.interval([31, 60, 81], 0.5)
    assert wide.shape == (3, 2) and np.all(wide[:, 0] < narrow[:, 0]) and np.all(narrow[:, 1] < wide[:, 1])


def test_the_profile_interval_of_challenger_at_31_degrees():
    """Through an offset, as the chapter does: the extremes of η among all lines of that likelihood agree."""
    temperature, damaged = make_regression.CHALLENGER[:, 0], 1.0 * (make_regression.CHALLENGER[:, 2] > 0)
    f, point = fit(Bernoulli, temperature, damaged), stats.chi2.ppf(0.95, 1)
    lost = lambda t: 2 * np.sum(np.logaddexp(0, (1 - 2 * damaged) * (t[0] + t[1] * (temperature - 31))))
    start, room = np.array([f.coefficients @ [1, 31], f.coefficients[1]]), f.deviance + point
    within = {"type": "ineq", "fun": lambda t: room - lost(t)}
    ends = []
    for sign in (1, -1):
        options = {"ftol": 1e-13, "maxiter": 500}
        eta = optimize.minimize(
            lambda t, sign=sign: sign * t[0], start, constraints=within, method="SLSQP", options=options
        ).x[0]
        held = fit(Bernoulli, temperature - 31, damaged, offset=eta, intercept=False)
        assert_allclose(held.deviance - f.deviance, point, rtol=1e-6)
        ends.append(1 / (1 + np.exp(-eta)))
    assert_allclose(ends, [0.8037, 1.0], atol=5e-5)
    assert_allclose(f.interval(31)[0], [0.4816, 1.0], atol=5e-5)


def test_offsets_enter_predictions():
    X, y = simulated(Poisson)
    exposure = np.random.default_rng(0).uniform(0.5, 2, size=200)
    f = fit(Poisson, X, y, offset=np.log(exposure))
    assert_allclose(f.predict(X, offset=np.log(exposure)), exposure * f.predict(X), rtol=1e-13)
    assert_allclose(f.interval(X, offset=np.log(3.0)), 3 * f.interval(X), rtol=1e-13)


@pytest.mark.slow
def test_the_normal_interval_covers():
    """Student's t: exact, so 2,000 intervals of 80 % from eight observations cover 80 % of the time."""
    rng = np.random.default_rng(5)
    x, inside = np.linspace(0, 1, 8), 0
    for _ in range(400):
        low, high = fit(Normal, x, 2 * x + rng.normal(size=8)).interval(0.3, 0.8)[0]
        inside += low < 0.6 < high
    assert abs(inside / 400 - 0.8) < 0.06  # three standard errors


def test_perfect_fits():
    x = np.arange(6.0)
    f = fit(Normal, x, 2 * x + 1)
    assert_allclose(f.coefficients, [1, 2], rtol=1e-15)
    assert f.deviance == 0 and f.log_likelihood == np.inf and np.all(f.standard_errors == 0)
    saturated = fit(Poisson, [0.0, 1.0], [2, 5])
    assert_allclose(np.exp(saturated.coefficients), [2, 2.5], rtol=1e-14)
    assert saturated.deviance < 1e-25


@pytest.mark.parametrize("x, y", [([1.0, 2, 4], [2.0, 2, 2]), ([1.0, 2, 4], [0.1] * 3), ([1.0, 2, 3], [2.0, 3, 4])])
def test_a_perfect_fit_says_so(x, y):
    f = fit(Normal, x, y)
    assert f.deviance == 0 and f.log_likelihood == np.inf and np.all(f.standard_errors == 0)
    assert "a perfect fit: the likelihood has no maximum in the variance" in repr(f)
    assert_allclose(f.coefficients[1], (y[1] - y[0]) / (x[1] - x[0]), atol=1e-70)


def test_tiny_residuals_of_small_rows_are_no_perfect_fit():
    x, y = np.array([1e30, 2e30, 1, 2]), np.array([1e30, 2e30, 1, 2.5])
    f = fit(Normal, x, y, intercept=False)
    assert_allclose(f.deviance, 0.25, rtol=1e-12)


# --- digits where probabilities near 0 and 1 ----------------------------------------------------------------------
@pytest.mark.parametrize("family", [Bernoulli, Binomial, Categorical])
def test_residuals_keep_their_digits_where_fits_are_nearly_certain(family):
    """x = −1, g, g, 1 with y = 0, 0, 1, 1 and no intercept: 1/(1 + e^b) = (g/2) tanh(gb/2), solved for b by hand."""
    for g in (1e-2, 1e-6, 1e-10):
        solved = optimize.brentq(lambda b, g=g: -b - np.log1p(np.exp(-b)) - np.log(g / 2 * np.tanh(g * b / 2)), 1, 100)
        f = fit(family, [-1.0, g, g, 1.0], [0, 0, 1, 1], intercept=False, n=1 if family is Binomial else None)
        assert_allclose(np.ravel(f.coefficients), solved, rtol=1e-9)
        v = np.exp(-solved) / (1 + np.exp(-solved)) ** 2
        information = 2 * v + 2 * g**2 / (4 * np.cosh(g * solved / 2) ** 2)
        assert_allclose(np.ravel(f.standard_errors), information**-0.5, rtol=1e-7)


def test_coefficients_of_nearly_separated_points():
    """Solved with 60 digits for x = 0, 1, 1 − 1e-8, 2 (the doubles)."""
    for family in (Bernoulli, Categorical):
        f = fit(family, [0, 1, 1 - 1e-8, 2], [0, 0, 1, 1])
        assert_allclose(np.ravel(f.coefficients), [-19.80697494899519, 19.806975048030064], rtol=1e-14)
        assert_allclose(np.ravel(f.standard_errors), 14142.135238059, rtol=1e-8)


def test_a_class_without_weight_is_no_class():
    x, y = np.arange(6.0), np.array([0, 1, 0, 1, 0, 2])
    one = fit(Categorical, x, y, weights=[1, 1, 1, 1, 1, 0])
    other = fit(Categorical, x[:5], y[:5])
    assert one.classes == other.classes == (0, 1)
    assert_allclose(one.coefficients, other.coefficients, rtol=1e-14)
    rest = fit(Categorical, x, y[::-1], weights=[0, 1, 1, 1, 1, 1])  # without the last class
    assert rest.classes == (0, 1)
    with pytest.raises(ValueError, match=r"classes in y with positive weight = \[0\]; expected at least two"):
        fit(Categorical, x, y, weights=[1, 0, 1, 0, 0, 0])


def test_rows_and_kinds_with_classes():
    """All rows lie strictly on their side from one class, not from all: quasi-complete, and the docstring says so."""
    x, y = [1.0, 2, 3, 4, 5, 6, 1.5, 2.5], [0, 1, 0, 1, 2, 2, 1, 0]
    found = separation(x, y)
    assert found.kind == "quasi-complete" and found.rows.all()
    with pytest.raises(SeparationError, match=r"8 of 8 observations lie strictly on their side from one class or more"):
        fit(Categorical, x, y)


# --- errors -------------------------------------------------------------------------------------------------------
X4, Y4 = [[1.0, 2.0], [2.0, 1.0], [0.0, 0.5], [3.0, 3.5]], [0, 1, 1, 0]
BAD = {
    "no family": ((Gamma, X4, Y4), {}, "family = .*expected one of Normal, Bernoulli, Binomial, Poisson, Categorical"),
    "trials missing": ((Binomial, X4, Y4), {}, "n = None; expected the number of trials"),
    "trials too few": ((Binomial, X4, [0, 1, 7, 2]), {"n": 6}, r"y\[2\] = 7.0; expected at most"),
    "trials of another": ((Poisson, X4, Y4), {"n": 6}, "Only Binomial has a number of trials"),
    "rows": ((Poisson, X4, [1, 2]), {}, r"rows of X and y = \(4, 2\)"),
    "not 0 or 1": ((Bernoulli, X4, [0, 1, 2, 1]), {}, r"y\[2\] = 2.0; expected 0 or 1"),
    "half a count": ((Poisson, X4, [0, 0.5, 2, 1]), {}, r"y\[1\] = 0.5; expected a whole number"),
    "half a class": ((Categorical, X4, [0, 0.5, 2, 1]), {}, r"y\[1\] = 0.5; expected a whole number or a text"),
    "mixed labels": ((Categorical, X4, ["b", 1, "b", 1]), {}, "labels in y = .*expected numbers alone or texts alone"),
    "one class": ((Categorical, X4, [3, 3, 3, 3]), {}, r"classes in y = \[3\]; expected at least two"),
    "nan": ((Poisson, [[1.0, np.nan]] * 4, Y4), {}, r"X\[0, 1\] = nan; expected no NaN"),
    "infinite": ((Poisson, [[1.0, np.inf]] * 4, Y4), {}, r"X\[0, 1\] = inf; expected finite numbers"),
    "masked": ((Poisson, np.ma.masked_equal(X4, 3.5), Y4), {}, "expected values without a mask. Leave these rows out"),
    "negative weight": ((Poisson, X4, Y4), {"weights": [1, 1, -1, 1]}, r"weights\[2\] = -1.0; expected 0, or a number"),
    "no weight": ((Poisson, X4, Y4), {"weights": [0, 0, 0, 0]}, "sum of weights = 0.0"),
    "shape of weights": ((Poisson, X4, Y4), {"weights": [1, 2]}, r"shape of weights = \(2,\); expected \(4,\)"),
    "shape of offset": ((Poisson, X4, Y4), {"offset": [1, 2]}, r"shape of offset = \(2,\)"),
    "collinear": ((Poisson, np.c_[X4, np.sum(X4, axis=1)], Y4), {}, r"linearly dependent = \['x0', 'x1', 'x2'\]"),
    "constant": ((Poisson, np.c_[X4, [7] * 4], Y4), {}, "Column 'x2' is constant, as the intercept is"),
    "zeros": ((Poisson, np.c_[X4, [0] * 4], Y4), {}, "column 'x2' of X = 0.0; expected values that are not all zero"),
    "few rows": ((Poisson, X4[:2], Y4[:2]), {}, "rows of X with positive weight = 2; expected at least 3"),
    "no rest": ((Normal, X4[:3], Y4[:3]), {}, "number of observations = 3.0; expected more than 3"),
    "relative weights": ((Normal, X4, Y4), {"weights": [0.25] * 4}, "Weights count rows: multiply relative ones"),
    "no columns": ((Poisson, np.empty((4, 0)), Y4), {"intercept": False}, "expected at least one column"),
    "no rows": ((Poisson, np.empty((0, 2)), []), {}, "expected at least one"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_clear_error(name):
    arguments, options, match = BAD[name]
    with pytest.raises((ValueError, TypeError), match=match) as raised:
        fit(*arguments, **options)
    assert str(raised.value).startswith("regression.fit: ")


def test_errors_of_predictions():
    X, y = simulated(Poisson)
    f = fit(Poisson, X, y)
    for call, match in (
        (lambda: f.predict([1.0, 2.0, 3.0]), r"shape of X_new = \(3, 1\); expected \(m, 2\)"),
        (lambda: f.predict(X * 1e6), "expected a linear predictor of which the mean is a double"),
        (lambda: f.interval(X, 1.0), "level = 1.0; expected a probability strictly between 0 and 1"),
        (lambda: f.interval(X, robust="yes"), "robust = 'yes'; expected True or False"),
        (lambda: f.interval(X, offset=[1.0]), r"shape of offset = \(1,\)"),
    ):
        with pytest.raises((ValueError, TypeError), match=match):
            call()


# --- responses ----------------------------------------------------------------------------------------------------
ETA = np.array([-3.0, -0.7, 0.0, 0.4, 2.5])
RESPONSES = {
    "Normal": (Normal, [0.3, -1.0, 2.0, 0.4, 1.0], None, lambda y, eta: stats.norm.logpdf(y, eta)),
    "Bernoulli": (Bernoulli, [0, 1, 1, 0, 1], None, lambda y, eta: stats.bernoulli.logpmf(y, special.expit(eta))),
    "Binomial": (Binomial, [0, 2, 5, 1, 7], 7, lambda y, eta: stats.binom.logpmf(y, 7, special.expit(eta))),
    "Poisson": (Poisson, [0, 2, 1, 3, 20], None, lambda y, eta: stats.poisson.logpmf(y, np.exp(eta))),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_parts_of_a_response_belong_together(name):
    """The terms are log-probabilities but for what does not depend on η; y − μ and the variance are their derivatives;
    the deviance is twice what they lack of the best; the search begins near the data."""
    family, y, n, log_p = RESPONSES[name]
    response, y, eta = _response("test", family, y, n), np.array(y, dtype=float), ETA[:, None]
    terms, h = lambda shift: response.log_terms(eta + shift), 1e-4
    assert_allclose(terms(0.3) - terms(0.0), log_p(y, ETA + 0.3) - log_p(y, ETA), atol=1e-12)
    assert_allclose(response.rest(eta)[:, 0], y - response.mean(eta)[:, 0], rtol=1e-13, atol=1e-15)
    assert_allclose(response.rest(eta)[:, 0], (terms(h) - terms(-h)) / (2 * h), rtol=1e-6, atol=1e-8)
    assert_allclose(
        response.variance(eta)[:, 0], (response.mean(eta + h) - response.mean(eta - h))[:, 0] / (2 * h), rtol=1e-6
    )
    with np.errstate(divide="ignore"):
        best = {"Normal": lambda: y, "Poisson": lambda: np.log(y)}.get(name, lambda: special.logit(y / (n or 1)))()
    best = np.clip(best, -50, 50)
    assert_allclose(response.deviance(eta), 2 * (log_p(y, best) - log_p(y, ETA)), rtol=1e-10, atol=1e-12)
    ends = {"Normal": y != y, "Poisson": y == 0}.get(name, (y == 0) | (y == (n or 1)))
    assert_array_equal(response.boundary(), np.where(ends, np.where(y == 0, -1, 1), 0))
    start = response.start()[:, 0]
    assert np.all(np.isfinite(start))
    assert_allclose(start[~ends], best[~ends], atol=0.35)
    assert np.all(start[ends] * response.boundary()[ends] > 0)
