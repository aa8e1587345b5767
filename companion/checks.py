"""One clear error for bad input: the argument, its value, what was expected, and the fix.

Every check raises `ValueError` (a value is wrong) or `TypeError` (a kind of object is wrong) with the message

    <where>: <argument> = <value>; expected <expectation>. <fix>

Nothing is ever clipped, dropped or renormalised to make a check pass.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

#: Largest deviation from 1 that rounding explains in a sum of probabilities.
SUM_TOLERANCE = 1e-12
#: Largest number of draws or rounds: no memory holds more, and nobody waits for them.
LARGEST = 2**40


def describe(value: Any) -> str:
    """A short text for a value in an error message.

    >>> describe(np.arange(1000.0))
    'array of shape (1000,), from 0.0 to 999.0'
    >>> describe(-1)
    '-1'
    >>> from scipy import stats
    >>> describe(stats.norm(0, scale=2)), describe(stats.norm)
    ('scipy.stats.norm(0, scale=2)', 'scipy.stats.norm')
    >>> describe((np.float64(0.5), 1))
    '(0.5, 1)'
    """
    if isinstance(value, type):
        return repr(value)
    if hasattr(value, "dist") and hasattr(value, "kwds"):  # frozen
        inside = [*map(str, value.args), *(f"{k}={v}" for k, v in value.kwds.items())]
        return f"{_scipy_name(value.dist)}({', '.join(inside)})"
    if hasattr(value, "freeze"):  # not frozen
        return _scipy_name(value)
    if hasattr(value, "_dist"):  # frozen, of several variables
        return f"scipy.stats.{type(value).__name__.removesuffix('_frozen')}(...)"
    if isinstance(value, np.ndarray) and value.size > 6:
        numeric = value.dtype.kind in "fiub" and np.all(np.isfinite(value))
        spread = f", from {value.min()} to {value.max()}" if numeric else ""
        return f"array of shape {value.shape}{spread}"
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    text = " ".join(repr(_plain(value)).split())
    if " at 0x" in text:
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: Any) -> Any:
    """A number of NumPy's, also in a tuple or a list, as Python writes it."""
    if type(value) in (tuple, list) and len(value) <= 10:
        return type(value)(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def _scipy_name(family: Any) -> str:
    """``scipy.stats.norm``; for a distribution made by hand, the class it was made from."""
    name = str(getattr(family, "name", type(family).__name__))
    by_hand = "rv_discrete" if isinstance(family, stats.rv_discrete) else "rv_continuous"
    return f"scipy.stats.{name if hasattr(stats, name) else by_hand}"


def fail(
    where: str, argument: str, value: object, expected: str, fix: str, error: type[Exception] = ValueError
) -> NoReturn:
    """Raise `error` with the one message format of this package."""
    raise error(f"{where}: {argument} = {describe(value)}; expected {expected}. {fix}") from None


def is_array_like(value: object) -> bool:
    """Whether `value` is a list, a tuple, an array or what becomes one: a Series, a data frame, a tensor."""
    return isinstance(value, (list, tuple)) or hasattr(value, "__array__")


def _to_numpy(value: Any) -> np.ndarray:
    """What numpy makes of `value`; masks are kept. Series, frames and tensors are known by their methods, so that none
    of their libraries is imported."""
    if isinstance(value, (np.ndarray, float, int)):
        return np.asanyarray(value)
    if hasattr(value, "detach"):  # a torch tensor: off the tape and off the device
        return value.detach().cpu().numpy()
    if hasattr(value, "to_numpy"):  # pandas and polars
        array = value.to_numpy()
        try:  # pandas' own integers with missing ones, which become NaN
            if array.dtype.kind != "O" or not all(map(_is_real, set(map(type, array.flat)))):  # dates, text
                return array
            return value.to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            return array
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ma.MaskedArray) for v in value):
        return np.ma.array(value)
    return np.asanyarray(value)


def _is_real(kind: type) -> bool:
    """Whether entries of this type are real numbers, or say that one is missing."""
    return issubclass(kind, (Real, np.bool_, type(None))) or kind.__name__ == "NAType"


def _is_number(entry: Any) -> bool:
    return isinstance(entry, (int, float, np.integer, np.floating)) and not isinstance(entry, bool)


def numbers(where: str, argument: str, value: ArrayLike, fix: str, truths: bool = False) -> np.ndarray:
    """`value` as an array of real numbers of any type, not copied if it is one; NaN is let through, a mask is not.

    >>> numbers("f", "x", np.ma.array([1, 2], mask=[False, True]), "Pass numbers.")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: f: x = [1, None]; expected values without a mask. fit, statistics and ...
    """
    array = _read(where, argument, value, fix, truths)
    if np.ma.is_masked(array):
        fail(
            where,
            argument,
            array,
            "values without a mask",
            "fit, statistics and log_likelihood leave masked observations out; elsewhere drop them: x.compressed().",
        )
    return np.asarray(array)


