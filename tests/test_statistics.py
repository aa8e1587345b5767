"""Addable statistics: for every family, whatever the order and the chunks; and the digits that raw sums lose."""

import copy
import pickle
from decimal import Decimal, localcontext
from fractions import Fraction
from math import fsum

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import psi

from companion.families import (
    FAMILIES,
    Beta,
    Categorical,
    Gamma,
    InverseGaussian,
    Laplace,
    LogNormal,
    MultivariateNormal,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
)
from companion.families.sums import Ratios
from companion.numerics import exact_moments, num_acc
from companion.residuals import residual
from companion.special.remainders import phi

EACH = pytest.mark.parametrize("name", FAMILIES)


def drawn(name, n, seed=3):
    member = FAMILIES[name].draw(np.random.default_rng(seed))
    fixed = {key: float(np.max(member.parameter(key))) for key in member.fixed_names}
    if name == "Categorical":
        fixed = {"classes": member.classes}
    return type(member), member.sample(n, rng=seed), fixed, member


def assert_same(a, b, rtol=1e-12):
    assert_allclose(a.weight, b.weight, rtol=1e-14)
    assert_allclose(a.mean(), b.mean(), rtol=rtol, atol=1e-13)
    one, two = a.family.fit(a), b.family.fit(b)
    assert one.kl_divergence(two) < 1e-22


# --- for every family -------------------------------------------------------------------------------------------------
@EACH
def test_mean_is_the_average_of_u(name):
    cls, x, fixed, member = drawn(name, 500)
    weights = np.random.default_rng(4).random(500)
    u = member.sufficient_statistics(x)
    assert_allclose(cls.statistics(x, **fixed).mean(), [fsum(column) / 500 for column in u.T], rtol=1e-12, atol=1e-14)
    assert_allclose(cls.statistics(x, weights, **fixed).mean(), weights @ u / weights.sum(), rtol=1e-12, atol=1e-14)


@EACH
def test_parts_add_up_in_any_order(name):
    cls, x, fixed, _ = drawn(name, 600)
    whole = cls.statistics(x, **fixed)
    a, b, c = (cls.statistics(part, **fixed) for part in (x[:7], x[7:250], x[250:]))
    for added in ((a + b) + c, a + (b + c), (c + a) + b, sum([b, c, a])):
        assert_same(added, whole)
    assert_same(a + b, b + a, rtol=1e-15)


@EACH
def test_chunks_do_not_show(name, monkeypatch):
    cls, x, fixed, _ = drawn(name, 600)
    whole, weights = cls.statistics(x, **fixed), np.random.default_rng(4).random(600)
    weighted = cls.statistics(x, weights, **fixed)
    monkeypatch.setattr(cls._sums, "chunk", 7 * x[0].size)
    assert_same(cls.statistics(x, **fixed), whole)
    assert_same(cls.statistics(x, weights, **fixed), weighted)
    assert_same(cls.statistics(np.sort(x, axis=0) if x.ndim == 1 else x[::-1], **fixed), whole)


@EACH
def test_weights_count_repetitions_and_add(name):
    cls, x, fixed, _ = drawn(name, 200)
    weights = np.random.default_rng(5).integers(0, 4, 200)
    weights[0] = 2  # the smallest class, count or value need not be drawn: fixed parameters are given
    repeated = cls.statistics(np.repeat(x, weights, axis=0), **fixed)
    assert_same(cls.statistics(x, weights, **fixed), repeated)
    assert_same(cls.statistics(x[:90], weights[:90], **fixed) + cls.statistics(x[90:], weights[90:], **fixed), repeated)


@EACH
def test_statistics_travel_between_processes(name):
    cls, x, fixed, _ = drawn(name, 50)
    a = cls.statistics(x, **fixed)
    assert pickle.loads(pickle.dumps(a)) == copy.deepcopy(a) == a


@EACH
def test_residual_of_statistics_is_that_of_the_data(name):
    cls, x, fixed, member = drawn(name, 100)
    assert_allclose(residual(member, cls.statistics(x, **fixed)), residual(member, x), rtol=1e-12, atol=1e-12)


@EACH
def test_fit_of_statistics_is_the_fit(name):
    cls, x, fixed, _ = drawn(name, 300)
    assert cls.fit(cls.statistics(x, **fixed)) == cls.fit(x, **fixed)


