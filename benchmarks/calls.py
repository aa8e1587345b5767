"""Speed of a KL divergence between distributions that exist already: one pair at a time, and many at once."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np

from benchmarks.common import ROWS, SEED, a_loop, few_digits, interleaved, print_table
from benchmarks.peers import all_peers, stacked

PAIRS = 100_000


def run(pairs=PAIRS, seed=SEED):
    """One row for each constructor and library: median CPU time `scalar`, microseconds a call, and `vectorised`,
    nanoseconds a pair in a batch of `pairs`. Ordinary parameters, p and q independent; the distributions exist
    already, and every library is called as its pages show it: only what is called "jax" is compiled, by `jit`."""
    peers, rows = all_peers(), []
    for constructor, row in ROWS.items():
        rng = np.random.default_rng(seed)
        table = [stacked(constructor, [row.draw(rng, False) for _ in range(1000)]) for _ in "pq"]
        chosen = rng.integers(1000, size=pairs)
        scalar, vectorised, counts = {}, {}, {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, peer in peers.items():
                try:
                    one, many = ([_made(peer, constructor, side, index) for side in table] for index in (0, chosen))
                    peer.kl(*one)
                except (KeyError, NotImplementedError):  # no such distribution, no function
                    continue
                scalar[name], counts[name] = a_loop(partial(peer.kl, *one))
                vectorised[name] = partial(peer.kl, *many)
            scalar, vectorised = interleaved(scalar, repeats=9), interleaved(vectorised, repeats=5)
        for name, count in counts.items():
            rows.append(
                {
                    "family": constructor,
                    "peer": name,
                    "scalar": few_digits(1e6 * np.median(scalar[name]) / count),
                    "vectorised": few_digits(1e9 * np.median(vectorised[name]) / pairs),
                }
            )
    return rows


def _made(peer, constructor, arguments, index):
    return peer.make[constructor](*(a if np.ndim(a) == 0 else a[index] for a in arguments))


def show(rows):
    print_table("KL divergence: microseconds a call, nanoseconds a pair in a large batch", rows)


if __name__ == "__main__":
    show(run())
