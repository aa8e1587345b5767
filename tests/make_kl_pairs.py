"""Write tests/data/kl_pairs.json: KL divergence, cross-entropy and entropy of pairs without closed form, to 30 digits.

Run with mpmath and scipy installed: ``python tests/make_kl_pairs.py``. It takes some minutes; the tests read the
result and need neither mpmath nor this script.

Each integral is computed twice, by rules that share no nodes and no substitution: composite Gauss–Legendre with 40
nodes in log|x - c| beside each anchor c, and the double-exponential trapezoidal rule (tanh-sinh, exp-sinh)
in x. The two have to agree to 25 digits, both masses have to be 1 to 25 digits, and the log-densities written here have
to agree with scipy's at random points. Sums are taken directly, or by zeta functions and by Euler–Maclaurin.
"""

import functools
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import stats

mp.mp.dps = 50
AGREE = mp.mpf(10) ** -25
CUT = mp.mpf(10) ** -36
log, exp, pi, inf = mp.log, mp.exp, mp.pi, mp.inf

# --- log-densities; D(a) is x - a, exact also when x is 1e-500 from a ---------------------------------------------
SHAPES, STANDARD = {}, {}


def density(low=-inf, high=inf, kinks=lambda **s: []):
    """Register a standard log-density f(D, **shapes) with support (low, high): numbers, or functions of the shapes."""

    def register(f):
        STANDARD[f.__name__.rstrip("_")] = (f, low, high, kinks)
        return f

    return register


def remember(f):
    """Cache of values that depend on the working precision too."""
    cached = functools.cache(lambda precision, *args: f(*args))
    return lambda *args: cached(mp.mp.prec, *args)


@remember
def lgamma(a):
    return mp.loggamma(a)


@remember
def log_beta(a, b):
    with mp.workdps(mp.mp.dps + 10 + int(mp.log10(1 + a + b) * 1.2)):
        return +(mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b))


@remember
def log_normal_mass(a, b):
    return log((mp.erfc(a / mp.sqrt(2)) - mp.erfc(b / mp.sqrt(2))) / 2)


@remember
def log_zeta(a):
    return log(mp.zeta(a))


@remember
def log_bessel(n, x):
    return log(mp.besseli(n, x))


def xlog(a, x):
    return a * log(x) if a else mp.mpf(0)


@density()
def norm(D):
    return -(D(0) ** 2) / 2 - log(2 * pi) / 2


@density()
def logistic(D):
    x = abs(D(0))
    return -x - 2 * mp.log1p(exp(-x))


@density(kinks=lambda: [0])
def laplace(D):
    return -abs(D(0)) - log(2)


@density()
def cauchy(D):
    return -log(pi) - mp.log1p(D(0) ** 2)


@density()
def t(D, df):
    return lgamma((df + 1) / 2) - lgamma(df / 2) - log(df * pi) / 2 - (df + 1) / 2 * mp.log1p(D(0) ** 2 / df)


@density()
def gumbel_r(D):
    return -D(0) - exp(-D(0))


@density()
def hypsecant(D):
    x = abs(D(0))
    return log(2 / pi) - x - mp.log1p(exp(-2 * x))


@density()
def skewnorm(D, a):
    return log(2) - D(0) ** 2 / 2 - log(2 * pi) / 2 + log(mp.erfc(-a * D(0) / mp.sqrt(2)) / 2)


@density(kinks=lambda a: [0])
def dgamma(D, a):
    return xlog(a - 1, abs(D(0))) - abs(D(0)) - log(2) - lgamma(a)


@density(kinks=lambda beta: [0])
def gennorm(D, beta):
    return log(beta / 2) - lgamma(1 / beta) - abs(D(0)) ** beta


@density()
def johnsonsu(D, a, b):
    return log(b) - log(2 * pi) / 2 - mp.log1p(D(0) ** 2) / 2 - (a + b * mp.asinh(D(0))) ** 2 / 2


@density(0)
def expon(D):
    return -D(0)


@density(0)
def gamma(D, a):
    return xlog(a - 1, D(0)) - D(0) - lgamma(a)


