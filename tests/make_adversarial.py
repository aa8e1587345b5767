"""Write tests/data/adversarial.json: sums and integrals that are hard for a computer, with references to 25 digits.

Run with mpmath installed: ``python tests/make_adversarial.py``. The tests read the result and need neither mpmath nor
this script. References are closed forms where there are any; otherwise sums in 60 digits, or mpmath's tanh-sinh rule
on pieces that end where the integrand bends, which has to give 25 equal digits with more nodes. The parameters are the
doubles that the package sees, not the decimals that are written here.
"""

import json
from pathlib import Path

import mpmath as mp

mp.mp.dps = 60
M, log, exp, psi, pi, inf, euler = mp.mpf, mp.log, mp.exp, mp.digamma, mp.pi, mp.inf, mp.euler
gl, e2 = mp.loggamma, log(2 * mp.pi * mp.e) / 2
CASES = []


def case(kind, call, reference):
    CASES.append({"kind": kind, "call": call, "reference": mp.nstr(M(reference), 25) if reference != inf else "inf"})


def integral(f, *points):
    value = mp.quad(f, points)
    again = mp.quad(f, points, maxdegree=9)
    assert abs(value - again) <= M(10) ** -25 * (abs(value) + M(10) ** -25), (points, value, again)
    return again


def total(f, low, high):
    return mp.fsum(f(M(k)) for k in range(low, high + 1))


def phi(x, m=0, s=1):
    return exp(-(((x - m) / s) ** 2) / 2) / (s * mp.sqrt(2 * pi))


def normal_kl(m, s, n, r):
    m, s, n, r = map(M, (m, s, n, r))
    return log(r / s) + ((s / r) ** 2 - 1) / 2 + ((m - n) / r) ** 2 / 2


def t_entropy(v):
    v = M(v)
    return (v + 1) / 2 * (psi((v + 1) / 2) - psi(v / 2)) + log(mp.sqrt(v)) + gl(v / 2) + gl(M(1) / 2) - gl((v + 1) / 2)


def log_beta(a, b):
    return gl(a) + gl(b) - gl(a + b)


def beta_kl(a, b, c, d):
    a, b, c, d = map(M, (a, b, c, d))
    return log_beta(c, d) - log_beta(a, b) + (a - c) * psi(a) + (b - d) * psi(b) + (c + d - a - b) * psi(a + b)


def gamma_kl(a, b):
    a, b = M(a), M(b)
    return gl(b) - gl(a) + (a - b) * psi(a)


def log_poisson(k, m):
    return k * log(M(m)) - M(m) - gl(k + 1)


def log_binomial(k, n, p):
    return gl(M(n) + 1) - gl(k + 1) - gl(n - k + 1) + k * log(M(p)) + (n - k) * mp.log1p(-M(p))


def kl_sum(log_p, log_q, low, high):
    return total(lambda k: exp(log_p(k)) * (log_p(k) - log_q(k)), low, high)


