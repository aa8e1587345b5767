"""Sufficient statistics in one pass over the data, against the cheapest pass there is: `x.sum()`."""

from __future__ import annotations

import numpy as np

from benchmarks.common import SEED, few_digits, interleaved, print_table
from benchmarks.fits import TASKS

#: Numbers in a sample: 128 MB, more than a cache holds.
SIZE = 16_000_000


def run(size=SIZE, seed=SEED):
    """One row for each family: median CPU seconds of ``statistics(x)`` and of ``x.sum()`` taken in turn, and `ratio`."""
    rows = []
    for name, member in {type(task.member).__name__: task.member for task in reversed(TASKS)}.items():
        n = size // np.size(member.mean())
        x = np.asarray(member.sample(n, np.random.default_rng(seed)), dtype=float)
        fixed = {name: float(getattr(member, name)) for name in member.fixed_names}
        calls = {"ours": lambda: type(member).statistics(x, **fixed), "sum": x.sum}
        median = {
            call: float(np.median(seconds)) for call, seconds in interleaved(calls, repeats=15, budget=5.0).items()
        }
        rows.append(
            {
                "family": name,
                "n": n,
                "statistics": few_digits(median["ours"]),
                "sum": few_digits(median["sum"]),
                "ratio": few_digits(median["ours"] / median["sum"]),
            }
        )
    return rows[::-1]


def show(rows):
    print_table("Sufficient statistics in one pass, against x.sum()", rows)


if __name__ == "__main__":
    show(run())
