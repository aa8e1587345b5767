"""The numeric engine: frozen 30-digit references, infinities, close pairs, honest error bounds, clear errors."""

import functools
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from blend import Blend
from scipy import stats

from companion.families import Categorical, Mixture, Normal, Pareto, Poisson, VonMises
from companion.integrals import cells, line
from companion.integrals.quadrature import (
    Estimate,
    QuadratureError,
    as_distribution,
    cross_entropy,
    entropy,
    expectation,
    kl_divergence,
)

PAIRS = json.loads((Path(__file__).parent / "data" / "kl_pairs.json").read_text())


def make(law):
    name, shapes = law
    if name == "mixture":
        return Blend(shapes["weights"], [make(c) for c in shapes["components"]])
    return getattr(stats, name)(**shapes)


def label(row):
    return f"{row['p'][0]}-{row['q'][0]}-{row['kl'][:8]}"


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- the frozen table ---------------------------------------------------------------------------------------------
def test_table_is_large_and_has_all_kinds():
    names = {law[0] for row in PAIRS for law in (row["p"], row["q"])}
    assert len(PAIRS) >= 60
    assert names >= {
        "t",
        "cauchy",
        "lognorm",
        "pareto",
        "levy",
        "beta",
        "gamma",
        "arcsine",
        "weibull_min",
        "powerlaw",
        "uniform",
        "triang",
        "truncnorm",
        "laplace",
        "mixture",
        "poisson",
        "nbinom",
        "betabinom",
        "zipf",
        "skellam",
        "dlaplace",
    }


@functools.cache
def estimates(number):
    """KL, cross-entropy and entropy of a pair of the table, each computed once for all tests."""
    p, q = make(PAIRS[number]["p"]), make(PAIRS[number]["q"])
    return kl_divergence(p, q), cross_entropy(p, q), entropy(p)


@pytest.mark.parametrize("row", PAIRS, ids=label)
def test_kl_against_30_digits(row):
    truth = float(row["kl"])
    value, error, _ = estimates(PAIRS.index(row))[0]
    assert abs(value - truth) <= max(1e-10 * truth, 1e-17)
    assert abs(value - truth) <= error + 2 * np.finfo(float).eps * truth
    assert error <= max(1e-9 * truth, 1e-15)


@pytest.mark.parametrize("row", PAIRS, ids=label)
def test_cross_entropy_and_entropy_against_30_digits(row):
    _, cross, h = estimates(PAIRS.index(row))
    for estimate, text in ((cross, row["cross_entropy"]), (h, row["entropy"])):
        truth = float(text)
        assert abs(estimate.value - truth) <= 1e-10 * max(abs(truth), 1)
        assert abs(estimate.value - truth) <= estimate.error + 2 * np.finfo(float).eps * abs(truth)


@pytest.mark.parametrize("row", PAIRS, ids=label)
def test_kl_is_cross_entropy_minus_entropy(row):
    kl, cross, h = estimates(PAIRS.index(row))
    assert abs(kl.value - (cross.value - h.value)) <= kl.error + cross.error + h.error + 1e-15 * abs(cross.value)


# --- closed forms -------------------------------------------------------------------------------------------------
CLOSED = [
    (stats.norm(0, 1), stats.norm(1, 2), math.log(2) + 2 / 8 - 0.5),
    (stats.expon(), stats.expon(scale=2), math.log(2) - 0.5),
    (stats.pareto(0.01), stats.pareto(0.02), math.log(0.5) + 1),
    (stats.gamma(0.01), stats.gamma(0.02), None),
    (stats.norm(1e6, 1e-6), stats.norm(1e6, 2e-6), math.log(2) + 1 / 8 - 0.5),
    (stats.uniform(0, 1e-300), stats.uniform(0, 1e-299), math.log(10)),
    (stats.laplace(0, 1), stats.laplace(0, 1e-3), 1000 - 1 - math.log(1000)),
    (stats.cauchy(), stats.cauchy(3, 2), math.log((9 + 9) / 8)),
    (stats.poisson(1e6), stats.poisson(1.001e6), 1e6 * (0.001 - math.log1p(0.001))),
    (stats.geom(1e-7), stats.geom(2e-7), None),
]


@pytest.mark.parametrize("p, q, truth", CLOSED)
def test_closed_forms(p, q, truth):
    if truth is None and p.dist.name == "gamma":
        from scipy.special import gammaln, psi

        truth = -0.01 * psi(0.01) + gammaln(0.02) - gammaln(0.01)
    if truth is None:
        truth = -math.log(2) + (1 / 1e-7 - 1) * (math.log1p(-1e-7) - math.log1p(-2e-7))
    estimate = kl_divergence(p, q)
    assert abs(estimate.value - truth) <= estimate.error + 1e-9 * truth
    assert estimate.value == pytest.approx(truth, rel=1e-8)


