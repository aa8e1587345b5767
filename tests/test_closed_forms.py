"""Closed forms at the ends of the range of doubles: large counts, cancelling sums, and the error that is stated.

Constants were obtained with mpmath in 60 digits from the textbook formulas, whose cancellation does not matter there:
log-probabilities from loggamma, entropies by summing −p log p term by term, KL divergences from loggamma and digamma.
"""

from __future__ import annotations

import math
import time
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from test_kl_accuracy import CASES, TABLE, build, relative_error

import companion
from companion.families import (
    Bernoulli,
    Beta,
    Binomial,
    Dirichlet,
    Exponential,
    ExponentialFamily,
    Gamma,
    Geometric,
    InverseGaussian,
    Laplace,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
)
from companion.special import counts

getcontext().prec = 60
EPS = np.finfo(float).eps


# --- log-probabilities of counts ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "member, k, value",
    [
        (Poisson(1e10), 1e10, -12.431863998183234495),
        (Poisson(1e10 + 0.25), 1e10 + 123456, -13.193933145300455785),
        (Poisson(1e-3), 3, -22.516025306174466095),
        (Poisson(11.5), 10, -2.1809422193834714813),
        (Binomial(1e12, 0.5), 5e11, -14.041301910609251536),
        (Binomial(1e15, 0.3), 3e14 + 1e7, -17.646098103163690657),
        (Binomial(2.0**60, 0.5), 2.0**59, -21.020206769443086715),
        (Binomial(12, 0.4), 7, -2.2936018501346128137),
        (NegativeBinomial(1e12, 0.3), 2e12 + 3e6, -7780040964.8501215383),
        (NegativeBinomial(2.5, 0.3), 5, -2.3311171070047340881),
        (NegativeBinomial(2.5, 1e-20), 1e20, -47.336384730353832922),
        (NegativeBinomial(1e16, 0.5), 1e16, -19.686192867437010881),
    ],
    ids=repr,
)
def test_log_probabilities_of_counts_have_all_digits(member, k, value):
    assert_allclose(member.log_prob(k), value, rtol=2e-15)


def test_a_divergence_beyond_doubles_is_infinite_without_a_warning():
    """The means are 1e300 and 1: the divergence is about 1e310."""
    assert Gamma(1.0, 1e-300).kl_divergence(Gamma(1e10, 1e10)) == np.inf


def test_products_of_two_doubles_are_exact():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500)) * 10.0 ** rng.integers(-60, 60, size=(2, 500))
    high, low = counts.product(a, b)
    assert all(Fraction(x) * Fraction(y) == Fraction(h) + Fraction(l) for x, y, h, l in zip(a, b, high, low))
    assert np.all(np.abs(low) <= np.spacing(np.abs(high)) / 2)


def test_binomial_log_probabilities_take_a_complement_below_the_rounding_of_p():
    """p = 1 − 1e-20 is 1 in doubles: one failure in five trials has probability 5e-20 up to its square."""
    value = counts.log_binomial(np.array([4.0, 5.0, 0.0]), 5.0, 1.0, 1e-20)
    assert_allclose(value, [np.log(5e-20), -5e-20, 5 * np.log(1e-20)], rtol=1e-15)


def test_few_failures_before_very_many_successes():
    """k failures before success number r, by the textbook product of r (r + 1) (r + 2) / 3! in 60 digits."""
    r, p = 1e16 + 2, 1 - 2.0**-50
    for k in (1, 2, 3):
        ways = math.prod(Decimal(r) + j for j in range(k)) / math.factorial(k)
        exact = ways.ln() + Decimal(r) * Decimal(p).ln() + k * (1 - Decimal(p)).ln()
        assert_allclose(counts.log_negative_binomial(np.float64(k), r, p), float(exact), rtol=1e-13)


def test_a_sum_over_many_large_counts():
    """On 1,000 draws the textbook form is off by a thousandth of a nat."""
    x = Poisson(1e10).sample(1000, rng=0)
    d = x - 1e10  # −½log 2πλ − d²/2λ + d(d² − 3λ)/6λ² + …, of Stirling's series about λ
    edgeworth = -0.5 * np.log(2 * np.pi * 1e10) - d**2 / 2e10 + (d**3 - 3e10 * d) / 6e20
    assert_allclose(Poisson(1e10).log_prob(x).sum(), edgeworth.sum(), atol=1e-5)


