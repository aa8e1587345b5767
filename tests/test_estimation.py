"""Estimators of KL divergence from samples, against closed forms, quadrature, brute force, and the stored table."""

import functools
import itertools
import json
import tracemalloc

import make_estimators
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import digamma, gammaln

from companion import divergence, estimation
from companion.estimation import (
    F_DIVERGENCES,
    Estimate,
    FDivergence,
    classifier_kl,
    donsker_varadhan,
    f_divergence,
    histogram_kl,
    kernel_kl,
    kl_difference,
    knn_entropy,
    knn_kl,
    monte_carlo_kl,
    nwj,
)
from companion.estimators import critics, neighbours
from companion.families import Bernoulli, Beta, Gamma, Laplace, MultivariateNormal, Normal, Poisson
from companion.lesson import datasets

LN2 = np.log(2)
SAMPLES = {
    "knn_kl": knn_kl,
    "histogram_kl": histogram_kl,
    "kernel_kl": kernel_kl,
    "classifier_kl": lambda x, y: classifier_kl(x, y, 0),
    "donsker_varadhan": lambda x, y: donsker_varadhan(x, y, 0),
    "nwj": lambda x, y: nwj(x, y, 0),
}
OF_DENSITIES = [name for name in SAMPLES if name != "histogram_kl"]
every = pytest.mark.parametrize("name", SAMPLES)
of_densities = pytest.mark.parametrize("name", OF_DENSITIES)


def two(n, m, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(0.4, 1.3, size=(m, d))


def truth(d):
    return d * (np.log(1.3) + (1 + 0.16) / (2 * 1.69) - 0.5)


# --- formulas by brute force ------------------------------------------------------------------------------------------
def affine(*samples):
    """Covariance I of all together, written another way."""
    both = np.concatenate(samples)
    root = np.linalg.inv(np.linalg.cholesky(np.cov(both.T, ddof=0).reshape(both.shape[1], -1)))
    return [(s - both.mean(axis=0)) @ root.T for s in samples], np.linalg.slogdet(root)[1]


def distances(a, b):
    return np.sort(np.sqrt(np.sum((a[:, None] - b[None]) ** 2, axis=-1)), axis=1)


@pytest.mark.parametrize("d, k", [(1, 4), (2, 1), (3, 7)])
def test_knn_kl_is_its_formula(d, k):
    x, y = two(60, 90, d)
    (a, b), _ = affine(x, y)
    nu, rho = distances(a, b)[:, k - 1], distances(a, a)[:, k]
    assert knn_kl(x, y, k).value == pytest.approx(d * np.mean(np.log(nu / rho)) + np.log(90 / 59), rel=1e-9, abs=0)


@pytest.mark.parametrize("d, k, ball", [(1, 4, 2.0), (2, 3, np.pi), (3, 1, 4 / 3 * np.pi)])
def test_knn_entropy_is_its_formula(d, k, ball):
    x, _ = two(80, 20, d)
    (a,), log_det = affine(x)
    by_hand = digamma(80) - digamma(k) + np.log(ball) + d * np.mean(np.log(distances(a, a)[:, k])) - log_det
    assert knn_entropy(x, k).value == pytest.approx(by_hand, rel=1e-9, abs=0)


def test_knn_entropy_against_closed_forms():
    rng = np.random.default_rng(3)
    cov = np.array([[4.0, 1.2], [1.2, 0.5]])
    cases = [
        (rng.exponential(0.01, 4000), 1 + np.log(0.01)),
        (rng.multivariate_normal([5, -3], cov, 4000), 0.5 * np.log(np.linalg.det(2 * np.pi * np.e * cov))),
        (rng.random((4000, 2)) * [1e6, 1e-6], 0.0),
    ]
    for x, exact in cases:
        found = knn_entropy(x)
        assert abs(found.value - exact) < 3.5 * found.standard_error and 0.005 < found.standard_error < 0.05


def test_histogram_by_hand():
    x, y = np.repeat([0.0, 1.0, 2.0], [20, 30, 50]), np.repeat([0.0, 1.0, 2.0, 3.0], [40, 40, 80, 40])
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.2, 0.4])
    value = np.sum(p * np.log(p / q))
    bias = 2 / 200 + np.sum(p * (1 / q - 1)) / 400
    variance = np.sum(p * np.log(p / q) ** 2) - value**2
    for bins in ("values", [0.5, 1.5, 2.5]):
        found = histogram_kl(x, y, bins)
        assert found.value == pytest.approx(value - bias, rel=1e-12, abs=0)
        assert found.standard_error == pytest.approx(np.sqrt(variance / 100 + (np.sum(p * p / q) - 1) / 200), rel=1e-12)


