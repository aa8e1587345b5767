"""The first pairs of each suite as they were drawn, with what every library returns: none is chosen.

They are those with which `accuracy` begins, so that anybody can recompute a part of what it counts.
"""

from __future__ import annotations

from benchmarks.common import ROWS, SEED, few_digits, print_table, references
from benchmarks.peers import all_peers, kl_of_pairs

PAIRS = 2


def run(pairs=PAIRS, seed=SEED):
    """One row for each constructor, suite and pair: `p` and `q` (arguments of the constructor, a covariance as its
    lower triangle), the `exact` value as a string of 22 digits, and `values`, what each library returns, in three
    digits."""
    rows, peers = [], all_peers()
    for constructor, row in ROWS.items():
        for suite, table in references.one_row(row, seed, pairs).items():
            found = {
                name: kl_of_pairs(peer, constructor, [(p, q) for p, q, _ in table]) for name, peer in peers.items()
            }
            for i, (p, q, exact) in enumerate(table):
                values = {name: few_digits(result[0][i]) for name, result in found.items() if result is not None}
                rows.append({"family": constructor, "suite": suite, "p": p, "q": q, "exact": exact, "values": values})
    return rows


def show(rows):
    shown = [{"family": row["family"], "exact": float(row["exact"]), **row["values"]} for row in rows]
    print_table("The first pairs drawn, exact and by library", shown)


if __name__ == "__main__":
    show(run())
