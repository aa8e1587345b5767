"""What the caller passed as a source: its pieces, for each kind of thing that it can be."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from companion import checks
from companion.scaling import files
from companion.scaling.pieces import Paired, Piece, Sliced, Streamed, is_name, select

_FIX = (
    "Pass an array, a list of arrays, a function without arguments that returns an iterable of arrays, or the path of "
    "a .npy, .csv or .parquet file."
)


def checked_columns(where, columns):
    """The columns that are asked for, checked: None, a name, or a list of names."""
    fix = 'Pass one name, columns="x", or a list of names; numbers for an array.'
    if columns is None or (is_name(columns) and not isinstance(columns, bool)):
        return columns
    if isinstance(columns, (list, tuple)) and columns and all(map(is_name, columns)):
        if len(set(columns)) == len(columns):
            return list(columns)
    checks.fail(where, "columns", columns, "a name or a list of different names", fix, TypeError)


def pieces_of(where, source, others, columns):
    """A list of pieces; a function that returns an iterator of them; or an iterator, for one pass."""
    if isinstance(source, (str, PathLike)):
        return _files(where, source, others, columns)
    if callable(source) and not isinstance(source, type) and not hasattr(source, "__array__"):
        return partial(_from_function, where, source, others, columns)
    if isinstance(source, (list, tuple)) and not any(map(_is_chunk, source)):
        source = checks.numbers(where, "source", source, _FIX, truths=True)
    if hasattr(source, "shape") and hasattr(source, "__array__"):
        return [_sliced(where, source, others, columns)]
    if isinstance(source, (list, tuple)):
        pieces = []
        for item, rest in _together(where, source, others):
            pieces += _piece(where, item, rest, columns)
        return pieces
    if not hasattr(source, "__iter__") or isinstance(source, (type, dict, set, bytes)):
        checks.fail(where, "source", source, "data in chunks", _FIX, TypeError)
    if iter(source) is source:
        return _from_iterable(where, source, others, columns)
    return partial(_from_iterable, where, source, others, columns)


def pairs_of(where, source, columns):
    """The same of pairs (X, y)."""
    fix = "Pass y, or X as an iterable of pairs (X, y) of chunks."
    if callable(source) and not isinstance(source, type) and not hasattr(source, "__array__"):
        return lambda: (Paired((item,), columns) for item in source())
    if hasattr(source, "__array__") or isinstance(source, (str, bytes, dict, set)) or not hasattr(source, "__iter__"):
        checks.fail(where, "y", None, "the observations of X", fix, TypeError)
    if isinstance(source, (list, tuple)):
        if not all(callable(item) or isinstance(item, (tuple, list)) for item in source):
            checks.fail(where, "y", None, "the observations of X", fix, TypeError)
        return [Paired((item,), columns) for item in source]
    if iter(source) is source:
        return (Paired((item,), columns) for item in source)
    return lambda: (Paired((item,), columns) for item in source)


def _is_chunk(item):
    """Whether an item of a list is a chunk, rather than a number or a row."""
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    return callable(item) or isinstance(item, (str, PathLike)) or (hasattr(item, "shape") and len(item.shape) > 0)


def _from_function(where, source, others, columns):
    found = source()
    if not hasattr(found, "__iter__") or isinstance(found, (str, bytes, dict, set)):
        checks.fail(where, "source()", found, "an iterable of arrays", _FIX, TypeError)
    return _from_iterable(where, found, others, columns)


def _from_iterable(where, source, others, columns):
    for item, rest in _together(where, source, others):
        yield from _piece(where, item, rest, columns)


def _together(where, source, others):
    """Items of the source with those of the other fields, which are iterables of as many."""
    given = []
    for name, other in others:
        if other is not None and not is_name(other):
            other = other() if callable(other) and not hasattr(other, "__array__") else other
            if isinstance(other, (bytes, dict, set)) or not hasattr(other, "__iter__"):
                expected, fix = "an iterable with one array for each chunk", f"Cut {name} as the data are cut."
                checks.fail(where, name, other, expected, fix, TypeError)
            given.append((name, other))
    end = object()
    for number, items in enumerate(zip_longest(source, *(other for _, other in given), fillvalue=end)):
        for name, item in zip(["source", *(name for name, _ in given)], items):
            if item is end:
                fix = f"Cut {name} as the others are cut."
                checks.fail(where, f"chunks in {name}", number, "as many as there are in the others", fix)
        rest = iter(items[1:])
        yield (
            items[0],
            tuple((name, other if other is None or is_name(other) else next(rest)) for name, other in others),
        )


def _piece(where, item, others, columns):
    """The pieces of an item of an iterable: a path has several chunks, everything else is one."""
    if isinstance(item, (str, PathLike)):
        return _files(where, item, others, columns)
    size, columns, fields = getattr(item, "shape", (None,))[0], left_over(item, others, columns), []
    for name, other in others:
        if is_name(other) and not hasattr(item, "columns"):
            expected, fix = "an iterable with one array for each chunk", f"Cut {name} as the data are cut."
            checks.fail(where, name, other, expected, fix, TypeError)
        fields.append(select(item, other) if is_name(other) else other)
    return [Piece((item, *fields), columns, "", size)]


def _sliced(where, source, others, columns, label=""):
    """One array with the other fields, of the same length."""
    if len(getattr(source, "shape", ())) == 0:
        checks.fail(where, "shape of source", (), "(n,) or (n, d)", _FIX, TypeError)
    n, fields = source.shape[0], [_indexable(source)]
    columns = left_over(source, others, columns)
    for name, other in others:
        if isinstance(other, (str, PathLike)) and hasattr(source, "columns"):
            other = select(source, other)
        elif isinstance(other, (str, PathLike)):
            other = files.mapped(where, Path(other))
        if other is not None:
            try:
                other = other if hasattr(other, "shape") else np.asarray(other)
            except (TypeError, ValueError):
                checks.fail(where, name, other, "one value for each row of the data", "Pass an array.", TypeError)
            if np.shape(other)[:1] != (n,):
                expected, fix = f"({n}, ...), one for each row of the data", "Pass the same rows of both."
                checks.fail(where, f"shape of {name}", np.shape(other), expected, fix)
            other = _indexable(other)
        fields.append(other)
    return Sliced(tuple(fields), columns, label, n)


def left_over(source, others, columns):
    """The columns of a frame that the data have if none are named: those that are not named as weights, y, …."""
    named = [other for _, other in others if is_name(other)]
    if columns is not None or not named or not hasattr(source, "columns"):
        return columns
    return [name for name in source.columns if name not in named]


def _indexable(array):
    """What slices by position: of a data frame or a series that is `iloc`."""
    return _ByPosition(array) if hasattr(array, "iloc") else array


class _ByPosition:
    def __init__(self, frame):
        self.frame, self.shape = frame, frame.shape

    def __getitem__(self, rows):
        return self.frame.iloc[rows]


def _files(where, path, others, columns):
    """The pieces of a file, or of the files in a folder."""
    path, fix = Path(fspath(path)), "Pass the path of a .npy, .csv or .parquet file, or of a folder of such files."
    if path.is_dir():
        names = sorted(p for p in path.iterdir() if files.kind(p))
        if not names or len({files.kind(p) for p in names}) > 1:
            expected = "a folder with files of one kind: .npy, .csv or .parquet"
            checks.fail(where, "source", str(path), expected, fix)
        return [piece for name in names for piece in _files(where, name, others, columns)]
    if not path.is_file() or not files.kind(path):
        checks.fail(where, "source", str(path), "a file that exists and is of a known kind", fix)
    if files.kind(path) == "npy":
        return [_sliced(where, files.mapped(where, path), others, columns, path.name)]
    names = [columns]
    for name, other in others:
        if other is not None and not is_name(other):
            expected, advice = f"the name of a column of {path.name}", "Store it beside the data."
            checks.fail(where, name, other, expected, advice, TypeError)
        names.append(other)
    reader = files.READERS[files.kind(path)](where, path, names)
    return [Streamed((None,), columns, path.name, reader.rows, reader)]