def test_histogram_takes_its_bias_off():
    rng = np.random.default_rng(0)
    p, q = np.full(10, 0.1), np.arange(1, 11) / 55
    runs = [histogram_kl(rng.choice(10, 300, p=p), rng.choice(10, 400, p=q), "values").value for _ in range(400)]
    exact = np.sum(p * np.log(p / q))
    plain = exact + 9 / 600 + np.sum(p * (1 / q - 1)) / 800
    assert abs(np.mean(runs) - exact) < 0.2 * (plain - exact)
    assert abs(np.mean(runs) - exact) < 4 * np.std(runs) / 20 + 0.004


def test_kernel_kl_is_its_formula():
    x, y = two(40, 70, 2)

    def log_density(at, sample, own):
        n = len(sample)
        h = n ** (-1 / 6)  # (4 / (4 n))^(1/6)
        parts = np.array([stats.multivariate_normal(s, h**2 * np.cov(sample.T)).pdf(at) for s in sample])
        return np.log((parts.sum(axis=0) - (np.diag(parts) if own else 0)) / (n - own))

    by_hand = np.mean(log_density(x, x, True) - log_density(x, y, False))
    assert kernel_kl(x, y).value == pytest.approx(by_hand, rel=1e-9, abs=0)


def test_kernel_kl_far_out_does_not_underflow():
    x = np.append(np.random.default_rng(0).normal(size=99), 400.0)
    assert np.isfinite(kernel_kl(x, np.random.default_rng(1).normal(size=100)).value)


