"""Products of matrices and vectors as if in twice the precision, by error-free transformations (Ogita, Rump and Oishi,
2005): the residuals of iterative refinement, the same on every processor."""

from __future__ import annotations

import numpy as np

_SPLIT = 134217729.0  # 2²⁷ + 1


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b and what its rounding lost."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a · b and what its rounding lost; sizes below 1e290."""
    s = a * b
    a_head, b_head = _head(a), _head(b)
    a_tail, b_tail = a - a_head, b - b_head
    return s, a_tail * b_tail - (((s - a_head * b_head) - a_tail * b_head) - a_head * b_tail)


def _head(a):
    scaled = _SPLIT * a
    return scaled - (scaled - a)


def subtract_product(start: np.ndarray, X: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`start` − X b of shape (n,), rounded about once.

    >>> subtract_product(np.array([1.0]), np.array([[1.0, 1e-30]]), np.array([1.0, 1.0])).tolist()
    [-1e-30]
    """
    total, lost = start.copy(), np.zeros(len(start))
    for column, value in zip(X.T, b):
        term, low = two_product(-column, value)
        total, error = two_sum(total, term)
        lost += error + low
    return total + lost


def product_of_transpose(X: np.ndarray, r: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Xᵀ(w r) of shape (p,), rounded about once.

    >>> product_of_transpose(np.array([[1e20], [1.0], [-1e20]]), np.ones(3)).tolist()
    [1.0]
    """
    terms, low = two_product(X, r[:, None])
    if weights is not None:
        terms, again = two_product(terms, weights[:, None])
        low = low * weights[:, None] + again
    lost = np.sum(low, axis=0)
    while len(terms) > 1:  # in pairs
        half = len(terms) // 2
        odd = terms[2 * half :]
        terms, error = two_sum(terms[:half], terms[half : 2 * half])
        lost += np.sum(error, axis=0)
        terms = np.concatenate([terms, odd]) if len(odd) else terms
    return np.sum(terms, axis=0) + lost
