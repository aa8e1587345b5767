"""The functions of the chapter `projection` against searches, sums and simulations that do not use them."""

import re

import numpy as np
import pytest
from scipy import optimize, special, stats

from companion import kl_divergence, projection
from companion.families import (
    Beta,
    Binomial,
    Categorical,
    Exponential,
    Gamma,
    Geometric,
    InverseGaussian,
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
from companion.fitting import fit
from companion.fitting.scores import scores
from companion.lesson import datasets

HUMPS = Mixture([0.3, 0.7], Normal([-1.5, 2.0], [0.7, 1.1]))
RATES = Mixture([0.5, 0.5], Poisson([0.5, 4.0]))
#: (p, family, fixed, the family as SciPy has it, start of a search over its parameters)
CONTINUOUS = [
    (stats.logistic(1, 2), Normal, {}, lambda t: stats.norm(t[0], np.exp(t[1])), [0.5, 0.0]),
    (stats.t(15), Laplace, {"loc": 0.3}, lambda t: stats.laplace(0.3, np.exp(t[0])), [0.0]),
    (HUMPS, Normal, {}, lambda t: stats.norm(t[0], np.exp(t[1])), [0.0, 0.0]),
    (stats.lognorm(0.6), Gamma, {}, lambda t: stats.gamma(np.exp(t[0]), scale=np.exp(t[1])), [0.5, 0.0]),
    (stats.gamma(3), LogNormal, {}, lambda t: stats.lognorm(np.exp(t[1]), scale=np.exp(t[0])), [0.5, 0.0]),
    (stats.gamma(2.5), Weibull, {"k": 1.4}, lambda t: stats.weibull_min(1.4, scale=np.exp(t[0])), [0.5]),
    (stats.uniform(), Exponential, {}, lambda t: stats.expon(scale=np.exp(t[0])), [0.0]),
    (stats.triang(0.3), Beta, {}, lambda t: stats.beta(np.exp(t[0]), np.exp(t[1])), [0.5, 0.5]),
    (
        stats.lognorm(0.5),
        InverseGaussian,
        {},
        lambda t: stats.invgauss(np.exp(t[0] - t[1]), scale=np.exp(t[1])),
        [0.0, 0.0],
    ),
    (stats.lomax(3, loc=1), Pareto, {"xm": 1.0}, lambda t: stats.pareto(np.exp(t[0])), [0.5]),
]
DISCRETE = [
    (RATES, Poisson, {}, lambda t: stats.poisson(np.exp(t[0])), [0.0]),
    (RATES, NegativeBinomial, {"r": 1.0}, lambda t: stats.geom(special.expit(t[0]), loc=-1), [0.0]),
    (stats.binom(6, 0.4), Poisson, {}, lambda t: stats.poisson(np.exp(t[0])), [0.0]),
    (stats.poisson(2.0, loc=1), Geometric, {}, lambda t: stats.geom(special.expit(t[0])), [0.0]),
    ([0.2, 0.1, 0.4, 0.3], Binomial, {"n": 5}, lambda t: stats.binom(5, special.expit(t[0])), [0.0]),
]


NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def cross_entropy_by_quad(p, q):
    """−E_p[log q] by SciPy's densities and Gauss–Legendre panels between quantiles."""
    if isinstance(p, Mixture):
        parts = [(w, stats.norm(m, s)) for w, m, s in zip(p.weights, p.components.mean(), p.components.sd)]
        pdf, ends = lambda x: sum(w * part.pdf(x) for w, part in parts), [-11.0, -4.0, -1.5, 0.0, 2.0, 5.0, 13.0]
    else:
        pdf, ends = p.pdf, p.ppf([1e-14, 1e-9, 1e-5, 0.01, 0.3, 0.7, 0.99])
        ends = sorted([*ends, 0.3, *p.isf([1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-15])])  # 0.3: a kink below
        ends = [end for end in ends if p.support()[0] <= end <= p.support()[1]]
    low, high = np.array(ends[:-1])[:, None], np.array(ends[1:])[:, None]
    x = (low + high) / 2 + (high - low) / 2 * NODES
    with np.errstate(all="ignore"):
        values = pdf(x) * q.logpdf(x) * WEIGHTS * (high - low) / 2
    return -np.nansum(values)


def cross_entropy_by_sum(p, q):
    k = np.arange(80)
    if isinstance(p, list):
        weights = np.concatenate([p, np.zeros(80 - len(p))])
    elif isinstance(p, Mixture):
        weights = p.weights @ stats.poisson.pmf(k, np.asarray(p.components.rate)[:, None])
    else:
        weights = p.pmf(k)
    return -np.sum(np.where(weights > 0, weights * np.where(weights > 0, q.logpmf(k), 0), 0))


CASES = [(*case, cross_entropy_by_quad) for case in CONTINUOUS] + [(*case, cross_entropy_by_sum) for case in DISCRETE]
NAMES = [f"{case[1].__name__}-{number}" for number, case in enumerate(CASES)]


# --- the projection -----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_projection_is_what_a_search_finds(case):
    """No member is closer: a search without moments over SciPy's own densities ends at the same value."""
    p, family, fixed, member, start, cross_entropy = case
    found = projection.project(p, family, **fixed)
    search = optimize.minimize(
        lambda t: cross_entropy(p, member(t)), start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-11}
    )
    ours = cross_entropy(p, found.model.to_scipy())
    assert ours == pytest.approx(search.fun, abs=1e-8)
    assert ours <= search.fun + 1e-10
    assert found.kl == pytest.approx(float(kl_divergence(p, found.model)), rel=1e-12)
    assert found.excess < 1e-14


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_pythagoras_in_an_exponential_family(case):
    p, family, fixed = case[:3]
    star = projection.project(p, family, **fixed)
    rng = np.random.default_rng(1)
    for _ in range(3):
        eta = star.model.natural_parameters()
        q = family.from_natural(eta * rng.uniform(0.7, 1.3, eta.size), **fixed)
        total = kl_divergence(p, q)
        assert total == pytest.approx(star.kl + star.model.kl_divergence(q), rel=1e-7, abs=1e-12)