def _read(where: str, argument: str, value: ArrayLike, fix: str, truths: bool) -> np.ndarray:
    """`numbers`, with the mask if there is one."""
    try:
        raw = _to_numpy(value)
    except (TypeError, ValueError, RuntimeError):
        fail(where, argument, value, "numbers in a regular array", fix, TypeError)
    if raw.dtype.kind == "b" and not truths:
        fail(where, argument, value, "numbers, not truth values", fix, TypeError)
    if raw.dtype.kind == "O" and raw.size:  # integers beyond 64 bits, or a column of a table
        odd = next((i for i, entry in np.ndenumerate(raw) if not _is_number(entry)), None)
        if odd is not None:
            name = f"{argument}{list(odd)}" if odd else argument
            fail(where, name, raw[odd], "real numbers, as floats or integers", fix, TypeError)
        try:
            raw = raw.astype(float)
        except OverflowError:
            fail(where, argument, value, "real numbers in the range of doubles", fix, TypeError)
    if raw.dtype.kind not in "fiub":
        fail(where, argument, value, "real numbers", fix, TypeError)
    return raw


def real_array(where: str, argument: str, value: ArrayLike, fix: str, truths: bool = False) -> np.ndarray:
    """`value` as a float array without NaN, or an error that names the first offending entry.

    With `truths`, True and False count as 1 and 0: right for data and weights, a mistake for a parameter.
    """
    array = numbers(where, argument, value, fix, truths).astype(float)
    require(where, argument, array, array == array, "no NaN", fix)
    return array


def require(where: str, argument: str, array: ArrayLike, holds: ArrayLike, expected: str, fix: str) -> None:
    """Fail with the first entry of `array` for which `holds` is False; the two broadcast."""
    if holds if isinstance(holds, np.bool_) else np.all(holds):
        return
    shape = np.shape(array)
    while len(shape) > 1 and shape[-1] == 1:  # axes that were added for broadcasting
        shape = shape[:-1]
    array, holds = np.broadcast_arrays(array, holds)
    first = tuple(int(i) for i in np.argwhere(~holds)[0])
    index = list(first[: len(shape)])
    fail(where, f"{argument}{index}" if index else argument, float(array[first]), expected, fix)


def scalar(where: str, argument: str, value: ArrayLike, fix: str) -> float:
    """One finite number as a float."""
    array = finite(where, argument, value, fix)
    if array.ndim:
        fail(where, argument, value, "one number", fix, TypeError)
    return float(array)


def tolerances(where: str, rtol: Any, atol: Any = 0.0) -> None:
    """Two numbers that are not negative, the relative one below 1."""
    for name, value, bound in (("rtol", rtol, 1.0), ("atol", atol, np.inf)):
        fix = "Pass a small number, e.g. rtol=1e-8, atol=1e-14."
        if not 0 <= scalar(where, name, value, fix) < bound:
            fail(where, name, value, f"a number from 0 to below {bound:g}", fix)


def parameter(where: str, argument: str, value: ArrayLike, fix: str) -> np.ndarray:
    """Float array without NaN and with at least one entry."""
    array = real_array(where, argument, value, fix)
    if array.size == 0:
        fail(where, argument, array, "at least one number", fix)
    return array