@pytest.mark.parametrize(
    "d",
    [
        stats.norm(3, 2),
        stats.gamma(0.05),
        stats.beta(0.1, 0.2),
        stats.cauchy(),
        stats.t(1.5),
        stats.lognorm(3),
        stats.pareto(0.5),
        stats.weibull_min(0.3),
        stats.laplace(1, 5),
        stats.logistic(),
        stats.gumbel_r(),
        stats.uniform(-3, 1e-5),
        stats.expon(scale=1e8),
        stats.poisson(3),
        stats.bernoulli(0.3),
        stats.randint(0, 10**6),
    ],
    ids=lambda d: d.dist.name,
)
def test_entropy_where_scipy_has_a_formula(d):
    estimate = entropy(d)
    assert estimate.value == pytest.approx(float(d.entropy()), rel=1e-11)


def test_entropy_where_scipy_does_not_converge():
    assert entropy(stats.levy()).value == pytest.approx(
        (1 + 3 * np.euler_gamma + math.log(16 * math.pi)) / 2, rel=1e-13
    )


# --- infinite -----------------------------------------------------------------------------------------------------
INFINITE = [
    (stats.norm(), stats.uniform()),
    (stats.uniform(0, 2), stats.uniform()),
    (stats.norm(), stats.expon()),
    (stats.beta(2, 3), stats.beta(2, 3, loc=0.1)),
    (stats.cauchy(), stats.norm()),
    (stats.t(2), stats.norm()),
    (stats.t(1.5), stats.norm()),
    (stats.t(1), stats.laplace()),
    (stats.pareto(0.9), stats.expon()),
    (stats.pareto(1), stats.expon()),
    (stats.levy(), stats.gamma(2)),
    (stats.lognorm(1), stats.gumbel_l()),
    (stats.expon(), stats.gompertz(1)),
    (stats.uniform(), stats.invgamma(2)),
    (stats.uniform(), stats.levy()),
    (stats.beta(1, 1), stats.invgauss(1)),
    (stats.crystalball(2, 3), stats.norm()),
    (stats.gamma(0.5), stats.invgamma(0.5)),
    (stats.zipf(1.9), stats.poisson(3)),
    (stats.zipf(1.9), stats.geom(0.5)),
    (stats.zipf(2), stats.geom(0.5)),
    (stats.yulesimon(1), stats.geom(0.5)),
    (stats.poisson(3), stats.geom(0.5)),
    (stats.poisson(3), stats.binom(10, 0.5)),
    (stats.poisson(3), stats.poisson(3, loc=0.5)),
    (stats.skellam(3, 5), stats.poisson(3)),
    (Blend([0.5, 0.5], [stats.norm(), stats.cauchy()]), stats.norm()),
    (stats.uniform(0, 4), Blend([0.5, 0.5], [stats.uniform(), stats.uniform(3, 1)])),
    (stats.uniform(0, 4), stats.rv_histogram(([1, 2, 0, 3], [0, 1, 2, 3, 4]), density=False)()),
]


def name(d):
    return d.dist.name if hasattr(d, "dist") else type(d).__name__


@pytest.mark.parametrize("p, q", INFINITE, ids=lambda d: name(d))
def test_infinite(p, q):
    assert kl_divergence(p, q).value == math.inf
    assert cross_entropy(p, q).value == math.inf


@pytest.mark.parametrize(
    "p, q",
    [
        (stats.t(2.05), stats.norm()),
        (stats.pareto(1.05), stats.expon()),
        (stats.lognorm(5), stats.expon()),
        (stats.zipf(2.05), stats.geom(0.5)),
        (stats.uniform(), stats.invgamma(2, loc=-0.1)),
        (stats.beta(1.05, 1), stats.invgamma(2)),
        (stats.lognorm(3), stats.norm()),
    ],
    ids=lambda d: name(d),
)
def test_close_to_infinite_but_finite(p, q):
    assert math.isfinite(kl_divergence(p, q).value)