@density(0)
def chi2(D, df):
    return xlog(df / 2 - 1, D(0)) - D(0) / 2 - df / 2 * log(2) - lgamma(df / 2)


@density(0)
def lognorm(D, s):
    return -log(D(0)) - log(s) - log(2 * pi) / 2 - (log(D(0)) / s) ** 2 / 2


@density(0)
def weibull_min(D, c):
    return log(c) + xlog(c - 1, D(0)) - D(0) ** c


@density(0)
def levy(D):
    return -log(2 * pi) / 2 - log(D(0)) * 3 / 2 - 1 / (2 * D(0))


@density(0)
def invgamma(D, a):
    return -(a + 1) * log(D(0)) - lgamma(a) - 1 / D(0)


@density(0)
def invgauss(D, mu):
    return -log(2 * pi) / 2 - log(D(0)) * 3 / 2 - (D(0) / mu - 1) ** 2 / (2 * D(0))


@density(0)
def halfcauchy(D):
    return log(2 / pi) - mp.log1p(D(0) ** 2)


@density(0)
def lomax(D, c):
    return log(c) - (c + 1) * mp.log1p(D(0))


@density(0)
def rayleigh(D):
    return log(D(0)) - D(0) ** 2 / 2


@density(0)
def fisk(D, c):
    return log(c) + (c - 1) * log(D(0)) - 2 * mp.log1p(D(0) ** c)


@density(0)
def betaprime(D, a, b):
    return xlog(a - 1, D(0)) - (a + b) * mp.log1p(D(0)) - log_beta(a, b)


@density(0, kinks=lambda c: [1])
def loglaplace(D, c):
    return log(c / 2) + (c - 1 if D(1) < 0 else -c - 1) * log(D(0))


@density(1)
def pareto(D, b):
    return log(b) - (b + 1) * mp.log1p(D(1))


@density(0, 1)
def uniform(D):
    return mp.mpf(0)


@density(0, 1)
def beta(D, a, b):
    return xlog(a - 1, D(0)) + xlog(b - 1, -D(1)) - log_beta(a, b)


@density(0, 1)
def arcsine(D):
    return -log(pi) - (log(D(0)) + log(-D(1))) / 2


@density(0, 1)
def powerlaw(D, a):
    return log(a) + xlog(a - 1, D(0))


@density(0, 1, kinks=lambda c: [c])
def triang(D, c):
    return log(2 * D(0) / c) if D(c) < 0 else log(-2 * D(1) / (1 - c))


@density(-1, 1)
def semicircular(D):
    return log(2 / pi) + (log(D(-1)) + log(-D(1))) / 2


@density(lambda a, b: a, lambda a, b: b)
def truncnorm(D, a, b):
    return -(D(0) ** 2) / 2 - log(2 * pi) / 2 - log_normal_mass(a, b)


@density(lambda a, b: a, lambda a, b: b)
def loguniform(D, a, b):
    return -log(D(0)) - log(log(b / a))


@density(-pi * 1, pi * 1)
def vonmises_line(D, kappa):
    return kappa * mp.cos(D(0)) - log(2 * pi) - log_bessel(0, kappa)


# --- log-probabilities on the integers ---------------------------------------------------------------------------
def binomial(n, k):
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


