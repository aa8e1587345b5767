r"""Entropy and KL divergence from distances to the k-th nearest neighbour.

Around :math:`x_i` a ball of radius r holds about the share :math:`p(x_i)\,V_d\,r^d` of a sample from p, with
:math:`V_d` the volume of the unit ball. The distance to the k-th neighbour therefore tells the density.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln

from companion import checks
from companion.estimators.common import Estimate, points, refuse_ties, two_samples, whiten

_MANY = "{d} dimensions: the bias of neighbour distances falls like n^(-2/d) at best, and no standard error contains it"

_ALONE = "a share {share:.2g} of x lies where y has next to no points: the estimate is too low"
#: So many points of x with one neighbour in y, where one is usual, are a crowd.
_CROWD = 25


def knn_entropy(x: ArrayLike, k: int = 4) -> Estimate:
    r"""Entropy of a density from a sample:
    :math:`\psi(n) - \psi(k) + \log V_d + \tfrac dn\sum_i\log\rho_k(i)`, ρ the distance to the k-th neighbour.

    Distances are taken after an affine map to covariance I, whose log-determinant is then taken off.

    Parameters
    ----------
    x : array_like, shape (n,) or (n, d)
        Independent draws from one density; at least 20, and 3(k+1).
    k : int
        Neighbour; a larger one has more bias and less variance.

    Returns
    -------
    Estimate
        In nats; may be negative. The standard error comes from subsets (`knn_kl`).

    Raises
    ------
    ValueError, TypeError
        If values repeat, a column is constant or follows from others, or there are too few points.

    References
    ----------
    Kozachenko and Leonenko (1987).

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=2000)
    >>> found = knn_entropy(x)
    >>> bool(abs(found.value - 0.5 * np.log(2 * np.pi * np.e)) < 3 * found.standard_error)
    True
    """
    where = "knn_entropy"
    k = checks.positive_integer(where, "k", k, "Pass the number of the neighbour, e.g. 4.")
    a = points(where, "x", x, max(20, 3 * (k + 1)))
    refuse_ties(where, "x", a)
    (white,), log_det = whiten(where, a)
    _refuse_merged(where, "x", white)
    d = a.shape[1]
    log_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)

    def value(z):
        return digamma(len(z)) - digamma(k) + log_ball + d * np.mean(np.log(_own_distance(z, k)))

    return Estimate(float(value(white) - log_det), _subset_error(value, k, white), _remarks(d))


def knn_kl(x: ArrayLike, y: ArrayLike, k: int = 4) -> Estimate:
    r"""KL divergence from two samples:
    :math:`\tfrac dn\sum_i\log\frac{\nu_k(i)}{\rho_k(i)} + \log\frac{m}{n-1}`.

    :math:`\rho_k(i)` is the distance from :math:`x_i` to its k-th neighbour among the other x, :math:`\nu_k(i)` that to
    its k-th neighbour among the y, after one affine map that gives both samples together covariance I.

    The standard error comes from subsets: the variance among the values on disjoint parts with a share f of both
    samples, times f. The average of the terms alone would understate it, since neighbours share neighbours.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d) and (m,) or (m, d)
        Independent draws from p and from q, both densities; at least 20 each, and 3(k+1).
    k : int
        Neighbour.

    Returns
    -------
    Estimate
        Of KL(p‖q) in nats; may be negative when KL is small. Time grows as n log n, memory as nk. The subsets are
        chosen by the order of the rows and a fixed seed, so that equal data give equal errors.

    Raises
    ------
    ValueError, TypeError
        If values repeat within or across the samples, a column is constant or follows from others, or there are too
        few points.

    References
    ----------
    Wang, Kulkarni and Verdú (2009); Politis and Romano (1994) for subsets.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = knn_kl(rng.normal(size=(2000, 2)), rng.normal([1.0, 0.0], 1.0, size=(3000, 2)))
    >>> abs(found.value - 0.5) < 3 * found.standard_error, found.warnings
    (True, ())
    """
    where = "knn_kl"
    k = checks.positive_integer(where, "k", k, "Pass the number of the neighbour, e.g. 4.")
    a, b = two_samples(where, x, y, max(20, 3 * (k + 1)))
    refuse_ties(where, "x and y", a, b)
    (a, b), _ = whiten(where, a, b)
    _refuse_merged(where, "x", a)
    _refuse_merged(where, "y", b)
    d = a.shape[1]

    def value(z, w):
        return average(z, w, cKDTree(w).query(z, k=[k])[0][:, 0])

    def average(z, w, nu):
        return d * np.mean(np.log(nu / _own_distance(z, k))) + np.log(len(w) / (len(z) - 1))

    nu, neighbour = (found[:, 0] for found in cKDTree(b).query(a, k=[k]))
    served = np.bincount(neighbour, minlength=len(b))
    crowded = np.mean(served[neighbour] > _CROWD * max(1.0, len(a) / len(b)))
    remarks = [_ALONE.format(share=crowded)] if crowded > 0.05 else []
    return Estimate(float(average(a, b, nu)), _subset_error(value, k, a, b), (*remarks, *_remarks(d)))


def _own_distance(z: np.ndarray, k: int) -> np.ndarray:
    """Distance to the k-th of the other points."""
    return cKDTree(z).query(z, k=[k + 1])[0][:, 0]


def _refuse_merged(where: str, name: str, z: np.ndarray) -> None:
    """An error if different points have become one beside points that are far larger."""
    merged = int(np.count_nonzero(_own_distance(z, 1) == 0))
    if merged:
        fix = "A few points far out leave no digits to the others. A one-to-one map, such as a logarithm, keeps KL."
        expected = "0, so that distances have digits"
        checks.fail(where, f"points of {name} that rounding puts together", merged, expected, fix)


def _remarks(d: int) -> tuple[str, ...]:
    return (_MANY.format(d=d),) if d > 3 else ()


def _subset_error(value: Callable[..., float], k: int, *samples: np.ndarray) -> float:
    """Standard error from values on disjoint subsets with a share f of each sample: their variance times f."""
    fewest = min(map(len, samples))
    share = min(0.5, max(20, 2 * (k + 1), min(100, fewest // 10)) / fewest)
    sizes = [int(share * len(s)) for s in samples]
    wanted = int(np.clip(200_000 / sum(sizes), 20, 100))  # values; small subsets are cheap
    parts = min(int(1 / share), wanted)
    rng, variances = np.random.default_rng(0), []
    for _ in range(-(-wanted // parts)):
        orders = [rng.permutation(len(s))[: parts * size] for s, size in zip(samples, sizes)]
        subsets = [s[o].reshape(parts, size, -1) for s, o, size in zip(samples, orders, sizes)]
        variances.append(np.var([value(*subset) for subset in zip(*subsets)], ddof=1))
    return float(np.sqrt(np.mean(variances) * sizes[0] / len(samples[0])))
