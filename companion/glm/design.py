"""The design of a regression: columns with names, read from arrays and data frames, checked and found independent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from companion import checks

#: A column that the others explain up to this part of its size is no column of its own.
DEPENDENT = 1e-13
#: Sizes of numbers whose squares and their inverses are doubles.
LARGEST, SMALLEST = 1e140, 1e-140

_FIX = "Pass numbers of shape (n, p): one row for each observation, one column for each variable."


class Named(np.ndarray):
    """Numbers that are also found by their names: ``c["age"]``, ``c["cat", "age"]``, ``dict(c)``; otherwise an array.

    What is computed from them is a plain array.

    >>> c = Named([1.0, 2.0], ("intercept", "age"))
    >>> c
    intercept  1
    age        2
    >>> float(c["age"]), float(c[1]), (2 * c).tolist()
    (2.0, 2.0, [2.0, 4.0])
    """

    names: tuple[tuple[str, ...], ...]

    def __new__(cls, values: ArrayLike, *names: tuple[str, ...]) -> Named:
        new = np.array(values, dtype=float).view(cls)
        new.names = names
        new.flags.writeable = False
        return new

    def __array_finalize__(self, source: Any) -> None:
        self.names = ()

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __reduce__(self) -> Any:
        return Named, (np.asarray(self), *self.names)

    def __copy__(self) -> Named:
        return self

    def __deepcopy__(self, memo: Any) -> Named:
        return self

    @property
    def T(self) -> Named:
        """The transpose, with its names."""
        return Named(np.asarray(self).T, *self.names[::-1])

    def keys(self) -> tuple[str, ...]:
        """The names along the first axis."""
        return self.names[0] if self.names else ()

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(k, str) for k in keys):
            value = np.asarray(self)[key]
            return Named(value, self.names[0][key], *self.names[1:]) if self.names and isinstance(key, slice) else value
        found = tuple(self._place(k, axis) if isinstance(k, str) else k for axis, k in enumerate(keys))
        value = np.asarray(self)[found]
        return Named(value, *self.names[1:]) if value.ndim and len(found) == 1 else value

    def _place(self, name, axis):
        if not self.names:
            raise KeyError(
                f"{name!r}; NumPy has made an array without names of this one: take entries from the original"
            )
        names = self.names[axis] if axis < len(self.names) else ()
        if name not in names:
            raise KeyError(f"{name!r}; the names are {', '.join(map(repr, names))}")
        return names.index(name)

    def __repr__(self) -> str:
        if len(self.names) != self.ndim or self.ndim not in (1, 2):
            return repr(np.asarray(self))
        rows = [[name, *(f"{v:.6g}" for v in np.atleast_1d(row))] for name, row in zip(self.names[0], np.asarray(self))]
        if self.ndim == 2:
            rows.insert(0, ["", *self.names[1]])
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join(
            "  ".join([f"{row[0]:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:]))]).rstrip()
            for row in rows
        )

    __str__ = __repr__


def read_numbers(where: str, argument: str, value: Any, fix: str) -> np.ndarray:
    """`value` as a float array without NaN and without a mask; True and False are 1 and 0."""
    if np.ma.is_masked(value):
        fix = f"Leave these rows out of X and y: keep = ~np.ma.getmaskarray({argument}), and index both with it."
        checks.fail(where, argument, value, "values without a mask", fix)
    return checks.real_array(where, argument, value, fix, truths=True)


def read_columns(where: str, argument: str, X: Any, names: tuple[str, ...] | None = None) -> tuple[np.ndarray, Any]:
    """`X` as an array (n, p) of finite numbers, and the names of its columns if it is a data frame, else None.

    Of a data frame the columns `names` are taken, in this order, if they are given.
    """
    columns = getattr(X, "columns", None)
    if columns is None or not hasattr(X, "__getitem__") or not hasattr(X, "shape"):
        array = read_numbers(where, argument, X, _FIX)
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            checks.fail(where, f"shape of {argument}", array.shape, "(n, p)", _FIX)
        _in_range(where, argument, array)
        return array, None
    found = [str(name) for name in columns]
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        checks.fail(
            where, f"columns of {argument}", twice, "a name for each column", f"{twice!r} occurs twice: rename."
        )
    wanted = found if names is None else list(names)
    for name in wanted:
        if name not in found:
            checks.fail(where, f"columns of {argument}", found, f"a column {name!r}", "Pass the columns of the fit.")
    read = []
    for name in wanted:
        label = f"{argument}[{name!r}]"
        fix = "Code text and factors as columns of 0 and 1 for all levels but one, and leave out missing rows."
        column = X[columns[found.index(name)]]
        if getattr(getattr(column, "dtype", None), "name", "") == "category":
            checks.fail(where, f"type of {label}", "category", "numbers", fix, TypeError)
        column = read_numbers(where, label, column, fix)
        _in_range(where, label, column)
        read.append(column)
    return np.column_stack(read) if read else np.empty((X.shape[0], 0)), tuple(wanted)


def _in_range(where, argument, array):
    size = np.abs(array)
    good = (size < LARGEST) & ((size > SMALLEST) | (size == 0))
    expected = f"finite numbers, 0 or between {SMALLEST:g} and {LARGEST:g} in size"
    checks.require(where, argument, array, good, expected, "Leave rows with missing values out, or change the unit.")


def offsets(where: str, value: ArrayLike | None, n: int) -> np.ndarray:
    """An offset for each of n rows: `value` of shape (n,), one number for all, or 0."""
    if value is None:
        return np.zeros(n)
    fix = "Pass a number for each row of X, e.g. log exposures."
    array = checks.finite(where, "offset", value, fix)
    checks.require(where, "offset", array, np.abs(array) < LARGEST, f"a number below {LARGEST:g} in size", fix)
    if array.shape not in ((), (n,)):
        checks.fail(where, "shape of offset", array.shape, f"() or ({n},), one for each row of X", fix)
    return np.broadcast_to(array, (n,))


def row_weights(where: str, value: ArrayLike | None, n: int) -> np.ndarray:
    """A non-negative weight for each of n rows, not all zero; 1 if none are given."""
    if value is None:
        return np.ones(n)
    fix = "Pass one non-negative weight for each row of X, not all zero."
    array = read_numbers(where, "weights", value, fix)
    if array.shape != (n,):
        checks.fail(where, "shape of weights", array.shape, f"({n},), one for each row of X", fix)
    good = (array >= 0) & (array < LARGEST) & ((array > SMALLEST) | (array == 0))
    checks.require(where, "weights", array, good, f"0, or a number between {SMALLEST:g} and {LARGEST:g}", fix)
    if not np.any(array):
        checks.fail(where, "sum of weights", 0.0, "a positive total", fix)
    return array


class Design(NamedTuple):
    """Rows with positive weight: ``X`` (n, p) scaled by powers of two, X · diag(``scale``) being the columns given, an
    orthonormal basis ``Q`` of the span of √w X, its triangle ``R`` and the order ``pivots`` of the columns in it."""

    X: np.ndarray
    scale: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    pivots: np.ndarray
    condition: float

    def back(self, gamma: np.ndarray) -> np.ndarray:
        """R⁻¹ `gamma`, in the order of the columns of X."""
        return _unpivoted(linalg.solve_triangular(self.R, gamma), self.pivots)

    def forth(self, score: np.ndarray) -> np.ndarray:
        """R⁻ᵀ `score`, given in the order of the columns of X."""
        return linalg.solve_triangular(self.R, score[self.pivots], trans="T")


def _unpivoted(rows, pivots):
    out = np.empty_like(rows)
    out[pivots] = rows
    return out


def factor(where: str, X: np.ndarray, names: tuple[str, ...], weights: np.ndarray) -> Design:
    """The design of the rows `X`, or an error that names the columns that are not independent."""
    n, p = X.shape
    size = np.max(np.abs(X), axis=0, initial=0.0)
    for name, zero in zip(names, size == 0):
        if zero:
            checks.fail(where, f"column {name!r} of X", 0.0, "values that are not all zero", "Leave the column out.")
    scale = np.exp2(np.ceil(np.log2(size)))
    scaled = X / scale
    if n < p:
        fix = "Take more observations or fewer columns: fewer equations than unknowns have no one solution."
        checks.fail(where, "rows of X with positive weight", n, f"at least {p}, the number of coefficients", fix)
    rows = scaled * np.sqrt(weights)[:, None]
    length = np.sqrt(np.einsum("ij,ij->j", rows, rows))
    Q, R, pivots = _orthonormal(rows / length)
    sizes = np.abs(np.diagonal(R))
    if p and sizes[-1] <= DEPENDENT:
        _name_dependent(where, scaled, R, sizes, pivots, names)
    condition = float(np.linalg.cond(R)) if p else 1.0
    return Design(scaled, scale, Q, R * length[pivots], pivots, condition)


def _orthonormal(rows):
    """Q, R and the order of the columns. Of many rows, if no column is nearly dependent, by Cholesky's factor of their
    products twice over: as good as Householder's, and several times as fast."""
    gram = rows.T @ rows
    if rows.size > 100_000 and linalg.eigvalsh(gram)[0] > 1e-6:
        first = linalg.cholesky(gram)
        Q = linalg.solve_triangular(first, rows.T, trans="T").T
        second = linalg.cholesky(Q.T @ Q)
        Q = linalg.solve_triangular(second, Q.T, trans="T").T
        return Q, second @ first, np.arange(rows.shape[1])
    return linalg.qr(rows, mode="economic", pivoting=True)


