r"""KL divergence with both distributions replaced by estimates: shares of bins, or kernel densities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from companion import checks
from companion.estimators.common import Estimate, average_error, refuse_dependent, refuse_ties, two_samples, whiten

_BINS = "Pass a number of bins, increasing edges (for one column), or 'values' for discrete data."
#: Kernel values held at one time.
_CHUNK = 200_000


# --- histogram ----------------------------------------------------------------------------------------------------
def histogram_kl(x: ArrayLike, y: ArrayLike, bins: int | str | ArrayLike | None = None) -> Estimate:
    r"""KL divergence between the shares of bins, with its first-order bias taken off.

    With :math:`\hat p_j, \hat q_j` the shares of n and m points in bin j,

    .. math:: \sum_j\hat p_j\log\frac{\hat p_j}{\hat q_j} - \frac{K - 1}{2n}
        - \frac{1}{2m}\sum_j\hat p_j\Big(\frac{1}{\hat q_j} - 1\Big),

    K the number of bins with points of x. What the bins hide stays hidden: binning lowers KL (data processing).

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d) and (m,) or (m, d)
        At least 20 points each; values may repeat.
    bins : int, edges or 'values', optional
        About how many bins: they are cut at quantiles of y, one column after the other, so that each holds nearly as
        many of y. Or increasing edges for one column; what lies outside counts as two more bins. Or ``'values'``: each
        distinct row is a bin, for discrete data. By default the root of the smaller sample size.

    Returns
    -------
    Estimate
        In nats. If a bin with points of x has none of y the value is `inf` with standard error 0, and a warning.

    Raises
    ------
    ValueError, TypeError
        If samples or bins are not what they should be.

    References
    ----------
    Miller (1955) for entropy; Wang, Kulkarni and Verdú (2005) for bins at quantiles.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = histogram_kl(rng.poisson(3.0, 5000), rng.poisson(4.0, 5000), bins="values")
    >>> bool(abs(found.value - (3 * np.log(3 / 4) + 1)) < 3 * found.standard_error)
    True
    """
    where = "histogram_kl"
    a, b = two_samples(where, x, y)
    n, m = len(a), len(b)
    cells_x, cells_y = _cells(where, a, b, bins)
    number = int(max(cells_x.max(), cells_y.max())) + 1
    p, q = np.bincount(cells_x, minlength=number) / n, np.bincount(cells_y, minlength=number) / m
    if np.any((p > 0) & (q == 0)):
        lost = float(p[q == 0].sum())
        remark = f"a share {lost:.2g} of x lies in bins without a point of y: fewer bins, or KL is infinite"
        return Estimate(np.inf, 0.0, (remark,))
    p, q = p[q > 0], q[q > 0]
    log_ratio = xlogy(p > 0, p) - np.where(p > 0, np.log(q), 0.0)
    value = p @ log_ratio
    bias = (np.count_nonzero(p) - 1) / (2 * n) + p @ (1 / q - 1) / (2 * m)
    variance = (p @ (log_ratio - value) ** 2) / n + max(float(p @ (p / q)) - 1, 0.0) / m
    # near p = q, where the slope vanishes, it is half a χ² of K − 1 degrees of freedom
    variance = max(float(variance), 0.5 * (np.count_nonzero(p) - 1) * (1 / n + 1 / m) ** 2)
    remarks = []
    if bias > 0.5 * max(float(value - bias), float(np.sqrt(variance))):
        remarks.append("the bias taken off is not small: fewer bins, or more points")
    return Estimate(float(value - bias), float(np.sqrt(variance)), tuple(remarks))


def _cells(where, a, b, bins):
    """The number of its bin for each point of both samples."""
    if isinstance(bins, str):
        if bins != "values":
            checks.fail(where, "bins", bins, "a number of bins, edges or 'values'", _BINS)
        _, cells = np.unique(np.concatenate([a, b]), axis=0, return_inverse=True)
        cells = cells.reshape(-1)
        return cells[: len(a)], cells[len(a) :]
    if bins is None:
        bins = round(min(len(a), len(b)) ** 0.5)
    if not checks.is_array_like(bins):
        bins = checks.positive_integer(where, "bins", bins, _BINS)
        if bins > len(b):
            checks.fail(where, "bins", bins, f"at most {len(b)}, the number of points in y", "Pass fewer bins.")
        if round(bins ** (1 / a.shape[1])) < 2:
            fix = "Bins cannot resolve so many columns: classifier_kl, or fewer columns."
            checks.fail(where, "bins", bins, f"enough to cut {a.shape[1]} columns, 2^{a.shape[1]} or more", fix)
        return _quantile_cells(a, b, bins)
    edges = checks.finite(where, "bins", bins, _BINS)
    if edges.ndim != 1 or a.shape[1] > 1:
        checks.fail(where, "shape of bins", edges.shape, "a vector, for samples of one column", _BINS)
    if np.any(np.diff(edges) <= 0):
        checks.fail(where, "bins", edges, "edges that increase", "Sort them, and drop edges that repeat.")
    return tuple(np.searchsorted(edges, s[:, 0], side="right") for s in (a, b))


def _quantile_cells(a, b, bins):
    """Bins with nearly equal numbers of b: cut at its quantiles in the first column, then each slab in the second, …"""
    d = a.shape[1]
    slabs = [max(1, round(bins ** (1 / d)))] * d
    cells = [np.zeros(len(s), dtype=np.int64) for s in (a, b)]
    for column, count in enumerate(slabs):
        finer = [cell * count for cell in cells]
        for slab in np.unique(cells[1]):
            inside = [cell == slab for cell in cells]
            edges = np.quantile(b[inside[1], column], np.arange(1, count) / count)
            for s, fine, chosen in zip((a, b), finer, inside):
                fine[chosen] += np.searchsorted(edges, s[chosen, column], side="right")
        cells = finer
    _, joint = np.unique(np.concatenate(cells), return_inverse=True)
    return joint[: len(a)], joint[len(a) :]


# --- kernel densities ---------------------------------------------------------------------------------------------
def kernel_kl(x: ArrayLike, y: ArrayLike) -> Estimate:
    r"""KL divergence with both densities replaced by Gaussian kernel estimates, each point left out of its own:
    :math:`\frac1n\sum_i\log\frac{\hat p_{-i}(x_i)}{\hat q(x_i)}`.

    Each kernel has the covariance of its sample times :math:`h^2`, :math:`h = (4/((d+2)n))^{1/(d+4)}` (Silverman's
    rule). Smoothing widens both densities; the standard error does not contain that bias.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d) and (m,) or (m, d)
        Independent draws from two densities, at least 20 each.

    Returns
    -------
    Estimate
        In nats. Time grows as n(n+m), memory does not.

    Raises
    ------
    ValueError, TypeError
        If values repeat, a column is constant or follows from others, or there are too few points.

    References
    ----------
    Silverman (1986).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = kernel_kl(rng.normal(size=1000), rng.normal(1.0, 1.0, size=1000))
    >>> abs(found.value - 0.5) < 0.15
    True
    """
    where = "kernel_kl"
    a, b = two_samples(where, x, y)
    refuse_ties(where, "x and y", a, b)
    (a, b), _ = whiten(where, a, b)
    for name, sample in (("x", a), ("y", b)):
        refuse_dependent(where, name, sample)
    log_ratio = _log_kernel_density(a, a, own=True) - _log_kernel_density(a, b)
    # what y adds to the variance: (E_q[(p/q)²] − 1)/m = (E_p[p/q] − 1)/m
    limit = np.log(len(b))
    of_y = max(np.mean(np.exp(np.minimum(log_ratio, limit))) - 1, 0.0) / len(b)
    error = np.sqrt(average_error(log_ratio) ** 2 + of_y)
    remarks = []
    if (beyond := np.mean(log_ratio > limit)) > 0.01:
        remarks.append(f"a share {beyond:.2g} of x lies where y has no points: there only the kernel's tail speaks")
    if a.shape[1] > 3:
        remarks.append(f"{a.shape[1]} dimensions: kernel densities are mostly smoothing there")
    return Estimate(float(np.mean(log_ratio)), float(error), tuple(remarks))


def _log_kernel_density(at, sample, own=False):
    """log of the kernel estimate from `sample`; with `own`, at its own points, each left out."""
    n, d = sample.shape
    width = (4 / ((d + 2) * n)) ** (1 / (d + 4))
    factor = np.linalg.cholesky(np.atleast_2d(np.cov(sample.T))) * width
    u, v = (np.linalg.solve(factor, s.T).T for s in (at, sample))
    result, half = np.empty(len(at)), 0.5 * np.einsum("ij,ij->i", v, v)
    for start in range(0, len(at), rows := max(1, _CHUNK // n)):
        part = u[start : start + rows]
        logs = np.dot(part, v.T) - half  # `@` takes one column eight times slower
        logs -= 0.5 * np.einsum("ij,ij->i", part, part)[:, None]
        if own:
            logs[np.arange(len(part)), start + np.arange(len(part))] = -np.inf
        top = logs.max(axis=1)
        logs -= top[:, None]
        np.maximum(logs, -700.0, out=logs)  # adds nothing to a sum that begins with 1, and exp underflows slowly
        result[start : start + rows] = top + np.log(np.exp(logs, out=logs).sum(axis=1))
    constant = d / 2 * np.log(2 * np.pi) + np.log(np.diag(factor)).sum() + np.log(n - own)
    return result - constant