def near_pairs():
    for d in (1e-3, 1e-6, 1e-9, 1e-12, 1e-14):
        case("near", f"kl_divergence(stats.gumbel_r(0), stats.gumbel_r({d}))", mp.expm1(M(d)) - M(d))
    b = M(1 + 1e-6)
    value = log(b) + euler * (1 / b - 1) + mp.gamma(1 + 1 / b) - 1
    case("near", "kl_divergence(stats.gumbel_r(0), stats.gumbel_r(0, 1 + 1e-6))", value)
    d = M(1e-5)
    logistic = lambda x: -x - 2 * mp.log1p(exp(-x))
    value = integral(lambda x: exp(logistic(x)) * (logistic(x) - logistic(x - d)), -150, -20, 0, 20, 150)
    case("near", "kl_divergence(stats.logistic(), stats.logistic(1e-5))", value)
    case("near", "kl_divergence(stats.cauchy(), stats.cauchy(1e-8))", mp.log1p(M(1e-8) ** 2 / 4))
    case("near", "kl_divergence(stats.norm(), stats.norm(0, 1 + 1e-9))", normal_kl(0, 1, 0, 1 + 1e-9))
    case("near", "kl_divergence(stats.gamma(2), stats.gamma(2 + 1e-7))", gamma_kl(2, 2 + 1e-7))
    case("near", "kl_divergence(stats.gamma(.0016), stats.gamma(.001601))", gamma_kl(0.0016, 0.001601))
    case("near", "kl_divergence(stats.beta(2, 3), stats.beta(2, 3 + 1e-6))", beta_kl(2, 3, 2, 3 + 1e-6))
    s = M(1e-8)
    value = ((exp(2 * s**2) - 2 * exp(s**2 / 2) + 1) / s**2 - 1) / 2
    case("near", "kl_divergence(stats.lognorm(1e-8), stats.norm(1, 1e-8))", value)
    for v in (1e8, 1e16):
        with mp.workdps(100):
            value = -t_entropy(v) + log(2 * pi) / 2 + M(v) / (M(v) - 2) / 2
        case("near", f"kl_divergence(stats.t({v}), stats.norm())", value)
    for n, p in ((10**15, 1e-15), (10**18, 1e-18)):
        with mp.workdps(100):
            value = kl_sum(lambda k, n=n, p=p: log_binomial(k, n, p), lambda k: log_poisson(k, 1), 0, 60)
        case("near", f"kl_divergence(families.Binomial({n}, {p}), families.Poisson(1.0))", value)
    b = M(3 * (1 + 1e-10))
    case("near", "kl_divergence(stats.poisson(3), stats.poisson(3 * (1 + 1e-10)))", b - 3 - 3 * log(b / 3))
    value = log(M(1 + 1e-13))
    case("near", "kl_divergence(stats.uniform(), stats.uniform(0, 1 + 1e-13))", value)
    w = M(0.5 + 1e-7)
    one, two = (lambda x: phi(x, 0)), (lambda x: phi(x, 4))
    p, q = (lambda x: (one(x) + two(x)) / 2), (lambda x: w * one(x) + (1 - w) * two(x))
    value = integral(lambda x: p(x) * log(p(x) / q(x)), -16, -4, 0, 2, 4, 8, 20)
    blends = "blend([.5, .5], stats.norm(), stats.norm(4)), blend([.5 + 1e-7, .5 - 1e-7], stats.norm(), stats.norm(4))"
    case("near", f"kl_divergence({blends})", value)