# --- close and equal ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-12])
def test_close_pairs_lose_nothing(d):
    for p, q, truth in [
        (stats.norm(), stats.norm(d), d * d / 2),
        (stats.expon(), stats.expon(scale=1 + d), None),
        (stats.cauchy(), stats.cauchy(d), math.log1p(d * d / 4)),
        (stats.uniform(), stats.uniform(0, 1 + d), math.log1p(d)),
        (stats.poisson(3), stats.poisson(3 * (1 + d)), 3 * (d - math.log1p(d))),
    ]:
        if truth is None:
            truth = math.log1p(d) - d / (1 + d)
        estimate = kl_divergence(p, q)
        assert estimate.value >= 0
        if d >= 1e-4 or p.dist.name == "uniform":
            rounding = 4 * np.finfo(float).eps / d * truth  # of 1 + d, and of truth where it is a difference
            assert abs(estimate.value - truth) <= estimate.error + rounding + 1e-15 * d
        else:
            assert estimate.value == pytest.approx(
                d * d * {"norm": 1 / 2, "expon": 1 / 2, "cauchy": 1 / 4, "poisson": 3 / 2}[p.dist.name],
                rel=max(4 * d, 1e-14 / d),
                abs=1e-15 * d,
            )


@pytest.mark.parametrize("row", PAIRS, ids=label)
def test_kl_to_itself_is_exactly_zero(row):
    for law in (row["p"], row["q"]):
        assert kl_divergence(make(law), make(law)).value == 0.0


# --- units --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shift, factor", [(0.0, 1e-6), (0.0, 1e9), (8.0, 4.0), (-1024.0, 0.5)])
@pytest.mark.parametrize(
    "row", [row for row in PAIRS if row["p"][0] in ("gamma", "t", "beta", "laplace", "levy")][:10], ids=label
)
def test_kl_does_not_depend_on_units(row, shift, factor):
    def moved(law):
        shapes = dict(law[1])
        shapes["loc"] = shapes.get("loc", 0.0) * factor + shift
        shapes["scale"] = shapes.get("scale", 1.0) * factor
        return getattr(stats, law[0])(**shapes)

    if "mixture" in (row["p"][0], row["q"][0]):
        pytest.skip("mixtures are moved by their components")
    assert kl_divergence(moved(row["p"]), moved(row["q"])).value == pytest.approx(
        float(row["kl"]), rel=1e-10, abs=1e-17
    )


# --- our own distributions ------------------------------------------------------------------------------------------
def test_families_and_mixtures():
    humps = Mixture([0.5, 0.5], Normal([-50.0, 60.0], [0.01, 0.02]))
    reference = Blend([0.5, 0.5], [stats.norm(-50, 0.01), stats.norm(60, 0.02)])
    for q in (Normal(5.0, 55.0), stats.cauchy()):
        assert kl_divergence(humps, q).value == kl_divergence(reference, q).value
        assert kl_divergence(q, humps).value == kl_divergence(q, reference).value
    h = math.log(2) + 0.5 * math.log(2 * math.pi * math.e) + 0.5 * math.log(0.01 * 0.02)
    assert entropy(humps).value == pytest.approx(h, rel=1e-14)
    assert kl_divergence(Poisson(3.0), stats.poisson(3.0)).value == 0.0
    counts = Mixture([0.25, 0.75], Poisson([3.0, 1000.0]))
    assert entropy(counts).method != "quadrature"
    assert kl_divergence(counts, counts).value == 0.0


def test_a_zero_weight_is_no_component():
    assert kl_divergence(Blend([1.0, 0.0], [stats.norm(), stats.uniform()]), stats.norm()).value == 0.0


class Plain:
    """An object with log_prob and support, and optional hooks: exponential density on (low, inf)."""

    discrete = False

    def __init__(self, low):
        self.support = (low, math.inf)

    def log_prob(self, x):
        return self.support[0] - x

    def __repr__(self):
        return f"Plain({self.support[0]})"


class Hooked(Plain):
    def log_prob_from_left(self, y):
        return -y

    def quadrature_points(self):
        return [self.support[0] + 1]


@pytest.mark.parametrize("kind", [Plain, Hooked])
def test_objects_with_log_prob(kind):
    assert kl_divergence(kind(3.0), stats.gamma(2, loc=3)).value == pytest.approx(float(np.euler_gamma), rel=1e-10)


def test_custom_scipy_density():
    class Quartic(stats.rv_continuous):
        def _logpdf(self, x):
            return -(x**4) - math.log(2 * math.gamma(1.25))

        def _pdf(self, x):
            return np.exp(self._logpdf(x))

    assert entropy(Quartic(name="quartic")()).value == pytest.approx(0.25 + math.log(2 * math.gamma(1.25)), rel=1e-12)


