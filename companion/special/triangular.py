"""Triangular factors of covariance matrices: forward substitution for a batch at once, and what rounding costs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.linalg.blas import dtrsm

_EPS = np.finfo(float).eps


@lru_cache
def below(d: int) -> np.ndarray:
    """1 below the diagonal of a (d, d) matrix."""
    return np.tri(d, k=-1)


def solve(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
    """lower⁻¹ right over leading axes, `lower` (…, d, d) triangular: forward substitution for a whole batch at once.

    >>> solve(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[2.0], [3.0]])).ravel().tolist()
    [1.0, 2.0]
    """
    if lower.ndim == right.ndim == 2:
        return dtrsm(1.0, lower, right, lower=1)
    out = np.zeros(np.broadcast_shapes(lower.shape[:-2], right.shape[:-2]) + right.shape[-2:])
    for i in range(lower.shape[-1]):
        known = lower[..., i : i + 1, :i] @ out[..., :i, :]
        out[..., i, :] = (right[..., i, :] - known[..., 0, :]) / lower[..., i, i, None]
    return out


def inverse(lower: np.ndarray) -> np.ndarray:
    """lower⁻¹ over leading axes."""
    return solve(lower, np.broadcast_to(np.eye(lower.shape[-1]), lower.shape))


def solving_error(lower: np.ndarray) -> np.ndarray:
    """Relative rounding error of lower⁻¹v by forward substitution: Skeel's condition number, in units of the last
    digit."""
    return _EPS * np.max(np.sum(np.abs(inverse(lower)) @ np.abs(lower), axis=-1), axis=-1)


def factoring_error(cov: np.ndarray) -> np.ndarray:
    """Relative error of LLᵀ in the metric of `cov` (…, d, d), from rounding in its Cholesky factor L and from what is
    not symmetric in it: infinite where the correlations are singular to working accuracy."""
    sd = np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1))
    correlations = cov / sd[..., :, None] / sd[..., None, :]
    values = np.linalg.eigvalsh(correlations)
    asymmetry = np.max(np.abs(correlations - np.swapaxes(correlations, -1, -2)), axis=(-1, -2))
    lost = cov.shape[-1] * (4 * _EPS * values[..., -1] + asymmetry)
    with np.errstate(divide="ignore"):
        return np.where(values[..., 0] > lost, lost / values[..., 0], np.inf)


def symmetric(entries: np.ndarray, d: int) -> np.ndarray:
    """The symmetric (…, d, d) matrix whose lower triangle, row by row, is `entries` (…, d(d+1)/2).

    >>> symmetric(np.array([1.0, 2.0, 3.0]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    rows, columns = np.tril_indices(d)
    matrix = np.zeros(entries.shape[:-1] + (d, d), dtype=entries.dtype)
    matrix[..., rows, columns] = entries
    matrix[..., columns, rows] = entries
    return matrix