@EACH
def test_good_data_are_looked_at_once(name, monkeypatch):
    """The slow check, which is for error messages, is never asked about a sample that has a fit."""
    cls, x, fixed, _ = drawn(name, 500)
    monkeypatch.setattr(cls, "_check_sample", lambda self, x, method: pytest.fail("slow check of good data"))
    cls.statistics(x, **fixed)
    if name == "VonMises":
        cls.statistics(x + 7.0)


def test_data_are_not_copied_and_may_be_of_any_type():
    x = np.random.default_rng(0).poisson(3.0, 200_000)
    assert Poisson.fit(x.astype(np.int16)) == Poisson.fit(x.astype(np.float32)) == Poisson.fit(x)
    read_only = np.broadcast_to(np.float64(3.0), (10**9,))  # 8 GB if it were written out
    head = Poisson.statistics(read_only[: 10**7])
    assert head.mean() == [3.0] and head.weight == 1e7
    assert np.array_equal(x, np.random.default_rng(0).poisson(3.0, 200_000))


# --- digits -----------------------------------------------------------------------------------------------------------
CASES = {f"NumAcc{level}": num_acc(level) for level in (1, 2, 3, 4)}
CASES["offset 1e9"] = 1e9 + np.random.default_rng(1).normal(size=2000)
CASES["offset 1e9, spread 1e-3"] = 1e9 + 1e-3 * np.random.default_rng(2).normal(size=2000)
CASES["first one far away"] = np.concatenate([[-1e8], 1e9 + np.random.default_rng(3).normal(size=2000)])
CASES["drifting"] = np.geomspace(1e-3, 1e9, 2000)
CASES["about zero"] = np.random.default_rng(4).normal(size=2000)
CASES["three spreads from zero"] = 3 + np.random.default_rng(5).normal(size=2000)  # where differences begin to be taken
CASES["about zero, then far"] = np.concatenate([np.random.default_rng(6).normal(size=1000), np.full(1000, 1e9)])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [3, 100, 2**20])
def test_mean_and_sd_have_their_digits(case, chunk, monkeypatch):
    """1e-13 of the exact values for the doubles given, in chunks and merged, forwards and backwards."""
    monkeypatch.setattr(Normal._sums, "chunk", chunk)
    for x in (CASES[case], CASES[case][::-1]):
        third = max(1, len(x) // 3)
        mean, sd = map(float, exact_moments(x))
        for found in (
            Normal.fit(x),
            Normal.fit(Normal.statistics(x[:third]) + Normal.statistics(x[third:])),
            Normal.fit(sum(Normal.statistics(x[i : i + third]) for i in range(0, len(x), third))),
        ):
            assert_allclose([found.mean(), found.sd], [mean, sd], rtol=1e-13)


def test_certified_values_of_num_acc():
    """NIST's certified values, which are for the decimals, not for the doubles next to them."""
    for level, mean, sd, digits in (
        (1, 10000002, 1.0, 13),
        (2, 1.2, 0.1, 13),
        (3, 1000000.2, 0.1, 8),
        (4, 10000000.2, 0.1, 7),
    ):
        x = num_acc(level)
        fit = Normal.fit(x)
        assert_allclose(fit.mean(), mean, rtol=1e-14)
        assert_allclose(fit.sd * np.sqrt(len(x) / (len(x) - 1)), sd, rtol=10.0**-digits)


def test_raw_moments_would_fail():
    """What the shift is for: on NumAcc4 the raw second moment has no digit of the variance, even summed exactly."""
    x = num_acc(4)
    exact = float(exact_moments(x)[1] ** 2)
    raw = fsum(x * x) / len(x) - (fsum(x) / len(x)) ** 2
    assert abs(raw / exact - 1) > 0.1
    assert_allclose(Normal.fit(x).variance(), exact, rtol=1e-13)


@pytest.mark.parametrize("chunk", [20, 2**18])
@pytest.mark.parametrize("spread", [1e-9, 1e-6, 1e-3, 2e-3, 0.1, 0.3, 1.0])
def test_jensen_gaps_have_their_digits(spread, chunk, monkeypatch):
    """Gamma: log mean − mean log; inverse Gaussian: mean × (mean of 1/x) − 1; against sums in 60 digits."""
    from decimal import Decimal, getcontext

    getcontext().prec = 60
    monkeypatch.setattr(Ratios, "chunk", chunk)
    x = 2.0**20 * np.exp(spread * np.random.default_rng(6).normal(size=301))
    d = [Decimal(float(v)) for v in x]
    mean = sum(d) / len(d)
    log_gap, inverse_gap = mean.ln() - sum(v.ln() for v in d) / len(d), mean * sum(1 / v for v in d) / len(d) - 1
    for weights in (None, np.ones(301)):
        parts = [slice(0, 100), slice(100, 301)]
        gamma = sum(Gamma.statistics(x[p], None if weights is None else weights[p]) for p in parts)
        inverse = sum(InverseGaussian.statistics(x[p], None if weights is None else weights[p]) for p in parts)
        assert_allclose(gamma.sums.mean_and_gap()[1], float(log_gap), rtol=2e-12)
        assert_allclose(inverse.sums.mean_and_gap()[1], float(inverse_gap), rtol=1e-13)
        assert_allclose(gamma.sums.mean_and_gap()[0], float(mean), rtol=1e-14)


def test_jensen_gaps_where_doubles_are_sparse():
    """Both gaps are half the variance, or the variance, of x over its mean, to 12 digits; that mean is no double."""
    x = 1.7 + 1.7e-13 * np.array([0.3, -1.2, 0.8, 0.1, 1.5])
    away = [Fraction(v) - Fraction(x[0]) for v in x]
    variance = float(sum((v - sum(away) / 5) ** 2 for v in away) / 5) / 1.7**2
    for parts in ([x], [x[:2], x[2:]]):
        assert_allclose(sum(map(Gamma.statistics, parts)).sums.mean_and_gap()[1], variance / 2, rtol=1e-11)
        assert_allclose(sum(map(InverseGaussian.statistics, parts)).sums.mean_and_gap()[1], variance, rtol=1e-11)


def test_gaps_are_non_negative_remainders():
    x = np.random.default_rng(7).gamma(2.0, size=50)
    gap = Gamma.statistics(x).sums.mean_and_gap()[1]
    assert_allclose(gap, np.mean(phi(x / x.mean() - 1)), rtol=1e-13)


def test_angles_are_merged_around_the_circle():
    x = VonMises(3.1, 40.0).sample(500, rng=8)  # about the cut at ±π
    parts = VonMises.statistics(x[:100]) + VonMises.statistics(x[100:] + 2 * np.pi)
    whole = VonMises.fit(x)
    assert_allclose(VonMises.fit(parts).kappa, whole.kappa, rtol=1e-11)
    assert_allclose(np.cos(VonMises.fit(parts).mean() - whole.mean()), 1.0, rtol=1e-15)


def test_covariance_far_from_zero():
    x = np.random.default_rng(9).normal(size=(400, 2)) @ [[1.0, 0.3], [0.0, 0.5]]
    x = np.round(x * 1024) / 1024  # x + 2^30 is then exact
    near = MultivariateNormal.fit(x)
    far = MultivariateNormal.fit(sum(MultivariateNormal.statistics(part + 2.0**30) for part in np.array_split(x, 7)))
    assert_allclose(far.cov, near.cov, rtol=1e-13)


def test_weibull_parts_of_very_different_size():
    low, high = np.array([1.0, 2.0]), np.array([1e200, 3e200])
    for parts in ((low, high), (high, low)):
        fit = Weibull.fit(sum(Weibull.statistics(part, k=3.0) for part in parts))
        assert_allclose(fit.scale, 1e200 * (28 / 4) ** (1 / 3), rtol=1e-14)


@pytest.mark.parametrize("cls", [Normal, Gamma, LogNormal, InverseGaussian, VonMises])
def test_parts_without_spread(cls):
    """Each part has all its observations equal, so that it has no fit; their sum has one. Equal parts have none."""
    parts = [cls.statistics(np.full(n, value)) for n, value in ((3, 0.1), (100_000, 0.7))]
    for part in (*parts, parts[0] + parts[0]):
        with pytest.raises(ValueError, match="no maximum exists"):
            cls.fit(part)
    whole = cls.fit(np.repeat([0.1, 0.7], [3, 100_000]))
    assert cls.fit(parts[0] + parts[1]).kl_divergence(whole) < 1e-20


# --- use and misuse ---------------------------------------------------------------------------------------------------
def test_repr_equality_and_immutability():
    a = Normal.statistics([1.0, 3.0])
    assert a == Normal.statistics([1.0, 3.0]) != Normal.statistics([1.0, 4.0]) and a != 3
    assert repr(Laplace.statistics([1.0], loc=0)) == "Statistics(family=Laplace, loc=0.0, weight=1.0, mean=[1.0])"
    with pytest.raises(AttributeError, match="immutable"):
        a.weight = 3.0
    with pytest.raises(TypeError):
        Laplace.statistics([1.0], loc=0).fixed["loc"] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        MultivariateNormal.statistics([[0.0, 1.0], [2.0, 0.0]]).sums.second[0, 0] = 7.0


BAD = {
    "another family": (
        lambda: Normal.statistics([1.0]) + Gamma.statistics([1.0]),
        TypeError,
        "expected statistics of Normal",
    ),
    "a number": (lambda: Normal.statistics([1.0]) + 1, TypeError, "expected statistics of Normal"),
    "another k": (
        lambda: Weibull.statistics([1.0], k=2) + Weibull.statistics([1.0], k=3),
        ValueError,
        r"fixed parameters = {'k': 3.0}",
    ),
    "fit of another family": (
        lambda: Gamma.fit(Normal.statistics([1.0, 2.0])),
        TypeError,
        "expected statistics of Gamma",
    ),
    "weights twice": (
        lambda: Normal.fit(Normal.statistics([1.0, 2.0]), weights=[1, 1]),
        TypeError,
        "has the weights in it",
    ),
    "another k in the fit": (
        lambda: Weibull.fit(Weibull.statistics([1.0, 2.0], k=2), k=3),
        ValueError,
        "k = 3; expected 2.0",
    ),
    "a location that is not given": (lambda: Laplace.statistics([1.0, 2.0]), TypeError, "loc = missing"),
    "NaN in a later chunk": (
        lambda: Normal.statistics(np.append(np.zeros(70_000), np.nan)),
        ValueError,
        r"Normal.statistics: x\[70000\] = nan",
    ),
    "infinite in a later chunk": (
        lambda: Gamma.statistics(np.append(np.ones(70_000), np.inf)),
        ValueError,
        r"x\[70000\] = inf",
    ),
    "a zero in a later chunk": (
        lambda: Gamma.statistics(np.append(np.ones(70_000), 0.0)),
        ValueError,
        r"Gamma.statistics: x\[70000\] = 0.0",
    ),
    "half a count": (lambda: Poisson.statistics(np.append(np.ones(70_000), 0.5)), ValueError, r"x\[70000\] = 0.5"),
    "a residual with other statistics": (
        lambda: residual(Poisson(1.0), Normal.statistics([1.0])),
        TypeError,
        "expected statistics of Poisson",
    ),
    "vectors of length zero": (lambda: MultivariateNormal.fit(np.empty((3, 0))), ValueError, r"shape of x = \(3, 0\)"),
    "a missing value without a location": (lambda: Laplace.fit([1.0, np.nan]), ValueError, r"x\[1\] = nan"),
    "numbers that are no classes": (lambda: Categorical.fit([1.0, 1e300]), ValueError, "Recode the classes"),
    "overflow": (lambda: Normal.statistics([1e200, -1e200]), ValueError, "change the unit of measurement"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_use(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()


def far_head(where: float, weight: float | None):
    """1,024 observations at `where`, then 476 close to 1; the first with a weight of their own."""
    x = 1 + 1e-3 * np.sin(np.arange(1500.0))
    x[:1024] = where * (1 + 0.1 * np.cos(np.arange(1024.0)))
    weights = np.ones(1500)
    weights[:1024] = 1.0 if weight is None else weight
    return x, weights


@pytest.mark.parametrize("where, weight", [(1e-20, 1e-50), (1e20, 1e-70), (1e30, 1e-300)])
@pytest.mark.parametrize("family", [Normal, LogNormal, Gamma, InverseGaussian], ids=lambda f: f.__name__)
def test_first_observations_far_away_that_weigh_nothing_cost_no_digits(family, where, weight):
    """The point about which the sums are taken is that of the head, until the pass has found the mean."""
    x, weights = far_head(where, weight)
    assert_same_fit(family.fit(x, weights), family.fit(x[1024:]), rtol=1e-11)


@pytest.mark.parametrize("where, weight", [(1e-20, 1e-50), (1e60, 1e-200), (1e120, 1e-300)])
@pytest.mark.parametrize("chunk", [64, 2**18])
@pytest.mark.parametrize("family", [Normal, LogNormal, Gamma, InverseGaussian], ids=lambda f: f.__name__)
def test_as_many_passes_as_the_digits_need(family, chunk, where, weight, monkeypatch):
    """A chunk of such observations must not draw the point away again; and the mean seen from 1e60 is off by 1e44, seen
    from there by 1e28, …: the pass in which it is right is neither the second nor the third."""
    monkeypatch.setattr(family._sums, "chunk", chunk)
    x, weights = far_head(where, weight)
    assert_same_fit(family.fit(x, weights), family.fit(x[1024:]), rtol=1e-11)


@pytest.mark.parametrize("where", [1e-10, 1e-20, 1e-100])
def test_first_observations_far_smaller_than_the_others(where):
    x, _ = far_head(where, None)
    fit = InverseGaussian.fit(x)
    mean, inverse = fsum(x) / 1500, fsum(1 / x) / 1500
    assert_allclose([fit.mean(), fit.shape], [mean, 1 / (inverse - 1 / mean)], rtol=1e-12)
    # log mean − mean log is of the size of log x here, and can be taken as it stands
    shape, rate = Gamma.fit(x).shape, Gamma.fit(x).rate
    gap = np.log(mean) - fsum(np.log(x)) / 1500
    assert_allclose([np.log(shape) - psi(shape), shape / rate], [gap, mean], rtol=1e-12)


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 0.5, 1.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize("unit", [2.0**500, 2.0**700, 2.0**900, 2.0**-500], ids="{:.0e}".format)
def test_a_small_spread_keeps_its_digits_in_units_whose_squares_overflow(unit, weights):
    x = np.array([1.0, 1.00001, 1.00002, 0.99999])
    near, far = Gamma.fit(x, weights), Gamma.fit(unit * x, weights)
    assert_allclose([far.shape, far.rate * unit], [near.shape, near.rate], rtol=1e-12)
    tiny = None if weights is None else 2.0**-500 * weights
    near, far = InverseGaussian.fit(x, weights), InverseGaussian.fit(unit * x, tiny)
    assert_allclose([far.mean() / unit, far.shape / unit], [near.mean(), near.shape], rtol=1e-12)


def test_weights_whose_products_lose_digits_are_refused():
    """Numbers below 1e-308 have few digits."""
    x = np.array([1.0, 1.000001, 1.000003])
    for family, fixed in ((Normal, {}), (Gamma, {}), (VonMises, {}), (Weibull, {"k": 0.01}), (Pareto, {"xm": 0.5})):
        with pytest.raises(ValueError, match=r"sum of weights = .*Leave out those that are next to nothing"):
            family.fit(x, 1e-312 * np.array([0.3, 0.5, 0.7]), **fixed)
        tiny, one = family.fit(x, [2.0**-960] * 3, **fixed), family.fit(x, **fixed)
        assert_same_fit(tiny, one, rtol=1e-12)


def assert_same_fit(one, two, rtol):
    for name in one.parameter_names:
        assert_allclose(one.parameter(name), two.parameter(name), rtol=rtol, err_msg=f"{one} {two}")


@pytest.mark.parametrize("family", [Gamma, InverseGaussian], ids=lambda f: f.__name__)
def test_samples_of_very_different_size_are_merged_about_their_common_mean(family):
    """About the mean of the heavier one, the terms of the lighter would cancel."""
    near, far = np.array([1.0, 1.2, 0.9, 1.1, 1.05]), np.array([1e20, 1.1e20])
    whole, merged = family.fit(np.append(near, far)), family.fit(family.statistics(near) + family.statistics(far))
    assert_same_fit(merged, whole, rtol=1e-12)


def test_a_beta_fit_beside_1_is_the_mirror_of_one_beside_0():
    y = np.array([2.0**-40, 2.0**-12, 2.0**-9, 3 * 2.0**-8, 2.0**-6, 2.0**-5, 3 * 2.0**-7])  # 1 − y is exact
    low, high = Beta.fit(y), Beta.fit(1 - y)
    assert_allclose([high.b, high.a], [low.a, low.b], rtol=1e-12)


@pytest.mark.parametrize("a, b", [(2, 3), (0.1, 0.1), (0.05, 2), (2, 0.05), (20, 3), (0.3, 6), (0.01, 3), (3, 1)])
def test_mean_logarithms_of_a_beta_sample_have_their_digits(a, b):
    """Taken of products of eight or one by one: against logarithms of 30 digits."""
    x = np.random.default_rng(17).beta(a, b, 1003)
    x = x[(x > 0) & (x < 1)]
    with localcontext(prec=40):
        exact = [float(sum(f(Decimal(float(v))).ln() for v in x) / len(x)) for f in (lambda v: v, lambda v: 1 - v)]
    assert_allclose(Beta.statistics(x).mean(), exact, rtol=2e-15)
