"""SciPy's log-densities where the library has only a density, loses digits far out, or floors its argument."""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from companion.special.counts import log_binomial, log_negative_binomial, log_poisson
from companion.special.remainders import kl_term, stirling

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LOG_PI = math.log(math.pi)


def _log1p_square(x):
    """log(1 + x^2) without overflow."""
    x = np.abs(x)
    return np.where(x > 1e8, 2 * np.log(x), np.log1p(x * x))


def _triangle(y, c):
    return math.log(2) + np.where(y < c, np.log(y) - np.log(c), np.log1p(-y) - np.log1p(-c))


def _trapezoid(y, c, d):
    log_height = np.log(2 / (d - c + 1))
    return log_height + np.where(y < c, np.log(y) - np.log(c), np.where(y <= d, 0.0, np.log1p(-y) - np.log1p(-d)))


def _gamma(x, a):
    if a < 16:
        return special.xlogy(a - 1, x) - x - special.gammaln(a)
    return log_poisson(a, x) + np.log(a) - np.log(x)


def _beta(x, a, b):
    if min(a, b) < 16:
        return special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
    n = a + b
    return (
        stirling(n)
        - stirling(a)
        - stirling(b)
        - kl_term(a, n * x)
        - kl_term(b, n * (1 - x))
        - _HALF_LOG_2PI
        + (np.log(a) + np.log(b) - np.log(n)) / 2
        - np.log(x)
        - np.log1p(-x)
    )


def _johnson_sb(y, a, b):
    logit = np.log(y) - np.log1p(-y)
    return np.log(b) - np.log(y) - np.log1p(-y) - _HALF_LOG_2PI - (a + b * logit) ** 2 / 2


def _skellam(k, a, b):
    z, m = 2 * np.sqrt(a * b), np.abs(k)
    return -((np.sqrt(a) - np.sqrt(b)) ** 2) + k / 2 * np.log(a / b) + _log_scaled_bessel(m, z)


def _log_scaled_bessel(m, z):
    """log I_m(z) - z where the function itself may underflow: Debye's expansion (DLMF 10.41.3) for large orders, the
    power series for small arguments."""
    with np.errstate(all="ignore"):
        value = np.log(special.ive(m, z))
        order = np.where(m > 200, m, 200.0)
        ratio = z / order
        root = np.sqrt(1 + ratio * ratio)
        t = 1 / root
        t2 = t * t
        gap = 1 / (root + ratio)
        debye = order * (gap - np.log1p((1 + gap) / ratio)) - 0.5 * np.log(2 * np.pi * order * root)
        u1 = t * (3 - 5 * t2) / 24
        u2 = t2 * (81 - 462 * t2 + 385 * t2**2) / 1152
        u3 = t * t2 * (30375 - 369603 * t2 + 765765 * t2**2 - 425425 * t2**3) / 414720
        debye += np.log1p((u1 + (u2 + u3 / order) / order) / order)
        low = np.where(m > 200, 1.0, m)
        series = (
            low * np.log(z / 2) - special.gammaln(low + 1) + np.log(special.hyp0f1(low + 1, min(z, 200.0) ** 2 / 4)) - z
        )
        return np.where(m > 200, debye, np.where((value > -600) | (z > 200), value, series))


def _log_beta(k, a):
    """log B(k, a) for moderate a, however large k is."""
    large = np.maximum(k, 16.0)
    ratio = (large - 0.5) * np.log1p(a / large) + a * np.log(large + a) - a + stirling(large + a) - stirling(large)
    return np.where(k < 16, special.betaln(k, a), special.gammaln(a) - ratio)


def _log_choose(n, k):
    return -np.log(n + 1) - special.betaln(n - k + 1, k + 1)


