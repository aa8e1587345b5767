"""What every estimator from samples returns; how samples are checked, searched for ties, and brought to one scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from companion import checks

_FIX = "Pass numbers of shape (n,), or (n, d) with one row for each observation."
#: A direction with less than this variance, where columns have variance 1, is no direction.
_FLAT = 1e-12


class Estimate(NamedTuple):
    """What a sample says: a value, its standard error, and the reasons to distrust both.

    ``warnings`` is a tuple of texts, empty if the estimator has nothing to object to.
    """

    value: float
    standard_error: float
    warnings: tuple[str, ...] = ()


def points(where: str, argument: str, value: ArrayLike, least: int) -> np.ndarray:
    """A sample as an array (n, d) of at least `least` rows of finite numbers."""
    array = checks.finite(where, argument, value, _FIX)
    if array.ndim not in (1, 2):
        checks.fail(where, f"shape of {argument}", array.shape, "(n,) or (n, d)", _FIX)
    array = array.reshape(len(array), -1)
    if len(array) < least:
        expected = f"at least {least} points"
        checks.fail(where, f"number of points in {argument}", len(array), expected, "Collect more of them.")
    return array


def two_samples(where: str, x: ArrayLike, y: ArrayLike, least: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of one dimension."""
    a, b = points(where, "x", x, least), points(where, "y", y, least)
    if a.shape[1] != b.shape[1]:
        expected = f"{a.shape[1]}, as in x"
        checks.fail(where, "columns of y", b.shape[1], expected, "Both samples need the same variables.")
    return a, b


def refuse_ties(where: str, names: str, *samples: np.ndarray) -> None:
    """An error if any row occurs twice, within a sample or in two of them: draws from densities never do.

    Rows are sorted by one number each, and only rows that share it are compared, so that no pair is formed.
    """
    weights = np.sqrt([2.0, 3.0, 5.0, 7.0, 11.0])
    mark = np.concatenate([sum(weights[j % 5] * (1 + j // 5) * s[:, j] for j in range(s.shape[1])) for s in samples])
    order = np.argsort(mark)
    same = np.diff(mark[order]) == 0
    if not same.any():
        return
    rows = np.concatenate(samples)[np.sort(order[np.append(same, False) | np.append(False, same)])]
    distinct = len(np.unique(rows, axis=0))
    if distinct == len(rows):
        return
    checks.fail(
        where,
        f"rows that repeat another, in {names}",
        len(rows) - distinct,
        "0, as in draws from densities",
        "Counts and other discrete data: histogram_kl(x, y, bins='values'). Rounded measurements: histogram_kl, or add "
        "uniform noise as wide as the rounding. If the samples share rows, they are not independent.",
    )


def whiten(where: str, *samples: np.ndarray) -> tuple[list[np.ndarray], float]:
    """The samples moved and mixed so that all of them together have mean 0 and covariance I, and log |det| of that map.

    KL divergence does not change under such a map, and it takes away units and common correlations.
    """
    for name, sample in zip("xy", samples):
        constant = np.ptp(sample, axis=0) == 0
        if constant.any():
            column = int(np.argmax(constant))
            expected = "columns that vary"
            checks.fail(
                where,
                f"column {column} of {name}",
                float(sample[0, column]),
                expected,
                "A constant has no density: drop it.",
            )
    size = np.max([np.max(np.abs(s), axis=0) for s in samples], axis=0)
    size = np.exp2(np.ceil(np.log2(size)))
    scaled = [s / size for s in samples]
    number = sum(map(len, scaled))
    centre = sum(s.sum(axis=0) for s in scaled) / number
    scaled = [s - centre for s in scaled]
    spread = np.sqrt(sum(np.einsum("ij,ij->j", s, s) for s in scaled) / number)
    if np.any(spread < 1e-13):
        column = int(np.argmin(spread))
        expected = "more than rounding"
        checks.fail(
            where,
            f"relative spread of column {column}",
            float(spread[column]),
            expected,
            "Subtract its mean before you round.",
        )
    scaled = [s / spread for s in scaled]
    covariance = sum(s.T @ s for s in scaled) / number
    _refuse_flat(where, "the correlations", covariance)
    factor = np.linalg.inv(np.linalg.cholesky(covariance)).T
    log_det = float(np.log(np.diag(factor)).sum() - np.log(spread).sum() - np.log(size).sum())
    return [s @ factor if s.shape[1] > 1 else s for s in scaled], log_det


def refuse_dependent(where: str, name: str, sample: np.ndarray) -> None:
    """An error if one sample lies in a hyperplane, as it does where it has no more points than columns."""
    if sample.shape[1] > 1:
        _refuse_flat(where, f"the correlations of {name}", np.corrcoef(sample.T))


def _refuse_flat(where: str, what: str, correlations: np.ndarray) -> None:
    smallest = float(np.linalg.eigvalsh(correlations)[0])
    if smallest < _FLAT:
        checks.fail(
            where,
            f"smallest eigenvalue of {what}",
            smallest,
            f"more than {_FLAT:g}",
            "The columns depend on each other: there is no density in all of them. Drop those that follow from others, "
            "or collect more points.",
        )


def average_error(*terms: np.ndarray) -> float:
    """Standard error of a sum of averages over independent samples."""
    return float(np.sqrt(sum(np.var(t, ddof=1) / len(t) for t in terms)))
