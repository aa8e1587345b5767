"""Make tests/data/kl_references.json: KL divergences of hard pairs in more than a hundred digits.

    python tests/make_kl_references.py [--seed 20] [--pairs 200] [--only Normal] [--show]

or ``make references ONLY=Normal``. Needs mpmath (tests/requirements-references.txt), which the tests do not. With
`--only` one row of the table is made, the others stay; with `--show` it is printed and nothing is written.

Each reference is computed from the very doubles in the table, by the textbook formula, in so many digits that its
cancellation does not matter. Nothing of `companion` is used here.

Four suites of pairs, log-uniform random: `ordinary` (parameters of order one), `extreme` (1e-8 … 1e8; probabilities
1e-12 … 1 − 1e-12; log-odds and scores to ±700), `near` (ordinary p, every parameter of q off by a relative
1e-12 … 1e-2) and `near and extreme`.

A further family is one row of `ROWS`: how it is constructed (a name in `companion.families`), a function that draws
the arguments of one member, a function that moves them a little, and its KL divergence in mpmath. A row's pairs depend
on the seed and its own name alone, so that a new row leaves the others as they are.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mpmath as mp
import numpy as np

TARGET = Path(__file__).parent / "data" / "kl_references.json"
SUITES = ("ordinary", "extreme", "near", "near and extreme")


# --- draws: (rng, extreme) -> list of constructor arguments ------------------------------------------------------
def log_uniform(rng, low, high, size=None):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def positive(rng, extreme, size=None):
    return log_uniform(rng, 1e-8, 1e8, size) if extreme else log_uniform(rng, 0.2, 5.0, size)


def signed(rng, extreme, size=None):
    return rng.choice([-1.0, 1.0], size) * positive(rng, extreme, size)


def a_probability(rng, extreme):
    """Half of them close to 1 rather than to 0."""
    smaller = log_uniform(rng, 1e-12 if extreme else 0.05, 0.5)
    return float(smaller if rng.random() < 0.5 else 1 - smaller)


def a_vector(rng, extreme, classes=4):
    """Probabilities that sum to one to within rounding."""
    weights = log_uniform(rng, 1e-12, 1.0, classes) if extreme else rng.dirichlet(np.ones(classes)) + 0.02
    return (weights / weights.sum()).tolist()


def angle(rng):
    return float(rng.uniform(-np.pi, np.pi))


def scores(rng, extreme, size):
    return rng.uniform(-700, 700, size) if extreme else rng.normal(0, 1.5, size)


def a_factor(rng, extreme, d=2):
    """Lower triangular: rows of very different scale and conditional deviations down to a thousandth of the row's."""
    lower = np.tril(rng.normal(size=(d, d)), -1) + np.diag(log_uniform(rng, 1e-3 if extreme else 0.3, 1.5, d))
    return (positive(rng, extreme, d)[:, None] * lower).tolist()


def a_covariance(rng, extreme, d=2):
    """Scales as wild as for the factor, but condition numbers of the correlations below about 1e4: a factor that is
    computed from a covariance in doubles is known to about 1e-16 times that number, and so is the KL."""
    lower = np.tril(rng.normal(size=(d, d)), -1) + np.diag(rng.uniform(0.1, 1.5, d))
    lower = positive(rng, extreme, d)[:, None] * lower
    return np.tril(lower @ lower.T).tolist()


# --- moves: (rng, arguments) -> arguments a little off -------------------------------------------------------------
def offset(rng, size=None):
    return rng.choice([-1.0, 1.0], size) * log_uniform(rng, 1e-12, 1e-2, size)


def relative(rng, arguments):
    """Every number off by a relative amount: its own, or of one magnitude for all (which leaves p and q closest)."""
    if rng.random() < 0.5:
        return [(np.asarray(a) * (1 + offset(rng, np.shape(a)))).tolist() for a in arguments]
    size = offset(rng)
    return [(np.asarray(a) * (1 + size * rng.uniform(-1, 1, np.shape(a)))).tolist() for a in arguments]


def relative_first(rng, arguments):
    """Only the first argument moves; the others stay what they are in the family."""
    return [*relative(rng, arguments[:1]), *arguments[1:]]


def relative_last(rng, arguments):
    return [*arguments[:-1], *relative(rng, arguments[-1:])]


def relative_probability(rng, arguments):
    """The smaller of p and 1 − p off by a relative amount, the last argument being p."""
    *others, p = arguments
    return [*others, p * (1 + offset(rng)) if p <= 0.5 else 1 - (1 - p) * (1 + offset(rng))]


def relative_vector(rng, arguments):
    moved = np.asarray(arguments[0]) * (1 + offset(rng) * rng.uniform(-1, 1, len(arguments[0])))
    return [(moved / moved.sum()).tolist()]


def relative_location(rng, arguments):
    """As `relative`, or with the location off by a fraction of the scale: (location, scale)."""
    if rng.random() < 0.5:
        return relative(rng, arguments)
    location, scale = arguments
    size = offset(rng)
    return [location + scale * size * rng.uniform(-1, 1), scale * (1 + size)]