@pytest.mark.parametrize("fit", [critics._logistic, critics._exponential])
def test_critic_is_the_minimum_of_its_loss(fit):
    """The gradient at the end, by differences of a loss written out here."""
    rng = np.random.default_rng(0)
    fx, fy = (np.column_stack([np.ones(200), rng.normal(m, 1, size=(200, 2))]) for m in (0.0, 0.5))
    penalty = np.array([1e-9, 1, 1]) * 1e-2 / np.sqrt(200)

    def loss(w):
        s, t = fx @ w, fy @ w
        penalised = 0.5 * np.sum(penalty * w**2)
        if fit is critics._logistic:
            return np.mean(np.log1p(np.exp(-s))) + np.mean(np.log1p(np.exp(t))) + penalised
        return np.mean(np.exp(t)) - np.mean(s) - 1 + penalised

    w = fit(fx, fy, np.zeros(3))
    slopes = [(loss(w + h) - loss(w - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
    assert np.max(np.abs(slopes)) < 2e-3


def test_bounds_are_their_formulas_of_the_same_critic():
    x, y = two(300, 500, 1)
    of_x, of_y, fold_x, fold_y, _ = critics._scores("nwj", x, y, 0, critics._exponential)
    assert nwj(x, y, 0).value == pytest.approx(of_x.mean() + 1 - np.exp(of_y).mean(), rel=1e-12, abs=0)
    normalisers = np.log([np.exp(of_y[fold_y == fold]).mean() for fold in range(5)])
    assert donsker_varadhan(x, y, 0).value == pytest.approx(np.mean(of_x - normalisers[fold_x]), rel=1e-12, abs=0)


def test_no_critic_scores_a_point_that_it_was_fitted_to():
    """Changing one point of y changes its own score through the features alone: the scores of its fold-mates stay."""
    x, y = two(100, 100, 1)
    seen = []
    critics._scores("nwj", x, y, 0, lambda fx, fy, w: seen.append((len(fx), len(fy))) or np.zeros(fx.shape[1]))
    assert seen == [(80, 80)] * 5


def test_a_long_newton_step_is_halved():
    """√(1 + w²) from w = 3, where a whole step leads to −27 and then ever farther away."""
    calls = []

    def parts(w):
        calls.append(w[0])
        assert len(calls) < 200
        root = np.sqrt(1 + w**2)
        return root[0], root**-3, np.zeros(1), w / root, np.zeros(1)

    assert abs(critics._newton(parts, np.ones((1, 1)), np.ones((1, 1)), np.array([3.0]))[0]) < 1e-4
    assert calls[:5] == pytest.approx([3, -27, -12, -4.5, -0.75], rel=1e-6)


@pytest.mark.parametrize("n, m, warned", [(230, 600, False), (600, 230, False), (229, 600, True), (600, 229, True)])
def test_a_critic_needs_ten_points_a_feature(n, m, warned):
    """In one dimension: 1, x, x² and twenty bumps."""
    remarks = critics._scores("nwj", *two(n, m, 1), 0, lambda fx, fy, w: np.zeros(fx.shape[1]))[-1]
    assert remarks == ((f"23 features for {min(n, m)} points: the critic is overfitted",) if warned else ())


@pytest.mark.parametrize(
    "sign, words", [(1, "of x the critic is at its limit"), (-1, "of x the critic is at its lower limit")]
)
@pytest.mark.parametrize("beyond, warned", [(4, False), (5, True)])
def test_a_critic_at_its_limit_for_more_than_a_hundredth(sign, words, beyond, warned):
    """Scores sign · c · x, with c such that so many of 400 are cut off at the logarithm of the size of y."""
    x, y = two(400, 500, 1)
    seen = []
    critics._scores("nwj", x, y, 0, lambda fx, fy, w: seen.append(fx[:, 1]) or np.zeros(fx.shape[1]))
    largest = np.sort(np.unique(np.concatenate(seen)))[::-1]
    c = np.log(500) / (largest[beyond - 1] + largest[beyond]) * 2
    fit = lambda fx, fy, w: sign * c * np.eye(fx.shape[1])[1]
    of_x, of_y, *_, remarks = critics._scores("nwj", x, y, 0, fit)
    assert np.sum(sign * of_x == np.log(500)) == beyond
    assert [text.split(words)[0] for text in remarks if words in text] == ["for a share 0.013 "] * warned
    weight = np.exp(of_y)
    effective = weight.sum() ** 2 / np.sum(weight**2)
    few = f"the average under q rests on {effective:.0f} effective points of 500"
    assert any(few in text for text in remarks) == (effective < 50 or weight.max() > 0.05 * weight.sum())


@pytest.mark.parametrize(
    "n, m, k, sizes, calls",
    [
        (1000, 3000, 4, (100, 300), 100),  # a hundred values of a tenth of both samples
        (60_000, 60_000, 4, (100, 100), 100),  # a hundred points are enough
        (100, 100, 4, (20, 20), 100),  # and twenty the fewest
        (100, 100, 14, (30, 30), 102),  # of which each has 2(k + 1): three disjoint parts, 34 times
        (100, 200, 30, (50, 100), 100),  # never more than half
        (100, 200_000, 4, (20, 40_000), 20),  # of large ones twenty values
        (100, 40_000, 4, (20, 8000), 25),
    ],
)
def test_standard_errors_from_subsets(n, m, k, sizes, calls):
    """√(f · the mean of the variances among disjoint subsets with the share f), and which subsets these are."""
    rng, values, rounds = np.random.default_rng(7), [], [[]]

    def value(*subset):
        found = [set(part[:, 0]) for part in subset]
        if any(a & b for other in rounds[-1] for a, b in zip(found, other)):
            rounds.append([])
            values.append([])
        rounds[-1].append(found)
        assert tuple(map(len, found)) == sizes  # no point twice
        values[-1].append(rng.normal())
        return values[-1][-1]

    values.append([])
    error = neighbours._subset_error(value, k, np.arange(n)[:, None], np.arange(m)[:, None])
    parts = n // sizes[0]
    assert sum(map(len, values)) == calls and {len(group) for group in values} == {min(parts, calls)}
    assert error == pytest.approx(np.sqrt(np.mean([np.var(v, ddof=1) for v in values]) * sizes[0] / n), rel=1e-12)


@pytest.mark.parametrize(
    "n, m, crowd, share",
    [
        (1000, 1000, 25, None),
        (1000, 1000, 26, 0.078),
        (400, 1000, 26, 0.2),
        (2000, 1000, 50, None),
        (2000, 1000, 52, 0.078),
    ],
)
def test_crowds_around_one_point_of_y(n, m, crowd, share):
    """Three places far away, each with one point of y and so many of x: a crowd where it is 25 times what is usual."""
    x, y = (np.arange(size) / size for size in (n, m))
    far = np.array([10.0, 20.0, 30.0])
    x[: 3 * crowd] = (far[:, None] + 1e-3 * np.arange(1, crowd + 1)).ravel()
    y = np.append(y[:-3] + 0.3 / m, far)
    remarks = knn_kl(x, y, k=1).warnings
    assert remarks == (() if share is None else (neighbours._ALONE.format(share=share),))


# --- against the truth ------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    "name, d", list(itertools.product(["knn_kl", "classifier_kl", "donsker_varadhan", "nwj"], (1, 2)))
)
def test_close_to_the_truth_with_an_honest_error(name, d):
    runs = [SAMPLES[name](*two(500, 700, d, seed)) for seed in range(40)]
    z = np.array([(run.value - truth(d)) / run.standard_error for run in runs])
    assert np.abs(z).max() < 4 and np.mean(np.abs(z) <= 2) >= 0.8
    assert np.std([run.value for run in runs]) == pytest.approx(np.mean([r.standard_error for r in runs]), rel=0.3)


@pytest.mark.parametrize("n, m", [(60, 6000), (6000, 60), (300, 1000)])
@pytest.mark.parametrize("name", ["knn_kl", "histogram_kl"])
def test_unequal_sizes(name, n, m):
    found = SAMPLES[name](*two(n, m, 1, 5))
    assert abs(found.value - truth(1)) < 3 * found.standard_error + 0.02 and found.standard_error < 0.5


def test_equal_distributions_give_zero_within_the_error():
    rng = np.random.default_rng(1)
    for name, call in SAMPLES.items():
        x, y = rng.normal(size=(2, 1000))
        found = call(x, y)
        assert abs(found.value) < 3.5 * found.standard_error + (0.02 if name in ("kernel_kl", "histogram_kl") else 0)


def test_the_errors_of_critics_warn_where_no_sample_can_see():
    rng = np.random.default_rng(0)
    x, y = rng.normal(6, 1, 2000), rng.normal(0, 1, 2000)  # KL 18 nats, from 2,000 points
    for call in (classifier_kl, donsker_varadhan, nwj):
        assert any("log m = 7.6 nats" in text for text in call(x, y, 0).warnings)
    assert not classifier_kl(x - 5.5, y, 0).warnings
    assert knn_kl(*two(100, 100, 5)).warnings and not knn_kl(*two(100, 100, 3)).warnings
    assert kernel_kl(*two(100, 100, 5)).warnings


# --- what data do -----------------------------------------------------------------------------------------------------
@every
def test_an_estimate_does_not_depend_on_units(name):
    x, y = two(300, 400, 2)
    scaled = SAMPLES[name](x * [1e6, 1] + [7, 0], y * [1e6, 1] + [7, 0])
    np.testing.assert_allclose(scaled[:2], SAMPLES[name](x, y)[:2], rtol=1e-6)
    assert SAMPLES[name](x * 1e-300, y * 1e-300).value == pytest.approx(SAMPLES[name](x, y).value, rel=1e-6)


@of_densities
@pytest.mark.parametrize(
    "x, y",
    [
        (np.arange(200) % 50 + 0.0, np.arange(200) % 60 + 0.0),  # counts stored as floats
        (np.append(np.linspace(0, 1, 99), 0.0), np.linspace(2, 3, 100)),  # one tie
        (np.linspace(0, 1, 100), np.append(np.linspace(2, 3, 99), 3.0)),  # one tie in y
        (np.linspace(0, 1, 100), np.linspace(1, 2, 100)),  # one value shared
        (np.append(np.zeros((60, 2)), np.random.default_rng(0).normal(size=(60, 2)), axis=0), two(99, 99, 2)[1]),
    ],
)
def test_ties_and_atoms_are_refused_with_the_alternative(name, x, y):
    with pytest.raises(ValueError, match=r"rows that repeat another.*histogram_kl\(x, y, bins='values'\)"):
        SAMPLES[name](x, y)


@of_densities
def test_y_is_x_is_refused(name):
    x, _ = two(200, 20, 1)
    with pytest.raises(ValueError, match="If the samples share rows, they are not independent"):
        SAMPLES[name](x, x)


def test_histogram_of_equal_samples_is_not_negative_beyond_its_bias():
    x, _ = two(200, 20, 1)
    found = histogram_kl(x, x)
    assert -0.2 < found.value < 0
    assert found.standard_error == pytest.approx(np.sqrt(13 / 2) * 2 / 200)  # of χ²/2·(1/n + 1/m) with 14 bins


def test_histogram_near_equality_has_the_error_of_a_chi_squared():
    """With p = q the first-order error vanishes: 2nm/(n + m) times the plug-in value is χ² of K − 1."""
    rng = np.random.default_rng(1)
    found = [histogram_kl(rng.integers(0, 5, 300), rng.integers(0, 5, 300), bins="values") for _ in range(300)]
    spread = np.std([f.value for f in found])
    assert 0.9 * spread < np.mean([f.standard_error for f in found]) < 1.5 * spread
    assert all(f.standard_error >= np.sqrt(2) * 2 / 300 * (1 - 1e-12) for f in found)


def test_a_point_far_out_is_refused_or_reported():
    """It takes the digits of the others (neighbours), of the squares (critics), or rules the critic."""
    rng = np.random.default_rng(0)
    x, y = np.append(rng.normal(size=300), 0.0), rng.normal(0.5, 1.0, size=300)
    x[-1] = 1e17
    with pytest.raises(ValueError, match=r"knn_kl: points of x that rounding puts together = [0-9]+; expected 0"):
        knn_kl(x, y)
    with pytest.raises(ValueError, match=r"knn_entropy: points of x that rounding puts together"):
        knn_entropy(x)
    for name in ("classifier_kl", "donsker_varadhan", "nwj"):
        with pytest.raises(ValueError, match=rf"{name}: a point of x as far out as = .* A one-to-one map"):
            SAMPLES[name](x, y)
    x[-1] = 100.0
    found = SAMPLES["nwj"](x, y)
    assert found.value < -3 and any("at its lower limit" in remark for remark in found.warnings)


def test_kernels_refuse_a_sample_without_a_density():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 40)), rng.normal(size=(30, 40))
    with pytest.raises(ValueError, match=r"kernel_kl: smallest eigenvalue of the correlations of x = "):
        kernel_kl(x, y)