def spikes_and_scales():
    case("spike", "kl_divergence(stats.norm(0, 1e-9), stats.norm())", normal_kl(0, 1e-9, 0, 1))
    s = M(1e-9)
    f = lambda x: -phi(x) * log(M(1) / 2 + phi(x, 3, s) / phi(x) / 2)
    value = log(M(2)) + integral(lambda x: f(x) - phi(x) * log(M(2)), 3 - 30 * s, 3 - 9 * s, 3, 3 + 9 * s, 3 + 30 * s)
    case("spike", "kl_divergence(stats.norm(), blend([.5, .5], stats.norm(), stats.norm(3, 1e-9)))", value)
    s, w = M(1e-10), M(0.001)
    p = lambda x: (1 - w) * phi(x) + w * phi(x, 2, s)
    far = integral(lambda x: -(1 - w) * phi(x) * log((1 - w) * phi(x)), -20, -4, 0, 2, 4, 20)
    here = lambda x: (1 - w) * phi(x) * log((1 - w) * phi(x)) - p(x) * log(p(x))
    value = far + integral(here, 2 - 30 * s, 2 - 9 * s, 2, 2 + 9 * s, 2 + 30 * s)
    case("spike", "entropy(blend([.999, .001], stats.norm(), stats.norm(2, 1e-10)))", value)
    case("far", "entropy(blend([.5, .5], stats.norm(-1e8), stats.norm(1e8)))", log(M(2)) + e2)
    value = log(M(2)) + e2 + log(M(1e-6)) / 2
    case("far", "entropy(blend([.5, .5], stats.norm(0, 1e-6), stats.norm(1e6)))", value)
    places, sds = [1e5 * k for k in range(100)], [10.0 ** (k / 11 - 6) for k in range(100)]
    h = log(M(100)) + e2 + mp.fsum(log(M(s)) for s in sds) / 100
    made = "hundred([1e5 * k for k in range(100)], [10.0 ** (k / 11 - 6) for k in range(100)])"
    case("far", f"entropy({made})", h)
    square = mp.fsum((M(m) - M(5e6)) ** 2 + M(s) ** 2 for m, s in zip(places, sds)) / 100
    value = -h + log(2 * pi) / 2 + log(M(3e6)) + square / M(3e6) ** 2 / 2
    case("far", f"kl_divergence({made}, stats.norm(5e6, 3e6))", value)
    value = -log(M(1e-300))
    case("scale", "kl_divergence(stats.uniform(0, 1e-300), stats.uniform())", value)
    case("scale", "kl_divergence(stats.norm(1e15), stats.norm(1e15, 2))", normal_kl(0, 1, 0, 2))
    case("scale", "kl_divergence(stats.norm(0, 1e100), stats.norm(0, 1e99))", normal_kl(0, 1e100, 0, 1e99))
    big = M(1e100)
    value = -e2 - log(big) + log(pi) + 2 * log(big) - euler - log(M(2))  # E log(1 + x²) = E log x² to 99 digits
    case("scale", "kl_divergence(stats.norm(0, 1e100), stats.cauchy())", value)
    case("scale", "entropy(stats.gamma(1e10))", 1e10 + gl(M(1e10)) + (1 - M(1e10)) * psi(M(1e10)))
    value = log_beta(M(1e8), M(1e-3)) - (M(1e8) - 1) * psi(M(1e8)) - (M(1e-3) - 1) * psi(M(1e-3))
    value += (M(1e8) + M(1e-3) - 2) * psi(M(1e8) + M(1e-3))
    case("scale", "entropy(stats.beta(1e8, 1e-3))", value)


def tails():
    a = M(0.001)
    value = log(a) + log(pi) - (a - M(1) / 2) / a + (-euler - psi(a + 1)) / 2
    case("tail", "kl_divergence(stats.powerlaw(.001), stats.beta(.5, .5))", value)
    entropy_of_gamma = a + gl(a) + (1 - a) * psi(a)
    case("tail", "entropy(stats.gamma(.001, loc=1))", entropy_of_gamma)
    case("tail", "kl_divergence(stats.gamma(.001), stats.expon())", a - entropy_of_gamma)
    case("tail", "entropy(stats.lomax(.001))", 1 + 1 / a - log(a))
    case("tail", "entropy(stats.burr(.001, 1.))", 2 - log(a))
    case("tail", "kl_divergence(stats.beta(.001, .001), stats.arcsine())", beta_kl(0.001, 0.001, 0.5, 0.5))
    s, r = M(1.001), M(1.5)
    mean_log = -mp.zeta(s, derivative=1) / mp.zeta(s)
    value = (r - s) * mean_log + log(mp.zeta(r) / mp.zeta(s))
    case("tail", "kl_divergence(stats.zipf(1.001), stats.zipf(1.5))", value)
    s = M(2.05)
    log_p = -s * -mp.zeta(s, derivative=1) / mp.zeta(s) - log(mp.zeta(s))
    value = log_p + mp.zeta(s - 1) / mp.zeta(s) * log(M(2))
    case("tail", "kl_divergence(stats.zipf(2.05), stats.geom(.5))", value)
    v = M(2.05)
    case("tail", "kl_divergence(stats.t(2.05), stats.norm())", -t_entropy(v) + log(2 * pi) / 2 + v / (v - 2) / 2)
    b = M(1.05)
    case("tail", "kl_divergence(stats.pareto(1.05), stats.expon())", log(b) - 1 / b - 1 + b / (b - 1))
    v = M(0.002)
    value = -log(4 * pi) + (v + 1) * mp.log1p(1 / mp.sqrt(v)) - gl((v + 1) / 2) + gl(v / 2) + log(v * pi) / 2
    case("tail", "kl_divergence(stats.cauchy(), stats.t(.002))", value)
    case("tail", "entropy(stats.t(.01))", t_entropy(0.01))
    case("tail", "entropy(stats.levy())", (1 + 3 * euler + log(16 * pi)) / 2)
    case("tail", "entropy(stats.lognorm(30))", e2 + log(M(30)))
    case("tail", "entropy(stats.lognorm(300))", e2 + log(M(300)))
    for p, q in (
        ("cauchy()", "norm()"),
        ("pareto(1)", "expon()"),
        ("t(2)", "norm()"),
        ("zipf(1.9)", "poisson(3)"),
        ("lognorm(1)", "gumbel_l()"),
        ("uniform()", "levy()"),
    ):
        case("infinite", f"kl_divergence(stats.{p}, stats.{q})", inf)


