"""Pairs whose KL divergence comes out negative: found among pairs of few digits, none invented.

Each candidate p has round parameters, and q one of them moved by k · 10⁻ᵐ of its size. Of each family the pair is kept
for which most libraries return a negative number, and among these the one where these numbers are largest. Covariances are
given by their lower triangle.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np

from benchmarks.common import print_table, references
from benchmarks.peers import all_peers, kl_of_pairs

#: Constructor -> arguments of p, and the argument that moves.
CANDIDATES = {
    "Bernoulli": [([p], 0) for p in (0.1, 0.2, 0.3, 0.4)],
    "Categorical": [([[0.2, 0.3, 0.5]], 0), ([[0.1, 0.2, 0.7]], 0), ([[0.1, 0.4, 0.5]], 0)],
    "Poisson": [([rate], 0) for rate in (0.61, 5.0, 1e3, 1e6)],
    "Gamma": [([shape, 2.0], which) for shape in (3.0, 50.0, 2e4) for which in (0, 1)],
    "Beta": [([a, b], 0) for a, b in ((2.0, 3.0), (40.0, 60.0), (4e4, 6e4))],
    "Dirichlet": [([[1.0, 2.0, 3.0]], 0), ([[100.0, 200.0, 300.0]], 0), ([[1e5, 2e5, 3e5]], 0)],
    "Laplace": [([0.0, scale], 1) for scale in (1.0, 3.0)],
    "VonMises": [([0.0, kappa], 1) for kappa in (1.0, 4.0, 300.0)],
    "MultivariateNormal": [([[0.0, 0.0], [[1.0, 0.0], [0.5, 2.0]]], 1), ([[0.0, 0.0], [[1.0, 0.0], [0.9, 1.0]]], 1)],
    "Normal": [([0.0, sd], 1) for sd in (1.0, 2.0, 3.0)],
}


def moved(argument, change):
    """A number multiplied by 1 + `change`; of a vector the first entry, less the last; of a matrix the first."""
    if not isinstance(argument, list):
        return float(f"{argument * (1 + change):.15g}")
    new = np.array(argument)
    first = new.flat[0]
    new.flat[0] = float(f"{first * (1 + change):.15g}")
    if np.isclose(sum(np.ravel(argument)), 1):  # probabilities
        new[-1] = float(f"{argument[-1] - first * change:.15g}")
    return new.tolist()


def run():
    """One row for each family: `p` and `q` (arguments of the constructor), the `exact` value as a string of 20 digits, and
    `values`, what each library returns."""
    peers, rows = all_peers(), []
    for constructor, candidates in CANDIDATES.items():
        pairs = []
        for arguments, which in candidates:
            for change in (k * 10.0**-m for m in (5, 6, 7, 8, 9) for k in range(1, 10)):
                other = [moved(a, change) if i == which else a for i, a in enumerate(arguments)]
                pairs.append((arguments, other))
        found = {name: kl_of_pairs(peer, constructor, pairs) for name, peer in peers.items()}
        values = {name: result[0] for name, result in found.items() if result is not None}
        negative = sum((v < 0).astype(int) for v in values.values())
        best = max(range(len(pairs)), key=lambda i: (negative[i], -sum(v[i] for v in values.values() if v[i] < 0)))
        if negative[best]:
            p, q = pairs[best]
            rows.append(
                {
                    "family": constructor,
                    "p": p,
                    "q": q,
                    "exact": mp.nstr(exact_kl(constructor, p, q), 20),
                    "values": {name: float(v[best]) for name, v in values.items()},
                }
            )
    return rows


def exact_kl(constructor, p, q):
    row = references.ROWS[constructor]
    with mp.workdps(row.digits):
        return row.kl(references.exact(p), references.exact(q))


def show(rows):
    plain = ("family", "p", "q", "exact")
    shown = [{name: row[name] for name in plain} | row["values"] for row in rows]
    print_table("A KL divergence cannot be negative", shown)


if __name__ == "__main__":
    show(run())
