"""One clear error for bad input: the argument, its value, what was expected, and the fix.

Every check raises `ValueError` (a value is wrong) or `TypeError` (a kind of object is wrong) with the message

    <where>: <argument> = <value>; expected <expectation>. <fix>

Nothing is ever clipped, dropped or renormalised to make a check pass.
"""

from __future__ import annotations

import numpy as np

#: Largest deviation from 1 that rounding explains in a sum of probabilities.
SUM_TOLERANCE = 1e-12


def describe(value) -> str:
    """A short text for a value in an error message.

    >>> describe(np.arange(1000.0))
    'array of shape (1000,), from 0.0 to 999.0'
    >>> describe(-1)
    '-1'
    >>> from scipy import stats
    >>> describe(stats.norm(0, scale=2)), describe(stats.norm)
    ('scipy.stats.norm(0, scale=2)', 'scipy.stats.norm')
    """
    if hasattr(value, "dist") and hasattr(value, "kwds"):  # frozen
        inside = [*map(str, value.args), *(f"{k}={v}" for k, v in value.kwds.items())]
        return f"scipy.stats.{value.dist.name}({', '.join(inside)})"
    if hasattr(value, "freeze") or hasattr(value, "_dist"):  # not frozen; frozen of several variables
        return f"scipy.stats.{getattr(value, 'name', type(value).__name__.removesuffix('_frozen'))}{'(...)' if hasattr(value, '_dist') else ''}"
    if isinstance(value, np.ndarray) and value.size > 6:
        numeric = value.dtype.kind in "fiub" and np.all(np.isfinite(value))
        spread = f", from {value.min()} to {value.max()}" if numeric else ""
        return f"array of shape {value.shape}{spread}"
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    text = repr(value.item() if isinstance(value, np.generic) else value)
    if " at 0x" in text:
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def fail(where: str, argument: str, value, expected: str, fix: str, error=ValueError):
    """Raise `error` with the one message format of this package."""
    raise error(f"{where}: {argument} = {describe(value)}; expected {expected}. {fix}") from None


def numbers(where: str, argument: str, value, fix: str, truths: bool = False) -> np.ndarray:
    """`value` as an array of real numbers of any type, not copied if it is one; NaN is let through."""
    try:
        raw = np.asarray(value)
    except ValueError:
        fail(where, argument, value, "numbers in a regular array", fix, TypeError)
    if raw.dtype.kind == "b" and not truths:
        fail(where, argument, value, "numbers, not truth values", fix, TypeError)
    if raw.dtype.kind not in "fiub":
        fail(where, argument, value, "real numbers", fix, TypeError)
    return raw


def real_array(where: str, argument: str, value, fix: str, truths: bool = False) -> np.ndarray:
    """`value` as a float array without NaN, or an error that names the first offending entry.

    With `truths`, True and False count as 1 and 0: right for data and weights, a mistake for a parameter.
    """
    array = numbers(where, argument, value, fix, truths).astype(float)
    require(where, argument, array, ~np.isnan(array), "no NaN", fix)
    return array


def require(where: str, argument: str, array: np.ndarray, holds, expected: str, fix: str) -> None:
    """Fail with the first entry of `array` for which `holds` is False; the two broadcast."""
    if np.all(holds):
        return
    shape = np.shape(array)
    while len(shape) > 1 and shape[-1] == 1:  # axes that were added for broadcasting
        shape = shape[:-1]
    array, holds = np.broadcast_arrays(array, holds)
    first = tuple(int(i) for i in np.argwhere(~holds)[0])
    index = list(first[: len(shape)])
    fail(where, f"{argument}{index}" if index else argument, float(array[first]), expected, fix)


def scalar(where, argument, value, fix):
    """One finite number as a float."""
    array = finite(where, argument, value, fix)
    if array.ndim:
        fail(where, argument, value, "one number", fix, TypeError)
    return float(array)


def parameter(where, argument, value, fix):
    """Float array without NaN and with at least one entry."""
    array = real_array(where, argument, value, fix)
    if array.size == 0:
        fail(where, argument, array, "at least one number", fix)
    return array


