"""What KL functions of other libraries do where p, q or both are zero.

Of the three cases the KL divergence is log 2, infinite, and 0.5 log(0.5 / 0.2) + 0.5 log(0.5 / 0.8).
"""

from __future__ import annotations

import os

from benchmarks.common import print_table

os.environ.setdefault("KERAS_BACKEND", "torch")

CASES = {
    "p = 0 < q": ([1.0, 0.0], [0.5, 0.5]),
    "q = 0 < p": ([0.5, 0.5], [1.0, 0.0]),
    "p = q = 0": ([0.5, 0.5, 0.0], [0.2, 0.8, 0.0]),
}


def _calls():
    from keras import losses
    from torch import distributions
    from torch.nn import functional

    def kl_div(p, q):
        return functional.kl_div(q.log(), p, reduction="sum")

    def with_log_target(p, q):
        return functional.kl_div(q.log(), p.log(), reduction="sum", log_target=True)

    def of_objects(p, q):
        return distributions.kl_divergence(distributions.Categorical(p), distributions.Categorical(q))

    def keras(p, q):
        return losses.KLDivergence(dtype="float64")(p[None], q[None])

    yield "torch", "kl_div(log q, p)", kl_div
    yield "torch", "kl_div(log q, log p, log_target=True)", with_log_target
    yield "torch", "distributions.kl_divergence(p, q)", of_objects
    yield "keras", "KLDivergence()(p, q)", keras


def run():
    """One row for each call and case. The `value` is a text: JSON knows neither infinity nor NaN."""
    import torch

    rows = []
    for library, call, function in _calls():
        for case, (p, q) in CASES.items():
            value = float(function(*(torch.tensor(vector, dtype=torch.float64) for vector in (p, q))))
            rows.append({"library": library, "call": call, "case": case, "value": f"{value:.6g}"})
    return rows


def show(rows):
    print_table("Zeros in other libraries", rows)


if __name__ == "__main__":
    show(run())