def _name_dependent(where, scaled, R, sizes, pivots, names):
    """Raise the error for the first column that others explain, and name these."""
    rank = int(np.argmax(sizes <= DEPENDENT))
    coefficients = linalg.solve_triangular(R[:rank, :rank], R[:rank, rank])
    others = [i for i, c in zip(pivots[:rank], coefficients) if abs(c) > 1e-7]
    group = [names[i] for i in sorted((pivots[rank], *others))]
    fix = "Leave one of them out: their coefficients are not determined. Of a factor code all levels but one."
    if len(group) == 2 and "intercept" in group and all(np.ptp(scaled[:, i]) == 0 for i in (pivots[rank], *others)):
        constant = next(name for name in group if name != "intercept")
        fix = f"Column {constant!r} is constant, as the intercept is: leave it out, or pass intercept=False."
    checks.fail(where, "columns of X that are linearly dependent", group, "none (to 1e-13 of their size)", fix)


def coefficient_names(where: str, columns: Any, number: int, intercept: bool) -> tuple[str, ...]:
    """Names of the coefficients: "intercept" if there is one, and the columns' own or x0, x1, …."""
    names = columns or tuple(f"x{j}" for j in range(number))
    if intercept and "intercept" in names:
        fix = "Rename the column, or pass intercept=False."
        checks.fail(where, "columns of X", names, "no column named 'intercept' beside the intercept", fix)
    return ("intercept", *names) if intercept else tuple(names)