def cuts():
    case("cut", "kl_divergence(stats.norm(), stats.truncnorm(-8, 8))", inf)
    value = -mp.log1p(-mp.erfc(8 / mp.sqrt(2)))
    case("cut", "kl_divergence(stats.truncnorm(-8, 8), stats.norm())", value)
    case("cut", "kl_divergence(stats.uniform(), stats.uniform(1e-12, 1))", inf)
    case("cut", "kl_divergence(stats.uniform(0, 3), stats.rv_histogram(([1, 0, 2], [0, 1, 2, 3]))())", inf)
    hole = "blend([.5, .5], stats.uniform(0, .5 - 5e-10), stats.uniform(.5 + 5e-10, .5 - 5e-10))"
    case("cut", f"kl_divergence(stats.uniform(), {hole})", inf)
    w = M(1e-9)
    value = (1 - w) * log(M(2)) - w * log((1 + 1 / w) / 2)
    case("cut", "kl_divergence(stats.uniform(), blend([.5, .5], stats.uniform(), stats.uniform(.5, 1e-9)))", value)
    one, two = (lambda x: 1 / x**2 / 2), (lambda x: 25 / x**3)
    first = mp.quad(lambda x: -one(x) * log(one(x)), [1, 5])
    rest = integral(
        lambda u: -(one(exp(u)) + two(exp(u))) * log(one(exp(u)) + two(exp(u))) * exp(u), log(M(5)), 4, 10, 200
    )
    case("cut", "entropy(families.Mixture([.5, .5], families.Pareto([1., 2.], [1., 5.])))", first + rest)
    circle = lambda x, m, k: exp(k * mp.cos(x - m)) / (2 * pi * mp.besseli(0, k))
    p, q = (lambda x: (circle(x, 0, 1) + circle(x, 2, 1)) / 2), (lambda x: circle(x, 6, 1))
    around = [k * pi / 2 for k in range(5)]
    mixture = "families.Mixture([.5, .5], families.VonMises([0., 2.], [1., 1.]))"
    case("circle", f"entropy({mixture})", integral(lambda x: -p(x) * log(p(x)), *around))
    value = integral(lambda x: p(x) * log(p(x) / q(x)), *around)
    case("circle", f"kl_divergence({mixture}, families.VonMises(6., 1.))", value)
    value = integral(lambda x: q(x) * log(q(x) / p(x)), *around)
    case("circle", f"kl_divergence(families.VonMises(6., 1.), {mixture})", value)


