"""Make tests/data/explorers.json: what the interactive explorers must show, computed by `companion`.

    python tests/make_explorer_reference.py

Every number is checked against quadrature or sums of SciPy before it is written. The explorers compute the same numbers
in JavaScript, by other formulas; tests/test_explorers.py compares.
"""

from __future__ import annotations

import itertools
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import integrate, stats

import companion
from companion import latent
from companion.divergence import two_humps
from companion.families import Bernoulli, MultivariateNormal, Normal, Poisson
from companion.lesson.datasets import horse_kicks, old_faithful
from companion.numerics import TEXTBOOK, exact_kl, nearby, relative_error
from companion.residuals import residual as residual_of
from companion.vae import LinearVAE, loss, objective_parts

TARGET = Path(__file__).parent / "data" / "explorers.json"
DISTANCES, MEANS, SDS = (0, 1, 2.5, 4.9, 6, 8), (-6, -2.7, 0, 0.35, 3, 6), (0.4, 0.85, 1.5, 3, 6)
RATES = (0.1, 0.25, 0.5, 0.61, 0.8, 1.2, 1.55, 2.0)
SEEDS = (1, 2, 99)
COUNTS = (109, 65, 22, 3, 1)
PAIRS, LOG_DISTANCES = (
    (Bernoulli(0.3), Poisson(1.3), Normal(1.0, 3.0)),
    (-12, -10.05, -8, -7.45, -6, -4.15, -2, -0.45, -0.3, 0),
)
HEIGHTS, GUESS_MEANS, GUESS_SDS = (-1, 0.5, 1.5, 3), (-2, -0.3, 0.8, 1.6), (0.1, 0.3, 0.7, 2)
DECODERS, ENCODERS = (
    ((0.0, 0.4), (1.2, 1.2), (3.0, 0.4), (1.7, 3.0)),
    ((0.0, 0.05), (0.2, 0.9), (1.25, 1.5), (0.45, 0.3)),
)
FIRST, SECOND = (-1, -0.45, 0, 0.05, 0.5, 1), (-1, -0.6, -0.2715, -0.2, -0.1)


def draws(m, seed, n=200):
    """The explorer's sample: Lehmer's generator (modulus 2^31 − 1, multiplier 48271) and the Box–Muller transform."""
    state = 7919 * seed % 2147483647

    def uniform():
        nonlocal state
        state = 48271 * state % 2147483647
        return state / 2147483647

    uniform(), uniform()
    x = []
    for _ in range(n):
        radius, angle, side = uniform(), uniform(), uniform()
        x.append(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle) + (-m if side < 0.5 else m))
    return np.array(x)


def humps(d, mu, sigma):
    """Companion's numbers for the first explorer, at one state."""
    p, q = two_humps(d / 2), Normal(mu, sigma)
    return {
        "entropy": float(companion.entropy(p)),
        "forward": float(companion.kl_divergence(p, q)),
        "reverse": float(companion.kl_divergence(q, p)),
        "expected": -float(companion.cross_entropy(p, q)),
    }