DISCRETE = {
    "poisson": (0, inf, lambda k, mu: xlog(k, mu) - mu - lgamma(k + 1)),
    "nbinom": (0, inf, lambda k, n, p: lgamma(n + k) - lgamma(n) - lgamma(k + 1) + n * log(p) + k * mp.log1p(-p)),
    "geom": (1, inf, lambda k, p: log(p) + (k - 1) * mp.log1p(-p)),
    "binom": (0, lambda n, p: int(n), lambda k, n, p: binomial(n, k) + k * log(p) + (n - k) * mp.log1p(-p)),
    "betabinom": (
        0,
        lambda n, a, b: int(n),
        lambda k, n, a, b: binomial(n, k) + log_beta(k + a, n - k + b) - log_beta(a, b),
    ),
    "zipf": (1, inf, lambda k, a: -a * log(k) - log_zeta(a)),
    "yulesimon": (1, inf, lambda k, alpha: log(alpha) + log_beta(k, alpha + 1)),
    "logser": (1, inf, lambda k, p: k * log(p) - log(k) - log(-mp.log1p(-p))),
    "dlaplace": (-inf, inf, lambda k, a: log(mp.tanh(a / 2)) - a * abs(k)),
    "skellam": (
        -inf,
        inf,
        lambda k, mu1, mu2: -mu1 - mu2 + mp.mpf(k) / 2 * log(mu1 / mu2) + log_bessel(abs(k), 2 * mp.sqrt(mu1 * mu2)),
    ),
    "hypergeom": (
        0,
        lambda M, n, N: int(min(n, N)),
        lambda k, M, n, N: binomial(n, k) + binomial(M - n, N - k) - binomial(M, N),
    ),
}


class Law:
    """A distribution of the table: log f(D), support, anchors."""

    def __init__(self, name, shapes):
        if name == "mixture":
            self.parts = [Law(*c) for c in shapes["components"]]
            self.weights = [mp.mpf(w) for w in shapes["weights"]]
            self.low, self.high = min(c.low for c in self.parts), max(c.high for c in self.parts)
            self.anchors = [x for c in self.parts for x in c.anchors]
            self.logf = self.mixture
            return
        shapes = {k: mp.mpf(v) for k, v in shapes.items()}
        loc, scale = shapes.pop("loc", mp.mpf(0)), shapes.pop("scale", mp.mpf(1))
        f, low, high, kinks = STANDARD[name]
        low, high = (v(**shapes) if callable(v) else mp.mpf(v) for v in (low, high))
        self.low, self.high = loc + scale * low, loc + scale * high
        shift = {}

        def logf(D):
            return f(lambda a: D(shift.setdefault(a, loc + scale * a)) / scale, **shapes) - log(scale)

        self.logf = logf
        self.anchors = [loc + scale * mp.mpf(k) for k in kinks(**shapes)] + [
            x for x in (self.low, self.high) if mp.isfinite(x)
        ]
        if not self.anchors:
            self.anchors = [loc]

    def mixture(self, D):
        terms = [log(w) + c.logf(D) for w, c in zip(self.weights, self.parts) if D(c.low) > 0 and D(c.high) < 0]
        top = max(terms)
        return top + log(mp.fsum(exp(v - top) for v in terms))


def rows(p, q, c, sign, y):
    """p, -p log p, -p log q, p (e^l - 1 - l), q at the point c + sign y."""

    def D(a):
        return (-inf if a == inf else inf) if mp.isinf(a) else (c - a) + sign * y

    lp, lq = p.logf(D), q.logf(D)
    v = exp(lq) if lq > -10000 else mp.mpf(0)
    if lp < -10000:
        return [mp.mpf(0), mp.mpf(0), mp.mpf(0), v, mp.mpf(0)]
    w, l = exp(lp), lq - lp
    remainder = v - w * (1 + l) if abs(l) > 100 else w * (mp.expm1(l) - l)
    return [w, -w * lp, -w * lq, remainder, -w * l]


def add(total, values, weight):
    return [a + weight * b for a, b in zip(total, values)]


def pieces(p, q):
    anchors = sorted({x for x in [*p.anchors, *q.anchors] if p.low <= x <= p.high})
    for i, c in enumerate(anchors):
        if c > p.low:
            yield c, -1, (c - anchors[i - 1]) / 2 if i else inf
        if c < p.high:
            yield c, 1, (anchors[i + 1] - c) / 2 if i + 1 < len(anchors) else inf


LEGENDRE = None


def legendre():
    global LEGENDRE
    if LEGENDRE is None:
        nodes = []
        for i in range(40):
            x = mp.mpf(np.polynomial.legendre.leggauss(40)[0][i])
            for _ in range(8):
                x -= mp.legendre(40, x) * (1 - x * x) / (40 * (mp.legendre(39, x) - x * mp.legendre(40, x)))
            d = 40 * (mp.legendre(39, x) - x * mp.legendre(40, x)) / (1 - x * x)
            nodes.append((x, 2 / ((1 - x * x) * d * d)))
        LEGENDRE = nodes
    return LEGENDRE


