"""Losses of classifiers and calibration against SciPy, sixty digits, and sums over every case; and what the chapter
`regression` says of conditional likelihood, residuals, deviance and separation, over many random cases."""

import itertools
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

from companion import entropy, kl_divergence, losses, regression
from companion.families import Bernoulli, Binomial, Poisson
from companion.lesson import datasets

RNG = np.random.default_rng(0)


def drawn(n=40, classes=5, scale=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return scale * rng.normal(size=(n, classes)), rng.integers(0, classes, n)


# --- the loss -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("smoothing", [0, 0.0, 0.1, 1.0])
def test_loss_is_the_log_probability_of_a_multinomial(seed, smoothing):
    z, y = drawn(seed=seed, classes=2 + 3 * seed)
    K = z.shape[1]
    rows = [stats.multinomial(1, special.softmax(row)) for row in z]
    target = (1 - smoothing) * np.eye(K)[y] + smoothing / K
    expected = -np.mean([t @ [row.logpmf(e) for e in np.eye(K)] for t, row in zip(target, rows)])
    assert losses.cross_entropy_loss(z, y, smoothing) == pytest.approx(expected, rel=1e-9)
    assert_allclose(losses.smooth_labels(y, K, smoothing), target, rtol=1e-15, atol=1e-17)


def test_loss_keeps_its_digits_at_both_ends():
    with localcontext(prec=60):
        for gap in (-800, -30.5, -1e-9, 0, 1e-9, 12.25, 36, 700):
            exact = (1 + 3 * (-Decimal(gap)).exp()).ln()  # three other classes
            found = losses.cross_entropy_loss([[gap, 0.0, 0.0, 0.0]], [0])
            assert found == pytest.approx(float(exact), rel=1e-14)
    assert losses.cross_entropy_loss([[5.0, 5.0]], [1]) == pytest.approx(np.log(2), rel=1e-15)
    z, y = drawn()
    assert losses.cross_entropy_loss(z + 1e6, y) == pytest.approx(losses.cross_entropy_loss(z, y), rel=1e-8)
    assert losses.cross_entropy_loss(z.astype(np.float32), list(y)) == pytest.approx(
        losses.cross_entropy_loss(z.astype(np.float32).astype(float), y), rel=1e-15
    )


def test_smoothed_loss_is_entropy_plus_kl_and_has_the_entropy_as_its_floor():
    z, y = drawn(classes=10)
    target = losses.smooth_labels(y, 10, 0.1)
    parts = np.mean(entropy(target) + kl_divergence(target, special.softmax(z, axis=1)))
    assert losses.cross_entropy_loss(z, y, 0.1) == pytest.approx(parts, rel=1e-12)
    perfect = losses.cross_entropy_loss(np.log(target), y, 0.1)
    assert perfect == pytest.approx(float(entropy(target[0])), rel=1e-12)
    assert float(entropy(target[0])) == pytest.approx(0.5003, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (([0.0, 1.0], [0, 1]), "shape of logits"),
        (([[0.0], [1.0]], [0, 0]), "shape of logits"),
        (([[0.0, np.inf]], [0]), r"logits\[0, 1\]"),
        (([[0.0, 1.0]], [2]), r"labels\[0\] = 2"),
        (([[0.0, 1.0]], [0.5]), r"labels\[0\] = 0.5"),
        (([[0.0, 1.0]], [0, 1]), r"shape of labels = \(2,\)"),
        (([[0.0, -1.5e150]], [0]), r"largest logit = 1\.5e\+150"),
        (([[0.0, 1.0]], [0], 1.5), "smoothing = 1.5"),
    ],
)
def test_loss_refuses(arguments, names):
    with pytest.raises(ValueError, match=f"^cross_entropy_loss: {names}.*; expected .*"):
        losses.cross_entropy_loss(*arguments)


def test_the_largest_logit_that_is_taken():
    assert losses.cross_entropy_loss([[0.0, 1e150]], [0]) == 1e150


# --- temperature --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(6))
def test_temperature_has_the_least_loss(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(300, 4))
    y = np.array([rng.choice(4, p=row) for row in special.softmax(z * 10 ** (seed / 4 - 0.5), axis=1)])
    T = losses.fit_temperature(z, y)
    loss = lambda inverse: -np.mean(special.log_softmax(inverse * z, axis=1)[np.arange(300), y])
    found = optimize.minimize_scalar(loss, bounds=(1e-3, 1e3), method="bounded", options={"xatol": 1e-12}).x
    assert 1 / T == pytest.approx(found, rel=1e-5)
    # moment matching: the average logit of the labels is the average that the model expects
    expected = np.mean(np.sum(special.softmax(z / T, axis=1) * z, axis=1))
    assert z[np.arange(300), y].mean() == pytest.approx(expected, abs=1e-12)
    assert losses.fit_temperature(1e-3 * z, y) == pytest.approx(1e-3 * T, rel=1e-10)
    assert losses.fit_temperature(z + 7.0, y) == pytest.approx(T, rel=1e-10)