def humps_by_quadrature(d, mu, sigma):
    """The same by SciPy alone."""
    m = d / 2
    log_p = lambda x: np.logaddexp(stats.norm.logpdf(x, -m), stats.norm.logpdf(x, m)) - np.log(2)
    log_q = lambda x: stats.norm.logpdf(x, mu, sigma)

    def mean(f, log_weight, centres, width):
        cuts = sorted({c + k * width for c in centres for k in (-12, -6, -3, -1, 0, 1, 3, 6, 12)} | {0.0})
        return sum(
            integrate.quad(lambda x: np.exp(log_weight(x)) * f(x), a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
            for a, b in itertools.pairwise(cuts)
        )

    entropy = mean(lambda x: -log_p(x), log_p, (-m, m), 1)
    expected = mean(log_q, log_p, (-m, m), 1)
    reverse = mean(lambda x: log_q(x) - log_p(x), log_q, (mu,), sigma)
    return {"entropy": entropy, "forward": -entropy - expected, "reverse": reverse, "expected": expected}


def log_likelihood(d, mu, sigma, seed):
    """Log-likelihood per observation of the explorer's sample."""
    x = draws(d / 2, seed)
    return float(companion.log_likelihood(Normal(mu, sigma), x)) / len(x)


def gap(rate):
    """Companion's numbers for the second explorer, at one rate."""
    table = horse_kicks()
    q = Poisson(rate)
    return {
        "cross": float(companion.cross_entropy(table.probabilities, q)),
        "kl": float(companion.kl_divergence(table.probabilities, q)),
        "gap": float(companion.entropy(table.probabilities)),
        "loglik": float(companion.log_likelihood(q, table.values, weights=table.frequencies)),
    }


def gap_by_sums(rate):
    """The same by SciPy alone."""
    counts = np.array(COUNTS)
    p, log_q = counts / counts.sum(), stats.poisson.logpmf(np.arange(5), rate)
    return {"cross": -p @ log_q, "kl": p @ (np.log(p) - log_q), "gap": stats.entropy(p), "loglik": counts @ log_q}


def one_rate(rate):
    """Companion's numbers for the residual of one rate."""
    table, q = horse_kicks(), Poisson(rate)
    slope = residual_of(q, table.values, table.frequencies)[0]
    loglik = float(companion.log_likelihood(q, table.values, weights=table.frequencies)) / table.n
    return {"data": float(table.mean), "residual": float(slope), "slope": float(slope), "loglik": loglik}


def one_rate_by_sums(rate):
    """The same by SciPy alone; the slope by differences of its log-probabilities."""
    counts = np.array(COUNTS)
    share, x, h = counts / counts.sum(), np.arange(5), 1e-3
    average = lambda eta: share @ stats.poisson.logpmf(x, np.exp(eta))
    at = lambda k: average(np.log(rate) + k * h)
    slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    return {"data": share @ x, "residual": share @ x - rate, "slope": slope, "loglik": average(np.log(rate))}


def cancellation(family, x):
    """The explorer of cancellation: the distance, log10 of the KL, digits of the textbook formula, by the companion."""
    p, d = PAIRS[family], distance(x)
    q = nearby(p, d)
    exact = exact_kl(p, q)
    lost = relative_error(textbook(p, q), exact)
    return {
        "d": d,
        "logExact": math.log10(exact),
        "textbookDigits": max(0.0, min(16.0, -math.log10(max(lost, 1e-16)))),
        "exact": float(exact),
        "textbook": textbook(p, q),
        "remainders": float(p.kl_divergence(q)),
    }


def distance(x):
    """Ten to the x in three digits, as the explorer reads it."""
    return float(f"{10 ** round(x, 2):.2e}")


def textbook(p, q):
    """The textbook formula in doubles, with logarithms rounded correctly."""
    log = lambda v: float(Decimal(v).ln())
    functions = SimpleNamespace(log=log, one=1, cell=lambda p, q: p * log(p / q))
    return TEXTBOOK[type(p).__name__](functions, *([float(m._parameter(n)) for n in m.parameter_names] for m in (p, q)))


def kl_by_fractions(family, x):
    """The KL as a sum of remainders φ, by a series in exact fractions."""

    def phi(t):
        z, total = t / (2 + t), Fraction(0)
        for k in range(1, 160, 2):
            total += z**k / k
        return t - 2 * total

    p = [Fraction(float(PAIRS[family]._parameter(n))) for n in PAIRS[family].parameter_names]
    q = [Fraction(float(v) * (1 + distance(x))) for v in map(float, p)]
    if family == 0:
        d = q[0] - p[0]
        return p[0] * phi(d / p[0]) + (1 - p[0]) * phi(-d / (1 - p[0]))
    if family == 1:
        return p[0] * phi((q[0] - p[0]) / p[0])
    return (phi((p[1] ** 2 - q[1] ** 2) / q[1] ** 2) + ((p[0] - q[0]) / q[1]) ** 2) / 2


def standardised():
    """The waits of Old Faithful as the third explorer measures them: x = (minutes − 70)/10, shape (272,)."""
    return (old_faithful().waiting - 70) / 10


def waits():
    """All the third explorer knows of its data: number of waits, sums of x and x², counts from 40 minutes in fives."""
    x = standardised()
    counts, _ = np.histogram(old_faithful().waiting, bins=np.arange(40, 101, 5))
    return {"n": len(x), "sum": float(x.sum()), "squares": float(x @ x), "counts": counts.tolist()}


def residual(eta1, eta2):
    """Companion's numbers for the third explorer, at one state."""
    x, q = standardised(), Normal.from_natural([eta1, eta2])
    means, data = q.mean_parameters(), q.sufficient_statistics(x).mean(axis=0)
    return {
        "mean": float(q.mean()),
        "sd": float(q.sd),
        "model": means.tolist(),
        "data": data.tolist(),
        "residual": (data - means).tolist(),
        "loglik": float(companion.log_likelihood(q, x)) / len(x),
        "kl": float(Normal.fit(x).kl_divergence(q)),
    }


def residual_by_quadrature(eta1, eta2):
    """The same by SciPy alone, from the density exp(η₁x + η₂x²) without its normaliser."""
    x, centre = standardised(), -eta1 / (2 * eta2)

    def integral(f):
        ends = np.array([-40, -10, -3, 0, 3, 10, 40]) / np.sqrt(-2 * eta2) + centre
        return sum(
            integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0] for a, b in itertools.pairwise(ends)
        )

    log_h = lambda t: eta1 * t + eta2 * t**2
    log_z = np.log(integral(lambda t: np.exp(log_h(t))))
    first, second = (integral(lambda t, k=k: t**k * np.exp(log_h(t) - log_z)) for k in (1, 2))
    best = stats.norm(*stats.norm.fit(x))
    kl = sum(
        integrate.quad(lambda t: best.pdf(t) * (best.logpdf(t) - log_h(t) + log_z), a, b, epsabs=1e-14, epsrel=1e-13)[0]
        for a, b in itertools.pairwise(best.mean() + best.std() * np.array([-12, -3, 0, 3, 12]))
    )
    data = [np.mean(x), np.mean(x**2)]
    return {
        "mean": first,
        "sd": np.sqrt(second - first**2),
        "model": [first, second],
        "data": data,
        "residual": [data[0] - first, data[1] - second],
        "loglik": np.mean(log_h(x)) - log_z,
        "kl": kl,
    }