def test_atoms_and_histograms():
    atoms = stats.rv_discrete(values=([0, 1, 3], [0.3, 0.5, 0.2]))
    truth = sum(w * (math.log(w) - stats.poisson.logpmf(k, 1)) for k, w in ((0, 0.3), (1, 0.5), (3, 0.2)))
    assert kl_divergence(atoms, stats.poisson(1)).value == pytest.approx(truth, rel=1e-13)
    assert kl_divergence(stats.poisson(1), atoms).value == math.inf
    assert kl_divergence(stats.binom(1, 0.5), atoms).value == pytest.approx(0.5 * math.log(0.25 / 0.15), rel=1e-13)
    assert kl_divergence(stats.rv_discrete(values=([0.5], [1.0])), stats.poisson(1)).value == math.inf
    bins = stats.rv_histogram(([1, 2, 0, 3], [0, 1, 2, 3, 4]), density=False)()
    truth = math.log(4 / 6) / 6 + math.log(8 / 6) / 3 + math.log(2) / 2
    assert kl_divergence(bins, stats.uniform(0, 4)).value == pytest.approx(truth, rel=1e-13)


# --- expectation ----------------------------------------------------------------------------------------------------
def test_expectation():
    assert expectation(stats.t(3), np.square).value == pytest.approx(3, rel=1e-12)
    assert expectation(stats.poisson(4), np.square).value == pytest.approx(20, rel=1e-13)
    assert expectation(stats.cauchy(), np.abs).value == math.inf
    assert expectation(stats.zipf(3), lambda k: 1 / k).value == pytest.approx(
        float(np.pi**4 / 90 / 1.2020569031595942), rel=1e-12
    )
    assert expectation(stats.norm(), lambda x: x**3).value == pytest.approx(0, abs=1e-14)
    assert abs(expectation(stats.lognorm(1), np.log).value) < 1e-14


def test_method_and_type():
    assert kl_divergence(stats.binom(20, 0.3), stats.betabinom(20, 2, 3)).method == "exact sum"
    assert kl_divergence(stats.poisson(3), stats.nbinom(3, 0.5)).method == "sum with bounded tail"
    assert kl_divergence(stats.gamma(2), stats.lognorm(1)).method == "quadrature"
    result = kl_divergence(stats.gamma(2), stats.lognorm(1))
    assert isinstance(result, Estimate) and type(result.value) is float and type(result.error) is float


def test_of_two_estimates_the_negative_one_is_never_taken(monkeypatch):
    """The integral of log p - log q may come out negative, with the smaller bound; the sum of remainders cannot."""
    for near, outcome in ((5e-20, 5e-20), (math.inf, None)):
        results = iter([((1.0, 1.0, -1e-20, near), (0.0, 0.0, 1e-21, 1e-20), "quadrature")])
        monkeypatch.setattr("companion.integrals.quadrature._integrate", lambda *a, results=results: next(results))
        if outcome is None:
            with pytest.raises(QuadratureError, match="expected a number that is not negative"):
                kl_divergence(stats.norm(), stats.norm(1e-10))
        else:
            assert kl_divergence(stats.norm(), stats.norm(1e-10)).value == outcome


# --- errors ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "p, q, kind, text",
    [
        (
            stats.norm,
            stats.norm(),
            TypeError,
            r"p = stats.norm, a family; expected a distribution.*stats.norm\(\.\.\.\)",
        ),
        (stats.norm(), [0.5, 0.5], TypeError, r"q = \[0.5, 0.5\], a list; expected a frozen scipy.stats distribution"),
        (stats.gamma([1, 2]), stats.norm(), TypeError, "expected a single distribution"),
        (Normal([0.0, 1.0], 1.0), stats.norm(), TypeError, "expected a single distribution"),
        (stats.gamma(-1), stats.norm(), ValueError, r"p = gamma\(-1\); expected parameters in the domain"),
        (stats.norm(0, -1), stats.norm(), ValueError, "expected parameters in the domain"),
        (stats.norm(), stats.poisson(3), ValueError, r"norm\(\) is continuous and q = poisson\(3\) is discrete"),
        (stats.lognorm(300), stats.cauchy(), QuadratureError, r"lognorm\(300\)"),
    ],
)
def test_errors_name_both_and_the_fix(p, q, kind, text):
    with pytest.raises(kind, match=text):
        kl_divergence(p, q)


def test_unnormalised_density_is_refused():
    class Unnormalised(stats.rv_continuous):
        def _logpdf(self, x):
            return -(x**2)

    with pytest.raises(QuadratureError, match=r"integrates to 1.77245.*expected 1"):
        kl_divergence(Unnormalised(name="unnormalised")(), stats.norm())


def test_missed_hump_is_noticed():
    class Hidden(Plain):
        support = (-math.inf, math.inf)

        def __init__(self):
            pass

        def log_prob(self, x):
            return np.logaddexp(stats.norm.logpdf(x) - math.log(2), stats.norm.logpdf(x, 1e5, 1e-6) - math.log(2))

    with pytest.raises(QuadratureError, match=r"integrates to 0.5.*quadrature_points"):
        kl_divergence(Hidden(), stats.norm())


