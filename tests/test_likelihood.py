"""Likelihood and the derivations line by line, against scipy and against the relations between the lines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats
from scipy.special import gammaln

from companion.divergence import cross_entropy, entropy, kl_divergence
from companion.families import Bernoulli, Binomial, Categorical, Mixture, MultivariateNormal, Normal, Poisson
from companion.lesson.datasets import horse_kicks
from companion.likelihood import (
    empirical_probabilities,
    kl_lines,
    likelihood,
    likelihood_lines,
    log_likelihood,
    perplexity,
)

CASES = {
    "normal": (Normal(0.5, 1.5), stats.norm(0.5, 1.5)),
    "poisson": (Poisson(2.5), stats.poisson(2.5)),
    "binomial": (Binomial(12, 0.3), stats.binom(12, 0.3)),
    "bernoulli": (Bernoulli(0.3), stats.bernoulli(0.3)),
    "plane": (
        MultivariateNormal([0, 1], [[1, 0.5], [0.5, 2]]),
        stats.multivariate_normal([0, 1], [[1, 0.5], [0.5, 2]]),
    ),
}
GRID = np.linspace(0.2, 1.4, 121)


@pytest.fixture(params=CASES)
def case(request):
    """One of our distributions, its equal in scipy, data, and scipy's log-probabilities of the data."""
    ours, theirs = CASES[request.param]
    x = ours.sample(60, rng=1)
    return ours, theirs, x, theirs.logpmf(x) if ours.discrete else theirs.logpdf(x)


# --- one number ---------------------------------------------------------------------------------------------------
def test_log_likelihood_is_the_sum(case):
    ours, theirs, x, terms = case
    assert log_likelihood(ours, x) == pytest.approx(terms.sum(), rel=1e-12, abs=0)
    assert log_likelihood(theirs, x) == pytest.approx(terms.sum(), rel=1e-12, abs=0)


def test_weights_count_repetitions(case):
    ours, _, x, terms = case
    weights = np.arange(60) % 4
    assert log_likelihood(ours, x, weights) == pytest.approx(weights @ terms, rel=1e-12, abs=0)
    assert log_likelihood(ours, x, weights) == pytest.approx(
        log_likelihood(ours, np.repeat(x, weights, axis=0)), rel=1e-12, abs=0
    )
    assert perplexity(ours, x, weights) == pytest.approx(
        perplexity(ours, np.repeat(x, weights, axis=0)), rel=1e-12, abs=0
    )


def test_likelihood_is_the_product(case):
    ours, _, x, terms = case
    assert likelihood(ours, x[:5]) == pytest.approx(np.prod(np.exp(terms[:5])), rel=1e-12, abs=0)
    assert np.log(likelihood(ours, x)) == pytest.approx(log_likelihood(ours, x), rel=1e-12, abs=0)


def test_likelihood_underflows_to_zero_where_its_logarithm_stands(case):
    """Two thousand observations (the scale 10 makes a density small enough too)."""
    ours, _, _, _ = case
    x = ours.sample(2000, rng=2)
    if not ours.discrete:
        assert likelihood(Normal(0, 10), x.ravel()[:2000]) == 0.0
    if isinstance(ours, Bernoulli):
        assert likelihood(ours, x) == 0.0
    assert likelihood(ours, x) == 0.0
    assert np.isfinite(log_likelihood(ours, x)) and log_likelihood(ours, x) < -745


def test_perplexity(case):
    ours, _, x, terms = case
    assert perplexity(ours, x) == pytest.approx(np.exp(-terms.mean()), rel=1e-12, abs=0)


def test_perplexity_counts_equally_likely_outcomes():
    assert perplexity(Categorical([1 / 6] * 6), [0, 1, 5, 5]) == pytest.approx(6, rel=1e-14, abs=0)
    assert perplexity(Bernoulli(1.0), [1, 1]) == 1.0


def test_batches_give_one_value_for_each_member():
    x = Poisson(2.0).sample(30, rng=3)
    rates = np.array([[1.0, 2.0, 3.0], [0.5, 4.0, 8.0]])
    for function in (log_likelihood, likelihood, perplexity):
        table = function(Poisson(rates), x)
        assert table.shape == (2, 3)
        assert_allclose(table, [[function(Poisson(rate), x) for rate in row] for row in rates], rtol=1e-12)
    points = MultivariateNormal([0, 0], np.eye(2)).sample(20, rng=4)
    means = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    batch = log_likelihood(MultivariateNormal(means, np.eye(2)), points)
    assert_allclose(batch, [stats.multivariate_normal(m, np.eye(2)).logpdf(points).sum() for m in means], rtol=1e-12)
    assert np.ndim(log_likelihood(Poisson(2.0), x)) == 0