def elbo(mu, sigma, height):
    """Companion's numbers for the explorer of the lower bound, at one state."""
    given, q = latent.gaussian_decoder([[0.1, height]], latent.arch, 0.5), Normal(mu, sigma)
    logp = float(latent.evidence_on_grid(given, 1, 0.02).value[0])
    bound, prior = float(latent.elbo(given, q).value[0]), float(q.kl_divergence(Normal(0.0, 1.0)))
    return {"logp": logp, "elbo": bound, "gap": logp - bound, "fit": bound + prior, "prior": prior}


def elbo_by_quadrature(mu, sigma, height):
    """The same by SciPy alone; the gap as the integral of q (posterior/q − 1 − log(posterior/q)), never negative."""
    given = lambda z: stats.norm.logpdf(0.1, z, 0.5) + stats.norm.logpdf(height, z * z, 0.5)
    prior, q = stats.norm, stats.norm(mu, sigma)

    def integral(f, *more):
        cuts = sorted({*np.linspace(-5, 5, 41), *(mu + sigma * np.linspace(-12, 12, 25)), *more})
        return sum(
            integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-12, limit=200)[0] for a, b in itertools.pairwise(cuts)
        )

    logp = np.log(integral(lambda z: np.exp(given(z) + prior.logpdf(z))))
    log_ratio = lambda z: given(z) + prior.logpdf(z) - logp - q.logpdf(z)
    gap = integral(lambda z: np.exp(q.logpdf(z) + log_ratio(z)) - q.pdf(z) * (1 + log_ratio(z)))
    fit = integral(lambda z: q.pdf(z) * given(z))
    rest = integral(lambda z: q.pdf(z) * (q.logpdf(z) - prior.logpdf(z)))
    return {"logp": logp, "elbo": fit - rest, "gap": gap, "fit": fit, "prior": rest}


def vae(w, sd, v, tau):
    """The fourth explorer at one state: data N(0, 2²), decoder N(w z, sd²), encoder N(v x, tau²), by the companion."""
    machine, data = LinearVAE([[w]], [0.0], sd, [[v]], [0.0], [tau]), MultivariateNormal([0.0], [[4.0]])
    parts = objective_parts(machine, data)
    return parts._asdict() | {"loss": parts.distortion + parts.rate, "nll": loss(machine, data, "nll")}