def functions():
    for frequency in (3, 50):
        value = exp(-(M(frequency) ** 2) / 2)
        case("oscillation", f"expectation(stats.norm(), lambda x: np.cos({frequency} * x))", value)
    value = (1 - exp(-M(2) * 1000**2)) / 2
    case("oscillation", "expectation(stats.norm(), lambda x: np.sin(1000 * x) ** 2)", value)
    case("oscillation", "expectation(stats.cauchy(), lambda x: np.cos(20 * x))", exp(-M(20)))
    value = (1 - mp.cos(M(10) ** 6)) / M(10) ** 6
    case("oscillation", "expectation(stats.uniform(), lambda x: np.sin(1e6 * x))", value)
    case("oscillation", "expectation(stats.poisson(5), lambda k: (-1.0) ** k)", exp(-M(10)))
    value = mp.erfc(M(0.3) / mp.sqrt(2)) / 2
    case("kink", "expectation(stats.norm(), lambda x: (x > .3) * 1.0)", value)
    c = M(0.1)
    value = integral(lambda y: 2 * y * y * (phi(c + y * y) + phi(c - y * y)), 0, 1, 2, 4)
    case("kink", "expectation(stats.norm(), lambda x: np.sqrt(np.abs(x - .1)))", value)
    case("tail", "expectation(stats.t(3), np.square)", 3)
    case("tail", "expectation(stats.gamma(.001), np.log)", psi(M(0.001)))
    v = M(0.6)
    value = v ** (M(1) / 4) * mp.gamma(M(3) / 4) * mp.gamma((v - M(1) / 2) / 2) / mp.gamma(M(1) / 2) / mp.gamma(v / 2)
    case("tail", "expectation(stats.t(.6), lambda x: np.sqrt(np.abs(x)))", value)
    case("tail", "expectation(stats.cauchy(), np.abs)", inf)
    case("tail", "expectation(stats.cauchy(), np.exp)", inf)
    case("tail", "expectation(stats.norm(), lambda x: np.exp(.49 * x * x))", 1 / mp.sqrt(1 - 2 * M(0.49)))
    case("tail", "expectation(stats.zipf(3), lambda k: 1 / k)", mp.zeta(4) / mp.zeta(3))
    case("tail", "expectation(stats.lognorm(3), np.square)", exp(2 * M(9)))


