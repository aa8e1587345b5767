"""The three remainders against exact rational series and 60-digit decimals, on both sides of every switch."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from companion.special.remainders import expm1_remainder, kl_term, log_ratio, phi, phi_of, phi_of_squares, stirling

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
    assert kl_term(0.5, 0.5, difference=1e-20, log_q=np.log(0.5)) == pytest.approx(1e-40, rel=1e-12, abs=0)
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


# --- functions of two numbers, alone and in arrays of every length, near and extreme pairs side by side ---------------
PAIRS = [(1.0 + t, 1.0) for t in (0.0, 1e-9, -1e-9, 0.3, -0.3, 0.49, -0.49, 0.5, -0.5, 0.51, -0.51, 2.0, 9e9, -0.999)]
PAIRS += [(3e-9, 2.0), (7.0, 2e-9), (1.1e-310, 1e-310), (3e200, 2e199), (1e-200, 1e-190), (1e-170, 1e140)]
EXTREME = [(1e-200, 1e200), (1e200, 1e-200), (3e-320, 1.0), (2.0, 1e-308), (1e-305, 2e4)]
TWO = {
    "phi_of": (phi_of, lambda q, p: q / p - 1 - (q / p).ln()),
    "phi_of_squares": (phi_of_squares, lambda q, p: (q / p) ** 2 - 1 - 2 * (q / p).ln()),
    "log_ratio": (log_ratio, lambda q, p: (q / p).ln()),
    "kl_term": (lambda q, p: kl_term(p, q), lambda q, p: p * (p / q).ln() - p + q),
}


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS + EXTREME, [*EXTREME[:2], *PAIRS[:5]], (PAIRS + EXTREME) * 20])
def test_functions_of_two_numbers_beside_extreme_ones(name, pairs):
    function, exact = TWO[name]
    wanted = [float(exact(Decimal(q), Decimal(p))) for q, p in pairs]
    q, p = np.array(pairs).T
    together, alone = function(q, p), [function(*pair) for pair in pairs[:25]]
    # next to the least double, a term p log p/q − p + q has no more digits than p itself
    np.testing.assert_allclose(together, wanted, rtol=3e-15, atol=1e-322)
    np.testing.assert_allclose(alone, wanted[:25], rtol=3e-15, atol=1e-322)


@pytest.mark.parametrize("copies", [1, 3])
def test_stirlings_remainder_of_whole_numbers(copies):
    """From exact factorials: R(k) = log k! − (k + ½) log k + k − ½ log 2π."""
    two_pi = Decimal("6.283185307179586476925286766559005768394338798750211641949889")
    k = [*range(1, 30), 100, 1000, 3000]
    log_factorial = [Decimal(math.factorial(n)).ln() for n in k]
    exact = [f - (n + Decimal("0.5")) * Decimal(n).ln() + n - two_pi.ln() / 2 for n, f in zip(k, log_factorial)]
    error = [2e-15 if n < 10 else 1e-18 for n in k]  # below 10 by a subtraction, of which nothing is lost but u
    for values in (stirling(np.array(k * copies, dtype=float))[: len(k)], [stirling(float(n)) for n in k]):
        assert all(
            abs(Decimal(float(v)) - e) <= Decimal(a) + Decimal("3e-16") * e for v, e, a in zip(values, exact, error)
        )
