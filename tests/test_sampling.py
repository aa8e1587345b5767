"""The functions of the chapter `sampling` against whole numbers, sums over every sequence, and known tails."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import special, stats

from companion import kl_divergence, sampling
from companion.families import FAMILIES, Bernoulli, Categorical, Gamma, InverseGaussian, Normal, Poisson
from companion.lesson import datasets


# --- averages -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shift", [0.0, 1e8, -3e5])
def test_running_average_against_each_prefix(shift):
    terms = np.random.default_rng(0).normal(size=200) + shift
    running = sampling.running_average(terms)
    for n in (2, 3, 57, 200):
        assert running.value[n - 1] == pytest.approx(terms[:n].mean(), rel=1e-14)
        error = terms[:n].std(ddof=1) / math.sqrt(n)
        assert running.standard_error[n - 1] == pytest.approx(error, rel=1e-6)
    assert running.value[0] == terms[0] and running.standard_error[0] == np.inf


def test_average_log_likelihood_converges_at_the_rate_of_one_half():
    table, rng = datasets.alpha_particles(), np.random.default_rng(1)
    log_q = stats.poisson.logpmf(table.values, table.mean)
    exact = table.probabilities @ log_q
    sizes = np.array([10, 100, 1_000, 10_000, 100_000])
    rms = [np.sqrt(np.mean((rng.multinomial(n, table.probabilities, 4_000) @ log_q / n - exact) ** 2)) for n in sizes]
    assert np.polyfit(np.log(sizes), np.log(rms), 1)[0] == pytest.approx(-0.5, abs=0.02)


def test_cauchy_averages_do_not_settle():
    terms = np.random.default_rng(2).standard_cauchy((300, 10_000)) ** 2 / 2
    early, late = np.median(terms[:, :100].mean(axis=1)), np.median(terms.mean(axis=1))
    assert late > 20 * early
    assert kl_divergence(stats.cauchy(), stats.norm()) == np.inf
    assert np.mean([sampling.tail_shape(row) >= 1 for row in terms]) > 0.98
    assert sampling.draws_needed(terms[0], 0.1) == np.inf


def test_average_of_a_heavy_tailed_log_ratio_is_too_small_and_so_is_its_error():
    p, q = Gamma(1.2, 1), InverseGaussian(1, 1)
    x = p.sample(500_000, np.random.default_rng(3)).reshape(500, 1_000)
    terms = p.log_prob(x) - q.log_prob(x)
    true, value = kl_divergence(p, q), terms.mean(axis=1)
    error = terms.std(axis=1, ddof=1) / math.sqrt(1_000)
    assert true == pytest.approx(1.412944799, abs=1e-8)
    by_scipy = stats.gamma(1.2).expect(lambda x: stats.gamma.logpdf(x, 1.2) - stats.invgauss.logpdf(x, 1))
    assert true == pytest.approx(by_scipy, rel=1e-4)
    assert np.median(value) < 0.6 * true and np.median(error) < 0.4
    assert np.mean(abs(value - true) <= 2 * error) < 0.55
    assert np.mean([sampling.tail_shape(row) > 0.5 for row in terms]) > 0.98
    assert kl_divergence(Gamma(0.5, 1), q) == np.inf  # 1/x has no expectation under shape 1 or less


@pytest.mark.parametrize("shape", [-0.5, 0.0, 0.3, 0.7, 1.0, 2.0])
def test_tail_shape_of_pareto_tails(shape):
    draws = stats.genpareto.rvs(shape, size=(40, 20_000), random_state=4)
    found = [sampling.tail_shape(row) for row in draws]
    assert np.median(found) == pytest.approx(max(shape, -1.0), abs=0.15)
    assert sampling.tail_shape(-3 * draws[0] + 7) == pytest.approx(found[0], rel=1e-9)  # either tail, any scale


def test_tail_shape_against_the_maximum_of_the_likelihood():
    draws = np.sort(stats.genpareto.rvs(0.6, size=20_000, random_state=5))
    size = math.ceil(3 * math.sqrt(20_000))
    excess = draws[-size:] - draws[-size - 1]
    fitted, _, _ = stats.genpareto.fit(excess, 0.5, floc=0)
    assert sampling.tail_shape(draws) == pytest.approx(fitted, abs=0.06)


@pytest.mark.parametrize("n", [100, 1003, 5000])
def test_tail_shape_is_the_formula_of_zhang_and_stephens(n):
    """Their posterior mean of b over a grid about the first quartile, and the ten values at ½ of Vehtari et al."""
    draws = np.sort(stats.genpareto.rvs(0.4, size=n, random_state=6))
    size = min(n // 5, math.ceil(3 * math.sqrt(n)))
    y = [float(value - draws[-size - 1]) for value in draws[-size:]]
    quartile, nodes = y[math.floor(size / 4 + 0.5) - 1], 30 + math.floor(math.sqrt(size))
    logs, grid = [], []
    for j in range(1, nodes + 1):
        grid.append(1 / y[-1] + (1 - math.sqrt(nodes / (j - 0.5))) / (3 * quartile))
        k = -math.fsum(math.log(1 - grid[-1] * value) for value in y) / size
        logs.append(size * (math.log(grid[-1] / k) + k - 1))
    weights = [1 / math.fsum(math.exp(other - own) for other in logs) for own in logs]
    b = math.fsum(w * value for w, value in zip(weights, grid))
    k = math.fsum(math.log(1 - b * value) for value in y) / size
    assert sampling.tail_shape(draws - draws.min()) == pytest.approx((size * k + 5) / (size + 10), rel=1e-9)


@pytest.mark.slow
def test_diagnostic_false_alarms_and_misses_over_600_runs():
    rng = np.random.default_rng(6)

    def alarms(draw):
        return np.mean([sampling.tail_shape(draw(1_000) ** 2) > 0.5 for _ in range(600)])

    assert alarms(rng.standard_normal) < 0.01
    assert alarms(lambda n: rng.standard_t(10, n)) < 0.04
    assert 0.1 < alarms(lambda n: rng.standard_t(5, n)) < 0.4
    assert 1 - alarms(lambda n: rng.standard_t(3, n)) < 0.25
    assert 1 - alarms(lambda n: rng.standard_t(2, n)) < 0.02


@pytest.mark.slow
def test_a_silent_sample_of_a_heavy_tail_is_worse_than_one_with_alarm():
    rng = np.random.default_rng(7)
    terms = rng.standard_t(3, (1_000, 1_000)) ** 2
    error = terms.std(axis=1, ddof=1) / math.sqrt(1_000)
    covered = abs(terms.mean(axis=1) - 3) <= 2 * error
    silent = np.array([sampling.tail_shape(row) <= 0.5 for row in terms])
    assert covered[silent].mean() < 0.5 < covered[~silent].mean()


def test_counts_with_ties_have_a_tail():
    table = datasets.alpha_particles()
    assert sampling.tail_shape(-stats.poisson.logpmf(table.observations(), table.mean)) < 0.3
    assert sampling.tail_shape(np.zeros(100)) == -np.inf
    assert sampling.draws_needed(np.zeros(100), 0.1) == 1
    with pytest.raises(ValueError, match="at least 5"):
        sampling.tail_shape(np.append(np.zeros(999), 1e6))


def test_draws_needed_is_the_variance_over_the_error_squared_with_a_light_tail():
    terms = np.random.default_rng(8).uniform(size=10_000)
    assert sampling.draws_needed(terms, 1e-3) == pytest.approx(terms.var(ddof=1) / 1e-6, rel=1e-9)


@pytest.mark.slow
def test_error_of_a_heavy_tailed_average_falls_as_slowly_as_stated():
    rng = np.random.default_rng(9)
    error = [np.median(abs((rng.standard_t(3, (400, n)) ** 2).mean(axis=1) - 3)) for n in (100, 100_000)]
    assert error[0] / error[1] == pytest.approx(1_000 ** (1 - 2 / 3), rel=0.25)
    terms = rng.standard_t(3, 200_000) ** 2
    ratio = sampling.draws_needed(terms, 0.001) / sampling.draws_needed(terms, 0.01)
    assert ratio == pytest.approx(10 ** (1 / (1 - max(0.5, sampling.tail_shape(terms)))), rel=1e-6)


# --- minimisers ---------------------------------------------------------------------------------------------------
def test_poisson_averages_do_not_converge_uniformly():
    """(m − x̄) log λ is 0.9 nats at λ = 1e-300 for means of 0.6 and 0.6013, and below 0.003 near the minimum."""
    model = Poisson([1e-300, 0.2, 0.6, 1.4])
    values = np.arange(3)  # two tables with these means, so that log x! agrees as well
    limit, average = np.array([0.45, 0.5, 0.05]), np.array([0.4487, 0.5013, 0.05])
    gap = abs((average - limit) @ model.log_prob(values[:, None]))
    assert gap[0] == pytest.approx(0.0013 * 300 * math.log(10), rel=1e-6) and gap[0] > 0.89
    assert np.max(gap[1:]) < 0.003


def test_a_spike_moves_the_estimate_to_one():
    """Ferguson's mixture: at the largest observation the triangle alone beats everything that θ = 1/2 gains."""
    rng = np.random.default_rng(10)
    width = 0.5 * math.exp(1 - 4)
    for n in (1_000, 10_000, 100_000):
        x = np.where(rng.random(n) < 0.5, 0.5 + width * rng.triangular(-1, 0, 1, n), rng.uniform(-1, 1, n))
        theta = x.max()
        at_spike = (1 - theta) ** -2.0 - 1 + (n - 1) * math.log(theta / 2)  # all others under the uniform part
        inside = np.maximum(0, 1 - abs(x - 0.5) / width) / width
        assert at_spike > np.log(0.25 + 0.5 * inside).sum()
        assert theta > 1 - 20 / n


