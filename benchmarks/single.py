"""How exact the softmax cross-entropy of one observation is in single precision, against the number of classes.

The logits are single-precision numbers, so that the exact loss is that of the same numbers in double precision. The
label's logit is like the others (`drawn`), or lies so far above or below the log-sum of the others.
"""

from __future__ import annotations

import os

import numpy as np

from benchmarks.common import SEED, few_digits, print_table

os.environ.setdefault("KERAS_BACKEND", "torch")

CLASSES = (10, 1_000, 100_000, 1_000_000)
CASES = {"drawn": None, "20 above": 20.0, "40 below": -40.0, "120 below": -120.0}
RUNS = 20


def log_sum(z):
    return z.max() + np.log(np.sum(np.exp(z - z.max())))


def run(sizes=CLASSES, runs=RUNS, seed=SEED):
    """One row for each library, `way` to compute, number of `classes` and `case`: the `worst` relative error of so many
    `runs`, None where every result was infinite, and how many were `infinite`."""
    import torch
    from keras import losses
    from torch.nn import functional

    torch.set_num_threads(1)
    rows = []
    for classes in sizes:
        for case, above in CASES.items():
            rng, found = np.random.default_rng(seed), {}
            for _ in range(runs):
                z = rng.normal(size=classes).astype(np.float32)
                if above is not None:
                    z[0] = log_sum(z[1:].astype(float)) + above
                wide = z.astype(float)
                exact = float(np.logaddexp(0, log_sum(wide[1:]) - wide[0]))
                tensor, label = torch.from_numpy(z)[None], torch.tensor([0])
                soft = functional.softmax(tensor, dim=-1)
                values = {
                    ("torch", "cross_entropy(z, y)"): functional.cross_entropy(tensor, label),
                    ("torch", "-log(softmax(z))[y]"): -torch.log(soft[0, 0]),
                    ("keras", "from_logits=True"): losses.sparse_categorical_crossentropy(label, tensor, True)[0],
                    ("keras", "from probabilities"): losses.sparse_categorical_crossentropy(label, soft)[0],
                }
                for name, value in values.items():
                    found.setdefault(name, []).append(abs(float(value) - exact) / exact)
            for (library, way), errors in found.items():
                finite = [error for error in errors if np.isfinite(error)]
                rows.append(
                    {"library": library, "way": way, "classes": classes, "case": case, "runs": runs}
                    | {"worst": few_digits(max(finite), 2) if finite else None, "infinite": runs - len(finite)}
                )
    return rows


def show(rows):
    print_table("Relative error of the cross-entropy in float32", rows)


if __name__ == "__main__":
    show(run())