def test_counts_at_the_edges_of_the_support():
    assert_allclose(Binomial(5, 0.3).log_prob([0, 5]), [5 * np.log(0.7), 5 * np.log(0.3)], rtol=1e-15)
    assert_allclose(Binomial(5, [0.0, 1.0]).log_prob([0, 5]), [0, 0])
    assert_allclose(NegativeBinomial(2.5, 0.3).log_prob(0), 2.5 * np.log(0.3), rtol=1e-15)
    assert_allclose(Poisson(0.2).log_prob(0), -0.2)
    with np.errstate(all="raise"):
        assert Binomial(5, 0.0).log_prob(1) == -np.inf
        assert NegativeBinomial(2.0, 1.0).log_prob([0, 3]).tolist() == [0, -np.inf]


def test_product_is_exact():
    rng = np.random.default_rng(3)
    a, b = np.exp(rng.uniform(-300, 300, (2, 500))) * rng.choice([-1, 1], (2, 500))
    for x, y, high, low in zip(a, b, *counts.product(a, b)):
        exact = Decimal(float(x)) * Decimal(float(y))
        assert abs(Decimal(float(high)) + Decimal(float(low)) - exact) < Decimal("1e-31") * abs(exact) + Decimal(
            "1e-330"
        )


# --- entropies of counts ------------------------------------------------------------------------------------
def normal_entropy(variance):
    return 0.5 * np.log(2 * np.pi * np.e * variance)


@pytest.mark.parametrize(
    "member, value",
    [
        (Poisson(5000.0), 5.6775184605790357194),
        (Binomial(20_000, 0.3), 5.5903552601508593593),
        (NegativeBinomial(400.0, 0.1), 6.663739461104089263),
        (NegativeBinomial(0.01, 0.002), 0.51146663291786563215),
        # from here on the limit has all digits: the normal one, and that of Gamma(r, p)
        (Poisson(1e300), normal_entropy(1e300)),
        (Binomial(1e12, 0.5), normal_entropy(1e12 / 4)),
        (Binomial(10**18, 0.5), normal_entropy(1e18 / 4)),
        (Binomial(10**18, 1e-3), normal_entropy(1e15 * 0.999)),
        (Binomial(10**18, 1e-18), Poisson(1.0).entropy()),
        (NegativeBinomial(1e16, 0.5), normal_entropy(2e16)),
        (NegativeBinomial(1e300, 0.5), 0.5 * np.log(2 * np.pi * np.e) + 0.5 * (np.log(2) + 300 * np.log(10))),
        (NegativeBinomial(2.5, 1e-20), stats.gamma(2.5).entropy() + 20 * np.log(10)),
        (NegativeBinomial(2.5, 1e-300), stats.gamma(2.5).entropy() + 300 * np.log(10)),
        (NegativeBinomial(300.0, 1e-20), Gamma(300.0, 1e-20).entropy()),
    ],
    ids=repr,
)
def test_entropies_of_counts_are_right_and_quick(member, value):
    start = time.process_time()
    found, error = companion.entropy(member, return_error=True)
    assert time.process_time() - start < 1
    assert abs(found - value) <= error + 4 * EPS * abs(value) and error < 1e-14 * (1 + found) ** 2


@pytest.mark.parametrize("mean", [4095.0, 4096.0, 4097.0])
def test_the_rules_of_the_entropy_meet(mean):
    """On both sides of the variance from which a bell is summed in large steps, and for a tail of any length."""
    x = np.arange(0, 8 * mean)
    for member in (Poisson(mean), NegativeBinomial(2.0, 2 / (2 + mean / 20))):
        logs = member.log_prob(x)
        assert_allclose(member.entropy(), -np.sum(np.exp(logs) * logs), rtol=1e-13)