def test_mixtures_and_impossible_observations():
    mixture = Mixture([0.3, 0.7], Normal([0.0, 4.0], [1.0, 2.0]))
    x = np.array([-1.0, 0.5, 7.0])
    expected = np.log(0.3 * stats.norm.pdf(x) + 0.7 * stats.norm.pdf(x, 4, 2)).sum()
    assert log_likelihood(mixture, x) == pytest.approx(expected, rel=1e-13, abs=0)
    assert log_likelihood(Bernoulli(0.0), [0, 1]) == -np.inf
    assert likelihood(Bernoulli(0.0), [0, 1]) == 0.0
    assert perplexity(Bernoulli(0.0), [0, 1]) == np.inf
    assert log_likelihood(Bernoulli(0.0), [0, 1], weights=[3, 0]) == 0.0


# --- from KL to the expected log-likelihood, line by line ---------------------------------------------------------
def check_the_six_lines(lines, p, outcomes, log_q):
    """Each line against its own formula, then the relations between them."""
    log_p = np.log(p)[:, None]
    assert [line.goal for line in lines] == ["min"] * 5 + ["max"]
    assert all(line.values.shape == log_q.shape[1:] for line in lines)
    assert len({line.formula for line in lines}) == 6
    expected = p @ (log_p - log_q)
    for line in lines[:4]:  # the same number, written in four ways
        assert_allclose(line.values, expected, rtol=1e-11, atol=1e-13)
    assert_allclose(lines[4].values, expected + entropy(p), rtol=1e-11)
    assert_allclose(lines[4].values, -(p @ log_q), rtol=1e-13)
    assert_array_equal(lines[5].values, -lines[4].values)
    assert len({line.best for line in lines}) == 1


def test_kl_lines():
    p, outcomes = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0, 1, 2, 4])
    lines = kl_lines(p, Poisson(GRID), outcomes)
    check_the_six_lines(lines, p, outcomes, stats.poisson.logpmf(outcomes[:, None], GRID))
    assert GRID[lines[0].best] == pytest.approx(p @ outcomes, abs=0.5 * (GRID[1] - GRID[0]) + 1e-12)


def test_kl_lines_of_probabilities_that_the_model_can_reach():
    """Where p_θ = p, KL is zero, and the minimum is there."""
    outcomes = np.arange(6)
    p = Binomial(5, 0.3)
    lines = kl_lines(np.exp(p.log_prob(outcomes)), Binomial(5, np.linspace(0.1, 0.9, 9)), outcomes)
    assert [line.best for line in lines] == [2] * 6
    assert lines[0].values[2] == pytest.approx(0, abs=1e-15)
    assert lines[4].values[2] == pytest.approx(p.entropy(), rel=1e-12, abs=0)


@pytest.mark.slow
def test_the_first_line_ignores_the_order_of_the_outcomes():
    one = kl_lines([0.5, 0.3, 0.2], Poisson(GRID), [0, 1, 3])
    two = kl_lines([0.2, 0.5, 0.3], Poisson(GRID), [3, 0, 1])
    for a, b in zip(one, two):
        assert_allclose(a.values, b.values, rtol=1e-12, atol=1e-15)


def test_best_follows_the_goal():
    """Line 6 is −line 5: its maximum is where the minimum of line 5 is, and nowhere else."""
    lines = kl_lines([0.5, 0.3, 0.2], Poisson(GRID), [0, 1, 2])
    assert lines[4].best == np.argmin(lines[4].values) == np.argmax(lines[5].values) == lines[5].best
    assert lines[5].best != np.argmin(lines[5].values)


def test_lines_where_a_model_excludes_an_outcome():
    """KL is infinite there, in every line, and that model is never the best."""
    lines = kl_lines([0.5, 0.5], Bernoulli([0.0, 0.4, 1.0]), [0, 1])
    for line in lines[:5]:
        assert_array_equal(line.values[[0, 2]], [np.inf, np.inf])
    assert lines[5].values[0] == -np.inf and [line.best for line in lines] == [1] * 6