def relative_factor(rng, arguments, spread=None):
    """The same for a mean vector and a matrix; `spread` are the standard deviations of the coordinates."""
    mean, matrix = relative(rng, arguments)
    if rng.random() < 0.5:
        spread = np.linalg.norm(arguments[1], axis=1) if spread is None else spread
        mean = (np.asarray(arguments[0]) + spread * offset(rng) * rng.uniform(-1, 1, len(mean))).tolist()
    return [mean, matrix]


def relative_covariance(rng, arguments):
    """The same for the lower triangle of a covariance, which stays positive definite."""
    while True:
        mean, lower = relative_factor(rng, arguments, np.sqrt(np.diag(arguments[1])))
        scale = np.sqrt(np.diag(lower))
        if np.linalg.eigvalsh(np.asarray(lower) / np.outer(scale, scale)).min() > 1e-4:  # reads the lower triangle
            return [mean, lower]


# --- divergences: (arguments of p, arguments of q) as mpf -> mpf ------------------------------------------------------
def kl_cells(p, q):
    return mp.fsum(a * mp.log(a / b) for a, b in zip(p, q))


def kl_bernoulli(p, q):
    return kl_cells((p, 1 - p), (q, 1 - q))


def softmax(values):
    weights = [mp.exp(v) for v in values]
    return [w / mp.fsum(weights) for w in weights]


def kl_vectors(p, q):
    """Of vectors as they are given: their sums differ from 1 by rounding, and Σ (p log p/q − p + q) is what remains
    non-negative, and zero only for equal vectors. It is P·KL of the normalised vectors + P log P/Q − P + Q, P and Q
    the two sums."""
    return kl_cells(p, q) + mp.fsum(q) - mp.fsum(p)


def kl_poisson(p, q):
    return p * mp.log(p / q) - p + q


def kl_normal(p, q):
    (m, s), (n, r) = p, q
    return mp.log(r / s) + (s**2 + (m - n) ** 2) / (2 * r**2) - mp.mpf(1) / 2


def kl_multivariate(p, q):
    (m, cov), (n, other) = p, q
    away = mp.matrix(n) - mp.matrix(m)
    precision = mp.inverse(other)
    product = precision * cov
    trace = mp.fsum(product[i, i] for i in range(len(m)))
    return (trace - len(m) + (away.T * precision * away)[0] + mp.log(mp.det(other) / mp.det(cov))) / 2


def symmetric(lower):
    d = len(lower)
    return mp.matrix([[lower[max(i, j)][min(i, j)] for j in range(d)] for i in range(d)])


def from_factor(lower):
    lower = mp.matrix(lower)
    return lower * lower.T


def kl_geometric(p, q):
    return mp.log(p / q) + (1 - p) / p * mp.log((1 - p) / (1 - q))


def kl_exponential(p, q):
    return mp.log(p / q) + q / p - 1


def kl_gamma(p, q):
    (a, b), (c, d) = p, q
    return (a - c) * mp.psi(0, a) - mp.loggamma(a) + mp.loggamma(c) + c * mp.log(b / d) + a * (d - b) / b


def kl_dirichlet(p, q):
    log_normaliser = [mp.fsum(map(mp.loggamma, a)) - mp.loggamma(mp.fsum(a)) for a in (p, q)]
    total = mp.psi(0, mp.fsum(p))
    return log_normaliser[1] - log_normaliser[0] + mp.fsum((a - b) * (mp.psi(0, a) - total) for a, b in zip(p, q))


def kl_laplace(p, q):
    (m, b), (n, c) = p, q
    return mp.log(c / b) + (abs(m - n) + b * mp.exp(-abs(m - n) / b)) / c - 1


def kl_von_mises(p, q):
    (m, k), (n, l) = p, q
    return mp.log(mp.besseli(0, l) / mp.besseli(0, k)) + mp.besseli(1, k) / mp.besseli(0, k) * (k - l * mp.cos(m - n))


def kl_inverse_gaussian(p, q):
    (m, a), (n, b) = p, q
    return (mp.log(a / b) - 1 + b * (m / n**2 - 2 / n + 1 / m + 1 / a)) / 2


def kl_weibull(p, q):
    (k, a), (_, b) = p, q
    return (a / b) ** k - 1 - k * mp.log(a / b)


class Row(NamedTuple):
    """One way to construct a family: see the module's docstring."""

    constructor: str
    draw: Callable
    move: Callable
    kl: Callable
    digits: int = 120


