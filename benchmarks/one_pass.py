"""Sufficient statistics in one pass over the data, against the cheapest pass there is: `x.sum()`."""

from __future__ import annotations

import numpy as np

import companion.families as families
from benchmarks.common import SEED, few_digits, interleaved, print_table

SIZE = 4_000_000
MEMBERS = {
    "Normal": families.Normal(1.0, 2.0),
    "Gamma": families.Gamma(2.3, 0.7),
    "Poisson": families.Poisson(3.0),
    "Beta": families.Beta(0.7, 2.5),
}


def run(size=SIZE, seed=SEED):
    """One row for each family: median CPU seconds of ``statistics(x)`` and of ``x.sum()`` and their `ratio`, in turn."""
    rows = []
    if not hasattr(families.Normal, "statistics"):
        print("\none_pass: this version of the package has no `statistics`, left out")
        return rows
    for name, member in MEMBERS.items():
        x = member.sample(size, np.random.default_rng(seed))
        seconds = interleaved({"ours": lambda: type(member).statistics(x), "sum": x.sum}, repeats=15, budget=5.0)
        median = {call: float(np.median(values)) for call, values in seconds.items()}
        rows.append({"family": name, "n": size, "statistics": few_digits(median["ours"]), "sum": few_digits(median["sum"]),
                     "ratio": few_digits(median["ours"] / median["sum"])})
    return rows


def show(rows):
    print_table("Sufficient statistics in one pass, against x.sum()", rows)


if __name__ == "__main__":
    show(run())