def test_tolerance_that_cannot_be_reached():
    with pytest.raises(
        QuadratureError, match=r"reached 0\.176.*with error bound.*Pass a looser tolerance, e\.g\. rtol="
    ):
        kl_divergence(stats.gamma(2), stats.lognorm(1), rtol=1e-20, atol=0)


def test_underflowing_density_is_not_taken_for_zero():
    class Underflow(stats.rv_continuous):
        def _pdf(self, x):
            return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    q = Underflow(name="underflow")()
    truth = 0.5 * (0.25 + 4 - 1 - math.log(0.25))
    assert kl_divergence(stats.norm(2, 0.5), q).value == pytest.approx(truth, rel=1e-10)
    with pytest.raises(QuadratureError, match="underflow"):
        kl_divergence(stats.norm(50, 1), q)


def test_as_distribution_takes_its_own_result():
    d = as_distribution(stats.norm())
    assert as_distribution(d) is d


@pytest.mark.slow
def test_angles_may_be_written_on_different_turns():
    """The supports (μ − π, μ + π) of two von Mises distributions differ as intervals, not as turns of the circle."""
    rng = np.random.default_rng(12)
    for _ in range(20):
        p, q = (VonMises(rng.uniform(-6, 6), np.exp(rng.normal(0, 2))) for _ in range(2))
        for function in (kl_divergence, cross_entropy):
            value, error, _ = function(p, q)
            assert abs(value - getattr(p, function.__name__)(q)) <= error + 1e-12 * abs(value)
    assert (
        abs(
            kl_divergence(stats.vonmises(2.0, loc=0.3), stats.vonmises(2.5, loc=0.5)).value
            / VonMises(0.3, 2.0).kl_divergence(VonMises(0.5, 2.5))
            - 1
        )
        < 1e-12
    )
    wider = stats.uniform(-4, 8)  # a distribution of numbers, not of angles: it leaves the turn
    assert kl_divergence(wider, stats.vonmises(2.0)).value == np.inf
    inside = stats.uniform(-3, 6)
    direct = np.mean(
        inside.logpdf(np.linspace(-3, 3, 200_001)) - stats.vonmises(2.0).logpdf(np.linspace(-3, 3, 200_001))
    )
    assert abs(kl_divergence(inside, stats.vonmises(2.0)).value - direct) < 1e-4


def test_a_mixture_of_directions_is_one_on_every_turn():
    mixture = Mixture([0.5, 0.5], VonMises([0.0, 2.0], [1.0, 1.0]))
    x = np.linspace(-9, 9, 50)
    density = np.log((stats.vonmises.pdf(x, 1) + stats.vonmises.pdf(x - 2, 1)) / 2)
    np.testing.assert_allclose(mixture.log_prob(x), density, rtol=1e-13)
    np.testing.assert_allclose(mixture.log_prob(x + 2 * np.pi), density, rtol=1e-13)
    low, high = mixture.support
    assert high - low == pytest.approx(2 * np.pi)
    q = VonMises(6.0, 1.0)
    turns = [kl_divergence(mixture, VonMises(6.0 + 2 * np.pi * k, 1.0)).value for k in (-2, 0, 3)]
    np.testing.assert_allclose(turns, kl_divergence(mixture, q).value, rtol=1e-12)


def test_the_components_of_a_mixture_end_where_they_end():
    """The second Pareto distribution has no mass below 5, also when the quadrature measures x from there."""
    mixture = Mixture([0.5, 0.5], Pareto([1.0, 2.0], [1.0, 5.0]))
    assert expectation(mixture, lambda x: (x < 5) * 1.0).value == pytest.approx(0.4, rel=1e-9)


def test_the_atoms_of_a_shifted_distribution_survive_rounding():
    atoms = stats.rv_discrete(values=([0, 1, 7], [0.25, 0.25, 0.5]))
    p, q = (atoms(loc=0.3), stats.randint(0, 8, loc=0.3))
    assert kl_divergence(p, q).value == pytest.approx(math.log(8) - entropy(atoms).value, rel=1e-14)
    assert kl_divergence(q, p).value == math.inf
    for one, other in ((0.3, 0.1 + 0.2), (0.1 + 0.2, 0.3), (2.3, 0.3)):  # the supports begin a rounding apart, or two
        value = kl_divergence(stats.poisson(3, loc=one), stats.poisson(4, loc=other)).value
        start = round(one - other)
        k = np.arange(200)
        exact = np.sum(stats.poisson(3).pmf(k) * (stats.poisson(3).logpmf(k) - stats.poisson(4).logpmf(k + start)))
        assert value == pytest.approx(exact, rel=1e-12)