def counts():
    value = kl_sum(lambda k: log_poisson(k, 3), lambda k: log_poisson(k + 2, 4), 0, 150)
    case("lattice", "kl_divergence(stats.poisson(3, loc=2.3), stats.poisson(4, loc=.3))", value)
    case("lattice", "kl_divergence(stats.poisson(3, loc=.25), stats.poisson(3, loc=.5))", inf)
    value = M(0.5) * (log(M(0.5)) - log_poisson(M(0), 1)) + M(0.5) * (log(M(0.5)) - log_poisson(M(1), 1))
    call = "kl_divergence(stats.rv_discrete(values=([0, 1], [.5, .5]))(loc=.3), stats.poisson(1, loc=.3))"
    case("lattice", call, value)
    x = M(10) ** 6
    series = e2 + log(x) / 2 - 1 / (12 * x) - 1 / (24 * x**2) - 19 / (360 * x**3)
    case("large", "entropy(stats.poisson(1e6))", series)
    x = M(1e15)
    y = M(1.0000001e15)
    case("large", "kl_divergence(stats.poisson(1e15), stats.poisson(1.0000001e15))", x * log(x / y) - x + y)
    value = (log(M(2)) - M(1) / 2) / 2  # normal limit, relative error 1e-16
    call = "kl_divergence(families.Poisson(1e16), families.NegativeBinomial(1e16, .5))"
    case("large", call, value)
    case("large", "kl_divergence(families.Poisson(1e16), families.Binomial(10**17, .1))", inf)
    n, p = 10**6, M(0.3)
    value = kl_sum(lambda k: log_binomial(k, n, p), lambda k: log_poisson(k, 3e5), 300000 - 8000, 300000 + 8000)
    case("large", "kl_divergence(stats.binom(10**6, .3), stats.poisson(3e5))", value)
    p = M(1e-12)
    case("large", "entropy(stats.geom(1e-12))", -log(p) - (1 - p) / p * mp.log1p(-p))
    a = M(1e-6)  # Euler and Maclaurin's sum over k >= 0, doubled; the kink at 0 gives the second term
    z = M(2) * M(10) ** 6
    log_p = lambda k: log(mp.tanh(a / 2)) - a * k

    def log_q(k):  # log I_k(z) - z by Debye's expansion to 1e-30
        root, t = mp.sqrt(k * k + z * z), k / mp.sqrt(k * k + z * z)
        u1 = (3 * t - 5 * t**3) / 24
        u2 = (81 * t**2 - 462 * t**4 + 385 * t**6) / 1152
        u3 = (30375 * t**3 - 369603 * t**5 + 765765 * t**7 - 425425 * t**9) / 414720
        return root - z - k * mp.asinh(k / z) - log(2 * pi * root) / 2 + mp.log1p(u1 / k + u2 / k**2 + u3 / k**3)

    f = lambda k: exp(log_p(k)) * (log_p(k) - log_q(k))
    ends = [M(10) ** -30, 10**3, 10**5, 10**6, 3 * 10**6, 10**7, 3 * 10**7, 10**8, 2 * 10**8]
    value = 2 * integral(f, *ends) + a * f(M(10) ** -30) / 6
    case("large", "kl_divergence(stats.dlaplace(1e-6), stats.skellam(1e6, 1e6))", value)
    theta, other = M(0.999999), M(0.9999999)
    mean = -theta / ((1 - theta) * mp.log1p(-theta))
    log_a = lambda x: log(-mp.log1p(-x))
    value = log_a(other) - log_a(theta) - (log(other) - log(theta)) * mean
    case("heavy", "kl_divergence(stats.logser(.999999), stats.logser(.9999999))", value)
    r = M(0.001)
    log_nb = lambda k: gl(k + r) - gl(k + 1) - gl(r) - (k + r) * log(M(2))
    value = kl_sum(log_nb, lambda k: -(k + 1) * log(M(2)), 0, 250)
    case("heavy", "kl_divergence(stats.nbinom(.001, .5), stats.geom(.5, loc=-1))", value)
    s, n = M(1.2), 10**6
    norm = mp.zeta(s) - mp.zeta(s, n + 1)
    logs = -mp.zeta(s, 1, 1) + mp.zeta(s, n + 1, 1)
    case("heavy", "entropy(stats.zipfian(1.2, 10**6))", log(norm) + s * logs / norm)
    choose = lambda n, k: gl(n + 1) - gl(k + 1) - gl(n - k + 1)
    log_h = lambda k: choose(M(30), k) + choose(M(970), 50 - k) - choose(M(1000), M(50))
    value = kl_sum(log_h, lambda k: log_binomial(k, 30, 0.05), 0, 30)
    case("finite", "kl_divergence(stats.hypergeom(1000, 30, 50), stats.binom(30, .05))", value)
    a = M(0.001)
    log_bb = lambda k: choose(M(20), k) + log_beta(k + a, 20 - k + a) - log_beta(a, a)
    value = kl_sum(log_bb, lambda k: log_binomial(k, 20, 0.5), 0, 20)
    case("finite", "kl_divergence(stats.betabinom(20, .001, .001), stats.binom(20, .5))", value)
    p = [M(1)]
    for chance in map(M, (0.1, 0.2, 0.3)):
        p = [x * (1 - chance) + y * chance for x, y in zip([*p, 0], [0, *p])]
    value = mp.fsum(p[k] * (log(p[k]) - log_binomial(M(k), 3, 0.2)) for k in range(4))
    case("finite", "kl_divergence(stats.poisson_binom([.1, .2, .3]), stats.binom(3, .2))", value)


if __name__ == "__main__":
    for group in (near_pairs, spikes_and_scales, tails, cuts, functions, counts):
        group()
    path = Path(__file__).parent / "data" / "adversarial.json"
    path.write_text(json.dumps(CASES, indent=1) + "\n", encoding="utf-8")
    print(len(CASES), "cases")