def test_pythagoras_fails_for_mixtures_of_two():
    kl = lambda p, q: special.rel_entr(p, q).sum()
    p, a, b = np.array([0.2, 0.5, 0.3]), np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.1, 0.8])
    mixed = lambda t: (1 - t) * a + t * b
    star = mixed(optimize.minimize_scalar(lambda t: kl(p, mixed(t)), bounds=(0, 1), method="bounded").x)
    assert abs(kl(p, a) - kl(p, star) - kl(star, a)) > 0.01
    # but E_p[q/q*] ≤ 1 for every member of a convex family, the condition of the closest one
    assert p @ (a / star) <= 1 + 1e-6 and p @ (b / star) <= 1 + 1e-6


def test_of_a_convex_set_the_first_argument_obeys_the_inequality():
    rng, kl, x = np.random.default_rng(2), lambda p, q: special.rel_entr(p, q).sum(), np.arange(4)
    q = np.array([0.4, 0.3, 0.2, 0.1])  # mean 1
    tilt = lambda t: special.softmax(np.log(q) + t * x)
    star = tilt(optimize.brentq(lambda t: tilt(t) @ x - 2, 0, 20))  # closest with a mean of at least 2
    for p in rng.dirichlet([1, 1, 1, 1], size=500):
        if p @ x >= 2:
            assert kl(p, q) >= kl(p, star) + kl(star, q) - 1e-12
        within = p + (2 - p @ x) / 5 * (x - 1.5)  # mean moved to 2
        if within.min() > 0:
            assert kl(within, q) == pytest.approx(kl(within, star) + kl(star, q), rel=1e-9)


def test_a_member_is_its_own_projection():
    for p in (Normal(1.0, 2.0), Gamma(0.7, 3.0), Poisson(2.5), Beta(0.6, 2.0), VonMises(0.5, 2.0)):
        found = projection.project(p, type(p))
        assert found.kl < 1e-12 and np.abs(found.residual).max() < 1e-8
    assert projection.project([0.2, 0.5, 0.3], Categorical).kl < 1e-15


