"""How the numbers of a sample are added: in pieces that stay in the cache. Numbers are added by BLAS on one thread;
products of matrices, of vectors' coordinates, take as many as BLAS is allowed."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Numbers that are summed at a time: two buffers of this length stay in a processor's cache.
CHUNK = 2**17

_ROW = np.ones(1024)


def count(x: np.ndarray, weights: np.ndarray | None) -> float:
    """The weight of a chunk."""
    return len(x) if weights is None else weights.sum()


def weighted_sum(values: np.ndarray, weights: np.ndarray | None) -> Any:
    """Σ w v over the first axis; `values` (n,) or (n, d)."""
    if values.ndim > 1:
        return (np.ones(len(values)) if weights is None else weights) @ values
    if weights is not None:
        return dot(values, weights)
    rows, rest = divmod(len(values), len(_ROW))
    if not rows or not values.flags.c_contiguous:
        return np.add.reduce(values)
    if rest:
        return weighted_sum(values[:-rest], None) + np.add.reduce(values[-rest:])
    return np.add.reduce(np.vecdot(values.reshape(rows, -1), _ROW))


def dot(a: np.ndarray, b: np.ndarray) -> Any:
    """Σ a b of numbers (n,). In rows of 1,024 by BLAS: as exact as NumPy's sum in pairs, and on one thread, whatever
    BLAS may use, so that threads that read chunks of their own do not wait for each other."""
    rows, rest = divmod(len(a), len(_ROW))
    if not rows or not (a.flags.c_contiguous and b.flags.c_contiguous):
        return np.vecdot(a, b)
    if rest:
        return dot(a[:-rest], b[:-rest]) + np.vecdot(a[-rest:], b[-rest:])
    return np.add.reduce(np.vecdot(a.reshape(rows, -1), b.reshape(rows, -1)))


def sum_of_logs(x: np.ndarray, weights: np.ndarray | None, out: np.ndarray, bound: float = np.inf) -> Any:
    """Σ w log x of positive numbers, all below `bound`; `out` is a buffer.

    Without weights these are logarithms of products of eight, where no product and no part of one leaves the range of
    doubles. Their roundings are no larger than those of eight logarithms."""
    m = len(x) // 8
    if weights is None and m and bound < 2.0**100:
        product = np.multiply(x[: 4 * m], x[4 * m : 8 * m], out=out[: 4 * m])
        for k in (2 * m, m):
            product = np.multiply(product[:k], product[k:], out=product[:k])
        if np.minimum.reduce(product) > 2.0**-300:  # with factors below 2**100 no part was below 2**-1000
            logs = weighted_sum(np.log(product, out=product), None)
            return logs if 8 * m == len(x) else logs + np.log(x[8 * m :]).sum()
    return weighted_sum(np.log(x, out=out), weights)


def away_from(x: np.ndarray, shift: Any, out: np.ndarray) -> np.ndarray:
    """x − shift, written into `out`; of short vectors many at a time."""
    if x.ndim == 1 or not (x.flags.c_contiguous and out.flags.c_contiguous) or x.shape[1] > 32:
        return np.subtract(x, shift, out=out)
    many = len(x) // 64 * 64
    np.subtract(x[:many].reshape(-1, 64 * x.shape[1]), np.tile(shift, 64), out=out[:many].reshape(-1, 64 * x.shape[1]))
    np.subtract(x[many:], shift, out=out[many:])
    return out


def head(x: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The first observations: a sixteenth of a chunk, so that their mean is at most four sd from that of the chunk; of
    short samples a thousand. Where these weigh next to nothing, those from the heaviest on. With their weights."""
    n, start = max(1024, min(len(x), CHUNK) // 16), 0
    if weights is not None and weights[:n].sum() < 1e-6 * np.max(weights):
        start = int(np.argmax(weights))
    y = np.array(x[start : start + n], dtype=float)
    return y, None if weights is None else weights[start : start + n]


def first_mean(y: np.ndarray, weights: np.ndarray | None) -> Any:
    """The mean of the first observations, exactly theirs if all are equal."""
    mean = y[0] + weighted_sum(y - y[0], weights) / count(y, weights)
    if (np.abs(mean) < 1e-6 * np.abs(y[0])).any():  # the very first is far from the others: once more, from their mean
        mean = mean + weighted_sum(y - mean, weights) / count(y, weights)
    return mean