def test_temperature_of_equal_logits():
    with pytest.raises(ValueError, match=r"\. Every temperature gives the same loss, log K"):
        losses.fit_temperature([[2.0, 2.0], [1.0, 1.0]], [0, 1])


def test_calibration_names_the_argument_with_the_wrong_shape():
    with pytest.raises(ValueError, match=r"shape of probabilities = \(1, 2\); expected \(n,\)"):
        losses.calibration([[0.5, 0.2]], [[1, 0]], 1)
    with pytest.raises(ValueError, match=r"shape of outcomes = \(1,\); expected that of the probabilities, \(2,\)"):
        losses.calibration([0.5, 0.2], [1], 1)
    with pytest.raises(ValueError, match="bins = 3; expected at most 2, the number of predictions"):
        losses.calibration([0.5, 0.2], [1, 0], 3)


def test_whole_numbers_of_any_size():
    assert losses.cross_entropy_loss([[2**70, 0]], [0]) == 0
    with pytest.raises(TypeError, match="real numbers"):
        losses.cross_entropy_loss([[10**400, 0]], [0])


def test_temperature_refuses_where_there_is_none():
    with pytest.raises(ValueError, match="Every label has the largest logit"):
        losses.fit_temperature([[2.0, 1.0], [0.0, 3.0]], [0, 1])
    with pytest.raises(ValueError, match="no more than chance"):
        losses.fit_temperature([[2.0, 1.0], [0.0, 3.0]], [1, 0])


# --- calibration --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bins", [1, 4, 10])
def test_calibration_of_distinct_predictions(bins):
    rng = np.random.default_rng(bins)
    p = rng.uniform(size=87)
    y = (rng.uniform(size=87) < p).astype(int)
    found = losses.calibration(p, y, bins)
    order = np.argsort(p)
    parts = np.array_split(order, bins)
    assert found.counts.tolist() == [len(part) for part in parts]
    assert_allclose(found.predicted, [p[part].mean() for part in parts])
    assert_allclose(found.observed, [y[part].mean() for part in parts])
    assert found.error == pytest.approx(sum(abs(np.sum(p[part] - y[part])) for part in parts) / 87)


def test_equal_predictions_share_a_bin():
    p, y = [0.2] * 7 + [0.6] * 5 + [0.9] * 3, [1, 0] * 7 + [1]
    for bins in (3, 7, 15):
        found = losses.calibration(p, y, bins)
        assert found.counts.tolist() == [7, 5, 3] and found.predicted.tolist() == pytest.approx([0.2, 0.6, 0.9])
    assert losses.calibration(p, y, 1).counts.tolist() == [15]


def test_error_of_right_forecasts_is_what_chance_gives():
    rng, found = np.random.default_rng(3), []
    for _ in range(400):
        p = rng.uniform(size=1_000)
        found.append(losses.calibration(p, rng.uniform(size=1_000) < p))
    errors, chance = np.array([[f.error, f.by_chance] for f in found]).T
    assert errors.mean() == pytest.approx(chance.mean(), rel=0.03) and chance.mean() > 0.02
    wrong = losses.calibration(np.sqrt(p), rng.uniform(size=1_000) < p)
    assert wrong.error > 3 * wrong.by_chance


@pytest.mark.parametrize("seed", range(20))
def test_average_kl_is_what_forecasts_do_not_tell_apart_plus_miscalibration(seed):
    """Eq. (calibration), with three labels, in exact sums: and recalibrating saves the second part."""
    rng = np.random.default_rng(seed)
    p, chance = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(3), 8)
    group = rng.integers(0, 3, 8)
    s = rng.dirichlet(np.ones(3), 3)[group]
    joint = np.array([p[group == g] @ chance[group == g] for g in group])
    given = joint / joint.sum(axis=1, keepdims=True)
    total, apart, off = (p @ special.rel_entr(*pair).sum(axis=1) for pair in ((chance, s), (chance, given), (given, s)))
    assert total == pytest.approx(apart + off, rel=1e-12)
    cross = lambda q: -p @ np.sum(chance * np.log(q), axis=1)
    assert cross(s) - cross(given) == pytest.approx(off, abs=1e-14)


