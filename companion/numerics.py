r"""Computing KL divergence without losing it: formulas that lose digits, exact values, averages that survive.

What does not lose digits is elsewhere: the remainders are in `companion.special.remainders`, each family's form in
its docstring. Here are the *textbook* formulas, written once and evaluated in two arithmetics, in doubles
(`textbook_kl`) and in eighty decimal digits (`exact_kl`), so that every error is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Decimal, Overflow, localcontext
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, gammaln, psi

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.special import decimals

#: The unit roundoff of doubles, by which a result may be off, relatively, after one operation.
UNIT = 2.0**-53


# --- the textbook formulas ----------------------------------------------------------------------------------------
def _bernoulli(f, p, q):
    return f.cell(p, q) + f.cell(1 - p, 1 - q)


def _normal(f, mp, sp, mq, sq):
    return f.log(sq / sp) + (sp * sp + (mp - mq) * (mp - mq)) / (2 * sq * sq) - f.one / 2


def _exponential(f, r, s):
    return f.log(r / s) + s / r - 1


def _pareto(f, a, x, b, y):
    return _exponential(f, a, b) + b * f.where(x >= y, f.log(x / y), f.inf)


def _weibull(f, k, p, _, q):
    return k * f.log(q / p) + f.exp(k * f.log(p / q)) - 1


def _laplace(f, mp, bp, mq, bq):
    return f.log(bq / bp) + (bp * f.exp(-abs(mp - mq) / bp) + abs(mp - mq)) / bq - 1


def _inverse_gaussian(f, mp, lp, mq, lq):
    return (f.log(lp / lq) + lq / lp + lq * (mp - mq) ** 2 / (mp * mq**2) - 1) / 2


def _gamma(f, a, r, b, s):
    return (a - b) * f.psi(a) - f.gammaln(a) + f.gammaln(b) + b * f.log(r / s) + a * (s - r) / r


def _beta(f, a, b, c, d):
    return f.betaln(c, d) - f.betaln(a, b) + (a - c) * f.psi(a) + (b - d) * f.psi(b) + (c - a + d - b) * f.psi(a + b)


def _dirichlet(f, a, b):
    total, other = (v.sum(axis=-1, keepdims=True) for v in (a, b))
    normalisers = f.gammaln(total) - f.gammaln(other) + (f.gammaln(b) - f.gammaln(a)).sum(axis=-1, keepdims=True)
    return (normalisers + ((a - b) * (f.psi(a) - f.psi(total))).sum(axis=-1, keepdims=True))[..., 0][()]


#: The functions in which a formula is evaluated in doubles; `exact_kl` has its own. `cell` is p log(p/q), as it stands.
DOUBLES = SimpleNamespace(
    log=np.log,
    exp=np.exp,
    gammaln=gammaln,
    betaln=betaln,
    psi=psi,
    one=1,
    inf=np.inf,
    where=np.where,
    cell=lambda p, q: p * np.log(p / q),
)

#: KL(p‖q) of each family as the textbooks print it: (functions, parameters of p, parameters of q) -> number.
TEXTBOOK: dict[str, Callable] = {
    "Bernoulli": lambda f, p, q: _bernoulli(f, *p, *q),
    "Binomial": lambda f, p, q: p[0] * _bernoulli(f, p[1], q[1]),
    "Geometric": lambda f, p, q: _bernoulli(f, *p, *q) / p[0],
    "NegativeBinomial": lambda f, p, q: p[0] * _bernoulli(f, p[1], q[1]) / p[1],
    "Poisson": lambda f, p, q: f.cell(p[0], q[0]) - p[0] + q[0],
    "Normal": lambda f, p, q: _normal(f, *p, *q),
    "LogNormal": lambda f, p, q: _normal(f, *p, *q),
    "Exponential": lambda f, p, q: _exponential(f, *p, *q),
    "Pareto": lambda f, p, q: _pareto(f, *p, *q),
    "Weibull": lambda f, p, q: _weibull(f, *p, *q),
    "Laplace": lambda f, p, q: _laplace(f, *p, *q),
    "InverseGaussian": lambda f, p, q: _inverse_gaussian(f, *p, *q),
    "Gamma": lambda f, p, q: _gamma(f, *p, *q),
    "Beta": lambda f, p, q: _beta(f, *p, *q),
    "Dirichlet": lambda f, p, q: _dirichlet(f, *p, *q),
}


def textbook_kl(p: ExponentialFamily, q: ExponentialFamily, dtype: Any = float) -> np.ndarray | np.floating:
    r"""KL(p‖q) by the textbook formula, every operation rounded to `dtype`.

    Close to p = q it loses digits like :math:`u/d^2`, u being the unit roundoff and d the relative distance of the two,
    and may be negative; 0 log 0 is NaN. It is here to be compared with, never to be used.

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
    ValueError
        If they differ in a parameter that the formula holds fixed, or `dtype` is another one.

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
    if not (
        isinstance(dtype, (type, str, np.dtype)) and dtype in (float, np.float64, np.float32, "float64", "float32")
    ):
        checks.fail("textbook_kl", "dtype", dtype, "float or numpy.float32", "Leave it out for double precision.")
    with np.errstate(all="ignore"):
        return _evaluate(DOUBLES, p, q, lambda v: np.asarray(v, dtype=dtype)[()])


