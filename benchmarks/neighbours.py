"""KL divergence from nearest neighbours, against the bare queries that it cannot do without: SciPy's trees alone."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.common import SEED, few_digits, interleaved, print_table
from companion.estimation import knn_kl

#: Points in each sample, and their coordinates.
SIZES = ((100_000, 3),)
K = 4


def bare(x, y):
    """The distances of `knn_kl`, unscaled and unchecked."""
    cKDTree(x).query(x, k=[K + 1])
    cKDTree(y).query(x, k=[K])


def run(sizes=SIZES, seed=SEED):
    """One row for each size: median CPU seconds of `ours`, with checks and standard error, and of the `queries`."""
    rows = []
    for n, d in sizes:
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n, d)), rng.normal(0.3, 1.2, size=(n, d))
        calls = {"ours": lambda x=x, y=y: knn_kl(x, y, K), "queries": lambda x=x, y=y: bare(x, y)}
        seconds = {call: float(np.median(times)) for call, times in interleaved(calls, repeats=15, budget=6.0).items()}
        row = {name: few_digits(value) for name, value in seconds.items()}
        rows.append({"n": n, "d": d, "k": K, **row, "ratio": few_digits(seconds["ours"] / seconds["queries"])})
    return rows


def show(rows):
    print_table("KL from nearest neighbours, against the bare queries", rows)


if __name__ == "__main__":
    show(run())
