"""The error of a KL divergence against the distance of p and q: the closer, the worse, like eps/d²,
or like eps/d where differences are taken first."""

from __future__ import annotations

import mpmath as mp
import numpy as np

from benchmarks.common import ROWS, SEED, few_digits, on_grid, print_table, references, relative_errors
from benchmarks.peers import all_peers, kl_of_pairs

FAMILIES = ["Normal", "Poisson", "Bernoulli", "Categorical", "Gamma", "Dirichlet", "MultivariateNormal.from_cholesky"]
DISTANCES = np.logspace(-12, 0, 25)
PAIRS = 21


def moved(rng, constructor, arguments, d):
    """Every parameter multiplied or divided by 1 + d, at random; of a probability the smaller of p and 1 − p.

    Of a probability vector one half of the entries goes up and one half down, and the sum is one again, exactly.
    """

    def factor(shape=()):
        return (1 + d) ** rng.choice([-1.0, 1.0], shape)

    if constructor == "Bernoulli":
        (p,) = arguments
        return [float(p * factor() if p <= 0.5 else 1 - (1 - p) * factor())]
    if constructor == "Categorical":
        (p,) = arguments
        q = p * (1 + d) ** rng.permutation(np.resize([-1.0, 1.0], len(p)))
        return [on_grid(q / q.sum())]
    return [(np.asarray(a) * factor(np.shape(a))).tolist() for a in arguments]


def run(distances=DISTANCES, pairs=PAIRS, seed=SEED):
    """One row for each constructor and library; `median`, `worst` (relative errors) and `negative` (share of the pairs)
    have an entry for each of `distance`."""
    peers, rows = all_peers(), []
    for constructor in FAMILIES:
        row = ROWS[constructor]
        rng = np.random.default_rng([seed, len(rows)])
        members = [row.draw(rng, False) for _ in range(pairs)]
        summaries = {name: [] for name in peers}
        for d in distances:
            others = [moved(rng, constructor, p, d) for p in members]
            with mp.workdps(row.digits):
                exact = [mp.nstr(row.kl(references.exact(p), references.exact(q)), 22) for p, q in zip(members, others)]
            for name, peer in peers.items():
                found = kl_of_pairs(peer, constructor, list(zip(members, others)))
                if found is not None:
                    errors = relative_errors(found[0], exact)
                    summaries[name].append((np.median(errors), errors.max(), np.mean(found[0] < 0)))
        for name, of_peer in summaries.items():
            if of_peer:
                columns = zip(("median", "worst", "negative"), zip(*of_peer))
                rows.append(
                    {
                        "family": constructor,
                        "peer": name,
                        "distance": [few_digits(d) for d in distances],
                        **{title: [few_digits(v) for v in column] for title, column in columns},
                    }
                )
    return rows


def show(rows):
    for at in (1e-9, 1e-6, 1e-3):
        shown = []
        for row in rows:
            k = int(np.argmin(np.abs(np.log(row["distance"]) - np.log(at))))
            shown.append({title: value[k] if isinstance(value, list) else value for title, value in row.items()})
        print_table(f"Relative error of KL at relative distance {at:g}", shown)


if __name__ == "__main__":
    show(run())
