"""What the caller passed as a source: its pieces, for each kind of thing that it can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from companion import checks
from companion.scaling import files
from companion.scaling.pieces import Paired, Piece, Sliced, Streamed, frame_names, is_delayed, is_name, select

_FIX = (
    "Pass an array, a list of arrays, a function without arguments that returns an iterable of arrays, or the path of "
    "a .npy, .csv or .parquet file."
)


def data_of(where: str) -> str:
    """What the public function calls its data."""
    return "X" if where == "scale.regression" else "source"


def checked_columns(where, columns):
    """The columns that are asked for, checked: None, a name, or a list of names."""
    fix = 'Pass one name, columns="x", or a list of names; numbers for an array.'
    if columns is None or (is_name(columns) and not isinstance(columns, bool)):
        return columns
    if hasattr(columns, "tolist"):
        columns = columns.tolist()
    if isinstance(columns, (list, tuple)) and columns and all(map(is_name, columns)):
        if len(set(columns)) == len(columns):
            return list(columns)
    checks.fail(where, "columns", columns, "a name or a list of different names", fix, TypeError)


def pieces_of(where, source, others, columns):
    """A list of pieces; a function that returns an iterator of them; or an iterator, for one pass."""
    data = data_of(where)
    if isinstance(source, (str, PathLike)):
        return _files(where, data, source, others, columns)
    if is_delayed(source):
        _fail_delayed(where, data, source)
    once = any(isinstance(other, Iterator) for _, other in others)
    if _is_function(source):
        found = partial(_from_function, where, source, others, columns)
        return found() if once else found
    if isinstance(source, (list, tuple)) and not any(map(_is_chunk, source)):
        source = checks.numbers(where, data, source, _FIX, truths=True)
    if hasattr(source, "shape") and (hasattr(source, "__array__") or frame_names(source) is not None):
        return [_sliced(where, data, source, others, columns)]
    if isinstance(source, (list, tuple)):
        return list(_from_iterable(where, source, others, columns))
    if hasattr(source, "shape") or not hasattr(source, "__iter__") or isinstance(source, (type, dict, set, bytes)):
        checks.fail(where, data, source, "data in chunks", _FIX, TypeError)
    if once or isinstance(source, Iterator) or not getattr(source, "repeatable", True):
        return _from_iterable(where, source, others, columns)
    return partial(_from_iterable, where, source, others, columns)


def pairs_of(where, source, others, columns):
    """The same of pairs (X, y)."""
    fix = "Pass y, or X as an iterable of pairs (X, y) of chunks."
    others = tuple(other for other in others if other[0] != "y")
    for name, other in others:
        if is_name(other):
            _fail_item(where, name, other)
    once = any(isinstance(other, Iterator) for _, other in others)
    if _is_function(source):
        found = lambda: _paired(where, _called(where, "X", source), others, columns)
        return found() if once else found
    if hasattr(source, "__array__") or isinstance(source, (str, bytes, dict, set)) or not hasattr(source, "__iter__"):
        checks.fail(where, "y", None, "the observations of X", fix, TypeError)
    if isinstance(source, (list, tuple)):
        if not all(callable(item) or isinstance(item, (tuple, list)) for item in source):
            checks.fail(where, "y", None, "the observations of X", fix, TypeError)
        return list(_paired(where, source, others, columns))
    if once or isinstance(source, Iterator):
        return _paired(where, source, others, columns)
    return lambda: _paired(where, source, others, columns)


def _paired(where, source, others, columns):
    for item, values in _together(where, source, others):
        yield Paired((item, *values), columns)


def _fail_delayed(where, argument, thing):
    fix = "Make one: dask.array.from_delayed(…), or dask.dataframe.from_delayed(…)."
    checks.fail(where, argument, type(thing), "a Dask array, series or data frame", fix, TypeError)


def _is_function(thing):
    return callable(thing) and not isinstance(thing, type) and not hasattr(thing, "__array__")


def _is_chunk(item):
    """Whether an item of a list is a chunk, rather than a number or a row."""
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    if is_delayed(item):
        return True
    iterable = hasattr(item, "__iter__") and not isinstance(item, (list, tuple, bytes))  # of which an error speaks
    table = frame_names(item) is not None or (iterable and getattr(item, "shape", (0,)) != ())
    return table or callable(item) or isinstance(item, PathLike)


def _called(where, argument, function):
    """The iterable of chunks that a function returns."""
    try:
        found = function()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"{where}: {argument}() = no value ({reason}); expected an iterable of arrays. Pass a function that can be "
            "called without arguments."
        ) from error
    array = hasattr(found, "shape") or frame_names(found) is not None
    number = isinstance(found, (list, tuple)) and len(found) > 0 and np.isscalar(found[0])
    if array or number or not hasattr(found, "__iter__") or isinstance(found, (str, bytes, dict, set)):
        fix = "Yield the chunks one by one; for one array return [array], or pass it itself."
        checks.fail(where, f"{argument}()", found, "an iterable of arrays", fix, TypeError)
    return found


def _from_function(where, source, others, columns):
    return _from_iterable(where, _called(where, data_of(where), source), others, columns)


def _from_iterable(where, source, others, columns):
    for number, (item, values) in enumerate(_together(where, source, others)):
        yield from _piece(where, number, item, others, values, columns)


def _together(where, source, others):
    """Items of the source, each with those of the other fields, which are iterables of as many."""
    given: list[tuple[str, Any]] = []
    for name, other in others:
        if other is not None and not is_name(other):
            other = _called(where, name, other) if _is_function(other) else other
            if isinstance(other, (bytes, dict, set)) or not hasattr(other, "__iter__"):
                _fail_item(where, name, other)
            given.append((name, other))
    end = object()
    for number, items in enumerate(zip_longest(source, *(other for _, other in given), fillvalue=end)):
        for name, item in zip([data_of(where), *(name for name, _ in given)], items):
            if item is end:
                fix = f"Cut {name} as the others are cut."
                checks.fail(where, f"chunks in {name}", number, "as many as there are in the others", fix)
        rest = dict(zip((name for name, _ in given), items[1:]))
        yield items[0], tuple(rest.get(name) for name, _ in others)


def _fail_item(where, name, other):
    expected = "an iterable with one array for each chunk"
    checks.fail(where, name, other, expected, f"Cut {name} as the data are cut.", TypeError)


def _piece(where, number, item, others, values, columns):
    """The pieces of an item of an iterable: a path has several chunks, everything else is one."""
    data = data_of(where)
    if isinstance(item, (str, PathLike)):
        named = tuple(
            (name, value if other is None or not is_name(other) else other)
            for (name, other), value in zip(others, values)
        )
        return _files(where, data, item, named, columns)
    if is_delayed(item):
        _fail_delayed(where, f"chunk {number:,} of {data}", item)
    if not (_is_function(item) or _is_rows(item)):
        fix = "To go through several iterables pass lambda: itertools.chain(one, two)."
        expected = "an array of observations, a function that returns one, or a path"
        checks.fail(where, f"chunk {number:,} of {data}", item, expected, fix, TypeError)
    columns, fields = left_over(item, others, columns), [item]
    for (name, other), value in zip(others, values):
        if is_name(other):
            if frame_names(item) is None:
                _fail_item(where, name, other)
            value = select(item, other, where, f"{name} of chunk {number:,}")
        elif other is not None and not (_is_function(value) or _is_rows(value)):
            fix = f"Pass a value for each row: numpy.full(len(chunk), {name}) if all have one."
            checks.fail(where, f"{name} of chunk {number:,}", value, "an array, one value for each row", fix, TypeError)
        fields.append(value)
    size = (getattr(item, "shape", None) or (None,))[0]
    return [Piece(tuple(fields), columns, "", size)]


def _is_rows(item):
    """Whether it has rows: an array, a list of numbers, a data frame."""
    rows = hasattr(item, "__len__") and hasattr(item, "__getitem__") and not isinstance(item, (str, bytes, dict))
    return rows and getattr(item, "shape", (0,)) != ()


def _sliced(where, argument, source, others, columns, label=""):
    """One array with the other fields, of the same length."""
    if len(getattr(source, "shape", ())) == 0:
        checks.fail(where, f"shape of {argument}", (), "(n,) or (n, d)", _FIX, TypeError)
    n, fields = source.shape[0], [_indexable(source)]
    columns = left_over(source, others, columns)
    for name, other in others:
        if is_name(other) and frame_names(source) is not None:
            other = select(source, other, where, name)
        elif isinstance(other, (str, PathLike)):
            if files.kind(Path(other)) != "npy":
                expected = "an array, or the path of a .npy file: the data have no columns with names"
                checks.fail(where, name, str(other), expected, f"Pass the values of {name}.", TypeError)
            other = files.mapped(where, Path(other), name)
        if other is not None:
            expected = "an array, one value for each row of the data"
            if not (_is_rows(other) or hasattr(other, "__getitem__")):
                checks.fail(where, name, other, expected, "Pass an array.", TypeError)
            try:
                other = other if hasattr(other, "shape") else np.asanyarray(other)
            except (TypeError, ValueError):
                checks.fail(where, name, other, expected, "Pass an array.", TypeError)
            if np.shape(other)[:1] != (n,):
                expected, fix = f"({n}, ...), one for each row of the data", "Pass the same rows of both."
                checks.fail(where, f"shape of {name}", np.shape(other), expected, fix)
            other = _indexable(other)
        fields.append(other)
    return Sliced(tuple(fields), columns, label, n)


def left_over(source, others, columns):
    """The columns of a frame that the data have if none are named: those that are not named as weights, y, …."""
    named, names = [other for _, other in others if is_name(other)], frame_names(source)
    if columns is not None or not named or names is None:
        return columns
    return [name for name in names if name not in named]


def _indexable(array):
    """What slices by position: of a data frame or a series that is `iloc`."""
    return _ByPosition(array) if hasattr(array, "iloc") else array


class _ByPosition:
    def __init__(self, frame):
        self.frame, self.shape = frame, frame.shape

    def __getitem__(self, rows):
        return self.frame.iloc[rows]


def _files(where, argument, path, others, columns):
    """The pieces of a file, or of the files in a folder."""
    path, fix = Path(fspath(path)), "Pass the path of a .npy, .csv or .parquet file, or of a folder of such files."
    if path.is_dir():
        names = sorted(p for p in path.iterdir() if files.kind(p))
        if not names or len({files.kind(p) for p in names}) > 1:
            expected = "a folder with files of one kind: .npy, .csv or .parquet"
            checks.fail(where, argument, str(path), expected, fix)
        return [piece for name in names for piece in _files(where, argument, name, others, columns)]
    if not path.is_file() or not files.kind(path):
        checks.fail(where, argument, str(path), "a file that exists and is of a known kind", fix)
    if files.kind(path) == "npy":
        return [_sliced(where, argument, files.mapped(where, path, argument), others, columns, path.name)]
    for name, other in others:
        if other is not None and not is_name(other):
            expected, advice = f"the name of a column of {path.name}", "Store it beside the data."
            checks.fail(where, name, other, expected, advice, TypeError)
    reader = files.READERS[files.kind(path)](where, path, [(argument, columns), *others])
    return [Streamed((None,), columns, path.name, reader.rows, reader)]
