"""KL divergences of random pairs against more than a hundred digits: families × suites × libraries."""

from __future__ import annotations

import numpy as np

from benchmarks.common import ROWS, SEED, few_digits, print_table, references, relative_errors
from benchmarks.peers import all_peers, kl_of_pairs

PAIRS = 200


def run(pairs=PAIRS, seed=SEED):
    """One row for each constructor, suite and library that has a function.

    `within` is the share of all pairs with a relative error below 1e-8; `median` and `worst` are over the finite
    results; `negative`, `nan` (of which `refused` by an error) and `inf` (where the exact value is finite) are counts,
    and `itself` counts the p with KL(p‖p) other than 0.
    """
    rows, peers = [], all_peers()
    for constructor, row in ROWS.items():
        for suite, table in references.one_row(row, seed, pairs).items():
            exact = [text for _, _, text in table]
            for name, peer in peers.items():
                found = kl_of_pairs(peer, constructor, [(p, q) for p, q, _ in table])
                if found is not None:
                    itself, _ = kl_of_pairs(peer, constructor, [(p, p) for p, _, _ in table])
                    rows.append(
                        {
                            "family": constructor,
                            "suite": suite,
                            "peer": name,
                            **summary(*found, exact),
                            "itself": int(np.sum(itself != 0)),
                        }
                    )
    return rows


def summary(values, refused, exact):
    errors = relative_errors(values, exact)
    finite = np.sort(errors[np.isfinite(values)])
    return {
        "pairs": len(exact),
        "within": few_digits(np.mean(errors < 1e-8), 4),
        "median": few_digits(np.median(finite)) if finite.size else None,
        "worst": few_digits(finite[-1]) if finite.size else None,
        "negative": int(np.sum(values < 0)),
        "nan": int(np.sum(np.isnan(values))),
        "refused": refused,
        "inf": int(np.sum(np.isposinf(values))),
    }


def show(rows):
    print_table("Accuracy of KL divergences, by constructor and suite", rows)
    together = []
    for suite, peer in dict.fromkeys((row["suite"], row["peer"]) for row in rows):
        of_peer = [row for row in rows if (row["suite"], row["peer"]) == (suite, peer)]
        within = float(np.mean([row["within"] for row in of_peer]))
        counts = {name: sum(row[name] for row in of_peer) for name in ("pairs", "negative", "nan", "inf", "itself")}
        together.append({"suite": suite, "peer": peer, "constructors": len(of_peer), "within": within, **counts})
    print_table("Accuracy of KL divergences, all constructors that the library has", together)


if __name__ == "__main__":
    show(run())