def test_an_atom_of_probability_zero_is_no_outcome():
    atoms = stats.rv_discrete(values=([0, 1, 7], [0.5, 0.5, 0.0]))
    assert kl_divergence(atoms, stats.bernoulli(0.5)).value == 0.0
    assert kl_divergence(stats.randint(0, 8), atoms).value == math.inf


@pytest.mark.parametrize(
    "g, kind, text",
    [
        (lambda x: 1j * x, TypeError, "complex128.*one real number for each"),
        (lambda x: x[:3], TypeError, r"of shape \(3,\); expected one real number for each"),
        (lambda x: np.where(x > 0, x, np.nan), QuadratureError, r"g\(-.*\) = nan"),
        (lambda x: np.exp(0.49 * x * x), QuadratureError, r"= inf, where p is not zero"),
    ],
    ids=["complex", "shape", "nan", "overflow"],
)
def test_expectation_of_a_function_that_cannot_be_averaged(g, kind, text):
    with np.errstate(over="ignore"), pytest.raises(kind, match=text):
        expectation(stats.norm(), g)


def test_an_expectation_that_does_not_exist():
    with pytest.raises(QuadratureError, match=r"infinity in one tail and minus infinity in the other.*does not exist"):
        expectation(stats.cauchy(), lambda x: x)


def test_rounding_that_is_larger_than_the_formula_allows_is_seen():
    """log x near 1 has eight digits on the scale 1e-8: the density comes out rough, and the error says so."""
    value, error, _ = kl_divergence(stats.lognorm(1e-8), stats.norm(1, 1e-8))
    assert abs(value - 8.75e-17) <= error < 1e-14
    rough = Plain(3.0)
    rough.log_prob = lambda x: 3.0 - x + 1e-9 * np.sin(1e9 * x)
    value, error, _ = entropy(rough)
    assert abs(value - 1) <= error and 1e-10 < error < 1e-8


def test_the_budget_of_evaluations_ends_every_call():
    with pytest.raises(QuadratureError, match=r"the budget of 3e.07 evaluations is spent.*Split it"):
        expectation(stats.uniform(), lambda x: np.sin(1e6 * x))


def test_a_class_is_not_a_distribution():
    with pytest.raises(TypeError, match=r"stats\.rv_discrete, a class; expected a distribution"):
        entropy(stats.rv_discrete)


def test_an_atom_without_mass_leaks_no_warning():
    """Categorical probabilities may be zero, and with warnings as errors this would be one."""
    p, q = Categorical([0.5, 0.0, 0.5]), Poisson(1.0)
    expected = sum(0.5 * (np.log(0.5) - q.log_prob(x)) for x in (0.0, 2.0))
    assert kl_divergence(p, q).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("a, steps", [(1 / np.pi, 3), (np.sqrt(0.5), 1), (1 / np.e, 40), (np.pi - 3, 7), (0.12345, 2)])
def test_a_step_between_two_panels_is_not_overlooked(a, steps):
    """A step of g may lie between the outermost nodes of neighbours, which then agree with their halves."""
    exact = math.fsum(max(0.0, 1 - a * k / steps) for k in range(1, round(steps / a) + 1))
    try:
        value, error, _ = expectation(stats.uniform(), lambda x: np.floor(x / a * steps))
    except QuadratureError:
        return
    assert abs(value - exact) <= error + 4e-16 * exact


@pytest.mark.parametrize(
    "p, q, truth",
    [  # mpmath with 40 digits, from the closed forms
        (stats.gamma(0.001), stats.gamma(0.001001), 4.9966773773294748e-07),
        (stats.gamma(0.0013906105515171974), stats.gamma(0.0013906620479352308), 6.8565186873860970e-10),
        (stats.invgamma(0.00014336563147508612), stats.invgamma(0.00014336637980546304), 1.3622761508087994e-11),
        (stats.lomax(0.0015543992579923442), stats.lomax(0.0015544672797806035), 9.5747681006961600e-10),
        (stats.lomax(0.0012460168038933457), stats.lomax(0.0012460147602761356), 1.3449984486072398e-12),
    ],
    ids=lambda v: v.dist.name if hasattr(v, "dist") else None,
)
def test_close_pairs_with_mass_beyond_doubles_are_within_their_error(p, q, truth):
    """Out there log q/p is a line, and what it adds a parabola that touches zero: no exponential."""
    value, error, _ = kl_divergence(p, q, rtol=0.9, atol=1.0)
    assert abs(value - truth) <= error < np.inf


@pytest.mark.parametrize("a, b, exact", [(40, 60, -1.6028190681375249), (300, 20, -2.8991681646030980)])
def test_entropy_of_a_narrow_beta_distribution(a, b, exact):
    """log B(a, b) − (a − 1)ψ(a) − (b − 1)ψ(b) + (a + b − 2)ψ(a + b) with forty digits."""
    value, error = entropy(stats.beta(a, b))[:2]
    assert abs(value - exact) <= error < 1e-12