def test_two_measurements_of_each_object_give_half_the_variance():
    x = np.random.default_rng(11).normal(size=(200_000, 2)) + np.arange(200_000)[:, None]
    assert np.mean((x - x.mean(axis=1, keepdims=True)) ** 2) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("truth", "d"),
    [
        (Poisson(3.9), 1),
        (Bernoulli(0.3), 1),
        (Normal(0, 1), 2),
        (Gamma(2, 1), 2),
        (Categorical([0.4, 0.3, 0.2, 0.1]), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_twice_n_kl_of_the_fit_is_chi_square(truth, d):
    runs, n = 3_000, 1_000
    twice = 2 * n * sampling.fitted_kl(truth, n, runs, rng=12)
    assert twice.mean() == pytest.approx(d, abs=3.5 * math.sqrt(2 * d / runs))
    assert twice.var(ddof=1) == pytest.approx(2 * d, abs=3.5 * math.sqrt((8 * d**2 + 48 * d) / runs))
    assert np.mean(twice > stats.chi2(d).isf(0.05)) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_fitted_kl_is_that_of_the_fit(name):
    truth = FAMILIES[name].draw(np.random.default_rng(0))
    fixed = {key: truth.parameter(key) for key in truth.fixed_names}
    found = sampling.fitted_kl(truth, 400, 2, rng=13)
    x = truth.sample(800, np.random.default_rng(13))
    wanted = [kl_divergence(truth, type(truth).fit(half, **fixed)) for half in (x[:400], x[400:])]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


# --- typical sequences --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 7, 30, 60])
@pytest.mark.parametrize(("p", "q"), [(0.3, None), (0.25, 0.6), (0.5, None), (0.9, 0.2), (1e-3, None)])
def test_typical_set_in_whole_numbers(p, q, n):
    belief = p if q is None else q
    log_q = [math.log(belief), math.log1p(-belief)]
    limit = -(p * log_q[0] + (1 - p) * log_q[1])
    for epsilon in (0.03, 0.2):
        typical = [k for k in range(n + 1) if abs(-(k * log_q[0] + (n - k) * log_q[1]) / n - limit) <= epsilon]
        if p == 0.5 and q is None:
            typical = list(range(n + 1))  # equal up to rounding
        size = sum(math.comb(n, k) for k in typical)
        chance = sum(math.comb(n, k) * Fraction(p) ** k * (1 - Fraction(p)) ** (n - k) for k in typical)
        found = sampling.typical_set(p, n, epsilon, q)
        assert found.probability == pytest.approx(float(chance), rel=1e-12, abs=1e-300)
        if typical:
            assert (found.fewest, found.most) == (typical[0], typical[-1])
            assert found.log_size == pytest.approx(math.log(size), rel=1e-15, abs=1e-15)
        else:
            assert found == (-math.inf, 0.0, None, None)


def test_typical_set_lists_every_sequence():
    n, p, epsilon = 12, 0.3, 0.15
    log_p = np.log([1 - p, p])
    listed = [log_p[list(x)].sum() for x in itertools.product((0, 1), repeat=n)]
    entropy = stats.bernoulli(p).entropy()
    typical = [value for value in listed if abs(-value / n - entropy) <= epsilon]
    found = sampling.typical_set(p, n, epsilon)
    assert round(math.exp(found.log_size)) == len(typical)
    assert found.probability == pytest.approx(np.exp(typical).sum(), rel=1e-12)


@pytest.mark.parametrize(("p", "q"), [(0.3, None), (0.3, 0.6), (0.02, 0.1)])
def test_typical_set_of_2000_throws_by_logarithms(p, q):
    n, belief = 2_000, p if q is None else q
    k = np.arange(n + 1)
    surprise = -(k * np.log(belief) + (n - k) * np.log1p(-belief)) / n
    limit = -(p * np.log(belief) + (1 - p) * np.log1p(-belief))
    k = k[abs(surprise - limit) <= 0.02]
    choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    found = sampling.typical_set(p, n, 0.02, q)
    assert found.log_size == pytest.approx(special.logsumexp(choose), rel=1e-11)
    chance = special.logsumexp(choose + k * np.log(p) + (n - k) * np.log1p(-p))
    assert found.probability == pytest.approx(math.exp(chance), rel=1e-10)


def test_equipartition():
    """The average surprise tends to the entropy, under a wrong model to entropy plus KL; sizes are bounded."""
    p, q, epsilon = 0.3, 0.6, 0.05
    h, kl = stats.bernoulli(p).entropy(), kl_divergence([p, 1 - p], [q, 1 - q])
    x = np.random.default_rng(14).random(200_000) < p
    assert -np.mean(np.where(x, np.log(p), np.log(1 - p))) == pytest.approx(h, abs=0.005)
    assert -np.mean(np.where(x, np.log(q), np.log(1 - q))) == pytest.approx(h + kl, abs=0.005)
    for n in (100, 2_000):
        found = sampling.typical_set(p, n, epsilon)
        assert found.log_size <= n * (h + epsilon)
        assert found.log_size >= math.log(found.probability) + n * (h - epsilon)
        assert found.fewest > 0  # all tails is the most probable sequence, and not typical
    assert sampling.typical_set(p, 2_000, epsilon).probability > 0.9999
    assert sampling.typical_set(p, 2_000, epsilon, q).probability > 0.9999


# --- what a nat buys ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("p", "q"), [(0.6, 0.5), (0.3, 0.5), (0.75, 0.25), (0.2, 0.1)])
def test_false_alarm_is_that_of_the_best_test(p, q):
    """Against all tests that declare for p on some numbers of heads, and exact sums."""
    n, miss = 9, 0.3
    under_p, under_q = (stats.binom.pmf(np.arange(n + 1), n, chance) for chance in (p, q))
    best = 1.0
    order = np.argsort(under_q / under_p)  # by evidence for p, strongest first
    for count in range(n + 2):
        if under_p[order[:count]].sum() >= 1 - miss:
            best = min(best, under_q[order[:count]].sum())
    assert sampling.log_false_alarm(p, q, n, miss) == pytest.approx(math.log(best), rel=1e-10)


def test_exponent_of_the_false_alarm_tends_to_kl():
    for p, q in ((0.6, 0.5), (0.1, 0.3)):
        kl = kl_divergence([p, 1 - p], [q, 1 - q])
        spread = math.sqrt(p * (1 - p)) * abs(special.logit(p) - special.logit(q))
        for n in (1_000, 20_000):
            found = -sampling.log_false_alarm(p, q, n, 0.1) / n
            normal = kl - spread * stats.norm.ppf(0.9) / math.sqrt(n) + math.log(n) / (2 * n)
            assert found == pytest.approx(normal, abs=3 / n)
            assert found < kl


# --- codes --------------------------------------------------------------------------------------------------------
def test_words_exist_exactly_if_kraft_allows_them():
    for lengths in itertools.product(range(1, 5), repeat=5):
        if sum(Fraction(1, 2**size) for size in lengths) > 1:
            with pytest.raises(ValueError, match="Kraft"):
                sampling.prefix_code(lengths)
        else:
            words = sampling.prefix_code(lengths)
            assert tuple(map(len, words)) == lengths
            assert not any(a != b and words[b].startswith(words[a]) for a in range(5) for b in range(5))


def test_best_word_length_is_minus_the_logarithm():
    """Over all lengths that Kraft allows, against entropy and KL."""
    q = np.array([0.5, 0.25, 0.125, 0.125])
    allowed = [x for x in itertools.product(range(1, 7), repeat=4) if sum(2.0 ** -np.array(x)) <= 1]
    costs = np.array(allowed) @ q
    assert allowed[int(np.argmin(costs))] == (1, 2, 3, 3) and costs.min() == stats.entropy(q, base=2)
    for lengths, cost in zip(allowed[::50], costs[::50]):
        c = sum(2.0 ** -np.array(lengths))
        r = 2.0 ** -np.array(lengths) / c
        assert cost == pytest.approx(stats.entropy(q, base=2) + stats.entropy(q, r, base=2) - math.log2(c), rel=1e-12)


SOURCES = {
    "one symbol": ([1], [0] * 50),
    "a fair coin": ([1, 1], np.random.default_rng(0).integers(0, 2, 999)),
    "a biased coin": ([999, 1], np.random.default_rng(1).random(3_000) < 1e-3),
    "alpha particles": (datasets.alpha_particles().frequencies + 1, datasets.alpha_particles().observations()),
    "dice": (np.arange(1, 14), np.random.default_rng(2).choice(datasets.weldon_dice().values, 800)),
    "bytes of a text": (np.ones(256), np.frombuffer(__doc__.encode() * 5, dtype=np.uint8)),
    "a rare symbol": ([2**50, 1, 0, 3], [1, 0, 3, 0, 0, 1]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_coded_length_is_within_two_bits_of_the_surprise_and_decodes(name):
    frequencies, message = SOURCES[name]
    message = np.asarray(message).astype(int)
    bits = sampling.encode(frequencies, message)
    share = [Fraction(int(f), int(sum(map(int, frequencies)))) for f in frequencies]
    chance = math.prod((share[s] for s in message), start=Fraction(1))
    ideal = math.log2(chance.denominator) - math.log2(chance.numerator)
    assert sampling.code_length(frequencies, message) == pytest.approx(ideal, rel=1e-12, abs=1e-12)
    assert ideal - 1e-9 <= len(bits) < ideal + 2
    np.testing.assert_array_equal(sampling.decode(frequencies, bits, len(message)), message)


def test_no_message_begins_another_of_the_same_length():
    frequencies = [3, 2, 1]
    codes = [sampling.encode(frequencies, message) for message in itertools.product(range(3), repeat=4)]
    assert sum(Fraction(1, 2 ** len(code)) for code in codes) <= 1
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    for message, code in zip(itertools.product(range(3), repeat=4), codes):
        for tail in ("", "0110", "1111"):
            assert tuple(sampling.decode(frequencies, code + tail, 4)) == message


def test_a_wrong_model_pays_the_kl():
    p, q = np.array([5, 2, 1]), np.array([1, 1, 1])
    message = np.repeat([0, 1, 2], [500, 200, 100])
    extra = len(sampling.encode(q, message)) - len(sampling.encode(p, message))
    assert extra == pytest.approx(800 * kl_divergence(p / 8, q / 3, base=2), abs=2)


# --- scores -------------------------------------------------------------------------------------------------------
def test_cross_entropy_and_pairs_are_unbiased_and_plug_ins_are_not():
    """The expectation over all samples of four draws, outcome by outcome."""
    p, q, n = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5]), 4
    samples = list(itertools.product(range(3), repeat=n))
    chance = np.array([p[list(x)].prod() for x in samples])
    share = np.array([np.bincount(x, minlength=3) / n for x in samples])
    assert chance @ -(share @ np.log(q)) == pytest.approx(-(p @ np.log(q)), rel=1e-13)
    pairs = (n * (share**2).sum(axis=1) - 1) / (n - 1)
    assert chance @ pairs == pytest.approx((p**2).sum(), rel=1e-13)
    assert chance @ stats.entropy(share, axis=1) < stats.entropy(p) - 0.1
    assert chance @ special.rel_entr(share, q).sum(axis=1) > special.rel_entr(p, q).sum() + 0.1
    assert chance @ abs(share - q).sum(axis=1) > abs(p - q).sum() + 0.01


def test_only_the_logarithm_is_proper_among_local_scores():
    p = np.array([0.6, 0.3, 0.1])
    grid = np.array([(a, b, 1 - a - b) for a in np.linspace(0.01, 0.98, 98) for b in np.linspace(0.01, 0.99 - a, 60)])
    grid = grid[grid.min(axis=1) > 0]
    for score, proper in ((lambda t: -np.log(t), True), (lambda t: -t, False), (lambda t: (1 - t) ** 2, False)):
        best = grid[np.argmin(score(grid) @ p)]
        assert (abs(best - p).max() < 0.02) == proper


# --- bad input ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling.tail_shape([1.0] * 99), "number of terms = 99; expected at least 100"),
        (lambda: sampling.running_average([1.0, np.inf]), "finite"),
        (lambda: sampling.draws_needed(np.arange(200.0), 0), "error = 0"),
        (lambda: sampling.typical_set(0.0, 10, 0.1), "p = 0.0; expected a probability between 0 and 1"),
        (lambda: sampling.typical_set(0.3, 30_000, 0.1), "at most 20,000"),
        (lambda: sampling.typical_set(0.3, 10, -0.1), "epsilon = -0.1"),
        (lambda: sampling.log_false_alarm(0.3, 0.3, 10, 0.1), "another probability than p"),
        (lambda: sampling.fitted_kl(Normal([0, 1], 1), 10, 2, 0), "one distribution"),
        (lambda: sampling.encode([1, 0], [0, 1]), "a symbol of positive frequency"),
        (lambda: sampling.encode([1, 1], [2]), "an index below 2"),
        (lambda: sampling.encode([1, 1], np.zeros(20_001)), "at most 20,000"),
        (lambda: sampling.decode([1, 1], "01", 30_000), "at most 20,000"),
        (lambda: sampling.code_length([0, 0], [0]), "a positive total"),
        (lambda: sampling.prefix_code([1, 1, 1]), "sum of 2"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bits_are_zeros_and_ones():
    with pytest.raises(TypeError, match="a text of zeros and ones"):
        sampling.decode([1, 1], "012", 3)