def test_residual_is_the_gradient_of_kl():
    """Of members beside the projection, by differences of KL."""
    p, star = stats.logistic(), projection.project(stats.logistic(), Normal).model
    eta, h = star.natural_parameters(), 1e-4
    for step in np.eye(2) * h:
        up, down = (kl_divergence(p, Normal.from_natural(eta + s * step)) for s in (1, -1))
        assert abs(up - down) / (2 * h) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "fixed", "error", "words"),
    [
        ((stats.norm(), Gamma), {}, ValueError, "possible wherever p is"),
        ((stats.cauchy(), Normal), {}, ValueError, "finite means of u"),
        ((stats.norm(), MultivariateNormal), {}, TypeError, "of numbers"),
        ((stats.norm(), stats.norm), {}, TypeError, "Pass the class itself"),
        (([0.5, 0.5], Binomial), {}, TypeError, "project(p, Binomial, n=...)"),
        (([0.5, 0.5], Poisson), {"n": 2}, TypeError, "none, which Poisson holds fixed"),
        ((stats.norm(), Poisson), {}, TypeError, "no cross-entropy|project"),
        ((Normal([0.0, 1.0], 1.0), Laplace), {"loc": 0.0}, ValueError, "Pass them one by one"),
    ],
)
def test_what_cannot_be_projected_says_why(arguments, fixed, error, words):

    with pytest.raises(error) as caught:
        projection.project(*arguments, **fixed)
    assert re.search(words.replace("(", r"\(").replace(")", r"\)").replace("...", r"\.\.\."), str(caught.value))


# --- maximum likelihood of a wrong model --------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "family"),
    [(stats.laplace(1, 2), Normal), (stats.lognorm(0.6), Gamma), (stats.nbinom(1.5, 0.4), Poisson)],
    ids=["Laplace-Normal", "log-normal-Gamma", "counts-Poisson"],
)
def test_maximum_likelihood_converges_to_the_projection(p, family):
    star = projection.project(p, family)
    x = p.rvs(40_000, random_state=np.random.default_rng(3)).astype(float)
    found = fit(family, x)
    want = np.array([float(star.model.parameter(name)) for name in found.parameters])
    got, error = np.array(list(found.parameters.values())), np.array(list(found.robust_standard_errors.values()))
    assert np.all(np.abs(got - want) < 4 * error)
    assert np.all(error < 0.05)
    twice = 2 * 40_000 * float(star.model.kl_divergence(found.model))
    assert twice < 60  # of the size of a χ² variable times K/J, not of n


def test_sandwich_covers_where_the_model_based_interval_does_not():
    rng, n = np.random.default_rng(4), 400
    x = rng.poisson(rng.gamma(1.0, 2.0, size=(3_000, n)))  # variance three times the mean, 2
    rate = x.mean(axis=1)
    by_model = np.mean(np.abs(rate - 2) <= 1.96 * np.sqrt(rate / n))
    by_sandwich = np.mean(np.abs(rate - 2) <= 1.96 * x.std(axis=1) / np.sqrt(n))
    assert by_model < 0.85 and by_sandwich == pytest.approx(0.95, abs=0.02)
    one = fit(Poisson, x[0].astype(float))
    assert one.standard_errors["rate"] == pytest.approx(np.sqrt(rate[0] / n), rel=1e-6)
    assert one.robust_standard_errors["rate"] == pytest.approx(x[0].std() / np.sqrt(n), rel=1e-6)


def test_stored_simulations_show_what_the_chapter_says():
    runs = datasets.wrong_models()
    assert all(row["runs"] >= 2_000 for rows in runs for row in rows)
    large = [row for row in runs.coverage if row["n"] == 1_000]
    assert all(abs(row["sandwich"] - 0.95) < 0.02 for row in large)
    assert sum(abs(row["model-based"] - 0.95) > 0.1 for row in large) >= 2
    assert all(abs(row["coverage"] - 0.95) < 0.02 for row in runs.comparison if row["n"] == 2_000)
    for row in runs.optimism:
        assert abs(row["optimism"] - row["trace"]) < 3 * row["standard_error"]
    normal = next(row for row in runs.optimism if row["data"] == "normal")
    assert normal["optimism"] == pytest.approx(2 * 1000 / 997, abs=3 * normal["standard_error"])  # exactly, for n
    ones, *_, twenty = runs.overlap
    assert ones["found"] < 0.01 and twenty["found"] > 0.5