# --- conditional likelihood ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(20))
def test_conditional_cross_entropy_is_entropy_plus_the_kl_of_the_joints(seed):
    rng = np.random.default_rng(seed)
    p, truth, model = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(4), 6), rng.dirichlet(np.ones(4), 6)
    loss = -np.sum(p[:, None] * truth * np.log(model))
    parts = p @ special.entr(truth).sum(axis=1) + p @ special.rel_entr(truth, model).sum(axis=1)
    assert loss == pytest.approx(parts, rel=1e-13)
    joint = kl_divergence((p[:, None] * truth).ravel(), (p[:, None] * model).ravel())
    assert joint == pytest.approx(p @ special.rel_entr(truth, model).sum(axis=1), rel=1e-9)


def test_the_best_wrong_model_depends_on_the_inputs_and_a_right_one_does_not():
    x = np.arange(5.0)
    wrong, right = np.array([0.05, 0.2, 0.7, 0.6, 0.9]), special.expit(x - 2)
    slopes = {}
    for name, chance in (("wrong", wrong), ("right", right)):
        for inputs in ([0.2] * 5, [0.4, 0.3, 0.2, 0.05, 0.05]):
            p = np.array(inputs)
            cross = lambda b: p @ (np.logaddexp(0, b[0] + b[1] * x) - chance * (b[0] + b[1] * x))
            slopes.setdefault(name, []).append(optimize.minimize(cross, [0.0, 0.0], tol=1e-12).x[1])
    assert_allclose(slopes["wrong"], [1.099, 1.467], atol=1e-3)
    assert_allclose(slopes["right"], 1.0, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["linear", "logistic", "Poisson", "softmax"])