def test_average_surprise_is_entropy_plus_kl_exactly_at_finite_n():
    """−ℓ/n = H(p_emp) + KL(p_emp ‖ p_θ) for every θ: no limit, no approximation."""
    x = Poisson(3.0).sample(25, rng=5)
    values, fractions = empirical_probabilities(x)
    p = np.zeros(int(values.max()) + 1)
    p[values.astype(int)] = fractions
    for model in (Poisson(1.0), Poisson(2.7), Binomial(40, 0.05)):
        surprise = -log_likelihood(model, x) / 25
        assert surprise == pytest.approx(entropy(p) + kl_divergence(p, model), rel=1e-12, abs=0)
        assert surprise == pytest.approx(cross_entropy(p, model), rel=1e-12, abs=0)
    assert Poisson.fit(x).rate == pytest.approx(p @ np.arange(len(p)), rel=1e-14, abs=0)


# --- from the joint probability to the log-likelihood -------------------------------------------------------------
def test_likelihood_lines():
    x = Bernoulli(0.3).sample(40, rng=6)
    models = Bernoulli(np.linspace(0.05, 0.95, 19))
    lines = likelihood_lines(x, models)
    terms = stats.bernoulli.logpmf(x[:, None], np.linspace(0.05, 0.95, 19))
    assert [line.goal for line in lines] == ["max"] * 4
    assert_allclose(lines[0].values, np.exp(terms.sum(0)), rtol=1e-11)
    assert_allclose(lines[1].values, lines[0].values, rtol=1e-11)
    assert_allclose(lines[2].values, terms.sum(0), rtol=1e-11)
    assert_allclose(lines[3].values, terms.sum(0), rtol=1e-12)
    assert {line.best for line in lines} == {int(np.argmin(np.abs(np.linspace(0.05, 0.95, 19) - x.mean())))}


def test_only_the_last_line_survives_a_long_sample():
    x = Bernoulli(0.4).sample(2000, rng=7)
    p = np.linspace(0.05, 0.95, 19)
    lines = likelihood_lines(x, Bernoulli(p))
    assert np.all(lines[0].values == 0) and np.all(lines[1].values == 0) and np.all(lines[2].values == -np.inf)
    assert np.all(np.isfinite(lines[3].values))
    assert lines[3].best == np.argmin(np.abs(p - x.mean()))


# --- the empirical distribution -----------------------------------------------------------------------------------
def test_empirical_probabilities():
    values, fractions = empirical_probabilities([3, 1, 1, 7, 3, 1, 0.5, 0.5])
    assert values.tolist() == [0.5, 1.0, 3.0, 7.0] and fractions.tolist() == [0.25, 0.375, 0.25, 0.125]


def test_empirical_probabilities_of_a_table():
    table = horse_kicks()
    values, fractions = empirical_probabilities(table.observations())
    assert_array_equal(values, table.values)
    assert_array_equal(fractions, table.probabilities)
    assert kl_divergence(fractions, table.probabilities) == 0.0


@pytest.mark.parametrize(
    "frozen, x",
    [(stats.t(4, loc=1), [0.3, -2.0, 8.0]), (stats.zipf(2.5), [1.0, 4.0, 1.0]), (stats.t([3, 5]), [0.3, -2.0, 8.0])],
    ids=["t", "zipf", "batch"],
)
def test_frozen_distributions_without_a_family(frozen, x):
    log_prob = frozen.logpmf if hasattr(frozen.dist, "pmf") else frozen.logpdf
    expected = sum(log_prob(value) for value in x)
    np.testing.assert_allclose(log_likelihood(frozen, x), expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"x.*= .*expected.*support"):
        log_likelihood(stats.zipf(2.5), [1.0, 0.0])