@pytest.mark.slow
def test_optimism_of_a_wrong_model_is_the_trace():
    """Training less fresh data, both drawn: no expectation in closed form."""
    rng, n = np.random.default_rng(5), 300
    x, new = rng.laplace(size=(2, 5_000, n))
    mean, sd = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    best = stats.norm.logpdf(x, 0, np.sqrt(2)).sum(axis=1) - stats.norm.logpdf(new, 0, np.sqrt(2)).sum(axis=1)
    gap = stats.norm.logpdf(x, mean, sd).sum(axis=1) - stats.norm.logpdf(new, mean, sd).sum(axis=1) - best
    assert gap.mean() == pytest.approx(3.5, abs=4 * gap.std() / np.sqrt(5_000) + 0.1)
    traces = [fit(Normal, row).effective_parameters for row in x[:12]]
    assert np.mean(traces) == pytest.approx(3.4, abs=0.8)


# --- comparing ----------------------------------------------------------------------------------------------------
def madison():
    x = datasets.federalist_may().observations()
    return fit(NegativeBinomial, x, r=1), fit(Poisson, x), x


def test_compare_is_the_average_log_ratio_with_its_error():
    geometric, poisson, x = madison()
    found = projection.compare(geometric, poisson, x)
    m = x.mean()
    terms = stats.geom.logpmf(x + 1, 1 / (1 + m)) - stats.poisson.logpmf(x, m)
    assert found.difference == pytest.approx(terms.mean(), rel=1e-9)
    assert found.standard_error == pytest.approx(stats.sem(terms), rel=1e-9)
    assert found.vuong.statistic == pytest.approx(terms.mean() / stats.sem(terms), rel=1e-9)
    assert found.vuong.p_value == pytest.approx(2 * stats.norm.sf(found.vuong.statistic), rel=1e-9)
    assert found.interval(0.9) == pytest.approx(stats.norm.interval(0.9, terms.mean(), stats.sem(terms)), rel=1e-9)
    back = projection.compare(poisson, geometric, x)
    assert back.difference == -found.difference and back.standard_error == found.standard_error
    assert not found.nested and found.overlap < 0.01 and found.warnings == () and found.wilks is None
    assert "0.0438 ± 0.0241" in repr(found) and "<table>" in found._repr_html_()


def test_the_difference_does_not_know_the_units_and_the_log_likelihood_does():
    x = datasets.old_faithful().waiting
    pairs = [[fit(stats.norm, c * x), fit(stats.gumbel_l, c * x)] for c in (1.0, 60.0)]
    minutes, seconds = (projection.compare(*pair, c * x) for pair, c in zip(pairs, (1.0, 60.0)))
    assert minutes.difference == pytest.approx(seconds.difference, rel=1e-6)
    gap = projection.held_out(pairs[0][0], x).mean - projection.held_out(pairs[1][0], 60 * x).mean
    assert gap == pytest.approx(np.log(60), rel=1e-6)


def test_the_overlap_does_not_know_the_units():
    x = np.random.default_rng(14).exponential(size=300)
    for pair in ((Gamma, {}), (Weibull, {"k": 1.0})), ((Weibull, {"k": 1.0}), (Gamma, {})):
        one, many = (
            projection.compare(*(fit(family, c * x, **held) for family, held in pair), c * x).overlap
            for c in (1.0, 60.0)
        )
        assert 0.01 < one < 0.99 and many == pytest.approx(one, rel=1e-6)