def test_gradient_of_a_regression_is_one_residual(kind, seed):
    rng = np.random.default_rng(seed)
    X = np.c_[np.ones(12), rng.normal(size=(12, 2))]
    if kind == "softmax":
        beta, y = rng.normal(size=(3, 4)), rng.integers(0, 4, 12)
        log_p = lambda b: special.log_softmax(X @ b, axis=1)[np.arange(12), y].sum()
        residual = np.eye(4)[y] - special.softmax(X @ beta, axis=1)
    else:
        beta = rng.normal(size=3) / 2
        eta = X @ beta
        y = {"linear": rng.normal(size=12), "logistic": rng.integers(0, 2, 12), "Poisson": rng.poisson(2, 12)}[kind]
        density = {
            "linear": lambda eta: stats.norm.logpdf(y, eta),
            "logistic": lambda eta: stats.bernoulli.logpmf(y, 1 / (1 + np.exp(-eta))),
            "Poisson": lambda eta: stats.poisson.logpmf(y, np.exp(eta)),
        }[kind]
        log_p = lambda b: density(X @ b).sum()
        residual = y - {"linear": eta, "logistic": special.expit(eta), "Poisson": np.exp(eta)}[kind]
    steps = 1e-5 * np.eye(beta.size).reshape(beta.size, *beta.shape)
    slope = np.reshape([(log_p(beta + h) - log_p(beta - h)) / 2e-5 for h in steps], beta.shape)
    assert_allclose(X.T @ residual, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_deviances_of_single_and_of_grouped_labels(seed):
    """Grouped it is G of the table, ungrouped −2ℓ and twice the model's own entropies; differences are the same."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, 60).astype(float)
    y = (rng.uniform(size=60) < special.expit(0.7 * x - 1)).astype(float)
    single = regression.fit(Bernoulli, x, y)
    values, place = np.unique(x, return_inverse=True)
    trials, seen = np.bincount(place), np.bincount(place, y)
    grouped = regression.fit(Binomial, values, seen, n=trials)
    mu, share = special.expit(single.coefficients[0] + single.coefficients[1] * values), seen / trials
    table = np.stack([seen, trials - seen])
    expected = np.stack([trials * mu, trials * (1 - mu)])
    g = 2 * np.sum(special.xlogy(table, table / expected))
    assert grouped.deviance == pytest.approx(g, rel=1e-9)
    own = special.expit(single.coefficients[0] + single.coefficients[1] * x)
    assert single.deviance == pytest.approx(-2 * stats.bernoulli.logpmf(y, own).sum(), rel=1e-12)
    assert single.deviance == pytest.approx(2 * np.sum(stats.bernoulli(own).entropy()), rel=1e-9)
    assert single.deviance - g == pytest.approx(2 * trials @ stats.bernoulli(share).entropy(), rel=1e-9)


# --- separation ---------------------------------------------------------------------------------------------------
def loss_along(X, y, direction):
    """Average loss far out along a direction."""
    return np.mean(np.logaddexp(0, (1 - 2 * y)[:, None] * np.outer(X @ direction, np.geomspace(1, 1e4, 9))), axis=0)


def test_every_labelling_of_six_points_is_separated_or_has_a_maximum():
    """All 64 labels of six points in the plane: a direction on which the loss falls for ever, or a small gradient."""
    X = np.c_[np.ones(6), [0.0, 1, 2, 0, 1, 2], [0.0, 0.3, -0.2, 1, 1.4, 0.9]]
    kinds = []
    for labels in itertools.product([0.0, 1.0], repeat=6):
        y = np.array(labels)
        found = regression.separation(X, y, Bernoulli, intercept=False)
        kinds.append(found.kind)
        if found:
            signed = (2 * y - 1) * (X @ np.asarray(found.direction))
            assert np.all(signed >= -1e-9) and np.any(signed > 1e-6)
            assert np.all(np.diff(loss_along(X, y, np.asarray(found.direction))) <= 1e-12)
        else:
            value = lambda b, y=y: np.logaddexp(0, (1 - 2 * y) * (X @ b)).sum()
            slope = lambda b, y=y: X.T @ (special.expit(X @ b) - y)
            best = optimize.minimize(value, np.zeros(3), jac=slope, method="BFGS", options={"gtol": 1e-8}).x
            assert np.max(abs(slope(best))) < 1e-5 and np.max(abs(best)) < 100
    assert kinds.count("none") >= 10 and kinds.count("complete") >= 10


def test_four_cold_flights_are_quasi_completely_separated():
    flights = datasets.challenger()
    cold, damaged = (flights.temperature < 65).astype(float), (flights.incidents > 0).astype(float)
    assert (damaged[cold == 1].tolist(), damaged[cold == 0].sum()) == ([1.0] * 4, 3)
    with pytest.raises(regression.SeparationError, match="quasi-completely separated by 'x0'"):
        regression.fit(Bernoulli, cold, damaged)
    assert regression.separation(cold, damaged, Bernoulli).kind == "quasi-complete"
    assert not regression.separation(flights.temperature, damaged, Bernoulli)


def test_firth_adds_half_an_observation_to_each_cell():
    """Maximum of ℓ + ½ log det X'VX for one yes-or-no column, by Jeffreys' prior in whole numbers and halves."""
    X, y = np.c_[np.ones(23), np.repeat([1.0, 0.0], [4, 19])], np.repeat([1.0, 0.0, 1.0], [4, 16, 3])

    def objective(b):
        mu = special.expit(X @ b)
        return np.logaddexp(0, (1 - 2 * y) * (X @ b)).sum() - np.linalg.slogdet((X.T * mu * (1 - mu)) @ X)[1] / 2

    found = optimize.minimize(objective, [-1.0, 2.0], method="BFGS", options={"gtol": 1e-9}).x
    odds = Fraction(9, 1), Fraction(7, 33)
    assert found[1] == pytest.approx(np.log(float(odds[0] / odds[1])), abs=1e-6)


def test_predictions_for_challenger():
    """Published for these flights: 15.0429 − 0.2322 °F for damage, 5.085 − 0.1156 °F for a ring (Dalal et al.)."""
    flights = datasets.challenger()
    fit = regression.fit(Bernoulli, flights.temperature, flights.incidents > 0)
    rings = regression.fit(Binomial, flights.temperature, flights.incidents, n=6)
    assert_allclose(fit.coefficients, [15.0429, -0.2322], atol=5e-5)
    assert_allclose(rings.coefficients, [5.085, -0.1156], atol=5e-4)
    assert (fit.deviance, regression.fit(Bernoulli, np.empty((23, 0)), flights.incidents > 0).deviance) == (
        pytest.approx(20.315, abs=1e-3),
        pytest.approx(28.267, abs=1e-3),
    )
    for model in (fit, rings):
        at = np.array([1.0, 31.0])
        error = np.sqrt(at @ model.covariance @ at)
        ends = special.expit(at @ np.asarray(model.coefficients) + error * stats.norm.ppf([0.025, 0.975]))
        assert_allclose(model.interval(31.0)[0], ends, rtol=1e-9)


def test_poisson_residual_vanishes_at_the_fit():
    flights = datasets.challenger()
    fit = regression.fit(Poisson, flights.temperature, flights.incidents)
    X = np.c_[np.ones(23), flights.temperature]
    assert_allclose(X.T @ (flights.incidents - np.exp(X @ np.asarray(fit.coefficients))), 0, atol=1e-8)
