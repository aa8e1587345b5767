"""The three remainders against exact rational series and 60-digit decimals, on both sides of every switch."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from companion.special.remainders import expm1_remainder, kl_term, phi

getcontext().prec = 60
SIZES = np.concatenate(
    [10.0 ** np.arange(-150, -1, 7), np.linspace(0.02, 0.98, 49), [0.2999999, 0.3, 0.3000001, 0.4999999, 0.5]]
)


def exact_phi(t):
    t = Decimal(t)
    if abs(t) > Decimal("1e-12"):
        return t - (1 + t).ln()
    return t * t / 2 - t**3 / 3 + t**4 / 4


def exact_remainder(y):
    y = Decimal(y)
    if abs(y) > Decimal("1e-12"):
        return y.exp() - 1 - y
    return y * y / 2 + y**3 / 6 + y**4 / 24


def assert_relative(value, exact, rtol):
    assert abs(Decimal(float(value)) - exact) <= Decimal(rtol) * exact


@pytest.mark.parametrize("t", [*SIZES[:-60:2], *-SIZES[23:], *SIZES[23:], 3.0, 1e3, 1e15, 1e300])
def test_phi(t):
    assert_relative(phi(t), exact_phi(float(t)), "2e-15" if abs(t) >= 0.3 else "1e-15")


def test_phi_by_subtraction_loses_less_than_three_bits():
    """Just outside the series, where it loses most: 7 times the error of log1p, which is within one unit in the last
    place (2 u), and one rounding. log(1 + t) in place of log1p(t) would lose 20 u more, 1 + t being rounded."""
    for t in np.random.default_rng(0).uniform(0.3, 0.6, 500):
        assert_relative(phi(t), exact_phi(float(t)), 15 * 2.0**-53)


@pytest.mark.parametrize("y", [*SIZES[:-60:2], *-SIZES[23:], *SIZES[23:], -0.5, -1.0, 1.0, -40.0, 40.0, 700.0, -1e300])
def test_expm1_remainder(y):
    assert_relative(expm1_remainder(y), exact_remainder(float(y)), "2e-15" if abs(y) >= 0.5 else "1e-15")


def test_limits():
    assert phi(0.0) == 0.0 and phi(np.inf) == np.inf and phi(-1.0) == np.inf
    assert expm1_remainder(0.0) == 0.0 and expm1_remainder(np.inf) == np.inf and expm1_remainder(-np.inf) == np.inf
    assert expm1_remainder(1e4) == np.inf


def test_phi_takes_the_ratio_where_the_difference_has_lost_it():
    """At t = −1 + 1e-20 the double t is −1; the caller knows that 1 + t is 1e-20."""
    assert phi(-1.0) == np.inf
    assert (
        phi(-1.0, ratio=1e-20)
        == phi(-1.0, log_ratio=np.log(1e-20))
        == pytest.approx(-1.0 + 20 * np.log(10), rel=1e-15, abs=0)
    )


@pytest.mark.parametrize("p", [1e-250, 1e-12, 0.3, 0.999999, 7.0, 1e12])
@pytest.mark.parametrize("factor", [1e-9, 0.5, 0.69, 0.71, 1 - 1e-9, 1.0, 1 + 1e-12, 1.29, 1.31, 2.0, 1e9])
def test_kl_term(p, factor):
    q = p * factor
    a, b = Decimal(p), Decimal(q)
    assert_relative(kl_term(p, q), a * (a / b).ln() - a + b if a != b else Decimal(0), "5e-15")


def test_kl_term_at_zero():
    assert kl_term(0.0, 0.0) == 0.0
    assert kl_term(0.0, 0.25) == 0.25
    assert kl_term(0.25, 0.0) == np.inf


def test_kl_term_where_the_ratio_overflows():
    assert kl_term(0.5, 5e-324) == pytest.approx(0.5 * (np.log(0.5) + 1074 * np.log(2)) - 0.5, rel=1e-14, abs=0)
    assert kl_term(1e-320, 0.5) == pytest.approx(0.5, rel=1e-15, abs=0)


def test_kl_term_takes_a_better_difference_and_logarithm():
    """q − p = 1e-20 cannot be seen in the doubles 0.5 and 0.5; e^−800 cannot be seen at all."""
    assert kl_term(0.5, 0.5, difference=1e-20) == pytest.approx(1e-40, rel=1e-12, abs=0)
    assert kl_term(0.5, 0.0, log_q=-800.0) == pytest.approx(0.5 * (np.log(0.5) + 800) - 0.5, rel=1e-14, abs=0)
    assert kl_term(0.5, 0.0, log_q=-np.inf) == np.inf


def test_arrays_broadcast_and_scalars_stay_scalars():
    t = np.array([-0.9, -1e-8, 0.0, 1e-8, 0.9])
    for function in (phi, expm1_remainder):
        np.testing.assert_allclose(function(t), [function(v) for v in t], rtol=4e-16, atol=0)
        assert np.ndim(function(0.1)) == 0
    assert kl_term(np.full((3, 1), 0.5), np.full(4, 0.2)).shape == (3, 4)


def test_never_negative():
    rng = np.random.default_rng(1)
    t = np.exp(rng.uniform(-700, 0, 100_000)) * rng.choice([-1, 1], 100_000)
    assert np.all(phi(t) >= 0) and np.all(expm1_remainder(t) >= 0)
    p, q = np.exp(rng.uniform(-30, 0, (2, 100_000)))
    assert np.all(kl_term(p, q) >= 0) and np.all(kl_term(p, p * (1 + t * 1e-3)) >= 0)