@pytest.mark.slow
def test_compare_covers_the_true_difference():
    """Gamma against log-normal, both wrong for Weibull data; the truth by SciPy's quadrature."""
    p, rng, inside = stats.weibull_min(1.5), np.random.default_rng(6), 0
    gamma, log_normal = projection.project(p, Gamma).model, projection.project(p, LogNormal).model
    true = p.expect(lambda x: gamma.to_scipy().logpdf(x) - log_normal.to_scipy().logpdf(x))
    runs = 120
    for _ in range(runs):
        x = p.rvs(400, random_state=rng)
        f, g = Gamma.fit(x), LogNormal.fit(x)
        low, high = projection.compare(f, g, x).interval()
        inside += low <= true <= high
    assert inside / runs > 0.9


@pytest.mark.slow
def test_overlap_is_noticed():
    rng, warned, wrong = np.random.default_rng(7), 0, 0
    for _ in range(20):  # the exponential distribution is in both
        x = rng.exponential(size=300)
        found = projection.compare(fit(Gamma, x), fit(stats.weibull_min, x, loc=0), x)
        warned += bool(found.warnings)
        wrong += abs(found.vuong.statistic) > 1.96
    assert warned >= 17 and wrong <= 3
    # with scores the p-value is uniform there
    values = []
    for _ in range(40):
        x = rng.exponential(size=300)
        values.append(projection.compare(fit(Gamma, x), fit(Weibull, x, k=1.0), x).overlap)
    assert np.mean(np.array(values) < 0.05) < 0.2 and 0.3 < np.mean(values) < 0.7


def test_one_family_with_other_parameters_held_is_not_nested():
    x = NegativeBinomial(3, 0.4).sample(300, 0)
    one, five, free = (fit(NegativeBinomial, x, r=r) for r in (1, 5, None))
    found = projection.compare(one, five, x)
    assert not found.nested and found.wilks is None and not found.warnings
    for smaller in one, five:
        wilks = projection.compare(free, smaller, x).wilks
        assert wilks.statistic == pytest.approx(2 * (free.log_likelihood - smaller.log_likelihood), rel=1e-9)
        assert wilks.df == 1
    y = Gamma(2, 1).sample(300, 1)
    assert not projection.compare(fit(Gamma, y, shape=2), fit(Exponential, y), y).nested
    assert not projection.compare(fit(Gamma, y), fit(Gamma, y), y).nested


def test_nested_fits_get_wilks():
    x = datasets.old_faithful().waiting
    small, large = fit(Exponential, x), fit(Gamma, x)
    for found in (projection.compare(large, small, x), projection.compare(small, large, x)):
        assert found.nested and found.warnings and found.overlap is None
        twice = 2 * (large.log_likelihood - small.log_likelihood)
        assert found.wilks.statistic == pytest.approx(twice, rel=1e-9) and found.wilks.df == 1
        assert found.wilks.p_value == pytest.approx(stats.chi2.sf(twice, 1), rel=1e-9, abs=1e-300)


def test_given_distributions_are_compared_as_they_are():
    x = stats.norm.rvs(size=5_000, random_state=np.random.default_rng(8))
    found = projection.compare(stats.norm(0, 1), Normal(1, 1), x)
    assert found.difference == pytest.approx(0.5, abs=4 * found.standard_error)
    assert found.free is None and found.corrected == found.difference
    same = projection.compare(Normal(0, 1), stats.norm(0, 1), x)
    assert same.vuong == (0.0, 1.0) and same.warnings


def test_corrected_takes_the_parameters_off():
    x = datasets.old_faithful().waiting
    found = projection.compare(fit(Normal, x), fit(Exponential, x), x)
    assert found.free == (2, 1)
    assert found.corrected == pytest.approx(found.difference - 1 / len(x), rel=1e-12)
    assert -2 * len(x) * found.corrected == pytest.approx(fit(Normal, x).aic - fit(Exponential, x).aic, rel=1e-9)