def broadcast(where: str, **shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of named shapes, or an error that shows them."""
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        names = " and ".join(shapes)
        shown = " and ".join(map(str, shapes.values()))
        raise ValueError(
            f"{where}: shapes of {names} = {shown}; expected shapes that broadcast. Add an axis of length 1 where one "
            "is to meet all of the other, e.g. x[:, None]."
        ) from None


def positive(where: str, argument: str, value: ArrayLike, fix: str) -> np.ndarray:
    """Positive finite float array."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, (array > 0) & np.isfinite(array), "a positive finite number", fix)
    return array


def finite(where: str, argument: str, value: ArrayLike, fix: str) -> np.ndarray:
    """Finite float array."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, np.isfinite(array), "a finite number", fix)
    return array


def probability(where: str, argument: str, value: ArrayLike, fix: str) -> np.ndarray:
    """Float array with entries in [0, 1]."""
    array = parameter(where, argument, value, fix)
    require(where, argument, array, (array >= 0) & (array <= 1), "a probability in [0, 1]", fix)
    return array


def whole(where: str, argument: str, value: ArrayLike, low: int, fix: str) -> np.ndarray:
    """Float array of whole numbers that are at least `low`."""
    array = parameter(where, argument, value, fix)
    good = np.isfinite(array) & (array == np.floor(array)) & (array >= low)
    require(where, argument, array, good, f"a whole number, at least {low}", fix)
    return array


def probability_vector(where: str, argument: str, value: ArrayLike) -> np.ndarray:
    """Float array (..., K) of probabilities whose last axis sums to one.

    >>> probability_vector("entropy", "p", [0.5, 0.6])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: entropy: sum of p = 1.1; expected 1 to within 1e-12. Divide by the sum yourself if these are weights...
    """
    fix = "Pass probabilities such as [0.2, 0.3, 0.5] along the last axis."
    given = numbers(where, argument, value, fix)
    array = parameter(where, argument, given, fix)
    if array.ndim == 0:
        fail(where, argument, value, "a vector with at least one probability", fix)
    require(where, argument, array, (array >= 0) & (array < np.inf), "a probability in [0, 1]", fix)
    total = array.sum(axis=-1)
    weights = "Divide by the sum yourself if these are weights"
    if given.dtype.itemsize < 8 and given.dtype.kind == "f":  # their sums are off by the rounding of single numbers
        advice = f"{weights}, in double precision: {argument}.astype(float) / {argument}.astype(float).sum()"
    else:
        advice = f"{weights}: {argument} / {argument}.sum()"
    require(
        where,
        f"sum of {argument}",
        total,
        np.abs(total - 1) <= SUM_TOLERANCE,
        f"1 to within {SUM_TOLERANCE:g}",
        f"{advice}; nothing is renormalised here.",
    )
    return array


def sample(
    where: str,
    x: ArrayLike,
    weights: ArrayLike | None,
    event_ndim: int,
    fix: str,
    read: Callable[..., np.ndarray] = real_array,
    argument: str = "x",
) -> tuple[np.ndarray, np.ndarray | None]:
    """Data `x` (n, ...) and weights (n,) or None, both checked; empty data and bad weights are errors.

    An observation of which anything is masked is left out, and its weight with it. With ``read=numbers`` the data are
    not copied, and NaN is left to the caller to find. Errors call the data `argument`.
    """
    given = _read(where, argument, x, fix, True)
    if given.ndim != 1 + event_ndim or 0 in given.shape[1:]:
        fail(where, f"shape of {argument}", given.shape, "(n,)" if event_ndim == 0 else "(n, d)", fix)
    masked = None
    if np.ma.is_masked(given):
        masked = np.ma.getmaskarray(given).reshape(len(given), -1).any(axis=1)
    weight_fix = "Pass one non-negative weight for each observation, not all zero."
    if weights is not None:
        weights = _read(where, "weights", weights, weight_fix, True)
        if weights.shape != given.shape[:1]:
            expected = f"{given.shape[:1]}, one for each observation"
            both = weight_fix if weights.ndim else f"{weight_fix} {fix}"  # perhaps a parameter was meant
            fail(where, "shape of weights", weights.shape, expected, both)
        if np.ma.is_masked(weights):
            masked = np.ma.getmaskarray(weights) if masked is None else masked | np.ma.getmaskarray(weights)
        weights = np.ma.getdata(weights) if masked is None else np.ma.getdata(weights)[~masked]
    array = np.ma.getdata(given) if masked is None else np.ma.getdata(given)[~masked]
    if len(array) == 0:
        reason = "There is nothing to fit in an empty sample." if masked is None else "All observations are masked."
        fail(where, argument, array, "at least one observation", reason)
    array = read(where, argument, array, fix, truths=True)
    if weights is None:
        return array, None
    w = real_array(where, "weights", weights, weight_fix, truths=True)
    require(where, "weights", w, (w >= 0) & np.isfinite(w), "a non-negative finite weight", weight_fix)
    if w.sum() == 0:
        fail(where, "sum of weights", 0.0, "a positive total", weight_fix)
    return array, w


def generator(where: str, rng: np.random.Generator | int) -> np.random.Generator:
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


def sample_size(where: str, n: int) -> int:
    """A positive integer number of draws."""
    return _counted(where, "n", n, "a positive integer number of draws", "Pass how many draws you want, e.g. n=1000.")


def positive_integer(where: str, argument: str, value: int, fix: str) -> int:
    """A positive integer: a size, or a number of rounds."""
    return _counted(where, argument, value, "a positive integer", fix)


def _counted(where: str, argument: str, value: int, expected: str, fix: str) -> int:
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if integer and 0 < value <= LARGEST:
        return int(value)
    expected += f", at most {LARGEST:,}" if integer and value > 0 else ""
    fail(where, argument, value, expected, fix, ValueError if isinstance(value, (int, float, np.number)) else TypeError)


def flag(where: str, argument: str, value: bool) -> bool:
    """True or False, and not something that has a truth value."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    fail(where, argument, value, "True or False", f"Pass {argument}=True, or leave it out.", TypeError)