def test_no_quantile_of_scipy_is_asked(monkeypatch):
    """scipy's quantile of a large negative binomial aborts the interpreter."""

    def refuse(*arguments):
        raise AssertionError("asked for a quantile")

    monkeypatch.setattr(type(stats.nbinom), "_ppf", refuse)
    p, q = NegativeBinomial(1e16, 0.5), NegativeBinomial(1e16, 0.25)
    for value in (p.entropy(), p.cross_entropy(q), p.kl_divergence(q)):
        assert np.isfinite(value)
    with pytest.raises(companion.integrals.quadrature.QuadratureError, match="whole numbers below 2"):
        companion.kl_divergence(Poisson(1e16), p)  # by a sum, which looks for places of interest
    assert np.isfinite(companion.kl_divergence(Poisson(100.0), NegativeBinomial(100.0, 0.5)))


def test_counts_too_large_for_doubles_are_refused():
    with pytest.raises(ValueError, match=r"NegativeBinomial.entropy: mean = .*; expected a mean below 1e306"):
        NegativeBinomial(1e300, 1e-20).entropy()


# --- a family with a base measure and no average of it ------------------------------------------------------
class Counts(ExponentialFamily):
    """Poisson distributions as CONTRIBUTING asks for them, and no more."""

    parameter_names = ("rate",)
    discrete = True
    support = (0, np.inf)

    def __init__(self, rate):
        self._store(np.shape(rate), rate=np.asarray(rate, dtype=float))

    def natural_parameters(self):
        return np.log(self.rate)[..., None]

    def _statistic(self, x):
        return x[..., None]

    def _log_partition_at(self, eta):
        return np.exp(eta)[..., 0]

    def _log_base_measure(self, x):
        return -np.array([np.sum(np.log(np.arange(1, v + 1))) for v in np.ravel(x)])

    def mean(self):
        return self.rate

    def variance(self):
        return self.rate


def test_the_average_of_the_base_measure_is_found_if_it_is_not_given():
    rates = np.array([0.5, 2.0])
    assert_allclose(Counts(rates).entropy(), stats.poisson(rates).entropy(), rtol=1e-9)
    expected = stats.poisson(rates).entropy() + Poisson(rates).kl_divergence(Poisson(1.0))
    assert_allclose(Counts(rates).cross_entropy(Counts(1.0)), expected, rtol=1e-9)


def test_the_average_of_the_base_measure_is_asked_for_where_it_cannot_be_found():
    class Vectors(Counts):
        event_ndim = 1

    with pytest.raises(NotImplementedError, match="Vectors: _mean_log_base_measure = missing; expected"):
        Vectors(1.0).entropy()


# --- KL divergences at the ends of the range ----------------------------------------------------------------
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "p, q, value",
    [
        (InverseGaussian(1e-200, 1e200), InverseGaussian(1e-200, 1e200), 0.0),
        (NegativeBinomial(1.0, 1e-320), NegativeBinomial(1.0, 1e-320), 0.0),
        (NegativeBinomial(1.0, 1e-320), NegativeBinomial(1.0, 2e-320), 1 - np.log(2)),
        (Geometric(1e-320), Geometric(2e-320), 1 - np.log(2)),
        (VonMises(0.0, 1e60), VonMises(0.0, 1e30), 34.0387763949106852),
        (VonMises(0.0, 1e30), VonMises(0.0, 1e60), 0.5e30),
        (Exponential(1e200), Exponential(1e-200), 400 * np.log(10) - 1),
        (Pareto(1e200, 1.0), Pareto(1e-200, 1.0), 400 * np.log(10) - 1),
        (Laplace(0.0, 1e-200), Laplace(0.0, 1e200), 400 * np.log(10) - 1),
        (Normal(0.0, 1e-200), Normal(0.0, 1e200), 400 * np.log(10) - 0.5),
        (Weibull(2.0, 1e-200), Weibull(2.0, 1e200), 800 * np.log(10) - 1),
        (Exponential(1e-200), Exponential(1e200), np.inf),
        (Beta(2.3e-15, 6.3e15), Beta(2.3e-15, 1e16), 2.88112093721565857e-16),
        (Gamma(2.0, 1e200), Gamma(2.0, 1e-200), 2 * (400 * np.log(10) - 1)),
    ],
    ids=repr,
)
def test_kl_where_a_ratio_leaves_the_range_of_doubles(p, q, value):
    assert_allclose(p.kl_divergence(q), value, rtol=1e-14)