def _check_member(where, p, among=()):
    known = isinstance(p, ExponentialFamily) and not p._made_by and (not among or type(p).__name__ in among)
    if not known:
        names = ", ".join(among) or "companion.families"
        fix = "For all others there is `companion.kl_divergence`."
        checks.fail(where, "p", p, f"a member of one of {names}, given by its ordinary parameters", fix, TypeError)


def _check_pair(where, p, q, among=tuple(TEXTBOOK)):
    _check_member(where, p, among)
    if type(q) is not type(p) or q._made_by:
        name = type(p).__name__
        fix = "For two different families call `companion.kl_divergence`."
        checks.fail(where, "q", q, f"another {name}, given by its ordinary parameters", fix, TypeError)
    p._check_same_family(q)


def _evaluate(functions, p, q, number):
    return TEXTBOOK[type(p).__name__](functions, *([number(d.parameter(n)) for n in d.parameter_names] for d in (p, q)))


# --- exact values -------------------------------------------------------------------------------------------------
def eighty_digits():
    """A context for ``with``, in which operations of `decimal` keep eighty digits.

    >>> with eighty_digits():
    ...     print(1 - 3 * (Decimal(1) / 3))
    1E-80
    """
    return localcontext(prec=80)


def exact_kl(p: ExponentialFamily, q: ExponentialFamily) -> Decimal:
    r"""KL(p‖q) of the very doubles given: the textbook formula in eighty digits, and as many more as the largest power
    of ten among the parameters has, upwards or downwards.

    Cancellation costs about :math:`2\log_{10}(1/d)` of them, so that forty or more remain for every pair of doubles.
    ``Infinity`` where q excludes what p allows.

    Raises
    ------
    TypeError, ValueError
        As `textbook_kl`, and for batches.

    Examples
    --------
    >>> from companion.families import Normal, Pareto, Poisson
    >>> print(f"{exact_kl(Poisson(1.0), Poisson(2.0)):.30f}")     # 1 − log 2
    0.306852819440054690582767878542
    >>> print(f"{exact_kl(Normal(0.0, 1.0), Normal(0.0, 1.0 + 2.0**-40)):.12e}")     # 2^-80, less a little
    8.271806125518e-25
    >>> print(f"{exact_kl(Pareto(1.0, 2.0), Pareto(1.0, 1.0)):.6f}", exact_kl(Pareto(1.0, 1.0), Pareto(1.0, 2.0)))
    0.693147 Infinity
    """
    _check_pair("exact_kl", p, q)
    if shape := p.batch_shape or q.batch_shape:
        checks.fail("exact_kl", "shape of the batch", shape, "()", "Call it for one pair at a time.")
    values = np.concatenate([np.ravel(d.parameter(n)) for d in (p, q) for n in d.parameter_names])
    powers = np.abs(np.log10(np.abs(values[values != 0]), dtype=float))
    with localcontext(prec=80 + int(powers.max(initial=0.0)), Emin=MIN_EMIN, Emax=MAX_EMAX):
        try:
            return _evaluate(_DECIMALS, p, q, np.frompyfunc(lambda v: Decimal(float(v)), 1, 1))
        except Overflow:
            expected, fix = "a pair whose divergence has fewer than 10^18 digits", "Bring the two closer together."
            checks.fail("exact_kl", "q", q, expected, fix)