def test_held_out_is_an_average_with_an_error():
    x = datasets.old_faithful().waiting
    fitted = fit(Gamma, x[::2])
    found = projection.held_out(fitted, x[1::2])
    frozen = fitted.model.to_scipy()
    assert found.mean == pytest.approx(frozen.logpdf(x[1::2]).mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(stats.sem(frozen.logpdf(x[1::2])), rel=1e-12)
    assert found.optimism == pytest.approx(frozen.logpdf(x[::2]).mean() - found.mean, rel=1e-9)
    assert "held out: 136 observations" in repr(found)
    plain = projection.held_out(stats.gamma(2.0), [1.0, 2.0])
    assert plain.in_sample is None and plain.optimism is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: projection.held_out(Gamma(1.0, 1.0), [1.0, -1.0]), r"x_new\[1\] = -1.0.*positive, finite density"),
        (lambda: projection.held_out(Normal(0.0, 1.0), [1.0]), "at least 2"),
        (lambda: projection.held_out(Normal, [1.0, 2.0]), "Pass fit"),
        (lambda: projection.compare(Normal(0.0, 1.0), Poisson(1.0), [1.0, 2.0]), "no cross-entropy"),
        (lambda: projection.compare(Exponential(1.0), Normal(0.0, 1.0), [1.0, -2.0]), r"x\[1\] = -2.0.*under f"),
        (lambda: projection.compare(Normal(0, 1), Normal(1, 1), [0.0, 1.0]).interval(1.0), "between 0 and 1"),
    ],
)
def test_bad_data_say_what_is_wrong(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_federalist_counts_are_those_of_the_source():
    table = datasets.federalist_may()
    assert table.values.tolist() == list(range(7))
    assert table.frequencies.tolist() == [156, 63, 29, 8, 4, 1, 1]


# --- what x is to the two models ------------------------------------------------------------------------------------
def test_new_observations_compare_the_members_themselves():
    """There twice the log ratio is not χ², and the parameters have gained nothing."""
    rng = np.random.default_rng(9)
    x, new = rng.gamma(1.0, size=(2, 200))
    large, small = fit(Gamma, x), fit(Exponential, x)
    found, plain = (projection.compare(*pair, new) for pair in ((large, small), (large.model, small.model)))
    assert found == plain and found.free is None and found.wilks is None and not found.nested
    assert found.corrected == found.difference and found.overlap is None and found.warnings == ()
    assert projection.compare(large, small, x[::-1]).wilks is not None  # the same observations in another order
    values, frequencies = [0, 1, 2, 3], [5, 3, 0, 1]
    table = fit(Poisson, values, weights=frequencies), fit(NegativeBinomial, values, weights=frequencies, r=1)
    assert projection.compare(*table, np.repeat(values, frequencies)[::-1]).free == (1, 1)


def test_fits_of_different_data_are_noticed():
    x = np.random.default_rng(10).gamma(1.0, size=200)
    for other in fit(Laplace, x + 1), Laplace(0.0, 1.0):
        found = projection.compare(fit(Normal, x), other, x)
        assert found.free == (2, 0) and "only f was fitted to x" in found.warnings[-1]
        assert found.corrected == pytest.approx(found.difference - 2 / 200, rel=1e-12)
        assert "only g was fitted" in projection.compare(other, fit(Normal, x), x).warnings[-1]
    wilks = projection.compare(fit(Normal, x), Normal(1.0, 1.0), x).wilks  # of a member that was given
    twice = 2 * (stats.norm(x.mean(), x.std()).logpdf(x) - stats.norm(1, 1).logpdf(x)).sum()
    assert wilks.statistic == pytest.approx(twice, rel=1e-9) and wilks.df == 2


def test_families_that_hold_a_parameter_at_two_values_have_no_common_member():
    x = np.random.default_rng(11).normal(size=100)
    found = projection.compare(fit(Normal, x, sd=1.0), fit(stats.norm, x, scale=1.1), x)
    assert found.overlap is None and not found.nested and found.warnings == ()
    y = np.abs(x)
    assert projection.compare(fit(Gamma, y, shape=1.2), fit(Exponential, y), y).overlap is None


@pytest.mark.parametrize(
    ("large", "small"),
    [
        ((Weibull, {"k": None}), (Exponential, {})),
        ((stats.weibull_min, {}), (stats.expon, {})),
        ((stats.weibull_min, {}), (Exponential, {})),
        ((stats.gengamma, {}), (stats.gamma, {})),
        ((stats.gengamma, {}), (Weibull, {"k": None})),
        ((Gamma, {}), (Gamma, {"rate": 1.0})),
    ],
)
def test_nested_families_are_known_under_both_names(large, small):
    x = stats.gamma(1.5).rvs(300, random_state=np.random.default_rng(12))
    large, small = (fit(family, x, **fixed) for family, fixed in (large, small))
    for pair in (large, small), (small, large):
        wilks = projection.compare(*pair, x).wilks
        twice = 2 * (large.log_likelihood - small.log_likelihood)
        assert wilks.statistic == pytest.approx(twice, rel=1e-6) and wilks.df == large.free - small.free


def test_a_mixture_of_fewer_components_has_no_chi_square_test():
    x = datasets.old_faithful().waiting
    two = fit(Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)), x)
    found = projection.compare(two, fit(Normal, x), x)
    assert found.nested and found.singular and found.wilks is None and "simulate" in found.warnings[0]