class TooMuch:
    """A normal density times 1 + b."""

    support, discrete, sd = (-np.inf, np.inf), False, 1e6

    def __init__(self, b):
        self.b = b

    def log_prob(self, x):
        return stats.norm.logpdf(x, 0.0, self.sd) + np.log1p(self.b)


@pytest.mark.parametrize("b", [1e-11, -1e-10, 1e-9])
def test_what_a_density_has_too_much_is_part_of_the_error(b):
    """−∫(1 + b)f log((1 + b)f) is off by b (H − 1), and H is 15.2."""
    value, error, _ = entropy(TooMuch(b))
    exact = 0.5 * np.log(2 * np.pi * np.e) + np.log(TooMuch.sd)
    assert abs(value - exact) <= error < 2 * abs(b) * exact


@pytest.mark.parametrize("a", [0.5, 1.0, 7.0])
def test_a_bent_tail_is_averaged_by_its_cubic(a):
    """Under a e^(−as) the average of s^k is k!/a^k, and so every weight of the four values is known."""
    nodes = np.array([0.0, -1.0, -2.0, -3.0])
    moments = [math.factorial(k) / a**k for k in range(4)]
    weights, fewer = (
        np.linalg.solve(np.vander(nodes[:n], increasing=True).T, moments[:n]) @ np.eye(n, 4) for n in (4, 3)
    )
    cubic, noise = 2 - nodes + 0.5 * nodes**2 + 0.25 * nodes**3, 1e-7
    value, error = line._curved(cubic, noise, a)
    assert value == pytest.approx(2 - moments[1] + 0.5 * moments[2] + 0.25 * moments[3], rel=1e-12)
    worst = noise * np.abs(weights).sum()  # what wrong values can do
    assert error == pytest.approx(2 * abs((weights - fewer) @ cubic) + worst, rel=1e-12)
    parabola = 2 - nodes + 0.5 * nodes**2 + 7 * noise * np.array([0, 0, 0, -1])  # a third difference of 7 noises
    value, error = line._curved(parabola, noise, a)
    assert value == pytest.approx(2 - moments[1] + 0.5 * moments[2], rel=1e-12)
    assert error == pytest.approx(worst, rel=1e-12)


@pytest.mark.parametrize("outward", [-1, 1])
@pytest.mark.parametrize("a, b", [(1.0, 4e-11), (0.5, 2e-11), (1.0, -2e-11)])
def test_the_error_of_a_bent_tail_is_that_of_its_rate(a, b, outward):
    """A parabola times e^(−as − bs²/2), with moments of first order in b: the error is right, and not twice of that."""

    class Tail(line.Integral):
        def __init__(self):
            pass

        def evaluate(self, piece, t):
            s = outward * t - 20
            p = np.exp(-a * s - b * s * s / 2)
            h = np.stack([p, p * (2 + s / 50 + s * s / 1000)])
            return np.stack([h, 1e-16 * h, h])

    value, error = Tail().tail(line.Piece(0.0, 1), outward * 20.0, outward, 80.0, np.ones(2))
    factor = {k: math.factorial(k) / a ** (k + 1) - b * math.factorial(k + 2) / (2 * a ** (k + 3)) for k in range(3)}
    away = abs(value[1] - (2 * factor[0] + factor[1] / 50 + factor[2] / 1000))
    assert away <= error[1] <= 1.8 * away