@of_densities
def test_constant_and_dependent_columns_are_refused(name):
    x, y = two(100, 100, 2)
    with pytest.raises(ValueError, match=r"column 1 of y = 3\.0; expected columns that vary"):
        SAMPLES[name](x, np.column_stack([y[:, 0], np.full(100, 3.0)]))
    with pytest.raises(ValueError, match="The columns depend on each other"):
        SAMPLES[name](np.column_stack([x, x.sum(axis=1)]), np.column_stack([y, y.sum(axis=1)]))


@every
def test_shapes_and_sizes_are_refused(name):
    x, y = two(100, 100, 2)
    for bad_x, bad_y, text in (
        (x[:5], y, "number of points in x = 5"),
        (x, y[:19], "number of points in y = 19"),
        (x, y[:, 0], "columns of y = 1; expected 2"),
        (x[None], y, "shape of x"),
        (np.where(x > 2, np.nan, x), y, "no NaN"),
        (np.where(x > 2, np.inf, x), y, "a finite number"),
        (x, None, "y = None"),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            SAMPLES[name](bad_x, bad_y)


def test_discrete_data_have_their_estimator():
    rng = np.random.default_rng(2)
    found = histogram_kl(rng.poisson(3.0, 20_000), rng.poisson(3.5, 20_000), "values")
    assert abs(found.value - (3 * np.log(3 / 3.5) + 0.5)) < 3 * found.standard_error + 1e-3


def test_histogram_refuses_and_warns():
    x, y = two(100, 100, 10)
    with pytest.raises(ValueError, match=r"bins = 10; expected enough to cut 10 columns, 2\^10"):
        histogram_kl(x, y)
    for bins, text in (("auto", "bins"), ([1.0, 1.0], "edges that increase"), (0, "bins = 0"), (101, "at most 100")):
        with pytest.raises(ValueError, match=text):
            histogram_kl(x[:, 0], y[:, 0], bins)
    with pytest.raises(ValueError, match="samples of one column"):
        histogram_kl(x, y, [0.0, 1.0])
    lost = histogram_kl(x[:, 0] + 10, y[:, 0], [5.0])
    assert lost.value == np.inf and "without a point of y" in lost.warnings[0]
    assert histogram_kl(x[:, 0], y[:, 0], 100).warnings


@pytest.mark.slow
def test_memory_does_not_hold_all_pairs():
    """20,000 × 20,000 numbers would be 3.2 GB."""
    x, y = two(20_000, 20_000, 1)
    for call in (knn_kl, lambda x, y: classifier_kl(x, y, 0), histogram_kl, lambda x, y: kernel_kl(x[:200], y)):
        tracemalloc.start()
        call(x, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60e6


def test_equal_calls_give_equal_results():
    x, y = two(200, 200, 2)
    for call in SAMPLES.values():
        assert call(x, y) == call(x, y)


# --- draws from known densities ---------------------------------------------------------------------------------------
def test_forms_by_hand():
    p, q = Normal(0, 1), Normal(0.5, 1.2)
    x = p.sample(50, rng=4)
    log_r = stats.norm.logpdf(x, 0.5, 1.2) - stats.norm.logpdf(x)
    for form, terms in (("k1", -log_r), ("k2", log_r**2 / 2), ("k3", np.exp(log_r) - 1 - log_r)):
        found = monte_carlo_kl(p, q, 50, 4, form)
        np.testing.assert_allclose(found[:2], [terms.mean(), stats.sem(terms)], rtol=1e-12)


@pytest.mark.parametrize("form, mean", [("k1", 0.02), ("k2", 0.02 + 0.5 * 0.0004), ("k3", 0.02)])
def test_expectations_of_the_forms(form, mean):
    """p = N(0, 1), q = N(δ, 1): −log r = δ²/2 − δx, so k2 has the expectation δ²/2 + δ⁴/8."""
    found = monte_carlo_kl(Normal(0, 1), Normal(0.2, 1), 400_000, 0, form)
    assert abs(found.value - mean) < 4 * found.standard_error


def test_k1_may_be_negative_and_k3_never_is():
    runs = {
        form: [monte_carlo_kl(Normal(0, 1), Normal(0.1, 1), 100, s, form).value for s in range(300)]
        for form in ("k1", "k3")
    }
    share = np.mean(np.array(runs["k1"]) < 0)
    assert share == pytest.approx(stats.norm.cdf(-0.005 / 0.01), abs=0.09)  # δ²/2 over δ/√n
    assert min(runs["k3"]) > 0 and np.std(runs["k3"]) < np.std(runs["k1"]) / 5


def test_k3_warns_where_its_variance_is_infinite():
    found = [monte_carlo_kl(Normal(0, 1), Normal(0, 3), 200, s, "k3") for s in range(100)]
    assert any(f.warnings for f in found) and not monte_carlo_kl(Normal(0, 1), Normal(0, 3), 200, 0).warnings


def test_form_is_checked_and_the_old_place_is_kept():
    for form, error in (("k4", ValueError), (3, TypeError)):
        with pytest.raises(error, match="monte_carlo_kl: form"):
            monte_carlo_kl(Normal(0, 1), Normal(1, 1), 10, 0, form)
    assert divergence.monte_carlo_kl is monte_carlo_kl and divergence.MonteCarlo is Estimate
    assert monte_carlo_kl(Poisson(3.0), Bernoulli(0.5), 100, 0, "k3").value == np.inf


# --- where the entropy cancels ----------------------------------------------------------------------------------------
def test_kl_difference_by_hand():
    x = np.array([0.3, -1.0, 2.0, 0.5])
    terms = stats.norm.logpdf(x) - stats.laplace.logpdf(x, 0, 1)
    found = kl_difference(Normal(0, 1), Laplace(0, 1), x)
    np.testing.assert_allclose(found[:2], [terms.mean(), stats.sem(terms)], rtol=1e-12)
    plane = np.random.default_rng(0).normal(size=(30, 2))
    wide = MultivariateNormal([0, 0], [[2, 0], [0, 1]])
    assert kl_difference(wide, wide, plane).value == 0.0


def test_kl_difference_is_the_difference_of_divergences():
    truth_of = stats.gamma(3)
    x = truth_of.rvs(100_000, random_state=0)
    kl = [
        integrate.quad(lambda t: truth_of.pdf(t) * (truth_of.logpdf(t) - q.logpdf(t)), 0, 80)[0]
        for q in (stats.gamma(2), stats.gamma(4, scale=0.5))
    ]
    found = kl_difference(Gamma(2, 1), Gamma(4, 2), x)
    assert abs(found.value - (kl[1] - kl[0])) < 4 * found.standard_error


def test_kl_difference_refuses():
    x = [0.5, 1.5]
    for arguments, text in (
        ((Normal(0, 1), stats.norm(), x), "second"),
        ((Normal([0, 1], 1), Normal(0, 1), x), "batch first"),
        ((Normal(0, 1), Poisson(1.0), x), "there is no KL divergence"),
        ((Normal(0, 1), Gamma(1, 1), [1.0, -1.0]), r"x\[1\] = -1.0; expected an observation possible under second"),
        ((Normal(0, 1), Normal(1, 1), [1.0]), "at least 2"),
        ((Normal(0, 1), Normal(1, 1), [1.0, np.inf]), "a finite number"),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            kl_difference(*arguments)


# --- f-divergences ----------------------------------------------------------------------------------------------------
P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
BY_HAND = {
    "kl": np.sum(P * np.log(P / Q)),
    "reverse_kl": np.sum(Q * np.log(Q / P)),
    "total_variation": 0.4,
    "hellinger": 1 - np.sum(np.sqrt(P * Q)),
    "jensen_shannon": (np.sum(P * np.log(2 * P / (P + Q))) + np.sum(Q * np.log(2 * Q / (P + Q)))) / 2,
    "chi_squared": np.sum((P - Q) ** 2 / Q),
}


def test_named_members_by_their_own_formulas():
    assert set(BY_HAND) == set(F_DIVERGENCES)
    for name, value in BY_HAND.items():
        found = f_divergence(P, Q, name)
        assert found.value == pytest.approx(value, rel=1e-12, abs=0) and found.standard_error == 0.0
        assert f_divergence(P, P, name).value == pytest.approx(0.0, abs=1e-15)


def test_zeros_in_vectors():
    p, q = [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]
    expected = {
        "kl": np.inf,
        "reverse_kl": np.inf,
        "total_variation": 0.5,
        "hellinger": 0.5,
        "jensen_shannon": LN2 / 2,
        "chi_squared": np.inf,
    }
    assert {name: f_divergence(p, q, name).value for name in BY_HAND} == pytest.approx(expected)


@pytest.mark.parametrize("name", BY_HAND)
def test_densities_against_quadrature_of_both(name):
    p, q = stats.norm(0, 1), stats.norm(0.5, 1.2)
    integrands = {
        "kl": lambda a, b: a * np.log(a / b),
        "reverse_kl": lambda a, b: b * np.log(b / a),
        "total_variation": lambda a, b: abs(a - b) / 2,
        "hellinger": lambda a, b: (np.sqrt(a) - np.sqrt(b)) ** 2 / 2,
        "jensen_shannon": lambda a, b: (a * np.log(2 * a / (a + b)) + b * np.log(2 * b / (a + b))) / 2,
        "chi_squared": lambda a, b: (a - b) ** 2 / b,
    }
    exact = integrate.quad(lambda x: integrands[name](p.pdf(x), q.pdf(x)), -12, 12, limit=400, points=[-2, 0, 2])[0]
    for pair in ((p, q), (Normal(0, 1), Normal(0.5, 1.2))):
        assert f_divergence(*pair, name).value == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("d", [0.1, 9.0, 15.0])
def test_chi_squared_far_out(d):
    """exp(d²) − 1 for two unit normals d apart; where p is the larger, (p/q − 1)² soon leaves the range of doubles."""
    assert f_divergence(Normal(0, 1), Normal(d, 1), "chi_squared").value == pytest.approx(np.expm1(d * d), rel=1e-12)


def test_an_adjoint_of_another_function_is_refused():
    wrong = F_DIVERGENCES["chi_squared"]._replace(adjoint=lambda u: (1 - u) ** 2)
    with pytest.raises(ValueError, match=r"f_divergence: f\.adjoint\(0\.5\) = 0\.25; expected 0\.5 f\(1/0\.5\) = 0\.5"):
        f_divergence(Normal(0, 1), Normal(1, 1), wrong)


def test_an_infinite_chi_squared_is_refused():
    with pytest.raises(estimation.quadrature.QuadratureError, match="expectation"):
        f_divergence(Normal(0, 1), Normal(0, 0.5), "chi_squared")


@pytest.mark.parametrize("name", BY_HAND)
def test_conjugates_and_slopes(name):
    """Slope by differences; conjugate as the largest st − f(t) on a fine grid; equality at s = f′(t)."""
    member = F_DIVERGENCES[name]
    t, grid = np.array([0.3, 0.9, 2.5]), np.geomspace(1e-6, 1e4, 400_001)
    np.testing.assert_allclose((member.f(t + 1e-6) - member.f(t - 1e-6)) / 2e-6, member.slope(t), rtol=1e-6, atol=1e-9)
    for at in t:
        s = float(member.slope(at))
        assert member.conjugate(s) == pytest.approx(np.max(s * grid - member.f(grid)), abs=1e-6)
        assert member.conjugate(s) == pytest.approx(s * at - member.f(at), abs=1e-12)
    if member.adjoint is not None:
        np.testing.assert_allclose(member.adjoint(t), t * member.f(1 / t), rtol=1e-12)


@pytest.mark.parametrize("name", BY_HAND)
def test_variational_form_touches_at_the_slope_of_the_ratio(name):
    member = F_DIVERGENCES[name]
    best = member.slope(P / Q)
    assert P @ best - Q @ member.conjugate(best) == pytest.approx(BY_HAND[name], rel=1e-12)
    for step in np.random.default_rng(0).normal(0, 0.02, size=(20, 3)):
        other = best + step
        if name == "total_variation":
            other = np.clip(other, -0.5, 0.5)
        assert P @ other - Q @ member.conjugate(other) <= BY_HAND[name] + 1e-12


def test_a_histogram_says_which_share_has_no_partner():
    rng = np.random.default_rng(0)
    x, y = np.r_[rng.uniform(0, 1, 75), rng.uniform(1, 2, 25)], rng.uniform(0, 1, 100)
    found = histogram_kl(x, y, bins=[0.0, 0.5, 1.0, 2.0])
    assert found.value == np.inf and found.warnings[0].startswith("a share 0.25 of x lies in bins without")


def test_a_member_of_ones_own():
    le_cam = FDivergence(lambda t: (t - 1) ** 2 / (t + 1), lambda t: t, lambda s: s, 1.0, 1.0)
    assert f_divergence(P, Q, le_cam).value == pytest.approx(np.sum((P - Q) ** 2 / (P + Q)), rel=1e-12)
    assert f_divergence([1.0, 0.0], [0.0, 1.0], le_cam).value == 2.0


@pytest.mark.parametrize("distance", [0.01, 1.0, 5.0, 50.0, 1e4])
def test_f_divergence_sees_what_is_out_of_reach_of_q(distance):
    for p, q in ((Normal(0, 1), Normal(distance, 1)), (stats.norm(distance, 1), stats.norm(0, 1))):
        total_variation = 2 * stats.norm.cdf(distance / 2) - 1
        assert f_divergence(p, q, "total_variation").value == pytest.approx(total_variation, rel=1e-7)
        assert f_divergence(p, q, "hellinger").value == pytest.approx(-np.expm1(-(distance**2) / 8), rel=1e-7)
        if distance >= 50:
            assert f_divergence(p, q, "jensen_shannon").value == pytest.approx(np.log(2), rel=1e-7)


def test_f_divergence_where_points_are_rounded_to_an_end():
    """½ ∫ |12x(1 − x)² − 12x²(1 − x)| dx = 3/8."""
    for p, q in ((Beta(2, 3), Beta(3, 2)), (stats.beta(3, 2), stats.beta(2, 3))):
        assert f_divergence(p, q, "total_variation").value == pytest.approx(0.375, rel=1e-9)


def test_f_divergence_where_the_ratio_has_no_limit():
    p, q = stats.laplace(), stats.norm(0, 2)
    half = lambda x: p.pdf(x) * np.log(2 * p.pdf(x) / (p.pdf(x) + q.pdf(x)))
    other = lambda x: q.pdf(x) * np.log(2 * q.pdf(x) / (p.pdf(x) + q.pdf(x)))
    exact = integrate.quad(lambda x: half(x) + other(x), 0, 30, epsabs=1e-12)[0]  # by symmetry twice half of it
    assert f_divergence(Laplace(0, 1), Normal(0, 2), "jensen_shannon").value == pytest.approx(exact, rel=1e-7)


def test_f_divergence_takes_the_tolerance_that_it_advises():
    """Two gammas with a pole: the total variation is the difference of the two probabilities below the crossing."""
    p, q = Gamma(0.01, 1.0), Gamma(0.02, 1.0)
    with pytest.raises(estimation.quadrature.QuadratureError, match=r"e\.g\. rtol="):
        f_divergence(p, q, "total_variation")
    crossing = np.exp((gammaln(0.02) - gammaln(0.01)) / 0.01)
    exact = p.cdf(crossing) - q.cdf(crossing)
    assert f_divergence(p, q, "total_variation", rtol=1e-4).value == pytest.approx(exact, rel=1e-4)


def test_f_divergence_refuses():
    for arguments, text in (
        ((P, Q, "renyi"), "one of kl, reverse_kl"),
        ((P, Q, np.square), "a name or an FDivergence"),
        ((P, [0.5, 0.5], "kl"), "length of q"),
        (([P, P], Q, "kl"), "one vector each"),
        ((stats.norm(), stats.expon(), "hellinger"), "support of q"),
        ((Normal(0, 1), Poisson(1), "kl"), "expected two distributions on the same outcomes"),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            f_divergence(*arguments)


# --- the stored table -------------------------------------------------------------------------------------------------
ROWS = datasets.estimators()
pairs_of_the_table = functools.cache(make_estimators.pairs)
CELLS = {(row["pair"], row["n"], row["estimator"]): row for row in ROWS}


@pytest.mark.slow
def test_table_has_every_pair_size_and_estimator():
    pairs = pairs_of_the_table()
    assert len(pairs) == 12 and sum(name.startswith("normal, d") for name in pairs) == 4
    expected = {
        (name, n, estimator)
        for name, (d, *_) in pairs.items()
        for n in make_estimators.SIZES
        for estimator in SAMPLES
        if (d, n, estimator) != (10, 1_000, "histogram_kl")  # 1,024 bins for 1,000 points
    }
    assert set(CELLS) == expected
    for row in ROWS:
        assert row["d"] == pairs[row["pair"]][0] and row["kl"] == round(pairs[row["pair"]][3], 6)


def test_truths_of_the_table_by_another_route():
    assert CELLS["exponential", 1_000, "knn_kl"]["kl"] == pytest.approx(LN2 - 0.5, abs=1e-6)
    p, q = Normal(0, 1), Normal(0.5, 1.3)
    assert CELLS["normal, d = 1", 1_000, "knn_kl"]["kl"] == pytest.approx(p.kl_divergence(q), abs=1e-6)
    p, q = stats.weibull_min(1.5), stats.expon()
    x = p.rvs(400_000, random_state=0)
    assert CELLS["Weibull, exponential", 1_000, "nwj"]["kl"] == pytest.approx(
        np.mean(p.logpdf(x) - q.logpdf(x)), abs=0.005
    )


def test_recommended_estimator_covers_up_to_two_dimensions():
    """Between 90 and 99 %: the ten pairs together at both sizes, and each as far as its number of runs can tell."""
    for n in make_estimators.SIZES:
        rows = [row for row in ROWS if (row["estimator"], row["n"]) == ("knn_kl", n) and row["d"] <= 2]
        assert len(rows) == 10 and 0.90 <= np.mean([row["coverage"] for row in rows]) <= 0.99
        for row in rows:
            chance = 2.5 * np.sqrt(0.95 * 0.05 / row["runs"])
            assert row["runs"] >= 40 and 0.90 - chance <= row["coverage"] <= 0.99 + chance, row


def test_stated_errors_are_the_spread_of_the_runs():
    """In the root mean square, within a tenth and what a spread of so many runs cannot tell. A rare run far off counts
    in both, if it says so."""
    for row in ROWS:
        if row["estimator"] in ("knn_kl", "classifier_kl") and row["d"] <= 5:
            assert row["stated"] == pytest.approx(row["sd"], rel=0.1 + 3 / np.sqrt(2 * row["runs"])), row


@pytest.mark.parametrize("pair, n", [("normal, d = 2", 1_000), ("beta, uniform", 1_000)])
def test_a_stored_row_is_what_the_script_computes(pair, n):
    """The first twenty runs of two cells again: their mean error lies within the spread of the stored one."""
    names = list(pairs_of_the_table())
    _, draw_p, draw_q, exact = pairs_of_the_table()[pair]
    errors = []
    for run in range(20):
        rng = np.random.default_rng([n, names.index(pair), run])
        errors.append(classifier_kl(draw_p(n, rng), draw_q(n, rng), run).value - exact)
    row = CELLS[pair, n, "classifier_kl"]
    assert abs(np.mean(errors) - row["bias"]) < 4 * row["sd"] / np.sqrt(20)


def test_table_is_one_row_a_line():
    text = make_estimators.TARGET.read_text(encoding="utf-8")
    assert json.loads(text) == ROWS and len(text.splitlines()) == len(ROWS) + 2


def test_module_says_what_it_is_for():
    assert "knn_kl" in estimation.__doc__