_DECIMALS = SimpleNamespace(
    log=Decimal.ln,
    exp=Decimal.exp,
    gammaln=np.frompyfunc(decimals.log_gamma, 1, 1),
    betaln=decimals.log_beta,
    psi=np.frompyfunc(decimals.psi, 1, 1),
    one=Decimal(1),
    inf=Decimal("Infinity"),
    where=lambda condition, yes, no: yes if condition else no,
    cell=decimals.cell,
)


def relative_error(value: float, exact: Decimal | Fraction) -> float:
    """Relative error of a double against an exact `Decimal` or `Fraction` that is not zero.

    NaN is infinitely wrong; of infinite values only equal ones are right.

    >>> relative_error(0.5, Decimal("0.4"))
    0.25
    >>> relative_error(np.nan, Decimal("0.4")), relative_error(np.inf, Decimal("Infinity"))
    (inf, 0.0)
    """
    fix = "Pass one float, and what `exact_kl` or `exact_moments` returns."
    if (value := checks.numbers("relative_error", "value", value, fix)).ndim:
        checks.fail("relative_error", "shape of value", value.shape, "()", fix, TypeError)
    if not isinstance(exact, (Decimal, Fraction)):
        checks.fail("relative_error", "exact", exact, "a Decimal or a Fraction", fix, TypeError)
    if exact == 0 or exact != exact:
        checks.fail("relative_error", "exact", exact, "a number other than 0", "Compare with zero by its size.")
    value = float(value)
    if not math.isfinite(value) or exact in (Decimal("Infinity"), -Decimal("Infinity")):
        return 0.0 if value == float(exact) else math.inf
    kind: Any = type(exact)
    return float(abs(kind(value) - exact) / abs(exact))


def nearby(p: ExponentialFamily, d: float) -> ExponentialFamily:
    """The member of the family of `p` whose estimated parameters are those of p times 1 + `d`.

    >>> from companion.families import Gamma
    >>> nearby(Gamma(2.0, 4.0), 0.5)
    Gamma(shape=3.0, rate=6.0)
    """
    _check_member("nearby", p)
    d = checks.scalar("nearby", "d", d, "Pass a relative distance, e.g. 1e-6.")
    if d <= -1:
        checks.fail("nearby", "d", d, "a number above -1", "Pass a relative distance, e.g. 1e-6.")
    with np.errstate(over="ignore"):  # the constructor refuses infinite parameters
        values = {n: p.parameter(n) * (1 if n in p.fixed_names else 1 + d) for n in p.parameter_names}
    return type(p)(**values)