@pytest.mark.parametrize("sign, mean", [(1, 50), (-1, 50), (1, 0)])
def test_where_p_has_underflowed_the_mass_of_q_counts(sign, mean):
    """Normal from exponential (mean absolute value 50) or from Laplace (√(2/π)), the normal one by its density."""

    class Underflow(stats.rv_continuous):
        def _pdf(self, x):
            return np.exp(-((sign * x - mean) ** 2) / 2) / math.sqrt(2 * math.pi)

    class Exponential(stats.rv_continuous):
        def _logpdf(self, x):
            return -np.abs(x) - (0 if mean else math.log(2))

    ends = {"a" if sign > 0 else "b": 0.0} if mean else {}
    found = kl_divergence(Underflow(**ends, name="far")(), Exponential(**ends, name="near")())
    absolute = mean or math.sqrt(2 / math.pi) + math.log(2)
    assert found.value == pytest.approx(absolute - 0.5 * math.log(2 * math.pi * math.e), rel=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_an_expectation_has_the_units_of_its_function(size):
    """The mass of p is judged by its own error, however large g is."""

    class Unnormalised(stats.rv_continuous):
        def _logpdf(self, x):
            return stats.norm.logpdf(x) + 1e-5

    assert expectation(stats.norm(), lambda x: size * x**2).value == pytest.approx(size, rel=1e-12)
    with pytest.raises(QuadratureError, match="expected 1"):
        expectation(Unnormalised(name="unnormalised")(), lambda x: size * x**2)


def test_an_infinite_value_has_no_error():
    for found in (
        kl_divergence(stats.cauchy(), stats.norm()),
        kl_divergence(stats.norm(), stats.expon()),
        cross_entropy(stats.cauchy(), stats.norm()),
        expectation(stats.cauchy(), np.abs),
        expectation(stats.cauchy(), lambda x: -3 * np.abs(x)),
    ):
        assert math.isinf(found.value) and found.error == 0.0, found


@pytest.mark.parametrize("n, a", [(5, 1e8), (3, 1e10)])
def test_the_error_of_a_beta_binomial_contains_what_its_formula_loses(n, a):
    """A difference of logarithms of gamma functions as large as a log a; here in exact fractions."""

    def rising(k):
        return math.prod(int(a) + i for i in range(k))

    whole = math.prod(2 * int(a) + i for i in range(n))
    masses = [math.comb(n, k) * rising(k) * rising(n - k) / whole for k in range(n + 1)]
    value, error, _ = entropy(stats.betabinom(n, a, a), rtol=0.9, atol=1.0)
    assert abs(value + math.fsum(m * math.log(m) for m in masses)) <= error


def test_a_density_told_from_its_right_end():
    """b(1 − x)^(b−1), of which most lies nearer to 1 than a double can tell: the entropy is 1 − 1/b − log b."""

    class Right:
        discrete, support, b = False, (0.0, 1.0), 0.01

        def log_prob(self, x):
            return math.log(self.b) + (self.b - 1) * np.log1p(-x)

        def log_prob_from_right(self, y):
            return math.log(self.b) + (self.b - 1) * np.log(y)

    b = Right.b
    assert entropy(Right()).value == pytest.approx(1 - 1 / b - math.log(b), rel=1e-10)


@pytest.mark.parametrize("c, d", [(0.0, 1.0), (0.3, 1.0), (0.0, 0.6), (0.5, 0.5), (0.2, 0.7)])
def test_a_trapezoid_with_any_corners(c, d):
    """Its height is 2/(1 + d − c), its entropy (1 − d + c)/(2(1 + d − c)) + log((1 + d − c)/2); ends belong to it."""
    flat = 1 + d - c
    dist = as_distribution(stats.trapezoid(c, d))
    at = np.array([0.5 * (c + d), d, *([1.0] if d == 1 else [])])
    assert dist.log_density(0.0, at) == pytest.approx(np.full(at.size, math.log(2 / flat)), rel=1e-15, abs=1e-15)
    exact = (1 - d + c) / (2 * flat) + math.log(flat / 2)
    assert entropy(stats.trapezoid(c, d)).value == pytest.approx(exact, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("mean", [(43.0,), (-43.0,), (3.0,), (30.0, 0.0), (-30.0, 1.0), (0.0, 30.0), (30.0, 30.0)])
def test_an_integral_over_latents_wherever_its_mass_is(mean):
    """A normal p(x|z) of standard deviation ½ about any mean: the evidence is N(mean; 0, 1 + ¼)."""

    def log_likelihood(z):
        return stats.norm.logpdf(z, mean, 0.5).sum(axis=-1)

    value, error = cells.log_integral("test", log_likelihood, len(mean), 0.1, 1e-8)
    exact = stats.norm.logpdf(mean, 0, math.sqrt(1.25)).sum()
    assert abs(value[0] - exact) <= error[0] < 1e-8 * (1 + abs(exact))


@pytest.mark.parametrize("a, b", [(0.0, 1.0), (1.5, 0.7), (-3.0, 2.0)])
def test_a_johnson_distribution_on_an_interval(a, b):
    """x = 1/(1 + e^(−t)) with t normal, mean −a/b, sd 1/b: the entropy is that of t and E[log x(1 − x)]."""
    t = stats.norm(-a / b, 1 / b)
    jacobian = expectation(t, lambda t: -np.logaddexp(0, t) - np.logaddexp(0, -t)).value
    law = stats.johnsonsb(a, b)
    assert entropy(law).value == pytest.approx(t.entropy() + jacobian, rel=1e-10)
    x = np.array([0.01, 0.3, 0.5, 0.9])
    dist = as_distribution(law)
    np.testing.assert_allclose(dist.log_density(0.5, x - 0.5), law.logpdf(x), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dist.log_density(1.0, x - 1.0), law.logpdf(x), rtol=1e-12, atol=1e-14)