def gauss(p, q, width=1):
    """Gauss–Legendre panels in t = log|x - c|, outwards from the scales of p and q until nothing is left."""
    total = [mp.mpf(0)] * 5
    for c, sign, reach in pieces(p, q):
        start = log(reach) if mp.isfinite(reach) else mp.mpf(0)
        for direction in (-1, 1) if mp.isinf(reach) else (-1,):
            t, small, h = start, 0, mp.mpf(width)
            while small < 6 * width and abs(t - start) < 40000:
                if abs(t - start) > 60:
                    h = mp.mpf(8) * width
                part = [mp.mpf(0)] * 5
                for x, w in legendre():
                    s = t + direction * h * (1 + x) / 2
                    y = exp(s)
                    part = add(part, rows(p, q, c, sign, y), w * h / 2 * y)
                total = add(total, part, 1)
                t += direction * h
                limit = max(CUT * abs(total[3]), mp.mpf(10) ** -50)
                small = small + 1 if abs(t - start) > 40 and max(abs(v) for v in part) < limit else 0
    return total


def double_exponential(p, q, step):
    """The trapezoidal rule in u: y = reach/(1 + exp(-pi sinh u)) on a finite piece, exp(pi/2 sinh u) on an infinite."""
    total = [mp.mpf(0)] * 5
    for c, sign, reach in pieces(p, q):
        finite = mp.isfinite(reach)
        for direction in (1, -1):
            k, small = 0 if direction == 1 else -1, 0
            while small < 8 and abs(k * step) < 11:
                u = k * step
                if finite:
                    e = exp(-pi * mp.sinh(u))
                    y = reach / (1 + e)
                    dy = y * pi * mp.cosh(u) * e / (1 + e)
                else:
                    y = exp(pi / 2 * mp.sinh(u))
                    dy = y * pi / 2 * mp.cosh(u)
                part = [v * dy * step for v in rows(p, q, c, sign, y)]
                total = add(total, part, 1)
                limit = max(CUT * abs(total[3]), mp.mpf(10) ** -50)
                small = small + 1 if abs(u) > 2 and max(abs(v) for v in part) < limit else 0
                k += direction
    return total


def close(a, b):
    return abs(a - b) <= AGREE * max(abs(a), abs(b), mp.mpf(10) ** -40)


def continuous(p, q):
    p, q = Law(*p), Law(*q)
    a = gauss(p, q)
    which = 4 if a[4] > mp.mpf("1e-3") else 3  # close pairs: the form without cancellation
    for power in range(4, 11):
        b = double_exponential(p, q, mp.mpf(2) ** -power)
        good = all(close(a[i], b[i]) for i in (0, 1, 2, which)) and close(a[0], mp.mpf(1))
        if good:
            break
        if power in (7, 8):
            a = gauss(p, q, mp.mpf(2) ** (6 - power))
    digits = [int(-mp.log10(abs(x - y) / max(abs(x), mp.mpf(10) ** -40) + mp.mpf(10) ** -60)) for x, y in zip(a, b)]
    return a[which], a[2], a[1], good, f"digits {digits}, mass - 1 = {mp.nstr(a[0] - 1, 3)}"


def counts(p, q):
    laws = []
    for name, shapes in (p, q):
        shapes = {k: mp.mpf(v) for k, v in shapes.items()}
        loc = int(shapes.pop("loc", 0))
        low, high, f = DISCRETE[name]
        high = high(**shapes) if callable(high) else high
        laws.append((low + loc, high + loc, lambda k, f=f, shapes=shapes, loc=loc: f(k - loc, **shapes)))
    (low, high, lp), (_, _, lq) = laws

    def terms(k):
        a, b = lp(k), lq(k)
        return [exp(a), -exp(a) * a, -exp(a) * b, exp(a) * (a - b)]

    if p[0] in ("zipf", "yulesimon"):
        return heavy(p, q, terms)
    total = [mp.mpf(0)] * 4
    start = int(getattr(stats, p[0])(**p[1]).median())
    for direction in (1, -1):
        k, small = start if direction == 1 else start - 1, 0
        while small < 20 and low <= k <= high:
            part = terms(k)
            total = add(total, part, 1)
            small = small + 1 if abs(k - start) > 20 and max(map(abs, part)) < mp.mpf(10) ** -50 else 0
            k += direction
    return total[3], total[2], total[1], abs(total[0] - 1) < AGREE, f"mass - 1 = {mp.nstr(total[0] - 1, 3)}"


