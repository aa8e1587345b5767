r"""Losses of classifiers from logits, and whether predicted probabilities mean what they say.

Everything is computed from logits z, with :math:`p_\theta(k\mid x) = e^{z_k}/\sum_j e^{z_j}`, in double precision.
Labels are whole numbers 0, …, K − 1; two classes are logits (0, z). All values are in nats. A part of the chapter
*Cross-entropy as a loss*.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from companion import checks

__all__ = ["Calibration", "calibration", "cross_entropy_loss", "fit_temperature", "smooth_labels"]

_LOGITS = "Pass one row of K logits for each observation, shape (n, K), before any softmax."


def _logits(where: str, logits: ArrayLike) -> np.ndarray:
    z = checks.finite(where, "logits", logits, _LOGITS)
    if z.ndim != 2 or z.shape[1] < 2:
        checks.fail(where, "shape of logits", z.shape, "(n, K), K ≥ 2", _LOGITS)
    size = float(np.max(np.abs(z)))
    if size > 1e150:
        checks.fail(where, "largest logit", size, "at most 1e150", "Such a network has diverged.")
    return z


def _labels(where: str, labels: ArrayLike, classes: int, n: int | None = None) -> np.ndarray:
    fix = f"Pass one whole number from 0 to {classes - 1} for each observation."
    y = checks.parameter(where, "labels", labels, fix)
    if y.ndim != 1 or n not in (None, len(y)):
        expected = "(n,)" if n is None else f"({n},), one for each row of the logits"
        checks.fail(where, "shape of labels", y.shape, expected, fix)
    good = (y == np.floor(y)) & (y >= 0) & (y < classes)
    checks.require(where, "labels", y, good, f"a whole number from 0 to {classes - 1}", fix)
    return y.astype(int)


def _pair(where: str, logits: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    z = _logits(where, logits)
    return z, _labels(where, labels, z.shape[1], len(z))


def _share(where: str, smoothing: float) -> float:
    fix = "Pass the share of labels drawn anew, e.g. 0.1."
    value = checks.scalar(where, "smoothing", smoothing, fix)
    if not 0 <= value <= 1:
        checks.fail(where, "smoothing", value, "a number from 0 to 1", fix)
    return value


def _surprise(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """−log softmax(z)_y by rows; small ones keep their digits: log(1 + Σ exp(z_k − z_y)) over the other k."""
    gaps = z - np.take_along_axis(z, y[:, None], axis=1)
    np.put_along_axis(gaps, y[:, None], -np.inf, axis=1)
    return np.logaddexp(0, special.logsumexp(gaps, axis=1))


def smooth_labels(labels: ArrayLike, classes: int, smoothing: float) -> np.ndarray:
    r"""Targets :math:`(1-\varepsilon)\,y + \varepsilon/K` of label smoothing: with chance ε the label is drawn anew.

    Parameters
    ----------
    labels : array_like, shape (n,)
        Whole numbers 0, …, K − 1.
    classes : int
        K, at least 2.
    smoothing : float
        ε, from 0 to 1.

    Returns
    -------
    ndarray of shape (n, K)
        Its rows sum to one. No loss against it is below its entropy.

    Raises
    ------
    ValueError, TypeError
        If an argument is not of its kind.

    References
    ----------
    Szegedy et al. (2016).

    Examples
    --------
    >>> smooth_labels([1], classes=4, smoothing=0.2)
    array([[0.05, 0.85, 0.05, 0.05]])
    """
    where = "smooth_labels"
    classes = checks.positive_integer(where, "classes", classes, "Pass the number of classes, e.g. 10.")
    if not 2 <= classes <= 10_000_000:
        checks.fail(where, "classes", classes, "from 2 to 10,000,000", "Pass the number of classes, e.g. 10.")
    smoothing = _share(where, smoothing)
    y = _labels(where, labels, classes)
    target = np.full((len(y), classes), smoothing / classes)
    target[np.arange(len(y)), y] += 1 - smoothing
    return target


def cross_entropy_loss(logits: ArrayLike, labels: ArrayLike, smoothing: float = 0.0) -> float:
    r"""Average cross-entropy loss :math:`-\frac1n\sum_i\log p_\theta(y_i\mid x_i)` from logits; with smoothing, of the
    targets of `smooth_labels`.

    It is the average over the inputs of :math:`\mathrm{H} + \mathrm{KL}` from the labels seen there to the model.

    Parameters
    ----------
    logits : array_like, shape (n, K)
        Before any softmax.
    labels : array_like, shape (n,)
        Whole numbers 0, …, K − 1.
    smoothing : float
        ε of label smoothing.

    Returns
    -------
    float
        In nats; log K for equal logits, finite for the logits that are taken, those up to 1e150 in size, and with all
        its digits where it is small.

    Raises
    ------
    ValueError, TypeError
        If the logits or labels are not of their kind.

    References
    ----------
    Goodfellow, Bengio and Courville (2016), chapter 6.

    Examples
    --------
    >>> round(cross_entropy_loss(np.zeros((3, 10)), [0, 4, 9]), 4)
    2.3026
    >>> float(f"{cross_entropy_loss([[800.0, 0.0], [50.0, 0.0]], [0, 0]):.6g}")
    9.64375e-23
    """
    where = "cross_entropy_loss"
    z, y = _pair(where, logits, labels)
    smoothing = _share(where, smoothing)
    hard = _surprise(z, y)
    if smoothing == 0:
        return float(np.mean(hard))
    even = np.mean(special.logsumexp(z, axis=1, keepdims=True) - z, axis=1)
    return float(np.mean((1 - smoothing) * hard + smoothing * even))


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    r"""The temperature T for which :math:`\mathrm{softmax}(z/T)` has the least loss, on data not used to fit z.

    Maximum likelihood with one parameter: at the optimum the average logit of the labels that occurred is the average
    that the model expects.

    Parameters
    ----------
    logits : array_like, shape (n, K)
    labels : array_like, shape (n,)

    Returns
    -------
    float
        Above 1 if the logits are too sure.

    Raises
    ------
    ValueError
        If there is no best positive temperature: every label has the largest logit, so that T → 0 is better than any
        T; the logits tell no more than chance, so that T → ∞ is; or all logits of each row are equal.

    References
    ----------
    Guo et al. (2017).

    Examples
    --------
    >>> round(fit_temperature([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]], [0, 0, 0, 1]), 4)   # 2/T = log 3
    1.8205
    """
    where = "fit_temperature"
    z, y = _pair(where, logits, labels)
    z = z - z.max(axis=1, keepdims=True)
    scale = float(-z.min())
    own = z[np.arange(len(y)), y]
    if scale == 0:
        reason = "Every temperature gives the same loss, log K. Pass logits that tell the classes apart."
        checks.fail(where, "logits", logits, "a row with different logits", reason)
    if not np.any(own < 0):
        reason = (
            "Every label has the largest logit: the smaller T, the smaller the loss. Use data the model gets wrong."
        )
        checks.fail(where, "labels", y, "a label whose logit is not the largest", reason)

    def slope(inverse: float) -> float:  # of the loss over 1/T
        return float(np.mean(np.sum(special.softmax(inverse * z, axis=1) * z, axis=1) - own))

    z, own = z / scale, own / scale
    if slope(0.0) >= 0:
        reason = "These logits tell no more than chance: check the order of the classes."
        checks.fail(where, "labels", y, "labels whose logits are above the average", reason)
    high = 1.0
    while slope(high) < 0:
        high *= 2
    return float(scale / optimize.brentq(slope, 0.0, high, xtol=1e-300, rtol=1e-14))


class Calibration(NamedTuple):
    """Bins of the predicted probability: mean `predicted`, share `observed`, its `standard_error` if the predictions
    are right, and the `counts`.

    ``error`` is the average distance of predicted and observed, weighted by the counts, and ``by_chance`` about what it
    is for right predictions, since shares vary.
    """

    predicted: np.ndarray
    observed: np.ndarray
    standard_error: np.ndarray
    counts: np.ndarray
    error: float
    by_chance: float


def calibration(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> Calibration:
    r"""Do predicted probabilities mean what they say? Predictions sorted into bins of nearly equal counts.

    Parameters
    ----------
    probabilities : array_like, shape (n,)
        Predicted probabilities of an event: of the class predicted, or of one class.
    outcomes : array_like, shape (n,)
        1 where the event came, 0 where it did not.
    bins : int
        Number of bins, at most n; fewer are used where equal predictions would be torn apart.

    Returns
    -------
    Calibration
        `by_chance` is :math:`\sqrt{2/\pi}` times the standard errors, averaged; compare `error` with it, not with 0.

    Raises
    ------
    ValueError, TypeError
        If there are no predictions, they are no probabilities, or the outcomes are not 0 or 1.

    References
    ----------
    Guo et al. (2017).

    Examples
    --------
    >>> found = calibration([0.1, 0.1, 0.1, 0.1, 0.9, 0.9], [0, 0, 0, 1, 1, 1], bins=2)
    >>> found.observed.round(2), found.counts
    (array([0.25, 1.  ]), array([4, 2]))
    """
    where = "calibration"
    fix = "Pass one predicted probability for each outcome."
    p = checks.probability(where, "probabilities", probabilities, fix)
    y = checks.real_array(where, "outcomes", outcomes, "Pass 1 where the event came, 0 elsewhere.", truths=True)
    if p.ndim != 1:
        checks.fail(where, "shape of probabilities", p.shape, "(n,)", fix)
    if p.shape != y.shape:
        checks.fail(where, "shape of outcomes", y.shape, f"that of the probabilities, {p.shape}", fix)
    checks.require(where, "outcomes", y, (y == 0) | (y == 1), "0 or 1", "Pass 1 where the event came, 0 elsewhere.")
    bins = checks.positive_integer(where, "bins", bins, "Pass how many bins, e.g. 10.")
    if bins > len(p):
        checks.fail(where, "bins", bins, f"at most {len(p)}, the number of predictions", "Pass fewer bins.")
    order = np.argsort(p, kind="stable")
    ends = np.cumsum([len(part) for part in np.array_split(order, bins)])
    ends = np.unique(np.searchsorted(p[order], p[order][ends - 1], side="right"))
    parts = np.split(order, ends[:-1])
    count = np.array([len(part) for part in parts])
    predicted = np.array([p[part].mean() for part in parts])
    observed = np.array([y[part].mean() for part in parts])
    error = np.sqrt([np.sum(p[part] * (1 - p[part])) for part in parts]) / count
    weights = count / len(p)
    gap = float(weights @ np.abs(predicted - observed))
    return Calibration(predicted, observed, error, count, gap, float(np.sqrt(2 / np.pi) * weights @ error))