def test_errors_name_the_observations_and_say_why():
    with pytest.raises(ValueError, match=r"held_out: x_new\[1\] = nan"):
        projection.held_out(Normal(0, 1), [1.0, np.nan])
    with pytest.raises(ValueError, match=r"x\[0\] = 1e\+200.*below the range of doubles"):
        projection.compare(Normal(0, 1), Normal(1, 1), [1e200, 1.0, 2.0])
    with pytest.raises(ValueError, match="divergence from the data is infinite"):
        projection.compare(stats.uniform(), Normal(1, 1), [1e200, 1.0, 2.0])


# --- projections that lose digits, and those that do not exist ------------------------------------------------
@pytest.mark.parametrize(
    ("p", "mean", "sd"),
    [
        (stats.norm(1e9, 1), 1e9, 1.0),
        (stats.norm(1, 1e-8), 1.0, 1e-8),
        (stats.norm(0, 1e-200), 0.0, 1e-200),
        (stats.logistic(1e6, 1), 1e6, np.pi / np.sqrt(3)),
        (stats.logistic(1e9, 1), 1e9, np.pi / np.sqrt(3)),
        (stats.laplace(0, 1e-200), 0.0, np.sqrt(2) * 1e-200),
        (Mixture([0.5, 0.5], Normal([-1e6, 1e6], 1.0)), 0.0, np.sqrt(1e12 + 1)),
        (Mixture([0.5, 0.5], Normal([1e8, 1e8 + 1], 1.0)), 1e8 + 0.5, np.sqrt(1.25)),
    ],
)
def test_a_normal_projection_keeps_its_digits_far_from_zero(p, mean, sd):
    found = projection.project(p, Normal)
    assert found.model.mean() == pytest.approx(mean, rel=1e-12, abs=1e-12 * sd)
    assert found.model.sd == pytest.approx(sd, rel=1e-8)  # x itself has 16 digits, and 7 of z at 1e9
    assert found.excess < 1e-15


def test_a_parameter_that_is_held_elsewhere_counts():
    """E|x − 2| under a Laplace distribution about 0, E[log(x/0.5)] under a Pareto distribution from 1."""
    found = projection.project(Laplace(0.0, 1.0), Laplace, loc=2.0)
    assert found.model.scale == pytest.approx(2 + np.exp(-2.0), rel=1e-12)
    assert projection.project(Pareto(2.0, 1.0), Pareto, xm=0.5).model.alpha == pytest.approx(1 / (0.5 + np.log(2)))
    assert found.kl == pytest.approx(float(kl_divergence(stats.laplace(), stats.laplace(2.0, found.model.scale))))


def test_angles_on_any_turn():
    for low in (-np.pi, 0.0, 1.0):
        found = projection.project(stats.uniform(low, 2 * np.pi), VonMises)
        assert found.model.kappa < 1e-12 and found.kl < 1e-12
    p = stats.truncnorm(-3, 3)
    found = projection.project(p, VonMises)
    means = [p.expect(np.cos), p.expect(np.sin)]
    assert found.model.mean_parameters() == pytest.approx(means, abs=1e-9)
    cross = -p.expect(lambda x: stats.vonmises(found.model.kappa, found.model.mean()).logpdf(x))
    assert found.kl == pytest.approx(cross - p.entropy(), abs=1e-8)
    with pytest.raises(ValueError, match=r"Normal\(mean=0.0, sd=1.0\).*one turn"):
        projection.project(stats.norm(), VonMises)