ROWS = {
    row.constructor: row
    for row in (
        Row(
            "Bernoulli", lambda rng, x: [a_probability(rng, x)], relative_probability, lambda p, q: kl_bernoulli(*p, *q)
        ),
        Row(
            "Bernoulli.from_logits",
            lambda rng, x: [float(scores(rng, x, None))],
            relative,
            lambda p, q: kl_cells(softmax([0, *p]), softmax([0, *q])),
            800,
        ),
        Row("Categorical", lambda rng, x: [a_vector(rng, x)], relative_vector, lambda p, q: kl_vectors(*p, *q)),
        Row(
            "Categorical.from_logits",
            lambda rng, x: [scores(rng, x, 4).tolist()],
            relative,
            lambda p, q: kl_cells(softmax(*p), softmax(*q)),
            800,
        ),
        Row(
            "Binomial",
            lambda rng, x: [12.0 if not x else 10_000_019.0, a_probability(rng, x)],
            relative_probability,
            lambda p, q: p[0] * kl_bernoulli(p[1], q[1]),
        ),
        Row("Poisson", lambda rng, x: [float(positive(rng, x))], relative, lambda p, q: kl_poisson(*p, *q)),
        Row("Normal", lambda rng, x: [float(signed(rng, x)), float(positive(rng, x))], relative_location, kl_normal),
        Row(
            "MultivariateNormal",
            lambda rng, x: [signed(rng, x, 2).tolist(), a_covariance(rng, x)],
            relative_covariance,
            lambda p, q: kl_multivariate((p[0], symmetric(p[1])), (q[0], symmetric(q[1]))),
            250,
        ),
        Row(
            "MultivariateNormal.from_cholesky",
            lambda rng, x: [signed(rng, x, 3).tolist(), a_factor(rng, x, 3)],
            relative_factor,
            lambda p, q: kl_multivariate((p[0], from_factor(p[1])), (q[0], from_factor(q[1]))),
            250,
        ),
        Row(
            "Geometric", lambda rng, x: [a_probability(rng, x)], relative_probability, lambda p, q: kl_geometric(*p, *q)
        ),
        Row(
            "NegativeBinomial",
            lambda rng, x: [2.5 if not x else 1e-3, a_probability(rng, x)],
            relative_probability,
            lambda p, q: p[0] * kl_geometric(p[1], q[1]),
        ),
        Row("LogNormal", lambda rng, x: [float(signed(rng, x)), float(positive(rng, x))], relative_location, kl_normal),
        Row("Exponential", lambda rng, x: [float(positive(rng, x))], relative, lambda p, q: kl_exponential(*p, *q)),
        Row("Gamma", lambda rng, x: positive(rng, x, 2).tolist(), relative, kl_gamma),
        Row("Beta", lambda rng, x: positive(rng, x, 2).tolist(), relative, kl_dirichlet),
        Row("Dirichlet", lambda rng, x: [positive(rng, x, 4).tolist()], relative, lambda p, q: kl_dirichlet(*p, *q)),
        Row("Laplace", lambda rng, x: [float(signed(rng, x)), float(positive(rng, x))], relative_location, kl_laplace),
        Row("VonMises", lambda rng, x: [angle(rng), float(positive(rng, x))], relative, kl_von_mises),
        Row("InverseGaussian", lambda rng, x: positive(rng, x, 2).tolist(), relative, kl_inverse_gaussian),
        Row(
            "Pareto",
            lambda rng, x: [float(positive(rng, x)), 1.5],
            relative_first,
            lambda p, q: kl_exponential(p[0], q[0]),
        ),
        Row("Weibull", lambda rng, x: [1.7 if not x else 6.5, float(positive(rng, x))], relative_last, kl_weibull),
    )
}


# --- the table ------------------------------------------------------------------------------------------------------
def exact(arguments):
    """Doubles, also nested, as mpf without rounding."""
    return [exact(a) for a in arguments] if isinstance(arguments, list) else mp.mpf(arguments)


def a_pair(row, rng, suite):
    p = row.draw(rng, "extreme" in suite)
    return p, row.move(rng, p) if "near" in suite else row.draw(rng, "extreme" in suite)


def one_row(row, seed, pairs):
    table = {}
    with mp.workdps(row.digits):
        for suite in SUITES:
            rng = np.random.default_rng([seed, zlib.crc32(f"{row.constructor} {suite}".encode())])
            table[suite] = []
            while len(table[suite]) < pairs:
                p, q = a_pair(row, rng, suite)
                if p == q:  # the move was below the spacing of doubles
                    continue
                reference = row.kl(exact(p), exact(q))
                assert reference > 0, (row.constructor, p, q)
                table[suite].append([p, q, mp.nstr(reference, 22)])
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=200, help="pairs in each suite of each row")
    parser.add_argument("--only", help="make one row of the table", choices=ROWS)
    parser.add_argument("--show", action="store_true", help="print instead of writing")
    options = parser.parse_args()
    table = json.loads(TARGET.read_text(encoding="utf-8")) if options.only else {}
    for name in [options.only] if options.only else ROWS:
        table[name] = one_row(ROWS[name], options.seed, options.pairs)
    if options.show:
        print(json.dumps({name: table[name] for name in ([options.only] if options.only else table)}, indent=1))
        return
    lines = []
    for name in sorted(table, key=list(ROWS).index):
        text = ",\n".join(
            f"  {json.dumps(suite)}: {json.dumps(rows, separators=(',', ':'))}" for suite, rows in table[name].items()
        )
        lines.append(f" {json.dumps(name)}: {{\n{text}\n }}")
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
