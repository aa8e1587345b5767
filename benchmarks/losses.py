"""What the losses of regression and classification are called elsewhere, what they average over, what they leave out.

Each row is one call with the arrays below and the number that it returned; `tests/test_datasets.py` holds every number
to a formula, and the page *Which function do I call?* shows both.
"""

from __future__ import annotations

import os

import numpy as np

from benchmarks.common import answers, print_table

os.environ.setdefault("KERAS_BACKEND", "torch")

LOGITS = [[2.0, 0.0, -1.0, 0.5], [0.3, 0.1, 1.2, -0.7], [-0.4, 0.9, 0.0, 0.2]]
LABELS = [0, 2, 3]
WEIGHTS = [1.0, 2.0, 3.0, 0.5]  # of the classes
SOFT = [[0.7, 0.1, 0.1, 0.1], [0.0, 0.2, 0.6, 0.2], [0.25, 0.25, 0.25, 0.25]]
ODDS, BINARY = [1.5, -0.3, 0.8, -2.0], [1.0, 0.0, 0.0, 1.0]
COUNTS, RATES = [0.0, 3.0, 1.0], [0.5, 2.0, 1.5]
SMOOTHING = 0.1


def _torch():
    import torch
    from torch.nn import functional

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    z, y, odds, binary = tensor(LOGITS), torch.tensor(LABELS), tensor(ODDS), tensor(BINARY)
    log_q, p = functional.log_softmax(z, dim=-1), tensor(SOFT)
    counts, rates = tensor(COUNTS), tensor(RATES)
    yield "cross_entropy(z, y)", functional.cross_entropy(z, y)
    yield 'cross_entropy(z, y, reduction="sum")', functional.cross_entropy(z, y, reduction="sum")
    yield "cross_entropy(softmax(z), y)", functional.cross_entropy(functional.softmax(z, dim=-1), y)
    yield "cross_entropy(z, p)", functional.cross_entropy(z, p)
    yield "cross_entropy(z, y, weight=w)", functional.cross_entropy(z, y, weight=tensor(WEIGHTS))
    yield "cross_entropy(z, y, label_smoothing=0.1)", functional.cross_entropy(z, y, label_smoothing=SMOOTHING)
    ignored = torch.tensor([LABELS[0], -100, LABELS[2]])
    yield "cross_entropy(z, y), one label -100", functional.cross_entropy(z, ignored)
    yield "nll_loss(log_softmax(z), y)", functional.nll_loss(log_q, y)
    yield "nll_loss(softmax(z), y)", functional.nll_loss(functional.softmax(z, dim=-1), y)
    yield 'kl_div(log q, p, reduction="batchmean")', functional.kl_div(log_q, p, reduction="batchmean")
    log_p = torch.log(tensor(SOFT[:1]))
    yield (
        'kl_div(log q, log p, log_target=True, reduction="batchmean")',
        functional.kl_div(log_q[:1], log_p, log_target=True, reduction="batchmean"),
    )
    yield 'kl_div(log q, log p, reduction="batchmean")', functional.kl_div(log_q[:1], log_p, reduction="batchmean")
    yield "binary_cross_entropy_with_logits(z, y)", functional.binary_cross_entropy_with_logits(odds, binary)
    yield (
        "binary_cross_entropy_with_logits(z, y, pos_weight=2)",
        functional.binary_cross_entropy_with_logits(odds, binary, pos_weight=tensor(2.0)),
    )
    yield "poisson_nll_loss(log λ, y)", functional.poisson_nll_loss(torch.log(rates), counts)
    yield "gaussian_nll_loss(μ, y, σ²)", functional.gaussian_nll_loss(rates, counts, tensor([2.0, 2.0, 2.0]))
    yield "mse_loss(μ, y)", functional.mse_loss(rates, counts)


def _keras():
    from keras import losses

    z, p, q = np.array(LOGITS), np.array(SOFT), np.exp(LOGITS)
    hot, q = np.eye(4)[LABELS], q / q.sum(axis=1, keepdims=True)
    double = {"dtype": "float64"}
    yield "CategoricalCrossentropy()(y, q)", losses.CategoricalCrossentropy(**double)(hot, q)
    yield "CategoricalCrossentropy(from_logits=True)(y, z)", losses.CategoricalCrossentropy(True, **double)(hot, z)
    yield "CategoricalCrossentropy()(y, 2q)", losses.CategoricalCrossentropy(**double)(hot, 2 * q)
    yield "CategoricalCrossentropy()(y, q), q = 0", losses.CategoricalCrossentropy(**double)(hot[:1], np.eye(4)[1:2])
    yield (
        "CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(y, z)",
        losses.CategoricalCrossentropy(True, label_smoothing=SMOOTHING, **double)(hot, z),
    )
    yield (
        "SparseCategoricalCrossentropy(from_logits=True)(y, z)",
        losses.SparseCategoricalCrossentropy(from_logits=True, **double)(np.array(LABELS), z),
    )
    odds, binary = np.array([ODDS]), np.array([BINARY])
    yield "BinaryCrossentropy(from_logits=True)(y, z)", losses.BinaryCrossentropy(True, **double)(binary, odds)
    yield (
        "BinaryCrossentropy(from_logits=True, label_smoothing=0.1)(y, z)",
        losses.BinaryCrossentropy(True, label_smoothing=SMOOTHING, **double)(binary, odds),
    )
    yield "KLDivergence()(p, q)", losses.KLDivergence(**double)(p, q)
    yield "Poisson()(y, λ)", losses.Poisson(**double)(np.array([COUNTS]), np.array([RATES]))
    yield "MeanSquaredError()(y, μ)", losses.MeanSquaredError(**double)(np.array([COUNTS]), np.array([RATES]))


def _sklearn():
    from sklearn import linear_model, metrics

    q = np.exp(LOGITS)
    q /= q.sum(axis=1, keepdims=True)
    classes = [0, 1, 2, 3]
    yield "log_loss(y, q)", metrics.log_loss(LABELS, q, labels=classes)
    yield "log_loss(y, q, normalize=False)", metrics.log_loss(LABELS, q, labels=classes, normalize=False)
    weights = [WEIGHTS[label] for label in LABELS]
    yield "log_loss(y, q, sample_weight=w)", metrics.log_loss(LABELS, q, labels=classes, sample_weight=weights)
    yield "mean_poisson_deviance(y, λ)", metrics.mean_poisson_deviance(COUNTS, RATES)
    chance = 1 / (1 + np.exp(-np.array(ODDS)))
    yield "brier_score_loss(y, q)", metrics.brier_score_loss(BINARY, chance)
    places, labels = np.arange(1.0, 9.0)[:, None], [0, 0, 0, 0, 1, 1, 1, 1]
    yield (
        "LogisticRegression().fit on separated points, slope",
        linear_model.LogisticRegression(tol=1e-10, max_iter=10_000).fit(places, labels).coef_[0, 0],
    )


def run():
    """The rows of `answers`."""
    return answers({"torch": _torch, "keras": _keras, "scikit-learn": _sklearn})


def show(rows):
    print_table("Losses of other libraries", rows)


if __name__ == "__main__":
    show(run())