def test_a_distribution_on_a_table_is_its_own_categorical_projection():
    found = projection.project(stats.binom(3, 0.4), Categorical)
    np.testing.assert_allclose(found.model.probs, stats.binom(3, 0.4).pmf(np.arange(4)), rtol=1e-12)
    for p in (stats.poisson(3.0), stats.randint(-1, 3)):
        with pytest.raises(ValueError, match=r"project: p = .*as a vector"):
            projection.project(p, Categorical)


@pytest.mark.parametrize(
    ("p", "family", "words"),
    [
        ([1.0], Poisson, r"project: p = .*\[0.0\], a Poisson member has. .*no member is closest"),
        (
            stats.uniform(1, 1e-7),
            Gamma,
            r"project: p = scipy.stats.uniform\(1, 1e-07\).*nats in doubt.*Gamma.fit\(draws\)",
        ),
    ],
)
def test_no_projection_is_refused_in_terms_of_p(p, family, words):
    with pytest.raises((ValueError, ArithmeticError), match=words) as caught:
        projection.project(p, family)
    assert "rtol" not in str(caught.value) and "from_mean_parameters" not in str(caught.value)


def test_zero_means_are_certified():
    """The residual has the size of rounding, and no relative tolerance."""
    assert projection.project(stats.lognorm(3), Gamma).excess < 1e-20


# --- the test for a common closest member ----------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "n", "runs", "pair"),
    [
        (stats.t(5, scale=np.sqrt(0.6)), 500, 30, ((Normal, {"sd": 1.0}), (Normal, {"mean": 0.0}))),
        (stats.expon(), 500, 15, ((Gamma, {}), (Weibull, {"k": None}))),
        (stats.norm(), 300, 30, ((Normal, {"mean": 0.0}), (stats.norm, {"scale": 1.0}))),
    ],
    ids=["wrong models", "an estimated shape", "a distribution of SciPy"],
)
def test_the_overlap_is_a_p_value(p, n, runs, pair):
    """Both closest members are one distribution; p-values are uniform if the weights of Vuong's law are right, which
    they were not of models with held parameters or with a shape that is estimated."""
    rng, values = np.random.default_rng(13), []
    for _ in range(runs):
        x = p.rvs(n, random_state=rng)
        values.append(projection.compare(*(fit(family, x, **held) for family, held in pair), x).overlap)
    assert stats.kstest(values, "uniform").pvalue > 0.005, np.sort(values)


@pytest.mark.parametrize(
    ("model", "held"), [(Normal, {"mean": 0.3}), (stats.norm, {}), (Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0)), {})]
)
def test_scores_give_the_covariances_of_the_fit(model, held):
    x = np.concatenate([stats.norm.ppf((np.arange(40) + 0.5) / 40) + m for m in (-2.0, 2.5)])
    found = fit(model, x, **held)
    s, information = scores(found, x)
    assert np.abs(s.sum(axis=0)).max() < 1e-5
    assert np.trace(np.linalg.solve(information, s.T @ s / len(x))) == pytest.approx(
        found.effective_parameters, rel=1e-6
    )


@pytest.mark.parametrize(
    "model, point, inside",
    [
        (Normal(0, 1), 40.0, True),
        (Gamma(2, 1), 1e-300, True),
        (Gamma(2, 1), 0.0, False),
        (Gamma(2, 1), -1.0, False),
        (Poisson(3), 2.0, False),
        (stats.gamma(2), 0.5, True),
        (stats.uniform(), 1.0, False),
        (stats.poisson(3), 2.0, False),
        (Normal(0, 1), np.zeros(2), False),
    ],
)
def test_where_a_density_cannot_be_zero(model, point, inside):
    assert projection._is_inside(model, point) is inside