def heavy(p, q, terms):
    """Heavy tails: a direct sum and Euler–Maclaurin from two places; for zipf against geom also by zeta functions."""

    def from_place(n):
        total = [mp.mpf(0)] * 4
        for k in range(1, n):
            total = add(total, terms(mp.mpf(k)), 1)
        for i in range(4):
            f = lambda x, i=i: terms(x)[i]
            tail = mp.mpf(0)
            t, h, small = log(mp.mpf(n)), mp.mpf(2), 0
            while small < 4:
                part = mp.fsum(w * h / 2 * exp(s) * f(exp(s)) for x, w in legendre() for s in [t + h * (1 + x) / 2])
                tail, t = tail + part, t + h
                small = small + 1 if abs(part) < mp.mpf(10) ** -38 else 0
            tail += f(mp.mpf(n)) / 2
            coefficients = mp.taylor(f, mp.mpf(n), 17)
            tail -= mp.fsum(mp.bernoulli(2 * j) / (2 * j) * coefficients[2 * j - 1] for j in range(1, 9))
            total[i] += tail
        return total

    a, b = from_place(150), from_place(220)
    good = all(close(x, y) for x, y in zip(a, b)) and abs(a[0] - 1) < AGREE
    note = f"digits {[int(-mp.log10(abs(x - y) / abs(x) + mp.mpf(10) ** -60)) for x, y in zip(a, b)]}"
    if p[0] == "zipf" and q[0] == "geom":
        s, r = mp.mpf(p[1]["a"]), mp.mpf(q[1]["p"])
        h = log(mp.zeta(s)) - s * mp.zeta(s, 1, 1) / mp.zeta(s)
        cross = -log(r) - (mp.zeta(s - 1) / mp.zeta(s) - 1) * mp.log1p(-r)
        good = good and close(cross - h, b[3]) and close(h, b[1])
        note += f", zeta: {mp.nstr(cross - h - b[3], 3)}"
    return b[3], b[2], b[1], good, note


def agrees_with_scipy(law, discrete):
    """The log-density written here against scipy's."""
    name, shapes = law
    if name == "mixture":
        return all(agrees_with_scipy(c, discrete) for c in shapes["components"])
    frozen = getattr(stats, name)(**shapes)
    for x in frozen.ppf([0.13, 0.41, 0.77]):
        if discrete:
            parameters = {k: mp.mpf(v) for k, v in shapes.items() if k != "loc"}
            mine, theirs = DISCRETE[name][2](int(x) - int(shapes.get("loc", 0)), **parameters), frozen.logpmf(x)
        else:
            mine, theirs = (
                Law(name, shapes).logf(lambda a, x=x: mp.mpf(x) - a if mp.isfinite(a) else -a),
                frozen.logpdf(x),
            )
        if abs(mine - theirs) > 1e-6 * max(1, abs(mine)):
            return False
    return True


def d(name, **shapes):
    return [name, shapes]


def mixture(weights, *components):
    return ["mixture", {"weights": weights, "components": list(components)}]


