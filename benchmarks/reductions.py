"""What the reductions of `torch.nn.functional.kl_div` divide by, for arrays with one, two and three axes.

The KL divergence asked for is the average over all vectors along the last axis.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from benchmarks.common import SEED, few_digits, print_table

SHAPES = ((3,), (2, 3), (4, 3), (2, 3, 3))


def run(shapes=SHAPES, seed=SEED):
    """One row for each shape: the average `kl` of its vectors, and what each reduction returns."""
    rows, rng = [], np.random.default_rng(seed)
    for shape in shapes:
        p, q = (rng.dirichlet(np.ones(shape[-1]), shape[:-1]) for _ in "pq")
        tensors = torch.from_numpy(np.log(q)), torch.from_numpy(p)
        with warnings.catch_warnings():  # of a change of "mean" in the next release
            warnings.simplefilter("ignore")
            returned = {
                name: torch.nn.functional.kl_div(*tensors, reduction=name) for name in ("batchmean", "mean", "sum")
            }
        average = np.mean(np.sum(p * np.log(p / q), axis=-1))
        rows.append(
            {"shape": list(shape), "kl": few_digits(average, 6)}
            | {name: few_digits(value.item(), 6) for name, value in returned.items()}
        )
    return rows


def show(rows):
    print_table("torch.nn.functional.kl_div(log q, p) and the average KL over vectors", rows)


if __name__ == "__main__":
    show(run())