# --- errors that say what is wrong --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: log_likelihood(stats.t(-1), [1.0]),
            r"model = scipy\.stats\.t\(-1\); expected parameters in its domain",
        ),
        (lambda: log_likelihood(stats.t([4, -1]), [1.0]), "expected parameters in its domain"),
        (lambda: log_likelihood(stats.norm(0, -1), [1.0]), r"model = .*expected parameters in its domain.*sd = -1\.0"),
        (
            lambda: log_likelihood(stats.multivariate_normal([0, 0], np.ones((2, 2)), allow_singular=True), [[1, 1]]),
            "model = .*expected a distribution of numbers",
        ),
        (lambda: log_likelihood(stats.t(4), [1.0, np.nan]), r"x\[1\] = nan"),
        (lambda: log_likelihood(stats.pareto(3), [2.0, 0.5]), r"x\[1\] = 0\.5; expected a value in the support"),
        (
            lambda: likelihood(Normal(0, 1e-2), [0.0] * 200 + [0.5] * 200),
            "product = nan; expected .* Use log_likelihood",
        ),
        (lambda: empirical_probabilities([0, np.inf]), r"x\[1\] = inf; expected a finite number"),
        (lambda: kl_lines([0.5, 0.5], Poisson([1.0, 2.0]), [0, 10**9]), "expected an outcome below ten million"),
    ],
)
def test_the_error_names_what_is_wrong(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_a_product_that_overflows_is_infinite_without_a_warning():
    sharp = Normal([0.0, 0.0], [1e-5, 1.0])
    x = np.zeros(2000)
    assert likelihood(sharp, x).tolist() == [np.inf, 0.0]
    assert [line.values[0] for line in likelihood_lines(x, sharp)[:3]] == [np.inf] * 3
    assert perplexity(Normal(0.0, 1e-3), [2.0, 3.0]) == np.inf


def test_an_observation_of_weight_zero_does_not_enter():
    assert log_likelihood(Poisson(1.0), [0, 1, -3], weights=[1, 1, 0]) == log_likelihood(Poisson(1.0), [0, 1])
    assert perplexity(stats.pareto(3), [2.0, 0.5], weights=[1, 0]) == perplexity(stats.pareto(3), [2.0])


def test_a_batch_of_a_scipy_distribution_without_a_family_of_ours():
    batch = log_likelihood(stats.t([[4], [9]], loc=[0.0, 1.0, 2.0]), [1.0, 2.0])
    each = [[stats.t(df, loc=loc).logpdf([1.0, 2.0]).sum() for loc in (0.0, 1.0, 2.0)] for df in (4, 9)]
    assert_allclose(batch, each, rtol=1e-13)


# --- what the chapter says of joint probabilities, limits and unbounded likelihoods ---------------------------------
def test_the_joint_probability_of_poisson_counts_by_total_and_spread():
    """Independent Poisson counts: a Poisson total, spread evenly at random. No product of single probabilities."""
    x, rates = horse_kicks().observations(), np.linspace(0.3, 1.2, 10)
    n, total = len(x), x.sum()
    joint = stats.poisson.pmf(total, n * rates) * stats.multinomial.pmf(x, total, np.full(n, 1 / n))
    assert_allclose(likelihood(Poisson(rates), x), joint, rtol=1e-9)
    assert_allclose(likelihood_lines(x, Poisson(rates))[0].values, joint, rtol=1e-9)


def test_the_likelihood_of_dependent_data_is_not_the_product():
    """Joint probabilities of all chains of length 8 sum to one; they are not the products of the single ones."""
    follows = np.array([[0.9, 0.1], [0.1, 0.9]])
    chains = np.array(np.meshgrid(*[[0, 1]] * 8)).reshape(8, -1).T
    joint = 0.5 * np.prod(follows[chains[:, :-1], chains[:, 1:]], axis=1)
    assert joint.sum() == pytest.approx(1.0, rel=1e-13)
    assert_allclose(chains.T @ joint, 0.5, rtol=1e-13)  # each day alone is a fair coin
    alone = [likelihood(Bernoulli(0.5), chain) for chain in chains]
    assert abs(joint - alone).sum() > 1


def test_the_likelihood_is_not_a_density_of_its_parameter():
    """Its area is a gamma function, not 1, and depends on the parameter that it is written in."""
    table, rates = horse_kicks(), np.linspace(0.05, 2.5, 20_001)
    height = np.exp(log_likelihood(Poisson(rates), table.values, weights=table.frequencies))
    factorials = table.frequencies @ gammaln(table.values + 1)
    over_rate, over_log_rate = np.trapezoid(height, rates), np.trapezoid(height / rates, rates)
    assert np.log(over_rate) == pytest.approx(gammaln(123) - 123 * np.log(200) - factorials, rel=1e-9)
    assert np.log(over_log_rate) == pytest.approx(gammaln(122) - 122 * np.log(200) - factorials, rel=1e-9)


@pytest.mark.parametrize("n", [100, 10_000, 1_000_000])
def test_poisson_averages_converge_on_an_interval_and_not_on_the_half_line(n):
    """−ℓ/n − H(p, p_λ) = (m − x̄) log λ + c: within a few standard errors on an interval, unbounded towards zero."""
    truth = stats.binom(4, 0.15)
    x = truth.rvs(n, random_state=np.random.default_rng(n))
    values, share = empirical_probabilities(x)
    support = np.arange(5)

    def distance(rates):
        average = -log_likelihood(Poisson(rates), values, weights=share)
        return abs(average + truth.pmf(support) @ stats.poisson.logpmf(support[:, None], rates))

    assert distance(np.linspace(0.2, 1.4, 121)).max() < 10 / np.sqrt(n)
    far = distance(np.array([1e-100, 1e-200, 1e-300]))
    assert_allclose(np.diff(far), abs(x.mean() - 0.6) * 100 * np.log(10), rtol=1e-6)  # a straight line in log λ
    assert abs(Poisson.fit(x).rate - 0.6) < 4 * truth.std() / np.sqrt(n)  # and yet the minimisers converge


def test_at_a_mean_off_by_a_thousandth_the_distance_far_out_is_almost_a_nat():
    gap = abs(0.6 - 0.6013) * abs(np.log(1e-300))
    share = np.array([0.3987, 0.6013])  # mean 0.6013, and E[log x!] = 0 as for Bernoulli(0.6)
    average = -log_likelihood(Poisson(1e-300), [0, 1], weights=share)
    assert average - cross_entropy(stats.bernoulli(0.6), Poisson(1e-300)) == pytest.approx(gap, rel=1e-9)
    assert gap == pytest.approx(0.9, abs=0.01)


def test_the_likelihood_of_a_mixture_with_a_spike_is_unbounded():
    """One component on one observation: ten times narrower, log 10 more, for ever."""
    x = Normal(1.75, 0.07).sample(70, rng=5)
    best_normal = log_likelihood(Normal.fit(x), x)
    spiked = [log_likelihood(Mixture([0.5, 0.5], Normal([1.75, x[0]], [0.07, 10.0**-k])), x) for k in (60, 160, 260)]
    assert_allclose(np.diff(spiked), 100 * np.log(10), rtol=1e-12)
    assert best_normal < spiked[0] < spiked[1] < spiked[2]


def test_pseudo_observations_are_observations():
    """ℓ + a log λ − b λ is largest at (a + Σx)/(b + n): the fit to the data and to a deaths in b more years."""
    x, a, b = np.array([0, 0, 0, 0, 0, 2, 1]), 3.0, 5.0
    found = optimize.minimize_scalar(
        lambda r: -log_likelihood(Poisson(r), x) - stats.gamma.logpdf(r, a + 1, scale=1 / b),
        bounds=(0.01, 5),
        method="bounded",
        options={"xatol": 1e-10},
    ).x
    assert found == pytest.approx((a + x.sum()) / (b + len(x)), rel=1e-6)
    with_imagined = np.append(x, [0, 0, 1, 1, 1])  # three deaths in five years
    assert Poisson.fit(with_imagined).rate == pytest.approx(found, rel=1e-6)


@pytest.mark.slow
def test_g_statistic_and_regression_deviance_differ():
    """G compares frequencies and is 2n KL; a GLM's deviance compares each observation with its own mean."""
    table = horse_kicks()
    expected = table.n * stats.poisson.pmf(table.values, table.mean)
    g = 2 * np.sum(table.frequencies * np.log(table.frequencies / expected))
    assert 2 * table.n * kl_divergence(table.probabilities, Poisson(table.mean)) == pytest.approx(g, rel=1e-12)
    assert g == pytest.approx(0.868, abs=5e-4)
    x = table.observations()
    saturated = np.where(x > 0, stats.poisson.logpmf(x, np.maximum(x, 1)), 0.0).sum()
    deviance = 2 * (saturated - log_likelihood(Poisson(table.mean), x))
    assert deviance == pytest.approx(212.47, abs=5e-3)
    rng, by_chance = np.random.default_rng(0), []
    for _ in range(300):
        counts = np.bincount(rng.poisson(0.61, 200))
        fit = Poisson(np.arange(len(counts)) @ counts / 200)
        by_chance.append(400 * kl_divergence(counts / 200, fit))
    assert 3 < np.mean(by_chance) < 4.2


def test_groups_are_fitted_alone():
    """A rate for each corps gains 2Σ d log(d / 12.2) / 2 nats, half of scipy's G statistic."""
    deaths = np.array([12, 12, 8, 11, 12, 7, 13, 15, 24, 8])
    assert deaths.sum() == 122
    own = sum(log_likelihood(Poisson(20 * (d / 20)), [d]) for d in deaths)
    common = log_likelihood(Poisson(12.2), deaths)
    assert own - common == pytest.approx(stats.power_divergence(deaths, lambda_="log-likelihood").statistic / 2)