HUMPS = mixture([0.5, 0.5], d("norm", loc=-50.0, scale=0.01), d("norm", loc=60.0, scale=0.02))
PAIRS = [
    # light tails
    (d("gamma", a=2.0), d("lognorm", s=1.0)),
    (d("norm"), d("logistic", scale=0.6)),
    (d("logistic"), d("norm", scale=2.0)),
    (d("laplace"), d("norm")),
    (d("norm"), d("laplace", loc=0.25)),
    (d("gumbel_r"), d("norm", loc=0.5, scale=1.5)),
    (d("norm", loc=2.0, scale=0.5), d("gumbel_r", loc=1.0, scale=2.0)),
    (d("hypsecant"), d("logistic")),
    (d("skewnorm", a=4.0), d("laplace", loc=1.0)),
    (d("rayleigh"), d("gamma", a=2.0)),
    (d("invgauss", mu=1.5), d("gamma", a=1.25)),
    (d("chi2", df=3.0), d("weibull_min", c=1.5, scale=2.0)),
    # heavy tails
    (d("norm"), d("cauchy")),
    (d("t", df=3.0), d("cauchy")),
    (d("cauchy"), d("t", df=2.0, loc=1.0)),
    (d("t", df=2.05), d("norm")),
    (d("t", df=5.0), d("laplace", loc=0.5)),
    (d("lognorm", s=1.0), d("gamma", a=2.0)),
    (d("lognorm", s=2.0), d("halfcauchy")),
    (d("lognorm", s=5.0), d("cauchy")),
    (d("halfcauchy"), d("lomax", c=1.5)),
    (d("levy"), d("halfcauchy")),
    (d("halfcauchy"), d("fisk", c=0.7)),
    (d("levy"), d("pareto", b=0.5, loc=-1.0)),
    (d("pareto", b=1.5), d("gamma", a=2.0, loc=0.5)),
    (d("pareto", b=3.0), d("expon", loc=1.0, scale=0.5)),
    (d("betaprime", a=0.5, b=0.75), d("lognorm", s=3.0)),
    (d("invgamma", a=2.5), d("lognorm", s=1.0)),
    (d("loglaplace", c=1.25), d("fisk", c=1.5)),
    (d("johnsonsu", a=0.5, b=0.5), d("t", df=1.5)),
    # singular densities
    (d("beta", a=0.1, b=0.2), d("uniform")),
    (d("beta", a=0.1, b=0.2), d("triang", c=0.25)),
    (d("beta", a=0.3, b=5.0), d("arcsine")),
    (d("arcsine"), d("beta", a=0.3, b=5.0)),
    (d("uniform"), d("beta", a=0.1, b=0.2)),
    (d("gamma", a=0.05), d("weibull_min", c=0.3)),
    (d("gamma", a=0.05), d("halfcauchy")),
    (d("weibull_min", c=0.3), d("gamma", a=0.3)),
    (d("weibull_min", c=0.3), d("lognorm", s=4.0)),
    (d("powerlaw", a=0.2), d("beta", a=0.5, b=0.5)),
    (d("dgamma", a=0.2), d("cauchy")),
    (d("gennorm", beta=0.5), d("t", df=2.0)),
    # bounded supports
    (d("uniform"), d("norm", scale=0.5)),
    (d("triang", c=0.3), d("truncnorm", a=-1.0, b=3.0)),
    (d("truncnorm", a=-1.0, b=3.0), d("laplace", loc=0.5)),
    (d("truncnorm", a=5.0, b=8.0), d("gamma", a=30.0, scale=0.2)),
    (d("beta", a=2.0, b=3.0), d("triang", c=0.5)),
    (d("semicircular"), d("beta", a=1.25, b=1.75, loc=-1.0, scale=2.0)),
    (d("loguniform", a=0.001, b=1000.0), d("lognorm", s=3.0)),
    (d("vonmises_line", kappa=3.0), d("norm", scale=0.75)),
    # location, scale, far apart, very different scales
    (d("gamma", a=3.0, loc=-7.0, scale=100.0), d("t", df=4.0, loc=250.0, scale=50.0)),
    (d("beta", a=0.5, b=2.0, loc=3.0, scale=0.25), d("gamma", a=0.75, loc=3.0, scale=0.125)),
    (d("norm", loc=0.5, scale=1e-6), d("logistic", loc=-3.0, scale=2.0)),
    (d("laplace", loc=1000.0, scale=1e-6), d("cauchy", loc=-5.0)),
    (d("uniform", scale=1e-6), d("weibull_min", c=0.3)),
    (d("norm", scale=1000.0), d("cauchy", scale=1e-3)),
    (HUMPS, d("norm", loc=5.0, scale=55.0)),
    (HUMPS, d("cauchy")),
    (
        d("norm", loc=5.0, scale=55.0),
        mixture([0.25, 0.75], d("cauchy", loc=-50.0, scale=0.01), d("norm", loc=60.0, scale=20.0)),
    ),
    (mixture([0.75, 0.25], d("norm"), d("norm", loc=6.0, scale=0.25)), d("laplace", loc=1.5, scale=2.0)),
    (mixture([1 - 2**-10, 2**-10], d("norm"), d("t", df=3.0, loc=20.0)), d("norm", scale=1.5)),
    # close: remainders of 1e-6 to 1e-13
    (d("t", df=1e6), d("norm")),
    (d("norm"), d("t", df=1e3)),
    (d("gamma", a=1e4), d("norm", loc=1e4, scale=100.0)),
    (d("beta", a=2.0, b=3.0), mixture([1 - 2**-17, 2**-17], d("beta", a=2.0, b=3.0), d("uniform"))),
    (d("norm"), mixture([1 - 2**-20, 2**-20], d("norm"), d("cauchy"))),
    (d("t", df=3.0), d("t", df=3.000001)),
    (d("cauchy"), d("cauchy", loc=1e-6)),
    # counts
    (d("poisson", mu=3.0), d("nbinom", n=3.0, p=0.5)),
    (d("nbinom", n=2.5, p=0.125), d("poisson", mu=15.0)),
    (d("poisson", mu=3.0), d("geom", p=0.25, loc=-1)),
    (d("poisson", mu=1000.0), d("nbinom", n=500.0, p=0.34)),
    (d("binom", n=20, p=0.3), d("betabinom", n=20, a=2.0, b=3.0)),
    (d("betabinom", n=50, a=0.1, b=0.2), d("binom", n=50, p=0.4)),
    (d("binom", n=30, p=0.05), d("poisson", mu=1.5)),
    (d("hypergeom", M=100, n=30, N=20), d("binom", n=20, p=0.3)),
    (d("binom", n=1000, p=0.001), d("poisson", mu=1.0)),
    (d("zipf", a=2.05), d("geom", p=0.5)),
    (d("zipf", a=3.5), d("geom", p=0.3)),
    (d("zipf", a=1.25), d("yulesimon", alpha=0.5)),
    (d("yulesimon", alpha=1.5), d("zipf", a=2.0)),
    (d("geom", p=0.01), d("zipf", a=1.5)),
    (d("logser", p=0.9), d("zipf", a=2.0)),
    (d("skellam", mu1=3.0, mu2=5.0), d("dlaplace", a=0.4)),
    (d("dlaplace", a=0.4), d("skellam", mu1=3.0, mu2=5.0)),
]


def reference(pair):
    p, q = pair
    discrete = p[0] in DISCRETE
    kl, cross, h, good, note = (counts if discrete else continuous)(p, q)
    if not (agrees_with_scipy(p, discrete) and agrees_with_scipy(q, discrete)):
        good, note = False, note + "; log-density differs from scipy's"
    texts = [mp.nstr(v, 30, min_fixed=-inf, max_fixed=inf) if abs(v) > 1e-4 else mp.nstr(v, 30) for v in (kl, cross, h)]
    return dict(zip(("p", "q", "kl", "cross_entropy", "entropy"), (p, q, *texts))), good, note


def main():
    table = []
    pairs = PAIRS if len(sys.argv) < 2 else [PAIRS[int(i)] for i in sys.argv[1:]]
    with ProcessPoolExecutor() as pool:
        for row, good, note in pool.map(reference, pairs, chunksize=1):
            print("ok  " if good else "DROP", row["p"][0], row["q"][0], row["kl"], note, flush=True)
            if good:
                table.append(row)
    if len(sys.argv) < 2:
        text = "[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n"
        (Path(__file__).parent / "data" / "kl_pairs.json").write_text(text)


if __name__ == "__main__":
    main()
