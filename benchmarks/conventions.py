"""What loss functions of other libraries do with their arguments: order, units, reductions, clips, renormalisation.

Each row is one call with small vectors and the number that it returned; `tests/test_datasets.py` holds every number
to the formula that the page *Which function do I call?* gives for the call.
"""

from __future__ import annotations

import os

import numpy as np

from benchmarks.common import answers, print_table

os.environ.setdefault("KERAS_BACKEND", "torch")

P, Q = [0.5, 0.25, 0.25], [0.2, 0.3, 0.5]
ROWS_P, ROWS_Q = [P, P, Q], [Q, P, P]
ZERO_P, ZERO_Q = [0.5, 0.5], [1.0, 0.0]
LABELS = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]


def _torch():
    import torch
    from torch import distributions
    from torch.nn import functional

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    log_q, p = torch.log(tensor(ROWS_Q)), tensor(ROWS_P)
    for reduction in ("mean", "batchmean", "sum"):
        yield f"functional.kl_div, {reduction}", functional.kl_div(log_q, p, reduction=reduction)
    yield "functional.kl_div, default", functional.kl_div(log_q, p)
    yield (
        "functional.kl_div, 2p and batchmean",
        functional.kl_div(torch.log(tensor([Q])), 2 * tensor([P]), reduction="batchmean"),
    )
    yield (
        "distributions.kl_divergence, 2p",
        distributions.kl_divergence(distributions.Categorical(2 * tensor(P)), distributions.Categorical(tensor(Q))),
    )
    label = torch.tensor([0])
    yield "functional.cross_entropy, logits", functional.cross_entropy(tensor([[2.0, 0.0, -1.0]]), label)
    yield "functional.nll_loss, log q", functional.nll_loss(torch.log(tensor([Q])), label)
    yield "functional.binary_cross_entropy, 0", functional.binary_cross_entropy(tensor([0.0]), tensor([1.0]))
    yield (
        "functional.binary_cross_entropy_with_logits, minus 800",
        functional.binary_cross_entropy_with_logits(tensor([-800.0]), tensor([1.0])),
    )


def _keras():
    from keras import losses

    def kl(p, q):
        return losses.KLDivergence(dtype="float64")(np.array(p), np.array(q))

    yield "losses.KLDivergence, three rows", kl(ROWS_P, ROWS_Q)
    yield "losses.KLDivergence, q = 0 < p", kl([ZERO_P], [ZERO_Q])
    yield "losses.KLDivergence, half of p", kl([np.multiply(P, 0.5)], [Q])


def _sklearn():
    from sklearn.metrics import log_loss, mutual_info_score

    yield "metrics.log_loss, q", log_loss([0], [Q], labels=[0, 1, 2])
    yield "metrics.log_loss, q = 0", log_loss([1], [ZERO_Q], labels=[0, 1])
    yield "metrics.log_loss, q = 0 in float32", log_loss([1], np.array([ZERO_Q], np.float32), labels=[0, 1])
    yield "metrics.mutual_info_score", mutual_info_score(*LABELS)


def run():
    """The rows of `answers`."""
    return answers({"torch": _torch, "keras": _keras, "scikit-learn": _sklearn})


def show(rows):
    print_table("What other libraries return", rows)


if __name__ == "__main__":
    show(run())