def test_entropy_of_an_inverse_gaussian_whose_ratio_of_parameters_underflows():
    assert_allclose(InverseGaussian(1e200, 1e-300).entropy(), -687.451045096816815, rtol=1e-14)


def test_a_value_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setattr(Normal, "kl_divergence", lambda self, other: np.float64(np.nan))
    with pytest.raises(companion.integrals.quadrature.QuadratureError, match="kl_divergence: value = nan; expected"):
        companion.kl_divergence(Normal(0, 1), Normal(1, 1))


@pytest.mark.parametrize(
    "p, logit, forward, backward",
    [
        (0.3, -0.8472978603872036, 1.17520545070358006e-33, 1.17520545070358007e-33),
        (0.3, -0.84729786038, 5.44876084285393171e-24, 5.44876084285916519e-24),
        (1e-9, -20.723265835946, 8.52207447081198171e-35, 8.52207447081315448e-35),
        (1 - 2.0**-40, 27.7258872, 2.28110961523811316e-28, 2.28110963226804419e-28),
    ],
)
def test_a_probability_against_log_odds_however_close(p, logit, forward, backward):
    """The log-odds' own probability has more digits than a double shows."""
    p, q = Bernoulli(p), Bernoulli.from_logits(logit)
    assert_allclose([p.kl_divergence(q), q.kl_divergence(p)], [forward, backward], rtol=1e-14, atol=0)
    assert_allclose(
        Bernoulli([p.p] * 3).kl_divergence(Bernoulli.from_logits([logit] * 3)), [forward] * 3, rtol=1e-14, atol=0
    )


def test_random_probabilities_against_log_odds():
    rng = np.random.default_rng(8)
    for _ in range(200):
        p = float(rng.uniform(1e-3, 1 - 1e-3))
        logit = float(np.log(p / (1 - p)) + rng.choice([-1, 1]) * 10 ** rng.uniform(-15, 0))
        a, q = Decimal(p), 1 / (1 + (-Decimal(logit)).exp())
        exact = a * (a / q).ln() + (1 - a) * ((1 - a) / (1 - q)).ln()
        assert abs(Decimal(float(Bernoulli(p).kl_divergence(Bernoulli.from_logits(logit)))) / exact - 1) < Decimal(
            "4e-15"
        )


def test_kl_of_concentrations_is_not_negative_without_help():
    """Also where the Stirling parts all but cancel: one cell that is nearly everything, and very near pairs."""
    rng = np.random.default_rng(11)
    p = np.exp(rng.uniform(-20, 20, (20_000, 3)))
    q = p * (1 + rng.choice([-1, 1], p.shape) * 10 ** rng.uniform(-16, 0, (20_000, 1)) * rng.uniform(0, 0.9, p.shape))
    assert np.all(Dirichlet(p).kl_divergence(Dirichlet(q)) >= 0)
    assert not np.any(Dirichlet(p).kl_divergence(Dirichlet(p)))


# --- cross-entropies ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "p, q, value",
    [
        (Gamma(1e-10, 1.0), Gamma(1.0, 1.0), 1e-10),  # −log q = x
        (Gamma(1e-300, 1.0), Gamma(1.0, 1.0), 1e-300),
        (Beta(1e27, 8e36), Beta(1.000000000000001e27, 8e36), -52.4682048091134277),  # near, so large that KL counts
        (Beta(1e-8, 1.0), Beta(1.0, 1.0), 0.0),  # log q = 0
        (Dirichlet([1e-8, 1.0, 2.0]), Dirichlet([1.0, 1.0, 1.0]), -np.log(2)),
        (Weibull(1.0, 1e-12), Weibull(1.0, 1.0), 1e-12),
        (Pareto(1e12, 1.0), Pareto(1.0, 1.0), 2e-12),
    ],
    ids=repr,
)
def test_a_cross_entropy_does_not_cancel(p, q, value):
    """Entropy plus KL would: both are about 1e10 for the first pair."""
    assert_allclose(p.cross_entropy(q), value, rtol=1e-14, atol=0)