# --- KL as an integral --------------------------------------------------------------------------------------------
def fisher_integral(p: ExponentialFamily, q: ExponentialFamily, nodes: int = 16) -> float:
    r"""KL(p‖q) as accumulated Fisher information, by Gauss–Legendre with `nodes` nodes:

    .. math:: \mathrm{KL}(p\|q) = \int_0^1 (1-t)\,\delta^\top F(\eta_p + t\delta)\,\delta\,\mathrm{d}t,
              \qquad \delta = \eta_q - \eta_p .

    All terms are positive. The error falls geometrically with the nodes: like :math:`\rho^{-2n}` if F, continued to the
    complex plane, is singular first at :math:`t = \tau`, with :math:`\rho` the larger of :math:`|x \pm \sqrt{x^2-1}|`,
    :math:`x = 2\tau - 1`: large where q is many times nearer to an edge than p, or the reverse, and nothing tells so.

    Raises
    ------
    TypeError, ValueError
        If the two are not single members of one exponential family, with natural parameters inside its space.

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
    where, fix = "fisher_integral", "Between other pairs call `companion.kl_divergence`."
    if not isinstance(p, ExponentialFamily):
        checks.fail(where, "p", p, "a member of an exponential family of companion.families", fix, TypeError)
    if type(q) is not type(p):
        checks.fail(where, "q", q, f"another {type(p).__name__}", fix, TypeError)
    for name in p.fixed_names:
        if not np.array_equal(p.parameter(name), q.parameter(name)):
            expected = f"{checks.describe(p.parameter(name))}, as in p"
            checks.fail(where, f"{name} of q", q.parameter(name), expected, fix)
    for name, side in (("p", p), ("q", q)):
        if side.batch_shape:
            checks.fail(where, f"batch of {name}", side.batch_shape, "()", "Call it for one pair at a time.")
    nodes = checks.positive_integer(where, "nodes", nodes, "Pass the number of nodes, e.g. 16.")
    t, w = np.polynomial.legendre.leggauss(nodes)
    t, w = (t + 1) / 2, w / 2
    fixed = {name: p.parameter(name) for name in p.fixed_names}
    eta, delta = p.natural_parameters(), q.natural_parameters() - p.natural_parameters()
    with np.errstate(all="ignore"):
        on_the_way = (type(p).from_natural(eta + s * delta, **fixed).fisher_information() for s in t)
        value = float(
            sum(weight * (delta @ information @ delta) for weight, information in zip(w * (1 - t), on_the_way))
        )
    if not math.isfinite(value):
        expected = f"a pair with Fisher information in the range of doubles all the way from {checks.describe(p)}"
        checks.fail(where, "q", q, expected, fix)
    return value


# --- averages that lose everything --------------------------------------------------------------------------------
def running_total(x: ArrayLike) -> np.float64:
    """Sum of `x` from left to right, every partial sum rounded; `numpy.sum` adds in another order, with smaller errors.

    >>> float(running_total([1e16, 1.0, -1e16])), float(running_total([1e16, -1e16, 1.0]))
    (0.0, 1.0)
    """
    return np.add.accumulate(_sample("running_total", x))[-1]


def exact_moments(x: ArrayLike, ddof: int = 0) -> tuple[Fraction, Decimal]:
    """Mean (a `Fraction`) and standard deviation (a `Decimal`) of the very doubles in `x`, dividing by n − `ddof`.

    >>> mean, sd = exact_moments([1.0, 2.0, 3.0, 6.0])
    >>> mean, round(sd, 12)
    (Fraction(3, 1), Decimal('1.870828693387'))
    """
    x = [Fraction(float(v)) for v in _sample("exact_moments", x)]
    if not isinstance(ddof, (int, np.integer)) or isinstance(ddof, bool) or ddof not in range(len(x)):
        expected = f"a whole number from 0 to {len(x) - 1}, less than the number of observations"
        checks.fail("exact_moments", "ddof", ddof, expected, "Pass 0, or 1 for a standard deviation over n − 1.")
    mean = sum(x, Fraction()) / len(x)
    variance = sum(((v - mean) ** 2 for v in x), Fraction()) / (len(x) - ddof)
    with eighty_digits():
        return mean, (Decimal(variance.numerator) / variance.denominator).sqrt()


def _sample(where, x):
    fix = "Pass finite observations as an array of shape (n,)."
    return checks.finite(where, "x", checks.sample(where, x, None, 0, fix)[0], fix)


def num_acc(number: int) -> np.ndarray:
    """NIST's test data for a mean and a standard deviation, NumAcc1 to NumAcc4, made by their published rule.

    NumAcc1 is 10000001, 10000003, 10000002. The others have 1001 values: a middle (1.2, 1000000.2 or 10000000.2), then
    500 times the pair middle − 0.1, middle + 0.1. The certified mean is the middle and the certified standard
    deviation, dividing by n − 1, is 0.1 (for NumAcc1: 10000002 and 1).

    References
    ----------
    NIST (2003), Statistical Reference Datasets, univariate summary statistics.

    Examples
    --------
    >>> num_acc(4)[:4].tolist(), len(num_acc(4))
    ([10000000.2, 10000000.1, 10000000.3, 10000000.1], 1001)
    """
    if not isinstance(number, (int, np.integer)) or isinstance(number, bool) or number not in (1, 2, 3, 4):
        checks.fail("num_acc", "number", number, "1, 2, 3 or 4", "Pass the number in the name, e.g. 4 for NumAcc4.")
    if number == 1:
        return np.array([10000001.0, 10000003.0, 10000002.0])
    rule = {2: (1.2, 1.1, 1.3), 3: (1000000.2, 1000000.1, 1000000.3), 4: (10000000.2, 10000000.1, 10000000.3)}
    middle, low, high = rule[number]
    return np.array([middle, *[low, high] * 500])
