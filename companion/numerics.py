r"""Computing KL without losing it: formulas that lose digits, exact values to judge them by, and averages that survive.

The module of the chapter *Computing KL without losing it*. What does not lose digits is elsewhere: the remainders are in
`companion.remainders`, each family's form in its file. Here are the *textbook* formulas, written once and evaluated in
two arithmetics, in doubles (`textbook_kl`) and in eighty decimal digits (`exact_kl`), so that every error is a number.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from scipy.special import betaln, gammaln, psi

from companion import checks
from companion.residuals import fisher_along

#: The unit roundoff of doubles, by which a result may be off, relatively, after one operation.
UNIT = 2.0**-53


# --- the textbook formulas ----------------------------------------------------------------------------------------
def _bernoulli(f, p, q):
    return p * f.log(p / q) + (1 - p) * f.log((1 - p) / (1 - q))


def _normal(f, mp, sp, mq, sq):
    return f.log(sq / sp) + (sp * sp + (mp - mq) * (mp - mq)) / (2 * sq * sq) - f.one / 2


def _exponential(f, r, s):
    return f.log(r / s) + s / r - 1


def _weibull(f, p, q, k):
    return k * f.log(q / p) + f.exp(k * f.log(p / q)) - 1


def _laplace(f, mp, bp, mq, bq):
    return f.log(bq / bp) + (bp * f.exp(-abs(mp - mq) / bp) + abs(mp - mq)) / bq - 1


def _inverse_gaussian(f, mp, lp, mq, lq):
    return (f.log(lp / lq) + lq / lp + lq * (mp - mq) ** 2 / (mp * mq**2) - 1) / 2


def _gamma(f, a, r, b, s):
    return (a - b) * f.psi(a) - f.gammaln(a) + f.gammaln(b) + b * f.log(r / s) + a * (s - r) / r


def _beta(f, a, b, c, d):
    return f.betaln(c, d) - f.betaln(a, b) + (a - c) * f.psi(a) + (b - d) * f.psi(b) + (c - a + d - b) * f.psi(a + b)


#: The functions in which a formula is evaluated in doubles; `exact_kl` has its own.
DOUBLES = SimpleNamespace(log=np.log, exp=np.exp, gammaln=gammaln, betaln=betaln, psi=psi, one=1)

#: KL(p‖q) of each family as the textbooks print it: (functions, parameters of p, parameters of q) -> number.
TEXTBOOK = {
    "Bernoulli": lambda f, p, q: _bernoulli(f, *p, *q),
    "Binomial": lambda f, p, q: p[0] * _bernoulli(f, p[1], q[1]),
    "Geometric": lambda f, p, q: _bernoulli(f, *p, *q) / p[0],
    "NegativeBinomial": lambda f, p, q: p[0] * _bernoulli(f, p[1], q[1]) / p[1],
    "Poisson": lambda f, p, q: p[0] * f.log(p[0] / q[0]) - p[0] + q[0],
    "Normal": lambda f, p, q: _normal(f, *p, *q),
    "LogNormal": lambda f, p, q: _normal(f, *p, *q),
    "Exponential": lambda f, p, q: _exponential(f, *p, *q),
    "Pareto": lambda f, p, q: _exponential(f, p[0], q[0]),
    "Weibull": lambda f, p, q: _weibull(f, p[1], q[1], p[0]),
    "Laplace": lambda f, p, q: _laplace(f, *p, *q),
    "InverseGaussian": lambda f, p, q: _inverse_gaussian(f, *p, *q),
    "Gamma": lambda f, p, q: _gamma(f, *p, *q),
    "Beta": lambda f, p, q: _beta(f, *p, *q),
}


def textbook_kl(p, q, dtype=float):
    r"""KL(p‖q) by the textbook formula, every operation rounded to `dtype`.

    Close to p = q it loses digits like :math:`u/d^2`, u being the unit roundoff and d the relative distance of the two,
    and may be negative. It is here to be compared with, never to be used.

    Parameters
    ----------
    p, q : ExponentialFamily
        Members of one family of `TEXTBOOK`; batches broadcast.
    dtype : type
        ``float`` or ``numpy.float32``.

    Raises
    ------
    TypeError
        If there is no textbook formula for the two.

    References
    ----------
    Higham (2002), section 1.7, on cancellation.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> round(float(textbook_kl(Poisson(1.0), Poisson(2.0))), 6)
    0.306853
    >>> q = Poisson(1.3 * (1 + 1e-8))
    >>> print(f"{textbook_kl(Poisson(1.3), q):.2e}, exactly {exact_kl(Poisson(1.3), q):.2e}")
    2.22e-16, exactly 6.50e-17
    """
    _check_pair("textbook_kl", p, q)
    with np.errstate(all="ignore"):
        return _evaluate(DOUBLES, p, q, lambda v: np.asarray(v, dtype=dtype)[()])


def _check_pair(where, p, q):
    if type(p).__name__ not in TEXTBOOK or p._constructor or getattr(q, "_constructor", ""):
        checks.fail(
            where,
            "p",
            p,
            f"a member of one of {', '.join(TEXTBOOK)}, given by its ordinary parameters",
            "For the others there is `kl_divergence`.",
            TypeError,
        )
    p._check_same_family(q)


def _evaluate(functions, p, q, number):
    return TEXTBOOK[type(p).__name__](
        functions, *([number(d._parameter(n)) for n in d.parameter_names] for d in (p, q))
    )


# --- exact values -------------------------------------------------------------------------------------------------
def eighty_digits():
    """A context for ``with``, in which operations of `decimal` keep eighty digits.

    >>> with eighty_digits():
    ...     print(1 - 3 * (Decimal(1) / 3))
    1E-80
    """
    return localcontext(prec=80)


def exact_kl(p, q):
    r"""KL(p‖q) of the very doubles given, as a `decimal.Decimal`: the textbook formula in eighty digits.

    Cancellation costs about :math:`2\log_{10}(1/d)` of them, so that forty or more remain for every pair of doubles.

    Examples
    --------
    >>> from companion.families import Normal, Poisson
    >>> print(f"{exact_kl(Poisson(1.0), Poisson(2.0)):.30f}")     # 1 − log 2
    0.306852819440054690582767878542
    >>> print(f"{exact_kl(Normal(0.0, 1.0), Normal(0.0, 1.0 + 2.0**-40)):.12e}")     # 2^-80, less a little
    8.271806125518e-25
    """
    functions = SimpleNamespace(
        log=Decimal.ln, exp=Decimal.exp, gammaln=_log_gamma, betaln=_log_beta, psi=_psi, one=Decimal(1)
    )
    _check_pair("exact_kl", p, q)
    if p.batch_shape or q.batch_shape:
        checks.fail(
            "exact_kl", "shape of the batch", p.batch_shape or q.batch_shape, "()", "Call it for one pair at a time."
        )
    with eighty_digits():
        return _evaluate(functions, p, q, lambda v: Decimal(float(v)))


_SHIFT = 150  # Stirling's series at a + 150 has more than eighty digits


@lru_cache(maxsize=1)
def _bernoulli_numbers():
    """B_2, B_4, …, B_80, by Σ_j C(m+1, j) B_j = 0."""
    b = [Fraction(1)]
    for m in range(1, 81):
        b.append(-sum(math.comb(m + 1, j) * b[j] for j in range(m)) / (m + 1))
    return [Decimal(v.numerator) / v.denominator for v in b[2::2]]


def _log_gamma(a):
    x = a + _SHIFT
    series = sum(b / (k * (k - 1) * x ** (k - 1)) for k, b in zip(range(2, 82, 2), _bernoulli_numbers()))
    # ½ log 2π is left out: it cancels in every KL
    return (x - Decimal("0.5")) * x.ln() - x + series - math.prod(a + j for j in range(_SHIFT)).ln()


def _log_beta(a, b):
    return _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)


def _psi(a):
    x = a + _SHIFT
    series = sum(b / (k * x**k) for k, b in zip(range(2, 82, 2), _bernoulli_numbers()))
    return x.ln() - 1 / (2 * x) - series - sum(1 / (a + j) for j in range(_SHIFT))


def relative_error(value, exact):
    """Relative error of a double against an exact `Decimal` (or `Fraction`) that is not zero.

    >>> relative_error(0.5, Decimal("0.4"))
    0.25
    """
    if isinstance(exact, Fraction):
        return float(abs(Fraction(float(value)) - exact) / abs(exact))
    return float(abs(Decimal(float(value)) - exact) / abs(exact)) if np.isfinite(value) else math.inf


def nearby(p, d):
    """The member of the family of `p` whose estimated parameters are those of p times 1 + `d`.

    >>> from companion.families import Gamma
    >>> nearby(Gamma(2.0, 4.0), 0.5)
    Gamma(shape=3.0, rate=6.0)
    """
    values = {n: p._parameter(n) * (1 if n in p.fixed_names else 1 + d) for n in p.parameter_names}
    return type(p)(**values)


# --- KL as an integral --------------------------------------------------------------------------------------------
def fisher_integral(p, q, nodes=16):
    r"""KL(p‖q) as accumulated Fisher information, by Gauss–Legendre with `nodes` nodes:

    .. math:: \mathrm{KL}(p\|q) = \int_0^1 (1-t)\,\delta^\top F(\eta_p + t\delta)\,\delta\,\mathrm{d}t,
              \qquad \delta = \eta_q - \eta_p .

    All terms are positive. The error falls geometrically with the number of nodes; it is large where q lies many times
    nearer to the edge of the natural parameter space than p, or the reverse. `ExponentialFamily.kl_divergence` is this
    with 16 nodes, for a family that states no form of its own.

    References
    ----------
    Trefethen (2008), on the error of the quadrature.

    Examples
    --------
    >>> from companion.families import Gamma
    >>> p, q = Gamma(2.0, 1.0), Gamma(2.0 + 1e-9, 1.0)
    >>> relative_error(fisher_integral(p, q), exact_kl(p, q)) < 1e-14
    True
    """
    nodes = int(checks.whole("fisher_integral", "nodes", nodes, 1, "Pass the number of nodes, e.g. 16."))
    t, w = np.polynomial.legendre.leggauss(nodes)
    t, w = (t + 1) / 2, w / 2
    return float(np.sum(w * (1 - t) * fisher_along(p, q, t)))


# --- averages that lose everything --------------------------------------------------------------------------------
def running_total(x):
    """Sum of `x` from left to right, every partial sum rounded; `numpy.sum` adds in another order, with smaller errors.

    >>> float(running_total([1e16, 1.0, -1e16])), float(running_total([1e16, -1e16, 1.0]))
    (0.0, 1.0)
    """
    return np.add.accumulate(np.asarray(x, dtype=float))[-1]


def raw_moments(x, total=running_total):
    r"""Mean and standard deviation from raw moments, :math:`\sigma^2 = \mathrm{E}[x^2] - \mathrm{E}[x]^2`: the formula
    that loses :math:`(\mu/\sigma)^2` times the unit roundoff, and may end in the root of a negative number (NaN).

    `total` adds up: pass ``math.fsum`` to add without rounding. That removes the largest error, not the last one: the squares
    and the two averages are still rounded.

    >>> raw_moments([1.0, 2.0, 3.0, 6.0])
    (3.0, 1.8708286933869707)
    >>> raw_moments(num_acc(4))[1]     # the standard deviation is 0.1
    nan
    """
    x = _sample("raw_moments", x)
    mean = total(x) / x.size
    variance = total(x * x) / x.size - mean * mean
    return float(mean), math.sqrt(variance) if variance >= 0 else math.nan


def exact_moments(x, ddof=0):
    """Mean (a `Fraction`) and standard deviation (a `Decimal`) of the very doubles in `x`, dividing by n − `ddof`.

    >>> mean, sd = exact_moments([1.0, 2.0, 3.0, 6.0])
    >>> mean, round(sd, 12)
    (Fraction(3, 1), Decimal('1.870828693387'))
    """
    x = [Fraction(float(v)) for v in _sample("exact_moments", x)]
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / (len(x) - ddof)
    with eighty_digits():
        return mean, (Decimal(variance.numerator) / variance.denominator).sqrt()


def _sample(where, x):
    fix = "Pass finite observations as an array of shape (n,)."
    return checks.finite(where, "x", checks.sample(where, x, None, 0, fix)[0], fix)


def num_acc(number):
    """NIST's test data for a mean and a standard deviation, NumAcc1 to NumAcc4, made by their published rule.

    NumAcc1 is 10000001, 10000003, 10000002. The others have 1001 values: a middle (1.2, 1000000.2 or 10000000.2), then
    500 times the pair middle − 0.1, middle + 0.1. The certified mean is the middle and the certified standard deviation,
    dividing by n − 1, is 0.1 (for NumAcc1: 10000002 and 1).

    References
    ----------
    NIST (2003), Statistical Reference Datasets, univariate summary statistics.

    Examples
    --------
    >>> num_acc(4)[:4].tolist(), len(num_acc(4))
    ([10000000.2, 10000000.1, 10000000.3, 10000000.1], 1001)
    """
    if number == 1:
        return np.array([10000001.0, 10000003.0, 10000002.0])
    rule = {2: (1.2, 1.1, 1.3), 3: (1000000.2, 1000000.1, 1000000.3), 4: (10000000.2, 10000000.1, 10000000.3)}
    if number not in rule:
        checks.fail("num_acc", "number", number, "1, 2, 3 or 4", "Pass the number in the name, e.g. 4 for NumAcc4.")
    middle, low, high = rule[number]
    return np.array([middle, *[low, high] * 500])