def vae_by_quadrature(w, sd, v, tau):
    """The same by SciPy's densities and Gauss–Hermite quadrature over x and z, exact for these integrands."""
    t, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    x = 2 * t[:, None]
    z = v * x + tau * t
    mean = lambda f: float(weights @ np.broadcast_to(f, z.shape) @ weights)
    data, q, prior = stats.norm(0, 2).logpdf(x), stats.norm(v * x, tau).logpdf(z), stats.norm.logpdf(z)
    decoder, marginal = stats.norm(w * z, sd).logpdf(x), stats.norm(0, np.hypot(w, sd)).logpdf(x)
    codes = stats.norm(0, np.hypot(2 * v, tau)).logpdf(z)
    return {
        "distortion": mean(-decoder),
        "rate": mean(q - prior),
        "entropy": mean(-data),
        "data_model": mean(data - marginal),
        "gap": mean(q - (prior + decoder - marginal)),
        "joint": mean(data + q - prior - decoder),
        "information": mean(q - codes),
        "codes": mean(codes - prior),
        "loss": mean(q - prior - decoder),
        "nll": mean(-prior - decoder),
    }


def rounded(value):
    """To 13 digits, so that the file does not depend on the machine."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value if isinstance(value, int) else float(f"{value:.13g}")


def build():
    reference = {
        "cancellation": [],
        "two-humps": [],
        "constant-gap": [],
        "one-rate": [],
        "residual": [],
        "elbo": [],
        "vae-kls": [],
        "old-faithful": [rounded(waits())],
    }
    for number, (d, mu, sigma) in enumerate(itertools.product(DISTANCES, MEANS, SDS)):
        seed = SEEDS[number % len(SEEDS)]
        ours, theirs = humps(d, mu, sigma), humps_by_quadrature(d, mu, sigma)
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-9, atol=1e-10, err_msg=f"{key} at {d, mu, sigma}")
        ours["loglik"] = log_likelihood(d, mu, sigma, seed)
        reference["two-humps"].append(
            {"state": {"d": d, "mu": mu, "sigma": sigma, "seed": seed}, "numbers": rounded(ours)}
        )
    for rate in RATES:
        ours, theirs = gap(rate), gap_by_sums(rate)
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-10, atol=1e-12, err_msg=f"{key} at {rate}")
        reference["constant-gap"].append({"state": {"lambda": rate}, "numbers": rounded(ours)})
    for rate in RATES:
        ours, theirs = one_rate(rate), one_rate_by_sums(rate)
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-9, atol=1e-10, err_msg=f"{key} at {rate}")
        reference["one-rate"].append({"state": {"lambda": rate}, "numbers": rounded(ours)})
    for family, x in itertools.product(range(3), LOG_DISTANCES):
        ours, theirs = cancellation(family, x), kl_by_fractions(family, x)
        assert relative_error(ours["exact"], theirs) < 2**-52, f"exact KL at {family, x}"
        assert relative_error(ours["remainders"], theirs) < 3e-15, f"remainders at {family, x}"
        reference["cancellation"].append({"state": {"family": family, "x": x}, "numbers": ours})
    for eta1, eta2 in itertools.product(FIRST, SECOND):
        ours, theirs = residual(eta1, eta2), residual_by_quadrature(eta1, eta2)
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-10, atol=1e-11, err_msg=f"{key} at {eta1, eta2}")
        reference["residual"].append({"state": {"eta1": eta1, "eta2": eta2}, "numbers": rounded(ours)})
    for mu, sigma, height in itertools.product(GUESS_MEANS, GUESS_SDS, HEIGHTS):
        ours, theirs = elbo(mu, sigma, height), elbo_by_quadrature(mu, sigma, height)
        for key, value in ours.items():
            np.testing.assert_allclose(
                value, theirs[key], rtol=1e-9, atol=1e-9, err_msg=f"{key} at {mu, sigma, height}"
            )
        reference["elbo"].append({"state": {"mu": mu, "sigma": sigma, "height": height}, "numbers": rounded(ours)})
    for (w, sd), (v, tau) in itertools.product(DECODERS, ENCODERS):
        ours, theirs = vae(w, sd, v, tau), vae_by_quadrature(w, sd, v, tau)
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-10, atol=1e-11, err_msg=f"{key} at {w, sd, v, tau}")
        del ours["joint"]  # which the explorer does not show
        reference["vae-kls"].append({"state": {"w": w, "sd": sd, "v": v, "tau": tau}, "numbers": rounded(ours)})
    return reference


if __name__ == "__main__":
    reference = build()
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for name, rows in reference.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(TARGET.name, {name: len(rows) for name, rows in reference.items()})