def broadcast(where, **shapes):
    """The common shape of named shapes, or an error that shows them."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        names = " and ".join(shapes)
        shown = " and ".join(map(str, shapes.values()))
        raise ValueError(
            f"{where}: shapes of {names} = {shown}; expected shapes that broadcast. Add an axis of length 1 where one is "
            "to meet all of the other, e.g. x[:, None]."
        ) from None


def positive(where, argument, value, fix):
    """Positive finite float array."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, (array > 0) & np.isfinite(array), "a positive finite number", fix)
    return array


def finite(where, argument, value, fix):
    """Finite float array."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, np.isfinite(array), "a finite number", fix)
    return array


def probability(where, argument, value, fix):
    """Float array with entries in [0, 1]."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, (array >= 0) & (array <= 1), "a probability in [0, 1]", fix)
    return array


def whole(where, argument, value, low, fix):
    """Float array of whole numbers that are at least `low`."""
    array = parameter(where, argument, value, fix)
    good = np.isfinite(array) & (array == np.floor(array)) & (array >= low)
    require(where, argument, array, good, f"a whole number, at least {low}", fix)
    return array


def probability_vector(where, argument, value):
    """Float array (..., K) of probabilities whose last axis sums to one.

    >>> probability_vector("entropy", "p", [0.5, 0.6])
    Traceback (most recent call last):
    ...
    ValueError: entropy: sum of p = 1.1; expected 1 to within 1e-12. Divide by the sum yourself if these are weights: p / p.sum(); nothing is renormalised here.
    """
    fix = "Pass probabilities such as [0.2, 0.3, 0.5] along the last axis."
    array = probability(where, argument, value, fix)
    if array.ndim == 0:
        fail(where, argument, value, "a vector with at least one probability", fix)
    total = array.sum(axis=-1)
    require(
        where,
        f"sum of {argument}",
        total,
        np.abs(total - 1) <= SUM_TOLERANCE,
        f"1 to within {SUM_TOLERANCE:g}",
        f"Divide by the sum yourself if these are weights: {argument} / {argument}.sum(); nothing is renormalised here.",
    )
    return array


def sample(where, x, weights, event_ndim: int, fix: str, read=real_array):
    """Data `x` (n, ...) and weights (n,) or None, both checked; empty data and bad weights are errors.

    With ``read=numbers`` the data are not copied, and NaN is left to the caller to find.
    """
    array = read(where, "x", x, fix, truths=True)
    if array.ndim != 1 + event_ndim or 0 in array.shape[1:]:
        fail(where, "shape of x", array.shape, "(n,)" if event_ndim == 0 else "(n, d)", fix)
    if array.shape[0] == 0:
        fail(where, "x", array, "at least one observation", "There is nothing to fit in an empty sample.")
    if weights is None:
        return array, None
    weight_fix = "Pass one non-negative weight for each observation, not all zero."
    w = real_array(where, "weights", weights, weight_fix, truths=True)
    if w.shape != array.shape[:1]:
        fail(where, "shape of weights", w.shape, f"{array.shape[:1]}, one for each observation", weight_fix)
    require(where, "weights", w, (w >= 0) & np.isfinite(w), "a non-negative finite weight", weight_fix)
    if w.sum() == 0:
        fail(where, "sum of weights", 0.0, "a positive total", weight_fix)
    return array, w


def generator(where, rng) -> np.random.Generator:
    """A Generator from a Generator or an integer seed; there is no global random state."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    fail(
        where,
        "rng",
        rng,
        "a numpy.random.Generator or a non-negative integer seed",
        "Pass rng=0, or rng=np.random.default_rng(0).",
        ValueError if isinstance(rng, (int, float)) else TypeError,
    )


def sample_size(where, n) -> int:
    """A positive integer number of draws."""
    if isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0:
        return int(n)
    fail(
        where,
        "n",
        n,
        "a positive integer number of draws",
        "Pass how many draws you want, e.g. n=1000.",
        ValueError if isinstance(n, (int, float, np.number)) else TypeError,
    )


def positive_integer(where, argument, value, fix) -> int:
    """A positive integer: a size, or a number of rounds."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0:
        return int(value)
    fail(
        where,
        argument,
        value,
        "a positive integer",
        fix,
        ValueError if isinstance(value, (int, float, np.number)) else TypeError,
    )