# --- the error that is stated -------------------------------------------------------------------------------
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_reference_values_lie_within_the_stated_error(case):
    constructor, suite = case
    for p, q, reference in TABLE[constructor][suite][::4]:
        value, error = companion.kl_divergence(build(constructor, p), build(constructor, q), return_error=True)
        assert relative_error(value, reference) * float(reference) <= error + 1e-307, (p, q)


def exact_kl(p, q):
    """KL of bivariate normals with mean zero, from the doubles as given, in 60 digits."""
    (a, b, c), (d, e, f) = ([Decimal(float(m[i])) for i in ((0, 0), (0, 1), (1, 1))] for m in (p, q))
    det_p, det_q = a * c - b * b, d * f - e * e
    return ((f * a - 2 * e * b + d * c) / det_q - 2 - (det_p / det_q).ln()) / 2


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10, 1e14])
def test_covariances_state_an_error_with_their_condition_number(condition):
    rng = np.random.default_rng(4)
    needed = 0
    for _ in range(40):
        p, q = (np.array([[1, 1 - t], [1 - t, 1]]) for t in rng.uniform(1, 3, 2) / condition)
        scale = np.diag(np.exp(rng.normal(0, 5, 2)))
        p, q = (np.tril(scale @ m @ scale) + np.tril(scale @ m @ scale, -1).T for m in (p, q))
        value, error = companion.kl_divergence(
            MultivariateNormal([0, 0], p), MultivariateNormal([0, 0], q), return_error=True
        )
        off = abs(Decimal(float(value)) - exact_kl(p, q))
        assert off <= Decimal(float(error))
        needed += off > Decimal(4 * EPS * float(value))
        if condition <= 1e6:
            assert error < 1e-7
    assert needed > 0  # 4 ε of the value would have been too little


def test_entropy_of_a_nearly_singular_covariance_states_its_error():
    for t in (1e-10, 1e-13, 4e-16):
        cov = np.array([[1, 1 - t], [1 - t, 1]])
        value, error = companion.entropy(MultivariateNormal([0, 0], cov), return_error=True)
        a, b = Decimal(1), Decimal(float(cov[0, 1]))
        log_2pi = Decimal("1.837877066409345483560659472811235279722794947275566825634")
        assert abs(Decimal(float(value)) - (1 + log_2pi + (a - b * b).ln() / 2)) <= Decimal(float(error))


@pytest.mark.parametrize("sd", [0.24197072451914337, 1e-3, 1e5])  # the first has entropy almost 0
def test_an_entropy_near_zero_states_the_rounding_of_its_terms(sd):
    value, error = companion.entropy(Normal(0.0, sd), return_error=True)
    two_pi = Decimal("6.283185307179586476925286766559005768394338798750211641949889")
    exact = (two_pi.ln() + 1) / 2 + Decimal(sd).ln()
    assert abs(Decimal(float(value)) - exact) <= Decimal(float(error)) < Decimal("1e-13")


def test_vectors_state_what_their_sums_lack():
    p = np.array([0.5, 0.5 + 9e-13])
    value, error = companion.entropy(p, return_error=True)
    exact = -sum(
        Decimal(float(v)) / s * (Decimal(float(v)) / s).ln() for s in [sum(map(Decimal, map(float, p)))] for v in p
    )
    assert abs(Decimal(float(value)) - exact) <= Decimal(float(error)) < Decimal("1e-11")


def test_the_total_of_concentrations_is_not_part_of_the_interface():
    assert not hasattr(Dirichlet, "weighted_sum")


def test_a_singular_pair_that_is_equal_has_no_error():
    """Where the correlations are singular to working accuracy any other bound is infinite, and 0 · ∞ is no bound."""
    cov = np.array([[1.0, 1 - 1e-15], [1 - 1e-15, 1.0]])
    p, q = MultivariateNormal([0.0, 0.0], cov), MultivariateNormal([0.0, 1.0], cov)
    assert companion.kl_divergence(p, p, return_error=True) == (0.0, 0.0)
    assert companion.kl_divergence(p, q, return_error=True)[1] == np.inf