#: Standard log-density by name.
LOG_DENSITY = {
    "arcsine": lambda x: -_LOG_PI - (np.log(x) + np.log1p(-x)) / 2,
    "beta": _beta,
    "burr": lambda x, c, d: np.log(c * d) - (c + 1) * np.log(x) - (d + 1) * np.logaddexp(0, -c * np.log(x)),
    "burr12": lambda x, c, d: np.log(c * d) + (c - 1) * np.log(x) - (d + 1) * np.logaddexp(0, c * np.log(x)),
    "cauchy": lambda x: -_LOG_PI - _log1p_square(x),
    "fisk": lambda x, c: np.log(c) - (c + 1) * np.log(x) - 2 * np.logaddexp(0, -c * np.log(x)),
    "foldcauchy": lambda x, c: -_LOG_PI + np.logaddexp(-_log1p_square(x - c), -_log1p_square(x + c)),
    "foldnorm": lambda x, c: -_HALF_LOG_2PI + np.logaddexp(-((x - c) ** 2) / 2, -((x + c) ** 2) / 2),
    "chi2": lambda x, df: _gamma(x / 2, df / 2) - math.log(2),
    "erlang": _gamma,
    "gamma": _gamma,
    "halfcauchy": lambda x: math.log(2) - _LOG_PI - _log1p_square(x),
    "hypsecant": lambda x: math.log(2) - _LOG_PI - np.abs(x) - np.log1p(np.exp(-2 * np.abs(x))),
    "invweibull": lambda x, c: np.log(c) - (c + 1) * np.log(x) - x**-c,
    "johnsonsb": _johnson_sb,
    "johnsonsu": lambda x, a, b: np.log(b) - _HALF_LOG_2PI - _log1p_square(x) / 2 - (a + b * np.arcsinh(x)) ** 2 / 2,
    "kappa3": lambda x, a: np.log(a) - (a + 1) / a * np.logaddexp(np.log(a), a * np.log(x)),
    "laplace": lambda x: -math.log(2) - np.abs(x),
    "levy": lambda x: -_HALF_LOG_2PI - 1.5 * np.log(x) - 1 / (2 * x),
    "levy_l": lambda x: -_HALF_LOG_2PI - 1.5 * np.log(-x) + 1 / (2 * x),
    "loglaplace": lambda x, c: np.log(c / 2) + np.where(x < 1, c - 1, -c - 1) * np.log(x),
    "moyal": lambda x: -_HALF_LOG_2PI - (x + np.exp(-x)) / 2,
    "pareto": lambda x, b: np.log(b) - (b + 1) * np.log(x),
    "rice": lambda x, b: np.log(x) - (x - b) ** 2 / 2 + np.log(special.i0e(x * b)),
    "skewcauchy": lambda x, a: -_LOG_PI - _log1p_square(x / (1 + a * np.sign(x))),
    "t": lambda x, df: (
        stats.norm._logpdf(x)
        if np.isinf(df)
        else (
            np.log(special.poch(df / 2, 0.5))
            - (np.log(df) + _LOG_PI) / 2
            - (df + 1) / 2 * _log1p_square(x / np.sqrt(df))
        )
    ),
    "trapezoid": _trapezoid,
    "triang": _triangle,
    "betabinom": lambda k, n, a, b: _log_choose(n, k) + special.betaln(k + a, n - k + b) - special.betaln(a, b),
    "binom": log_binomial,
    "boltzmann": lambda k, r, n: np.log(special.expm1(-r) / special.expm1(-r * n)) - r * k,
    "dlaplace": lambda k, a: np.log(np.tanh(a / 2)) - a * np.abs(k),
    "logser": lambda k, p: k * np.log(p) - np.log(k) - np.log(-np.log1p(-p)),
    "nbinom": log_negative_binomial,
    "planck": lambda k, r: np.log(-special.expm1(-r)) - r * k,
    "poisson": log_poisson,
    "randint": lambda k, low, high: np.full(np.shape(k), -np.log(high - low)),
    "skellam": _skellam,
    "yulesimon": lambda k, a: np.log(a) + _log_beta(k, a + 1),
    "zipf": lambda k, a: -a * np.log(k) - np.log(special.zeta(a, 1)),
    "zipfian": lambda k, a, n: -a * np.log(k) + stats.zipfian._logpmf(np.ones(1), a, n),
}

#: Standard log-density as a function of the distance from the left and from the right end of the support.
FROM_ENDS = {
    "anglit": 2 * (lambda y: np.log(np.sin(2 * y)),),
    "arcsine": 2 * (LOG_DENSITY["arcsine"],),
    "beta": (_beta, lambda y, a, b: _beta(y, b, a)),
    "cosine": 2 * (lambda y: 2 * np.log(np.sin(y / 2)) - _LOG_PI,),
    "genextreme": (None, lambda y, c: (1 / c - 1) * np.log(c * y) - (c * y) ** (1 / c)),
    "genpareto": (None, lambda y, c: -(1 + 1 / c) * np.log(-c * y)),
    "johnsonsb": (_johnson_sb, lambda y, a, b: _johnson_sb(y, -a, b)),
    "pareto": (lambda y, b: np.log(b) - (b + 1) * np.log1p(y), None),
    "powerlaw": (None, lambda y, a: np.log(a) + (a - 1) * np.log1p(-y)),
    "rdist": 2 * (lambda y, c: _beta(y / 2, c / 2, c / 2) - math.log(2),),
    "semicircular": 2 * (lambda y: math.log(2) - _LOG_PI + (np.log(y) + np.log(2 - y)) / 2,),
    "trapezoid": (_trapezoid, lambda y, c, d: _trapezoid(y, 1 - d, 1 - c)),
    "triang": (_triangle, lambda y, c: _triangle(y, 1 - c)),
    "uniform": 2 * (np.zeros_like,),
}

#: Evaluations of an elementary log-density that take as long as one of these, where it is more than two or three.
COST = {"betabinom": 5, "betanbinom": 5, "skellam": 20, "hypergeom": 5, "nhypergeom": 5, "levy_stable": 1000}

#: Points inside the support where a standard density is not smooth.
KINKS = {
    "dgamma": lambda *s: (0,),
    "dweibull": lambda *s: (0,),
    "gennorm": lambda *s: (0,),
    "laplace": lambda: (0,),
    "laplace_asymmetric": lambda k: (0,),
    "skewcauchy": lambda a: (0,),
    "loglaplace": lambda c: (1,),
    "triang": lambda c: (c,),
    "trapezoid": lambda c, d: (c, d),
    "crystalball": lambda b, m: (-b,),
    "dlaplace": lambda a: (0,),
    "rel_breitwigner": lambda rho: (rho,),
}
